"""The label of a thread: where it begins and ends, and which threads have it."""

import ast
from pathlib import Path

from imagesync.labels import ThreadPool, format_label, label, make_thread

PACKAGE = Path(__file__).parents[2] / "imagesync"


def test_a_label_is_of_its_block() -> None:
    """Blocks may be nested; an error ends one, too."""
    assert format_label() == ""
    with label("eu"):
        assert format_label() == "[eu] "
        with label("us"):
            assert format_label() == "[us] "
        with label(""):
            assert format_label() == ""
        assert format_label() == "[eu] "
    try:
        with label("eu"):
            raise ValueError
    except ValueError:
        assert format_label() == ""


def test_threads_have_the_label_of_the_thread_that_starts_them() -> None:
    """Also the threads that those start; threads of two targets at the same time do not mix their labels."""
    found: list[str] = []

    def work() -> None:
        inner = make_thread(lambda: found.append(format_label()), "inner")
        inner.start()
        inner.join()

    for name in ("eu", "us"):
        with label(name):
            thread = make_thread(work, "outer")
        thread.start()
        thread.join()
    make_thread(work, "none").run()
    assert found == ["[eu] ", "[us] ", ""]
    assert (thread.name, thread.daemon) == ("outer", True)


def test_the_work_of_a_pool_has_the_label_of_its_submitter() -> None:
    """Whatever the same thread of the pool did before."""
    with ThreadPool(1) as pool:
        for name in ("eu", "us", ""):
            with label(name):
                mapped = pool.map(lambda number: (number, format_label()), [1, 2])
                submitted = pool.submit(lambda *words, end: (*words, format_label(), end), "a", "b", end="c")
            expected = f"[{name}] " if name else ""
            assert list(mapped) == [(1, expected), (2, expected)]
            assert submitted.result(30) == ("a", "b", expected, "c")


def test_the_package_starts_threads_only_with_labels() -> None:
    """A thread that is started in another way has no label. A timer only closes a connection, and logs nothing."""
    starters = {"Thread", "ThreadPoolExecutor", "start_new_thread"}
    found = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (name := node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
        in starters
    }
    assert found == {"labels.py: Thread"}
