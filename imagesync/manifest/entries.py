"""One live image -> its entry in a manifest, and the values that a manifest cannot express. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imagesync.manifest.texts import find_text_problems
from imagesync.manifest.yaml_writer import Data
from imagesync.model.catalog import Checksum, Status, Visibility, is_project_id
from imagesync.model.image import SNAPSHOT_TYPES, LiveImage, MemberState
from imagesync.model.record import PREFIX

_FLAVORS: Final = ("old_instance_type_", "new_instance_type_")
LEFT_OUT: Final = (
    frozenset({"image_location", "image_state", "instance_uuid", "base_image_ref", "user_id", "clean_attempts"})
    | {"owner_id", "owner_user_name", "owner_project_name", "boot_roles", "network_allocated", "old_vm_state"}
    | {"block_device_mapping", "img_block_device_mapping", "bdm_v2", "root_device_name"}
    | {"cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "signature_verified"}
)
"""Properties that the compute service writes on snapshots, and the block storage service on images of volumes. They describe
this image and would be wrong on a new build. With a copied ``cinder_encryption_key_id``, deleting one image would delete the
encryption key of both."""
LEFT_OUT_PREFIXES: Final = ("owner_specified.openstack.", "owner_specified.shade.", "instance_type_", *_FLAVORS)
"""Prefixes of properties of the SDK about an upload, and of the compute service about a flavor."""

REFERRING: Final = ("kernel_id", "ramdisk_id")
"""Properties whose value is the id of another image."""

Entry = dict[str, Data]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an entry depends on beside its image: the session's project, members, read-only properties, keys of other images."""

    project: str
    members: Mapping[str, tuple[MemberState, ...]] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)


def make_entry(key: str, image: LiveImage, around: Surroundings) -> tuple[Entry, list[str]]:
    """The manifest entry of one image, and a sentence for each value that it cannot express."""
    tags, properties, problems = _collect_texts(image, around)
    entry: Entry = {"name": escape_dollars(image.name or "")} if image.name != key else {}
    entry |= {"adopt": image.id, **_describe_source(image)}
    for name in ("disk_format", "container_format"):
        if value := getattr(image, name):
            entry[name] = str(value)
    entry["visibility"] = image.visibility.value
    if image.owner and image.owner != around.project:
        entry["owner"] = write_project(image.owner)
    entry |= {name: value for name in ("min_disk", "min_ram") if (value := getattr(image, name))}
    entry |= {"status": image.status.value} if image.status is Status.DEACTIVATED else {}
    entry |= {name: True for name in ("protected", "hidden") if getattr(image, name)}
    entry |= {"tags": tags} if tags else {}
    if image.visibility is Visibility.SHARED and image.id not in around.members:
        problems.append("its members are not in the manifest, because the service does not let this user list them")
    members = sorted(member.project for member in around.members.get(image.id, ()))
    entry |= {"members": list(map(write_project, members))} if members else {}
    entry |= {"properties": properties} if properties else {}
    return entry, problems


def write_project(project: str) -> str | dict[str, str]:
    """A project as a manifest names it."""
    return project if is_project_id(project) else {"id": escape_dollars(project)}


def _describe_source(image: LiveImage) -> Entry:
    """The digest that the service computed, if it did; ``none`` for a record without data.

    A snapshot of a server that boots from a volume has 0 bytes, because its data is in the block storage service. Its digest
    is not used: all such snapshots would be equal.
    """
    if image.status is Status.QUEUED:
        return {"source": "none"}
    digests = (f"{image.os_hash_algo}:{image.os_hash_value}", f"md5:{image.checksum}")
    known = next((digest for digest in digests if _has_content_entry(digest)), None)
    return {"source": {"checksum": known}} if known and image.size != 0 else {}


def _has_content_entry(text: str) -> bool:
    """Whether a text is a digest, and not the digest of no data."""
    try:
        checksum = Checksum.parse(text)
    except ValueError:
        return False
    return checksum.value != hashlib.new(checksum.algorithm, b"", usedforsecurity=False).hexdigest()


def _collect_texts(image: LiveImage, around: Surroundings) -> tuple[list[str], dict[str, str], list[str]]:
    """Tags and properties as the manifest writes them, and a sentence for each that it cannot express."""
    tags = sorted(image.tags)
    properties = {name: value for name, value in sorted(image.properties.items()) if _is_wanted(name, value, around)}
    problems: dict[tuple[str | int, ...], str] = {
        ("properties", name): "its name cannot be a key"
        for name in properties
        if not name.isprintable() or "${" in name
    }
    for path, message, _ in find_text_problems({"tags": tags, "properties": properties}):
        problems.setdefault(path, message)
    bad_tags = {path[1] for path in problems if path[0] == "tags"}
    bad_names = {path[1] for path in problems if path[0] == "properties"}
    lines_of_text = [f"{_describe_path(path, tags)} left out: {message}" for path, message in problems.items()]
    return (
        [escape_dollars(tag) for index, tag in enumerate(tags) if index not in bad_tags],
        {name: _write_value(name, text, around) for name, text in properties.items() if name not in bad_names},
        lines_of_text,
    )


def _describe_path(path: tuple[str | int, ...], tags: Sequence[str]) -> str:
    _, which = path
    return f"tag {tags[which]!r}" if isinstance(which, int) else f"property {which!r}"


def _is_wanted(name: str, value: str, around: Surroundings) -> bool:
    if name.startswith((PREFIX, *LEFT_OUT_PREFIXES)) or name in LEFT_OUT or name in around.read_only:
        return False
    return name != "image_type" or value not in SNAPSHOT_TYPES


def _write_value(name: str, text: str, around: Surroundings) -> str:
    """A property's value; the id of an exported kernel or ramdisk as a reference to its key."""
    if name in REFERRING and text in around.keys:
        return f"${{images.{around.keys[text]}.id}}"
    return escape_dollars(text)


def escape_dollars(text: str) -> str:
    """Text with doubled dollar signs, if a manifest would read them as a placeholder or an escape."""
    return text.replace("$", "$$") if "$$" in text or "${" in text else text


def properties_of(entry: Entry) -> dict[str, str]:
    """The properties of an entry; empty if it has none."""
    found = entry.get("properties", {})
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}
