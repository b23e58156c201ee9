"""Live images -> JSON in the service's own field names, or a table. Pure."""

import json
from collections.abc import Sequence

from imagesync.live import NUMBER_FIELDS, TEXT_FIELDS, LiveImage
from imagesync.record import read
from imagesync.render.style import size, value


def image_to_json(image: LiveImage) -> dict[str, object]:
    """Every field of an image in the service's own names, sorted; what it returned as null is None."""
    fields: dict[str, object] = {
        name: getattr(image, name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS, "id", "protected")
    }
    fields |= {"status": image.status.value, "visibility": image.visibility.value, "os_hidden": image.hidden}
    fields |= {"tags": sorted(image.tags), "stores": ",".join(image.stores) or None}
    fields |= {"created_at": image.created_at or None, "updated_at": image.updated_at or None}
    fields |= {"locations": json.loads(image.locations) if image.locations else None}
    fields = {name: value for name, value in fields.items() if value is not None and (value or name not in image.nulls)}
    return dict(sorted({**dict.fromkeys(image.nulls), **fields, **image.properties, **image.service}.items()))


def listing_text(images: Sequence[LiveImage]) -> str:
    """A table: id, name, status, visibility, size, who keeps it, owner; by name, then id."""
    rows: list[tuple[str, ...]] = [("ID", "NAME", "STATUS", "VISIBILITY", "SIZE", "CATALOGUE/KEY", "OWNER")]
    rows += [_row(image) for image in sorted(images, key=lambda image: (image.name or "", image.id))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(image: LiveImage) -> tuple[str, ...]:
    record = read(image)
    kept = f"{value(record.catalog)}/{value(record.key)} {record.role.value}" if record else ""
    status = image.status.value + (" hidden" if image.hidden else "") + (" protected" if image.protected else "")
    filled = size(image.size) if image.size is not None else ""
    return image.id, value(image.name), status, image.visibility.value, filled, kept, value(image.owner)
