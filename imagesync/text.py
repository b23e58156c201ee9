"""Text from anywhere -> text that may be shown: secrets removed, control characters escaped, shortened; JSON text. Pure.

Messages of services and libraries, and tracebacks, quote what they are about: signed URLs, URLs with a log-in, headers,
bodies of log-in requests. Everything that looks like a secret is removed, even if that removes a word too many.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

GONE: Final = "…"
"""Stands for what was removed."""
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
    spaces other than U+0020, surrogates and unassigned characters.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def shorten(text: str, max_chars: int) -> str:
    """At most ``max_chars`` characters; ``…`` at the end stands for the rest."""
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}{GONE}"


def one_line(text: str, max_chars: int) -> str:
    """A message of another program, however many lines it has, as one printable line of at most ``max_chars`` characters."""
    return shorten(make_printable(" ".join(text.split())), max_chars)


def shorten_list(sentences: Sequence[str], most: int = 10) -> list[str]:
    """The first sentences, each printable, and how many more there are."""
    shown = [make_printable(sentence) for sentence in sentences[:most]]
    return [*shown, f"and {len(sentences) - most} more"] if len(sentences) > most else shown


_UNSEEN: Final = re.compile(r"[^\x20-\x7e\n]")


def json_text(document: object, *, indent: int | None = 2) -> str:
    """JSON, sorted, letters of every script as they are; with ``indent`` None on one line."""
    text = json.dumps(document, indent=indent, sort_keys=indent is not None, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    """A character that is not printable can stand in a string only, where JSON knows an escape for it."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
