"""The folder of a store: opened again, and tidied after processes that were killed."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.backends.local.store import Store
from imagesync.errors import Conflict
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from tests.unit.backends.local.helpers import add_queued, start_python


def test_it_is_the_same_project_when_opened_again(tmp_path: Path) -> None:
    """Images, data and burnt ids too; nobody else can read it."""
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
    """Start a process that has written half of an image's data and waits."""
    process = start_python(UPLOADING, str(folder), image.id)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_an_upload_killed_in_the_middle_is_queued_again(tmp_path: Path) -> None:
    """At the next opening; no half file stays."""
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


def test_an_upload_that_goes_on_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """Opening the store does not take a living process for a dead one."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    with start_upload(tmp_path, image) as process:
        again = open_backend(store=tmp_path)
        assert again.images(image.id)[0].status is Status.SAVING
        with pytest.raises(Conflict):
            again.upload(image.id, [b"other"], 5)
        process.communicate("", timeout=20)
    assert b"".join(again.download(image.id)) == b"x" * 101


def test_data_that_is_stored_and_not_yet_recorded_is_left_alone(tmp_path: Path) -> None:
    """Another process that opens the store between the rename of the data and the record of it takes nothing away."""
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


def test_data_without_an_image_is_removed(tmp_path: Path) -> None:
    """Left by a kill between the deletion of a row and of its file."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    backend.delete_image(image)
    (tmp_path / "content" / image.id).write_bytes(b"orphan")
    open_backend(store=tmp_path)
    assert os.listdir(tmp_path / "content") == []


def test_a_file_that_is_called_like_an_image_which_never_was_is_left_alone(tmp_path: Path) -> None:
    """Only what the store gave out an id for can be its own."""
    Store(tmp_path / "store").close()
    file = tmp_path / "store" / "content" / "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
    file.write_bytes(b"somebody's")
    Store(tmp_path / "store").close()
    assert file.read_bytes() == b"somebody's"
