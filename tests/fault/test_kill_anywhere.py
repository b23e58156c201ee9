"""kill -9 at every request of an apply that does everything: the next plain apply brings what the whole one would have.

No image is lost, none is left over, nothing unverified is ever visible, and what the service had verified is not uploaded
again. The points are all the requests, before each and after each, not a sample.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.fault.proxy import Call, Fault
from tests.fault.stage import DATA, NEW, Stage, staged
from tests.trials import note


@pytest.fixture
def stage(cloud: Cloud, tmp_path: Path) -> Iterator[Stage]:
    """The cloud behind a proxy."""
    with staged(cloud, tmp_path) as found:
        yield found


@pytest.mark.exhaustive
@pytest.mark.parametrize("forward", [False, True], ids=["before", "after"])
def test_killed_at_any_request_the_next_apply_converges(stage: Stage, forward: bool) -> None:
    """Before, or after, every request."""
    beginning = stage.prepared()
    known = {hashlib.sha512(content).hexdigest() for content in DATA.values()}
    stage.proxy.forget()
    code, told = stage.apply()
    assert code == 0, told
    calls, expected = list(stage.proxy.calls), stage.state()
    kinds = {call.kind for call in calls}
    assert {"POST /images", "PUT /images/ID/file", "PATCH /images/ID", "DELETE /images/ID"} <= kinds
    when = "after" if forward else "before"
    for number in range(len(calls)):
        stage.cloud.restore(beginning)
        killed_at(stage, number, forward=forward)
        point = f"{when} request {number}, {calls[number].kind}"
        for image in stage.live():
            if not image["os_hidden"]:
                assert image["os_hash_value"] in known, point
                assert image["imagesync_role"] == "current", point
        verified = stage.verified()
        stage.proxy.forget()
        code, told = stage.apply()
        assert code == 0, (point, told)
        assert stage.state() == expected, point
        uploads = sum(call.kind == "PUT /images/ID/file" for call in stage.proxy.calls)
        assert uploads <= NEW - len(verified), point
        note(f"kill -9 {when} each request", "the next run converged")


def killed_at(stage: Stage, number: int, *, forward: bool) -> None:
    """An apply that is killed at one request, which the service gets only where ``forward``."""

    def fault(call: Call) -> Fault | None:
        if call.number != number:
            return None
        return Fault(forward=forward, cut=0, after=stage.runner.kill)

    stage.proxy.forget()
    stage.proxy.fault = fault
    assert stage.apply()[0] == -9
    stage.proxy.forget()
