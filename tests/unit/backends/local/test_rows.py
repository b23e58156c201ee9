"""Images, members and used ids in one transaction; rows that are not those of a store are damage."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends.local.rows import MAX_READ_BYTES, TABLES, Rows
from imagesync.errors import BackendError, Conflict, NotFound
from imagesync.model.record import LEASE

IDS = [f"{number:08}-0000-4000-8000-000000000000" for number in range(5)]


def image(number: int = 0, **fields: Any) -> dict[str, Any]:
    """The record of an image."""
    usual = {"status": "queued", "size": None, "visibility": "private", "protected": False, "os_hash_value": None}
    return {"id": IDS[number], **usual, **fields}


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """An empty database in memory."""
    with closing(sqlite3.connect(":memory:")) as made:
        for statement in TABLES:
            made.execute(statement)
        yield made


@pytest.fixture
def rows(connection: sqlite3.Connection) -> Rows:
    """Its rows; the files have room for a MiB."""
    return Rows(connection, Path("/srv/store"), lambda: 2**20)


def test_images_by_catalog_and_by_lease(rows: Rows) -> None:
    """Sorted by id. A lease record carries no catalog's marker; each name is compared as it is."""
    rows.add(image(3), "base")
    rows.add(image(1), "base")
    rows.add(image(2), "Base")
    rows.add(image(0), None)
    rows.add(image(4, **{LEASE: "base"}), None)
    assert [one["id"] for one in rows.list_images()] == IDS
    assert [one["id"] for one in rows.list_images("base")] == [IDS[1], IDS[3]]
    assert rows.list_images("other") == []
    assert [one["id"] for one in rows.find_leases("base")] == [IDS[4]]
    assert rows.find_leases("Base") == []
    rows.put(image(4, **{LEASE: "base"}), "base")
    assert rows.find_leases("base") == []


def test_a_record_is_saved_read_and_removed_with_its_members(rows: Rows) -> None:
    """The id is never used again; the members of another image stay."""
    for number in (0, 1):
        rows.add(image(number), None)
        for project in ("b", "a", "b"):
            rows.add_member(IDS[number], project)
    rows.put(image(0, name="new"), "base")
    assert rows.get(IDS[0])["name"] == "new"
    assert rows.list_images("base") == [image(0, name="new")]
    assert rows.list_members(IDS[0]) == ["a", "b"]
    rows.remove_member(IDS[0], "a")
    assert (rows.list_members(IDS[0]), rows.list_members(IDS[1])) == (["b"], ["a", "b"])
    rows.remove(IDS[0])
    assert rows.find(IDS[0]) is None
    with pytest.raises(NotFound, match=f"image {IDS[0]} does not exist; list the images"):
        rows.get(IDS[0])
    assert (rows.list_members(IDS[0]), rows.list_members(IDS[1])) == ([], ["a", "b"])
    assert rows.has_used_id(IDS[0])
    assert not rows.has_used_id(IDS[2])
    for number in (0, 1):
        with pytest.raises(Conflict, match=f"an image has, or had, the id {IDS[number]}; choose another id"):
            rows.add(image(number), None)


@pytest.mark.parametrize(
    ("key", "document", "message"),
    [
        ("../x", json.dumps({**image(), "id": "../x"}), "an image has the invalid id '../x'"),
        (3, json.dumps({**image(), "id": 3}), "an image has the invalid id '3'"),
        (IDS[0], "{", "is not JSON"),
        (IDS[0], b"\xff", "is not JSON"),
        (IDS[0], "[" * 100_000, "is not JSON"),
        (IDS[0], "[]", "is not that of an image"),
        (IDS[0], json.dumps(image(1)), "is not that of an image"),
        *(
            (
                IDS[0],
                json.dumps({name: value for name, value in image().items() if name != lacking}),
                "is not that of an",
            )
            for lacking in ("status", "size", "visibility", "protected", "os_hash_value")
        ),
    ],
)
def test_a_row_of_another_form_is_damage(
    connection: sqlite3.Connection, rows: Rows, key: object, document: object, message: str
) -> None:
    """Whichever query reads it."""
    connection.execute("INSERT INTO images VALUES (?, NULL, ?)", (key, document))
    with pytest.raises(BackendError, match=rf"^store /srv/store is damaged: .*{message}.*; restore store.db"):
        rows.list_images()


@pytest.mark.parametrize("value", [b"x", 3.5])
def test_a_member_that_is_not_text_is_damage(connection: sqlite3.Connection, rows: Rows, value: object) -> None:
    """So is a project id."""
    connection.execute("INSERT INTO members VALUES (?, CAST(? AS BLOB))", (IDS[0], value))
    with pytest.raises(BackendError, match=r"a member of image .* is not text"):
        rows.list_members(IDS[0])
    for statement in ("SELECT 1", "INSERT INTO about VALUES (CAST('x' AS BLOB))"):
        connection.execute(statement)
        with pytest.raises(BackendError, match=r"store.db has no project id"):
            rows.read_project_id()


@pytest.mark.parametrize("missing", [0, 1])
def test_rows_are_no_larger_than_the_files(connection: sqlite3.Connection, missing: int) -> None:
    """Exactly as large is allowed: each row counts its text, and one byte."""
    document = json.dumps(image())
    connection.execute("INSERT INTO images VALUES (?, NULL, ?)", (IDS[0], document))
    room = 1 + len(IDS[0]) + len(document) - missing
    rows = Rows(connection, Path("/srv/store"), lambda: room)
    if not missing:
        assert rows.list_images() == [image()]
    else:
        with pytest.raises(BackendError, match=f"returns more than the {room} bytes that its files have"):
            rows.list_images()


def test_rows_of_one_query_have_a_limit_of_their_own(connection: sqlite3.Connection) -> None:
    """However large the files are."""
    assert MAX_READ_BYTES == 2**30
    measured: list[int] = []

    def measure() -> int:
        measured.append(1)
        return 2**50

    rows = Rows(connection, Path("/srv/store"), measure)
    rows.add(image(0), None)
    rows.add(image(1), None)
    assert len(rows.list_images()) == 2
    assert len(measured) == 1


def test_a_damaged_database_is_found(connection: sqlite3.Connection, rows: Rows) -> None:
    """Before anything is deleted by what it says."""
    rows.check_intact()
    rows.add(image(0), "base")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET sql = 'CREATE INDEX images_by_catalog ON images (id)' WHERE type = 'index' AND sql NOT NULL"
    )
    connection.execute("PRAGMA writable_schema = RESET")
    with pytest.raises(BackendError, match="store /srv/store is damaged"):
        rows.check_intact()


def test_the_whole_messages_of_rows(connection: sqlite3.Connection, rows: Rows) -> None:
    """A long id is cut; each says what to do."""
    rows.add(image(0), None)
    with pytest.raises(Conflict) as used:
        rows.add(image(0), None)
    assert str(used.value) == (
        f"an image has, or had, the id {IDS[0]}; choose another id, or pass none; the id of a deleted image cannot be used "
        "again"
    )
    with pytest.raises(NotFound) as missing:
        rows.get("x")
    assert str(missing.value) == "image x does not exist; list the images of the store: imagesync list --store DIR"
    connection.execute("INSERT INTO images VALUES (?, NULL, '{}')", ("y" * 99,))
    with pytest.raises(BackendError) as odd:
        rows.list_images()
    assert str(odd.value).startswith(f"store /srv/store is damaged: an image has the invalid id '{'y' * 78}…; restore")


def test_an_image_that_could_not_be_added_has_no_id_in_use(connection: sqlite3.Connection, rows: Rows) -> None:
    """Its transaction is undone by the caller; another error of SQLite is not a conflict."""
    connection.execute("DROP TABLE given_out")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        rows.add(image(0), None)


def test_members_count_as_rows(connection: sqlite3.Connection) -> None:
    """They cannot be larger than the files of the database, either; bytes count as text does."""
    for project in ("aa", "bb"):
        connection.execute("INSERT INTO members VALUES (?, ?)", (IDS[0], project))
    assert Rows(connection, Path("/srv/store"), lambda: 6).list_members(IDS[0]) == ["aa", "bb"]
    with pytest.raises(BackendError, match="returns more than the 5 bytes that its files have"):
        Rows(connection, Path("/srv/store"), lambda: 5).list_members(IDS[0])
    connection.execute("UPDATE members SET project = CAST(project AS BLOB)")
    with pytest.raises(BackendError, match="returns more than the 5 bytes"):
        Rows(connection, Path("/srv/store"), lambda: 5).list_members(IDS[0])


def test_a_database_that_grows_meanwhile_is_measured_again(connection: sqlite3.Connection) -> None:
    """Another process may add rows."""
    for number in range(3):
        Rows(connection, Path("/srv/store"), lambda: 0).add(image(number), None)
    sizes = iter([200, 400, 600, 800])
    assert len(Rows(connection, Path("/srv/store"), lambda: next(sizes)).list_images()) == 3
