"""The local store: kill -9 and a full disk at each write that an apply asks of the system, damage, two applies at once."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync import open_backend
from imagesync.errors import BackendError
from imagesync.model.catalog import Status
from tests.fault.desk import Desk, arranged
from tests.fault.stage import BEFORE, NEW
from tests.fault.watched import Ended, Trouble
from tests.trials import note

STRIDE = 41


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Nothing of the change applied."""
    with arranged(tmp_path) as found:
        yield found


def uploads(ended: Ended) -> int:
    """How many times data was begun to be written."""
    return sum(call.startswith("open") and call.endswith(".part") for call in ended.calls)


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
        assert ended.code != 1 or "space" in ended.told.splitlines()[-1], point
        assert desk.visible() >= beginning, point
        verified, after = desk.verified(), desk.apply()
        assert after.code == 0, (point, after.told)
        assert uploads(after) <= NEW - verified, point
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


def started(desk: Desk, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "imagesync", *words, "--store", str(desk.store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


APPLY = ("apply", "--yes", "--max-delete", "100%")


def test_two_applies_at_once(desk: Desk) -> None:
    """Kept apart by the lease: both succeed, nothing is made twice."""
    assert desk.apply().code == 0
    expected = desk.state()
    for _ in range(2):
        desk.again()
        both = [started(desk, *APPLY, str(desk.folder)) for _ in range(2)]
        told = [process.communicate(timeout=60) for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        assert "locked" not in str(told)
        assert desk.state() == expected
        note("two applies at once on one store", "both succeeded")


@pytest.mark.parametrize("seed", range(6))
def test_of_two_applies_and_a_reader_one_is_killed(desk: Desk, seed: int) -> None:
    """At any time: the other goes on to the end, and whoever reads meanwhile sees every image whole."""
    assert desk.apply().code == 0
    expected = desk.state()
    desk.again()
    first, second = (started(desk, *APPLY, str(desk.folder)) for _ in range(2))
    reader = started(desk, "list", "--format", "json")
    time.sleep(random.Random(seed).uniform(0.2, 1.2))
    first.kill()
    told = second.communicate(timeout=60)
    seen, complaint = reader.communicate(timeout=60)
    first.communicate()
    assert second.returncode == 0, told
    assert reader.returncode == 0, complaint
    visible = [image for image in json.loads(seen) if not image["os_hidden"]]
    assert {image["imagesync_key"] for image in visible} >= set(BEFORE) - {"removed"}
    assert all(image["status"] in ("active", "deactivated") for image in visible)
    assert desk.apply().code == 0
    assert desk.state() == expected
    note("two applies and a reader on one store, one apply killed at some time", "the other succeeded")


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


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(8, 30))])
def test_a_database_with_bytes_changed_at_random(desk: Desk, seed: int) -> None:
    """One line of what is wrong, where it matters; no data goes that way."""
    held, chance = set(os.listdir(desk.store / "content")), random.Random(seed)
    content = bytearray((desk.store / "store.db").read_bytes())
    for _ in range(chance.choice((1, 8, 64))):
        at = chance.randrange(len(content))
        content[at : at + 16] = chance.randbytes(len(content[at : at + 16]))
    (desk.store / "store.db").write_bytes(content)
    ended = desk.apply()
    last = ended.told.splitlines()[-1]
    assert ended.code in (0, 1, 64), (seed, ended.told)
    assert "Traceback" not in ended.told
    assert ended.told.isprintable() or ended.told.replace("\n", "").isprintable()
    if ended.code:
        assert "store" in last, (seed, ended.told)
        assert len(last) < 300
        assert set(os.listdir(desk.store / "content")) >= held
    note("16 bytes of the database changed, at 1 to 64 places", "told in one line" if ended.code else "harmless")


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
