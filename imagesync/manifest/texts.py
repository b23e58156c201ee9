"""The texts of an image -> what the service would refuse or hide, as problems with a path. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from imagesync.model.image import OWN_FIELDS

RESERVED: Final = OWN_FIELDS | {"location", "deleted", "deleted_at"}
"""Names of fields, which no property can have."""
MAX_PROPERTIES: Final = 120
"""Of one image: 128, the default limit of the service (``image_property_quota``), less the six of our own record."""
MAX_PROPERTY_BYTES: Final = 65_535
"""Bytes of one value in UTF-8: what a TEXT column of the service's database holds."""
_BEYOND: Final = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Problem: TypeAlias = tuple[tuple[str | int, ...], str, str]
"""Path of the value, message, hint."""


def find_text_problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What the service refuses or would hide: reserved names, control characters, characters beyond the basic plane."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {})
    places: list[tuple[tuple[str | int, ...], str]] = [(("properties", name), name) for name in properties]
    for place, name in (*places, *(_find_replaced_names(replaced) if replaced else ())):
        if name.startswith(("imagesync_", "os_glance")) or name in RESERVED:
            yield place, "this name is reserved", "choose another"
    if len(properties) > MAX_PROPERTIES:
        yield ("properties",), f"{len(properties)} properties, the limit is {MAX_PROPERTIES}", "take some out"
    for name, value in properties.items():
        if len(value) * 4 > MAX_PROPERTY_BYTES and (size := len(value.encode())) > MAX_PROPERTY_BYTES:
            yield ("properties", name), f"{size} bytes long, the limit is {MAX_PROPERTY_BYTES}", "shorten it"
        if not _is_simple(name + value):
            yield from _find_unfit_characters(("properties", name), name + value)
    if not _is_simple(name := data.get("name", "")):
        yield from _find_unfit_characters(("name",), name)
    for index, tag in enumerate(data.get("tags", ())):
        if not _is_simple(tag):
            yield from _find_unfit_characters(("tags", index), tag)


def _find_replaced_names(replaced: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in replaced.get("set", {}).get("properties", {}):
        yield ("on_replace", "set", "properties", name), name
    for index, path in enumerate(replaced.get("unset", ())):
        yield ("on_replace", "unset", index), path.removeprefix("properties.")


def _is_simple(text: str) -> bool:
    """Whether a text certainly fits, as nearly all do: the fast answer."""
    return text.isascii() and text.isprintable()


def _find_unfit_characters(place: tuple[str | int, ...], text: str) -> Iterator[Problem]:
    if _BEYOND.search(text):
        yield place, "holds a character beyond the basic plane, which the service refuses", "take it out"
    if _CONTROL.search(text):
        yield place, "holds a control character", "take it out"
