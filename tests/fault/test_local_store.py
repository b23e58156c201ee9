"""The local store: kill -9 and a full disk at each write of an apply, damage, and two applies at the same time."""

import errno
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from imagesync.backends import open_backend
from imagesync.errors import BackendError
from imagesync.model.catalog import Status
from tests import command, points
from tests.command import Process
from tests.fault.scenario import BEFORE, NEW_BUILDS
from tests.fault.store_workspace import StoreWorkspace, open_store_workspace
from tests.fault.write_faults import SupervisedResult, WriteFault
from tests.trials import note
from tests.waiting import wait_until

STRIDE = 41


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[StoreWorkspace]:
    """A store before the apply of AFTER."""
    with open_store_workspace(tmp_path) as found:
        yield found


def uploads(ended: SupervisedResult) -> int:
    """How often the run began to write data."""
    return sum(call.startswith("open") and call.endswith(".part") for call in ended.calls)


def spoil(workspace: StoreWorkspace, error: int, fault: str, choose: Callable[[Sequence[int]], Sequence[int]]) -> None:
    """Fail at some of the writes, until an apply ends without reaching its fault."""
    beginning, whole = workspace.visible() - {"removed"}, workspace.apply()
    assert whole.code == 0, whole
    expected = workspace.state()
    for number in choose(range(len(whole.calls))):
        workspace.restore()
        ended = workspace.apply(WriteFault(number, error, lasting=bool(error)))
        if len(ended.calls) <= number:  # digests that are known already are not written again
            assert ended.code == 0, ended
            break
        point = (number, ended.calls[number], ended)
        assert ended.code in ((0, 1) if error else (-9,)), point
        assert "Traceback" not in ended.stderr, point
        assert "bug" not in ended.stderr, point
        assert ended.code != 1 or "space" in (ended.stdout + ended.stderr).splitlines()[-1], point
        assert workspace.visible() >= beginning, point
        verified, after = workspace.count_verified(), workspace.apply()
        assert after.code == 0, (point, after)
        assert uploads(after) <= NEW_BUILDS - verified, point
        assert workspace.state() == expected, point
        note(fault, "the next run converged")


KILL, FULL = "kill -9 at each write of the local store", "disk full from each write of the local store on"


@pytest.mark.parametrize(("error", "fault"), [(0, KILL), (errno.ENOSPC, FULL)])
def test_a_fault_at_some_writes(workspace: StoreWorkspace, error: int, fault: str) -> None:
    """At a few writes."""
    spoil(workspace, error, fault, lambda numbers: numbers[::STRIDE])


@pytest.mark.exhaustive
@pytest.mark.parametrize(("error", "fault"), [(0, KILL), (errno.ENOSPC, FULL)])
def test_a_fault_at_each_write(pytestconfig: pytest.Config, workspace: StoreWorkspace, error: int, fault: str) -> None:
    """At all writes, by turns."""
    spoil(workspace, error, fault, partial(points.choose, pytestconfig))


def start(workspace: StoreWorkspace, *words: str) -> Process:
    """Start the command as a process."""
    return command.start(*words, "--store", str(workspace.store), env=os.environ)


APPLY = ("apply", "--yes", "--max-delete", "100%")


def test_two_applies_at_once(workspace: StoreWorkspace) -> None:
    """The lease keeps them apart: both succeed, and no image is made twice."""
    assert workspace.apply().code == 0
    expected = workspace.state()
    for _ in range(2):
        workspace.restore()
        with (
            start(workspace, *APPLY, str(workspace.folder)) as first,
            start(workspace, *APPLY, str(workspace.folder)) as second,
        ):
            results = [first.wait(), second.wait()]
        assert [result.code for result in results] == [0, 0], results
        assert "locked store.db" not in str(results)
        assert workspace.state() == expected
        note("two applies at once on one store", "both succeeded")


@pytest.mark.parametrize("seed", range(3))
def test_of_two_applies_and_a_reader_one_is_killed(workspace: StoreWorkspace, seed: int) -> None:
    """One apply is killed after some of its writes. The other runs to its end, and a reader sees every image whole all
    the time."""
    assert workspace.apply().code == 0
    expected = workspace.state()
    workspace.restore()
    content = workspace.store / "content"
    held = set(os.listdir(content))

    def count_new() -> int:
        return len({name.partition(".")[0] for name in os.listdir(content)} - held)

    with (
        start(workspace, *APPLY, str(workspace.folder)) as first,
        start(workspace, *APPLY, str(workspace.folder)) as second,
        start(workspace, "list", "--format", "json") as reader,
    ):
        wait_until(count_new, lambda number: number > seed % NEW_BUILDS, "one of them has written data")
        first.kill()
        killed, applied, listed = first.wait(), second.wait(), reader.wait()
    assert killed.code == -9, killed
    assert applied.code == 0, applied
    assert listed.code == 0, listed
    visible = [image for image in json.loads(listed.stdout) if not image["os_hidden"]]
    # the reader may come before or after the move to the new key
    keys = {"new-key" if image["imagesync_key"] == "former-key" else image["imagesync_key"] for image in visible}
    assert keys >= {*BEFORE, "new-key"} - {"former-key", "removed"}
    assert all(image["status"] in ("active", "deactivated") for image in visible)
    assert workspace.apply().code == 0
    assert workspace.state() == expected
    note("two applies and a reader on one store, one apply killed at some time", "the other succeeded")


@pytest.mark.parametrize("damage", ["empty", "missing", "cut"])
def test_a_lost_database_is_not_made_again_beside_data(workspace: StoreWorkspace, damage: str) -> None:
    """One line, and the data stays."""
    held, database = sorted(os.listdir(workspace.store / "content")), workspace.store / "store.db"
    if damage == "missing":
        database.unlink()
    else:
        os.truncate(database, 0 if damage == "empty" else 6000)
    ended = workspace.apply()
    assert ended.code == 1
    assert ended.output.count("\n") == 1, ended
    assert sorted(os.listdir(workspace.store / "content")) == held


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(8, 30))])
def test_a_database_with_bytes_changed_at_random(workspace: StoreWorkspace, seed: int) -> None:
    """If the damage matters, one line reports it, and no data is deleted. Otherwise the images are as declared."""
    assert workspace.apply().code == 0
    expected = workspace.state()
    workspace.restore()
    held, chance = set(os.listdir(workspace.store / "content")), random.Random(seed)
    content = bytearray((workspace.store / "store.db").read_bytes())
    for _ in range(chance.choice((1, 8, 64))):
        at = chance.randrange(len(content))
        content[at : at + 16] = chance.randbytes(len(content[at : at + 16]))
    (workspace.store / "store.db").write_bytes(content)
    ended = workspace.apply()
    last = ended.output.splitlines()[-1]
    assert ended.code in (0, 1, 64), (seed, ended)
    assert "Traceback" not in ended.stderr
    assert ended.output.replace("\n", "").isprintable()
    if ended.code:
        assert "store" in last, (seed, ended)
        assert len(last) < 300
        assert set(os.listdir(workspace.store / "content")) >= held
    else:
        assert workspace.state() == expected, (seed, ended)
    note("16 bytes of the database changed, at 1 to 64 positions", "one line" if ended.code else "harmless")


def test_lost_and_changed_data_is_reported_and_made_again(workspace: StoreWorkspace) -> None:
    """Such data is never used as verified data. Files that the store did not make stay."""
    workspace.apply()
    backend = open_backend(store=workspace.store)
    lost, changed = (next(i for i in backend.images() if i.name == name) for name in ("updated", "created"))
    (workspace.store / "content" / lost.id).unlink()
    (workspace.store / "content" / changed.id).write_bytes(b"\xa1" * 5000)
    (workspace.store / "content" / "notes.txt").write_text("mine")
    assert backend.images(lost.id)[0].status is Status.KILLED
    with pytest.raises(BackendError, match="was changed: it has sha512"):
        list(backend.download(changed.id))
    ended = workspace.apply()
    assert ended.code == 0
    assert "is missing" in ended.output
    assert "notes.txt is not a file of the store" in ended.output
    assert (workspace.store / "content" / "notes.txt").read_text() == "mine"
