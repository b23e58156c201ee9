"""The folder of a store: it is opened again, and cleaned up after processes that were killed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.store import Store
from imagesync.errors import Conflict
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from tests.unit.backends.local.helpers import add_queued, start_python


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
