"""Plain data -> YAML text that the loader reads back as the same data. Pure.

Block style, keys in the order given, lists of short words on one line. Text is written without quotes if the loader
returns the same text and no reader could misread it; all other text is quoted and escaped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from imagesync.text import break_marks, make_printable

Item: TypeAlias = str | Mapping[str, str]
"""An item of a list: a text, or a mapping on one line."""
Data: TypeAlias = "str | int | bool | Sequence[Item] | Mapping[str, Data]"

_FIRST: Final = r"[^\s\-?:,\[\]{}#&*!|>'\"%@`~=<]"
_IN_BLOCK: Final = re.compile(rf"-?{_FIRST}([^:#\n]|:(?=\S)|(?<=\S)#)*")
_IN_LIST: Final = re.compile(rf"-?{_FIRST}[^\s:#,?\[\]{{}}]*( [^\s:#,?\[\]{{}}]+)*")
_MISREAD: Final = re.compile(r"null|true|false|yes|no|on|off|y|n|\.nan|[-+]?\.inf", re.IGNORECASE)
_MAX_LINE_CHARS: Final = 116


def yaml_text(document: Mapping[str, Data]) -> str:
    """A whole document; every line ends with a newline."""
    return "".join(f"{line}\n" for line in _write_mapping(document, ""))


def _write_mapping(mapping: Mapping[str, Data], indent: str) -> Iterator[str]:
    for name, value in mapping.items():
        head = f"{indent}{write_scalar(name)}:"
        if isinstance(value, Mapping) and value:
            yield head
            yield from _write_mapping(value, f"{indent}  ")
        elif isinstance(value, Mapping):
            yield f"{head} {{}}"
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from _write_sequence(head, value, indent)
        else:
            yield f"{head} {write_scalar(value)}"


def _write_sequence(head: str, items: Sequence[Item], indent: str) -> Iterator[str]:
    """A list on one line if it fits, else one item per line."""
    line = f"{head} [{', '.join(_write_item(item, _IN_LIST) for item in items)}]"
    if len(line) <= _MAX_LINE_CHARS:
        yield line
    else:
        yield head
        yield from (f"{indent}  - {_write_item(item, _IN_BLOCK)}" for item in items)


def _write_item(item: Item, plain: re.Pattern[str]) -> str:
    if isinstance(item, str):
        return write_scalar(item, plain)
    pairs = (f"{write_scalar(name, _IN_LIST)}: {write_scalar(value, _IN_LIST)}" for name, value in item.items())
    return f"{{{', '.join(pairs)}}}"


def write_scalar(value: str | int | bool, plain: re.Pattern[str] = _IN_BLOCK) -> str:
    """A scalar as it is written: ``24.04``, ``"no"``, ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if _is_plain(value, plain) else _quote(value)


def _is_plain(text: str, plain: re.Pattern[str]) -> bool:
    return (
        text.isprintable()
        and text == make_printable(text)
        and text == text.strip()
        and not text.endswith(":")
        and not _MISREAD.fullmatch(text)
        and plain.fullmatch(text) is not None
    )


def _quote(text: str) -> str:
    """The text in double quotes, without ``##``, which begins a command in the logs of a CI system."""
    return break_marks(f'"{"".join(map(_escape, text))}"', "\\x23")


def _escape(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char == "\n":
        return "\\n"
    if char == "\t":
        return "\\t"
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 2**16 else f"\\U{ord(char):08x}"
