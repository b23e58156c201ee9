"""A file of a user -> its content, or its JSON, which is not checked yet. Reads the file."""

import json
from pathlib import Path
from typing import Any, Final

from imagesync.errors import UsageError
from imagesync.paths import check_way
from imagesync.text import make_printable

MAX_BYTES: Final = 256 * 2**20
"""A longer file is not read to its end."""


def read_json(path: Path, kind: str, hint: str, *, allow_outside: bool | None = None) -> Any:
    """The JSON of a file; UsageError if it cannot be read, or is not JSON. ``kind``: what it should be, ``hint``: what to do.

    ``allow_outside`` permits a relative path that leaves the working directory through a link; None: the command has no
    such option.
    """
    content = read_content(path, kind, hint, MAX_BYTES, allow_outside=allow_outside)
    return parse_json(content, make_printable(str(path)), kind, hint)


def read_content(path: Path, kind: str, hint: str, max_bytes: int, *, allow_outside: bool | None = None) -> bytes:
    """The bytes of a file; UsageError if it cannot be read or is too large. For the parameters see ``read_json``."""
    display = make_printable(str(path))
    check_way(path, option="" if allow_outside is None else "--allow-outside", is_allowed=bool(allow_outside))
    try:
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UsageError(f"{display} cannot be read: {error.strerror}", "check the path") from error
    if len(content) > max_bytes:
        raise UsageError(f"{display} is larger than {max_bytes >> 20} MiB, the limit of {kind}", hint)
    return content


def parse_json(content: bytes | str, display: str, kind: str, hint: str) -> Any:
    """The JSON of a content; UsageError if it is none. ``display``: where it is from."""
    try:
        return json.loads(content, object_pairs_hook=_make_object)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{display} is not {kind}", hint) from error


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if it has a name twice, because another reader would use the other value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice")
    return made
