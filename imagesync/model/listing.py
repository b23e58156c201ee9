"""Live images -> the entries of a listing: selected, in order, or the one that a word names. No I/O.

The service applies the filters that it can. Each image is compared again here, exactly: on some databases the service
ignores case, and it knows no globs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from imagesync.errors import UsageError
from imagesync.model.catalog import Role, Target, Visibility, is_match
from imagesync.model.image import Filter, Identity, LiveImage, MemberState, parse_time
from imagesync.model.record import CATALOG, KEY, Record, read

_GLOB: Final = frozenset("*?[")


class Standing(StrEnum):
    """What an image is for the catalog that its record names, in the order of a listing.

    ``copied``: the image carries a copy of another image's record. ``foreign``: no catalog owns it.
    """

    CURRENT = "current"
    CANDIDATE = "candidate"
    RETIRED = "retired"
    DELETING = "deleting"
    COPIED = "copied"
    FOREIGN = "foreign"


_STANDINGS: Final = MappingProxyType(
    {
        Role.CURRENT: Standing.CURRENT,
        Role.STAGING: Standing.CANDIDATE,
        Role.RETIRED: Standing.RETIRED,
        Role.DELETING: Standing.DELETING,
    }
)
ROLES: Final = {standing: role for role, standing in _STANDINGS.items()}
"""The role in the record of an image, by its standing."""
_ORDER: Final = {standing: number for number, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a listing.

    ``project``: the name of its project; empty if it is not known. ``members``: None if they were not requested.
    ``drift``: the fields whose live value differs from what imagesync wrote, as dotted paths; None if that was not
    compared.
    """

    image: LiveImage
    project: str = ""
    members: tuple[MemberState, ...] | None = None
    drift: tuple[str, ...] | None = None

    @property
    def record(self) -> Record | None:
        """The record of the image; None for a foreign image and for a copied record."""
        return read(self.image)

    @property
    def standing(self) -> Standing:
        """What the image is for the catalog of its record."""
        if (record := self.record) is not None:
            return _STANDINGS.get(record.role, Standing.FOREIGN)
        return Standing.COPIED if CATALOG in self.image.properties else Standing.FOREIGN

    @property
    def catalog(self) -> str | None:
        """The catalog that the record names, also a copied one."""
        return self.image.properties.get(CATALOG)

    @property
    def key(self) -> str | None:
        """The key that the record names, also a copied one."""
        return self.image.properties.get(KEY) if self.catalog is not None else None


@dataclass(frozen=True, slots=True)
class PlaceListing:
    """The images that were selected at the place ``here``, in their order."""

    entries: tuple[Entry, ...]
    here: Identity


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images to list: those that match every field; of several values of one field, one is enough.

    An empty field selects every image. ``keys`` and ``names`` are globs. An image must have all of ``tags``. ``owners`` are
    ids of projects.
    ``unmanaged``: only images that no catalog owns; UsageError together with a field about owned images.
    """

    keys: Sequence[str] = ()
    names: Sequence[str] = ()
    tags: Sequence[str] = ()
    catalogs: Sequence[str] = ()
    roles: Sequence[Standing] = ()
    visibilities: Sequence[Visibility] = ()
    owners: Sequence[str] = ()
    unmanaged: bool = False

    def __post_init__(self) -> None:
        given = (("--key", self.keys), ("--catalog", self.catalogs), ("--role", self.roles))
        if self.unmanaged and (others := [option for option, values in given if values]):
            message = (
                f"--unmanaged and {others[0]} exclude each other: an image that no catalog owns has no key or role"
            )
            raise UsageError(message, "pass one of them")

    @property
    def is_empty(self) -> bool:
        """Whether every image is selected."""
        given = (self.keys, self.names, self.tags, self.catalogs, self.roles, self.visibilities, self.owners)
        return not (any(given) or self.unmanaged)

    def is_match(self, image: LiveImage) -> bool:
        """Whether an image is selected. Case counts."""
        record, entry = read(image), Entry(image)
        needs_record = bool(self.keys or self.catalogs or self.roles)
        return (
            (record is not None if needs_record else record is None or not self.unmanaged)
            and (not self.keys or (record is not None and is_match(record.key, self.keys)))
            and (not self.names or is_match(image.name or "", self.names))
            and (not self.catalogs or entry.catalog in self.catalogs)
            and (not self.roles or entry.standing in self.roles)
            and set(self.tags) <= image.tags
            and (not self.visibilities or image.visibility in self.visibilities)
            and (not self.owners or image.owner in self.owners)
        )

    def make_filter(self) -> Filter:
        """The part that the service can apply: it returns at least the selected images, and maybe more.

        An image whose record has no readable role counts as current, so ``current`` is not left to the service.
        """
        role = self.roles[0] if len(self.roles) == 1 and self.roles[0] is not Standing.CURRENT else None
        return Filter(
            owner=self.owners[0] if len(self.owners) == 1 else None,
            name=_find_plain(self.names),
            tags=frozenset(self.tags),
            visibility=self.visibilities[0] if len(self.visibilities) == 1 else None,
            catalog=self.catalogs[0] if len(self.catalogs) == 1 else None,
            key=_find_plain(self.keys),
            role=ROLES[role].value if role in ROLES else None,
        )


def _find_plain(globs: Sequence[str]) -> str | None:
    """The only glob if it matches just itself."""
    return globs[0] if len(globs) == 1 and not _GLOB & set(globs[0]) else None


def sort_entries(entries: Iterable[Entry]) -> list[Entry]:
    """By name, without case; of one name: current, candidate, retired (the last retired first), then foreign.

    The builds of a key are listed together, under the name of its current image: a candidate has a temporary name, and
    ``on_replace`` may rename a retired build.
    """
    entries = list(entries)
    names = {
        (entry.image.owner, entry.catalog, entry.key): entry.image.name or ""
        for entry in entries
        if entry.standing is Standing.CURRENT
    }

    def order(entry: Entry) -> tuple[object, ...]:
        image, build = entry.image, (entry.image.owner, entry.catalog, entry.key)
        name = (names.get(build) if entry.record is not None else None) or image.name or ""
        return name.casefold(), name, _ORDER[entry.standing], *_order_builds(entry), image.id

    return sorted(entries, key=order)


def _order_builds(entry: Entry) -> tuple[float, float]:
    """The newest first: by the number and time of the retirement, or by the generation."""
    if (record := entry.record) is None:
        return 0.0, 0.0
    managed = record.managed
    if entry.standing is Standing.RETIRED:
        return -managed.retirement, -(parse_time(managed.retired) or datetime.min.replace(tzinfo=UTC)).timestamp()
    return -managed.generation, 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """The images that a word names. ``others``: further builds of the same key, if the word is a key."""

    images: tuple[LiveImage, ...] = ()
    others: tuple[LiveImage, ...] = field(default=())


def find_named_image(images: Iterable[LiveImage], word: str) -> Found:
    """The images that ``word`` names: by id; else by key and by name.

    A key means its current build; without one, all of its builds.
    """
    listed = list(images)
    if same := [image for image in listed if image.id == word]:
        return Found(tuple(same))
    builds = [image for image in listed if (record := read(image)) is not None and record.key == word]
    current = [image for image in builds if Entry(image).standing is Standing.CURRENT]
    others = {image.id for image in builds if current and image not in current}
    named = [image for image in listed if image.name == word and image.id not in others]
    found = {image.id: image for image in (*(current or builds), *named)}
    return Found(tuple(found.values()), tuple(image for image in builds if image.id in others))


def collect_words(images: Iterable[LiveImage]) -> Mapping[str, None]:
    """The names and keys of images, each once, for a suggestion."""
    words = [word for entry in map(Entry, images) for word in (entry.image.name, entry.record and entry.record.key)]
    return dict.fromkeys(word for word in words if word)


@dataclass(frozen=True, slots=True)
class TargetList:
    """The targets of a catalog in the order of the manifest, each with its number of images.

    ``default``: the name of the default target; None if there is none.
    """

    catalog: str
    targets: tuple[tuple[Target, int], ...]
    default: str | None = None
