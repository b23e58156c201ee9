"""A declared or a live image -> its fields as plain values. Pure."""

from imagesync.model.catalog import Auto, ImageSpec
from imagesync.model.image import LiveImage
from imagesync.model.plan import Value


def collect_declared_fields(spec: ImageSpec) -> dict[str, Value]:
    """The service's own fields that the manifest declares, except status, as plain values by name."""
    plain: dict[str, Value] = {
        "name": spec.name,
        "visibility": spec.visibility.value if spec.visibility else None,
        "disk_format": spec.disk_format,
        "container_format": spec.container_format,
        "owner": spec.owner_id,
        "min_disk": None if isinstance(spec.min_disk, Auto) else spec.min_disk,
        "min_ram": spec.min_ram,
        "protected": spec.protected,
        "hidden": spec.hidden,
    }
    return {name: value for name, value in plain.items() if value is not None}


def read_live_field(image: LiveImage, name: str) -> Value:
    """One field of a live image as a plain value."""
    return simplify_value(getattr(image, name))


def read_live_value(image: LiveImage, path: str) -> Value:
    """The value of a live image at a path: a field, ``tags``, ``stores`` or ``properties.NAME``; None if not set."""
    if path == "tags":
        return tuple(sorted(image.tags))
    if path == "stores":
        return tuple(sorted(image.stores))
    if path.startswith("properties."):
        return image.properties.get(path.removeprefix("properties."))
    return read_live_field(image, path)


def simplify_value(value: object) -> Value:
    """A scalar of the service as a plain str, int or bool; None for any other value."""
    return str(value) if isinstance(value, str) else value if isinstance(value, int) else None
