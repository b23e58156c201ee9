"""The steps of a plan -> one sentence for each value that is larger than the service accepts. Pure.

``on_replace`` makes the name, the record, the properties and the tags of a retired image larger. Without this check such
a step would fail only after the new build was published.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagesync.model.catalog import Role
from imagesync.model.image import MAX_NAME_CHARS, MAX_PARTS, MAX_PROPERTY_BYTES, LiveImage
from imagesync.model.plan import Create, Step, Update
from imagesync.model.record import MANAGED, PREFIX, Record

MAX_RECORD_BYTES: Final = MAX_PROPERTY_BYTES - 256
"""The limit of a record's longest property. The margin is for the time of the retirement, which the run adds."""


def find_oversized(steps: Sequence[Step], images: Mapping[str, LiveImage]) -> Iterator[str]:
    """One sentence for each name, record, and number of properties or tags that exceeds a limit.

    It has the image, the size, the limit, and what to do. ``images``: the live images by id.
    """
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
                f"{update.key}: the new name of image {update.image_id} is {len(change.after)} characters long; the "
                f"limit is {MAX_NAME_CHARS}; shorten name or on_replace.rename"
            )


def _check_numbers(update: Update, record: Record, image: LiveImage) -> Iterator[str]:
    """Counts properties and tags, including those that other users set.

    No API reports these limits. If an image already has more than the usual limit, the service has a higher one.
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
                f"{update.key}: image {image.id} would have {number} {name}; the service's limit is {MAX_PARTS}; "
                f"remove {name} from the image or from {where}"
            )


def _check_record(key: str, image_id: str, record: Record) -> Iterator[str]:
    size = len(record.properties(image_id)[MANAGED].encode())
    if size > MAX_RECORD_BYTES:
        whose = f"image {image_id}" if image_id else "the new image"
        where = "on_replace" if record.role is Role.RETIRED else "the manifest"
        yield (
            f"{key}: the record of {whose} would be {size} bytes long; the limit is {MAX_RECORD_BYTES}; "
            f"declare fewer or shorter properties and tags in {where}"
        )
