"""Records and changes -> an error if they break a rule of the image service. Pure.

A record is JSON of the Image API. The rules were measured on Glance with its default configuration: at most 128
properties, tags and members, and names of 255 characters. Like its database, they refuse characters beyond U+FFFF.
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
"""Maximum number of tags, properties or members of one image: Glance's default quotas."""
MAX_NUMBER: Final = 2**31 - 1

_ID: Final = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_CHOICES: Final = {
    "disk_format": DISK_FORMATS | {None},
    "container_format": CONTAINER_FORMATS | {None},
    "visibility": VISIBILITIES,
}

CAPABILITIES: Final = Capabilities(DISK_FORMATS, CONTAINER_FORMATS, READ_ONLY, hash_is_final=True)


def is_image_id(value: object) -> bool:
    """Whether the value is a valid image id, which is also the name of the data file."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def check_new_id(image_id: str) -> None:
    """InvalidRequest if the id is not 8-4-4-4-12 hexadecimal digits."""
    if not is_image_id(image_id):
        raise InvalidRequest(f"the id {image_id!r} is not a UUID", "write 8-4-4-4-12 hexadecimal digits")


def check_document(document: Mapping[str, Any]) -> None:
    """Check a complete record after a create or an update: InvalidRequest, or QuotaExceeded for too many entries."""
    where = f"image {document['id']}"
    _check_fields(where, document)
    properties = get_properties(document)
    _check_texts(where, "name", [document["name"] or ""])
    _check_texts(where, "a tag", document["tags"])
    _check_texts(where, "a property's name", properties)
    for name, value in properties.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"{where}: property {name!r} is not text", "write it as a string")
        _check_characters(where, f"property {name!r}", value)
    for what, count in (("properties", len(properties)), ("tags", len(document["tags"]))):
        if count > MAX_ENTRIES:
            raise QuotaExceeded(f"{where}: {count} {what}; the limit is {MAX_ENTRIES}", "remove some of them")


def _check_fields(where: str, document: Mapping[str, Any]) -> None:
    for name, known in _CHOICES.items():
        if document.get(name) not in known:
            choices = ", ".join(sorted(filter(None, known)))
            raise InvalidRequest(f"{where}: {name} {document[name]!r} is unknown", f"use one of {choices}")
    for name in ("min_disk", "min_ram"):
        if type(document[name]) is not int or not 0 <= document[name] <= MAX_NUMBER:
            text = f"{where}: {name} {document[name]!r} is not an integer from 0 to {MAX_NUMBER}"
            raise InvalidRequest(text, f"correct {name}")
    for name in ("protected", "os_hidden"):
        if type(document[name]) is not bool:
            raise InvalidRequest(f"{where}: {name} {document[name]!r} is not true or false", "write true or false")


def get_properties(document: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an image: the entries of its record that are not fields of the service."""
    return {name: value for name, value in document.items() if name not in OWN_FIELDS}


def _check_texts(where: str, what: str, texts: Iterable[object]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise InvalidRequest(f"{where}: {what} is not text", "write it as a string")
        if len(text) > MAX_NAME_CHARS:
            problem = f"{where}: {what} is {len(text)} characters long; the limit is {MAX_NAME_CHARS}"
            raise InvalidRequest(problem, "shorten it")
        _check_characters(where, what, text)


def _check_characters(where: str, what: str, text: str) -> None:
    if any(ord(char) > 0xFFFF or 0xD800 <= ord(char) < 0xE000 for char in text):
        character = next(char for char in text if ord(char) > 0xFFFF or 0xD800 <= ord(char) < 0xE000)
        problem = f"{where}: {what} contains the character U+{ord(character):04X}, which the image service cannot save"
        raise InvalidRequest(problem, "remove that character")


def check_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Forbidden if the change sets a format of an image that is no longer queued."""
    for name in ("disk_format", "container_format"):
        if before.get(name) != after.get(name) and before["status"] != "queued":
            text = f"image {before['id']}: {name} can only change while the image is queued; it is {before['status']}"
            raise Forbidden(text, "create a new image with the other format")


def check_uploadable(document: Mapping[str, Any]) -> None:
    """InvalidRequest if a format is not set, because an upload requires both."""
    for name in ("disk_format", "container_format"):
        if document.get(name) is None:
            text = f"image {document['id']}: {name} is not set, and an upload requires it"
            raise InvalidRequest(text, f"set {name} before the upload")
