"""The steps of a plan -> a sentence for each that writes more than the service can hold. Pure.

Such a step would fail only after the new build was published: the name of a retired image, its record, its properties
and its tags grow by what ``on_replace`` changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagesync.model.catalog import Role
from imagesync.model.image import MAX_NAME_CHARS, MAX_PARTS, MAX_PROPERTY_BYTES, LiveImage
from imagesync.model.plan import Create, Step, Update
from imagesync.model.record import MANAGED, PREFIX, Record

MAX_RECORD_BYTES: Final = MAX_PROPERTY_BYTES - 256
"""Of a record's longest property, less what the run itself adds to it: a time."""


def find_oversized(steps: Sequence[Step], images: Mapping[str, LiveImage]) -> Iterator[str]:
    """One sentence for each name, record, and number of properties or tags that is too large: the image, the size, the
    limit, and the way out. ``images``: what is live, by id."""
    for step in steps:
        action = step.action
        if isinstance(action, Update) and action.record is not None:
            yield from _check_name(action)
            yield from _check_record(action.key, action.image_id, action.record)
            if action.image_id in images:
                yield from _check_numbers(action, action.record, images[action.image_id])
        elif isinstance(action, Create):
            yield from _check_record(action.key, "", action.record)


def _check_name(update: Update) -> Iterator[str]:
    for change in update.changes:
        if change.path == ("name",) and isinstance(change.after, str) and len(change.after) > MAX_NAME_CHARS:
            yield (
                f"{update.key}: the new name of image {update.image_id} has {len(change.after)} characters, the "
                f"limit is {MAX_NAME_CHARS}; shorten name, or on_replace.rename"
            )


def _check_numbers(update: Update, record: Record, image: LiveImage) -> Iterator[str]:
    """Properties and tags, including those that another user put on the image. No API reports these limits. A service
    that let an image have more than the usual number has a higher one.
    """
    properties = {name for name in image.properties if not name.startswith(PREFIX)}
    before = {"properties": len(image.properties), "tags": len(image.tags)}
    after = dict(before)
    for change in update.changes:
        if change.path[0] == "properties":
            (properties.discard if change.after is None else properties.add)(change.path[1])
        elif change.path == ("tags",) and isinstance(change.after, tuple):
            after["tags"] = len(change.after)
    after["properties"] = len(properties) + len(record.properties(image.id)) + 1  # the guard
    where = "on_replace.set" if record.role is Role.RETIRED else "the manifest"
    for name, number in after.items():
        if before[name] <= MAX_PARTS < number:
            yield (
                f"{update.key}: image {image.id} would have {number} {name}, the service's limit is {MAX_PARTS}; "
                f"take {name} off the image, or out of {where}"
            )


def _check_record(key: str, image_id: str, record: Record) -> Iterator[str]:
    size = len(record.properties(image_id)[MANAGED].encode())
    if size > MAX_RECORD_BYTES:
        whose = f"image {image_id}" if image_id else "the new image"
        where = "on_replace" if record.role is Role.RETIRED else "the manifest"
        yield (
            f"{key}: the record of {whose} would have {size} bytes, the limit is {MAX_RECORD_BYTES}; "
            f"name fewer or shorter properties and tags in {where}"
        )
