"""The texts of an image -> what the service would refuse or hide, as problems with a path. Pure."""

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
"""Of one image: what the service takes by default, less the eight of our own record."""
_CHANGING: Final = frozenset({"rename", "set", "unset"})
"""What in ``on_replace`` has texts that go to the service."""
MAX_KEPT_NAMES: Final = 2048
"""Names of properties and tags that are remembered with the answer about them."""
_BEYOND: Final = re.compile("[\U00010000-\U0010ffff\ud800-\udfff]")
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

Path: TypeAlias = tuple[str | int, ...]
Problem: TypeAlias = tuple[Path, str, str]
"""Path of the value, message, hint."""


def find_text_problems(data: Mapping[str, Any], key: str = "") -> Iterator[Problem]:
    """What the service refuses or would hide: reserved names, control characters, characters beyond the basic plane; and a
    pattern that gives no name."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {}) or {}
    if not (_CHANGING.isdisjoint(replaced) and _is_each_simple(data.get("name", ""), properties, data.get("tags", ()))):
        yield from _look_closely(data, key)


def _look_closely(data: Mapping[str, Any], key: str) -> Iterator[Problem]:
    """The problems of every single text: slow."""
    properties, replaced = data.get("properties", {}), data.get("on_replace", {}) or {}
    places: list[tuple[Path, str]] = [(("properties", name), name) for name in properties]
    for place, name in (*places, *(_find_replaced_names(replaced) if replaced else ())):
        if is_reserved(name):
            yield place, "this name is reserved", "choose another"
    if len(properties) > MAX_PROPERTIES:
        yield ("properties",), f"{len(properties)} properties, the limit is {MAX_PROPERTIES}", "take some out"
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


def _is_each_simple(name: str, properties: Mapping[str, str], tags: Sequence[str]) -> bool:
    """Whether the texts of an image certainly fit, as nearly all do: the fast answer."""
    text = "".join((name, *properties, *properties.values(), *tags))
    is_small = len(text) * 4 <= MAX_PROPERTY_BYTES and len(properties) <= MAX_PROPERTIES
    return is_small and _is_simple(text) and not any(map(_is_reserved_again, properties))


_is_reserved_again: Final = lru_cache(MAX_KEPT_NAMES)(is_reserved)
"""The names of properties are the same in most images; only used on short ones."""
_fold_again: Final = lru_cache(MAX_KEPT_NAMES)(fold_name)


def find_alike_names(data: Mapping[str, Any]) -> Iterator[tuple[Path, Path, str]]:
    """Names of properties, and tags, that most services' databases hold equal to an earlier one of this image.

    Each as its path, the path of the earlier one, and the earlier one. What ``on_replace`` sets counts too.
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
    """Whether two names may be alike, or are equal: the fast answer."""
    if sum(map(len, names)) > MAX_PROPERTY_BYTES:
        return True
    return len(set(map(_fold_again, names))) < len(names)


def _find_parts(data: Mapping[str, Any]) -> list[tuple[Path, Mapping[str, Any]]]:
    """What an image has, and what ``on_replace`` sets on it later."""
    changed = (data.get("on_replace") or {}).get("set")
    return [((), data), (("on_replace", "set"), changed)] if changed else [((), data)]


def _measure_value(value: str) -> int:
    """Bytes of a value in UTF-8, with an id in the place of each reference; 0 if it is certainly short enough."""
    if len(value) * 4 <= MAX_PROPERTY_BYTES:
        return 0
    return len(REFERENCE.sub(lambda found: "0" * ID_CHARS if found[1] else "$", value).encode())


def _find_replaced_names(replaced: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for name in replaced.get("set", {}).get("properties", {}):
        yield ("on_replace", "set", "properties", name), name
    for index, path in enumerate(replaced.get("unset", ())):
        yield ("on_replace", "unset", index), path.removeprefix("properties.")


def find_rename_problems(rename: str, name: str, key: str) -> Iterator[Problem]:
    """What is wrong with a pattern for the names of superseded images, or with the names that it gives."""
    faults = list(find_rename_faults(rename))
    yield from ((("on_replace", "rename"), *fault) for fault in faults)
    if not faults and (size := measure_shortest_name(rename, name, key)) > MAX_NAME_CHARS:
        message = f"the new name would have {size} characters, the limit is {MAX_NAME_CHARS}"
        yield ("on_replace", "rename"), message, f"shorten the pattern, or the image's name, by {size - MAX_NAME_CHARS}"


def _is_simple(text: str) -> bool:
    """Whether a text certainly fits, as nearly all do: the fast answer."""
    return text.isascii() and text.isprintable()


def _find_unfit_characters(place: Path, text: str) -> Iterator[Problem]:
    if _BEYOND.search(text):
        yield place, "holds a character beyond the basic plane, which the service refuses", "take it out"
    if _CONTROL.search(text):
        yield place, "holds a control character", "take it out"
