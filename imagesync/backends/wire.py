"""JSON of the Image API <-> values. Pure. Each document is checked here once; the values have the right types."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from imagesync.backends.base import CreateFields, UpdateFields
from imagesync.errors import BackendError, InvalidRequest
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import (
    NUMBER_FIELDS,
    OWN_FIELDS,
    TEXT_FIELDS,
    Capabilities,
    ImportTask,
    LiveImage,
    MemberState,
    Usage,
)
from imagesync.text import shorten

T = TypeVar("T")

DIGEST_FIELDS: Final = ("checksum", "os_hash_algo", "os_hash_value")
"""Read in lower case, like the digests of manifests and records; a service may use upper case."""
NOT_IMAGE_API: Final = (
    "check that the image endpoint (of the service catalog, or image_endpoint_override) is an Image API v2"
)
"""What to do about a response that no Image API v2 returns."""
SERVICE_PREFIX: Final = "os_glance"
WRITABLE: Final = (
    "name",
    "container_format",
    "disk_format",
    "min_disk",
    "min_ram",
    "protected",
    "visibility",
    "hidden",
    "owner",
)
PLACEHOLDER: Final = "00000000-0000-0000-0000-000000000000"
"""Temporary value of a property before its removal. It is a UUID, which a service's schema may require for kernel_id."""
MAX_NUMBER: Final = 2**63 - 1
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MAX_SHOWN_CHARS: Final = 60


def image_from_wire(document: object) -> LiveImage:
    """One image of the service. BackendError, with image and field, if a value has another type than the API's."""
    wire = _require_mapping(document, "an image")
    image_id = _parse_required(wire, "id", str, f"the image {_describe(wire.get('name'))}")
    if not _ID.fullmatch(image_id):
        raise BackendError(f"the service returned an image with the invalid id {_describe(image_id)}", NOT_IMAGE_API)
    where = f"image {image_id}"
    texts = {name: _parse_optional(wire, name, str, where) for name in TEXT_FIELDS}
    texts |= {name: value.lower() for name in DIGEST_FIELDS if (value := texts[name])}
    numbers = {name: _parse_number(wire, name, where) for name in NUMBER_FIELDS}
    extra = {name: _to_text(value) for name, value in wire.items() if name not in OWN_FIELDS and value is not None}
    return LiveImage(
        id=image_id,
        status=_parse_enum(Status, wire, "status", where),
        visibility=_parse_enum(Visibility, wire, "visibility", where),
        min_disk=numbers["min_disk"] or 0,
        min_ram=numbers["min_ram"] or 0,
        protected=bool(_parse_optional(wire, "protected", bool, where)),
        hidden=bool(_parse_optional(wire, "os_hidden", bool, where)),
        tags=_parse_words(wire, "tags", where),
        properties={name: value for name, value in sorted(extra.items()) if not name.startswith(SERVICE_PREFIX)},
        size=numbers["size"],
        virtual_size=numbers["virtual_size"],
        created_at=_parse_time(wire, "created_at", where),
        updated_at=_parse_time(wire, "updated_at", where),
        locations=None if wire.get("locations") is None else _to_json(wire["locations"]),
        stores=tuple(filter(None, (_parse_optional(wire, "stores", str, where) or "").split(","))),
        service={name: value for name, value in sorted(extra.items()) if name.startswith(SERVICE_PREFIX)},
        nulls=frozenset(name for name, value in wire.items() if value is None),
        **texts,
    )


def is_being_deleted(document: object) -> bool:
    """Whether the service is deleting this image: it may still list it, but without its properties."""
    return isinstance(document, dict) and document.get("status") in (Status.DELETED, Status.PENDING_DELETE)


def create_to_wire(attrs: CreateFields) -> dict[str, object]:
    """The body of "Create image". Properties are on the level of the service's fields, so they must have other names."""
    _refuse_unknown(attrs, "create_image", ("id", *WRITABLE))
    properties = attrs.get("properties", {})
    _refuse_field_names(properties)
    fields = {_to_wire_name(name): value for name, value in attrs.items() if name not in ("properties", "tags")}
    tags = {"tags": sorted(set(attrs["tags"]))} if "tags" in attrs else {}
    return {**properties, **fields, **tags}


def update_to_wire(attrs: UpdateFields) -> list[dict[str, object]]:
    """The operations of one JSON patch.

    ``add`` also replaces an existing property. ``add`` then ``remove`` removes a property, and does not fail if it does not
    exist. For a required property it is ``replace``, or ``remove`` alone: both return 409 if it does not exist.
    """
    _refuse_unknown(attrs, "update_image", (*WRITABLE, "required", "absent"))
    properties, required = attrs.get("properties", {}), frozenset(attrs.get("required", ()))
    _refuse_field_names(properties)
    if required - set(properties) or (required and attrs.get("absent")):
        raise InvalidRequest(
            "update_image: required names properties that are not in properties, or is used with absent",
            "give each required property in properties, and leave absent out",
        )
    others = ("properties", "tags", "required", "absent")
    fields = {_to_wire_name(name): value for name, value in attrs.items() if name not in others}
    if "tags" in attrs:
        fields["tags"] = sorted(set(attrs["tags"]))
    operations = [_make_operation("replace", name, value) for name, value in sorted(fields.items())]
    for name, value in sorted(properties.items()):
        if value is not None:
            operations.append(_make_operation("replace" if name in required else "add", name, value))
            continue
        operations += [] if name in required else [_make_operation("add", name, PLACEHOLDER)]
        operations.append({"op": "remove", "path": _to_pointer(name)})
    return operations


def make_strict(operations: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """The same patch in the older form (media type v2.0), in which ``add`` of an existing property returns 409."""
    return [{str(one["op"]): one["path"], **({"value": one["value"]} if "value" in one else {})} for one in operations]


def member_from_wire(document: object) -> MemberState:
    """One member of an image."""
    wire = _require_mapping(document, "a member")
    return MemberState(
        _parse_required(wire, "member_id", str, "a member"),
        _parse_optional(wire, "status", str, "a member") or "pending",
    )


def tasks_from_wire(document: object) -> list[ImportTask]:
    """The imports of an image, the oldest first. A value of an unexpected type is empty: it is for explanations only."""
    listed = _get_mapping(document).get("tasks")
    found = [_parse_task(_get_mapping(item)) for item in listed] if isinstance(listed, list) else []
    return sorted(found, key=lambda task: (task.created_at, task.updated_at))


def _parse_task(wire: Mapping[str, Any]) -> ImportTask:
    names = ("id", "status", "message", "created_at", "updated_at")
    return ImportTask(*(value if isinstance(value := wire.get(name), str) else "" for name in names))


def capabilities_from_wire(schema: object, methods: object, stores: object, usage: object) -> Capabilities:
    """Capabilities from ``/v2/schemas/image``, ``/v2/info/import``, ``/v2/info/stores`` and ``/v2/info/usage``.

    None: the service does not offer that document. A part that a compatible service writes in another form is unknown,
    and imagesync refuses nothing because of it.
    """
    fields = _get_mapping(schema, "properties")
    listed = _get_mapping(stores).get("stores")
    return Capabilities(
        disk_formats=_parse_choices(_get_mapping(fields, "disk_format").get("enum")),
        container_formats=_parse_choices(_get_mapping(fields, "container_format").get("enum")),
        read_only=frozenset(name for name, field in fields.items() if _get_mapping(field).get("readOnly") is True),
        import_methods=_parse_choices(_get_mapping(methods, "import-methods").get("value")),
        stores=_parse_choices([_get_mapping(store).get("id") for store in listed if _can_take_data(store)])
        if isinstance(listed, list)
        else frozenset(),
        usage=_parse_quotas(_get_mapping(usage, "usage")),
        hidden="os_hidden" in fields or not fields,
        hash_is_final=isinstance(listed, list) and bool(listed) and all(map(_can_take_data, listed)),
    )


def _can_take_data(store: object) -> bool:
    """Read-only stores (http) cannot take the data of an upload."""
    return str(_get_mapping(store).get("read-only", "false")).lower() != "true"


def _parse_quotas(wire: Mapping[str, Any]) -> dict[str, Usage]:
    pairs = {
        name: (_get_mapping(quota).get("usage"), _get_mapping(quota).get("limit"))
        for name, quota in sorted(wire.items())
    }
    return {
        name: Usage(used, limit) for name, (used, limit) in pairs.items() if type(used) is int and type(limit) is int
    }


def _get_mapping(document: object, name: str | None = None) -> dict[str, Any]:
    """The document, or its value ``name``, if that is a mapping; else an empty one."""
    if name is not None:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _parse_choices(values: object) -> frozenset[str]:
    return frozenset(value for value in values if isinstance(value, str)) if isinstance(values, list) else frozenset()


def _require_mapping(document: object, what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise BackendError(f"the image service returned {what} that is not a JSON object", NOT_IMAGE_API)
    return document


def _parse_required(wire: Mapping[str, Any], name: str, kind: Callable[..., T], where: str) -> T:
    value = _parse_optional(wire, name, kind, where)
    if value is None:
        raise BackendError(f"{where}: the service returned no {name}", NOT_IMAGE_API)
    return value


def _parse_optional(wire: Mapping[str, Any], name: str, kind: Callable[..., T], where: str) -> T | None:
    """A field of exactly this type (a bool is not an int here), or None."""
    value = wire.get(name)
    if value is not None and type(value) is not kind:
        expected = getattr(kind, "__name__", kind)
        text = f"{where}: the service returned {name} with the type {type(value).__name__}; expected {expected}"
        raise BackendError(text, NOT_IMAGE_API)
    return value


def _parse_enum(kind: Callable[[str], T], wire: Mapping[str, Any], name: str, where: str) -> T:
    value = _parse_required(wire, name, str, where)
    try:
        return kind(value)
    except ValueError as error:
        text = f"{where}: the service returned the unknown {name} {_describe(value)}"
        raise BackendError(text, "update imagesync; if this is the latest version, report a bug") from error


def _parse_number(wire: Mapping[str, Any], name: str, where: str) -> int | None:
    value = _parse_optional(wire, name, int, where)
    if value is not None and not 0 <= value <= MAX_NUMBER:
        text = f"{where}: the service returned {name} {_describe(value)}; it must be 0 to {MAX_NUMBER}"
        raise BackendError(text, NOT_IMAGE_API)
    return value


def _parse_time(wire: Mapping[str, Any], name: str, where: str) -> str:
    """A time in the form of the service; empty if there is none."""
    value = _parse_optional(wire, name, str, where) or ""
    try:
        datetime.fromisoformat(value or "2000-01-01")
    except ValueError as error:
        text = f"{where}: the service returned {name} {_describe(value)}, which is not an ISO 8601 time"
        raise BackendError(text, NOT_IMAGE_API) from error
    return value


def _describe(value: object) -> str:
    """A value for a message, shortened."""
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    return shorten(repr(value[:_MAX_SHOWN_CHARS] if isinstance(value, str) else value), _MAX_SHOWN_CHARS)


def _parse_words(wire: Mapping[str, Any], name: str, where: str) -> frozenset[str]:
    values: list[object] = _parse_optional(wire, name, list, where) or []
    words = [value for value in values if isinstance(value, str)]
    if len(words) != len(values):
        raise BackendError(f"{where}: the service returned {name} that are not all text", NOT_IMAGE_API)
    return frozenset(words)


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else _to_json(value)


def _to_json(value: object) -> str:
    try:
        return json.dumps(value)
    except RecursionError as error:
        raise BackendError("the image service returned JSON that is nested too deep", NOT_IMAGE_API) from error


def _to_wire_name(name: str) -> str:
    return "os_hidden" if name == "hidden" else name


def _to_pointer(name: str) -> str:
    """RFC 6901: ``~`` and ``/`` are escaped."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _make_operation(kind: str, name: str, value: object) -> dict[str, object]:
    return {"op": kind, "path": _to_pointer(name), "value": value}


def _refuse_unknown(attrs: Mapping[str, object], operation: str, known: tuple[str, ...]) -> None:
    if unknown := sorted(set(attrs) - {*known, "tags", "properties"}):
        hint = f"it accepts {', '.join(known)}, tags, properties"
        raise InvalidRequest(f"{operation} does not accept {', '.join(unknown)}", hint)


def _refuse_field_names(properties: Mapping[str, object]) -> None:
    if taken := sorted(name for name in properties if name in OWN_FIELDS or name.startswith(SERVICE_PREFIX)):
        raise InvalidRequest(f"property {taken[0]!r} has the name of a field of the service", "rename the property")
