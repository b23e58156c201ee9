"""Jobs of targets in threads: how many at a time, in which order, with which label, and when the threads end."""

import threading
from collections.abc import Callable
from functools import partial

from imagesync.labels import format_label
from imagesync.targets.threads import Threads
from tests.waiting import wait_until


def list_threads() -> list[str]:
    """The names of the threads that run now."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("imagesync-target-"))


def await_end() -> None:
    """Wait until no thread is left."""
    wait_until(list_threads, lambda names: not names, "the threads end")


def test_a_job_has_the_label_of_its_target() -> None:
    """Two at the same time, and a third one in a thread that was another target's before."""
    both, threads, found = threading.Barrier(2, timeout=30), Threads(2), dict[str, str]()

    def work(name: str) -> None:
        if name != "lab":
            both.wait()
        found[name] = format_label()

    for name in ("eu", "us", "lab"):
        threads.submit(name, partial(work, name))
    await_end()
    assert found == {"eu": "[eu] ", "us": "[us] ", "lab": "[lab] "}
    assert format_label() == ""


def test_so_many_jobs_run_at_a_time_in_their_order() -> None:
    """A job that waits delays only the jobs for which no thread is left."""
    threads, begun = Threads(2), list[int]()
    are_submitted, release = threading.Event(), threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        (are_submitted if number else release).wait(30)

    for number in range(6):
        threads.submit("eu", partial(work, number))
    assert len(list_threads()) == 2
    are_submitted.set()
    wait_until(lambda: len(begun), lambda length: length == 6, "the other thread runs all other jobs")
    assert [number for number in begun if number] == [1, 2, 3, 4, 5]
    wait_until(list_threads, lambda names: len(names) == 1, "the idle thread ends")
    release.set()
    await_end()


def test_a_later_job_gets_a_new_thread() -> None:
    """The threads of the first jobs have ended."""
    threads, found = Threads(1), list[str]()
    jobs: list[Callable[[], None]] = [partial(found.append, "first"), partial(found.append, "second")]
    for job in jobs:
        threads.submit("eu", job)
        await_end()
    assert found == ["first", "second"]
