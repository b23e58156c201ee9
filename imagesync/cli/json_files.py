"""A file of a user -> its JSON, which is not checked yet. Reads the file."""

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
    display = make_printable(str(path))
    check_way(path, option="" if allow_outside is None else "--allow-outside", is_allowed=bool(allow_outside))
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{display} is larger than {MAX_BYTES >> 20} MiB, the limit of {kind}", hint)
        return json.loads(content, object_pairs_hook=_make_object)
    except OSError as error:
        raise UsageError(f"{display} cannot be read: {error.strerror}", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{display} is not {kind}", hint) from error


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if it has a name twice, because another reader would use the other value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice")
    return made
