"""The local store as a Backend: several writers, failed uploads, and operations that it does not have."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.backend import Local
from imagesync.backends.local.rows import Rows
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Conflict, Forbidden, InvalidRequest, QuotaExceeded
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from tests.unit.backends.local.helpers import add_queued, start_python


def test_simultaneous_updates_of_one_image_are_all_saved(tmp_path: Path) -> None:
    """Of forty properties that threads set at the same time, forty are saved; Glance would lose some."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: backend.update_image(image.id, properties={f"p{n}": "v"}), range(40)))
    assert len(backend.images(image.id)[0].properties) == 40


def test_of_many_creates_with_one_id_one_succeeds(tmp_path: Path) -> None:
    """The others are a Conflict."""
    backend = open_backend(store=tmp_path)

    def can_create(_number: int) -> bool:
        try:
            backend.create_image(id="00000000-0000-4000-8000-000000000000")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(can_create, range(16))) == 1


def test_an_image_deleted_during_its_upload_does_not_exist(tmp_path: Path) -> None:
    """The upload fails, and its data is deleted."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    statuses = []

    def chunks() -> Iterator[bytes]:
        yield b"a"
        statuses.append(backend.images(image.id)[0].status)
        backend.delete_image(image.id)
        yield b"data"

    with pytest.raises(BackendError, match="does not exist"):
        backend.upload(image.id, chunks(), None)
    assert statuses == [Status.SAVING]
    assert os.listdir(tmp_path / "content") == []


def test_a_full_disk_leaves_the_image_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test limits the size of files instead. The error is one line, and the next upload works."""
    code = """
import resource
from imagesync.errors import BackendError
b = open_backend(store=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    b.upload(sys.argv[2], [b"x" * 300_000] * 3, None)
except BackendError as error:
    print(error)
"""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    output = start_python(code, str(tmp_path), image.id).communicate(timeout=30)[0]
    assert "too large" in output
    assert "space" in output
    assert backend.images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []


def test_a_local_store_has_neither_import_methods_nor_service_stores(tmp_path: Path) -> None:
    """Its capabilities have none, and the error has a remedy."""
    store = open_backend(store=tmp_path / "s")
    image_id = add_queued(store).id
    assert (store.capabilities().import_methods, store.capabilities().stores) == (frozenset(), frozenset())
    with pytest.raises(InvalidRequest, match="no import method glance-direct; set method: upload"):
        store.stage(image_id, [b"x"], 1)
    with pytest.raises(InvalidRequest, match="no import method web-download; set method: upload"):
        store.import_image(image_id, "web-download", uri="http://x/")
    with pytest.raises(InvalidRequest, match="no service store 'fast'; remove stores"):
        store.upload(image_id, [b"x"], 1, store="fast")
    assert store.import_tasks(image_id) == []
    assert store.images(image_id)[0].status is Status.QUEUED


class FullDatabase(Store):
    """A store whose write transactions fail while ``is_full`` is True."""

    is_full = False

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator[Rows]:
        with super().rows(write=write) as rows:
            yield rows
            if write and self.is_full:
                raise BackendError("no space for the database")


def test_data_is_deleted_only_after_its_record(tmp_path: Path) -> None:
    """If the deletion fails, the image still has its data."""
    store = FullDatabase(tmp_path)
    with Local(store, "full") as backend:
        image = add_queued(backend)
        backend.upload(image.id, [b"data"], 4)
        store.is_full = True
        with pytest.raises(BackendError, match="no space"):
            backend.delete_image(image.id)
        assert backend.images(image.id)[0].status is Status.ACTIVE
        assert b"".join(backend.download(image.id)) == b"data"
        store.is_full = False
        backend.delete_image(image.id)
    assert os.listdir(tmp_path / "content") == []


def test_data_has_its_final_name_before_the_image_is_active(tmp_path: Path) -> None:
    """It is complete when the last transaction of an upload begins."""
    states = list[tuple[str, list[str]]]()

    class Observed(Store):
        def rows(self, *, write: bool = False) -> AbstractContextManager[Rows]:
            with Store.rows(self) as rows:
                statuses = [document["status"] for document in rows.list_images()]
            states.append((*statuses[:1], os.listdir(tmp_path / "content")) if statuses else ("", []))
            return super().rows(write=write)

    store = Observed(tmp_path)
    with Local(store, "observed") as backend:
        image = add_queued(backend)
        states.clear()
        backend.upload(image.id, [b"data"], 4)
    assert [status for status, _ in states] == ["queued", "saving"]
    assert states[-1][1] == [image.id]  # when the last transaction begins


class FalseFailure(Store):
    """A store that saves every transaction, but reports the write after the first ``writes`` as failed."""

    writes = 2

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator[Rows]:
        with super().rows(write=write) as rows:
            yield rows
        if write:
            self.writes -= 1
            if self.writes == -1:
                raise BackendError("no response of the disk")


def test_data_is_kept_if_a_failed_transaction_was_saved(tmp_path: Path) -> None:
    """A commit may fail and yet be saved; without its data, the active image would be lost."""
    store = FalseFailure(tmp_path)
    with Local(store, "false failure") as backend:
        image = add_queued(backend)
        store.writes = 1  # the first write sets the status saving, the next one active
        with pytest.raises(BackendError, match="no response of the disk"):
            backend.upload(image.id, [b"data"], 4)
        assert backend.images(image.id)[0].status is Status.ACTIVE
        assert b"".join(backend.download(image.id)) == b"data"


@pytest.mark.parametrize("place", [0, 2**20, 2**21 - 1])
def test_changed_data_is_never_downloaded_completely(tmp_path: Path, place: int) -> None:
    """Wherever the change is, the downloaded file is too short."""
    with Local(Store(tmp_path), "changed") as backend:
        image = add_queued(backend)
        backend.upload(image.id, [bytes(2**20)] * 2, 2**21)
        with open(tmp_path / "content" / image.id, "r+b") as file:
            file.seek(place)
            file.write(b"x")
        received: list[bytes] = []
        with pytest.raises(BackendError, match="was changed: it has sha512"):
            received.extend(backend.download(image.id))
        assert sum(map(len, received)) < 2**21


OTHER = "f" * 32


def test_the_images_of_each_query(tmp_path: Path) -> None:
    """By marker and owner, by name, and the lease records, which are hidden images of the store's project."""
    backend = open_backend(store=tmp_path)
    ours = backend.identity().project_id
    names = {
        "marked": {"properties": {"imagesync_catalog": "base"}},
        "theirs": {"properties": {"imagesync_catalog": "base"}, "owner": OTHER},
        "else": {"properties": {"imagesync_catalog": "other"}},
        "hidden": {"hidden": True},
        "lease": {"properties": {"imagesync_lease": "base"}, "hidden": True},
        "visible lease": {"properties": {"imagesync_lease": "base"}},
        "their lease": {"properties": {"imagesync_lease": "base"}, "hidden": True, "owner": OTHER},
    }
    for name, attrs in names.items():
        backend.create_image(name=name, disk_format="raw", container_format="bare", **attrs)  # type: ignore[arg-type]

    def list_names(images: list[LiveImage]) -> set[str | None]:
        return {image.name for image in images}

    assert list_names(backend.inventory("base")) == {"marked"}
    assert list_names(backend.inventory("base", [OTHER])) == {"theirs"}
    assert list_names(backend.inventory("base", [ours, OTHER])) == {"marked", "theirs"}
    assert list_names(backend.leases("base")) == {"lease"}
    assert list_names(backend.leases("other")) == set()
    assert list_names(backend.find_named(["marked", "theirs", "hidden"], ours)) == {"marked"}
    assert list_names(backend.find_named(["marked", "theirs"], OTHER)) == {"theirs"}
    assert list_names(backend.find_strays("base", [])) == {"marked", "theirs"}
    assert list_names(backend.images()) == set(names)


@pytest.mark.parametrize("size", [3, 5, None])
@pytest.mark.parametrize("is_broken", [False, True])
def test_an_upload_that_fails_leaves_a_queued_image_without_data(
    tmp_path: Path, size: int | None, is_broken: bool
) -> None:
    """Of another size than announced, or of a source that fails; the next upload works."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)

    def chunks() -> Iterator[bytes]:
        yield b"data"
        if is_broken:
            raise LookupError("the source failed")

    if size is None and not is_broken:
        backend.upload(image.id, chunks(), size)
        return
    with pytest.raises(LookupError if is_broken else InvalidRequest):
        backend.upload(image.id, chunks(), size)
    (found,) = backend.images(image.id)
    assert (found.status, found.size) == (Status.QUEUED, None)
    assert os.listdir(tmp_path / "content") == []
    backend.upload(image.id, [b"data"], 4)
    assert b"".join(backend.download(image.id)) == b"data"
    with pytest.raises(Conflict, match="only a queued image accepts data"):
        backend.upload(image.id, [b"more"], 4)
    assert b"".join(backend.download(image.id)) == b"data"


def test_an_update_is_refused_whole(tmp_path: Path) -> None:
    """By a rule of the service, or by a property that is required or must be absent."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    backend.update_image(image.id, properties={"a": "1"})
    backend.upload(image.id, [b"data"], 4)
    before = backend.images(image.id)
    with pytest.raises(Forbidden, match="can only change while the image is queued"):
        backend.update_image(image.id, name="new", disk_format="qcow2")
    with pytest.raises(Conflict, match="property b does not exist"):
        backend.update_image(image.id, name="new", properties={"a": "2", "b": "2"}, required=("a", "b"))
    with pytest.raises(Conflict, match="property a exists already"):
        backend.update_image(image.id, name="new", properties={"c": "3", "a": "2"}, absent=True)
    assert backend.images(image.id) == before
    backend.update_image(image.id, properties={"a": None, "b": "2"}, required=("a",))
    assert backend.images(image.id)[0].properties == {"b": "2"}
    backend.update_image(image.id, properties={"c": "3"}, absent=True)
    assert backend.images(image.id)[0].properties == {"b": "2", "c": "3"}


@pytest.mark.parametrize("number", [127, 128])
def test_an_image_has_at_most_128_members(tmp_path: Path, number: int) -> None:
    """Exactly so many; one that is a member already does not count twice."""
    backend = open_backend(store=tmp_path)
    image = backend.update_image(add_queued(backend), visibility="shared")
    for index in range(number):
        backend.add_member(image.id, f"p{index}")
    backend.add_member(image.id, "p0")
    if number == 128:
        with pytest.raises(QuotaExceeded, match="more than 128 members"):
            backend.add_member(image.id, "more")
    else:
        backend.add_member(image.id, "more")
    assert len(backend.members(image.id)) == 128
