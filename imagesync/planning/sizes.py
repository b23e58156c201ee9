"""The steps of a plan -> a sentence for each that writes more than the service can hold. Pure.

Such a step would fail only after the new build was published: the name of a retired image, and its record, grow by what
``on_replace`` changes.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from imagesync.model.catalog import Role
from imagesync.model.image import MAX_NAME_CHARS, MAX_PROPERTY_BYTES
from imagesync.model.plan import Create, Step, Update
from imagesync.model.record import MANAGED, Record

MAX_RECORD_BYTES: Final = MAX_PROPERTY_BYTES - 256
"""Of a record's longest property, less what the run itself adds to it: a time."""


def find_oversized(steps: Sequence[Step]) -> Iterator[str]:
    """One sentence for each name and each record that is too large: the image, the size, the limit, and the way out."""
    for step in steps:
        action = step.action
        if isinstance(action, Update) and action.record is not None:
            for change in action.changes:
                if change.path == ("name",) and isinstance(change.after, str) and len(change.after) > MAX_NAME_CHARS:
                    yield (
                        f"{action.key}: the new name of image {action.image_id} has {len(change.after)} characters, the "
                        f"limit is {MAX_NAME_CHARS}; shorten name, or on_replace.rename"
                    )
            yield from _check_record(action.key, action.image_id, action.record)
        elif isinstance(action, Create):
            yield from _check_record(action.key, "", action.record)


def _check_record(key: str, image_id: str, record: Record) -> Iterator[str]:
    size = len(record.properties(image_id)[MANAGED].encode())
    if size > MAX_RECORD_BYTES:
        whose = f"image {image_id}" if image_id else "the new image"
        where = "on_replace" if record.role is Role.RETIRED else "the manifest"
        yield (
            f"{key}: the record of {whose} would have {size} bytes, the limit is {MAX_RECORD_BYTES}; "
            f"name fewer or shorter properties and tags in {where}"
        )
