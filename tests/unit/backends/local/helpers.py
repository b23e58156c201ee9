"""Functions that several tests of the local store use."""

import os
import subprocess
import sys
from pathlib import Path

from imagesync.backends.base import Backend
from imagesync.model.image import LiveImage


def add_queued(backend: Backend, name: str = "n") -> LiveImage:
    """Create a raw image without data."""
    return backend.create_image(name=name, disk_format="raw", container_format="bare")


def start_python(code: str, *words: str) -> subprocess.Popen[str]:
    """Start another process that runs ``code``; ``words`` are its ``sys.argv[1:]``."""
    command = [sys.executable, "-c", f"import sys\nfrom imagesync import open_backend\n{code}", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def count_open(folder: Path) -> int:
    """How many files in a folder, or below it, this process has open; one that is open twice counts twice."""
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(os.readlink(path).startswith(f"{folder}/") for path in links)
