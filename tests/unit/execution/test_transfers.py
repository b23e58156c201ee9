"""How data is sent, how often it is sent again, and which mirrors are tried."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import pytest

from imagesync.backends.base import ImportFields
from imagesync.errors import (
    BackendError,
    Conflict,
    QuotaExceeded,
    RunStopped,
    SourceError,
    Unauthorized,
    Unavailable,
)
from imagesync.execution import transfers as limits
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.execution.service_imports import Imports, Patience
from imagesync.execution.transfers import MAX_TRIES, SLOT, SLOT_PAUSES, Transfers
from imagesync.execution.verification import Verifier
from imagesync.model.catalog import (
    Catalog,
    Checksum,
    Content,
    FileSource,
    Fingerprint,
    Method,
    Role,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import COPY, IMPORT_TASK, Capabilities, LiveImage
from imagesync.model.plan import Create
from imagesync.model.report import Outcome, Report, Transferred
from imagesync.sources import SourceAccess, SpoolEnded, identify, open_source
from tests.pipeline import planned
from tests.samples import GIB, qcow2
from tests.silent import silent_server
from tests.unit.execution.helpers import Service, apply, want_image
from tests.unit.factories import catalog, spec


def test_a_disk_larger_than_min_disk_begins_no_upload(tmp_path: Path) -> None:
    """The header of the data shows its size; the error says what to declare."""
    service = Service(tmp_path / "store", {})
    data = qcow2(5 * GIB - 1) + bytes(2**22)
    (result,) = apply(service, want_image(tmp_path, data, disk_format="qcow2", min_disk=4)).results
    assert "declare min_disk: 5 or more, or auto" in str(result.error)
    assert service.uploads == 0
    assert apply(service, want_image(tmp_path, data, disk_format="qcow2", min_disk=5)).succeeded
    exact = qcow2(5 * GIB) + bytes(2**22)
    assert apply(service, want_image(tmp_path, exact, disk_format="qcow2", min_disk=5)).succeeded


def test_an_empty_file_is_an_image_of_0_bytes(tmp_path: Path) -> None:
    """If the manifest declares that; there is no first chunk to check, and nothing that could boot."""
    service = Service(tmp_path / "store", {})
    (tmp_path / "x").write_bytes(b"")
    wanted = FileSource(str(tmp_path / "x"), "x")
    (result,) = apply(service, identify(catalog(spec("x", source=wanted)))).results
    assert "there is no data: the source has 0 bytes; correct the source" in str(result.error)
    assert service.images() == []
    empty = replace(wanted, transfer=Transfer(inspect=False))
    assert apply(service, identify(catalog(spec("x", source=empty)))).succeeded
    assert [image.size for image in service.images()] == [0]


def test_a_declared_max_size_bounds_a_plain_file(tmp_path: Path) -> None:
    """One line of error, and no record is left."""
    service = Service(tmp_path / "store", {})
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(max_size=3))
    (tmp_path / "x").write_bytes(b"\0data")
    (result,) = apply(service, identify(catalog(spec("x", source=source)))).results
    assert "holds more than the allowed 3 bytes" in str(result.error)
    assert service.images() == []


class FailingUploads(Service):
    """A store whose next uploads and imports fail; afterwards the image has the status ``left``."""

    def __init__(self, folder: Path, failures: list[BackendError], left: Status = Status.QUEUED) -> None:
        super().__init__(folder, {})
        self.failures, self.left, self.is_broken = failures, left, False
        self.renewed, self.uris = 0, list[str]()

    def _fail(self) -> None:
        if self.failures:
            self.is_broken = True
            raise self.failures.pop(0)
        self.is_broken = False

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        self._fail()
        self.uploads -= 1
        super().upload(image_id, chunks, size, store=store)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self.uris.append(options["uri"])
        self._fail()
        super().upload(image_id, [b"\0data"], 5)

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        found = super().images(image_id)
        return [replace(image, status=self.left) for image in found] if self.is_broken else found

    def renew(self) -> None:
        self.renewed += 1

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), import_methods=frozenset({"web-download"}))


@pytest.mark.parametrize("error", [Unavailable("broken"), Conflict("busy"), Unauthorized("expired")])
def test_an_interrupted_upload_is_sent_three_times_at_most(tmp_path: Path, error: BackendError) -> None:
    """An expired token is renewed before each further try."""
    service = FailingUploads(tmp_path / "store", [error] * (MAX_TRIES - 1))
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.uploads == MAX_TRIES
    assert service.renewed == (MAX_TRIES - 1) * isinstance(error, Unauthorized)
    service = FailingUploads(tmp_path / "other", [error] * MAX_TRIES)
    (result,) = apply(service, want_image(tmp_path, b"\0data")).results
    assert error.message in str(result.error)
    assert service.uploads == MAX_TRIES


class BusyForAWhile(FailingUploads):
    """A store that is busy with an interrupted body for a moment."""

    busy: tuple[Status, ...] = ()

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        if self.is_broken and image_id is not None and self.busy:
            self.left, *rest = self.busy
            self.busy = tuple(rest)
        return super().images(image_id)


@pytest.mark.parametrize("busy", [Status.SAVING, Status.UPLOADING])
def test_the_run_waits_for_a_service_that_is_busy_with_an_interrupted_body(tmp_path: Path, busy: Status) -> None:
    """The body of an upload, or of data that is staged."""
    service = BusyForAWhile(tmp_path / "store", [Unavailable("broken")])
    service.busy = (busy, busy, Status.QUEUED)
    assert apply(service, want_image(tmp_path, b"\0data")).succeeded
    assert service.uploads == 2
    assert len(service.busy) == 0


@pytest.mark.parametrize("left", [Status.ACTIVE, Status.KILLED, Status.IMPORTING])
def test_a_record_that_is_not_queued_after_an_interrupted_upload_gets_no_more_data(
    tmp_path: Path, left: Status
) -> None:
    """The next run decides about it."""
    service = FailingUploads(tmp_path / "store", [Unavailable("broken")], left)
    (result,) = apply(service, want_image(tmp_path, b"\0data")).results
    assert f"is {left.value} after an interrupted upload" in str(result.error)
    assert service.uploads == 1


@pytest.mark.parametrize(("left", "tried"), [(Status.QUEUED, 3), (Status.KILLED, 1), (Status.ACTIVE, 1)])
def test_the_next_mirror_is_tried_while_the_record_is_queued(tmp_path: Path, left: Status, tried: int) -> None:
    """An import that failed half-way may still be running on another record."""
    urls = tuple(f"https://{name}.example/a.raw" for name in "abc")
    source = UrlSource(urls, transfer=Transfer(method=Method.WEB_DOWNLOAD))
    service = FailingUploads(tmp_path / "store", [BackendError("no such host")] * 2, left)
    wanted = catalog(spec("x", source=source, fingerprint=Fingerprint()))
    assert apply(service, wanted).succeeded is (tried == len(urls))
    assert service.uris == list(urls[:tried])


class Stores(Service):
    """A service of three stores; ``placed`` are those that got the data, in order."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.placed: list[str] = []

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.placed.append(store or "the default one")
        super().upload(image_id, chunks, size)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self.placed += options["stores"]

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(image, stores=tuple(self.placed)) for image in super().images(image_id)]

    def capabilities(self) -> Capabilities:
        stores = frozenset({"fast", "slow", "tape"})
        return replace(super().capabilities(), stores=stores, import_methods=frozenset({COPY}))


@pytest.mark.parametrize(
    ("stores", "placed"),
    [((), ["the default one"]), (("slow",), ["slow"]), (("tape", "fast", "slow"), ["tape", "fast", "slow"])],
)
def test_data_is_sent_into_the_first_store_and_copied_from_there(
    tmp_path: Path, stores: tuple[str, ...], placed: list[str]
) -> None:
    """The first store that the manifest names."""
    service = Stores(tmp_path / "store")
    (tmp_path / "x").write_bytes(b"\0data")
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(stores=stores))
    assert apply(service, identify(catalog(spec("x", source=source)))).succeeded
    assert service.placed == placed


def apply_until(backend: Service, images: Catalog, is_stopped: Callable[[], bool]) -> Report:
    """Carry out a plan; the run is canceled once ``is_stopped`` returns true."""
    made = planned(backend, images)
    performer = Performer(backend, made, is_stopped=is_stopped)
    cancelled = type("Stop", (), {"is_set": staticmethod(is_stopped)})()
    return execute(made, performer, jobs=1, notify=lambda _: None, cancelled=cancelled)


def test_an_upload_of_a_canceled_run_is_interrupted_and_leaves_nothing(tmp_path: Path) -> None:
    """The steps that need it are not started; no step has failed."""
    service = Service(tmp_path / "store", {})
    wanted = want_image(tmp_path, bytes(range(256)) * 2**14 * 3)
    after = replace(spec("y", source=wanted.images[0].source), properties={"of": "${images.x.id}"})
    report = apply_until(service, identify(catalog(wanted.images[0], after)), lambda: service.uploads > 0)
    assert [result.outcome for result in report.results] == [Outcome.INTERRUPTED, Outcome.NOT_STARTED]
    assert report.interrupted
    assert service.uploads == 1
    assert service.images() == []


class Importing(Service):
    """A store whose imports never end."""

    imported = 0

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, status=Status.IMPORTING) if self.imported else one for one in super().images(image_id)]

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self.imported += 1

    def capabilities(self) -> Capabilities:
        return Capabilities(import_methods=frozenset({"web-download"}))


def test_a_canceled_run_does_not_stop_the_import_of_the_service(tmp_path: Path) -> None:
    """The next run waits for it."""
    service = Importing(tmp_path / "store", {})
    source = UrlSource(("https://example.org/x",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    wanted = catalog(spec("x", source=source))
    report = apply_until(service, wanted, lambda: service.imported > 0)
    assert [result.outcome for result in report.results] == [Outcome.INTERRUPTED]
    assert [image.status for image in service.images()] == [Status.IMPORTING]


def test_a_canceled_run_ends_the_download_of_stored_data(tmp_path: Path) -> None:
    """The download of a large image takes long."""
    service = Service(tmp_path / "store", {"os_hash_algo": "sha3", "os_hash_value": "x", "checksum": None})
    data = bytes(range(256)) * 2**13
    requests: list[str] = []

    def is_stopped() -> bool:
        has_data = any(image.size for image in service.images())
        requests.append("read back" if has_data else "sent")
        return has_data

    report = apply_until(service, want_image(tmp_path, data), is_stopped)
    assert "read back" in requests
    assert [result.outcome for result in report.results] == [Outcome.INTERRUPTED]
    assert service.downloads == 0
    assert service.images() == []


def test_a_canceled_run_ends_the_download_of_fetched_data(tmp_path: Path) -> None:
    """``check`` is called for each chunk."""

    def check() -> None:
        raise RunStopped

    service = Service(tmp_path / "store", {})
    assert apply(service, want_image(tmp_path, b"\xe1" * 1000)).succeeded
    (image,) = service.images()
    with pytest.raises(RunStopped):
        Verifier(service, check).check_stored(image, spec().fingerprint.digests, "raw", "bare")


class StoreMenu(Service):
    """A service of three stores that offers some import methods; it records its requests."""

    offered = frozenset[str]()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.queries: list[object] = []
        self.held: tuple[str, ...] = ("default",)
        self.staged = b""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.queries.append(("upload", store))
        self.held = (store or "default",)
        super().upload(image_id, chunks, size)

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        self.queries.append("stage")
        self.staged = b"".join(chunks)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self.queries.append((method, options))
        self.held = (*self.held, *options.get("stores", ()))
        if method != COPY:
            super().upload(image_id, [self.staged], None)

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(image, stores=self.held) for image in super().images(image_id)]

    def capabilities(self) -> Capabilities:
        stores = frozenset({"fast", "slow", "tape"})
        return replace(super().capabilities(), stores=stores, import_methods=self.offered)


@pytest.mark.parametrize("offered", [{COPY}, {"glance-direct"}, {"glance-direct", COPY}])
@pytest.mark.parametrize("method", [Method.UPLOAD, Method.GLANCE_DIRECT])
@pytest.mark.parametrize(
    ("stores", "everywhere"),
    [((), False), (("slow",), False), (("slow", "fast"), False), ((), True), (("slow",), True)],
)
def test_several_stores_are_filled_by_glance_direct_or_else_by_copies(
    tmp_path: Path, stores: tuple[str, ...], everywhere: bool, method: Method, offered: set[str]
) -> None:
    """One store gets a PUT; several get one import if the service offers glance-direct, else a PUT and copies."""
    if method is Method.GLANCE_DIRECT and "glance-direct" not in offered:
        return
    service = StoreMenu(tmp_path / "store")
    service.offered = frozenset(offered)
    (tmp_path / "x").write_bytes(b"\0data")
    transfer = Transfer(method=method, stores=stores, all_stores=everywhere)
    source = FileSource(str(tmp_path / "x"), "x", transfer=transfer)
    assert apply(service, identify(catalog(spec("x", source=source)))).succeeded
    first = stores[0] if stores else None
    wanted = {*stores, *(("fast", "slow", "tape") if everywhere else ())}
    if method is Method.GLANCE_DIRECT or (len(wanted) > 1 and "glance-direct" in offered):
        expected: list[object] = ["stage", ("glance-direct", {"stores": stores, "all_stores": everywhere})]
    else:
        expected = [("upload", first)]
        if len(wanted) > 1:
            expected.append((COPY, {"stores": sorted(wanted - {first})}))
    assert service.queries == expected


class Mirrors(Importing):
    """A service that cannot fetch from the first mirrors; ``left`` is the status after such a failure."""

    bad, left = 0, Status.QUEUED

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {})
        self.fetched: list[tuple[str, ImportFields]] = []

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        found = super(Importing, self).images(image_id)
        return [
            replace(one, status=self.left) if one.status is Status.QUEUED and self.fetched else one for one in found
        ]

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self.fetched.append((method, options))
        if len(self.fetched) <= self.bad:
            raise BackendError(f"failure {len(self.fetched)}", f"hint {len(self.fetched)}")
        self.upload(image_id, [b"\0data"], 5)


@pytest.mark.parametrize("bad", range(4))
@pytest.mark.parametrize("left", [Status.QUEUED, Status.KILLED])
def test_mirrors_are_tried_in_order_until_one_works(tmp_path: Path, left: Status, bad: int) -> None:
    """Each with the same options. The error is that of the last one, with the number of failed mirrors."""
    service = Mirrors(tmp_path / "store")
    service.bad, service.left = bad, left
    urls = tuple(f"https://x.example/{number}" for number in range(3))
    transfer = Transfer(method=Method.WEB_DOWNLOAD, verify=False)
    (result,) = apply(service, catalog(spec("x", source=UrlSource(urls, transfer=transfer)))).results
    tried = min(bad + 1, 3) if left is Status.QUEUED else 1
    assert service.fetched == [
        ("web-download", {"uri": url, "stores": (), "all_stores": False}) for url in urls[:tried]
    ]
    is_failure = bad >= tried
    assert result.outcome is (Outcome.FAILED if is_failure else Outcome.DONE)
    if is_failure:
        assert f"failure {tried}" in result.error
        assert f"hint {tried}" in result.error
        assert (f"{tried} mirrors failed; the last one: " in result.error) is (tried > 1)


def fill_without_time(service: Service, images: Catalog) -> tuple[BackendError | None, list[float]]:
    """Send the data of the only image; the error, and the pauses, which take no time."""
    pauses: list[float] = []
    (step,) = planned(service, images).steps
    assert isinstance(step.action, Create)
    image = service.create_image(disk_format="raw", container_format="bare")
    try:
        Transfers(service, Imports(service), sleep=pauses.append).fill(step.action, image.id, lambda _: None)
    except BackendError as error:
        return error, pauses
    return None, pauses


class FullForAWhile(Service):
    """A store that refuses the first ``busy`` uploads because a limit is reached."""

    tries, busy, limit = 0, 0, SLOT

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.tries += 1
        if self.tries <= self.busy:
            raise QuotaExceeded(f"{self.limit} is 1")
        super().upload(image_id, chunks, size)


@pytest.mark.parametrize("busy", [0, 2, len(SLOT_PAUSES), len(SLOT_PAUSES) + 1])
@pytest.mark.parametrize("limit", [SLOT, "image_size_total"])
def test_an_upload_waits_for_the_limit_of_simultaneous_uploads_only(tmp_path: Path, limit: str, busy: int) -> None:
    """That limit is temporary, but is not waited for without end; a full quota of the project is not temporary."""
    service = FullForAWhile(tmp_path / "store", {})
    service.busy, service.limit = busy, limit
    error, pauses = fill_without_time(service, want_image(tmp_path, b"\0data"))
    waits = min(busy, len(SLOT_PAUSES)) if limit == SLOT else 0
    assert (error is None, service.tries, pauses) == (busy <= waits, waits + 1, list(SLOT_PAUSES[:waits]))
    assert sum(SLOT_PAUSES) > 600


@pytest.mark.parametrize("left", [Status.SAVING, Status.UPLOADING])
def test_a_service_that_stays_busy_with_an_interrupted_body_gets_no_more_data(tmp_path: Path, left: Status) -> None:
    """After some seconds the step fails."""
    service = FailingUploads(tmp_path / "store", [Unavailable("broken")], left)
    error, pauses = fill_without_time(service, want_image(tmp_path, b"\0data"))
    assert f"is {left.value} after an interrupted upload" in str(error)
    assert (service.uploads, pauses) == (1, [0.0, 0.2, 0.5, 1.0, 2.0, 5.0])


class Ends:
    """An ``OpenSource``. Its first stream is that of a temporary file which is given up before the first chunk."""

    def __init__(self) -> None:
        self.opened = 0

    @contextmanager
    def __call__(self, *args: Any, **ways: Any) -> Iterator[Any]:
        self.opened += 1
        with open_source(*args, **ways) as stream:
            yield stream if self.opened > 1 else self

    def __iter__(self) -> Iterator[bytes]:
        raise SpoolEnded("the disk is full", "run apply again")


def test_the_end_of_a_stream_that_targets_share_is_not_a_failed_try(tmp_path: Path) -> None:
    """The source is opened again, and every try for other reasons is left."""
    service = FailingUploads(tmp_path / "store", [Unavailable("broken")] * (MAX_TRIES - 1))
    made = planned(service, want_image(tmp_path, b"\0data"))
    opener = Ends()
    performer = Performer(service, made, opener=opener)
    assert execute(made, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    assert opener.opened == MAX_TRIES + 1


class LosesTheSource(FailingUploads):
    """A store during whose first upload the source is removed."""

    source = Path()

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.source.unlink(missing_ok=True)
        super().upload(image_id, chunks, size, store=store)


@pytest.mark.parametrize("is_canceled", [False, True])
def test_a_canceled_run_opens_no_source_again(tmp_path: Path, *, is_canceled: bool) -> None:
    """Otherwise a source that no longer exists would be the failure of a step that was only interrupted."""
    service = LosesTheSource(tmp_path / "store", [Unavailable("broken")])
    service.source = tmp_path / "x"
    report = apply_until(service, want_image(tmp_path, b"\0data"), lambda: is_canceled and service.uploads > 0)
    assert [result.outcome for result in report.results] == [Outcome.INTERRUPTED if is_canceled else Outcome.FAILED]


def test_a_canceled_run_does_not_wait_for_a_silent_source(tmp_path: Path) -> None:
    """The server sends a part of the file, and then nothing."""
    service = Service(tmp_path / "store", {})
    with silent_server(bytes(range(1, 256)) * 2**12, 100) as silent:
        digest = Checksum("sha256", hashlib.sha256(silent.data).hexdigest())
        source = UrlSource((f"{silent.address}/x",), checksum=digest)
        made = planned(service, catalog(spec("x", source=source, fingerprint=Fingerprint((digest,)))))
        access = SourceAccess(("127.0.0.1",), min_rate=0)
        silent.queries.clear()
        is_stopped = silent.queries.is_set
        performer = Performer(service, made, access=access, is_stopped=is_stopped)
        cancelled = type("Stop", (), {"is_set": staticmethod(is_stopped)})()
        report = execute(made, performer, jobs=1, notify=lambda _: None, cancelled=cancelled)
        assert [result.outcome for result in report.results] == [Outcome.INTERRUPTED]
    assert service.uploads == 0


class Finishing(FailingUploads):
    """A store with an import that an earlier run began: it ends at the third read, with the image active or not."""

    reads, is_filled = 0, False

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        self.reads += 1
        found = Service.images(self, image_id)
        if self.reads < 3:
            return [replace(one, status=Status.IMPORTING, service={IMPORT_TASK: "t"}) for one in found]
        if self.is_filled and found[0].status is Status.QUEUED:
            Service.upload(self, found[0].id, [b"\0data"], 5)
            return Service.images(self, image_id)
        return found


@pytest.mark.parametrize("is_filled", [False, True])
def test_an_import_that_an_earlier_run_began_is_waited_for(tmp_path: Path, *, is_filled: bool) -> None:
    """The service is asked again only if that import has failed."""
    service = Finishing(tmp_path / "store", [])
    service.reads = 3
    transfer = Transfer(method=Method.WEB_DOWNLOAD, verify=False)
    source = UrlSource(("https://x.example/a.raw",), transfer=transfer)
    (step,) = planned(service, catalog(spec("x", source=source, fingerprint=Fingerprint()))).steps
    assert isinstance(step.action, Create)
    marks = replace(step.action.record, role=Role.STAGING, unverified=True)
    image = service.create_image(disk_format="raw", container_format="bare")
    service.update_image(image.id, properties=marks.properties(image.id))
    service.reads, service.is_filled = 0, is_filled
    imports = Imports(service, Patience(sleep=lambda _: None))
    arrived = Transfers(service, imports).fill(replace(step.action, fill=image.id), image.id, lambda _: None)
    assert (arrived.image.status, arrived.image.size) == (Status.ACTIVE, 5)
    assert service.uris == ([] if is_filled else list(source.urls))


def test_an_upload_has_the_size_of_the_file_and_reports_what_was_sent(tmp_path: Path) -> None:
    """Each report is about all bytes until then."""

    class Sized(Service):
        announced: int | None = 0

        def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
            self.announced = size
            super().upload(image_id, chunks, size, store=store)

    service, found = Sized(tmp_path / "store", {}), list[object]()
    data = bytes(range(256)) * 2**13
    (step,) = planned(service, want_image(tmp_path, data)).steps
    assert isinstance(step.action, Create)
    image = service.create_image(disk_format="raw", container_format="bare")
    arrived = Transfers(service, Imports(service)).fill(step.action, image.id, found.append)
    assert (service.announced, arrived.sent) == (len(data), len(data))
    sent = [one.sent for one in found if isinstance(one, Transferred)]
    assert sent == sorted(set(sent))
    assert found[-1] == Transferred(len(data), len(data), len(data), len(data))


@pytest.mark.parametrize("data", [None, b"\0data"])
def test_the_service_fetches_no_local_file(tmp_path: Path, data: bytes | None) -> None:
    """Nor can a plan send data that has no source."""
    service = FailingUploads(tmp_path / "store", [])
    (step,) = planned(service, want_image(tmp_path, b"\0data")).steps
    assert isinstance(step.action, Create)
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(method=Method.WEB_DOWNLOAD))
    create = replace(step.action, source=source if data else Content.UNMANAGED)
    image = service.create_image(disk_format="raw", container_format="bare")
    error = "cannot fetch the local file x" if data else "x has no source to upload from"
    with pytest.raises(SourceError, match=error):
        Transfers(service, Imports(service)).fill(create, image.id, lambda _: None)
    assert (service.uploads, service.uris) == (0, [])


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_TRIES == 3
    assert limits.SLOT == "image_count_uploading"
    assert len(limits.SLOT_PAUSES) == 45
    assert sum(limits.SLOT_PAUSES) == 615.5
