"""How many targets a worker works for at the same time (docs/fleet.md, Size)."""

import re
import string

import pytest

from tests.fleet.lab import Lab

pytestmark = pytest.mark.fleet

EIGHT = string.ascii_lowercase[:8]


def test_one_target_at_a_time(lab: Lab) -> None:
    """The next target begins when the one before has ended."""
    lab.write(lab.declare("one"), EIGHT)
    lab.start_scheduler()
    worker = lab.start_worker("w", *EIGHT, words=("--parallel-targets", "1"))
    worker.wait_for(f"worker w ready: {', '.join(EIGHT)}; at most 1 at a time")
    lab.run("plan")
    worker.terminate()
    assert re.findall(r"plan (begins|ended)", worker.wait().stderr) == ["begins", "ended"] * 8


@pytest.mark.parametrize(("number", "ending"), [(16, "t15\n"), (17, "t16; at most 16 at a time\n")])
def test_the_default(lab: Lab, number: int, ending: str) -> None:
    """With more, a worker on a busy host has no time for its signs of life."""
    lab.start_scheduler()
    worker = lab.start_worker("w", *(f"t{place}" for place in range(number)))
    assert worker.wait_for("worker w ready").endswith(ending)
