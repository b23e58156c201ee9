"""The guard of writes on the real service: late, overlapping and unanswered PATCHes of two runs, and deletions.

Each run has its own ``Writes``. The exhaustive part repeats the tests with MariaDB.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from imagesync.backends import open_backend
from imagesync.backends.base import Backend, UpdateFields
from imagesync.errors import BackendError, Conflict
from imagesync.execution.changes import find_altered
from imagesync.execution.deletions import Deletions, Waiting
from imagesync.execution.writes import Writes
from imagesync.model.image import LiveImage
from imagesync.model.plan import Delete, Reliance
from imagesync.model.record import ROLE, read_revisions
from imagesync.model.report import Performed
from tests.cloud.service import Cloud
from tests.fault.proxy import Call, Fault, Proxy, between
from tests.trials import note

MANY = [20, pytest.param(200, marks=pytest.mark.exhaustive)]
FIRST: UpdateFields = {"name": "first", "min_ram": 1, "properties": {"p": "first", "first": "1"}}
SECOND: UpdateFields = {"name": "second", "min_ram": 2, "properties": {"p": "second", "second": "1"}}


class GuardedRuns:
    """Two backends of one project, as two runs have them, behind a proxy."""

    def __init__(self, cloud: Cloud, proxy: Proxy, first: Backend, second: Backend, database: str) -> None:
        self.cloud, self.proxy, self.first, self.second, self.database = cloud, proxy, first, second, database

    def make(self, *, guarded: bool = True, hidden: bool = False) -> LiveImage:
        """Create an image of the catalog."""
        image_id = str(uuid4())
        marks = {"imagesync_catalog": "base", "imagesync_key": image_id, "imagesync_id": image_id, ROLE: "retired"}
        guard = {"imagesync_rev_1": "earlier"} if guarded else {}
        return self.first.create_image(
            id=image_id, name="n", hidden=hidden, properties={**(marks if guarded else {}), **guard}
        )

    def read(self, image: LiveImage) -> LiveImage:
        """The image as it is now."""
        return self.first.images(image.id)[0]

    def note(self, fault: str, outcome: str) -> None:
        """Record one trial."""
        note(f"{fault}, on {self.database}", outcome)


@pytest.fixture(params=["SQLite", pytest.param("MariaDB", marks=pytest.mark.exhaustive)])
def runs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GuardedRuns]:
    """Two runs on the real service."""
    cloud: Cloud = request.getfixturevalue("cloud" if request.param == "SQLite" else "mariadb_cloud")
    with open_runs(cloud, tmp_path, monkeypatch, request.param) as found:
        yield found


@contextmanager
def open_runs(cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> Iterator[GuardedRuns]:
    """Two runs on this cloud."""
    with between(cloud.image_url) as proxy:
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        clouds["clouds"]["operator"]["image_endpoint_override"] = proxy.address
        (folder / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(folder / "clouds.yaml"))
        with open_backend(cloud="operator") as first, open_backend(cloud="operator") as second:
            yield GuardedRuns(cloud, proxy, first, second, database)


def is_patch(call: Call) -> bool:
    return call.method == "PATCH"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", MANY)
def test_an_update_after_a_write_of_another_run_saves_nothing(runs: GuardedRuns, number: int) -> None:
    """Both runs read the same image. The service rejects the later PATCH, and the image is as the first run left it."""
    for _ in range(number):
        image = runs.make()
        left = Writes(runs.first).update(image, FIRST)
        writes = Writes(runs.second)
        with pytest.raises(Conflict, match="another run wrote to it"):
            writes.update(image, SECOND)
        assert runs.read(image) == left
        assert writes.list_left() == []
        runs.note("an update from an older read, after another run's update", "refused, nothing saved")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_saved", [True, False])
def test_an_update_whose_response_is_lost_is_made_once(runs: GuardedRuns, is_saved: bool) -> None:
    """This holds whether the service received it or not."""
    for _ in range(10):
        image = runs.make()
        faults = iter([Fault(forward=is_saved, cut=0)])
        runs.proxy.fault = lambda call: next(faults, None) if is_patch(call) else None  # noqa: B023 - in this turn
        left = Writes(runs.first, nonce="mine").update(image, FIRST)
        runs.proxy.forget()
        assert (left.name, left.min_ram, left.properties["p"]) == ("first", 1, "first")
        assert [revision.nonce for revision in read_revisions(runs.read(image))] == ["mine"]
        assert runs.read(image) == left
        saved = "was saved" if is_saved else "was not saved"
        runs.note(f"the answer to an update was lost, and the update {saved}", "made once")


def overlap(runs: GuardedRuns, image: LiveImage) -> list[list[str]]:
    """Two runs send PATCHes at the same time, from the same read; the outcome that each run reports."""
    barrier = threading.Barrier(2)

    def meet(call: Call) -> Fault | None:
        return None if not is_patch(call) else Fault(before=lambda: wait_for(barrier))

    runs.proxy.fault = meet

    def update(backend: Backend, attrs: UpdateFields) -> tuple[Writes, list[str]]:
        writes = Writes(backend)
        try:
            writes.update(image, attrs)
        except BackendError as error:
            return writes, [str(error)]
        finally:
            barrier.abort()
        return writes, []

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(update, (runs.first, runs.second), (FIRST, SECOND)))
    runs.proxy.forget()
    return [output + find_altered(writes.list_left(), {image.id: runs.read(image)}) for writes, output in made]


def wait_for(barrier: threading.Barrier) -> None:
    """Make PATCHes of both runs arrive together; after one run has ended, those of the other continue alone."""
    try:
        barrier.wait(60)
    except threading.BrokenBarrierError:
        return


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [20])  # each run waits until a read shows the final state
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "first guard"])
def test_of_two_overlapping_updates_at_least_one_run_fails(runs: GuardedRuns, number: int, guarded: bool) -> None:
    """The response or its listing at the end shows it. Both runs never report success for another or a mixed outcome."""
    for _ in range(number):
        image = runs.make(guarded=guarded)
        output = overlap(runs, image)
        left = runs.read(image)
        assert any(output), (left, output)
        mixed = (left.name, left.properties.get("p")) not in (("first", "first"), ("second", "second"), ("n", None))
        assert not mixed or all(output), (left, output)
        kind = "updates" if guarded else "first updates of an image without a guard"
        runs.note(
            f"two overlapping {kind} of two runs", "one run reported it" if not all(output) else "both reported it"
        )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_late", [True, False], ids=["read before the mark", "read after the mark"])
def test_an_image_that_another_run_publishes_between_marker_and_deletion_is_kept(
    runs: GuardedRuns, is_late: bool
) -> None:
    """A rollback that read the image before the marker is refused. One that read it after the marker keeps it, and it is not deleted."""
    images = [runs.make(hidden=True) for _ in range(20)]
    other, outcomes = Writes(runs.second, nonce="other"), list[str]()

    def promote() -> None:
        for image in images:
            try:
                found = image if is_late else other.read(image.id)
                other.update(found, {"hidden": False, "properties": {ROLE: "current"}})
                outcomes.append("promoted")
            except Conflict:
                outcomes.append("refused")

    deleted = delete(runs, images, promote)
    listed = {image.id for image in runs.first.inventory("base")}
    assert set(outcomes) == {"refused" if is_late else "promoted"}
    for image in images:
        assert isinstance(deleted[image.id], Performed if is_late else Conflict), deleted[image.id]
        assert (image.id in listed) is not is_late
        runs.note("a rollback between the two phases of a deletion", "refused" if is_late else "the image stayed")


def delete(runs: GuardedRuns, images: list[LiveImage], between_phases: Callable[[], None]) -> dict[str, object]:
    """Delete images, while something else happens during the wait."""
    relies = [Reliance(image.id, "a", {"name": image.name, f"properties.{ROLE}": "retired"}) for image in images]
    pending = [between_phases]

    def sleep(seconds: float) -> None:
        if pending:
            pending.pop()()
        threading.Event().wait(seconds)

    deletions = Deletions(runs.first, Writes(runs.first, relies), "base", [], 4)
    return dict(deletions.delete([Delete("a", image.id) for image in images], Waiting(sleep=sleep)))
