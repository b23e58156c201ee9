"""The store as a backend: several writers, failures in the middle of an upload, what it does not have."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.backends.local.backend import Local
from imagesync.backends.local.rows import Rows
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Conflict, InvalidRequest
from imagesync.model.catalog import Status
from tests.unit.backends.local.helpers import add_queued, start_python


def test_many_writers_of_one_image_lose_nothing(tmp_path: Path) -> None:
    """Unlike the real service: forty properties at once, forty kept."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
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


def test_an_image_deleted_while_it_is_filled_is_gone(tmp_path: Path) -> None:
    """The upload is told, and its data does not stay."""
    backend = open_backend(store=tmp_path)
    image = add_queued(backend)
    deleted = threading.Event()

    def chunks() -> "list[bytes]":
        backend.delete_image(image.id)
        deleted.set()
        return [b"data"]

    with pytest.raises(BackendError, match="no image"):
        backend.upload(image.id, (chunk for chunk in [b"a", *chunks()]), None)
    assert deleted.is_set()
    assert os.listdir(tmp_path / "content") == []


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
    image = add_queued(backend)
    output = start_python(code, str(tmp_path), image.id).communicate(timeout=30)[0]
    assert "too large" in output
    assert "space" in output
    assert backend.images(image.id)[0].status is Status.QUEUED
    assert os.listdir(tmp_path / "content") == []


def test_it_has_neither_import_methods_nor_stores(tmp_path: Path) -> None:
    """Said by what it can do, and refused in one line that tells the way out."""
    store = open_backend(store=tmp_path / "s")
    image_id = add_queued(store).id
    assert (store.capabilities().import_methods, store.capabilities().stores) == (frozenset(), frozenset())
    with pytest.raises(InvalidRequest, match="no glance-direct; use method: upload"):
        store.stage(image_id, [b"x"], 1)
    with pytest.raises(InvalidRequest, match="no web-download; use method: upload"):
        store.import_image(image_id, "web-download", uri="http://x/")
    with pytest.raises(InvalidRequest, match="no store 'fast' within it; leave stores out"):
        store.upload(image_id, [b"x"], 1, store="fast")
    assert store.import_tasks(image_id) == []
    assert store.images(image_id)[0].status is Status.QUEUED


class FullDatabase(Store):
    """No transaction that writes comes to be while ``is_full``."""

    is_full = False

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator[Rows]:
        with super().rows(write=write) as rows:
            yield rows
            if write and self.is_full:
                raise BackendError("no room for the database")


def test_data_is_deleted_only_once_the_database_does_not_name_it_any_more(tmp_path: Path) -> None:
    """A deletion that fails leaves an image that is whole."""
    store = FullDatabase(tmp_path)
    with Local(store, "full") as backend:
        image = add_queued(backend)
        backend.upload(image.id, [b"data"], 4)
        store.is_full = True
        with pytest.raises(BackendError, match="no room"):
            backend.delete_image(image.id)
        assert backend.images(image.id)[0].status is Status.ACTIVE
        assert b"".join(backend.download(image.id)) == b"data"
        store.is_full = False
        backend.delete_image(image.id)
    assert os.listdir(tmp_path / "content") == []


def test_data_is_in_its_place_before_the_database_names_it(tmp_path: Path) -> None:
    """It is whole when the last transaction of an upload begins."""
    looked = list[tuple[str, list[str]]]()

    class Looking(Store):
        def rows(self, *, write: bool = False) -> AbstractContextManager[Rows]:
            with Store.rows(self) as rows:
                statuses = [document["status"] for document in rows.list_images()]
            looked.append((*statuses[:1], os.listdir(tmp_path / "content")) if statuses else ("", []))
            return super().rows(write=write)

    store = Looking(tmp_path)
    with Local(store, "looking") as backend:
        image = add_queued(backend)
        looked.clear()
        backend.upload(image.id, [b"data"], 4)
    assert [status for status, _ in looked] == ["queued", "saving"]
    assert looked[-1][1] == [image.id]  # when the last transaction begins


class Untold(Store):
    """Its transactions come to be; the writes after the first ``told`` are said to have failed."""

    told = 2

    @contextmanager
    def rows(self, *, write: bool = False) -> Iterator[Rows]:
        with super().rows(write=write) as rows:
            yield rows
        if write:
            self.told -= 1
            if self.told == -1:
                raise BackendError("no answer of the disk")


def test_data_that_the_database_names_stays_although_its_transaction_is_said_to_have_failed(tmp_path: Path) -> None:
    """A commit that came to be may be told as failed: an active image without data would be lost."""
    store = Untold(tmp_path)
    with Local(store, "untold") as backend:
        image = add_queued(backend)
        store.told = 1  # that the image is saving; the next one is that it is active
        with pytest.raises(BackendError, match="no answer of the disk"):
            backend.upload(image.id, [b"data"], 4)
        assert backend.images(image.id)[0].status is Status.ACTIVE
        assert b"".join(backend.download(image.id)) == b"data"


@pytest.mark.parametrize("place", [0, 2**20, 2**21 - 1])
def test_data_that_was_changed_is_never_handed_out_whole(tmp_path: Path, place: int) -> None:
    """Wherever the change is: whoever writes on what comes has a file that is too short."""
    with Local(Store(tmp_path), "changed") as backend:
        image = add_queued(backend)
        backend.upload(image.id, [bytes(2**20)] * 2, 2**21)
        with open(tmp_path / "content" / image.id, "r+b") as file:
            file.seek(place)
            file.write(b"x")
        received: list[bytes] = []
        with pytest.raises(BackendError, match="is not what was stored"):
            received.extend(backend.download(image.id))
        assert sum(map(len, received)) < 2**21
