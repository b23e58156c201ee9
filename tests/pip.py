"""The Python packages that a file pins -> their programs, in a folder of the cache, made on first use and kept. Runs pip."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.cloud.install import prepare_folder


def prepare_programs(pinned: Path) -> Path:
    """The folder of the programs; ``pinned``: a requirements file. RuntimeError if pip fails. Only wheels are installed."""
    return prepare_folder([pinned, Path(__file__)], partial(_install, pinned)) / "bin"


def _install(pinned: Path, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "-r",
        str(pinned),
    ]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the packages of {pinned} could not be installed: {done.stderr[-2000:]}")
