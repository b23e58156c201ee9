"""Live images -> JSON in the service's own field names, or a table. Pure."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from imagesync.model.image import NUMBER_FIELDS, TEXT_FIELDS, LiveImage, MemberState
from imagesync.model.record import CATALOG, KEY, read
from imagesync.render.style import format_size, format_value
from imagesync.text import make_printable

NO_MEMBERS: Final[Mapping[str, Sequence[MemberState]]] = MappingProxyType({})


Members = Mapping[str, Sequence[MemberState]]


def image_to_json(image: LiveImage, members: Members = NO_MEMBERS) -> dict[str, object]:
    """Every field of an image under the service's own name, sorted; None for a field that the service returned as null.

    ``members`` by image id: if those of the image are known, they become a list with the project and status of each.
    """
    fields: dict[str, object] = {
        name: getattr(image, name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS, "id", "protected")
    }
    fields |= {"status": image.status.value, "visibility": image.visibility.value, "os_hidden": image.hidden}
    fields |= {"tags": sorted(image.tags), "stores": ",".join(image.stores) or None}
    fields |= {"created_at": image.created_at or None, "updated_at": image.updated_at or None}
    fields |= {"locations": json.loads(image.locations) if image.locations else None}
    fields = {name: value for name, value in fields.items() if value is not None and (value or name not in image.nulls)}
    if image.id in members:
        fields["members"] = [{"project": one.project, "status": one.status} for one in members[image.id]]
    return dict(sorted({**dict.fromkeys(image.nulls), **image.properties, **image.service, **fields}.items()))


def format_listing(images: Sequence[LiveImage], members: Members = NO_MEMBERS) -> str:
    """A table of images, sorted by name, then id; with a column of members if ``members`` has any.

    The other columns: id, name, status, visibility, size, catalog and key, owner.
    """
    rows: list[tuple[str, ...]] = [("ID", "NAME", "STATUS", "VISIBILITY", "SIZE", "CATALOG/KEY", "OWNER")]
    ordered = sorted(images, key=lambda image: (image.name or "", image.id))
    rows += [_make_row(image) for image in ordered]
    if members:
        cells = ["MEMBERS", *(_format_members(members.get(image.id, ())) for image in ordered)]
        rows = [(*row, cell) for row, cell in zip(rows, cells, strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _format_members(states: Sequence[MemberState]) -> str:
    return ", ".join(f"{make_printable(one.project)} {one.status}" for one in states)


def _make_row(image: LiveImage) -> tuple[str, ...]:
    record = read(image)
    kept = f"{format_value(record.catalog)}/{format_value(record.key)} {record.role.value}" if record else ""
    if record is None and CATALOG in image.properties:
        catalog, key = image.properties[CATALOG], image.properties.get(KEY, "")
        kept = f"(a copy of the record of {format_value(catalog)}/{format_value(key)})"
    status = image.status.value + (" hidden" if image.hidden else "") + (" protected" if image.protected else "")
    filled = format_size(image.size) if image.size is not None else ""
    return image.id, format_value(image.name), status, image.visibility.value, filled, kept, format_value(image.owner)
