"""Who owns an image: the catalog does only by a record that is bound to it, in a project that its key may have images
in. Pure.

The project is the trust boundary: a user who may write images in it may forge any record there. So owners belong to
keys: ``owner:`` of one key says nothing about another. All comparisons are made here, byte for byte; filters of the
service ignore case and more on some databases.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imagesync.model.catalog import Catalog
from imagesync.model.image import LiveImage
from imagesync.model.record import CATALOG, KEY, is_bound, is_marked, read
from imagesync.text import make_printable

MAX_NAMED_KEYS: Final = 3
"""Keys or ids that a note names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Where the images of one catalog may be.

    ``owners`` by key, of the keys for which the manifest names another project than the session's (``project``). Images in
    the session's project are always the catalog's, whatever their key.
    """

    catalog: str
    project: str
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects to read, sorted."""
        return tuple(sorted({self.project, *self.owners.values()}))

    def is_ours(self, image: LiveImage) -> bool:
        """Whether an image belongs to the catalog: bound record, right catalog, a project of its key."""
        if not (is_marked(image, self.catalog) and is_bound(image)):  # no need to decode the record of each image
            return False
        return (image.owner or "") in (self.project, self.owners.get(image.properties.get(KEY, "")))

    def select_ours(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """The catalog's own of the images that were listed, by id."""
        return tuple(sorted(filter(self.is_ours, listed), key=lambda image: image.id))

    def select_copies(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """Images that carry a copy of another image's record, as snapshots do, by id."""
        copies = (image for image in listed if is_marked(image, self.catalog) and not is_bound(image))
        return tuple(sorted(copies, key=lambda image: image.id))

    def select_misplaced(self, listed: Iterable[LiveImage]) -> tuple[LiveImage, ...]:
        """Images with a bound record of the catalog in a project that their key has no images in, by id."""
        bound = (image for image in listed if is_marked(image, self.catalog) and is_bound(image))
        return tuple(sorted((image for image in bound if not self.is_ours(image)), key=lambda image: image.id))


def make_ownership(catalog: Catalog, project: str) -> Ownership:
    """Where the images of a catalog may be, for a session of a project."""
    declared = {spec.key: owner for spec in catalog.images if (owner := spec.owner_id)}
    owners = {key: owner for key, owner in {**catalog.owner_ids, **declared}.items() if owner != project}
    return Ownership(catalog.name, project, owners)


def describe_holder(image: LiveImage) -> str:
    """Whose a foreign image is, for a message: after "which"."""
    if record := read(image):
        return f"belongs to catalog {record.catalog}"
    if CATALOG in image.properties:
        return "carries a copy of another image's record, as snapshots do"
    return "is not managed by imagesync"


def note_misplaced(images: Sequence[LiveImage]) -> list[str]:
    """One sentence for each project that has images of keys which are not its own; they are left alone."""
    by_project: dict[str, set[str]] = {}
    for image in images:
        if (record := read(image)) is not None:
            by_project.setdefault(image.owner or "", set()).add(record.key)
    return [
        f"project {project} has images of {name_some(sorted(keys))}, which the manifest does not give to it. They are left "
        f"alone. If they are yours, declare owner: {project} for the key, or, if the key left the manifest, "
        f"removed: {{KEY: {{owner: {project}}}}}"
        for project, keys in sorted(by_project.items())
    ]


def name_some(names: Sequence[str]) -> str:
    """The first few names as text, and how many more there are."""
    display = ", ".join(make_printable(name) for name in names[:MAX_NAMED_KEYS])
    rest = len(names) - MAX_NAMED_KEYS
    return f"{display} and {rest} more" if rest > 0 else display
