"""The images of several targets -> text for people, JSON and YAML, CSV. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from imagesync.errors import ImagesyncError
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render.blocks import wrap
from imagesync.render.columns import Column
from imagesync.render.listing import format_csv, format_listing, select_cells
from imagesync.render.place import describe_target
from imagesync.render.problems import list_problems
from imagesync.render.result import problem_to_json

Found: TypeAlias = Mapping[str, PlaceListing | ImagesyncError]
"""The images of each target, or why they could not be listed, in the order of the manifest."""
TARGET: Final = "target"
"""The first column of the CSV."""


def format_target_listings(found: Found, columns: Sequence[Column], now: datetime, width: int | None) -> str:
    """A heading and a table for each target that could be listed; empty if none could."""
    texts = []
    for name, one in found.items():
        if isinstance(one, PlaceListing):
            place = describe_target(name, one.here)
            heading = wrap(f"{place[:1].upper()}{place[1:]}", width, "  ")
            texts.append("\n".join([*heading, format_listing(one.entries, columns, now, width)]))
    return "\n\n".join(texts)


def listings_to_json(
    catalog: str, found: Found, entry_to_json: Callable[[Entry], Mapping[str, object]]
) -> dict[str, Any]:
    """Each target with its problems and its images; the images are None if they could not be listed."""
    return {
        "catalog": catalog,
        "targets": [
            {
                "target": name,
                "problems": list(map(problem_to_json, list_problems(one))) if isinstance(one, ImagesyncError) else [],
                "images": list(map(entry_to_json, one.entries)) if isinstance(one, PlaceListing) else None,
            }
            for name, one in found.items()
        ],
    }


def format_target_csv(found: Found, columns: Sequence[Column]) -> str:
    """As ``format_csv``; the first column of each line is the name of the target."""
    rows = [
        {TARGET: name, **select_cells(entry, columns)}
        for name, one in found.items()
        if isinstance(one, PlaceListing)
        for entry in one.entries
    ]
    return format_csv(rows, [TARGET, *(column.name for column in columns)])
