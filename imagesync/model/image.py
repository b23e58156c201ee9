"""The live state as values: images, the identity of a backend, its capabilities, an inventory. No I/O.

Field names and units are those of the Image service API v2 ("Show image"), except ``hidden``, which is ``os_hidden``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from imagesync.model.catalog import HEX_LENGTHS, Member, Status, Visibility

TEXT_FIELDS: Final = (
    *("name", "owner", "disk_format", "container_format", "checksum", "os_hash_algo", "os_hash_value"),
    *("file", "schema", "self", "direct_url"),
)
NUMBER_FIELDS: Final = ("min_disk", "min_ram", "size", "virtual_size")
CATALOG: Final = "imagesync_catalog"
"""The property with the name of the catalog that an image belongs to."""
KEY: Final = "imagesync_key"
ROLE: Final = "imagesync_role"
SNAPSHOT_TYPES: Final = frozenset({"snapshot", "backup"})
"""Values of ``image_type`` that the compute service writes; users write others."""
MAX_NAME_CHARS: Final = 255
"""Characters of an image's name: the width of the column in the service's database."""
MAX_PROPERTY_BYTES: Final = 65_535
"""Bytes of a property's value in UTF-8: the width of a TEXT column in MySQL and MariaDB."""
MAX_PARTS: Final = 128
"""Properties, or tags, of an image: the service's defaults (``image_property_quota``, ``image_tag_quota``)."""
OWN_FIELDS: Final = frozenset(
    {*TEXT_FIELDS, *NUMBER_FIELDS, "id", "status", "visibility", "protected", "os_hidden", "tags"}
    | {"created_at", "updated_at", "locations", "stores"}
)
"""The service's own fields, by its names ("Show image"); every other name is a property."""

IMPORT_TASK: Final = "os_glance_import_task"
"""The property that an image has while the service runs an import or a copy; during a copy the status stays active."""
COPY: Final = "copy-image"
"""The import method that copies an active image to other stores; the default policy allows it to admins."""
FAILED_STORES: Final = "os_glance_failed_import"


def parse_time(text: str | None) -> datetime | None:
    """An ISO 8601 time; None if it cannot be read or has no zone."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


@dataclass(frozen=True, slots=True)
class LiveImage:
    """An image as the service shows it.

    ``size`` and ``virtual_size`` in bytes, ``min_disk`` in GB, ``min_ram`` in MB; ``checksum`` is the md5 of the data,
    ``os_hash_value`` is its digest by ``os_hash_algo``, all in lower case. ``properties`` has every custom property.
    The well-known ones of snapshots and other services (image_location, kernel_id, …) are attributes too, None if
    absent. ``service`` has the properties that only the service writes (``os_glance_*``). ``nulls``: the fields that it
    returned as null. ``parsed`` caches values that were parsed from the properties, which never change.
    """

    id: str
    name: str | None = None
    status: Status = Status.QUEUED
    visibility: Visibility = Visibility.PRIVATE
    owner: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    hidden: bool = False
    tags: frozenset[str] = frozenset()
    properties: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    created_at: str = ""
    updated_at: str = ""
    file: str | None = None
    schema: str | None = None
    self: str | None = None
    direct_url: str | None = None
    locations: str | None = None
    stores: tuple[str, ...] = ()
    service: Mapping[str, str] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset()
    parsed: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def digests(self) -> Mapping[str, str]:
        """The digests that the service computed of the stored data: algorithm to hexadecimal digits.

        Only algorithms that a manifest can declare; empty without data.
        """
        found = (("md5", self.checksum), (self.os_hash_algo, self.os_hash_value))
        return {name: value for name, value in found if name is not None and name in HEX_LENGTHS and value}

    def is_in_project(self, project: str) -> bool:
        """Whether this project owns the image; always true for a service without projects, which reports no owner."""
        return (self.owner or "") in ("", project)

    @property
    def importing(self) -> bool:
        """Whether the service is running an import (or a copy between stores) of this image."""
        return self.status is Status.IMPORTING or bool(self.service.get(IMPORT_TASK))

    @property
    def failed_stores(self) -> tuple[str, ...]:
        """The stores in which the last import failed."""
        return tuple(filter(None, self.service.get(FAILED_STORES, "").split(",")))

    @property
    def image_location(self) -> str | None:
        """The place where another service keeps the image (``snapshot``)."""
        return self.properties.get("image_location")

    @property
    def image_state(self) -> str | None:
        """The state of a snapshot (``available``)."""
        return self.properties.get("image_state")

    @property
    def instance_uuid(self) -> str | None:
        """The server that a snapshot was taken of."""
        return self.properties.get("instance_uuid")

    @property
    def base_image_ref(self) -> str | None:
        """The image that the snapshot's server was booted from."""
        return self.properties.get("base_image_ref")

    @property
    def kernel_id(self) -> str | None:
        """The kernel image of an ``ami``."""
        return self.properties.get("kernel_id")

    @property
    def ramdisk_id(self) -> str | None:
        """The ramdisk image of an ``ami``."""
        return self.properties.get("ramdisk_id")

    @property
    def user_id(self) -> str | None:
        """The user who made a snapshot."""
        return self.properties.get("user_id")

    @property
    def image_type(self) -> str | None:
        """``snapshot`` for snapshots."""
        return self.properties.get("image_type")

    @property
    def is_snapshot(self) -> bool:
        """Whether the compute service made the image from a server."""
        return self.image_type in SNAPSHOT_TYPES

    @property
    def owner_id(self) -> str | None:
        """The project of the server that a snapshot was taken of."""
        return self.properties.get("owner_id")


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of images: each given condition must hold. ``owner`` None: of any project.

    ``catalog``: images that carry the marker of this catalog. ``key`` and ``role``: that carry this key, this role in
    their marker, which may be a copied one.
    """

    owner: str | None = None
    name: str | None = None
    tags: frozenset[str] = frozenset()
    visibility: Visibility | None = None
    catalog: str | None = None
    key: str | None = None
    role: str | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The properties that an image must have, with their values."""
        wanted = ((CATALOG, self.catalog), (KEY, self.key), (ROLE, self.role))
        return {name: value for name, value in wanted if value is not None}

    def is_match(self, image: LiveImage) -> bool:
        """Whether an image matches; texts are compared exactly."""
        return (
            (self.owner is None or (image.owner or "") == self.owner)
            and (self.name is None or image.name == self.name)
            and self.tags <= image.tags
            and self.visibility in (None, image.visibility)
            and self.properties.items() <= image.properties.items()
        )


@dataclass(frozen=True, slots=True)
class ImportTask:
    """One import of an image: ``status`` pending, processing, success or failure; times as the service writes them."""

    id: str
    status: str
    message: str = ""
    created_at: str = ""
    updated_at: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether the task is still to run, or is running."""
        return self.status in ("pending", "processing")


@dataclass(frozen=True, slots=True)
class MemberState:
    """One member of a shared image: a project id and ``pending``, ``accepted`` or ``rejected``."""

    project: str
    status: str = "pending"


@dataclass(frozen=True, slots=True)
class Identity:
    """The service, region and project of a backend, without user and secrets."""

    kind: str
    location: str
    project_id: str
    project_name: str = ""
    region: str = ""
    label: str = ""

    @property
    def fingerprint(self) -> str:
        """The identity of the target in plan files: kind, location, region and project."""
        return "|".join((self.kind, self.location, self.region, self.project_id))

    def is_place_of(self, here: "Identity") -> bool:
        """Whether a plan for this target may be applied to ``here``: a store has no project id before it exists."""
        was_missing = self.kind == "store" and not self.project_id
        here = replace(here, project_id="") if was_missing else here
        return self.fingerprint == here.fingerprint


@dataclass(frozen=True, slots=True)
class Usage:
    """A quota as the service reports it: ``limit`` -1 for none; sizes in MiB, counts in images."""

    usage: int
    limit: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target can do. Empty ``disk_formats`` or ``container_formats``: unknown, every format is allowed.

    ``hash_is_final``: the data of an active image always matches the service's own hash. Not so with a store of type
    http: it keeps only an address, and the server at that address may later return other data.
    """

    disk_formats: frozenset[str] = frozenset()
    container_formats: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    import_methods: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    hidden: bool = True
    hash_is_final: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """The live images, as far as the plan needs them.

    ``owned``: images with a record of the catalog that names their own id, in the project of their key. ``foreign``:
    images that the catalog does not own, with a name that it needs or an id that it names. ``copies``: images with a
    copy of another image's record. ``misplaced``: images with their own record in a project that is not that of their
    key. Those two are foreign too; a plan only mentions them. ``members``: by image id, only of images whose members
    are declared or recorded. ``projects``: ids of the projects that the manifests name. ``notes``: sentences for the
    plan about images that could not be read.
    """

    project_id: str
    owned: tuple[LiveImage, ...] = ()
    foreign: tuple[LiveImage, ...] = ()
    copies: tuple[LiveImage, ...] = ()
    misplaced: tuple[LiveImage, ...] = ()
    members: Mapping[str, tuple[MemberState, ...]] = field(default_factory=dict)
    projects: Mapping[Member, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def index_images(self) -> dict[str, LiveImage]:
        """The owned and the foreign images by id; a new mapping for each call."""
        return {image.id: image for image in (*self.owned, *self.foreign)}
