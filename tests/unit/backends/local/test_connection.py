"""Hostile databases: nothing in them is executed, and each leads quickly, with little memory, to an error."""

import re
import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.backends.local.connection import (
    MAX_SCHEMA_SECONDS,
    MAX_SECONDS,
    MAX_VALUE_BYTES,
    STEPS,
    Connection,
    find_foreign_schema,
)
from imagesync.backends.local.rows import TABLES, Rows
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError
from tests.unit.backends.local.helpers import add_queued, count_open
from tests.unit.backends.local.hostile import (
    ENDLESS,
    NULL_KEY,
    make_store,
    multiply_rows,
    multiply_schema,
    run_sql,
)

FEW_SECONDS = 0.2
"""Processor time of one statement in these tests."""
FEW_LEVELS = 2
"""Levels of inner pages: some million rows, which take seconds."""


@contextmanager
def expect_quick_refusal(words: str) -> Iterator[None]:
    """The block must raise a BackendError with these words, with little processor time and memory."""
    began = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(BackendError, match=words) as caught:
            yield
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 10
    assert most < 20 * 2**20


SCHEMAS = {
    "view images": ("DROP TABLE images", f"CREATE VIEW images AS {ENDLESS}"),
    "view about": ("DROP TABLE about", "CREATE VIEW about AS SELECT randomblob(1000) AS project_id"),
    "view more": (f"CREATE VIEW more AS {ENDLESS}",),
    "trigger t": ("CREATE TRIGGER t AFTER UPDATE ON images BEGIN DELETE FROM given_out; END",),
    "table sqlite_stat1": ("ANALYZE",),
    "table more": ("CREATE TABLE more (x)",),
    "index more": ("CREATE INDEX more ON images (abs(document))",),
    "no index images_by_catalog": ("DROP INDEX images_by_catalog",),
    "table images": ("ALTER TABLE images ADD COLUMN more AS (hex(zeroblob(100000000)))",),
    "table members": ("DROP TABLE members", "CREATE VIRTUAL TABLE members USING fts5(image_id, project)"),
}
"""Changes of an attacker to a store's schema, by the difference that the message names."""


@pytest.mark.parametrize("different", SCHEMAS)
def test_another_schema_is_refused_before_any_query(tmp_path: Path, different: str) -> None:
    """A recursive view with the name of a table wrote 11 GB of temporary files."""
    run_sql(make_store(tmp_path), *SCHEMAS[different])
    before = (tmp_path / "store.db").read_bytes()
    with expect_quick_refusal(rf"store.db does not have the schema of a store \({different}\)"):
        open_backend(store=tmp_path)
    assert (tmp_path / "store.db").read_bytes() == before


def test_the_name_of_a_difference_is_escaped_and_shortened(tmp_path: Path) -> None:
    run_sql(make_store(tmp_path), 'CREATE TABLE "a\x1b[2J\n' + "x" * 500 + '" (y)')
    with pytest.raises(BackendError) as caught:
        open_backend(store=tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_the_schema_of_a_store_has_no_difference(tmp_path: Path) -> None:
    with closing(Connection(str(make_store(tmp_path)))) as connection:
        assert find_foreign_schema(connection, TABLES) == ""
        assert find_foreign_schema(connection, TABLES[:-1]) == "table given_out"
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = sql || ' ' WHERE name = 'about'")
        assert find_foreign_schema(connection, TABLES) == "table about"


def test_a_schema_that_changes_after_the_store_was_opened_is_refused(tmp_path: Path) -> None:
    """Each new connection compares the schema."""
    make_store(tmp_path)
    store = Store(tmp_path)
    store.close()
    run_sql(tmp_path / "store.db", "CREATE VIEW more AS SELECT 1")
    with pytest.raises(BackendError, match="does not have the schema of a store"), store.rows():
        pass


def test_endless_members_exceed_the_size_of_the_database(tmp_path: Path) -> None:
    """They are read from the index of the table."""
    database = make_store(tmp_path, images=1)
    with open_backend(store=tmp_path) as backend:
        image = backend.update_image(backend.images()[0], visibility="shared")
        backend.add_member(image.id, "p")
    multiply_rows(database, "sqlite_autoindex_members_1", key=bytes([3, 85, 15]) + image.id.encode() + b"p")
    store = open_backend(store=tmp_path)
    with expect_quick_refusal("bytes that its files have"):
        store.members(image.id)


def test_an_endless_table_exceeds_the_size_of_the_database(tmp_path: Path) -> None:
    """Inner pages that refer to one page many times have 10^36 rows; the time limit is not needed."""
    multiply_rows(make_store(tmp_path), "images")
    with expect_quick_refusal(r"store.db returns more than the [\d,]+ bytes that its files have; restore"):
        open_backend(store=tmp_path)


def test_an_endless_index_exceeds_the_time_limit(tmp_path: Path) -> None:
    """No row matches, so the query never returns a row."""
    database = make_store(tmp_path)
    multiply_rows(database, "images_by_catalog", key=NULL_KEY, levels=FEW_LEVELS)
    store = Store(tmp_path, max_seconds=FEW_SECONDS)
    with expect_quick_refusal("a query of store.db exceeds the time limit"), store.rows() as rows:
        rows.find_leases("c")


def test_an_endless_schema_exceeds_the_time_limit(tmp_path: Path) -> None:
    """SQLite reads all of it before the first query."""
    multiply_schema(make_store(tmp_path), levels=FEW_LEVELS)
    with expect_quick_refusal("is damaged: a query of store.db exceeds the time limit"):
        Store(tmp_path, max_seconds=FEW_SECONDS)


def test_a_long_statement_is_interrupted() -> None:
    """The next statement has its own time limit."""
    with closing(Connection(":memory:", max_seconds=FEW_SECONDS)) as connection:
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                connection.execute(f"SELECT max(id) FROM ({ENDLESS} LIMIT 10000000)").fetchone()
            assert connection.execute(f"SELECT count(*) FROM ({ENDLESS} LIMIT 1000)").fetchone() == (1000,)


def test_the_size_of_a_value_is_limited(tmp_path: Path) -> None:
    """Some bytes of a file can be the header of a value of a gigabyte."""
    run_sql(
        make_store(tmp_path, images=1), f"UPDATE images SET document = CAST(zeroblob({MAX_VALUE_BYTES + 1}) AS TEXT)"
    )
    with expect_quick_refusal("a record is larger than 64 MiB"):
        open_backend(store=tmp_path)


def test_settings_of_a_connection(tmp_path: Path) -> None:
    """They do not depend on the file, which may have another setting, such as 10^6 pages of cache."""
    database = make_store(tmp_path)
    run_sql(database, "PRAGMA default_cache_size = 1000000")
    wanted = {"trusted_schema": 0, "cell_size_check": 1, "mmap_size": 0, "temp_store": 2, "synchronous": 2}
    with closing(Connection(str(database))) as connection:
        for name, value in {**wanted, "cache_size": -2000}.items():
            assert connection.execute(f"PRAGMA {name}").fetchone() == (value,), name
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == MAX_VALUE_BYTES


def test_no_query_sorts_or_keeps_rows_in_sqlite(tmp_path: Path) -> None:
    """A sorter could write files without end, so no statement of a store uses one."""
    requests: list[str] = []
    with closing(Connection(str(make_store(tmp_path)))) as connection:
        connection.set_trace_callback(requests.append)
        rows = Rows(connection, tmp_path, lambda: 2**20)
        image = rows.list_images()[0]
        for act in (
            lambda: rows.list_images("c"),
            lambda: rows.find_leases("c"),
            lambda: rows.get(image["id"]),
            lambda: rows.list_members(image["id"]),
            lambda: rows.add_member(image["id"], "p"),
            lambda: rows.remove_member(image["id"], "p"),
            lambda: rows.put(image, "c"),
            lambda: rows.add({**image, "id": "x"}, None),
            lambda: rows.has_used_id("x"),
            lambda: rows.remove("x"),
            rows.read_project_id,
        ):
            act()
        connection.set_trace_callback(None)
        statements = [text for text in requests if re.match("SELECT|INSERT|UPDATE|DELETE", text)]
        assert len(statements) >= 12
        for text in statements:
            codes = [row[1] for row in connection.execute(f"EXPLAIN {text}")]
            assert not {"SorterOpen", "OpenEphemeral", "OpenAutoindex"} & set(codes), text


def test_lists_are_sorted(tmp_path: Path) -> None:
    """Images are sorted by id, members by project."""
    with open_backend(store=tmp_path) as backend:
        for _ in range(20):
            add_queued(backend)
        image = backend.update_image(add_queued(backend), visibility="shared")
        for project in ("b", "c", "a"):
            backend.add_member(image.id, project)
        ids = [found.id for found in backend.images()]
        assert ids == sorted(ids)
        assert [member.project for member in backend.members(image.id)] == ["a", "b", "c"]


def test_the_limits_of_a_connection() -> None:
    """Each has its reason in the module."""
    assert (MAX_VALUE_BYTES, MAX_SECONDS, MAX_SCHEMA_SECONDS, STEPS) == (2**26, 20.0, 2.0, 100)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that gains a second whenever it is read; its times."""
    times: list[float] = [0.0]

    def read() -> float:
        times.append(times[-1] + 1)
        return times[-1]

    monkeypatch.setattr(time, "thread_time", read)
    return times


@pytest.mark.parametrize(("max_seconds", "expected"), [(20.0, 20), (5.0, 5), (1.0, 1)])
def test_the_time_of_each_statement_begins_with_it(ticks: list[float], max_seconds: float, expected: int) -> None:
    """Exactly so much is allowed."""
    with closing(Connection(":memory:", max_seconds=max_seconds)) as connection:
        for _ in range(2):
            before = len(ticks)
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                connection.execute(f"SELECT max(id) FROM ({ENDLESS} LIMIT 10000000)").fetchone()
            assert len(ticks) - before == 1 + expected + 1


@pytest.mark.parametrize(("max_seconds", "expected"), [(20.0, 2), (1.0, 1)])
def test_the_schema_is_read_in_less_time(tmp_path: Path, ticks: list[float], max_seconds: float, expected: int) -> None:
    """Its rows are read until the limit, and its first wrong one is reported; no file stays open."""
    database = make_store(tmp_path)
    multiply_schema(database, levels=FEW_LEVELS)
    del ticks[1:]
    with pytest.raises(sqlite3.OperationalError, match="malformed database schema"):
        Connection(str(database), max_seconds=max_seconds)
    assert ticks[-1] - expected in range(2, 9)
    assert count_open(tmp_path) == 0


def test_the_first_difference_of_a_schema() -> None:
    """What there is more is named before what is missing; each entry as often as it is there."""
    with closing(Connection(":memory:")) as connection:
        for statement in TABLES[1:]:
            connection.execute(statement)
        assert find_foreign_schema(connection, TABLES) == "no table about"
        assert find_foreign_schema(connection, ()) == "table images"
        connection.execute("CREATE TABLE more (x)")
        assert find_foreign_schema(connection, TABLES) == "table more"
