"""A second apply at every request of a first one, which waits there: who comes second is told who is at work, or was first.

Whatever the first has half done, it is never taken for a bug, a refusal or a thing to put right.
"""

import threading
from pathlib import Path

import pytest

from tests.fault.proxy import Call, Fault
from tests.fault.runner import Runner
from tests.fault.stage import Stage
from tests.trials import note


def test_a_plan_while_another_run_makes_images(stage: Stage, tmp_path: Path) -> None:
    """They come after the listing, and before it is asked who holds the names: ours, and in nobody's way."""
    stage.prepared()
    come, held = threading.Event(), threading.Event()

    def listed(call: Call) -> Fault | None:
        first = "os_hidden=false" in call.path and not come.is_set()
        return Fault(after=come.set, held=held) if first else None

    stage.proxy.forget()
    stage.proxy.fault = listed
    with Runner(stage.env, tmp_path) as second:
        stage.runner.start("plan", str(stage.folder), *stage.words)
        assert come.wait(60)
        assert second.run("apply", "--yes", str(stage.folder), *stage.words)[0] == 0
    held.set()
    code, told = stage.runner.end()
    assert (code, "No changes. 7 images match the manifest." in told) == (0, True), told


@pytest.mark.exhaustive
def test_a_second_apply_at_each_request_of_the_first(stage: Stage, tmp_path: Path) -> None:
    """From the record of the lease to the last change the second does nothing; later there is nothing to do."""
    beginning = stage.prepared()
    stage.proxy.forget()
    code, told = stage.apply()
    assert code == 0, told
    calls, expected = list(stage.proxy.calls), stage.state()
    writes = [call.number for call in calls if call.method != "GET"]
    taken, *_, done, _freed = writes
    with Runner(stage.env, tmp_path) as second:
        for number, call in enumerate(calls):
            stage.cloud.restore(beginning)
            come, held = threading.Event(), threading.Event()

            def at_that(found: Call) -> Fault | None:
                return Fault(after=come.set, held=held) if found.number == number else None  # noqa: B023 - in this turn

            stage.proxy.forget()
            stage.proxy.fault = at_that
            stage.runner.start("apply", "--yes", str(stage.folder), *stage.words)
            assert come.wait(60)
            code, told = second.run("apply", "--yes", "--lock-timeout", "0", str(stage.folder), *stage.words)
            held.set()
            ended, said = stage.runner.end()
            point = f"request {number}, {call.kind}: {told} and {said}"
            assert (code, "is at work elsewhere: host" in told) == (
                (1, True) if taken <= number < done else (0, False)
            ), point
            assert "Traceback" not in told + said, point
            assert (ended, stage.state()) == (0, expected), point
            note("a second apply at each request of the first", "told who is at work, or the images are as wanted")
