"""The local store as a Backend: several writers, failed uploads, and operations that it does not have."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.backend import Local
from imagesync.backends.local.rows import Rows
from imagesync.backends.local.store import Store
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    UsageError,
)
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import Filter, Identity, LiveImage, MemberState
from tests.samples import qcow2
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


FIXED = "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"


def open_with_image(folder: Path, **attrs: object) -> Local:
    """A store with one queued image, whose id is ``FIXED``."""
    backend = Local(Store(folder), "label")
    usual = {"name": "n", "disk_format": "raw", "container_format": "bare"}
    backend.create_image(id=FIXED, **{**usual, **attrs})  # type: ignore[arg-type]
    return backend


def test_a_whole_new_record(tmp_path: Path) -> None:
    """Each field that the caller does not give has the default of the service."""
    backend = open_with_image(tmp_path, name=None, disk_format=None, container_format=None)
    (found,) = backend.images()
    assert found == backend.images(FIXED)[0]
    assert found == LiveImage(
        id=FIXED,
        status=Status.QUEUED,
        visibility=Visibility.SHARED,
        owner=backend.identity().project_id,
        created_at=found.created_at,
        updated_at=found.created_at,
        file=f"/v2/images/{FIXED}/file",
        self=f"/v2/images/{FIXED}",
        schema="/v2/schemas/image",
        nulls=found.nulls,
    )
    data = {"size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"}
    assert found.nulls == data | {"name", "disk_format", "container_format"}
    assert backend.identity() == Identity("store", str(tmp_path), found.owner or "", label="label")
    assert len(found.owner or "") == 32


def test_a_new_id_is_chosen_for_each_image(tmp_path: Path) -> None:
    """Another form of an id is refused; nothing is saved then."""
    backend = open_backend(store=tmp_path)
    ids = {backend.create_image().id for _ in range(3)}
    assert len(ids) == 3
    for image_id in ("../x", "x", FIXED[:-1]):
        with pytest.raises(InvalidRequest, match="is not a UUID"):
            backend.create_image(id=image_id)
    with pytest.raises(InvalidRequest, match="name is 256 characters"):
        backend.create_image(name="n" * 256, id=FIXED)
    backend.create_image(id=FIXED)
    assert {image.id for image in backend.images()} == {*ids, FIXED}


def test_the_whole_record_of_an_upload(tmp_path: Path) -> None:
    """The digests of all chunks, the size, and the virtual size; the other fields stay."""
    data = [b"one", b"", b"two" * 999]
    whole = b"".join(data)
    for size in (len(whole), None):
        backend = open_with_image(tmp_path / str(size), properties={"p": "1"}, min_disk=3)
        (before,) = backend.images()
        backend.upload(FIXED, data, size)
        (after,) = backend.images()
        assert replace(after, updated_at="", nulls=frozenset()) == replace(
            before,
            status=Status.ACTIVE,
            size=len(whole),
            virtual_size=after.virtual_size,
            checksum=hashlib.md5(whole, usedforsecurity=False).hexdigest(),
            os_hash_algo="sha512",
            os_hash_value=hashlib.sha512(whole).hexdigest(),
            updated_at="",
            nulls=frozenset(),
        )
        assert list(backend.download(FIXED)) == [whole]


def test_the_virtual_size_is_that_of_the_disk(tmp_path: Path) -> None:
    """As its header has it, not the size of the file; a record for another format is refused."""
    disk = qcow2(3 * 2**30)
    backend = open_with_image(tmp_path, disk_format="qcow2")
    backend.upload(FIXED, [disk[:100], disk[100:]], len(disk))
    (found,) = backend.images()
    assert (found.size, found.virtual_size) == (len(disk), 3 * 2**30)
    other = open_with_image(tmp_path / "other", disk_format="iso")
    with pytest.raises(InvalidRequest, match=f"^image {FIXED}: "):
        other.upload(FIXED, [disk], len(disk))
    assert other.images()[0].status is Status.QUEUED


def test_a_download_has_chunks_of_a_mebibyte(tmp_path: Path) -> None:
    """The last one comes only after all were compared with the digest; an empty image has none."""
    backend = open_with_image(tmp_path)
    backend.upload(FIXED, [b"x" * (2**21 + 1)], None)
    assert [len(chunk) for chunk in backend.download(FIXED)] == [2**20, 2**20, 1]
    empty = open_with_image(tmp_path / "empty")
    empty.upload(FIXED, [], 0)
    assert (empty.images()[0].status, list(empty.download(FIXED))) == (Status.ACTIVE, [])


def set_time(store: Store, time: str) -> None:
    """Make all images as old as this."""
    with store.rows(write=True) as rows:
        for row in rows.list_images():
            rows.put({**row, "created_at": time, "updated_at": time}, row.get("imagesync_catalog"))


OLD = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("act", "is_change"),
    [
        (lambda backend: backend.update_image(FIXED, name="new"), True),
        (lambda backend: backend.update_image(FIXED, properties={"p": None}), True),
        (lambda backend: backend.update_image(FIXED), False),
        (lambda backend: backend.upload(FIXED, [b"x"], 1), True),
        (lambda backend: backend.add_member(FIXED, "p"), False),
        (lambda backend: list(backend.images()), False),
    ],
)
def test_each_change_of_a_record_has_its_time(tmp_path: Path, act: Callable[[Local], object], is_change: bool) -> None:
    """The time of its creation stays; a change of the members is none of the record."""
    store = Store(tmp_path)
    backend = Local(store, "s")
    backend.create_image(id=FIXED, disk_format="raw", container_format="bare", properties={"imagesync_catalog": "c"})
    set_time(store, OLD)
    act(backend)
    (found,) = backend.inventory("c")
    assert (found.created_at, found.updated_at != OLD) == (OLD, is_change)
    if is_change:
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.updated_at)


def test_a_change_of_the_marker_changes_the_inventory(tmp_path: Path) -> None:
    """By each kind of write: the marker is also a column of the database."""
    backend = open_with_image(tmp_path, properties={"imagesync_catalog": "a"})
    assert [image.id for image in backend.inventory("a")] == [FIXED]
    backend.upload(FIXED, [b"x"], 1)
    backend.deactivate(FIXED)
    assert [image.status for image in backend.inventory("a")] == [Status.DEACTIVATED]
    backend.reactivate(FIXED)
    assert [image.status for image in backend.inventory("a")] == [Status.ACTIVE]
    backend.update_image(FIXED, properties={"imagesync_catalog": "b"})
    assert (backend.inventory("a"), len(backend.inventory("b"))) == ([], 1)
    backend.update_image(FIXED, properties={"imagesync_catalog": None})
    assert (backend.inventory("b"), backend.inventory("a")) == ([], [])


def test_an_update_returns_the_new_image(tmp_path: Path) -> None:
    """Names of properties may have characters of a path."""
    backend = open_with_image(tmp_path, properties={"a/b": "1", "a~b": "1", "a~1b": "1", "keep": "1"})
    changed = backend.update_image(
        backend.images()[0], hidden=True, tags=["t"], properties={"a/b": "2", "a~b": None, "a~1b": "3"}
    )
    assert changed == backend.images()[0]
    assert changed.properties == {"a/b": "2", "a~1b": "3", "keep": "1"}
    assert (changed.hidden, changed.tags, changed.name) == (True, frozenset({"t"}), "n")


def test_the_leases_of_every_catalog(tmp_path: Path) -> None:
    """By their role; hidden images of the store's project only."""
    backend = Local(Store(tmp_path), "s")
    for name, attrs in {
        "lease": {"properties": {"imagesync_role": "lease", "imagesync_lease": "a"}, "hidden": True},
        "other lease": {"properties": {"imagesync_role": "lease", "imagesync_lease": "b"}, "hidden": True},
        "visible": {"properties": {"imagesync_role": "lease", "imagesync_lease": "a"}},
        "theirs": {"properties": {"imagesync_role": "lease"}, "hidden": True, "owner": OTHER},
        "no lease": {"properties": {"imagesync_role": "image", "imagesync_lease": "a"}, "hidden": True},
        "hidden": {"hidden": True},
    }.items():
        backend.create_image(name=name, **attrs)  # type: ignore[arg-type]
    assert {image.name for image in backend.leases(None)} == {"lease", "other lease"}
    assert {image.name for image in backend.leases("a")} == {"lease", "no lease"}
    found = backend.find_images(Filter(role="lease", owner=OTHER))
    assert [image.name for image in found] == ["theirs"]
    missing: list[str] = []
    assert len(backend.list_images(missing)) == 6
    assert missing == []


def test_what_a_store_does_not_have(tmp_path: Path) -> None:
    """Sessions, clocks, projects and imports; each error says what to write instead."""
    backend = open_with_image(tmp_path)
    assert (backend.times(), backend.settling_time(), backend.project_names([OTHER])) == ({}, 0.0, {})
    assert backend.with_time_limit(1.0) is backend
    assert backend.with_lease(lambda: None) is backend
    assert backend.can_publish(FIXED)
    with pytest.raises(NotFound, match="does not exist"):
        backend.can_publish(OTHER)
    with pytest.raises(UsageError) as project:
        backend.project_id("p", "d")
    assert str(project.value) == (
        "project 'p' of domain 'd': a local store cannot find a project by name; write the project's id instead of its name"
    )
    backend.renew()
    backend.close()
    assert len(backend.images()) == 1
    with backend as same:
        assert same is backend
        assert (tmp_path / "store.db-wal").exists()
    assert not (tmp_path / "store.db-wal").exists()


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (
            lambda backend: backend.delete_image(FIXED),
            Forbidden,
            f"image {FIXED} is protected and cannot be deleted; set protected: false and apply",
        ),
        (
            lambda backend: backend.deactivate(FIXED),
            Forbidden,
            f"image {FIXED}: the status is queued and cannot change to deactivated; run apply to upload its data first",
        ),
        (
            lambda backend: backend.reactivate(FIXED),
            Forbidden,
            f"image {FIXED}: the status is queued and cannot change to active; run apply to upload its data first",
        ),
        (
            lambda backend: backend.download(FIXED),
            Conflict,
            f"image {FIXED} is queued and has no data; run apply to upload its data",
        ),
        (
            lambda backend: backend.members(FIXED),
            Forbidden,
            f"image {FIXED} is not shared and cannot have members; set visibility: shared",
        ),
        (
            lambda backend: backend.remove_member(FIXED, "p"),
            Forbidden,
            f"image {FIXED} is not shared and cannot have members; set visibility: shared",
        ),
        (
            lambda backend: backend.upload(FIXED, [b"abc"], 4),
            InvalidRequest,
            f"image {FIXED}: the source sent 3 bytes; it announced 4; run apply again; if it fails again, correct the source",
        ),
        (
            lambda backend: backend.upload(FIXED, [b"abc"], 3, store="fast"),
            InvalidRequest,
            "a local store has no service store 'fast'; remove stores from the manifest",
        ),
        (
            lambda backend: backend.update_image(FIXED, properties={"q": "1"}, required=["q"]),
            Conflict,
            f"image {FIXED}: property q does not exist; make the plan again: imagesync plan PATH",
        ),
        (
            lambda backend: backend.update_image(FIXED, properties={"q": "1", "p": "1"}, absent=True),
            Conflict,
            f"image {FIXED}: property p exists already; make the plan again: imagesync plan PATH",
        ),
        (
            lambda backend: backend.update_image(FIXED, name="new", tags=["t" * 256]),
            InvalidRequest,
            f"image {FIXED}: a tag is 256 characters long; the limit is 255; shorten it",
        ),
        (
            lambda backend: backend.images(OTHER),
            NotFound,
            f"image {OTHER} does not exist; list the images of the store: imagesync list --store DIR",
        ),
    ],
)
def test_the_whole_message_of_a_refused_operation(
    tmp_path: Path, act: Callable[[Local], object], kind: type[Exception], text: str
) -> None:
    """Nothing changes by it."""
    backend = open_with_image(tmp_path, protected=True, visibility="private", properties={"p": "1"})
    before = replace(backend.images()[0], updated_at="")
    with pytest.raises(kind) as caught:
        act(backend)
    assert (type(caught.value), str(caught.value)) == (kind, text)
    assert replace(backend.images()[0], updated_at="") == before
    assert os.listdir(tmp_path / "content") == []


def test_an_active_image_accepts_no_data(tmp_path: Path) -> None:
    """Its status is in the message; its part file is deleted."""
    backend = open_with_image(tmp_path)
    backend.upload(FIXED, [b"data"], 4)
    with pytest.raises(Conflict) as caught:
        backend.upload(FIXED, [b"more"], 4)
    assert str(caught.value) == (
        f"image {FIXED}: the status is active; only a queued image accepts data; make the plan again: imagesync plan PATH"
    )
    assert os.listdir(tmp_path / "content") == [FIXED]


def test_the_data_of_a_changed_image_is_named(tmp_path: Path) -> None:
    """With both digests."""
    backend = open_with_image(tmp_path)
    backend.upload(FIXED, [b"data"], 4)
    (tmp_path / "content" / FIXED).write_bytes(b"dat!")
    with pytest.raises(BackendError) as caught:
        list(backend.download(FIXED))
    found, recorded = (hashlib.sha512(data).hexdigest() for data in (b"dat!", b"data"))
    assert str(caught.value) == (
        f"store {tmp_path}: the data of image {FIXED} was changed: it has sha512:{found}; the record has sha512:{recorded}; "
        "delete the image and run apply again"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_upload_that_is_interrupted_leaves_a_queued_image(tmp_path: Path, error: BaseException) -> None:
    """By the user, too."""
    backend = open_with_image(tmp_path)

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise error

    with pytest.raises(type(error)):
        backend.upload(FIXED, chunks(), None)
    assert (backend.images()[0].status, os.listdir(tmp_path / "content")) == (Status.QUEUED, [])


def test_a_protected_image_keeps_its_data(tmp_path: Path) -> None:
    """A deletion by id or by image removes record, members and data only if that is allowed."""
    backend = open_with_image(tmp_path, protected=True, visibility="shared")
    backend.upload(FIXED, [b"data"], 4)
    backend.add_member(FIXED, "p")
    with pytest.raises(Forbidden):
        backend.delete_image(backend.images()[0])
    assert b"".join(backend.download(FIXED)) == b"data"
    backend.update_image(FIXED, protected=False)
    backend.delete_image(backend.images()[0])
    assert (backend.images(), os.listdir(tmp_path / "content")) == ([], [])
    with pytest.raises(NotFound):
        backend.delete_image(FIXED)


def test_members_are_pending(tmp_path: Path) -> None:
    """Each project once, sorted."""
    backend = open_with_image(tmp_path, visibility="shared")
    for project in ("b", "a", "b"):
        backend.add_member(FIXED, project)
    assert backend.members(FIXED) == [MemberState("a", "pending"), MemberState("b", "pending")]
    backend.remove_member(FIXED, "b")
    backend.remove_member(FIXED, "c")
    assert backend.members(FIXED) == [MemberState("a", "pending")]
