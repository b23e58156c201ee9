"""Text from anywhere -> text that may be shown: secrets removed, commands and control characters escaped; JSON text. Pure.

CI systems carry out commands that they find in a log: ``##vso[…]`` and ``##[…]`` anywhere in a line (Azure Pipelines,
TeamCity, GitHub), ``::…::`` at the start of one (GitHub, Gitea, Forgejo). No text from outside may hold one.

Messages of services and libraries, and tracebacks, quote what they are about: signed URLs, URLs with a log-in, headers,
bodies of log-in requests. Everything that looks like a secret is removed, even if that removes a word too many.
"""

import json
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring
from typing import Any, Final

GONE: Final = "…"
"""Shown in the place of what was removed."""
MIN_SECRET: Final = 4
"""Characters of the shortest known secret that is removed; a shorter one would match half of any text."""
_LOGIN: Final = re.compile(r"(\w+://)[^\s/@'\"]+@")
_QUERY: Final = re.compile(r"(?<=[\w/.%~-])[?#][^\s'\"<>)]*[^\s'\"<>).,;:?]")
_TOKEN: Final = re.compile(r"\bgAAAA[\w=-]{20,}")
_NAMED: Final = re.compile(
    r"""(?ix) ( [\w-]* (?: token | passw(?:or)?d | passcode | secret | authorization ) \b ["']? \s* [:=] \s* )
    ( "[^"\n]*" | '[^'\n]*' | (?:basic|bearer)\ [^\s,;}\])]+ | [^\s,;}\])]+ )"""
)


def remove_secrets(text: str) -> str:
    """A text whose URLs have neither log-in nor query, and which has no token."""
    text = _LOGIN.sub(r"\1", text)
    text = _QUERY.sub("", text)
    return _TOKEN.sub("(a token)", text)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """A traceback: besides, no value that is called a secret, and none of those ``known`` to be one."""
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, GONE)
    return _NAMED.sub(rf"\1{GONE}", remove_secrets(text))


def make_printable(text: str) -> str:
    """Text that cannot move a cursor or turn the direction of writing: ``\\x1b``, ``\\n``, ``\\u202e`` are visible escapes.

    Escaped is what ``str.isprintable`` rejects: control and format characters (bidirectional ones too), line separators,
    spaces other than U+0020, surrogates and unassigned characters. So is a ``#`` after another one.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return break_marks(text, "\\x23")


def quote_word(text: str) -> str:
    """A word of a command to paste: as it is, in quotes, or, where it holds what may not be shown, as ``$'…'``.

    bash, zsh, ksh and BusyBox read that form. Bytes of a path that are not text are returned unchanged.
    """
    if make_printable(text) == text:
        return shlex.quote(text)
    escaped = break_marks("".join(map(_escape_for_shell, text)), r"\x23")
    return f"$'{escaped}'"


def _escape_for_shell(char: str) -> str:
    if not char.isprintable():
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
    return f"\\{char}" if char in "'\\" else char


_MARKS: Final = re.compile(r"#(?:[^\x00-\x7f]*#)+")
"""What a command begins with. Characters between the two may have no weight where strings are compared by a locale."""


def break_marks(text: str, escape: str) -> str:
    """A text in which no ``#`` follows another one: ``escape`` takes the place of the second."""
    return text if text.count("#") < 2 else _MARKS.sub(lambda found: f"#{found[0][1:].replace('#', escape)}", text)


_INK: Final = r"\x1b\[(?:0|1|2|1;33|31|32|33|36)m"
"""The codes of ``render.style.Ink``."""
_RAW: Final = re.compile(rf"{_INK}|\r\x1b\[K|[^\n\t\x20-\x7e]")
_SPACE: Final = rf"(?:[ \t\r]|[^\x00-\x7f]|{_INK}|\x1b\[K)*"
_START: Final = re.compile(rf"^({_SPACE}:[^\x00-\x7f]*):", re.MULTILINE)
_BLANK: Final = re.compile(rf"{_SPACE}(?:(:)[^\x00-\x7f]*)?")
_OPEN: Final = re.compile(r"#[^\x00-\x7f]*\Z")


class LineGuard:
    """Escapes what would command a terminal or a CI system, in text that arrives in pieces.

    The last line of defense, at the stream: what a renderer forgot. Colors of imagesync stay. Escapes are those of
    JSON: a JSON document keeps its values.
    """

    def __init__(self) -> None:
        self._before = ""
        """What matters of the line that is not ended yet: nothing but blanks, a colon, or a ``#`` at its end."""

    def escape(self, text: str) -> str:
        """The next piece."""
        is_printable = text.replace("\n", "").replace("\t", "").isprintable()
        joined = self._before + (text if is_printable else _RAW.sub(_escape_raw, text))
        joined = _START.sub(r"\1\\u003a", break_marks(joined, "\\u0023"))
        line = joined.rpartition("\n")[2]
        blank = _BLANK.fullmatch(line)
        written = joined[len(self._before) :]
        self._before = blank[1] or "" if blank else "x#" if _OPEN.search(line) else "x"
        return written


def escape_commands(text: str) -> str:
    """A whole text without anything that commands a terminal or a CI system."""
    return LineGuard().escape(text)


def _escape_raw(found: re.Match[str]) -> str:
    """Colors of imagesync and the start of a line that is rewritten stay as they are."""
    return found[0] if len(found[0]) > 1 else _escape(found)


def shorten(text: str, max_chars: int) -> str:
    """At most ``max_chars`` characters; ``…`` at the end replaces the rest."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}{GONE}"


def one_line(text: str, max_chars: int) -> str:
    """A message of another program, however many lines it has, as one printable line of at most ``max_chars`` characters."""
    return shorten(make_printable(" ".join(text.split())), max_chars)


def shorten_list(sentences: Sequence[str], most: int = 10) -> list[str]:
    """The first sentences, each printable, and how many more there are."""
    display = [make_printable(sentence) for sentence in sentences[:most]]
    return [*display, f"and {len(sentences) - most} more"] if len(sentences) > most else display


_UNSEEN: Final = re.compile(r"[^\x20-\x7e\n]")


def json_text(document: object, *, indent: int | None = 2) -> str:
    """JSON, sorted, letters of every script as they are; with ``indent`` None on one line."""
    text = json.dumps(document, ensure_ascii=False) if indent is None else _write_json(document, "\n", " " * indent)
    text = text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escape, text)
    return break_marks(text, "\\u0023")


def _write_json(value: Any, line: str, step: str) -> str:
    """What ``json.dumps`` writes sorted and indented, in half its time; ``line`` begins each line.

    The standard library writes piece by piece, in Python, as soon as there is an indent.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is dict:
        inner, lines = line + step, []
        for name in sorted(value):
            item = value[name]
            text = encode_basestring(item) if type(item) is str else _write_json(item, inner, step)
            lines.append(f"{encode_basestring(name)}: {text}")
        return f"{{{inner}{f',{inner}'.join(lines)}{line}}}" if lines else "{}"
    if kind is list:
        inner = line + step
        lines = [_write_json(item, inner, step) for item in value]
        return f"[{inner}{f',{inner}'.join(lines)}{line}]" if lines else "[]"
    if value is None or kind is bool:
        return "null" if value is None else "true" if value else "false"
    return str(value) if kind is int else json.dumps(value)


def _escape(found: re.Match[str]) -> str:
    """A character that is not printable can only be in a string, where JSON has an escape for it."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
