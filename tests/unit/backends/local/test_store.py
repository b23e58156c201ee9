"""The embedded store: several processes, kills at any instant, damage and refusal."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.backends.base import Backend
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Conflict, InvalidRequest, UsageError
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage


def record(backend: Backend, name: str = "n") -> LiveImage:
    """A queued raw image."""
    return backend.create_image(name=name, disk_format="raw", container_format="bare")


def python(code: str, *words: str) -> subprocess.Popen[str]:
    """Another process that runs ``code``."""
    command = [sys.executable, "-c", f"import sys\nfrom imagesync import open_backend\n{code}", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def intact(folder: Path) -> bool:
    """What SQLite itself says of the database."""
    with sqlite3.connect(folder / "store.db") as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_it_is_the_same_project_when_opened_again(tmp_path: Path) -> None:
    """Images, data and burnt ids too; nobody else can read it."""
    first = open_backend(store=tmp_path / "s")
    image, gone = record(first), record(first)
    first.upload(image.id, [b"data"], 4)
    first.delete_image(gone)
    again = open_backend(store=tmp_path / "s")
    assert again.identity() == first.identity()
    assert b"".join(again.download(image.id)) == b"data"
    with pytest.raises(Conflict):
        again.create_image(id=gone.id)
    assert (tmp_path / "s" / "store.db").stat().st_mode & 0o777 == 0o600
    assert open_backend(store=tmp_path / "other").identity().fingerprint != first.identity().fingerprint


def test_processes_and_threads_write_side_by_side(tmp_path: Path) -> None:
    """Nothing is lost, nothing refused."""
    code = "b = open_backend(store=sys.argv[1])\nfor n in range(15): b.create_image(name=sys.argv[2])"
    processes = [python(code, str(tmp_path), str(number)) for number in range(3)]
    backend = open_backend(store=tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: record(backend, f"thread-{number}"), range(15)))
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(backend.images()) == 60
    assert intact(tmp_path)


def test_many_writers_of_one_image_lose_nothing(tmp_path: Path) -> None:
    """Unlike the real service: forty properties at once, forty kept."""
    backend = open_backend(store=tmp_path)
    image = record(backend)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: backend.update_image(image.id, properties={f"p{n}": "v"}), range(40)))
    assert len(backend.images(image.id)[0].properties) == 40


def test_of_many_creates_with_one_id_one_wins(tmp_path: Path) -> None:
    """The others are told."""
    backend = open_backend(store=tmp_path)

    def create(_number: int) -> bool:
        try:
            backend.create_image(id="00000000-0000-4000-8000-000000000000")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(16))) == 1


UPLOADING = """
def chunks():
    yield b"x" * 100
    print("half", flush=True)
    sys.stdin.read()
    yield b"x"
open_backend(store=sys.argv[1]).upload(sys.argv[2], chunks(), None)
"""


def half_way(folder: Path, image: LiveImage) -> subprocess.Popen[str]:
    """A process that has written half of an image's data and waits."""
    command = [
        sys.executable,
        "-c",
        f"import sys\nfrom imagesync import open_backend\n{UPLOADING}",
        str(folder),
        image.id,
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    return process


def test_an_upload_killed_in_the_middle_is_queued_again(tmp_path: Path) -> None:
    """At the next opening; no half file stays."""
    backend = open_backend(store=tmp_path)
    image = record(backend)
    with half_way(tmp_path, image) as process:
        assert backend.images(image.id)[0].status is Status.SAVING
        process.send_signal(signal.SIGKILL)
    again = open_backend(store=tmp_path)
    assert again.images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []
    again.upload(image.id, [b"data"], 4)
    assert b"".join(again.download(image.id)) == b"data"
    assert intact(tmp_path)


def test_an_upload_that_goes_on_elsewhere_is_left_alone(tmp_path: Path) -> None:
    """Opening the store does not take a living process for a dead one."""
    backend = open_backend(store=tmp_path)
    image = record(backend)
    with half_way(tmp_path, image) as process:
        again = open_backend(store=tmp_path)
        assert again.images(image.id)[0].status is Status.SAVING
        with pytest.raises(Conflict):
            again.upload(image.id, [b"other"], 5)
        process.communicate("", timeout=20)
    assert b"".join(again.download(image.id)) == b"x" * 101


def test_data_that_is_stored_and_not_yet_recorded_is_left_alone(tmp_path: Path) -> None:
    """Another process that opens the store between the rename of the data and the record of it takes nothing away."""
    backend = open_backend(store=tmp_path)
    image, store = record(backend), Store(tmp_path)
    with store.part(image.id) as part:
        with store.rows(write=True) as rows:
            rows.put({**rows.document(image.id), "status": "saving"}, None)
        part.write(b"data")
        part.keep()
        assert open_backend(store=tmp_path).images(image.id)[0].status is Status.SAVING
        assert store.data(image.id).read_bytes() == b"data"
    assert open_backend(store=tmp_path).images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []


def test_an_image_deleted_while_it_is_filled_is_gone(tmp_path: Path) -> None:
    """The upload is told, and its data does not stay."""
    backend = open_backend(store=tmp_path)
    image = record(backend)
    deleted = threading.Event()

    def chunks() -> "list[bytes]":
        backend.delete_image(image.id)
        deleted.set()
        return [b"data"]

    with pytest.raises(BackendError, match="no image"):
        backend.upload(image.id, (chunk for chunk in [b"a", *chunks()]), None)
    assert deleted.is_set()
    assert os.listdir(tmp_path / "content") == []


def test_data_without_an_image_is_removed(tmp_path: Path) -> None:
    """Left by a kill between the deletion of a row and of its file."""
    backend = open_backend(store=tmp_path)
    image = record(backend)
    backend.delete_image(image)
    (tmp_path / "content" / image.id).write_bytes(b"orphan")
    open_backend(store=tmp_path)
    assert os.listdir(tmp_path / "content") == []


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """And not touched."""
    open_backend(store=tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="version 99"):
        open_backend(store=tmp_path)


@pytest.mark.parametrize("damage", ["a file", "no database", "a folder for the database"])
def test_what_is_no_store_is_one_line(tmp_path: Path, damage: str) -> None:
    """Where, what, way out; never a traceback."""
    path = tmp_path / "s"
    if damage == "a file":
        path.write_text("x")
    elif damage == "no database":
        open_backend(store=path)
        (path / "store.db").write_bytes(b"this is no database" * 1000)
    else:
        (path / "store.db").mkdir(parents=True)
    with pytest.raises(BackendError) as caught:
        open_backend(store=path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_image_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files stands for it; one line, and the next upload works."""
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
    image = record(backend)
    told = python(code, str(tmp_path), image.id).communicate(timeout=30)[0]
    assert "too large" in told
    assert "space" in told
    assert backend.images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []


def test_a_cloud_and_a_store_at_once_are_refused(tmp_path: Path) -> None:
    """One target at a time."""
    with pytest.raises(UsageError):
        open_backend(cloud="x", store=tmp_path)


def test_it_has_neither_import_methods_nor_stores(tmp_path: Path) -> None:
    """Said by what it can do, and refused in one line that tells the way out."""
    store = open_backend(store=tmp_path / "s")
    image_id = record(store).id
    assert (store.capabilities().import_methods, store.capabilities().stores) == (frozenset(), frozenset())
    with pytest.raises(InvalidRequest, match="no glance-direct; use method: upload"):
        store.stage(image_id, [b"x"], 1)
    with pytest.raises(InvalidRequest, match="no web-download; use method: upload"):
        store.import_image(image_id, "web-download", uri="http://x/")
    with pytest.raises(InvalidRequest, match="no store 'fast' within it; leave stores out"):
        store.upload(image_id, [b"x"], 1, store="fast")
    assert store.import_tasks(image_id) == []
    assert store.images(image_id)[0].status is Status.QUEUED
