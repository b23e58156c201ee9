"""``store.db``: several processes, other versions, and files that are not a store."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.errors import BackendError, UsageError
from tests.unit.backends.local.helpers import add_queued, start_python


def is_intact(folder: Path) -> bool:
    """Whether SQLite finds no damage in the database."""
    with sqlite3.connect(folder / "store.db") as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_processes_and_threads_write_at_the_same_time(tmp_path: Path) -> None:
    """Every write is saved."""
    code = "b = open_backend(store=sys.argv[1])\nfor n in range(15): b.create_image(name=sys.argv[2])"
    processes = [start_python(code, str(tmp_path), str(number)) for number in range(3)]
    backend = open_backend(store=tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add_queued(backend, f"thread-{number}"), range(15)))
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(backend.images()) == 60
    assert is_intact(tmp_path)


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """Its format is unknown to this version."""
    open_backend(store=tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UsageError, match="version 99"):
        open_backend(store=tmp_path)


@pytest.mark.parametrize("damage", ["a file", "no database", "a folder for the database"])
def test_the_error_for_files_that_are_not_a_store_is_one_line(tmp_path: Path, damage: str) -> None:
    """It names the path."""
    path = tmp_path / "s"
    if damage == "a file":
        path.write_text("x")
    elif damage == "no database":
        open_backend(store=path)
        (path / "store.db").write_bytes(b"this is no databas\0" * 1000)
    else:
        (path / "store.db").mkdir(parents=True)
    with pytest.raises(BackendError) as caught:
        open_backend(store=path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
