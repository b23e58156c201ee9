"""Text from outside -> text that is safe to show: without secrets, commands and control characters; JSON text. Pure.

CI systems execute commands that they find in a log: ``##vso[…]`` and ``##[…]`` anywhere in a line (Azure Pipelines,
TeamCity, GitHub), ``::…::`` at the start of a line (GitHub, Gitea, Forgejo). They are escaped.

Messages of services and libraries, and tracebacks, may quote signed URLs, URLs with a log-in, headers, and bodies of
log-in requests. Everything that looks like a secret is removed, even if that sometimes removes a harmless word.
"""

import json
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring
from typing import Any, Final

ELLIPSIS: Final = "…"
"""Replaces text that was removed."""
MIN_SECRET: Final = 4
"""Characters of the shortest known secret that is removed: a shorter one would match parts of harmless words."""
_LOGIN: Final = re.compile(r"(?<=\w)(://)[^\s/@'\"]+@")
_QUERY: Final = re.compile(r"(?<=[\w/.%~-])[?#][^\s'\"<>)]+")
_END_OF_SENTENCE: Final = ".,;:?"
_TOKEN: Final = re.compile(r"\bgAAAA[\w=-]{20,}")
_NAMED: Final = re.compile(
    r"""(?ix) ( (?: token | passw(?:or)?d | passcode | secret | authorization ) \b ["']? \s* [:=] \s* )
    ( "[^"\n]*" | '[^'\n]*' | (?:basic|bearer)\ [^\s,;}\])]+ | [^\s,;}\])]+ )"""
)


def remove_secrets(text: str) -> str:
    """A text without tokens, and without the log-ins and queries of its URLs.

    The time is linear in the length: a service may return a message of many MiB.
    """
    text = _LOGIN.sub(r"\1", text)
    text = _QUERY.sub(_remove_query, text)
    return _TOKEN.sub("(a token)", text)


def _remove_query(found: re.Match[str]) -> str:
    """The punctuation after a query, which ends the sentence; a ``?`` or ``#`` alone is not a query."""
    length = len(found[0].rstrip(_END_OF_SENTENCE))
    return found[0][length:] if length > 1 else found[0]


def redact(text: str, known: Iterable[str] = ()) -> str:
    """A traceback as after ``remove_secrets``, and without ``known`` secrets and the values of secret names."""
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= MIN_SECRET:
            text = text.replace(secret, ELLIPSIS)
    return _NAMED.sub(rf"\1{ELLIPSIS}", remove_secrets(text))


def make_printable(text: str) -> str:
    """Text that cannot move the cursor or change the writing direction: ``\\x1b``, ``\\n``, ``\\u202e`` become escapes.

    All characters that ``str.isprintable`` rejects are escaped: control and format characters (also bidirectional
    ones), line separators, spaces other than U+0020, surrogates and unassigned characters. A ``#`` after another ``#``
    is escaped too.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return break_marks(text, "\\x23")


def quote_word(text: str) -> str:
    """A word of a command that the user can paste: unchanged, in quotes, or, if it has characters to escape, as
    ``$'…'``.

    bash, zsh, ksh and BusyBox read that form. The shell gives back the same bytes, also those that are not text.
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
"""The start of a command. A comparison by locale may ignore the characters between the two ``#``."""


def break_marks(text: str, escape: str) -> str:
    """A text in which ``escape`` replaces each ``#`` that follows another one."""
    return text if text.count("#") < 2 else _MARKS.sub(lambda found: f"#{found[0][1:].replace('#', escape)}", text)


_INK: Final = r"\x1b\[(?:0|1|2|1;33|31|32|33|36)m"
"""The codes of ``render.style.Ink``."""
_RAW: Final = re.compile(rf"{_INK}|\r\x1b\[K|[^\n\t\x20-\x7e]")
_SPACE: Final = rf"(?:[ \t\r]|[^\x00-\x7f]|{_INK}|\x1b\[K)*"
_START: Final = re.compile(rf"^({_SPACE}:[^\x00-\x7f]*):", re.MULTILINE)
_BLANK: Final = re.compile(rf"{_SPACE}(?:(:)[^\x00-\x7f]*)?")
_OPEN: Final = re.compile(r"#[^\x00-\x7f]*\Z")


class LineGuard:
    """Escapes commands for a terminal or a CI system, in text that arrives in pieces.

    It guards the output stream against text that a renderer did not clean. Colors of imagesync are kept. The escapes
    are those of JSON, so the values of a JSON document do not change.
    """

    def __init__(self) -> None:
        self._before = ""
        """The relevant part of the unfinished line: empty (only blanks), ``:``, ``x#`` (ends with ``#``), or ``x``."""

    def escape(self, text: str) -> str:
        """The next piece, escaped."""
        is_printable = text.replace("\n", "").replace("\t", "").isprintable()
        joined = self._before + (text if is_printable else _RAW.sub(_escape_raw, text))
        joined = _START.sub(r"\1\\u003a", break_marks(joined, "\\u0023"))
        line = joined.rpartition("\n")[2]
        blank = _BLANK.fullmatch(line)
        written = joined[len(self._before) :]
        self._before = blank[1] or "" if blank else "x#" if _OPEN.search(line) else "x"
        return written

    def escape_command(self, command: str) -> str:
        """A line ``::NAME …::TEXT``, a command of imagesync itself: only its first two characters are not escaped.

        It begins on a new line, because CI systems ignore a command within one.
        """
        start = "\n" if self._before else ""
        self._before = "x"
        return f"{start}::" + self.escape(command.removeprefix("::") + "\n")


def escape_commands(text: str) -> str:
    """A whole text without commands for a terminal or a CI system."""
    return LineGuard().escape(text)


def _escape_raw(found: re.Match[str]) -> str:
    """Keep colors of imagesync and the sequence that rewrites a line; escape other characters."""
    return found[0] if len(found[0]) > 1 else _escape(found)


def shorten(text: str, max_chars: int) -> str:
    """At most ``max_chars`` characters; ``…`` at the end replaces the rest."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}{ELLIPSIS}"


def join_lines(text: str, max_chars: int) -> str:
    """A message of another program as one printable line of at most ``max_chars`` characters."""
    return shorten(make_printable(" ".join(text.split())), max_chars)


def shorten_list(sentences: Sequence[str], most: int = 10) -> list[str]:
    """The first ``most`` sentences, printable, then the number of the others."""
    display = [make_printable(sentence) for sentence in sentences[:most]]
    return [*display, f"and {len(sentences) - most} more"] if len(sentences) > most else display


_UNSEEN: Final = re.compile(r"[^\x20-\x7e\n]")


def format_json(document: object, *, indent: int | None = 2) -> str:
    """JSON with sorted names and unescaped letters of every script; on one line if ``indent`` is None."""
    text = json.dumps(document, ensure_ascii=False) if indent is None else _write_json(document, "\n", " " * indent)
    text = text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escape, text)
    return break_marks(text, "\\u0023")


def _write_json(value: Any, line: str, step: str) -> str:
    """The output of ``json.dumps``, sorted and indented, in half the time; ``line`` is the start of each line.

    With an indent, the standard library does not use its C code.
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
    """The JSON escape of a character that is not printable: in JSON it can only be part of a string."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")


def format_size(count: int | None) -> str:
    """A number of bytes with a unit: ``1.5 GiB``; None is unknown."""
    if count is None:
        return "unknown size"
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
