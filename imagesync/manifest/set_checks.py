"""The images of one catalog -> diagnostics for values that must be unique, and for circles of references. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.manifest.merging import Merged
from imagesync.manifest.validation import format_path, locate
from imagesync.model.catalog import ImageSpec
from imagesync.model.references import find_references
from imagesync.secrets import quote_value, show_key

MAX_SHOWN_KEYS: Final = 12
"""Keys of a circle of references in its message."""


def find_set_problems(specs: Sequence[ImageSpec], merged: Mapping[str, Merged]) -> Iterator[Diagnostic]:
    """Repeated names, ids and adopted images, and references that form a circle.

    ``specs``: the images of the target; ``merged`` has all keys under ``images``.
    """
    visible = [spec for spec in specs if not spec.hidden]
    yield from _find_repeated_values(
        visible, merged, "name", lambda spec: (spec.name, spec.owner), "give one another name"
    )
    yield from _find_repeated_values(specs, merged, "id", lambda spec: spec.id, "an id can be used once")
    adopting = [spec for spec in specs if isinstance(spec.adopt, str)]
    yield from _find_repeated_values(adopting, merged, "adopt", lambda spec: spec.adopt, "an image can have one key")
    yield from _find_circles(specs, merged)


def _find_repeated_values(
    specs: Sequence[ImageSpec],
    merged: Mapping[str, Merged],
    name: str,
    identity: Callable[[ImageSpec], object],
    hint: str,
) -> Iterator[Diagnostic]:
    seen: dict[object, ImageSpec] = {}
    for spec in specs:
        value = identity(spec)
        if value is None:
            continue
        other = seen.setdefault(value, spec)
        if other is not spec:
            where = f"{format_path(('images', other.key))} ({locate(merged[other.key].node, (name,)).place})"
            what = "adopted image" if name == "adopt" else name
            message = f"the {what} {quote_value(getattr(spec, name))} is also that of {where}"
            yield locate(merged[spec.key].node, (name,)).problem(format_path(("images", spec.key, name)), message, hint)


def find_impossible_moves(
    specs: Sequence[ImageSpec], merged: Mapping[str, Merged], removed: Collection[str]
) -> Iterator[Diagnostic]:
    """Former keys that the manifest still declares, or that two images name.

    ``specs``: all images, because a target also moves the images of keys outside its ``only``. ``removed``: the keys under
    ``removed`` of the manifest; ``merged`` has all keys under ``images``.
    """
    seen: dict[str, str] = {}
    for spec in specs:
        for old in spec.moved_from:
            other = seen.setdefault(old, spec.key)
            if old in merged:
                message = f"the manifest still declares {format_path(('images', old))}"
                hint = "rename that key, or remove moved"
            elif old in removed:
                message = f"the manifest also has {format_path(('removed', old))}"
                hint = "remove one of the two"
            elif other != spec.key:
                message = f"{format_path(('images', other))} is moved from {show_key(old)} too"
                hint = "the images of a key can get one new key"
            else:
                continue
            where = format_path(("images", spec.key, "moved", "from"))
            yield locate(merged[spec.key].node, ("moved", "from")).problem(where, message, hint)


def _find_circles(specs: Sequence[ImageSpec], merged: Mapping[str, Merged]) -> Iterator[Diagnostic]:
    graph = {spec.key: keys for spec in specs if (keys := find_references(spec))}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        ring = list(reversed(error.args[1]))
        start = ring.index(min(ring[:-1]))
        turned = [*ring[start:-1], *ring[: start + 1]]
        where = format_path(("images", turned[0], "properties"))
        display = turned if len(turned) <= MAX_SHOWN_KEYS else [*turned[:MAX_SHOWN_KEYS], "…", turned[-1]]
        message = f"the references form a circle: {' -> '.join(map(show_key, display))}"
        yield locate(merged[turned[0]].node, ("properties",)).problem(where, message, "remove one of the references")
