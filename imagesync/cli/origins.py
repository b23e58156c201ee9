"""The words of a command line -> the names of the catalog and the target, also if the manifest is not valid. Reads files."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagesync.backends import find_environment_cloud
from imagesync.manifest.files import find_files
from imagesync.secrets import hide_secrets

MAX_HEAD_BYTES: Final = 2**20
"""The part of a manifest in which the name of its catalog is searched."""
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NAMES: Final = re.compile(rf"""^(catalog|default_target):[ \t]+["']?({_NAME})""", re.MULTILINE)
_TARGETS: Final = re.compile(r"^targets:[^\n]*\n((?:[ #][^\n]*\n|\n)*)", re.MULTILINE)
_TARGET: Final = re.compile(rf"""( +)["']?({_NAME})["']?:""")
_PLACE: Final = re.compile(r"""(?:^ *|[{,] *)(cloud|store): +["']?([^"'\n,}#]{1,1024}?)["']? *(?:$|[,}]| #)""")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a command was called for: the path of its manifests or saved plan, and what its options select.

    ``cloud``, ``store``: those of the options; empty without. ``catalog``, ``target``: their names, as soon as they are
    known; ``target`` is empty if it has none. ``is_several``: the command is for several targets; then none of them is
    named.
    """

    path: Path
    cloud: str = ""
    store: str = ""
    catalog: str = ""
    target: str = ""
    is_several: bool = False

    def guess(self) -> tuple[str, str]:
        """The names of the catalog and of the target, as far as they are known without a valid manifest; else empty.

        A word that looks like a secret is not a name: a user gave it to the wrong option.

        A pipeline finds its comment on an earlier commit by these names.
        """
        if self.is_several:
            return self.catalog or _search_names(self.path).get("catalog", ""), ""
        cloud = self.cloud or ("" if self.store else find_environment_cloud() or "")
        if self.catalog:
            return self.catalog, self.target or cloud or self.store
        names = _search_names(self.path)
        is_given = bool(cloud or self.store)
        target = self.target or (
            _find_target(self.path, cloud, self.store) if is_given else names.get("default_target", "")
        )
        return names.get("catalog", ""), "" if hide_secrets(target) != target else target


def make_origin(
    path: Path | None, target: str | None, cloud: str | None, store: Path | None, *, is_several: bool = False
) -> Origin:
    """The origin of a command with these options."""
    given = "" if cloud or store is None else str(store)
    return Origin(path or Path(), cloud or "", given, target=target or "", is_several=is_several)


def _search_names(path: Path) -> dict[str, str]:
    """The names of the catalog and of the default target in the text of manifests, which need not be valid."""
    found: dict[str, str] = {}
    for _, text in _read_heads(path):
        found = {**dict(_NAMES.findall(text)), **found}
    return found


def _find_target(path: Path, cloud: str, store: str) -> str:
    """The first target of the manifests with this cloud, or without a cloud with this store; the cloud or store itself if
    none has it."""
    for folder, text in _read_heads(path):
        for name, field, value in _search_places(text):
            real = os.path.realpath(os.path.join(folder, value))
            if value == cloud if field == "cloud" else store and real == os.path.realpath(store):
                return name
    return cloud or store


def _search_places(text: str) -> Iterator[tuple[str, str, str]]:
    """The name, ``cloud`` or ``store``, and its value, of each target in the text of a manifest, which need not be valid."""
    for block in _TARGETS.findall(text):
        indent, name = "", ""
        for line in block.split("\n"):
            if (found := _TARGET.match(line)) and found[1] == (indent or found[1]):
                indent, name = found.groups()
            if name and (place := _PLACE.search(line)):
                yield name, place[1], place[2]


def _read_heads(path: Path) -> Iterator[tuple[str, str]]:
    """The folder and the beginning of each manifest that can be read."""
    for file in find_files(path)[0]:
        with suppress(OSError):
            text = read_head(Path(file.real), MAX_HEAD_BYTES)
            yield file.folder, text


def read_head(path: Path, size: int) -> str:
    """The beginning of a regular file as text; empty for a pipe or a device. OSError for a link or an unreadable file."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return file.read(size).decode("utf-8", "replace") if is_regular else ""
