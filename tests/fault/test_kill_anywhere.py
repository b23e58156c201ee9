"""kill -9 at every request of an apply with every kind of step: the next apply makes the images as declared.

No image is lost or left over, unverified data is never visible, and data that the service has verified is not uploaded
again. The points are all requests, before and after each, by turns (``tests.points``).
"""

import hashlib
import random
from dataclasses import dataclass

import pytest

from tests import points
from tests.cloud.service import Snapshot
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.proxy import Call, Fault
from tests.fault.scenario import DATA, NEW_BUILDS
from tests.trials import note

SEED = 20261124


@pytest.mark.exhaustive
@pytest.mark.parametrize("forward", [False, True], ids=["before", "after"])
def test_killed_at_any_request_the_next_apply_converges(
    pytestconfig: pytest.Config, workspace: ProxiedWorkspace, forward: bool
) -> None:
    """Killed before or after every request."""
    rehearsal = rehearsed(workspace)
    kinds = {call.kind for call in rehearsal.calls}
    assert {"POST /images", "PUT /images/ID/file", "PATCH /images/ID", "DELETE /images/ID"} <= kinds
    when = "after" if forward else "before"
    for number, call in points.choose(pytestconfig, list(enumerate(rehearsal.calls))):
        point = f"{when} request {number}, {call.kind}"
        assert killed_and_healed(workspace, rehearsal, number, point, forward=forward), point
        note(f"kill -9 {when} each request", "the next run converged")


@pytest.mark.exhaustive
def test_killed_with_eight_steps_at_once_the_next_apply_converges(
    pytestconfig: pytest.Config, workspace: ProxiedWorkspace
) -> None:
    """Killed at each number of requests, at random before or after that request, while other requests are running."""
    workspace.words = ("--cloud", "operator", "--jobs", "8", "--max-delete", "100%")
    rng, rehearsal, killed = random.Random(SEED), rehearsed(workspace), 0
    numbers = points.choose(pytestconfig, range(len(rehearsal.calls)))
    for number in numbers:
        forward = rng.random() < 0.5
        point = f"seed {SEED}, {'after' if forward else 'before'} request {number}"
        if killed_and_healed(workspace, rehearsal, number, point, forward=forward):
            killed += 1
            note("kill -9 with eight steps at once", "the next run converged")
    assert killed > 0.9 * len(numbers)  # with steps at the same time, the number of requests varies a little


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """An apply without a fault: the state before it, its requests, and the state after it."""

    beginning: Snapshot
    calls: list[Call]
    expected: list[str]


def rehearsed(workspace: ProxiedWorkspace) -> Rehearsal:
    """The apply without a fault, from the state before."""
    beginning = workspace.prepare()
    workspace.proxy.forget()
    result = workspace.apply()
    assert result.code == 0, result
    return Rehearsal(beginning, list(workspace.proxy.calls), workspace.state())


def killed_and_healed(
    workspace: ProxiedWorkspace, rehearsal: Rehearsal, number: int, point: str, *, forward: bool
) -> bool:
    """From the state before: an apply that is killed at one request and leaves nothing wrong visible, and then a
    complete apply.

    False if the first apply ended before that request.
    """
    known = {hashlib.sha512(content).hexdigest() for content in DATA.values()}
    workspace.cloud.restore(rehearsal.beginning)
    killed = killed_at(workspace, number, forward=forward)
    for image in workspace.live():
        if not image["os_hidden"]:
            assert image["os_hash_value"] in known, point
            assert image["imagesync_role"] == "current", point
    verified = workspace.verified_digests()
    workspace.proxy.forget()
    result = workspace.apply()
    assert result.code == 0, (point, result)
    assert workspace.state() == rehearsal.expected, point
    uploads = sum(call.kind == "PUT /images/ID/file" for call in workspace.proxy.calls)
    assert uploads <= NEW_BUILDS - len(verified), point
    return killed


def killed_at(workspace: ProxiedWorkspace, number: int, *, forward: bool) -> bool:
    """Whether an apply was killed at one request, which the service gets only if ``forward``. Then no request is
    running."""

    def fault(call: Call) -> Fault | None:
        if call.number != number:
            return None
        return Fault(forward=forward, cut=0, after=workspace.command.kill)

    workspace.proxy.forget()
    workspace.proxy.fault = fault
    result = workspace.apply()
    assert result.code == -9 or (result.code == 0 and len(workspace.proxy.calls) <= number), (number, result)
    workspace.proxy.settle()
    workspace.proxy.forget()
    return result.code == -9
