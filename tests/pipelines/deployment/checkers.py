"""The pinned checkers of PyPI -> their programs, in a virtual environment that is made on first use and kept. Runs pip."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cloud.install import prepare_folder

PINNED: Final = Path(__file__).with_name("checkers.txt")


def check(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What a checker reports; ``program`` is its command. RuntimeError if it cannot be installed."""
    command = [str(prepare_folder([PINNED], _install) / "bin" / program), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def _install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(PINNED)]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the checkers could not be installed: {done.stderr[-2000:]}")
