"""A working directory -> the root of its repository, and paths from there, which CI systems need. Asks the file system."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from imagesync.errors import Diagnostic

CHECKOUTS: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables of GitHub and GitLab with the folder of the checkout."""


def find_repository(folder: Path, environment: Mapping[str, str]) -> Path:
    """The root of the repository that ``folder`` is in, without links; ``folder`` itself if it is in none.

    In the checkout of a CI system it is the outermost folder with ``.git``, because the annotated repository is not its
    submodule; the checkout itself if there is no ``.git``. Elsewhere it is the innermost one.
    """
    here = Path(os.path.realpath(folder))
    above = [here, *here.parents]
    given = [os.path.realpath(environment[name]) for name in CHECKOUTS if environment.get(name)]
    if checkout := next((one for one in above if str(one) in given), None):
        inside = above[: above.index(checkout) + 1]
        return next((one for one in reversed(inside) if (one / ".git").exists()), checkout)
    return next((one for one in above if (one / ".git").exists()), here)


def name_from_root(problems: Sequence[Diagnostic], folder: Path, root: Path) -> list[Diagnostic]:
    """The problems with the paths of their files relative to ``root``; absolute for files outside of it.

    ``folder``: the folder that relative paths of the problems are relative to.
    """
    return [replace(problem, file=_find_name(problem.file, folder, root)) for problem in problems]


def _find_name(file: str, folder: Path, root: Path) -> str:
    """A link is followed only if its own path is not in the repository."""
    path = os.path.join(os.path.realpath(folder), file)
    for real in (os.path.normpath(path), os.path.realpath(path)):
        if Path(real).is_relative_to(root):
            return os.path.relpath(real, root)
    return os.path.normpath(path)
