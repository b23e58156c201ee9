"""A path of the command line -> whether a link in it leads out of the working directory. Follows links, no other I/O.

The working directory is often a checkout that untrusted people wrote: a link in it must not choose which file is read
or written. An absolute path is the choice of the user, links included: git-sync and Nix work with links.
"""

import os
from pathlib import Path
from typing import Final

from imagesync.errors import UsageError
from imagesync.text import make_printable, quote_word


def is_within(path: str, folder: str) -> bool:
    """Whether a real path is a real folder or below it."""
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)


def is_among_files(path: str, folder: str) -> bool:
    """Whether a real path is below a real folder, and not in ``.git``: ``.git/config`` may hold the user's token."""
    return is_within(path, folder) and ".git" not in path[len(folder) :].lower().split(os.sep)


MOVE: Final = "move it, or pass --allow-outside"
"""The hint of a place problem."""


def find_place_problem(path: str, folder: str) -> str | None:
    """Why a manifest in ``folder`` may not name this path, links included; None if it may."""
    real, real_folder = os.path.realpath(path), os.path.realpath(folder)
    if not is_within(real, real_folder):
        return "lies outside the catalog's folder"
    return None if is_among_files(real, real_folder) else "lies in .git, which may hold credentials"


def find_way_out(path: Path | str) -> str | None:
    """Where a link in a relative path leads out of the working directory, or into ``.git``; None if none does.

    ``..`` that the user wrote is not a link: ``../images`` may be read, but no link in it may lead to another place.
    """
    if os.path.isabs(path):
        return None
    here, real = os.path.realpath(os.curdir), os.path.realpath(path)
    is_as_written = real == os.path.normpath(os.path.join(here, path))
    return None if is_as_written or is_among_files(real, here) else real


def explain_way_out(path: Path | str, real: str, *, option: str = "") -> tuple[str, str]:
    """The message about a path with such a link, and the hint. ``option`` is the option that permits it."""
    absolute = quote_word(os.path.join(os.path.realpath(os.curdir), path))
    also = f", or pass {option}" if option else ""
    message = f"a link leads to {make_printable(real)}, which is outside the working directory or in .git"
    return message, f"if you trust the link, use the absolute path {absolute}{also}"


def check_way(path: Path | str, *, option: str = "", is_allowed: bool = False) -> None:
    """UsageError if a link in a path leads out of the working directory, unless ``is_allowed``."""
    real = None if is_allowed else find_way_out(path)
    if real is not None:
        message, hint = explain_way_out(path, real, option=option)
        raise UsageError(f"{make_printable(str(path))}: {message}", hint)
