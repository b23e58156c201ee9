"""The Image API's JSON <-> values. Pure: parses once, fails loudly on an unknown shape; inside, types are trusted."""

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
"""Compared with digests of manifests and records, which are lower case; services may write them otherwise."""
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
"""Stands for a moment in a property that is removed: a UUID, as a service's schema may want for kernel_id."""
MAX_NUMBER: Final = 2**63 - 1
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_MAX_SHOWN_CHARS: Final = 60


def image_from_wire(document: object) -> LiveImage:
    """One image of the service; BackendError names image and field where a type is not the API's."""
    wire = _require_mapping(document, "an image")
    image_id = _parse_required(wire, "id", str, f"the image {_describe(wire.get('name'))}")
    if not _ID.fullmatch(image_id):
        raise BackendError(f"the service answered an image's id as {_describe(image_id)}", "is this an Image API v2?")
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
    """Whether it is an image in the middle of its deletion: the service still shows it, without its properties."""
    return isinstance(document, dict) and document.get("status") in (Status.DELETED, Status.PENDING_DELETE)


def create_to_wire(attrs: CreateFields) -> dict[str, object]:
    """The body of "Create image": properties stand beside the service's fields, so none may be called like one."""
    _refuse_unknown(attrs, "create_image", ("id", *WRITABLE))
    properties = attrs.get("properties", {})
    _refuse_field_names(properties)
    fields = {_wire_name(name): value for name, value in attrs.items() if name not in ("properties", "tags")}
    tags = {"tags": sorted(set(attrs["tags"]))} if "tags" in attrs else {}
    return {**properties, **fields, **tags}


def update_to_wire(attrs: UpdateFields) -> list[dict[str, object]]:
    """The operations of one JSON patch.

    ``add`` replaces a property that is there. A property goes by ``add`` then ``remove``, which does no harm when it is
    gone already. A required one is replaced, or removed without ``add``: either is 409 when it is not there.
    """
    _refuse_unknown(attrs, "update_image", (*WRITABLE, "required", "absent"))
    properties, required = attrs.get("properties", {}), frozenset(attrs.get("required", ()))
    _refuse_field_names(properties)
    if required - set(properties) or (required and attrs.get("absent")):
        raise InvalidRequest("update_image: required properties must be given, and cannot be absent")
    others = ("properties", "tags", "required", "absent")
    fields = {_wire_name(name): value for name, value in attrs.items() if name not in others}
    if "tags" in attrs:
        fields["tags"] = sorted(set(attrs["tags"]))
    operations = [_operation("replace", name, value) for name, value in sorted(fields.items())]
    for name, value in sorted(properties.items()):
        if value is not None:
            operations.append(_operation("replace" if name in required else "add", name, value))
            continue
        operations += [] if name in required else [_operation("add", name, PLACEHOLDER)]
        operations.append({"op": "remove", "path": _pointer(name)})
    return operations


def strict_operations(operations: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """The same patch in the older form (media type v2.0), whose ``add`` is 409 for a property that is there."""
    return [{str(one["op"]): one["path"], **({"value": one["value"]} if "value" in one else {})} for one in operations]


def member_from_wire(document: object) -> MemberState:
    """One member of an image."""
    wire = _require_mapping(document, "a member")
    return MemberState(
        _parse_required(wire, "member_id", str, "a member"),
        _parse_optional(wire, "status", str, "a member") or "pending",
    )


def tasks_from_wire(document: object) -> list[ImportTask]:
    """The imports of an image by age; read leniently, as they only explain."""
    listed = _get_mapping(document).get("tasks")
    found = [_parse_task(_get_mapping(item)) for item in listed] if isinstance(listed, list) else []
    return sorted(found, key=lambda task: (task.created_at, task.updated_at))


def _parse_task(wire: Mapping[str, Any]) -> ImportTask:
    names = ("id", "status", "message", "created_at", "updated_at")
    return ImportTask(*(value if isinstance(value := wire.get(name), str) else "" for name in names))


def capabilities_from_wire(schema: object, methods: object, stores: object, usage: object) -> Capabilities:
    """What ``/v2/schemas/image``, ``/v2/info/import``, ``/v2/info/stores`` and ``/v2/info/usage`` tell; None: not offered.

    Read leniently: what a kin service words differently is not known, and then nothing is refused.
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
    """Stores that only read (http) hold no image that is put into them."""
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
    """A mapping, or the one under ``name`` in it; empty where there is none."""
    if name is not None:
        document = document.get(name) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _parse_choices(values: object) -> frozenset[str]:
    return frozenset(value for value in values if isinstance(value, str)) if isinstance(values, list) else frozenset()


def _require_mapping(document: object, what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise BackendError(f"the image service answered {what} that is no JSON object", "is this an Image API v2?")
    return document


def _parse_required(wire: Mapping[str, Any], name: str, kind: Callable[..., T], where: str) -> T:
    value = _parse_optional(wire, name, kind, where)
    if value is None:
        raise BackendError(f"{where}: the service answered no {name}", "is this an Image API v2?")
    return value


def _parse_optional(wire: Mapping[str, Any], name: str, kind: Callable[..., T], where: str) -> T | None:
    """A field of exactly this type (True is no number), or None."""
    value = wire.get(name)
    if value is not None and type(value) is not kind:
        text = f"{where}: the service answered {name} as {type(value).__name__}, not {getattr(kind, '__name__', kind)}"
        raise BackendError(text, "is this an Image API v2?")
    return value


def _parse_enum(kind: Callable[[str], T], wire: Mapping[str, Any], name: str, where: str) -> T:
    value = _parse_required(wire, name, str, where)
    try:
        return kind(value)
    except ValueError as error:
        raise BackendError(f"{where}: the service answered an unknown {name}, {_describe(value)}") from error


def _parse_number(wire: Mapping[str, Any], name: str, where: str) -> int | None:
    value = _parse_optional(wire, name, int, where)
    if value is not None and not 0 <= value <= MAX_NUMBER:
        text = f"{where}: the service answered {name} as {_describe(value)}, not as a number from 0"
        raise BackendError(text, "is this an Image API v2?")
    return value


def _parse_time(wire: Mapping[str, Any], name: str, where: str) -> str:
    """A moment as the service writes it; empty where it tells none."""
    value = _parse_optional(wire, name, str, where) or ""
    try:
        datetime.fromisoformat(value or "2000-01-01")
    except ValueError as error:
        raise BackendError(
            f"{where}: the service answered {name} as {_describe(value)}, not as a time", "is this an Image API v2?"
        ) from error
    return value


def _describe(value: object) -> str:
    """An odd value, as far as it fits into a line."""
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    return shorten(repr(value[:_MAX_SHOWN_CHARS] if isinstance(value, str) else value), _MAX_SHOWN_CHARS)


def _parse_words(wire: Mapping[str, Any], name: str, where: str) -> frozenset[str]:
    values: list[object] = _parse_optional(wire, name, list, where) or []
    words = [value for value in values if isinstance(value, str)]
    if len(words) != len(values):
        raise BackendError(f"{where}: the service answered {name} that are not all text", "is this an Image API v2?")
    return frozenset(words)


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else _to_json(value)


def _to_json(value: object) -> str:
    try:
        return json.dumps(value)
    except RecursionError as error:
        text = "the image service answered something that is nested too deep"
        raise BackendError(text, "is this an Image API v2?") from error


def _wire_name(name: str) -> str:
    return "os_hidden" if name == "hidden" else name


def _pointer(name: str) -> str:
    """RFC 6901: ``~`` and ``/`` are escaped."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _operation(kind: str, name: str, value: object) -> dict[str, object]:
    return {"op": kind, "path": _pointer(name), "value": value}


def _refuse_unknown(attrs: Mapping[str, object], operation: str, known: tuple[str, ...]) -> None:
    if unknown := sorted(set(attrs) - {*known, "tags", "properties"}):
        hint = f"it takes {', '.join(known)}, tags, properties"
        raise InvalidRequest(f"{operation} does not take {', '.join(unknown)}", hint)


def _refuse_field_names(properties: Mapping[str, object]) -> None:
    if taken := sorted(name for name in properties if name in OWN_FIELDS or name.startswith(SERVICE_PREFIX)):
        raise InvalidRequest(f"a property cannot be called {taken[0]!r}: that is the service's own", "rename it")
