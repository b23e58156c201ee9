"""Owned images -> the generations of each key: current, staged, retired; and whether one holds the content. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from imagesync.documents import content_url
from imagesync.live import LiveImage
from imagesync.model import Compression, Content, FileSource, ImageSpec, KnownContent, Role, Status, UrlSource
from imagesync.record import Record, read


@dataclass(frozen=True, slots=True)
class Owned:
    """A live image of ours with its record."""

    image: LiveImage
    record: Record

    @property
    def id(self) -> str:
        """The image's id."""
        return self.image.id

    @property
    def order(self) -> tuple[int, str, str]:
        """Sorts builds from the oldest: by generation (``created_at`` has whole seconds only), then age, then id."""
        return self.record.managed.generation, self.image.created_at, self.image.id


@dataclass(frozen=True, slots=True)
class Generations:
    """Everything of one key, oldest first."""

    key: str
    current: tuple[Owned, ...] = ()
    staging: tuple[Owned, ...] = ()
    retired: tuple[Owned, ...] = ()

    @property
    def every(self) -> tuple[Owned, ...]:
        """All the images of the key."""
        return self.current + self.staging + self.retired

    @property
    def next_number(self) -> int:
        """The number of the next build."""
        return 1 + max((owned.record.managed.generation for owned in self.every), default=0)


class Holds(Enum):
    """Whether an image holds the wanted content."""

    SAME = auto()
    CHANGED = auto()
    TAMPERED = auto()
    MISSING = auto()


def group(images: Iterable[LiveImage]) -> dict[str, Generations]:
    """Owned images by key; images without a record or with the lease's role are left out."""
    owned = sorted((Owned(image, record) for image in images if (record := read(image))), key=lambda item: item.order)
    keys = sorted({item.record.key for item in owned if item.record.role is not Role.LEASE})
    by_role: dict[tuple[str, Role], list[Owned]] = {}
    for item in owned:
        by_role.setdefault((item.record.key, item.record.role), []).append(item)
    return {
        key: Generations(
            key, *(tuple(by_role.get((key, role), ())) for role in (Role.CURRENT, Role.STAGING, Role.RETIRED))
        )
        for key in keys
    }


def holds(spec: ImageSpec, owned: Owned) -> Holds:
    """Whether ``owned`` has the content that ``spec`` wants, by the rules of "content changed?" in the design."""
    image, source = owned.image, spec.source
    if source is Content.UNMANAGED:
        return Holds.SAME
    filled = image.status in (Status.ACTIVE, Status.DEACTIVATED)
    if source is Content.NO_DATA:
        return Holds.CHANGED if filled else Holds.SAME
    if not filled:
        return Holds.MISSING
    if isinstance(source, KnownContent):
        contradicted = _live_digest(image, source.checksum.algorithm) not in (None, source.checksum.value)
        return Holds.TAMPERED if contradicted else Holds.SAME
    return _holds_published(spec, source, owned)


def _holds_published(spec: ImageSpec, source: FileSource | UrlSource, owned: Owned) -> Holds:
    wanted = spec.fingerprint.digests
    recorded = {digest.algorithm: digest.value for digest in owned.record.digests}
    stored_as_published = source.transfer.compression is Compression.NONE
    shared = [digest for digest in wanted if digest.algorithm in recorded]
    if stored_as_published:
        live = [(digest, _live_digest(owned.image, digest.algorithm)) for digest in wanted]
        if any(found is not None and found != digest.value for digest, found in live):
            expected = shared and all(recorded[digest.algorithm] == digest.value for digest in shared)
            return Holds.TAMPERED if expected else Holds.CHANGED
        if any(found == digest.value for digest, found in live):
            return Holds.SAME
    if wanted:
        same = bool(shared) and all(recorded[digest.algorithm] == digest.value for digest in shared)
        return Holds.SAME if same else Holds.CHANGED
    return Holds.SAME if owned.record.url == content_url(spec) else Holds.CHANGED


def _live_digest(image: LiveImage, algorithm: str) -> str | None:
    if algorithm == "md5":
        return image.checksum
    return image.os_hash_value if image.os_hash_algo == algorithm else None


def is_confirmed(spec: ImageSpec, image: LiveImage) -> bool:
    """Whether a digest that the service itself made of the data is the declared one: then nothing is taken on trust."""
    if not _is_stored_as_published(spec):
        return False
    return any(_live_digest(image, digest.algorithm) == digest.value for digest in spec.fingerprint.digests)


def has_other_size(spec: ImageSpec, image: LiveImage) -> bool:
    """Whether an image cannot hold the declared data, whatever its digests are of."""
    size = spec.fingerprint.size
    return _is_stored_as_published(spec) and None not in (size, image.size) and size != image.size


def _is_stored_as_published(spec: ImageSpec) -> bool:
    source = spec.source
    return not isinstance(source, FileSource | UrlSource) or source.transfer.compression is Compression.NONE
