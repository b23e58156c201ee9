"""The pinned services -> a separate virtual prepare_environment, created on first use and kept. Writes files, runs pip."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"


def find_cache_folder() -> Path:
    """The folder of environments: ``IMAGESYNC_TEST_CACHE``, or a folder in the user's cache."""
    named = os.environ.get("IMAGESYNC_TEST_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "imagesync-tests"


def prepare_environment() -> Path:
    """The folder of the complete virtual prepare_environment; a second process waits until the first has created it."""
    return prepare_folder((REQUIREMENTS, HERE / "bootstrap.py", HERE / "configuration.py"), _install)


def prepare_folder(made_by: Sequence[Path], fill: Callable[[Path], None]) -> Path:
    """The folder of the cache that ``fill`` makes from these files; it is called if no complete folder exists."""
    seed = sys.version.encode() + b"".join(path.read_bytes() for path in made_by)
    folder = find_cache_folder() / hashlib.sha256(seed).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            fill(folder)
            (folder / "complete").touch()
    return folder


def _install(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the services for the tests could not be installed: {done.stderr[-2000:]}")
