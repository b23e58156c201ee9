"""The words of a command line -> the names of the catalog and the target, also if the manifest is not valid. Reads files."""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagesync.manifest.files import find_files

MAX_HEAD_BYTES: Final = 2**20
"""The part of a manifest in which the name of its catalog is searched."""
_NAMES: Final = re.compile(r"""^(catalog|default_target):[ \t]+["']?([A-Za-z0-9][A-Za-z0-9._-]{0,63})""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a command was called for: the path of its manifests, and the target, cloud or store that an option names."""

    path: Path
    given: str = ""

    def guess(self) -> tuple[str, str]:
        """The names of the catalog and of the target, as far as they are known without a valid manifest; else empty.

        A pipeline finds its comment on an earlier commit by these names.
        """
        names = _search_names(self.path)
        target = self.given or os.environ.get("OS_CLOUD", "") or names.get("default_target", "")
        return names.get("catalog", ""), target


def make_origin(path: Path | None, target: str | None, cloud: str | None, store: Path | None) -> Origin:
    """The origin of a command with these options."""
    return Origin(path or Path(), target or cloud or str(store or ""))


def _search_names(path: Path) -> dict[str, str]:
    """The names of the catalog and of the default target in the text of manifests, which need not be valid."""
    found: dict[str, str] = {}
    for file in find_files(path)[0]:
        with suppress(OSError):
            found = {**dict(_NAMES.findall(read_head(Path(file.real), MAX_HEAD_BYTES))), **found}
    return found


def read_head(path: Path, size: int) -> str:
    """The beginning of a regular file as text; empty for a pipe or a device. OSError for a link or an unreadable file."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(size).decode("utf-8", "replace") if is_regular else ""
