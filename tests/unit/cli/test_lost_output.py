"""What becomes of output that cannot be written."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from imagesync.cli import streams
sys.{stream} = open(sys.{stream}.fileno(), "w", closefd=False)
sys.{stream}.write("what nobody gets to read")
raise SystemExit(streams.flush({code}))
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(("code", "expected"), [(0, 1), (1, 1), (64, 64), (130, 130)])
def test_output_that_is_lost_at_the_end_is_a_failure(stream: str, code: int, expected: int) -> None:
    """Of a run that has failed otherwise the exit code stays; Python's own would be 120."""
    command = [sys.executable, "-c", PROGRAM.format(stream=stream, code=code)]
    with open("/dev/full", "w") as full:
        outputs = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: full}
        assert subprocess.run(command, **outputs, check=False).returncode == expected  # type: ignore[call-overload]
