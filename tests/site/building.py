"""The documentation -> the site. Runs Sphinx, of the extra docs, in a process of its own."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.command import ROOT


class Built(NamedTuple):
    """A site, the exit code of Sphinx, and its warnings, one a line."""

    folder: Path
    code: int
    warnings: str


def build(docs: Path, folder: Path) -> Built:
    """Build a site with the options that CONTRIBUTING.md names; ``folder`` is empty or does not exist."""
    options = ["-W", "--keep-going", "-q", "-b", "dirhtml", "-d", str(folder.with_suffix(".cache"))]
    command = [sys.executable, "-m", "sphinx", *options, str(docs), str(folder)]
    done = subprocess.run(command, cwd=docs.parent, capture_output=True, text=True, check=False)
    return Built(folder, done.returncode, done.stderr)


def copy_docs(folder: Path) -> Path:
    """A copy of docs/ that a test may change, beside the other files of the repository; returns its path."""
    for path in ROOT.iterdir():
        if path.name != "docs":
            (folder / path.name).symlink_to(path)
    return Path(shutil.copytree(ROOT / "docs", folder / "docs"))
