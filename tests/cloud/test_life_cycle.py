"""The life of one image on the real service, checked over plain HTTP: no gap, no unverified data, no upload without need."""

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.plan import Plan
from imagesync.planning.planner import make_plan
from imagesync.planning.rollback import rollback_plan
from imagesync.planning.staging import stage_plan
from imagesync.sources import identify
from tests.cloud.neighbors import OTHERS
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.pipeline import plan_input
from tests.samples import qcow2, spell

NAME = "Ubuntu 24.04"


class Reader:
    """A reader that lists the images with one name all the time, and keeps each result."""

    def __init__(self, cloud: Cloud) -> None:
        self._http = cloud.http("bob")
        self.sightings: list[list[dict[str, Any]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._over.wait(0.02):  # a gap of one request takes longer
            answer = self._http.send("GET", f"/images?{OTHERS}", params={"name": f"eq:{NAME}", "limit": 100})
            self.sightings.append(answer.json()["images"])

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Read from the first image found until the end of the block."""
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """One public image, applied."""
    made = CloudWorkspace(cloud, tmp_path)
    build(made, 0)
    made.apply()
    return made


def build(workspace: CloudWorkspace, number: int, **attrs: Any) -> str:
    """Declare build ``number`` in the manifest; return its sha512."""
    data = spell(f"build {number}\n") * 1500
    source = {"path": workspace.file(f"{number}.raw", data), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    kind = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
    workspace.images["ubuntu"] = {"name": NAME, "source": source, **kind, **attrs}
    return hashlib.sha512(data).hexdigest()


def spoil(image: dict[str, Any], number: int) -> None:
    """Declare a build that cannot be published: a wrong checksum, or data of another format."""
    if number % 2:
        image["source"]["checksum"] = "sha256:" + "0" * 64
    else:
        image["disk_format"] = "qcow2"


def rollback(workspace: CloudWorkspace, *words: str) -> str:
    """The output of ``imagesync rollback ubuntu``."""
    return workspace.run("rollback", "ubuntu", "--yes", *words).stdout


class Runs:
    """Runs without a process for each; they do what the commands do, from load to execute."""

    def __init__(self, workspace: CloudWorkspace, backend: Backend) -> None:
        self._workspace, self._backend = workspace, backend

    def run(self, make: Callable[..., Plan], **more: Any) -> bool:
        """Make and execute one plan of a kind; whether all steps succeeded."""
        wanted = {"version": 1, "catalog": "base", "images": self._workspace.images}
        (self._workspace.folder / "base.yaml").write_text(json.dumps(wanted))
        catalog = identify(resolve(load(self._workspace.folder)))
        plan = make(plan_input(self._backend, catalog, promoting=catalog.keys), **more)
        performer = Performer(self._backend, plan)
        report = execute(plan, performer, jobs=4, notify=lambda _: None, cancelled=threading.Event())
        return report.succeeded


def test_a_reader_never_sees_a_gap_or_an_unverified_image(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve replacements, with bad builds, staged builds and rollbacks: one or two images of that name, each with good data."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(workspace.cloud.clouds_yaml))
    backend = open_backend(cloud="operator")
    runs = Runs(workspace, backend)
    good = {build(workspace, number) for number in range(13)}
    reader = Reader(workspace.cloud)
    with contextlib.closing(backend), reader.reading():
        for number in range(1, 13):
            if number % 4 == 0:
                build(workspace, 100 + number)
                spoil(workspace.images["ubuntu"], number // 4)
                assert not runs.run(make_plan)
            build(workspace, number)
            if number % 5 == 0:
                assert runs.run(stage_plan)
            assert runs.run(make_plan)
            if number % 6 == 0:
                assert runs.run(rollback_plan, key="ubuntu", to=None)
    assert len(reader.sightings) > 60
    assert {len(seen) for seen in reader.sightings} <= {1, 2}
    everything = [image for seen in reader.sightings for image in seen]
    assert {image["status"] for image in everything} == {"active"}
    assert {image["os_hash_value"] for image in everything} == good
    assert {image["imagesync_role"] for image in everything} == {"current"}


def writes(workspace: CloudWorkspace) -> list[str]:
    """The methods of the write requests; the runs use ``--no-lock``, so none is a request for the lease."""
    return sorted(one.method for one in workspace.cloud.requests() if one.method not in ("GET", "HEAD"))


def test_a_rollback_is_two_requests_without_data(workspace: CloudWorkspace) -> None:
    """It is done at once, and so is its reversal in the manifest; the output has the line to add to the manifest."""
    old = workspace.live()["ubuntu"]
    build(workspace, 1)
    workspace.apply()
    new = workspace.live()["ubuntu"]
    workspace.cloud.forget_requests()
    output = rollback(workspace, "--no-lock")
    assert writes(workspace) == ["PATCH", "PATCH"]
    assert sum(int(one.length or 0) for one in workspace.cloud.requests() if one.method == "PUT") == 0
    assert workspace.live()["ubuntu"]["id"] == old["id"]
    assert "base.yaml:1: checksum: sha256:" in output.splitlines()[-1]
    build(workspace, 0)
    assert "No changes." in workspace.run("plan").stdout
    build(workspace, 1)
    workspace.cloud.forget_requests()
    workspace.run("apply", "--yes", "--no-lock")
    assert writes(workspace) == ["PATCH", "PATCH"]
    assert workspace.live()["ubuntu"]["id"] == new["id"]


def test_a_tested_candidate_is_published_by_one_request(workspace: CloudWorkspace) -> None:
    """It is staged and has a name for the pipeline; other users cannot see it. Then two requests without data publish it."""
    wanted = build(workspace, 1)
    ids = workspace.folder / "ids.json.out"
    workspace.run("apply", "--stage", "--yes", "--ids", str(ids))
    candidate = json.loads(ids.read_text())["candidates"]["ubuntu"]
    image = workspace.cloud.http().get(f"/images/{candidate}")
    assert (image["status"], image["os_hidden"], image["visibility"]) == ("active", True, "private")
    assert image["os_hash_value"] == wanted
    assert workspace.cloud.http("bob").send("GET", f"/images/{candidate}").status_code == 404
    workspace.cloud.forget_requests()
    workspace.run("apply", "--stage", "--yes")
    assert writes(workspace) == []
    assert f"{candidate}  staged" in workspace.run("plan").stdout
    workspace.cloud.forget_requests()
    workspace.run("apply", "--yes", "--no-lock")
    assert writes(workspace) == ["PATCH", "PATCH"]
    assert workspace.live()["ubuntu"]["id"] == candidate


def test_a_failed_candidate_is_discarded_alone(workspace: CloudWorkspace) -> None:
    """It costs one marker and one DELETE; the published image does not change."""
    before = workspace.live()["ubuntu"]
    build(workspace, 1, min_ram=5)
    workspace.run("apply", "--stage", "--yes")
    workspace.cloud.forget_requests()
    assert "candidate dropped" in workspace.run("apply", "--discard-staged=ubuntu", "--yes", "--no-lock").stdout
    assert writes(workspace) == ["DELETE", "PATCH"]
    assert workspace.cloud.http().images() == [before]


def test_a_candidate_of_another_format_is_never_left(workspace: CloudWorkspace) -> None:
    """Data that fails verification is not a candidate, and nothing of it is left."""
    build(workspace, 1)
    spoil(workspace.images["ubuntu"], 2)
    workspace.run("apply", "--stage", "--yes", code=1)
    workspace.images["ubuntu"] |= {"source": workspace.file("d.qcow2", qcow2(2**31)), "min_disk": "auto"}
    workspace.run("apply", "--stage", "--yes")
    workspace.apply()
    assert workspace.live()["ubuntu"]["min_disk"] == 2


@pytest.mark.trial(
    "a candidate deactivated by a user of the project",
    "20 later applies of every kind wrote nothing; the next build was published, the rejected one deleted",
)
def test_a_candidate_that_a_member_of_the_project_rejects_is_never_published(
    workspace: CloudWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty nightly applies of every kind change nothing. The next build is published, and the rejected image is deleted."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(workspace.cloud.clouds_yaml))
    http = workspace.cloud.http()
    build(workspace, 1, min_ram=5)
    workspace.run("apply", "--stage", "--yes")
    (candidate,) = [image for image in http.images() if image["imagesync_role"] == "staging"]
    workspace.cloud.http("alice").send("POST", f"/images/{candidate['id']}/actions/deactivate").raise_for_status()
    before = {image["id"]: image for image in http.images()}
    workspace.cloud.forget_requests()
    for words in ((), ("--reactivate",), ("--stage",), ("--drift-only",)):
        output = workspace.run("apply", "--yes", *words).stdout
        assert "No changes." in output or "Nothing to stage." in output
    with contextlib.closing(open_backend(cloud="operator")) as backend:
        runs = Runs(workspace, backend)
        for night in range(16):
            assert runs.run(stage_plan if night % 4 == 0 else make_plan)
    assert writes(workspace) == []
    assert {image["id"]: image for image in http.images()} == before
    plan = workspace.run("plan", "--detailed-exitcode").stdout
    assert f"openstack image set --activate {candidate['id']}" in plan
    build(workspace, 2)
    workspace.apply()
    after = http.images()
    assert candidate["id"] not in {image["id"] for image in after}
    assert sorted(image["imagesync_role"] for image in after) == ["current", "retired"]
    assert workspace.live()["ubuntu"]["id"] not in before


def test_a_rejection_is_removed_as_the_note_says(workspace: CloudWorkspace) -> None:
    """If its key is discarded, the build is staged again; if it is reactivated, it is published."""
    http = workspace.cloud.http()
    build(workspace, 1)
    workspace.run("apply", "--stage", "--yes")
    (first,) = [image["id"] for image in http.images() if image["imagesync_role"] == "staging"]
    http.send("POST", f"/images/{first}/actions/deactivate").raise_for_status()
    assert "the rejected candidate stays" in workspace.run("apply", "--yes", "--discard-staged=*").stdout
    workspace.run("apply", "--yes", "--discard-staged=ubuntu")
    assert len(http.images()) == 1
    workspace.run("apply", "--stage", "--yes")
    (second,) = [image["id"] for image in http.images() if image["imagesync_role"] == "staging"]
    http.send("POST", f"/images/{second}/actions/deactivate").raise_for_status()
    assert "No changes." in workspace.run("apply", "--yes").stdout
    http.send("POST", f"/images/{second}/actions/reactivate").raise_for_status()
    workspace.apply()
    assert workspace.live()["ubuntu"]["id"] == second
