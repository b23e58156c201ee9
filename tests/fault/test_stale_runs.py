"""A run that another run has overtaken: it was stopped until its lease ended and then continues, or it was killed and
one of its requests arrives late.

In the meantime, another run with a newer manifest runs to its end. Whatever the overtaken run has sent, at the end
exactly one correct build of each key is visible, or the next apply makes it so. Both runs report what happened.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import points
from tests.cloud.service import Cloud
from tests.command import Result
from tests.fault.fork_server import ForkedCommand
from tests.fault.proxied_workspace import ProxiedWorkspace, open_proxied_workspace
from tests.fault.proxy import Call, Fault
from tests.fault.scenario import AFTER, BEFORE, DATA, write_data, write_manifest
from tests.trials import note

NEWER: dict[str, dict[str, Any]] = {
    "created": {"source": "a.raw", "visibility": "shared", "members": [{"id": "p4"}]},
    "replaced": {"source": "c.raw", "visibility": "public", "tags": ["newer"]},
    "updated": {"source": "c.raw", "min_ram": 3, "tags": ["three"], "properties": {"q": "3"}},
    "deactivated": {"source": "d.raw"},
    "reactivated": {"source": "e.raw", "status": "deactivated"},
    "shared": {"source": "f.raw", "visibility": "shared", "members": [{"id": "p1"}]},
    "removed": {"source": "h.raw"},
    "record": {"source": "none", "properties": {"p": "2"}},
}
"""What the second run makes. The first run makes AFTER, and an image without data."""
OLDER = {**AFTER, "record": {"source": "none", "properties": {"p": "1"}}}
REVERTED: dict[str, dict[str, Any]] = {
    **BEFORE,
    "removed": {**BEFORE["removed"], "min_ram": 9},
    "created": OLDER["created"],
    "record": OLDER["record"],
}
"""What the second run makes if a user has reverted most of the change: the images are nearly as it declares them."""


class StoppedRequest:
    """The request at which a run was stopped. It waits at the proxy until the run may continue."""

    def __init__(self) -> None:
        self.call = Call(-1, "", "")
        self.is_reached, self.may_go_on = threading.Event(), threading.Event()


class OvertakenRun:
    """Two commands on one cloud behind a proxy, each with its own manifest; ``calls`` are those of the first only.

    ``wanted``: the manifest of the second command.
    """

    def __init__(
        self,
        workspace: ProxiedWorkspace,
        first: ForkedCommand,
        second: ForkedCommand,
        wanted: dict[str, dict[str, Any]],
    ) -> None:
        self.workspace, self.first, self.second, self.wanted = workspace, first, second, wanted
        self.older, self.newer = workspace.folder, workspace.folder.parent / "newer"
        self.newer.mkdir()
        write_data(self.newer)
        self.beginning = workspace.prepare()
        write_manifest(self.older, OLDER)
        write_manifest(self.newer, wanted)
        self.calls: list[Call] = []
        self.expected: list[str] = []

    def words(self, folder: Path, *, is_short: bool) -> tuple[str, ...]:
        """The arguments of an apply of one manifest."""
        if is_short:
            return str(folder), "operator"
        return ("apply", "--yes", str(folder), *self.workspace.words)

    def rehearse(self, *, is_short: bool) -> None:
        """The requests of the first run alone, and the state after an apply of the second manifest."""
        for folder in (self.older, self.newer):
            self.workspace.proxy.forget()
            result = self.first.run(*self.words(folder, is_short=is_short))
            assert result.code == 0, result
            self.calls = self.calls or list(self.workspace.proxy.calls)
        self.expected = self.current()

    def current(self) -> list[str]:
        """The fields of the current images that do not differ from run to run. Retired images depend on what was made
        before."""
        return [image for image in self.workspace.state() if json.loads(image)["imagesync_role"] == "current"]

    def is_shared_with_one_more(self) -> bool:
        """Whether the images are as the second manifest declares, except for members that it does not name."""
        pairs = [(json.loads(one), json.loads(other)) for one, other in zip(self.current(), self.expected, strict=True)]
        more = [set(one.pop("members")) >= set(other.pop("members")) for one, other in pairs]
        return all(more) and all(one == other for one, other in pairs)

    def begin(self, fault: Callable[[Call], Fault | None]) -> None:
        """Restore the state before; the first run has not started yet."""
        self.workspace.cloud.restore(self.beginning)
        self.workspace.proxy.forget()
        self.workspace.proxy.fault = fault

    def begin_stopped(self, number: int, *, forward: bool) -> "StoppedRequest | None":
        """Start the first run, and stop it at its request ``number``: before the service gets the request, or
        (``forward``) after.

        None if the run ended before, because it sent fewer heartbeats than in the rehearsal. For the same reason, the
        request may be another one than in the rehearsal.
        """
        found = StoppedRequest()

        def stop() -> None:
            self.first.stop()
            found.is_reached.set()
            found.may_go_on.wait(120)

        def fault(call: Call) -> Fault | None:
            if call.number != number:
                return None
            found.call = call
            return Fault(after=stop) if forward else Fault(before=stop)

        self.begin(fault)
        self.first.start(*self.words(self.older, is_short=True))
        if not found.is_reached.wait(20):
            assert self.first.wait().code == 0, number
            return None
        return found

    def resume(self, stopped: "StoppedRequest") -> Result:
        """Continue the first run, and deliver its request; the result of the run."""
        self.first.resume()
        stopped.may_go_on.set()
        return self.first.wait()

    def check_visible(self, point: str) -> list[str]:
        """Check that the visible builds are complete and that no key has two; the keys that have none."""
        digests = {hashlib.sha512(content).hexdigest(): name for name, content in DATA.items()}
        found: dict[str, list[str]] = {}
        for image in self.workspace.live():
            if not image["os_hidden"] and "imagesync_lease" not in image:
                found.setdefault(image["imagesync_key"], []).append(digests.get(image["os_hash_value"], "none"))
        twice = {key: builds for key, builds in found.items() if len(builds) > 1}
        assert not twice, (point, twice)
        return [key for key, image in self.wanted.items() if found.get(key) != [image["source"]]]

    def heal(self, point: str, *, may_be_deactivated: bool = False, may_be_shared: bool = False) -> str:
        """Run another apply, which makes the images as the second run wanted them; what it had to change.

        ``may_be_deactivated``: no guard stops that request, and the newer manifest does not declare the status.
        imagesync does not reactivate an image unless the user requests it, because a person may have deactivated it;
        the plan reports it. ``may_be_shared``: no guard stops the request that adds a member either, and members that
        other users added stay.
        """
        self.workspace.proxy.forget()
        words = self.words(self.newer, is_short=False)
        lacking = self.check_visible(point)
        result = self.workspace.command.run(*words)
        assert result.code == 0, (point, result)
        if may_be_deactivated and "so it stays deactivated" in result.output:
            assert self.workspace.command.run(*words, "--reactivate").code == 0
            lacking = ["status"]
        if may_be_shared and self.current() != self.expected:
            assert self.is_shared_with_one_more(), point
            assert self.check_visible(point) == []
            return "one correct build of each key was visible; one image was shared with a project that the newer manifest does not name"
        assert self.current() == self.expected, point
        assert self.check_visible(point) == []
        if lacking == ["status"]:
            return "an image was deactivated; the next plan reported it, and apply --reactivate corrected it"
        return "the next apply corrected it" if lacking else "one correct build of each key was visible"


@pytest.fixture
def wanted() -> dict[str, dict[str, Any]]:
    """The manifest of the second run, if a test names no other."""
    return NEWER


@pytest.fixture
def runs(
    request: pytest.FixtureRequest, cloud: Cloud, tmp_path: Path, wanted: dict[str, dict[str, Any]]
) -> Iterator[OvertakenRun]:
    """The state before; the parameter chooses the program of the two runs."""
    with (
        open_proxied_workspace(cloud, tmp_path) as workspace,
        ForkedCommand(workspace.env, tmp_path, request.param) as first,
        ForkedCommand(workspace.env, tmp_path, request.param) as second,
    ):
        workspace.set_api_timeout(20)
        yield OvertakenRun(workspace, first, second, wanted)


def choose(request: pytest.FixtureRequest, calls: Sequence[Call]) -> list[int]:
    """The first and the last request of each kind, by turns; with ``--every-point`` each request.

    Without ``--exhaustive`` it is the update that publishes the first image.
    """
    if request.config.getoption("--every-point"):
        return [call.number for call in calls]
    kinds = {call.kind: call.number for call in reversed(calls)}, {call.kind: call.number for call in calls}
    if request.config.getoption("--exhaustive"):
        return points.choose(request.config, sorted({number for numbers in kinds for number in numbers.values()}))
    uploads = [call.number for call in calls if call.method == "PUT"]
    return [next(call.number for call in calls if call.method == "PATCH" and call.number > uploads[0])]


def list_unguarded(call: Call) -> dict[str, bool]:
    """The effects that a request without a guard may have, as arguments of ``heal``."""
    is_member = call.kind == "POST /images/ID/members"
    return {"may_be_deactivated": call.kind.endswith("/deactivate"), "may_be_shared": is_member}


def has_reason(result: Result) -> bool:
    """Whether a run that did not make what its manifest declares reports why, without a traceback."""
    assert "Traceback" not in result.output, result
    return result.code == 0 or len(result.output.strip().splitlines()) > 0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("runs", ["tests.fault.short_leases"], indirect=True)
@pytest.mark.parametrize(
    "forward", [pytest.param(False, id="before"), pytest.param(True, id="after", marks=pytest.mark.exhaustive)]
)
def test_a_run_that_was_stopped_past_its_lease_harms_nothing(
    request: pytest.FixtureRequest, runs: OvertakenRun, forward: bool
) -> None:
    """The run is stopped before or after one of its requests reaches the service, and continues when the second run has
    ended."""
    runs.rehearse(is_short=True)
    when = "after" if forward else "before"
    for number in choose(request, runs.calls):
        if (stopped := runs.begin_stopped(number, forward=forward)) is None:
            continue
        point = f"stopped {when} request {number}, {stopped.call.kind}"
        had_lease = any(call.method != "GET" for call in runs.workspace.proxy.calls[:number])
        second = runs.second.run(*runs.words(runs.newer, is_short=True))
        assert has_reason(second), point
        runs.check_visible(f"{point}: {second}")
        resumed = len(runs.workspace.proxy.calls)
        first = runs.resume(stopped)
        assert has_reason(first), point
        later = [call.method for call in runs.workspace.proxy.calls[resumed:]]
        has_looked = "GET" in later or (stopped.call.method == "GET" and not forward)
        assert first.code != 0 or not had_lease or not has_looked, (point, first)
        right = runs.heal(f"{point}: {first} {second}", **list_unguarded(stopped.call))
        note(f"a run stopped {when} each request until its lease ended, and resumed after another run", right)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("runs", ["tests.fault.fork_server"], indirect=True)
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "is_after", [pytest.param(False, id="during the next run"), pytest.param(True, id="after the next run")]
)
def test_a_request_of_a_killed_run_that_arrives_late_harms_nothing(
    request: pytest.FixtureRequest, runs: OvertakenRun, is_after: bool
) -> None:
    """Each request of a killed run is delivered when the next run uploads its first image, or when that run has ended."""
    runs.rehearse(is_short=False)
    late = "after" if is_after else "during"
    for number in choose(request, runs.calls):
        if runs.calls[number].method == "GET":
            continue
        point = f"request {number}, {runs.calls[number].kind}, delivered {late} the next run"
        killed, due, arrived = threading.Event(), threading.Event(), threading.Event()

        def kill() -> None:
            runs.first.kill()
            killed.set()  # noqa: B023 - in this turn
            due.wait(120)  # noqa: B023 - in this turn

        def deliver() -> None:
            due.set()  # noqa: B023 - in this turn
            arrived.wait(3)  # noqa: B023 - in this turn; a body that the killed run did not send completely never arrives

        def fault(call: Call) -> Fault | None:
            if call.number == number:  # noqa: B023 - in this turn
                return Fault(before=kill, after=arrived.set)  # noqa: B023 - in this turn
            is_upload = call.number > number and call.method == "PUT"  # noqa: B023 - in this turn
            return Fault(before=deliver) if is_upload and not is_after else None

        runs.begin(fault)
        runs.first.start(*runs.words(runs.older, is_short=False))
        assert killed.wait(60), point
        assert runs.first.wait().code == -9, point
        second = runs.second.run(*runs.words(runs.newer, is_short=False))
        assert has_reason(second), point
        deliver()
        right = runs.heal(f"{point}: {second}", **list_unguarded(runs.calls[number]))
        note(f"each request of a killed run, delivered {late} the next run", right)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("wanted", [REVERTED], ids=["reverted"])
@pytest.mark.parametrize("runs", ["tests.fault.short_leases"], indirect=True)
def test_a_stopped_run_does_not_change_what_the_next_run_leaves_unchanged(
    pytestconfig: pytest.Config, runs: OvertakenRun
) -> None:
    """A user has reverted the change, so the next run has hardly anything to do. What users see stays as that run left
    it."""
    runs.rehearse(is_short=True)
    writes = [call.number for call in runs.calls if call.method in ("PATCH", "DELETE")]
    for number in points.choose(pytestconfig, writes):
        if (stopped := runs.begin_stopped(number, forward=False)) is None:
            continue
        point = f"stopped before request {number}, {stopped.call.kind}"
        second = runs.second.run(*runs.words(runs.newer, is_short=True))
        assert second.code == 0, (point, second)
        left = {image["id"]: image for image in runs.workspace.live() if not image["os_hidden"]}
        assert runs.check_visible(point) == [], (point, second)
        assert has_reason(runs.resume(stopped)), point
        assert runs.check_visible(point) == [], point
        found = {image["id"]: image for image in runs.workspace.live() if not image["os_hidden"]}
        output = {
            name
            for name in ("name", "min_ram", "tags", "visibility")
            for key in left
            if left[key][name] != found[key][name]
        }
        assert not output, (point, output)
        note(
            "a run stopped before each PATCH and DELETE, and resumed after its change was taken back", "nothing changed"
        )
