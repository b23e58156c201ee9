"""Owned images -> the builds of each key by role; and whether a build holds the declared content. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto

from imagesync.model.catalog import Checksum, Content, FileSource, ImageSpec, KnownContent, Method, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.record import MAX_GENERATION, Record, read
from imagesync.planning.clock import MAX_DIFFERENCE


@dataclass(frozen=True, slots=True)
class Owned:
    """An owned live image with its record."""

    image: LiveImage
    record: Record

    @property
    def id(self) -> str:
        """The image's id."""
        return self.image.id

    @property
    def order(self) -> tuple[int, str, str]:
        """Sort key, oldest first: generation (``created_at`` has whole seconds only), then creation time, then id."""
        return self.record.managed.generation, self.image.created_at, self.image.id

    @property
    def retired_at(self) -> datetime | None:
        """When it retired; None if its record has no readable time."""
        try:
            since = datetime.fromisoformat(self.record.managed.retired or "")
        except ValueError:
            return None
        return since if since.tzinfo else since.replace(tzinfo=UTC)

    @property
    def filled(self) -> bool:
        """Whether the service has all of its data."""
        return self.image.status in (Status.ACTIVE, Status.DEACTIVATED)

    @property
    def is_verified(self) -> bool:
        """Whether the service has all of its data and imagesync verified it.

        Data that the service fetched itself counts as verified only if the record says so.
        """
        return self.filled and not self.image.importing and not self.record.unverified


@dataclass(frozen=True, slots=True)
class Generations:
    """The owned images of one key by role, each oldest first."""

    key: str
    current: tuple[Owned, ...] = ()
    staging: tuple[Owned, ...] = ()
    retired: tuple[Owned, ...] = ()
    deleting: tuple[Owned, ...] = ()

    @property
    def every(self) -> tuple[Owned, ...]:
        """All the images of the key."""
        return self.current + self.staging + self.retired + self.deleting

    @property
    def verified(self) -> tuple[Owned, ...]:
        """Staged builds that are verified. imagesync sends the last bytes of a build only after it verified the rest."""
        return tuple(owned for owned in self.staging if owned.is_verified)

    @property
    def candidates(self) -> tuple[Owned, ...]:
        """Verified staged builds that are active and hidden; ``switched_off`` has the deactivated ones.

        A visible build with a staging record is left out: the service lost a part of the update that published it.
        """
        active = (owned for owned in self.verified if owned.image.status is Status.ACTIVE)
        return tuple(owned for owned in active if owned.image.hidden)

    @property
    def switched_off(self) -> tuple[Owned, ...]:
        """Verified staged builds that are deactivated: an operator rejected them, or the manifest declares it."""
        found = (owned for owned in self.verified if owned.image.status is Status.DEACTIVATED)
        return tuple(owned for owned in found if owned.image.hidden)

    @property
    def last_retired_first(self) -> tuple[Owned, ...]:
        """Retired builds, the last retired first; a build may have been current more than once.

        Clocks may be wrong, so times count only for records without a retirement number.
        """
        oldest = datetime.min.replace(tzinfo=UTC)

        def order(owned: Owned) -> tuple[int, datetime, tuple[int, str, str]]:
            return owned.record.managed.retirement, owned.retired_at or oldest, owned.order

        return tuple(sorted(self.retired, key=order, reverse=True))

    @property
    def next_retirement(self) -> int:
        """The number of the next retirement."""
        found = max((owned.record.managed.retirement for owned in self.retired), default=0)
        return min(found + 1, MAX_GENERATION)

    @property
    def next_number(self) -> int:
        """The number of the next build."""
        found = max((owned.record.managed.generation for owned in self.every), default=0)
        return min(found + 1, MAX_GENERATION)


class Groups(dict[str, Generations]):
    """The images of each key; an empty ``Generations``, which is not stored, for a key without images."""

    def __missing__(self, key: str) -> Generations:
        return Generations(key)

    def find_current_ids(self) -> dict[str, str]:
        """The id of each key's current image; the newest if an interrupted run left several."""
        return {key: found.current[-1].id for key, found in self.items() if found.current}


class Holds(Enum):
    """Whether an image holds the declared content."""

    SAME = auto()
    CHANGED = auto()
    UNKNOWN = auto()
    """No known digest can be compared with a declared one."""
    TAMPERED = auto()
    """The service holds other data than imagesync published."""
    MISSING = auto()
    """The service does not have all of its data."""


def group(images: Iterable[LiveImage], latest: datetime | None = None) -> Groups:
    """Owned images by key; images without a record and lease records are left out.

    ``latest`` is the time of the latest clock. If a record has a later time of retirement, a wrong clock wrote it: the
    time of the last update (``updated_at``) replaces it.
    """
    found = [Owned(image, record) for image in images if (record := read(image))]
    owned = sorted((_correct_retirement(item, latest) for item in found), key=lambda item: item.order)
    keys = sorted({item.record.key for item in owned if item.record.role is not Role.LEASE})
    by_role: dict[tuple[str, Role], list[Owned]] = {}
    for item in owned:
        by_role.setdefault((item.record.key, item.record.role), []).append(item)
    roles = (Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING)
    return Groups({key: Generations(key, *(tuple(by_role.get((key, role), ())) for role in roles)) for key in keys})


def _correct_retirement(owned: Owned, latest: datetime | None) -> Owned:
    since = owned.retired_at
    if latest is None or since is None or since - latest <= MAX_DIFFERENCE:
        return owned
    managed = replace(owned.record.managed, retired=owned.image.updated_at)
    return replace(owned, record=replace(owned.record, managed=managed))


def compare_content(spec: ImageSpec, owned: Owned) -> Holds:
    """Whether ``owned`` has the content that ``spec`` declares.

    Unmanaged content is always the same. An image declared without data is the same while it has none. Content that is
    declared only by a digest is the same unless the service's own or a computed digest contradicts it. Content of a
    file or URL: see ``_compare_published``. An image without all of its data misses its content.
    """
    source = spec.source
    if source is Content.UNMANAGED:
        return Holds.SAME
    if source is Content.NO_DATA:
        return Holds.CHANGED if owned.filled else Holds.SAME
    if not owned.filled:
        return Holds.MISSING
    if isinstance(source, KnownContent):
        return _compare_known(source.checksum, owned)
    return _compare_published(spec, owned)


def _compare_known(wanted: Checksum, owned: Owned) -> Holds:
    computed = {item.algorithm: item.value for item in owned.record.digests}
    if owned.image.digests.get(wanted.algorithm) not in (None, wanted.value):
        return Holds.TAMPERED
    return Holds.SAME if computed.get(wanted.algorithm) in (None, wanted.value) else Holds.CHANGED


def _compare_published(spec: ImageSpec, owned: Owned) -> Holds:
    """Whether an image holds the data of a file or URL.

    1. If the service stores the bytes as published, and has a digest in a declared algorithm, its digests decide. If one
       differs, the result is TAMPERED if the record names the declared content, else CHANGED. If one agrees, SAME.
    2. Otherwise the record decides. SAME if it has a digest in a declared algorithm and none that differs, else CHANGED.
       A digest that was only declared counts if none was computed in its algorithm, but it cannot prove tampering. If
       only digests in other algorithms are known: UNKNOWN.
    3. Content without any digest is SAME while its recorded URL is one of the mirrors.

    UNKNOWN also if the data was published packed and is now declared plain, or the reverse: then all digests differ, but
    the service may hold the same bytes.
    """
    wanted = spec.fingerprint.digests
    recorded = owned.record.known
    shared = [digest for digest in wanted if digest.algorithm in recorded]
    if is_stored_as_published(spec, owned):
        live = [(digest, owned.image.digests.get(digest.algorithm)) for digest in wanted]
        if any(found is not None and found != digest.value for digest, found in live):
            computed = {digest.algorithm for digest in owned.record.digests}
            named = [digest for digest in shared if digest.algorithm in computed]
            expected = named and all(recorded[digest.algorithm] == digest.value for digest in named)
            return Holds.TAMPERED if expected else Holds.CHANGED
        if any(found == digest.value for digest, found in live):
            return Holds.SAME
    if wanted and not shared:
        return Holds.UNKNOWN if collect_known(spec, owned) else Holds.CHANGED
    same = all(recorded[digest.algorithm] == digest.value for digest in shared)
    if same if wanted else spec.is_published_at(owned.record.url):
        return Holds.SAME
    return Holds.UNKNOWN if _is_packed_otherwise(spec, owned) else Holds.CHANGED


def _is_packed_otherwise(spec: ImageSpec, owned: Owned) -> bool:
    """Whether the data of an image was published packed and is now declared plain, or the reverse.

    The service's digests are of the unpacked bytes: if the recorded digests are the same, the data was plain.
    """
    live = owned.image.digests
    shared = [item for item in owned.record.digests if item.algorithm in live]
    if not shared or owned.record.converted:
        return False
    was_plain = all(live[item.algorithm] == item.value for item in shared)
    return was_plain is not spec.is_stored_as_published


def collect_known(spec: ImageSpec, owned: Owned) -> dict[str, str]:
    """Algorithm to hexadecimal digits of every digest that was computed from the published data of an image."""
    live = owned.image.digests if is_stored_as_published(spec, owned) else {}
    return {**live, **{item.algorithm: item.value for item in owned.record.digests}}


def is_as_recorded(spec: ImageSpec, owned: Owned) -> bool:
    """Whether the service's digests and size of a staged build agree with its record.

    Packed or converted data cannot be compared and counts as agreeing.
    """
    if not is_stored_as_published(spec, owned):
        return True
    size = spec.fingerprint.size if isinstance(spec.source, FileSource) else None
    recorded = owned.record.known
    same = all(recorded.get(name, value) == value for name, value in owned.image.digests.items())
    return same and size in (None, owned.image.size)


def settle_digests(spec: ImageSpec, owned: Owned) -> Record:
    """The record with every digest that is known now, including the service's own if it stores the published bytes.

    A declared digest is dropped if a digest in its algorithm is known. All of them are dropped if the strongest digest
    of the manifest is a known one.
    """
    record = owned.record
    known = {digest.algorithm: digest for digest in record.digests}
    if is_stored_as_published(spec, owned):
        known = {name: Checksum(name, value) for name, value in owned.image.digests.items()} | known
    judged = spec.fingerprint.strongest in known.values()
    declared = tuple(item for item in record.declared if not judged and item.algorithm not in known)
    return replace(record, digests=tuple(known[name] for name in sorted(known)), declared=declared)


def is_unjudged(spec: ImageSpec, owned: Owned) -> bool:
    """Whether the content of a build was never verified, although the manifest asks for verification."""
    transfer = spec.source.transfer
    is_verification_declared = bool(spec.fingerprint.digests) and (transfer is None or transfer.verify)
    return is_verification_declared and bool(settle_digests(spec, owned).declared)


def has_other_size(spec: ImageSpec, image: LiveImage) -> bool:
    """Whether an image has another size than the declared data and so cannot hold it."""
    size = spec.fingerprint.size
    return spec.is_stored_as_published and None not in (size, image.size) and size != image.size


def is_stored_as_published(spec: ImageSpec, owned: Owned) -> bool:
    """Whether the service holds exactly the published bytes, so its own digests are of them.

    A record that says ``converted`` is not believed if the image is in the project that ``owner:`` names and imagesync
    uploaded the data: nothing converts an upload, and that project could turn the comparison off.
    """
    transfer = spec.source.transfer
    is_in_declared_project = spec.owner_id is not None and spec.owner_id == owned.image.owner
    is_sent_as_is = is_in_declared_project and transfer is not None and transfer.method is Method.UPLOAD
    return spec.is_stored_as_published and (is_sent_as_is or not owned.record.converted)


def choose_digest(owned: Owned, algorithm: str | None) -> Checksum | None:
    """The recorded digest to write into a manifest; None if there is none.

    In ``algorithm`` if it is known, else in sha256 or sha512, else any. A digest that was only declared counts if none
    was computed.
    """
    found = {digest.algorithm: digest for digest in owned.record.digests or owned.record.declared}
    order = (algorithm or "sha256", "sha256", "sha512", *sorted(found))
    return next((found[name] for name in order if name in found), None)
