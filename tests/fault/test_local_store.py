"""The local store: kill -9 and a full disk at each write that an apply asks of the system, damage, two applies at once."""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from imagesync import open_backend
from imagesync.errors import BackendError
from imagesync.model import Status
from tests.fault.stage import AFTER, BEFORE, DATA, PRIVATE, UNSTEADY
from tests.fault.watched import Ended, Trouble, Watched
from tests.trials import note

STRIDE = 211


class Desk:
    """A catalogue that does everything when it is applied, a store before it, and the command."""

    def __init__(self, folder: Path, watched: Watched) -> None:
        self.folder, self.store, self.before, self._watched = folder, folder / "store", folder / "before", watched
        for name, content in DATA.items():
            (folder / name).write_bytes(content)
        for images in ({**BEFORE, "replaced": {**BEFORE["replaced"], "source": "h.raw"}}, BEFORE):
            self.want(images)
            assert self.apply().code == 0
        shutil.copytree(self.store, self.before)
        self.want(AFTER)

    def want(self, images: dict[str, dict[str, Any]]) -> None:
        """The manifest."""
        document = {"version": 1, "catalog": "base", "defaults": PRIVATE, "images": images}
        (self.folder / "base.yaml").write_text(json.dumps(document))

    def apply(self, trouble: Trouble | None = None) -> Ended:
        """A plain apply."""
        words = ("--store", str(self.store), "--jobs", "1", "--max-delete", "100%")
        return self._watched.run("apply", "--yes", str(self.folder), *words, trouble=trouble)

    def again(self) -> None:
        """The store as it was before."""
        shutil.rmtree(self.store)
        shutil.copytree(self.before, self.store)

    def rows(self) -> list[dict[str, Any]]:
        """Every image that a copy of the store tells of; the copy is in order, and has the data that it tells of."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.store, copy)
        with closing(sqlite3.connect(copy / "store.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = [json.loads(text) for (text,) in database.execute("SELECT document FROM images")]
        for image in found:
            if image["size"] is not None:
                assert (
                    hashlib.sha512((copy / "content" / image["id"]).read_bytes()).hexdigest() == image["os_hash_value"]
                )
        return found

    def visible(self) -> set[str]:
        """Keys that have a visible image with data."""
        return {row["imagesync_key"] for row in self.rows() if not row["os_hidden"] and row["size"] is not None}

    def state(self) -> list[str]:
        """All that a person would call the same; nothing lies about."""
        rows = [row for row in self.rows() if "imagesync_lease" not in row]
        assert sorted(os.listdir(self.store / "content")) == sorted(
            row["id"] for row in rows if row["size"] is not None
        )
        assert sorted(os.listdir(self.store)) == ["content", "store.db"]
        kept = [{name: value for name, value in row.items() if name not in UNSTEADY} for row in rows]
        return sorted(json.dumps({**row, "tags": sorted(row["tags"])}, sort_keys=True) for row in kept)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Nothing of the change applied."""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with Watched(env, tmp_path, [tmp_path / "store", tmp_path / "cache"]) as watched:
        yield Desk(tmp_path, watched)


def every(desk: Desk, error: int, step: int, fault: str) -> None:
    """Each ``step``-th write, until an apply comes through without meeting its trouble."""
    beginning, whole = desk.visible() - {"removed"}, desk.apply()
    assert whole.code == 0, whole.told
    expected = desk.state()
    for number in range(0, len(whole.calls), step):
        desk.again()
        ended = desk.apply(Trouble(number, error, lasting=bool(error)))
        if len(ended.calls) <= number:  # digests that are known by now are not written again
            assert ended.code == 0, ended.told
            break
        point = (number, ended.calls[number], ended.told)
        assert ended.code in ((0, 1) if error else (-9,)), point
        assert "Traceback" not in ended.told, point
        assert "bug" not in ended.told, point
        assert desk.visible() >= beginning, point
        after = desk.apply()
        assert after.code == 0, (point, after.told)
        assert desk.state() == expected, point
        note(fault, "the next run converged")


KILL, FULL = "kill -9 at each write of the local store", "disk full from each write of the local store on"


@pytest.mark.parametrize(("error", "fault"), [(0, KILL), (errno.ENOSPC, FULL)])
def test_trouble_at_some_writes(desk: Desk, error: int, fault: str) -> None:
    """A few of them."""
    every(desk, error, STRIDE, fault)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("error", "fault"), [(0, KILL), (errno.ENOSPC, FULL)])
def test_trouble_at_each_write(desk: Desk, error: int, fault: str) -> None:
    """All of them."""
    every(desk, error, 1, fault)


def test_two_applies_at_once(desk: Desk) -> None:
    """Kept apart by the lease: both succeed, nothing is made twice."""
    assert desk.apply().code == 0
    expected = desk.state()
    for _ in range(2):
        desk.again()
        command = [sys.executable, "-m", "imagesync", "apply", "--yes", str(desk.folder), "--store", str(desk.store)]
        command += ["--max-delete", "100%"]
        pipe = subprocess.PIPE
        both = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
        told = [process.communicate(timeout=60) for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        assert "locked" not in str(told)
        assert desk.state() == expected
        note("two applies at once on one store", "both succeeded")


@pytest.mark.parametrize("damage", ["empty", "missing", "cut"])
def test_a_lost_database_is_never_made_anew_over_data(desk: Desk, damage: str) -> None:
    """One line, and the data stays."""
    held, database = sorted(os.listdir(desk.store / "content")), desk.store / "store.db"
    if damage == "missing":
        database.unlink()
    else:
        os.truncate(database, 0 if damage == "empty" else 6000)
    ended = desk.apply()
    assert ended.code == 1
    assert ended.told.count("\n") == 1, ended.told
    assert sorted(os.listdir(desk.store / "content")) == held


def test_lost_and_changed_data_is_told_and_made_again(desk: Desk) -> None:
    """Never served as verified; what is not the store's is left alone."""
    desk.apply()
    backend = open_backend(store=desk.store)
    lost, changed = (next(i for i in backend.images() if i.name == name) for name in ("updated", "created"))
    (desk.store / "content" / lost.id).unlink()
    (desk.store / "content" / changed.id).write_bytes(b"!" * 5000)
    (desk.store / "content" / "notes.txt").write_text("mine")
    assert backend.images(lost.id)[0].status is Status.KILLED
    with pytest.raises(BackendError, match="not what was stored"):
        list(backend.download(changed.id))
    ended = desk.apply()
    assert ended.code == 0
    assert "is missing" in ended.told
    assert "notes.txt is not the store's" in ended.told
    assert (desk.store / "content" / "notes.txt").read_text() == "mine"
