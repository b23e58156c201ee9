"""The targets of a catalog -> text and JSON. Pure: the width is a parameter."""

from typing import Any, Final

from imagesync.model.catalog import Target
from imagesync.model.listing import TargetList
from imagesync.render.style import format_count
from imagesync.render.table import Head, lay_out
from imagesync.text import make_printable

_HEADS: Final = (Head("TARGET"), Head("PLACE", wraps=True), Head("IMAGES", is_number=True), Head(""))


def format_targets(found: TargetList, folder: str, width: int | None = None) -> str:
    """A table of the targets; a sentence if there are none. Stores below ``folder`` (absolute) are shown relative to it."""
    catalog = make_printable(found.catalog)
    if not found.targets:
        return f"Catalog {catalog} has no targets; name a place with --cloud or --store."
    rows = [
        [
            make_printable(target.name or ""),
            _describe(target, folder),
            str(images),
            "default" if target.name == found.default else "",
        ]
        for target, images in found.targets
    ]
    heading = f"Catalog {catalog}: {format_count(len(rows), 'target')}"
    return "\n".join([heading, "", *lay_out(_HEADS, rows, width).lines])


def _describe(target: Target, folder: str) -> str:
    if target.store is not None:
        return f"store {make_printable(target.store.removeprefix(f'{folder}/'))}"
    return f"cloud {make_printable(target.cloud or '')}"


def targets_to_json(found: TargetList) -> dict[str, Any]:
    """The same for programs. ``default``: the target of a run that names no other; None if there is none."""
    return {
        "catalog": found.catalog,
        "default": found.default,
        "targets": [
            {"name": target.name, "cloud": target.cloud, "store": target.store, "images": images}
            for target, images in found.targets
        ],
    }
