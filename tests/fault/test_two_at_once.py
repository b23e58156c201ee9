"""A second apply starts at every request of a first one, which waits there. The second apply reports that the first one
is running, or it was first.

A half-done change of the first apply is never reported as a bug, a refusal or drift.
"""

import threading
from pathlib import Path

import pytest

from tests import points
from tests.fault.fork_server import ForkedCommand
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.proxy import Call, Fault
from tests.trials import note


def test_a_plan_while_another_run_makes_images(workspace: ProxiedWorkspace, tmp_path: Path) -> None:
    """The images appear after the listing, and before the request for the holders of names. They are owned images, and
    no clash."""
    workspace.prepare()
    workspace.set_api_timeout(60)
    come, held = threading.Event(), threading.Event()

    def listed(call: Call) -> Fault | None:
        first = "os_hidden=false" in call.path and not come.is_set()
        return Fault(after=come.set, held=held) if first else None

    workspace.proxy.forget()
    workspace.proxy.fault = listed
    with ForkedCommand(workspace.env, tmp_path) as second:
        workspace.command.start("plan", str(workspace.folder), *workspace.words)
        assert come.wait(60)
        assert second.run("apply", "--yes", str(workspace.folder), *workspace.words).code == 0
    held.set()
    result = workspace.command.wait()
    assert (result.code, "No changes. 8 images match the manifest." in result.stdout) == (0, True), result


@pytest.mark.exhaustive
def test_a_second_apply_at_each_request_of_the_first(
    pytestconfig: pytest.Config, workspace: ProxiedWorkspace, tmp_path: Path
) -> None:
    """Between the first write of the lease and the last change, the second apply does nothing. Later there is nothing
    to do."""
    beginning = workspace.prepare()
    workspace.proxy.forget()
    result = workspace.apply()
    assert result.code == 0, result
    calls, expected = list(workspace.proxy.calls), workspace.state()
    workspace.set_api_timeout(60)
    writes = [call.number for call in calls if call.method != "GET"]
    taken, *_, done, _freed = writes
    with ForkedCommand(workspace.env, tmp_path) as second:
        for number, call in points.choose(pytestconfig, list(enumerate(calls))):
            workspace.cloud.restore(beginning)
            come, held = threading.Event(), threading.Event()

            def at_that(found: Call) -> Fault | None:
                return Fault(after=come.set, held=held) if found.number == number else None  # noqa: B023 - in this turn

            workspace.proxy.forget()
            workspace.proxy.fault = at_that
            workspace.command.start("apply", "--yes", str(workspace.folder), *workspace.words)
            assert come.wait(60)
            refused = second.run("apply", "--yes", "--lock-timeout", "0", str(workspace.folder), *workspace.words)
            held.set()
            first = workspace.command.wait()
            point = f"request {number}, {call.kind}: {first} and {refused}"
            assert (refused.code, "is locked by another run: host" in refused.stderr) == (
                (1, True) if taken <= number < done else (0, False)
            ), point
            assert "Traceback" not in first.stderr + refused.stderr, point
            assert (first.code, workspace.state()) == (0, expected), point
            note(
                "a second apply at each request of the first",
                "reported who holds the lease, or the images are as declared",
            )
