"""The documentation of the manifest names every field that the schema has, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagesync.schemas import schema

PAGE = Path(__file__).parents[2] / "docs" / "manifest.md"


def fields(node: dict[str, Any]) -> Iterator[str]:
    """Names of the fields that a part of the schema takes."""
    for part in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from part.get("properties", ())


def test_every_field_has_a_row() -> None:
    """Part by part: no field is left out, and none is told of that is not there."""
    whole = schema("manifest")
    parts = [whole["$defs"][name] for name in ("image", "source", "on_replace", "policy", "target")] + [whole]
    wanted = sorted(name for part in parts for name in set(fields(part)))
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)) == wanted
