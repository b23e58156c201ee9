"""An image -> whether the catalog owns it. Pure.

The catalog owns an image that has a bound record of it, in a project that the key of the record may have images in.

The project is the trust boundary: a user who may write images in it can forge any record there. So each key has its own
owner: ``owner:`` of one key does not apply to another. This module compares byte by byte, because on some databases the
filters of the service ignore case, accents and trailing spaces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imagesync.model.catalog import Catalog
from imagesync.model.image import LiveImage
from imagesync.model.record import CATALOG, KEY, is_bound, is_marked, read
from imagesync.text import make_printable

MAX_NAMED_KEYS: Final = 3
"""A note names at most this many keys or ids, and counts the rest."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The projects that a catalog may own images in.

    ``project`` is the session's: every key may have images there. ``owners``: by key, the project that the manifest
    names for it, if that is another one.
    """

    catalog: str
    project: str
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects to read, sorted."""
        return tuple(sorted({self.project, *self.owners.values()}))

    def is_owned(self, image: LiveImage) -> bool:
        """Whether the catalog owns an image: it has a bound record of the catalog and is in a project of its key."""
        if not (is_marked(image, self.catalog) and is_bound(image)):  # cheaper than to decode each record
            return False
        return (image.owner or "") in (self.project, self.owners.get(image.properties.get(KEY, "")))

    def select_owned(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """The owned images among those listed, sorted by id."""
        return tuple(sorted(filter(self.is_owned, listed), key=lambda image: image.id))

    def select_copies(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """The listed images that carry a copy of another image's record, as snapshots do, sorted by id."""
        copies = (image for image in listed if is_marked(image, self.catalog) and not is_bound(image))
        return tuple(sorted(copies, key=lambda image: image.id))

    def select_misplaced(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """The listed images with a bound record of the catalog in another project than their key's, sorted by id."""
        bound = (image for image in listed if is_marked(image, self.catalog) and is_bound(image))
        return tuple(sorted((image for image in bound if not self.is_owned(image)), key=lambda image: image.id))


def make_ownership(catalog: Catalog, project: str) -> Ownership:
    """The ownership of a catalog, seen from a session of ``project``."""
    declared = {spec.key: owner for spec in catalog.images if (owner := spec.owner_id)}
    named = {**catalog.owner_ids, **declared}
    former = {old: named[key] for key, keys in catalog.moved.items() if key in named for old in keys}
    owners = {key: owner for key, owner in {**former, **named}.items() if owner != project}
    return Ownership(catalog.name, project, owners)


def describe_holder(image: LiveImage) -> str:
    """What manages a foreign image: the words of a message after "which"."""
    if record := read(image):
        return f"belongs to catalog {record.catalog}"
    if CATALOG in image.properties:
        return "carries a copy of another image's record, as snapshots do"
    return "is not managed by imagesync"


def note_misplaced(images: Sequence[LiveImage]) -> list[str]:
    """One sentence for each project with images of keys that the manifest assigns to another project."""
    by_project: dict[str, set[str]] = {}
    for image in images:
        if (record := read(image)) is not None:
            by_project.setdefault(image.owner or "", set()).add(record.key)
    return [
        f"project {project} has images of {name_some(sorted(keys))}, but the manifest does not declare it as their owner; "
        f"imagesync does not change them. To manage them, declare owner: {project} for the key or, if the key is no longer "
        f"in the manifest, removed: {{KEY: {{owner: {project}}}}}"
        for project, keys in sorted(by_project.items())
    ]


def name_some(names: Sequence[str]) -> str:
    """The first few names as text, and how many more there are."""
    listed = ", ".join(make_printable(name) for name in names[:MAX_NAMED_KEYS])
    rest = len(names) - MAX_NAMED_KEYS
    return f"{listed} and {rest} more" if rest > 0 else listed
