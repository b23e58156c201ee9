"""``${images.KEY.id}`` in a property's value -> the id of another declared image. Pure.

The id of a new image is known only when the plan is applied.
"""

import re
from collections.abc import Mapping
from typing import Final

from imagesync.model.catalog import ImageSpec

REFERENCE: Final = re.compile(r"\$\$(?=\{images\.)|\$\{images\.([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.id\}")
_LITERAL: Final = re.compile(r"\$(?=\{images\.)")


def escape_references(text: str) -> str:
    """Escape text that only looks like a reference; ``resolve_references`` restores it."""
    return _LITERAL.sub("$$", text)


def escape_dollars(text: str) -> str:
    """The value of a property as a manifest writes it: dollar signs are doubled, except those of references."""
    parts, references = REFERENCE.split(text)[::2], [found[0] for found in REFERENCE.finditer(text)]
    if any("$$" in part or "${" in part for part in parts):
        parts = [part.replace("$", "$$") for part in parts]
    return "".join(f"{part}{reference}" for part, reference in zip(parts, [*references, ""], strict=True))


def resolve_references(text: str, ids: Mapping[str, str]) -> str:
    """Replace ``${images.KEY.id}`` by the id, if it is known, and ``$${images.`` by ``${images.``."""
    return REFERENCE.sub(lambda found: ids.get(found[1], found[0]) if found[1] else "$", text)


def fill_known_references(text: str, ids: Mapping[str, str]) -> str:
    """Replace references to known ids only; ``$${images.`` stays for a later ``resolve_references``."""
    return REFERENCE.sub(lambda found: ids.get(found[1], found[0]) if found[1] else found[0], text)


def find_references(spec: ImageSpec) -> frozenset[str]:
    """The keys that the properties of an image refer to."""
    written = [value for value in spec.properties.values() if "$" in value]
    return frozenset(key for value in written for key in REFERENCE.findall(value) if key)
