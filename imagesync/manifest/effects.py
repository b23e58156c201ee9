"""Declared values without an effect -> diagnostics; likely mistakes -> sentences. Pure.

Some fields have an effect only with another field. A value in defaults or a profile is right if it has an effect for at least one
image that takes it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.manifest.documents import Part
from imagesync.manifest.merging import Merged
from imagesync.manifest.validation import format_path, locate
from imagesync.manifest.yaml_reader import Node
from imagesync.model.catalog import Auto, FileSource, ImageSpec, UrlSource, Visibility
from imagesync.secrets import quote_value, show_key

IGNORABLE: Final = frozenset(
    {"name", "visibility", "disk_format", "container_format", "owner", "min_disk", "min_ram", "protected", "hidden"}
    | {"status", "tags", "members"}
)
"""Fields that ``ignore`` can name, beside ``properties.NAME``."""
_OTHER_NAMES: Final = {"os_hidden": "hidden", "id": "", "source": "", "on_replace": "", "expires": "", "stores": ""}
_PROPERTIES: Final = "properties."
_NO_KEY: Final = re.compile(r"[^A-Za-z0-9._*?\[\]!-]")
"""Characters that neither a key nor a glob has."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A field that has an effect only with another one.

    ``is_idle``: whether the field is declared without effect. ``is_chosen``: whether the image itself declares the opposite:
    then an inherited value may be meant for other images. Without it, no image needs the other field.
    """

    path: Path
    message: str
    hint: str
    is_idle: Callable[[ImageSpec], bool]
    is_chosen: Callable[[ImageSpec], bool] = lambda _: True


def _has_idle_ratio(spec: ImageSpec) -> bool:
    is_sent = isinstance(spec.source, FileSource | UrlSource)
    return is_sent and spec.source.transfer.max_ratio is not None and spec.is_stored_as_published  # type: ignore[union-attr]


_RULES: Final = (
    _Rule(
        ("members",),
        "has an effect only on a shared image",
        "declare visibility: shared, or remove members",
        lambda spec: bool(spec.members) and spec.visibility is not Visibility.SHARED,
        lambda spec: spec.visibility is not None,
    ),
    _Rule(
        ("on_expire",),
        "has an effect only with expires",
        "declare expires: YYYY-MM-DD, or remove on_expire",
        lambda spec: spec.on_expire is not None and spec.expires is None,
    ),
    _Rule(
        ("status",),
        "a record without data (source: none) stays queued",
        "remove status, or give the image a source",
        lambda spec: spec.status is not None and spec.is_record_only,
        lambda _: False,
    ),
    _Rule(
        ("min_disk",),
        "auto takes the size from the data, and source: none has none",
        "write a number of GB, or give the image a source",
        lambda spec: isinstance(spec.min_disk, Auto) and spec.is_record_only,
        lambda _: False,
    ),
    _Rule(
        ("on_replace", "delete_after"),
        "has an effect only on kept builds, and keep is 0",
        "declare keep: 1 or more, or remove delete_after",
        lambda spec: spec.on_replace.delete_after is not None and spec.on_replace.keep == 0,
    ),
    _Rule(
        ("source", "max_ratio"),
        "has an effect only on data that imagesync unpacks",
        "declare source.compression, or remove max_ratio",
        _has_idle_ratio,
    ),
)


def find_idle_values(specs: Sequence[ImageSpec], merged: Mapping[str, Merged]) -> Iterator[Diagnostic]:
    """Values that have no effect at their place; values of one place in a file are checked together."""
    for rule in _RULES:
        if not any(map(rule.is_idle, specs)):
            continue  # no place has to be found
        by_place: dict[tuple[str, int, int], list[ImageSpec]] = {}
        for spec in specs:
            node = merged[spec.key].node
            if rule.path[0] in node.items() and _is_declared(node, rule.path):
                by_place.setdefault(_place_of(node, rule.path), []).append(spec)
        for group in by_place.values():
            idle = [spec for spec in group if rule.is_idle(spec)]
            acts = len(idle) < len(group)
            for spec in idle:
                if not (acts and rule.is_chosen(spec)):
                    yield _problem(merged, spec, rule.path, rule.message, rule.hint)
    for spec in specs:
        yield from _find_contradictions(spec, merged)
        yield from _find_idle_ignores(spec, merged)


def _is_declared(node: Node, path: Path) -> bool:
    return locate(node, path) is not locate(node, path[:-1]) if len(path) > 1 else str(path[0]) in node.items()


def _place_of(node: Node, path: Path) -> tuple[str, int, int]:
    found = locate(node, path)
    return found.file, found.key_line or found.line, found.key_column or found.column


def _problem(merged: Mapping[str, Merged], spec: ImageSpec, path: Path, message: str, hint: str) -> Diagnostic:
    return locate(merged[spec.key].node, path).problem(format_path(("images", spec.key, *path)), message, hint)


def _find_contradictions(spec: ImageSpec, merged: Mapping[str, Merged]) -> Iterator[Diagnostic]:
    """A property that ``on_replace`` sets and removes."""
    names = dict(spec.on_replace.set_properties)
    for index, path in enumerate(spec.on_replace.unset):
        if (name := path.removeprefix(_PROPERTIES)) in names:
            message = f"on_replace.set gives the property {quote_value(name)} a value"
            yield _problem(merged, spec, ("on_replace", "unset", index), message, "keep one of them")


def _find_idle_ignores(spec: ImageSpec, merged: Mapping[str, Merged]) -> Iterator[Diagnostic]:
    for index, pattern in enumerate(spec.ignore):
        if not can_match_field(pattern):
            message = f"{quote_value(pattern)} matches no field"
            yield _problem(merged, spec, ("ignore", index), message, _suggest_field(pattern, spec))


def can_match_field(pattern: str) -> bool:
    """Whether a glob of ``ignore`` matches a field, or can match some property."""
    return any(fnmatchcase(name, pattern) for name in IGNORABLE) or any(
        (end < len(pattern) or pattern.endswith("*")) and fnmatchcase(_PROPERTIES, pattern[:end])
        for end in range(1, len(pattern) + 1)
    )


def _suggest_field(pattern: str, spec: ImageSpec) -> str:
    """The hint for a glob that matches no field: the likely field, or all fields."""
    head, dot, tail = pattern.partition(".")
    if pattern in spec.properties:
        return f"did you mean {_PROPERTIES}{show_key(pattern)}?"
    if _OTHER_NAMES.get(pattern):
        return f"did you mean {_OTHER_NAMES[pattern]}?"
    if pattern not in _OTHER_NAMES:
        close = get_close_matches(head.strip().lower(), [*sorted(IGNORABLE), "properties"], 1)
        if close == ["properties"]:
            return f"did you mean {_PROPERTIES}{show_key(tail) if dot and tail else '*'}?"
        if close:
            return f"did you mean {close[0]}?"
    return f"there are {', '.join(sorted(IGNORABLE))} and {_PROPERTIES}NAME"


def find_unmatched_globs(globs: Sequence[str], part: Part, name: str) -> Iterator[Diagnostic]:
    """Globs of a target's ``only`` that no valid key can match; ``part``: their place."""
    for index, pattern in enumerate(globs):
        if not pattern or _NO_KEY.search(pattern):
            message = f"{quote_value(pattern)} matches no key: a key has letters, digits and . _ -"
            yield locate(part.node, (index,)).problem(
                format_path(("targets", name, "only", index)), message, "write a key, or a glob such as ubuntu-*"
            )


def find_doubtful_values(specs: Sequence[ImageSpec]) -> Iterator[str]:
    """One sentence for each name in ``ignore`` that is similar to a property of the image, but not equal."""
    for spec in specs:
        for pattern in spec.ignore:
            name = pattern.removeprefix(_PROPERTIES)
            is_plain = pattern.startswith(_PROPERTIES) and not any(char in name for char in "*?[")
            close = get_close_matches(name, spec.properties, 1, 0.8) if is_plain and name not in spec.properties else ()
            if close:
                meant = f"did you mean {_PROPERTIES}{show_key(close[0])}?"
                yield f"{spec.key}: ignore names {show_key(pattern)}, which the image does not declare; {meant}"
