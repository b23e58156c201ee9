"""``store.db``: several processes, other versions, and files that are not a store."""

import os
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.connection import Connection
from imagesync.backends.local.database import Database, EmptyDatabase
from imagesync.errors import BackendError, UsageError
from tests.unit.backends.local.helpers import add_queued, count_open, start_python
from tests.unit.backends.local.hostile import ENDLESS, make_store, run_sql


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


@pytest.fixture
def deny_writing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes one path read-only, also for an administrator."""
    may, denied = os.access, set[Path]()
    monkeypatch.setattr(os, "access", lambda path, mode: may(path, mode) and not (mode == os.W_OK and path in denied))
    return denied.add


def list_ids(database: Database, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    """The ids of all images; ``meanwhile`` happens before the transaction ends."""
    with database.transaction(write=False) as rows:
        found = [row["id"] for row in rows.list_images()]
        meanwhile()
    return found


def fail_after_removal(database: Database, image_id: str) -> None:
    """A transaction that removes an image and then raises LookupError."""
    with database.transaction(write=True) as rows:
        rows.remove(image_id)
        raise LookupError


@pytest.mark.parametrize("name", ["", "store.db"])
def test_a_store_that_is_read_only_can_be_read(tmp_path: Path, deny_writing: Callable[[Path], None], name: str) -> None:
    """If the folder is, or the file; no write is begun, and no file is written."""
    path = make_store(tmp_path / "s", images=3)
    before = path.read_bytes()
    deny_writing(tmp_path / "s" / name)
    database = Database(tmp_path / "s")
    database.open([])
    assert not database.writable
    assert len(list_ids(database)) == 3
    with (
        pytest.raises(BackendError, match=r"store .* is read-only; check its permissions"),
        database.transaction(write=True),
    ):
        pass
    assert (path.read_bytes(), sorted(os.listdir(tmp_path / "s"))) == (before, ["content", "store.db"])
    backend = open_backend(store=tmp_path / "s")
    assert len(backend.images()) == 3
    with pytest.raises(BackendError, match="is read-only"):
        add_queued(backend)


def rewrite(folder: Path) -> None:
    """Another process writes into the file, which keeps its size."""
    (path,) = folder.glob("*.db")
    content = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))


def replace(folder: Path) -> None:
    """Another process puts another file in its place, with the same size and times."""
    (path,) = folder.glob("*.db")
    status = path.stat()
    new = path.with_suffix(".new")
    new.write_bytes(path.read_bytes())
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)


def lengthen(folder: Path) -> None:
    """Another process adds a page, within the resolution of the clock."""
    (path,) = folder.glob("*.db")
    status = path.stat()
    with path.open("ab") as file:
        file.write(bytes(4096))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def begin_log(folder: Path) -> None:
    """Another process has the database open, and may have written into its log."""
    (folder / "store.db-wal").write_bytes(b"")


@pytest.mark.parametrize("change", [rewrite, replace, lengthen, begin_log])
def test_a_read_only_store_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, deny_writing: Callable[[Path], None], change: Callable[[Path], None]
) -> None:
    """Half of the rows would be old and half new; the next read works."""
    make_store(tmp_path, images=2)
    deny_writing(tmp_path)
    database = Database(tmp_path)
    with pytest.raises(BackendError, match=r"another process changed it during the read; run the command again"):
        list_ids(database, meanwhile=lambda: change(tmp_path))
    (tmp_path / "store.db-wal").unlink(missing_ok=True)
    assert len(list_ids(database)) == 2


def test_a_read_only_store_shows_each_change_of_others(tmp_path: Path, deny_writing: Callable[[Path], None]) -> None:
    """Between two reads, and also while another process has it open: its log has the newest rows."""
    make_store(tmp_path, images=1)
    deny_writing(tmp_path)
    database = Database(tmp_path)
    for number in (1, 2, 3):
        assert len(list_ids(database)) == number
        if number < 3:
            save_with_access(tmp_path)
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("DELETE FROM images")
        other.commit()
        assert (tmp_path / "store.db-wal").exists()
        assert list_ids(database) == []
    other.close()


def save_with_access(folder: Path) -> None:
    """A process that may write adds an image and ends."""
    code = "b = open_backend(store=sys.argv[1])\nb.create_image(name='n', disk_format='raw', container_format='bare')"
    process = start_python(code, str(folder))
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_an_error_in_a_transaction_saves_nothing(tmp_path: Path) -> None:
    """Neither part of it; the next transaction works, and the lock is free."""
    make_store(tmp_path, images=1)
    database = Database(tmp_path)
    (image_id,) = list_ids(database)
    with pytest.raises(LookupError):
        fail_after_removal(database, image_id)
    assert list_ids(database) == [image_id]
    with database.transaction(write=True) as rows:
        rows.remove(image_id)
    assert list_ids(Database(tmp_path)) == []


def test_a_transaction_that_writes_is_alone(tmp_path: Path) -> None:
    """From its beginning: what it read cannot change before it writes. One that reads sees one moment."""
    make_store(tmp_path, images=1)
    database, other = Database(tmp_path), sqlite3.connect(tmp_path / "store.db", timeout=0)
    with database.transaction(write=True), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with database.transaction(write=False) as rows:
        assert len(rows.list_images()) == 1
        other.execute("DELETE FROM images")
        other.commit()
        assert len(rows.list_images()) == 1
    assert list_ids(database) == []
    other.close()


class Counting(Database):
    """Counts its connections."""

    number = 0

    def _connect(self) -> Connection:
        self.number += 1
        return super()._connect()


def test_connections_are_used_again_and_closed_at_the_end(tmp_path: Path) -> None:
    """Closing the last one is slow, because SQLite then empties the log; a closed database can be used again."""
    make_store(tmp_path)
    database = Counting(tmp_path)
    for _ in range(3):
        list_ids(database)
    assert database.number == 1
    assert (tmp_path / "store.db-wal").exists()
    database.close()
    assert not (tmp_path / "store.db-wal").exists()
    (image_id, *_) = list_ids(database)
    assert database.number == 2
    with pytest.raises(LookupError):
        fail_after_removal(database, image_id)
    list_ids(database)
    assert database.number == 3
    database.close()


def test_a_new_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Before anything is written into it; its folder is created with its parents."""
    before = os.umask(0)
    try:
        database = Database(tmp_path / "a" / "b")
        database.open([])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b" / "store.db").stat().st_mode) == 0o600
    assert list_ids(database) == []


def test_a_missing_store_in_a_read_only_folder_is_not_created(
    tmp_path: Path, deny_writing: Callable[[Path], None]
) -> None:
    """One line."""
    deny_writing(tmp_path)
    with pytest.raises(BackendError, match="does not exist and cannot be created: the folder is read-only"):
        Database(tmp_path).open([])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("files", "others", "message"),
    [
        ({}, ["x"], "store.db is missing, but content has 1 file;"),
        ({}, ["x", "y"], "store.db is missing, but content has 2 files;"),
        ({"store.db": b""}, ["x"], "store.db is empty, but content has 1 file;"),
        ({"store.db-wal": b"x"}, [], "store.db is missing, but its log exists;"),
        ({"store.db": b"", "store.db-wal": b"x"}, [], "store.db is empty, but its log exists;"),
        ({"store.db-wal": b""}, [], ""),
        ({"store.db": b""}, [], ""),
        ({}, [], ""),
    ],
)
def test_a_lost_database_is_not_made_anew(
    tmp_path: Path, files: dict[str, bytes], others: list[str], message: str
) -> None:
    """Data that is there, or a log, shows that there was one; an empty file alone is the beginning of a store."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    if not message:
        Database(tmp_path).open(others)
        assert is_intact(tmp_path)
        return
    with pytest.raises(BackendError, match=message) as caught:
        Database(tmp_path).open(others)
    assert "imagesync changed nothing; restore store.db from a backup" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("version", "tables", "is_refused"),
    [(0, True, True), (0, False, False), (1, True, False), (2, True, True), (-1, True, True)],
)
def test_the_version_of_a_database_is_checked(tmp_path: Path, version: int, tables: bool, is_refused: bool) -> None:
    """An older one with tables is the database of another program; without tables, its creation was interrupted."""
    path = make_store(tmp_path)
    if not tables:
        path.unlink()
        run_sql(path, "PRAGMA journal_mode = WAL", "CREATE TABLE x (y)", "DROP TABLE x")
    run_sql(path, f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    database = Database(tmp_path)
    if is_refused:
        with pytest.raises((BackendError, UsageError), match="another program" if version < 2 else "has version 2"):
            database.open([])
        assert path.read_bytes() == before
    else:
        database.open([])
        assert len(list_ids(database)) == 5 * tables
        database.close()
        assert run_sql(path, "PRAGMA user_version") == [(1,)]


def test_two_processes_may_create_a_store_at_once(tmp_path: Path) -> None:
    """The second one finds the tables of the first and changes nothing."""
    first, second = Database(tmp_path), Database(tmp_path)
    first._make()
    with first.transaction(write=False) as rows:
        project = rows.read_project_id()
    second._make()
    with second.transaction(write=False) as rows:
        assert rows.read_project_id() == project


def test_each_connection_has_the_time_limit_of_its_database(tmp_path: Path) -> None:
    """A query of a hostile file may never end."""
    make_store(tmp_path)
    with (
        closing(Database(tmp_path, max_seconds=0.05)._connect()) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(f"SELECT max(id) FROM ({ENDLESS} LIMIT 10000000)").fetchone()


def test_the_room_of_the_rows_counts_the_log(tmp_path: Path) -> None:
    """Rows that are only in the log are not more than there is."""
    make_store(tmp_path, images=1)
    database = Database(tmp_path)
    with database.transaction(write=True) as rows:
        (image,) = rows.list_images()
        rows.put({**image, "padding": "x" * 10**6}, None)
    assert os.stat(tmp_path / "store.db").st_size < 10**6
    assert len(list_ids(database)) == 1


def test_a_database_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    """Also if it became one after the folder was checked."""
    path = make_store(tmp_path / "real")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "store.db").symlink_to(path)
    with pytest.raises(BackendError, match="symbolic links"):
        Database(tmp_path / "s").open([])


@pytest.mark.parametrize("name", ["a?mode=rwc", "b#c", "d%41", "e f", "ü"])
def test_a_read_only_store_may_have_any_path(tmp_path: Path, deny_writing: Callable[[Path], None], name: str) -> None:
    """The library gets its path as an address."""
    make_store(tmp_path / name, images=2)
    deny_writing(tmp_path / name)
    database = Database(tmp_path / name)
    database.open([])
    assert not database.writable
    assert len(list_ids(database)) == 2
    assert sorted(os.listdir(tmp_path)) == [name]


def test_a_database_that_is_only_read_is_not_written(tmp_path: Path) -> None:
    """Whatever the permissions allow."""
    path = make_store(tmp_path, images=1)
    before = path.read_bytes()
    database = Database(tmp_path, read_only=True)
    assert (database.writable, database.is_present([]), len(list_ids(database))) == (False, True, 1)
    with pytest.raises(BackendError) as caught, database.transaction(write=True):
        pass
    assert str(caught.value) == f"store {tmp_path} is read-only; check its permissions and the mount options"
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (before, ["content", "store.db"])
    with pytest.raises(BackendError) as missing:
        Database(tmp_path / "new", read_only=True).is_present([])
    assert str(missing.value) == (
        f"store {tmp_path}/new does not exist and cannot be created: the folder is read-only; make the folder writable, or "
        "use another folder"
    )


def test_the_messages_about_versions(tmp_path: Path) -> None:
    """A newer imagesync can read a newer store; a database of another program is damage."""
    path = make_store(tmp_path)
    run_sql(path, "PRAGMA user_version = 7")
    with pytest.raises(UsageError) as newer:
        Database(tmp_path).open([])
    assert str(newer.value) == (
        f"store {tmp_path} has version 7; this imagesync supports version 1; update imagesync, or use another folder"
    )
    run_sql(path, "PRAGMA user_version = 0")
    with pytest.raises(BackendError) as other:
        Database(tmp_path).open([])
    assert str(other.value) == (
        f"store {tmp_path} is damaged: store.db is the database of another program; restore store.db from a backup, or use "
        "another folder; the data of its images is in content"
    )
    path.write_bytes(b"SQLite format 2")
    with pytest.raises(BackendError, match=r"is damaged: store\.db is not a SQLite database"):
        Database(tmp_path).open([])


def test_a_present_database_is_not_created(tmp_path: Path) -> None:
    """Whether it is there is known without a change."""
    assert not Database(tmp_path / "s").is_present([])
    assert not (tmp_path / "s").exists()
    make_store(tmp_path / "s")
    assert Database(tmp_path / "s").is_present(["x"])


def test_a_closed_database_has_no_open_files(tmp_path: Path, deny_writing: Callable[[Path], None]) -> None:
    """Neither has a new one, one that was refused, nor one that is read-only, after each read."""
    database = Database(tmp_path / "s")
    database.open([])
    assert count_open(tmp_path) == 0
    assert list_ids(database) == []
    assert count_open(tmp_path) > 0
    database.close()
    assert count_open(tmp_path) == 0
    deny_writing(tmp_path / "s")
    assert list_ids(Database(tmp_path / "s")) == []
    run_sql(tmp_path / "s" / "store.db", "CREATE TABLE other (x)")
    for action in (list_ids, lambda database: database.open([])):
        other = Database(tmp_path / "s")
        with suppress(BackendError):
            action(other)
        assert count_open(tmp_path) == 0


def test_an_empty_database_of_a_missing_store(tmp_path: Path) -> None:
    """It has no images, and its project has no id; nothing can be written, and no folder is created."""
    database = EmptyDatabase(tmp_path / "s")
    with database.transaction(write=False) as rows:
        assert (rows.list_images(), rows.read_project_id(), rows.find_leases("c")) == ([], "", [])
    with pytest.raises(BackendError) as caught, database.transaction(write=True):
        pass
    assert str(caught.value) == f"store {tmp_path}/s does not exist; create it with: imagesync apply"
    assert not database.writable
    database.close()
    assert not (tmp_path / "s").exists()


def test_the_log_keeps_what_was_written(tmp_path: Path) -> None:
    """A store has a write-ahead log: several processes can read while one writes; each store has its own project."""
    projects = set()
    for name in ("a", "b"):
        path = make_store(tmp_path / name, images=0)
        assert run_sql(path, "PRAGMA journal_mode") == [("wal",)]
        projects |= {row[0] for row in run_sql(path, "SELECT project_id FROM about")}
    assert len(projects) == 2
    assert all(len(project) == 32 for project in projects)
