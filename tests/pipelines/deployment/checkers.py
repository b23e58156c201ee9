"""The pinned checkers of PyPI, and what they report. Runs them."""

import subprocess
from pathlib import Path
from typing import Final

from tests.pip import prepare_programs

PINNED: Final = Path(__file__).with_name("checkers.txt")


def check(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What a checker reports; ``program`` is its command. RuntimeError if it cannot be installed."""
    command = [str(prepare_programs(PINNED) / program), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)
