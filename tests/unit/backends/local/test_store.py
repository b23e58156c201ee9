"""The folder of a store: it is opened again, and cleaned up after processes that were killed."""

import logging
import os
import signal
import subprocess
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import MissingStore
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Conflict, UsageError
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from tests.unit.backends.local.helpers import add_queued, start_python
from tests.unit.backends.local.hostile import NULL_KEY, make_store, multiply_rows


def test_a_store_that_is_opened_again_is_the_same_project(tmp_path: Path) -> None:
    """It has the same images, data and used ids, and other users cannot read it."""
    first = open_backend(store=tmp_path / "s")
    image, gone = add_queued(first), add_queued(first)
    first.upload(image.id, [b"data"], 4)
    first.delete_image(gone)
    again = open_backend(store=tmp_path / "s")
    assert again.identity() == first.identity()
    assert b"".join(again.download(image.id)) == b"data"
    with pytest.raises(Conflict):
        again.create_image(id=gone.id)
    assert (tmp_path / "s" / "store.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "s" / "content" / image.id).stat().st_mode & 0o777 == 0o600
    assert open_backend(store=tmp_path / "other").identity().fingerprint != first.identity().fingerprint


UPLOADING = """
def chunks():
    yield b"x" * 100
    print("half", flush=True)
    sys.stdin.read()
    yield b"x"
open_backend(store=sys.argv[1]).upload(sys.argv[2], chunks(), None)
"""


def start_upload(folder: Path, image: LiveImage) -> subprocess.Popen[str]:
    """Start a process that writes half of an image's data and waits."""
    process = start_python(UPLOADING, str(folder), image.id)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_the_image_of_a_killed_upload_is_queued_again(tmp_path: Path) -> None:
    """The next opening of the store queues it and deletes the incomplete file."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    with start_upload(tmp_path, image) as process:
        assert backend.images(image.id)[0].status is Status.SAVING
        process.send_signal(signal.SIGKILL)
    again = open_backend(store=tmp_path)
    assert again.images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []
    again.upload(image.id, [b"data"], 4)
    assert b"".join(again.download(image.id)) == b"data"


def test_an_upload_of_another_process_continues(tmp_path: Path) -> None:
    """Opening the store changes nothing that a running process uses."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    with start_upload(tmp_path, image) as process:
        again = open_backend(store=tmp_path)
        assert again.images(image.id)[0].status is Status.SAVING
        with pytest.raises(Conflict):
            again.upload(image.id, [b"other"], 5)
        process.communicate("", timeout=20)
    assert b"".join(again.download(image.id)) == b"x" * 101


def test_data_that_is_not_yet_recorded_is_kept(tmp_path: Path) -> None:
    """Another process may open the store after the upload has renamed the data and before it writes the record."""
    backend = open_backend(store=tmp_path)
    image, store = add_queued(backend), Store(tmp_path)
    with store.part(image.id) as part:
        with store.rows(write=True) as rows:
            rows.put({**rows.get(image.id), "status": "saving"}, None)
        part.write(b"data")
        part.keep()
        assert open_backend(store=tmp_path).images(image.id)[0].status is Status.SAVING
        assert store.data(image.id).read_bytes() == b"data"
    assert open_backend(store=tmp_path).images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []


def test_data_without_an_image_is_deleted(tmp_path: Path) -> None:
    """A process that was killed after it deleted the record, and before it deleted the file, has left it."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    backend.delete_image(image)
    (tmp_path / "content" / image.id).write_bytes(b"orphan")
    open_backend(store=tmp_path)
    assert os.listdir(tmp_path / "content") == []


def test_a_file_named_by_an_id_that_was_never_used_is_kept(tmp_path: Path) -> None:
    """It cannot be data of the store."""
    Store(tmp_path / "store").close()
    file = tmp_path / "store" / "content" / "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
    file.write_bytes(b"foreign")
    Store(tmp_path / "store").close()
    assert file.read_bytes() == b"foreign"


def read_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings up to now, which are then forgotten."""
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_a_missing_store_is_created_read_as_empty_or_refused(tmp_path: Path) -> None:
    """By default it is created; else no folder is."""
    folder = tmp_path / "s"
    with pytest.raises(UsageError) as caught:
        Store(folder, missing=MissingStore.REFUSE)
    assert str(caught.value) == (
        f"store {folder} does not exist; check the path; only imagesync apply and adopt create a store"
    )
    with pytest.raises(UsageError, match=r"^store '.*/a b' does not exist"):
        Store(tmp_path / "a b", missing=MissingStore.REFUSE)
    empty = Store(folder, missing=MissingStore.EMPTY)
    with empty.rows() as rows:
        assert (rows.list_images(), rows.read_project_id()) == ([], "")
    empty.close()
    assert os.listdir(tmp_path) == []
    Store(folder).close()
    assert sorted(os.listdir(folder)) == ["content", "store.db"]
    for missing in MissingStore:
        with Store(folder, missing=missing).rows() as rows:
            assert rows.read_project_id()


@pytest.mark.parametrize("missing", MissingStore)
def test_a_lost_database_is_an_error_whatever_may_be_missing(tmp_path: Path, missing: MissingStore) -> None:
    """There are data files, so it existed."""
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "x").write_bytes(b"x")
    with pytest.raises(BackendError, match="but content has 1 file; imagesync changed nothing"):
        Store(tmp_path, missing=missing)
    assert os.listdir(tmp_path) == ["content"]


def test_the_path_of_a_store_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory may change later; the same store has one name."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("a/../s"))
    assert (store.path, store.data("x")) == (tmp_path / "s", tmp_path / "s" / "content" / "x")


def test_files_that_are_not_of_the_store_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first of them, and how many more; they are kept."""
    Store(tmp_path).close()
    unused = "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
    for number, (name, more) in enumerate((("b.txt", ""), ("a.txt", " (and 1 more)"), (unused, " (and 2 more)"))):
        (tmp_path / "content" / name).write_bytes(b"x")
        Store(tmp_path).close()
        first = sorted(("b.txt", "a.txt", unused)[: number + 1])[0]
        assert read_warnings(caplog) == [
            f"store {tmp_path}: content/{first}{more} is not a file of the store; it is kept"
        ]
    assert len(os.listdir(tmp_path / "content")) == 3


def test_a_store_that_is_only_read_is_not_cleaned_up(tmp_path: Path) -> None:
    """What a killed process left stays there, and the image keeps its status."""
    backend = open_backend(store=tmp_path)
    image, gone = add_queued(backend), add_queued(backend)
    backend.delete_image(gone)
    with Store(tmp_path).rows(write=True) as rows:
        rows.put({**rows.get(image.id), "status": "saving"}, None)
    backend.close()
    (tmp_path / "content" / gone.id).write_bytes(b"orphan")
    store = Store(tmp_path, read_only=True)
    with store.rows() as rows:
        assert rows.get(image.id)["status"] == "saving"
    with pytest.raises(BackendError, match="is read-only"), store.rows(write=True):
        pass
    store.close()
    assert (tmp_path / "content" / gone.id).read_bytes() == b"orphan"


def test_all_images_of_killed_uploads_are_queued_again(tmp_path: Path) -> None:
    """Each with its marker; others keep their status, and their data."""
    backend = open_backend(store=tmp_path)
    images = [add_queued(backend, str(number)) for number in range(4)]
    backend.update_image(images[0], properties={"imagesync_catalog": "c"})
    for image in images[2:]:
        backend.upload(image.id, [b"data"], 4)
    backend.deactivate(images[3].id)
    with Store(tmp_path).rows(write=True) as rows:
        for image in images[:2]:
            row = rows.get(image.id)
            rows.put({**row, "status": "saving"}, row.get("imagesync_catalog"))
    for image in images[:2]:
        (tmp_path / "content" / f"{image.id}.{'0' * 32}.part").write_bytes(b"half")
    again = open_backend(store=tmp_path)
    statuses = {image.name: image.status for image in again.images()}
    assert statuses == {"0": Status.QUEUED, "1": Status.QUEUED, "2": Status.ACTIVE, "3": Status.DEACTIVATED}
    assert [image.name for image in again.inventory("c")] == ["0"]
    assert sorted(os.listdir(tmp_path / "content")) == sorted(image.id for image in images[2:])


@pytest.mark.parametrize(("content", "wrong"), [(None, "is missing"), (b"dat", "has 3 bytes; the record has 4")])
def test_an_image_whose_data_is_damaged_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, wrong: str
) -> None:
    """Its record is shown so, but not changed; the warning names it. Other images are not."""
    backend = open_backend(store=tmp_path)
    image, other = add_queued(backend), add_queued(backend)
    for one in (image, other):
        backend.upload(one.id, [b"data"], 4)
    path = tmp_path / "content" / image.id
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert {one.id: one.status for one in backend.images()} == {image.id: Status.KILLED, other.id: Status.ACTIVE}
    assert read_warnings(caplog) == [
        f"store {tmp_path}: the data of image {image.id} {wrong}: its status is shown as killed; apply uploads it again if a "
        "manifest declares it"
    ]
    path.write_bytes(b"data")
    assert {one.status for one in backend.images()} == {Status.ACTIVE}
    assert read_warnings(caplog) == []


def test_an_image_that_changes_meanwhile_is_not_damaged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its record was read before the change; a deleted one is not listed."""
    backend, store = open_backend(store=tmp_path), Store(tmp_path)
    image, gone = add_queued(backend), add_queued(backend)
    backend.upload(image.id, [b"data"], 4)
    with store.rows() as rows:
        old = {**rows.get(image.id), "size": 3}
    found = store.mark_if_damaged(old)
    assert found is not None
    assert (found["size"], found["status"]) == (4, "active")
    backend.delete_image(gone)
    assert store.mark_if_damaged({**old, "id": gone.id}) is None
    assert read_warnings(caplog) == []
    (tmp_path / "content" / image.id).write_bytes(b"da")
    found = store.mark_if_damaged(old)
    assert found is not None
    assert (found["size"], found["status"]) == (4, "killed")
    assert "has 2 bytes; the record has 4" in read_warnings(caplog)[0]


def test_nothing_is_deleted_by_what_a_damaged_database_has(tmp_path: Path) -> None:
    """An image may be missing in it whose data is there."""
    database = make_store(tmp_path, images=2)
    with open_backend(store=tmp_path) as backend:
        gone = backend.images()[0]
        backend.delete_image(gone)
    leftover = tmp_path / "content" / gone.id
    leftover.write_bytes(b"data")
    before = database.read_bytes()
    multiply_rows(database, "images_by_catalog", key=NULL_KEY, levels=1)
    with pytest.raises(BackendError, match="is damaged"):
        Store(tmp_path)
    assert leftover.read_bytes() == b"data"
    database.write_bytes(before)
    Store(tmp_path).close()
    assert not leftover.exists()
