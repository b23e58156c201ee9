"""The name of a JSON Schema -> its file, text or data, from the package or else the checkout. Reads files."""

import json
from pathlib import Path
from typing import Any, Final

NAMES: Final = (
    "manifest",
    "problems",
    "plan",
    "plans",
    "report",
    "run",
    "events",
    "errors",
    "drift",
    "drifts",
    "image",
    "list",
    "targets",
    "doctor",
)


def find_schema(name: str) -> Path:
    """The file of one schema: in the package's folder ``schemas``, else in the checkout's.

    A symlink between the two would be lost in archives and on systems without links.
    """
    package = Path(__file__).parent
    places = [folder / f"{name}.schema.json" for folder in (package / "schemas", package.parent / "schemas")]
    return next((place for place in places if place.is_file()), places[0])


def read_schema(name: str) -> str:
    """The text of one schema."""
    return find_schema(name).read_text(encoding="utf-8")


def load_schema(name: str) -> dict[str, Any]:
    """One schema as data."""
    found: dict[str, Any] = json.loads(read_schema(name))
    return found
