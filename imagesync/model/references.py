"""``${images.KEY.id}`` in the values of properties: the id of another wanted image, known when a plan is applied. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from imagesync.model.catalog import ImageSpec

REFERENCE: Final = re.compile(r"\$\$(?=\{images\.)|\$\{images\.([A-Za-z0-9][A-Za-z0-9._-]{0,63})\.id\}")
_LITERAL: Final = re.compile(r"\$(?=\{images\.)")


def escape_references(text: str) -> str:
    """Text that only looks like a reference, escaped: ``resolve_references`` gives it back."""
    return _LITERAL.sub("$$", text)


def resolve_references(text: str, ids: Mapping[str, str]) -> str:
    """``${images.KEY.id}`` as the id, if it is known; else unchanged. ``$${images.`` is the plain text."""
    return REFERENCE.sub(lambda found: ids.get(found[1], found[0]) if found[1] else "$", text)


def fill_known_references(text: str, ids: Mapping[str, str]) -> str:
    """References to known ids filled in; all else stays, ``$${images.`` too, for ``resolve_references`` to finish."""
    return REFERENCE.sub(lambda found: ids.get(found[1], found[0]) if found[1] else found[0], text)


def find_references(spec: ImageSpec) -> frozenset[str]:
    """The keys that properties of this image refer to."""
    written = [value for value in spec.properties.values() if "$" in value]
    return frozenset(key for value in written for key in REFERENCE.findall(value) if key)
