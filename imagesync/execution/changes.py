"""An image before and after -> the changes that another user made, as short texts for messages. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from imagesync.model.fields import read_live_field, read_live_value
from imagesync.model.image import LiveImage
from imagesync.model.plan import Value
from imagesync.model.record import CATALOG, DIGEST, ID, MANAGED, PREFIX, REVISION, SPEC

COMPARED: Final = ("name", "owner", "status", "visibility", "hidden", "protected", "min_disk", "min_ram")
"""Fields that must not change between a run's write and its end; so must tags and properties."""
MAX_NAMED: Final = 3
"""Removed properties of the record that a text names one by one."""
LONG: Final = (DIGEST, MANAGED, SPEC)
"""Properties whose values are not readable: a text only reports that they changed."""
_PROPERTIES: Final = "properties."
_Change: TypeAlias = tuple[str, Value, Value]
"""Path, value before, value now."""


def find_unmet(relied: Mapping[str, Value], image: LiveImage, ignored: Sequence[str] = ()) -> list[str]:
    """The differences between the values that a plan relied on and an image as it is now, except ``ignored`` paths."""
    paths = [path for path in relied if path not in ("members", *ignored)]  # members need a request of their own
    changes = [(path, relied[path], read_live_value(image, path)) for path in paths]
    return _describe([change for change in changes if change[1] != change[2]])


def find_changes(left: LiveImage, image: LiveImage, ignored: Sequence[str] = ()) -> list[str]:
    """The differences from the image as this run left it, except tags and properties that other users added."""
    fields = [name for name in COMPARED if getattr(left, name) != getattr(image, name)]
    changes: list[_Change] = [(name, read_live_field(left, name), read_live_field(image, name)) for name in fields]
    if left.tags - image.tags:
        changes.append(("tags", tuple(sorted(left.tags)), tuple(sorted(image.tags))))
    names = sorted(name for name in {*left.properties, *image.properties} if _is_watched(name, left))
    pairs = [(f"{_PROPERTIES}{name}", left.properties.get(name), image.properties.get(name)) for name in names]
    changes += [pair for pair in pairs if pair[1] != pair[2]]
    return _describe([change for change in changes if change[0] not in ignored])


def _is_watched(name: str, left: LiveImage) -> bool:
    return name in left.properties or name.startswith(PREFIX)


def find_altered(left: Iterable[LiveImage], listed: Mapping[str, LiveImage]) -> list[str]:
    """One sentence for each image that a later listing does not show as this run left it."""
    sentences = []
    for image in left:
        found = listed.get(image.id)
        if found is None:
            sentences.append(f"image {image.id}, which this run wrote, was deleted or lost its marker")
        elif changes := find_changes(image, found):
            sentences.append(
                f"another user or run changed image {image.id}, which this run wrote: {'; '.join(changes)}"
            )
    return sentences


def _describe(changes: Iterable[_Change]) -> list[str]:
    """Changes as texts: one text for all properties of the record."""
    plain, removed, guards = list[str](), list[str](), list[str]()
    disowned = False
    for path, before, now in changes:
        name = path.removeprefix(_PROPERTIES)
        disowned = disowned or name in (CATALOG, ID)
        if name.startswith(REVISION):
            guards.append(name)
        elif name.startswith(PREFIX) and now is None:
            removed.append(name)
        elif name in LONG:
            plain.append(f"{path} has changed")
        else:
            plain.append(f"{path} is {_format(now)}, it was {_format(before)}")
    if removed:
        what = ", ".join(removed) if len(removed) <= MAX_NAMED else "its imagesync properties"
        plain.append(f"it lost its marker: {what} removed" if disowned else f"{what} removed")
    elif guards:
        plain.append("another run wrote to it")
    return plain


def _format(value: Value) -> str:
    if value is None:
        return "not set"
    return ", ".join(value) or "none" if isinstance(value, tuple) else repr(value)
