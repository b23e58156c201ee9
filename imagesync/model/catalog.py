"""The declared state as values: the catalog, its images, sources and target. No I/O.

Field names, units and allowed values are those of the Image service API v2 ("Create image", "Show image" in its
reference), except ``hidden``, which is ``os_hidden`` there. All values are immutable and compare by value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from imagesync.errors import Bug
from imagesync.model.policy import OnReplace, Policy
from imagesync.model.urls import has_secret, identify_url, redact_url


class Visibility(StrEnum):
    """Which users may see an image."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"


class Status(StrEnum):
    """The status of an image in the service."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    KILLED = "killed"
    PENDING_DELETE = "pending_delete"
    DELETED = "deleted"


class Role(StrEnum):
    """The role of an owned image for its key; stored in the property ``imagesync_role``.

    ``deleting`` is final: no run and no rollback uses such an image again, and the next run deletes it.
    """

    STAGING = "staging"
    CURRENT = "current"
    RETIRED = "retired"
    DELETING = "deleting"
    LEASE = "lease"


class Compression(StrEnum):
    """The compression of the published bytes; the service always stores unpacked data."""

    NONE = "none"
    GZ = "gz"
    XZ = "xz"
    BZ2 = "bz2"
    ZST = "zst"


class Method(StrEnum):
    """The way of the bytes into the service."""

    UPLOAD = "upload"
    WEB_DOWNLOAD = "web-download"
    GLANCE_DIRECT = "glance-direct"


class OnExpire(StrEnum):
    """What a run does with an image that has expired."""

    HIDE = "hide"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


HEX_LENGTHS: Final = MappingProxyType({"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128})
"""Hexadecimal digits of a digest, by hashlib name of its algorithm, weakest first."""
_HEX: Final = re.compile("[0-9a-f]*")
SERVICE_HASHES: Final = frozenset({"md5", "sha512"})
"""The digests that an image service computes by default ("Show image": ``checksum``, ``os_hash_value``)."""


@dataclass(frozen=True, slots=True, order=True)
class Checksum:
    """A digest of bytes: ``algorithm`` is a hashlib name, ``value`` lower-case hexadecimal."""

    algorithm: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """The checksum of a text ``sha256:HEX`` (any case); the ValueError of another text names the problem."""
        algorithm, colon, value = text.partition(":")
        algorithm, value = algorithm.strip().lower(), value.strip().lower()
        if not colon or algorithm not in HEX_LENGTHS:
            raise ValueError(f"not ALGORITHM:HEX with one of {', '.join(HEX_LENGTHS)}")
        if len(value) != HEX_LENGTHS[algorithm] or not _HEX.fullmatch(value):
            raise ValueError(
                f"{algorithm} takes {HEX_LENGTHS[algorithm]} hexadecimal digits, not {len(value)} characters"
            )
        return cls(algorithm, value)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True)
class Signature:
    """The OpenPGP signature of a checksum list: its ``url``, and the ``keyring`` with the accepted keys.

    The ``url`` of a clear-signed list is that of the list itself. ``keyring`` is an absolute path; ``display`` is the
    same path relative to the catalog's folder.
    """

    url: str
    keyring: str
    display: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """How bytes are transferred from a source into the service; sizes in bytes.

    ``stores`` must hold the data (none: the service's default); ``all_stores``: every store of the service. ``verify``
    False: data that the service fetches is not downloaded to verify it, and its declared digest is recorded without a
    check. ``inspect`` False: data that is not a disk (packed, an archive, text) is published all the same.
    """

    compression: Compression = Compression.NONE
    method: Method = Method.UPLOAD
    stores: tuple[str, ...] = ()
    all_stores: bool = False
    verify: bool = True
    inspect: bool = True
    max_size: int | None = None
    max_ratio: int | None = None

    @property
    def is_sent(self) -> bool:
        """Whether imagesync itself sends the bytes; a web-download is fetched by the service."""
        return self.method is not Method.WEB_DOWNLOAD

    def select_stores(self, offered: frozenset[str]) -> frozenset[str]:
        """The stores that must hold the data, in a service with the stores ``offered``; empty if none is declared."""
        return frozenset(self.stores) | (offered if self.all_stores else frozenset())


@dataclass(frozen=True, slots=True)
class FileSource:
    """A local file. ``path`` is absolute; ``display`` is relative to the catalog's folder.

    ``checksum_entry``: the name of the file in the checksum list, if it differs from the file's own name. It only helps
    to find the digest, so two sources that differ only in it are equal.
    """

    path: str
    display: str
    checksum: Checksum | None = None
    checksum_url: str | None = None
    checksum_entry: str | None = field(default=None, compare=False)
    signature: Signature | None = None
    transfer: Transfer = Transfer()


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file on the web: ``urls`` are mirrors of it, tried in order; the first one identifies it.

    ``checksum_entry``: the name of the file in the checksum list, if it differs from that in the URL; as for
    ``FileSource``.
    """

    urls: tuple[str, ...]
    checksum: Checksum | None = None
    checksum_url: str | None = None
    checksum_entry: str | None = field(default=None, compare=False)
    signature: Signature | None = None
    transfer: Transfer = Transfer()

    @property
    def display(self) -> str:
        """The first URL, as it may be shown."""
        return redact_url(self.urls[0])

    @property
    def needs_digest(self) -> bool:
        """Whether the source needs a digest and has none: no hash of a URL with a secret may be stored."""
        return not (self.checksum or self.checksum_url) and any(map(has_secret, self.urls))

    def withhold_secrets(self) -> "UrlSource":
        """The same source with URLs that may be shown and stored."""
        signature, listed = self.signature, self.checksum_url
        return replace(
            self,
            urls=tuple(map(redact_url, self.urls)),
            checksum_url=redact_url(listed) if listed else None,
            signature=replace(signature, url=redact_url(signature.url)) if signature else None,
        )


@dataclass(frozen=True, slots=True)
class KnownContent:
    """Content that is already in the service and must have this digest; ``export`` writes it."""

    checksum: Checksum

    @property
    def transfer(self) -> None:
        """None: nothing is transferred."""
        return


class Content(Enum):
    """Content without a source to read it from."""

    NO_DATA = "a metadata-only record, whose status stays queued"
    UNMANAGED = "the content of the live image, whatever it is"

    @property
    def transfer(self) -> None:
        """None: nothing is transferred."""
        return


Source: TypeAlias = FileSource | UrlSource | KnownContent | Content
"""The source of an image. Its ``transfer`` is None if there is nothing to read the bytes from."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The identity of a source's content, known before any byte of it is stored.

    ``digests`` are of the published bytes (before decompression), the declared one first; without any, only the first
    URL identifies the content. ``size`` is that of the published bytes, or None if unknown before they are read.
    """

    digests: tuple[Checksum, ...] = ()
    size: int | None = None

    @property
    def strongest(self) -> Checksum | None:
        """The digest that decides whether content is the same; None without any."""
        return max(self.digests, key=lambda item: HEX_LENGTHS[item.algorithm], default=None)


class Place(NamedTuple):
    """The place of a value in a manifest; lines and columns count from 1."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def add_to(self, sentence: str) -> str:
        """``FILE:LINE:COLUMN: `` before a sentence; the sentence alone if the place is not known."""
        return f"{self}: {sentence}" if self.line else sentence


@dataclass(frozen=True, slots=True)
class NamedProject:
    """A project by name and domain; the identity service knows its id."""

    project: str
    domain: str


Member: TypeAlias = str | NamedProject
"""A project: its id, or a name that must be resolved by the identity service."""
_PROJECT_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_project_id(text: str) -> bool:
    """Whether a word has the form of an id that the identity service makes, so it is not a name."""
    return _PROJECT_ID.fullmatch(text) is not None


class Auto(Enum):
    """A number that comes from the data: min_disk, from the virtual size in the image's header."""

    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SourceFault:
    """Why a source could not be checked when the plan was made.

    ``is_passing``: a later try may succeed (no connection, a status 5xx, no time left). ``hides_content``: the checksum
    list could not be read, so the declared build is unknown.
    """

    message: str
    hint: str = ""
    is_passing: bool = False
    hides_content: bool = False

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One declared image. None means "not declared": the live value is not changed (a create takes the default).

    ``min_disk`` in GB, ``min_ram`` in MB, ``expires`` an ISO date. Values of ``properties`` may have
    ``${images.KEY.id}``, which becomes the id of another declared image when the plan is applied. ``places`` has the
    places in the manifest of the ``image``, its ``source``, and the parts that name the content or the image:
    ``checksum``, ``url``, ``path``, ``checksum_url``, the formats, ``id``, ``name`` and ``adopt``. ``fault``: why the
    check of its source failed. ``moved_from``: the former keys of the image, the last one first.
    """

    key: str
    name: str
    source: Source = Content.UNMANAGED
    fingerprint: Fingerprint = Fingerprint()
    id: str | None = None
    owner: Member | None = None
    disk_format: str | None = None
    container_format: str | None = None
    visibility: Visibility | None = None
    min_disk: int | Auto | None = None
    min_ram: int | None = None
    status: Status | None = None
    protected: bool | None = None
    hidden: bool | None = None
    tags: frozenset[str] = frozenset()
    members: frozenset[Member] = frozenset()
    members_declared: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    adopt: bool | str = False
    moved_from: tuple[str, ...] = field(default=(), compare=False)
    expires: str | None = None
    on_expire: OnExpire | None = None
    on_replace: OnReplace = field(default=OnReplace())
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)
    fault: SourceFault | None = field(default=None, compare=False)

    @property
    def place(self) -> Place:
        """The place of the image in the manifest."""
        return self.places.get("image", Place())

    @property
    def source_place(self) -> Place:
        """The place of its source, or of the image if it has none."""
        return self.places.get("source", self.place)

    @property
    def owner_id(self) -> str | None:
        """The id of the project that ``owner`` names; None without ``owner``. Bug if the name is not resolved yet."""
        if isinstance(self.owner, NamedProject):
            raise Bug(f"{self.key}: the id of project {self.owner.project} was not resolved")
        return self.owner

    @property
    def has_data(self) -> bool:
        """Whether the content has a source to read it from."""
        return self.source.transfer is not None

    @property
    def is_record_only(self) -> bool:
        """Whether the image is a record without data (``source: none``)."""
        return self.source is Content.NO_DATA

    @property
    def is_stored_as_published(self) -> bool:
        """Whether the service gets the published bytes unchanged: nothing is unpacked on the way."""
        transfer = self.source.transfer
        return transfer is None or transfer.compression is Compression.NONE

    @property
    def url_identity(self) -> str | None:
        """The identity of content without a digest: that of the first URL.

        None for another source, and for a URL with a secret: such an image needs a digest.
        """
        return identify_url(self.source.urls[0]) if isinstance(self.source, UrlSource) else None

    def is_published_at(self, identity: str | None) -> bool:
        """Whether ``identity`` is that of the first URL, or of another mirror of the same file."""
        mirrors = self.source.urls[1:] if isinstance(self.source, UrlSource) else ()
        return identity == self.url_identity or (identity is not None and identity in map(identify_url, mirrors))

    def is_ignored(self, *path: str) -> bool:
        """Whether ``ignore`` leaves a field of an existing image to other users."""
        if not self.ignore:  # the usual case, and this is called for each field of each image
            return False
        dotted = ".".join(path)
        return any(fnmatchcase(dotted, pattern) for pattern in self.ignore)


def is_match(key: str, patterns: Sequence[str]) -> bool:
    """Whether a key matches one of the globs; without globs every key matches."""
    return not patterns or any(fnmatchcase(key, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Target:
    """The place that a catalog is applied to: a cloud of clouds.yaml, a local store (absolute path), or neither.

    ``wave``: in a run of several targets, waves run in ascending order. ``find_place`` returns where the manifest names
    the cloud or store; it may read the whole file again.
    """

    name: str | None = None
    cloud: str | None = None
    store: str | None = None
    wave: int = 0
    find_place: Callable[[], Place] = field(default=Place, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The declared state of one target.

    ``images`` is sorted by key. ``keys`` are all keys of the manifest for this target, also those outside ``only``: a
    plan neither changes their images nor takes them for removed. ``base`` is the folder of relative paths. ``digest``
    identifies the manifests' content. ``owners``: for keys that are not in ``images`` (they are outside ``only``, or
    were removed from the manifest), the project that owns their images, if the manifest names it. ``moved``: by key, its
    former keys (``moved``), also of keys that are not in ``images``.
    """

    name: str
    images: tuple[ImageSpec, ...] = ()
    keys: frozenset[str] = frozenset()
    owners: Mapping[str, Member] = field(default_factory=dict)
    moved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    policy: Policy = field(default=Policy())
    target: Target = Target()
    base: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def has_named_owners(self) -> bool:
        """Whether a name of a project that owns images is not resolved yet, so they cannot be listed."""
        return any(
            isinstance(one, NamedProject) for one in (*self.owners.values(), *(spec.owner for spec in self.images))
        )

    @property
    def owner_ids(self) -> Mapping[str, str]:
        """The ids of ``owners`` by key. Bug if a name is not resolved yet."""
        if named := [owner.project for owner in self.owners.values() if isinstance(owner, NamedProject)]:
            raise Bug(f"the id of project {named[0]} was not resolved")
        return {key: owner for key, owner in self.owners.items() if isinstance(owner, str)}

    def is_in_scope(self, key: str) -> bool:
        """Whether a plan may change the images of a key: it matches ``only``."""
        return is_match(key, self.only)
