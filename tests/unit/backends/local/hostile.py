"""Hostile databases of a store: pages that refer to each other many times, views, journals that name a file. Writes files.

The layout of pages and journals is that of https://sqlite.org/fileformat2.html.
"""

import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

from imagesync.backends import open_backend
from tests.unit.backends.local.helpers import add_queued

PAGE = 4096
LEVELS, FAN = 18, 100
"""Levels of inner pages (SQLite follows 20), and how often each page refers to the next: 10^36 rows of one leaf."""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, i AS document FROM n"


def make_store(folder: Path, images: int = 5) -> Path:
    """Create a store with some queued images, and close it; return the path of its database."""
    with open_backend(store=folder) as backend:
        for number in range(images):
            add_queued(backend, f"n{number}")
    return folder / "store.db"


def run_sql(database: Path, *statements: str) -> list[Any]:
    """Run statements on a database that no process has open; return the rows of the last one."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def multiply_rows(database: Path, name: str, *, key: bytes | None = None, levels: int = LEVELS) -> None:
    """Make a table seem to have 10^36 times its rows; with ``key``, an index that has this key in its inner pages.

    With fewer ``levels`` there are fewer rows, and a test of a time limit also ends if the limit has no effect.
    """
    ((root,),) = run_sql(database, f"SELECT rootpage FROM sqlite_master WHERE name = '{name}'")
    _grow(database, root, 0, key, levels)


def multiply_schema(database: Path, *, levels: int = LEVELS) -> None:
    """The same for the table of the schema, which begins after the header of the first page."""
    _grow(database, 1, 100, None, levels)


def _grow(database: Path, root: int, at: int, key: bytes | None, levels: int) -> None:
    content = bytearray(database.read_bytes())
    page = content[(root - 1) * PAGE : root * PAGE]
    count = struct.unpack_from(">H", page, at + 3)[0]
    leaf = page[at : at + 8 + 2 * count].ljust(PAGE, b"\0")
    start = struct.unpack_from(">H", page, at + 5)[0]
    leaf[start:] = page[start:]
    content += leaf
    for _ in range(levels):
        content += _inner_page(len(content) // PAGE, 0, key)
    top = _inner_page(len(content) // PAGE, at, key)
    top[:at] = page[:at]
    content[(root - 1) * PAGE : root * PAGE] = top
    struct.pack_into(">I", content, 28, len(content) // PAGE)
    database.write_bytes(content)


def _inner_page(child: int, at: int, key: bytes | None) -> bytearray:
    page, end = bytearray(PAGE), PAGE
    fan = min(FAN, (PAGE - 112) // (len(key or b"") + 7))
    for number in range(fan):
        cell = struct.pack(">I", child) + (bytes([number]) if key is None else bytes([len(key)]) + key)
        end -= len(cell)
        page[end : end + len(cell)] = cell
        struct.pack_into(">H", page, at + 12 + 2 * number, end)
    struct.pack_into(">BHHHBI", page, at, 5 if key is None else 2, 0, fan, end, 0, child)
    return page


NULL_KEY = bytes([3, 0, 1, 1])
"""The key (NULL, 1) of an index: a header of three bytes, NULL, an integer of one byte."""


def write_journal(database: Path, victim: Path) -> Path:
    """Write a hot journal without pages and with the super-journal ``victim``, which SQLite deletes after the rollback."""
    pages = database.stat().st_size // PAGE
    magic = bytes.fromhex("d9d505f920a163d7")
    head = (magic + struct.pack(">IIIII", 0, 1, pages, 512, PAGE)).ljust(512, b"\0")
    name = str(victim).encode()
    end = struct.pack(">I", 2**30 // PAGE + 1) + name + struct.pack(">II", len(name), sum(name)) + magic
    journal = database.with_name(f"{database.name}-journal")
    journal.write_bytes(head + end)
    return journal
