"""The texts of an image -> problems for texts that the service would reject or hide. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from imagesync.model.alike import find_alike, fold_name
from imagesync.model.image import MAX_NAME_CHARS, MAX_PARTS, MAX_PROPERTY_BYTES
from imagesync.model.policy import ID_CHARS, find_rename_faults, measure_shortest_name
from imagesync.model.record import is_reserved
from imagesync.model.references import REFERENCE

MAX_PROPERTIES: Final = MAX_PARTS - 8
"""Properties of one image: the default limit of the service, less the eight properties of imagesync."""
_CHANGING: Final = frozenset({"rename", "set", "unset"})
"""The fields of ``on_replace`` whose texts are sent to the service."""
MAX_KEPT_NAMES: Final = 2048
"""Names of properties and tags whose check is remembered."""
_BEYOND: Final = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Path: TypeAlias = tuple[str | int, ...]
Problem: TypeAlias = tuple[Path, str, str]
"""Path of the value, message, hint."""


def find_text_problems(data: Mapping[str, Any], key: str = "") -> Iterator[Problem]:
    """Problems of texts: reserved names, control characters, characters beyond the basic plane, too many properties, and
    patterns for names that are wrong or give too long names."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {}) or {}
    if not (_CHANGING.isdisjoint(replaced) and _is_each_simple(data.get("name", ""), properties, data.get("tags", ()))):
        yield from _look_closely(data, key)


def _look_closely(data: Mapping[str, Any], key: str) -> Iterator[Problem]:
    """The problems of each text; slow."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {}) or {}
    places: list[tuple[Path, str]] = [(("properties", name), name) for name in properties]
    for place, name in (*places, *(_find_replaced_names(replaced) if replaced else ())):
        if is_reserved(name):
            yield place, "this name is reserved", "choose another name"
    if len(properties) > MAX_PROPERTIES:
        yield ("properties",), *describe_excess_properties(len(properties), MAX_PROPERTIES)
    texts: list[tuple[Path, str]] = [(("name",), data.get("name", ""))]
    if rename := replaced.get("rename"):
        texts.append((("on_replace", "rename"), rename))
        yield from find_rename_problems(rename, data.get("name", key), key)
    for base, part in _find_parts(data):
        for name, value in part.get("properties", {}).items():
            if (size := _measure_value(value)) > MAX_PROPERTY_BYTES:
                message = f"{size} bytes long in UTF-8, the limit is {MAX_PROPERTY_BYTES}"
                yield (*base, "properties", name), message, "shorten it"
            texts.append(((*base, "properties", name), name + value))
        texts += [((*base, "tags", index), tag) for index, tag in enumerate(part.get("tags", ()))]
    for place, text in texts:
        if not _is_simple(text):
            yield from _find_unfit_characters(place, text)


def describe_excess_properties(count: int, limit: int) -> tuple[str, str]:
    """Message and hint for too many properties: the same for the schema's limit of one mapping and for a merged image."""
    return f"{count} properties; the limit is {limit}", "remove some of them"


def _is_each_simple(name: str, properties: Mapping[str, str], tags: Sequence[str]) -> bool:
    """Whether the texts of an image certainly have no problem; fast, and true for nearly all images."""
    text = "".join((name, *properties, *properties.values(), *tags))
    is_small = len(text) * 4 <= MAX_PROPERTY_BYTES and len(properties) <= MAX_PROPERTIES
    return is_small and _is_simple(text) and not any(map(_is_reserved_again, properties))


_is_reserved_again: Final = lru_cache(MAX_KEPT_NAMES)(is_reserved)
"""Remembered, because most images have the same names of properties; for short names only."""
_fold_again: Final = lru_cache(MAX_KEPT_NAMES)(fold_name)


def find_alike_names(data: Mapping[str, Any]) -> Iterator[tuple[Path, Path, str]]:
    """Names of properties, and tags, that the database of most services takes for an earlier one of this image.

    Each as its path, the path of the earlier one, and the earlier one. Values in ``on_replace.set`` count as well.
    """
    named = data.get("properties", ()), data.get("tags", ())
    if "set" not in (data.get("on_replace") or ()) and not any(map(_can_be_alike, named)):
        return
    properties, tags = dict[str, Path](), dict[str, Path]()
    for base, part in _find_parts(data):
        for name in part.get("properties", {}):
            properties.setdefault(name, (*base, "properties", name))
        for index, tag in enumerate(part.get("tags", ())):
            tags.setdefault(tag, (*base, "tags", index))
    for places in (properties, tags):
        yield from ((places[name], places[first], first) for name, first in find_alike(places))


def _can_be_alike(names: Collection[str]) -> bool:
    """Whether two names may be alike or equal; fast."""
    if sum(map(len, names)) > MAX_PROPERTY_BYTES:
        return True
    return len(set(map(_fold_again, names))) < len(names)


def _find_parts(data: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    """The fields of an image, and those that ``on_replace`` sets later; each with its path."""
    changed = (data.get("on_replace") or {}).get("set")
    return [((), data), (("on_replace", "set"), changed)] if changed else [((), data)]


def _measure_value(value: str) -> int:
    """Bytes of a value in UTF-8, with an id for each reference; 0 if it is certainly short enough."""
    if len(value) * 4 <= MAX_PROPERTY_BYTES:
        return 0
    return len(REFERENCE.sub(lambda found: "0" * ID_CHARS if found[1] else "$", value).encode())


def _find_replaced_names(replaced: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name in replaced.get("set", {}).get("properties", {}):
        yield ("on_replace", "set", "properties", name), name
    for index, path in enumerate(replaced.get("unset", ())):
        yield ("on_replace", "unset", index), path.removeprefix("properties.")


def find_rename_problems(rename: str, name: str, key: str) -> Iterator[Problem]:
    """Problems of a pattern for the names of superseded images, and of the names that it gives."""
    faults = list(find_rename_faults(rename))
    yield from ((("on_replace", "rename"), *fault) for fault in faults)
    if not faults and (size := measure_shortest_name(rename, name, key)) > MAX_NAME_CHARS:
        message = f"the new name would have {size} characters, the limit is {MAX_NAME_CHARS}"
        yield ("on_replace", "rename"), message, f"shorten the pattern, or the image's name, by {size - MAX_NAME_CHARS}"


def _is_simple(text: str) -> bool:
    """Whether a text certainly has no problem; fast, and true for nearly all texts."""
    return text.isascii() and text.isprintable()


def _find_unfit_characters(place: Path, text: str) -> Iterator[Problem]:
    if _BEYOND.search(text):
        yield place, "has a character beyond the basic plane (such as an emoji), which the service rejects", "remove it"
    if _CONTROL.search(text):
        yield place, "has a control character", "remove it"
