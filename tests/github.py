"""The parser of workflow commands: a line of a log -> the command that GitHub Actions executes. Pure.

It follows the runner (``ActionCommand``): a line begins with ``::`` after any white space, the command ends at the next
``::``, its name at the first space, and properties are ``KEY=VALUE`` between commas. An older form, ``##[NAME KEY=VALUE;…]TEXT``,
counts anywhere in a line. Names of commands are compared without case; other names are ignored.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

NAMES: Final = frozenset(
    {
        *(
            "stop-commands",
            "set-env",
            "set-output",
            "save-state",
            "add-mask",
            "add-path",
            "add-matcher",
            "remove-matcher",
        ),
        *("debug", "warning", "error", "notice", "group", "endgroup", "echo", "internal-set-repo-path"),
    }
)
_DATA: Final = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY: Final = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_OLD: Final = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


class WorkflowCommand(NamedTuple):
    """A command, its properties, and its text."""

    name: str
    properties: dict[str, str]
    text: str


def read_commands(log: str) -> Iterator[WorkflowCommand]:
    """Each command of a log, in order; a carriage return begins a new line, too."""
    for line in re.split(r"\r\n|\r|\n", log):
        command = _read_new_form(line.lstrip()) or _read_old_form(line)
        if command is not None:
            yield command


def _read_new_form(line: str) -> WorkflowCommand | None:
    head, separator, text = line.removeprefix("::").partition("::")
    if not (line.startswith("::") and separator):
        return None
    name, _, pairs = head.partition(" ")
    return _make(name, pairs.strip().split(","), text, _PROPERTY, _DATA)


def _read_old_form(line: str) -> WorkflowCommand | None:
    _, start, rest = line.partition("##[")
    head, end, text = rest.partition("]")
    if not (start and end):
        return None
    name, _, pairs = head.partition(" ")
    return _make(name, pairs.split(";"), text, _OLD, _OLD)


Escapes = tuple[tuple[str, str], ...]


def _make(name: str, pairs: list[str], text: str, escapes: Escapes, text_escapes: Escapes) -> WorkflowCommand | None:
    if name.lower() not in NAMES:
        return None
    split = [pair.lstrip("=").partition("=") for pair in pairs]
    properties = {key.lower(): _unescape(value, escapes) for key, _, value in split if key and value}
    return WorkflowCommand(name.lower(), properties, _unescape(text, text_escapes))


def _unescape(text: str, escapes: Escapes) -> str:
    for escape, char in escapes:
        text = text.replace(escape, char)
    return text
