"""Debian packages -> the archive of a base image, made on first use and kept. Needs root and mmdebstrap; writes files."""

import subprocess
from pathlib import Path
from typing import Final

from tests.cloud.install import prepare_folder

PACKAGES: Final = "python3,python3-venv,ca-certificates,curl,dbus,git,systemd"
"""The first three are what the Containerfile needs. The pods and the services of the examples need the others."""
SLIM: Final = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
LIKE_OFFICIAL: Final = (
    'mkdir -p "$1"/usr/local/lib/python3.11/site-packages/pip "$1"/usr/local/lib/python3.11/ensurepip'
)
"""Official images of Python have pip in this folder."""


def prepare_base() -> Path:
    """The archive of a small Debian with ``PACKAGES``. RuntimeError if it cannot be made."""
    return prepare_folder([Path(__file__)], _make) / "base.tar"


def _make(folder: Path) -> None:
    folder.mkdir()
    options = ["--variant=minbase", f"--include={PACKAGES}", *SLIM, f"--customize-hook={LIKE_OFFICIAL}"]
    command = ["mmdebstrap", *options, "bookworm", str(folder / "base.tar")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the base image could not be made: {done.stderr[-2000:]}")
