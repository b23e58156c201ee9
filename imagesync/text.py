"""Texts that others made -> the same without what must stay secret. Pure.

Messages of services and libraries, and tracebacks, quote what they were about: URLs that are signed or carry a log-in,
headers, bodies of log-in requests. What is recognised is taken out, at the price of a word too many.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

GONE: Final = "…"
SHORTEST: Final = 4
"""Characters of a known secret that is looked for; a shorter one would blot out half of any text."""
_LOGIN: Final = re.compile(r"(\w+://)[^\s/@'\"]+@")
_QUERY: Final = re.compile(r"(?<=[\w/.%~-])[?#][^\s'\"<>)]*[^\s'\"<>).,;:?]")
_TOKEN: Final = re.compile(r"\bgAAAA[\w=-]{20,}")
_NAMED: Final = re.compile(
    r"""(?ix) ( [\w-]* (?: token | passw(?:or)?d | passcode | secret | authorization ) \b ["']? \s* [:=] \s* )
    ( "[^"\n]*" | '[^'\n]*' | (?:basic|bearer)\ [^\s,;}\])]+ | [^\s,;}\])]+ )"""
)


def without_secrets(text: str) -> str:
    """A text whose URLs have neither log-in nor query, and which has no token."""
    text = _LOGIN.sub(r"\1", text)
    text = _QUERY.sub("", text)
    return _TOKEN.sub("(a token)", text)


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """A traceback: besides, no value that is called a secret, and none of those ``known`` to be one."""
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, GONE)
    return _NAMED.sub(rf"\1{GONE}", without_secrets(text))


_UNSEEN: Final = re.compile(r"[^\x20-\x7e\n]")


def json_text(document: object, *, indent: int | None = 2) -> str:
    """JSON, sorted, letters of every script as they are; with ``indent`` None on one line."""
    text = json.dumps(document, indent=indent, sort_keys=indent is not None, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """A character that is not printable can stand in a string only, where JSON knows an escape for it."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
