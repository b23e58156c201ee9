"""A document -> JSON text that is safe on a terminal and in any file: what cannot be printed is escaped. Pure."""

import json
import re
from typing import Final

_UNSEEN: Final = re.compile(r"[^\x20-\x7e\n]")


def json_text(document: object, *, indent: int | None = 2) -> str:
    """JSON, sorted, letters of every script as they are; with ``indent`` None on one line."""
    text = json.dumps(document, indent=indent, sort_keys=indent is not None, ensure_ascii=False)
    return text if text.isascii() and "\x7f" not in text else _UNSEEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    """A character that is not printable can stand in a string only, where JSON knows an escape for it."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
