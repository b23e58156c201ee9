"""Imports and copies that the service carries out, on a service with prepared answers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Forbidden, RunStopped, Unavailable
from imagesync.execution.service_imports import CHECKS, Imports, Patience
from imagesync.model.catalog import Method, Status
from imagesync.model.image import COPY, FAILED_STORES, IMPORT_TASK, ImportTask, LiveImage
from tests.unit.factories import live, spec

QUEUED = live(spec("a"), "i", status=Status.QUEUED, stores=())
ACTIVE = replace(QUEUED, status=Status.ACTIVE, stores=("one",))
IMPORTING = replace(QUEUED, status=Status.IMPORTING)
COPYING = replace(ACTIVE, service={IMPORT_TASK: "t"})
RUNNING = ImportTask("t", "processing")
DONE = ImportTask("t", "success")


class Written(Local):
    """Shows the next image, and its next tasks, at each request; then always the last ones."""

    def __init__(
        self, folder: Path, images: Sequence[LiveImage], tasks: Sequence[Sequence[ImportTask]] = ((),)
    ) -> None:
        super().__init__(Store(folder), "written")
        self.display, self.tasks = list(images), list(tasks)
        self.begun: list[tuple[str, str, dict[str, Any]]] = []
        self.error: Exception | None = None
        self.reads = 0

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        assert image_id == "i"
        self.reads += 1
        return [self.display.pop(0) if len(self.display) > 1 else self.display[0]]

    def import_tasks(self, image_id: str) -> list[ImportTask]:
        assert image_id == "i"
        return list(self.tasks.pop(0) if len(self.tasks) > 1 else self.tasks[0])

    def import_image(self, image_id: str, method: str, **options: Any) -> None:
        self.begun.append((image_id, method, options))
        if self.error is not None:
            raise self.error


class Watch:
    """A clock that only ``sleep`` moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def patience(self, limit: float = 60.0, first: float = 1.0, longest: float = 4.0) -> Patience:
        return Patience(first, longest, limit, self.sleep, lambda: self.now)


@pytest.mark.parametrize(
    ("images", "tasks", "reads"),
    [
        ([ACTIVE], [()], 1),
        ([QUEUED], [()], 1),
        ([QUEUED], [(DONE,)], 1),
        ([QUEUED], [(RUNNING, DONE)], 1),
        ([replace(ACTIVE, status=Status.DEACTIVATED)], [(RUNNING,)], 1),
        ([ACTIVE], [(RUNNING,)], 1),
        ([IMPORTING, IMPORTING, ACTIVE], [()], 3),
        ([COPYING, ACTIVE], [()], 2),
        ([QUEUED, QUEUED, QUEUED], [(RUNNING,), (RUNNING,), (DONE, RUNNING), (DONE, RUNNING), (DONE,)], 3),
        ([QUEUED, IMPORTING, ACTIVE], [(ImportTask("t", "pending"),)], 3),
    ],
)
def test_an_import_is_waited_for_until_it_has_ended(
    tmp_path: Path, images: list[LiveImage], tasks: list[tuple[ImportTask, ...]], reads: int
) -> None:
    """The image shows it, or else its newest task."""
    backend, watch = Written(tmp_path, images, tasks), Watch()
    assert Imports(backend, watch.patience()).wait_until_settled("i") == images[-1]
    assert (backend.reads, len(watch.pauses)) == (reads, reads - 1)


def test_the_pauses_grow_up_to_the_longest(tmp_path: Path) -> None:
    """Each is half as long again as the one before."""
    watch = Watch()
    Imports(Written(tmp_path, [IMPORTING] * 6 + [ACTIVE]), watch.patience()).wait_until_settled("i")
    assert watch.pauses == [1.0, 1.5, 2.25, 3.375, 4.0, 4.0]


def moving(image: LiveImage) -> Iterator[tuple[str, LiveImage, tuple[ImportTask, ...]]]:
    """An image for each sign of progress."""
    yield "status", replace(image, status=Status.SAVING, service={IMPORT_TASK: "t"}), (RUNNING,)
    yield "updated_at", replace(image, updated_at="2026-11-23T12:00:01Z"), (RUNNING,)
    yield "service", replace(image, service={IMPORT_TASK: "t", "os_glance_x": "1"}), (RUNNING,)
    yield "stores", replace(image, stores=("one", "two")), (RUNNING,)
    yield "task", image, (replace(RUNNING, updated_at="2026-11-23T12:00:01Z"),)


@pytest.mark.parametrize("sign", ["none", "older task", "status", "updated_at", "service", "stores", "task"])
def test_an_import_without_progress_fails(tmp_path: Path, sign: str) -> None:
    """Any change restarts the time; the result of an earlier task does not count."""
    changed = {name: (image, tasks) for name, image, tasks in moving(COPYING)}
    image, tasks = changed.get(sign, (COPYING, (RUNNING,)))
    earlier = (ImportTask("old", "failure"), *tasks) if sign == "older task" else tasks
    watch = Watch()
    # progress shows after 1 + 2 + 2 seconds; without it the limit of 6 seconds ends at 7
    backend = Written(tmp_path, [COPYING] * 3 + [image], [(RUNNING,)] * 3 + [earlier])
    with pytest.raises(BackendError) as caught:
        Imports(backend, watch.patience(limit=6.0, first=2.0, longest=2.0)).wait_until_settled("i")
    assert f"{image.status.value}" in str(caught.value)
    assert " 6 s" in str(caught.value)
    assert sum(watch.pauses) == (6.0 if sign in ("none", "older task") else 12.0)


def test_a_canceled_run_does_not_wait_for_an_import(tmp_path: Path) -> None:
    """The next run finds it; an import that has ended is not interrupted."""
    watch = Watch()
    backend = Written(tmp_path, [IMPORTING])
    with pytest.raises(RunStopped):
        Imports(backend, watch.patience(), is_stopped=lambda: len(watch.pauses) == 2).wait_until_settled("i")
    assert len(watch.pauses) == 2
    assert Imports(Written(tmp_path / "2", [ACTIVE]), watch.patience(), is_stopped=lambda: True).wait_until_settled("i")


@pytest.mark.parametrize("method", [Method.WEB_DOWNLOAD, Method.GLANCE_DIRECT])
@pytest.mark.parametrize("status", [Status.ACTIVE, Status.QUEUED, Status.KILLED])
def test_an_import_has_succeeded_if_the_image_is_active(tmp_path: Path, method: Method, status: Status) -> None:
    """If not, the error has the service's reason and what to check."""
    failed = (ImportTask("old", "failure", "another reason"), ImportTask("t", "failure", "No room. "))
    display = replace(QUEUED, status=status, service={FAILED_STORES: "one,two"})
    backend, watch = Written(tmp_path, [display], [failed]), Watch()
    options: dict[str, Any] = {"stores": ("one", "two"), "all_stores": False}
    options |= {"uri": "https://me:secret@x.example/a?sig=1"} if method is Method.WEB_DOWNLOAD else {}
    imports = Imports(backend, watch.patience())
    if status is Status.ACTIVE:
        imports.run("i", method, **options)
    else:
        with pytest.raises(BackendError) as caught:
            imports.run("i", method, **options)
        text = str(caught.value)
        assert "No room" in text
        assert "another reason" not in text
        assert text.count("one, two") == 2
        assert caught.value.hint == CHECKS[method.value]
        assert ("https://x.example/a" in text) is (method is Method.WEB_DOWNLOAD)
        assert "secret" not in text
    assert backend.begun == [("i", method.value, options)]


def test_a_failure_without_a_reason_is_reported_as_such(tmp_path: Path) -> None:
    """No task, or a task without a message."""
    texts = []
    for number, tasks in enumerate([(), (ImportTask("t", "failure"),)]):
        with pytest.raises(BackendError) as caught:
            Imports(Written(tmp_path / str(number), [QUEUED], [tasks]), Watch().patience()).run(
                "i", Method.GLANCE_DIRECT
            )
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert "no reason" in texts[0]
    assert "into" not in texts[0]


@pytest.mark.parametrize(("stores", "everywhere"), [((), False), (("one", "two"), False), ((), True)])
def test_an_import_that_the_service_refuses_keeps_the_class_of_its_error(
    tmp_path: Path, stores: tuple[str, ...], everywhere: bool
) -> None:
    """The hint is the service's, or else what to check."""
    for hint in ("", "ask for it"):
        backend = Written(tmp_path / (hint or "none"), [QUEUED])
        backend.error = Forbidden("not you", hint)
        with pytest.raises(Forbidden) as caught:
            Imports(backend, Watch().patience()).run("i", Method.GLANCE_DIRECT, stores=stores, all_stores=everywhere)
        assert caught.value.hint == (hint or CHECKS["glance-direct"])
        assert "not you" in str(caught.value)
        assert ("one, two" in str(caught.value)) is bool(stores)
        assert ("all stores" in str(caught.value)) is everywhere
        assert backend.reads == 0


@pytest.mark.parametrize(
    ("method", "image", "tasks", "has_arrived"),
    [
        ("web-download", QUEUED, (), False),
        ("web-download", QUEUED, (DONE,), False),
        ("web-download", QUEUED, (RUNNING,), True),
        ("web-download", IMPORTING, (), True),
        ("web-download", ACTIVE, (), True),
        (COPY, ACTIVE, (), False),
        (COPY, COPYING, (), True),
    ],
)
def test_after_a_request_without_an_answer_the_image_or_its_task_shows_whether_it_arrived(
    tmp_path: Path, method: str, image: LiveImage, tasks: tuple[ImportTask, ...], has_arrived: bool
) -> None:
    """The status active shows nothing about a copy."""
    end = replace(ACTIVE, stores=("one", "two"))
    before = [ACTIVE] if method == COPY else []
    backend = Written(tmp_path, [*before, image, end], [tasks])
    backend.error = Unavailable("no answer")
    imports = Imports(backend, Watch().patience())

    def begin() -> None:
        imports.copy("i", ["two"]) if method == COPY else imports.run("i", Method(method))

    if has_arrived:
        begin()
        assert len(backend.begun) == 1
    else:
        with pytest.raises(Unavailable):
            begin()


@pytest.mark.parametrize("wanted", [["one"], ["one", "two"], ["two", "three"]])
def test_only_stores_that_lack_an_image_get_a_copy(tmp_path: Path, wanted: list[str]) -> None:
    """A running copy is waited for first."""
    lacking = [store for store in wanted if store != "one"]
    backend = Written(tmp_path, [COPYING, ACTIVE, replace(ACTIVE, stores=("one", *lacking))])
    Imports(backend, Watch().patience()).copy("i", wanted)
    assert backend.begun == ([("i", COPY, {"stores": lacking})] if lacking else [])
    assert backend.reads == (3 if lacking else 2)


@pytest.mark.parametrize("reached", [(), ("two",)])
def test_a_copy_that_did_not_reach_every_store_is_a_failure(tmp_path: Path, reached: tuple[str, ...]) -> None:
    """Also if it reached some of them."""
    display = replace(ACTIVE, stores=("one", *reached), service={FAILED_STORES: "three"})
    with pytest.raises(BackendError) as caught:
        Imports(Written(tmp_path, [ACTIVE, display]), Watch().patience()).copy("i", ["two", "three"])
    assert "two, three" in str(caught.value)
    assert caught.value.hint == CHECKS[COPY]


def test_a_copy_that_this_user_may_not_make_names_stores_and_role(tmp_path: Path) -> None:
    """The error says which stores, and who may copy."""
    backend = Written(tmp_path, [ACTIVE])
    backend.error = Forbidden("not you")
    with pytest.raises(Forbidden) as caught:
        Imports(backend, Watch().patience()).copy("i", ["two", "three"])
    assert "two, three" in caught.value.message
    assert "not you" in caught.value.message
    assert "admin" in caught.value.hint


def test_the_usual_limit_is_the_time_after_which_the_service_ends_an_import() -> None:
    """One hour without progress; the service is asked every five seconds at most."""
    usual = Patience()
    assert (usual.limit, usual.longest) == (3600.0, 5.0)
    assert 0 < usual.first < usual.longest
