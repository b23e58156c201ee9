"""Owned images -> the generations of each key: current, staged, retired; and whether one holds the content. Pure."""

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
        """Sorts builds from the oldest: by generation (``created_at`` has whole seconds only), then age, then id."""
        return self.record.managed.generation, self.image.created_at, self.image.id

    @property
    def retired_at(self) -> datetime | None:
        """When it retired, if its record says so."""
        try:
            since = datetime.fromisoformat(self.record.managed.retired or "")
        except ValueError:
            return None
        return since if since.tzinfo else since.replace(tzinfo=UTC)

    @property
    def filled(self) -> bool:
        """Whether it is whole: its data is in the service."""
        return self.image.status in (Status.ACTIVE, Status.DEACTIVATED)

    @property
    def is_verified(self) -> bool:
        """Whether it is whole and its data was verified: what the service itself fetches is not until its record says so."""
        return self.filled and not self.image.importing and not self.record.unverified


@dataclass(frozen=True, slots=True)
class Generations:
    """Everything of one key, oldest first."""

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
        """Staged builds that are whole and verified: the last bytes are sent only once they are right."""
        return tuple(owned for owned in self.staging if owned.is_verified)

    @property
    def candidates(self) -> tuple[Owned, ...]:
        """Verified builds that can be tried: not those that an operator deactivated, see ``switched_off``.

        Nor one that users see, although its record says staging: the service lost a part of its publishing.
        """
        active = (owned for owned in self.verified if owned.image.status is Status.ACTIVE)
        return tuple(owned for owned in active if owned.image.hidden)

    @property
    def switched_off(self) -> tuple[Owned, ...]:
        """Verified builds that are deactivated: by an operator who rejected them, or because the manifest declared them
        deactivated.
        """
        found = (owned for owned in self.verified if owned.image.status is Status.DEACTIVATED)
        return tuple(owned for owned in found if owned.image.hidden)

    @property
    def last_retired_first(self) -> tuple[Owned, ...]:
        """Retired builds from the one that was current last; a build may have been current more than once.

        Clocks may be wrong: times count only for records that do not number retirements.
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
    """The images of each key; of a key without any an empty ``Generations``, which is not kept."""

    def __missing__(self, key: str) -> Generations:
        return Generations(key)

    def current_ids(self) -> dict[str, str]:
        """The id of each key's current image; of several, as a broken run leaves them, the newest."""
        return {key: found.current[-1].id for key, found in self.items() if found.current}


class Holds(Enum):
    """Whether an image holds the wanted content."""

    SAME = auto()
    CHANGED = auto()
    UNKNOWN = auto()
    """What is known of it cannot be compared with what is declared."""
    TAMPERED = auto()
    MISSING = auto()


def group(images: Iterable[LiveImage], latest: datetime | None = None) -> Groups:
    """Owned images by key; images without a record or with the lease's role are left out.

    ``latest``: the time by the clock that is first. A build that retired later by its record was dated by a wrong clock:
    what counts then is when it was last written to.
    """
    found = [Owned(image, record) for image in images if (record := read(image))]
    owned = sorted((_date_anew(item, latest) for item in found), key=lambda item: item.order)
    keys = sorted({item.record.key for item in owned if item.record.role is not Role.LEASE})
    by_role: dict[tuple[str, Role], list[Owned]] = {}
    for item in owned:
        by_role.setdefault((item.record.key, item.record.role), []).append(item)
    roles = (Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING)
    return Groups({key: Generations(key, *(tuple(by_role.get((key, role), ())) for role in roles)) for key in keys})


def _date_anew(owned: Owned, latest: datetime | None) -> Owned:
    since = owned.retired_at
    if latest is None or since is None or since - latest <= MAX_DIFFERENCE:
        return owned
    managed = replace(owned.record.managed, retired=owned.image.updated_at)
    return replace(owned, record=replace(owned.record, managed=managed))


def compare_content(spec: ImageSpec, owned: Owned) -> Holds:
    """Whether ``owned`` has the content that ``spec`` wants.

    Unmanaged content is always the same. A record without data is the same as long as it has none. Content that is
    only known by a digest is the same unless a digest of the service, or one that was computed, contradicts it. For the
    rest see ``_compare_published``. An image that is not filled lacks its content.
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

    1. If the service stores the bytes as published, its own digests decide, where it has one in a wanted algorithm: one
    that differs means that the data was tampered with if the record names the wanted content, else that other content
    is wanted; one that agrees means the same content. 2. Else the record decides: the same content has a recorded
    digest in a wanted algorithm, and none that differs. A declared digest counts too if none was computed in its
    algorithm, but it does not prove tampering. If only digests in other algorithms are known, nothing is decided. 3.
    Content without any digest is the same while the URL that it came from is one of the mirrors.

    Nothing is decided either where the data was published packed and is now declared plain, or the reverse: then all
    digests differ, and the service may hold the same bytes.
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

    What the service computed is of the unpacked bytes: where that is what was recorded, nothing was packed.
    """
    live = owned.image.digests
    shared = [item for item in owned.record.digests if item.algorithm in live]
    if not shared or owned.record.converted:
        return False
    was_plain = all(live[item.algorithm] == item.value for item in shared)
    return was_plain is not spec.is_stored_as_published


def collect_known(spec: ImageSpec, owned: Owned) -> dict[str, str]:
    """Algorithm to digits of every digest that was computed of the published data of an image."""
    live = owned.image.digests if is_stored_as_published(spec, owned) else {}
    return {**live, **{item.algorithm: item.value for item in owned.record.digests}}


def is_as_recorded(spec: ImageSpec, owned: Owned) -> bool:
    """Whether nothing that the service says of a staged build contradicts its record; packed or converted data proves
    nothing.
    """
    if not is_stored_as_published(spec, owned):
        return True
    size = spec.fingerprint.size if isinstance(spec.source, FileSource) else None
    recorded = owned.record.known
    same = all(recorded.get(name, value) == value for name, value in owned.image.digests.items())
    return same and size in (None, owned.image.size)


def settle_digests(spec: ImageSpec, owned: Owned) -> Record:
    """The record with every digest that is known by now, the service's own included where nothing was packed.

    Declared ones stay as long as nothing judges them: they leave when the strongest wanted digest is a known one, and
    those in an algorithm that is known leave at once.
    """
    record = owned.record
    known = {digest.algorithm: digest for digest in record.digests}
    if is_stored_as_published(spec, owned):
        known = {name: Checksum(name, value) for name, value in owned.image.digests.items()} | known
    judged = spec.fingerprint.strongest in known.values()
    declared = tuple(item for item in record.declared if not judged and item.algorithm not in known)
    return replace(record, digests=tuple(known[name] for name in sorted(known)), declared=declared)


def is_unjudged(spec: ImageSpec, owned: Owned) -> bool:
    """Whether a build holds the wanted content on trust only, and the manifest wants it verified."""
    transfer = spec.source.transfer
    queries = bool(spec.fingerprint.digests) and (transfer is None or transfer.verify)
    return queries and bool(settle_digests(spec, owned).declared)


def has_other_size(spec: ImageSpec, image: LiveImage) -> bool:
    """Whether an image cannot hold the declared data, whatever its digests are of."""
    size = spec.fingerprint.size
    return spec.is_stored_as_published and None not in (size, image.size) and size != image.size


def is_stored_as_published(spec: ImageSpec, owned: Owned) -> bool:
    """Whether the service holds the very bytes that were published, so its own digests are of them.

    What lies in the project that ``owner:`` names is never taken for converted where the service converts nothing: else
    that project could turn its hash off by its record.
    """
    transfer = spec.source.transfer
    is_theirs = spec.owner_id is not None and spec.owner_id == owned.image.owner
    is_sent_as_is = is_theirs and transfer is not None and transfer.method is Method.UPLOAD
    return spec.is_stored_as_published and (is_sent_as_is or not owned.record.converted)


def choose_digest(owned: Owned, algorithm: str | None) -> Checksum | None:
    """The recorded digest to write into a manifest; None without any.

    In ``algorithm`` if it is known, else the one that people write. One on trust only if there is no other.
    """
    found = {digest.algorithm: digest for digest in owned.record.digests or owned.record.declared}
    order = (algorithm or "sha256", "sha256", "sha512", *sorted(found))
    return next((found[name] for name in order if name in found), None)
