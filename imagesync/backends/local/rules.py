"""What the local store takes and refuses: the rules of the image service, as it was measured. Pure.

An image is its document in the service's own JSON. Limits are those of a stock service (128 properties, tags and
members; 255 characters); characters beyond the basic plane are refused, as its database does.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from imagesync.errors import Forbidden, InvalidRequest, QuotaExceeded
from imagesync.model.image import MAX_NAME_CHARS, OWN_FIELDS, Capabilities

DISK_FORMATS: Final = frozenset(["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso"])
CONTAINER_FORMATS: Final = frozenset(["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"])
VISIBILITIES: Final = frozenset({"public", "private", "shared", "community"})
READ_ONLY: Final = frozenset(
    {"status", "created_at", "updated_at", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"}
    | {"file", "self", "schema", "direct_url", "locations"}
)
MAX_ENTRIES: Final = 128
"""Tags, properties or members of one image: Glance's default quotas."""
MAX_NUMBER: Final = 2**31 - 1

_ID: Final = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CHOICES: Final = {
    "disk_format": DISK_FORMATS | {None},
    "container_format": CONTAINER_FORMATS | {None},
    "visibility": VISIBILITIES,
}

CAPABILITIES: Final = Capabilities(DISK_FORMATS, CONTAINER_FORMATS, READ_ONLY, hash_is_final=True)


def is_image_id(value: object) -> bool:
    """Whether it can be the id of an image, which is also the name of a file."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def check_new_id(image_id: str) -> None:
    """8-4-4-4-12 hexadecimal digits."""
    if not is_image_id(image_id):
        raise InvalidRequest(f"the id {image_id!r} is not a UUID", "give 8-4-4-4-12 hexadecimal digits")


def check_document(document: Mapping[str, Any]) -> None:
    """The whole of an image after a create or an update."""
    where = f"image {document['id']}"
    _check_fields(where, document)
    properties = properties_of(document)
    _check_texts(where, "name", [document["name"] or ""])
    _check_texts(where, "a tag", document["tags"])
    _check_texts(where, "a property's name", properties)
    for name, value in properties.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"{where}: property {name!r} is not text", "write it as a string")
        _check_characters(where, f"property {name!r}", value)
    for what, count in (("properties", len(properties)), ("tags", len(document["tags"]))):
        if count > MAX_ENTRIES:
            raise QuotaExceeded(f"{where}: {count} {what}, the limit is {MAX_ENTRIES}", "take some out")


def _check_fields(where: str, document: Mapping[str, Any]) -> None:
    for name, known in _CHOICES.items():
        if document.get(name) not in known:
            raise InvalidRequest(f"{where}: {name} {document[name]!r} is not known", "see the Image API reference")
    for name in ("min_disk", "min_ram"):
        if type(document[name]) is not int or not 0 <= document[name] <= MAX_NUMBER:
            raise InvalidRequest(f"{where}: {name} {document[name]!r} is not a number from 0", f"at most {MAX_NUMBER}")
    for name in ("protected", "os_hidden"):
        if type(document[name]) is not bool:
            raise InvalidRequest(f"{where}: {name} {document[name]!r} is not true or false")


def properties_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is not one of the service's own fields."""
    return {name: value for name, value in document.items() if name not in OWN_FIELDS}


def _check_texts(where: str, what: str, texts: Iterable[object]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise InvalidRequest(f"{where}: {what} is not text")
        if len(text) > MAX_NAME_CHARS:
            raise InvalidRequest(
                f"{where}: {what} has {len(text)} characters, the limit is {MAX_NAME_CHARS}", "shorten it"
            )
        _check_characters(where, what, text)


def _check_characters(where: str, what: str, text: str) -> None:
    if any(ord(char) > 0xFFFF or 0xD800 <= ord(char) < 0xE000 for char in text):
        raise InvalidRequest(f"{where}: {what} holds a character beyond the basic plane", "take it out")


def check_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """What of an image may change: its formats only until it has data."""
    for name in ("disk_format", "container_format"):
        if before.get(name) != after.get(name) and before["status"] != "queued":
            raise Forbidden(f"image {before['id']}: {name} can only be changed while the image is queued")


def check_uploadable(document: Mapping[str, Any]) -> None:
    """An upload needs both formats."""
    for name in ("disk_format", "container_format"):
        if document.get(name) is None:
            raise InvalidRequest(f"image {document['id']}: {name} must be set before data is uploaded")
