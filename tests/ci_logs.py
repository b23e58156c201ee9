"""Finds text that commands a CI system or a terminal: a small copy of their parsers. Reads files."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from imagesync.render.style import Ink

HOSTILE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Azure": "##vso[task.setvariable variable=PATH]/evil",
        "Azure, amid a line": "x ##[error]evil",
        "Azure, within a word": "x##vso[task.complete]x",
        "Azure, a character without weight": "#\u034f#vso[task.complete]x",
        "GitHub, first form": "##[set-env name=PATH]/evil",
        "GitHub": "::stop-commands::evil",
        "GitHub, after spaces": "  ::add-mask::evil",
        "GitHub, on a line of its own": "x\n::set-output name=a::evil",
        "TeamCity": "##teamcity[buildStatus text='evil']",
        "GitLab": "section_start:1:evil\r\x1b[0K",
        "a line written anew": "x\r::stop-commands::evil",
        "a terminal's title": "\x1b]0;evil\x07",
        "text turned round": "\u202e##[evil]\u2066",
    }
)
"""Texts that command a CI system or a terminal."""
USUAL: Final = ("Azure", "GitHub", "GitHub, on a line of its own", "a terminal's title")
"""One text of each kind; the others are tried with ``--exhaustive``."""
_INK: Final = re.compile(rf"\x1b\[(?:0|{'|'.join(ink.value for ink in Ink)})m")


def pick_kinds(kinds: Iterable[str], usual: Collection[str] = USUAL) -> list[Any]:
    """Values for ``parametrize``: those that are not usual are marked exhaustive."""
    return [kind if kind in usual else pytest.param(kind, marks=pytest.mark.exhaustive) for kind in kinds]


def find_commands(text: str) -> Iterator[str]:
    """Each line that a CI system or terminal would execute, or that has characters that a reader does not see."""
    for line in re.split(r"\r\n|\r|\n", text):
        plain = _INK.sub("", line)
        # .NET compares strings by the rules of a language, and these rules ignore some characters
        weighed = "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Mn", "Cc"))
        found = [
            re.search(r"##(?:vso|teamcity)?\[", weighed),
            *(re.match(r"\s*::.*::", one) for one in (weighed, plain)),
        ]
        if any(found) or not plain.replace("\t", "").isprintable():
            yield line


def find_commands_below(folder: Path) -> list[str]:
    """The same for each file below a folder."""
    return [line for path in sorted(folder.rglob("*")) if path.is_file() for line in find_commands(path.read_text())]
