"""Data that is in the service -> what is known of it, or an error if it is not the declared data. Does I/O.

Judged are: what was sent from here by what the service says it stored, what the service fetched by the service's own
hash or else by reading it back. Nothing is published whose declared digest was not judged, unless the manifest says
``verify: none``; a digest that nothing was compared with is returned as declared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, ChecksumMismatch, Forbidden
from imagesync.execution.reading_back import Hashes, StoredData, check_digest, read_back
from imagesync.formats import check_disk_fits
from imagesync.model.catalog import (
    HEX_LENGTHS,
    Checksum,
    Compression,
    FileSource,
    Method,
    Status,
    Transfer,
    UrlSource,
)
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create
from imagesync.model.record import read
from imagesync.sources import SourceStream, make_plausibility

NOT_INSPECTED: Final = Transfer(inspect=False)
"""For data that was published before: it was inspected then, or was not to be."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An image whose bytes are in the service and are the right ones.

    ``digests`` are of the published bytes, as far as they are known; ``sent`` counts the bytes that were sent from here;
    ``virtual_size`` in bytes; ``converted``: the service made another format of them; ``declared``: digests that nothing
    was compared with (``verify: none``).
    """

    image: LiveImage
    digests: tuple[Checksum, ...]
    sent: int = 0
    virtual_size: int = 0
    converted: bool = False
    declared: tuple[Checksum, ...] = ()


class Verifier:
    """Verifies the data of images of one backend; ``check`` is called while data is read back, and may raise."""

    def __init__(self, backend: Backend, check: Callable[[], None] = lambda: None) -> None:
        self._backend, self._check = backend, check

    def verify_sent(self, create: Create, transfer: Transfer, image: LiveImage, stream: SourceStream) -> Arrived:
        """Compare what was verified while it was sent with what the service says it stored."""
        if image.status is not Status.ACTIVE:
            raise BackendError(f"image {image.id} is {image.status.value} after the upload", "run apply again")
        as_sent = image.size == stream.sent and _has_declared_formats(create, image)
        converted = transfer.method is Method.GLANCE_DIRECT and not as_sent
        if not converted:
            self._compare(image, stream)
        known = {item.algorithm: item for item in create.fingerprint.digests}
        found = stream.published_digests
        if transfer.compression is Compression.NONE:
            # what the service computed beside the digest that was compared is of the same bytes
            found = stream.digests if converted else {**image.digests, **stream.digests}
        known = {name: Checksum(name, value) for name, value in found.items()} | known
        if transfer.method is Method.GLANCE_DIRECT:
            self._check_head(image, transfer, image.disk_format, image.container_format)
        virtual_size = image.virtual_size or stream.virtual_size or 0
        return Arrived(image, _sort(known), stream.sent, virtual_size, converted)

    def _compare(self, image: LiveImage, stream: SourceStream) -> None:
        """Compare size and a digest of what the service stored with those of what was sent."""
        hint = "run apply again; where the service converts what it imports, declare method: glance-direct"
        if image.size != stream.sent:
            raise ChecksumMismatch(f"the service stored {image.size} bytes, we sent {stream.sent}", hint)
        theirs = image.digests
        if not theirs.keys() & stream.digests.keys():  # it uses an unusual algorithm: read the data back
            theirs = self._hash_stored(image.id, max(stream.digests, key=lambda name: HEX_LENGTHS[name]))
        for name in theirs.keys() & stream.digests.keys():
            if theirs[name] != stream.digests[name]:
                message = f"the service stored {name}:{theirs[name]}, we sent {name}:{stream.digests[name]}"
                raise ChecksumMismatch(message, hint)

    def _hash_stored(self, image_id: str, algorithm: str) -> Mapping[str, str]:
        stored = read_back(self._backend, image_id, lambda: Hashes([algorithm]), self._check)
        return stored.hexdigests()

    def verify_found(self, create: Create, source: FileSource | UrlSource, image: LiveImage) -> Arrived:
        """Verify an active image whose bytes were not read in this run.

        An import of what an earlier run staged holds verified bytes, unless it lies in another project, whose members
        may have filled the image. The bytes that the service fetched by itself were never verified.
        """
        staged = read(image)
        converted = not _has_declared_formats(create, image)
        virtual_size = image.virtual_size or image.size or 0
        comparable = source.transfer.compression is Compression.NONE and not converted
        if comparable:
            for item in create.fingerprint.digests:
                check_digest(item, image.digests.get(item.algorithm, item.value))
        is_sent = source.transfer.is_sent and image.is_in_project(self._backend.identity().project_id)
        if is_sent and staged is not None and not staged.unverified:
            known = _sort({item.algorithm: item for item in create.fingerprint.digests})
            if source.transfer.method is Method.GLANCE_DIRECT:
                self._check_head(image, source.transfer, image.disk_format, image.container_format)
        else:
            known = self._judge_fetched(create, source.transfer, image, comparable=comparable)
        check_min_disk(create, virtual_size)
        declared = tuple(item for item in create.fingerprint.digests if item not in known)
        return Arrived(image, known, 0, virtual_size, converted, () if _is_judged(create, known) else declared)

    def _judge_fetched(
        self, create: Create, transfer: Transfer, image: LiveImage, *, comparable: bool
    ) -> tuple[Checksum, ...]:
        """Return the digests that are known of what the service fetched; ChecksumMismatch if a declared one is not right.

        Data that the service's own hash does not judge is read back, unless the manifest says ``verify: none``.
        """
        declared = create.fingerprint.digests
        if not comparable:
            if declared and transfer.verify:
                changed = " and ".join(_list_converted(create, image)) or "packed data"
                message = f"the service made {changed} of what it fetched, which no declared digest can judge"
                hint = "use method: glance-direct, which verifies before the service converts, or declare verify: none"
                raise ChecksumMismatch(message, hint)
            self._check_head(image, transfer, image.disk_format, image.container_format)
            return ()
        known = {name: Checksum(name, value) for name, value in image.digests.items()}
        is_final = (
            image.is_in_project(self._backend.identity().project_id) or self._backend.capabilities().hash_is_final
        )
        is_judged = is_final and create.fingerprint.strongest in known.values()
        disk_format, container_format = declared_formats(create)
        if declared and transfer.verify and not is_judged:
            self.check_stored(image, declared, disk_format, container_format, transfer)
            known |= {item.algorithm: item for item in declared}
        else:
            self._check_head(image, transfer, disk_format, container_format)
        return _sort(known)

    def _check_head(
        self, image: LiveImage, transfer: Transfer, disk_format: str | None, container_format: str | None
    ) -> None:
        """Read the first bytes of what the service stored, unless its policy forbids that; FormatMismatch if no machine
        boots it."""
        if not transfer.inspect:
            return
        try:
            plausibility = read_back(
                self._backend, image.id, lambda: make_plausibility(transfer, disk_format, container_format)
            )
        except Forbidden:
            return
        plausibility.finish()

    def check_stored(
        self,
        image: LiveImage,
        declared: Sequence[Checksum],
        disk_format: str | None,
        container_format: str | None,
        transfer: Transfer = NOT_INSPECTED,
    ) -> None:
        """Download what the service stored, hash and inspect it in one pass; a broken connection is retried.

        ChecksumMismatch if it does not have every declared digest. FormatMismatch if it is not of the declared format
        or, unless ``transfer`` allows it, is not bootable.
        """
        begin = partial(StoredData, declared, disk_format, container_format, transfer)
        try:
            stored = read_back(self._backend, image.id, begin, self._check)
        except Forbidden as error:
            hint = "declare a digest that the service computes itself (sha512 by default), or verify: none"
            raise Forbidden(f"what the service stored cannot be read back: {error.message}", hint) from error
        stored.finish()


def check_min_disk(create: Create, needed: int) -> None:
    """Raise FormatMismatch if a declared min_disk is less than the ``needed`` bytes of the image's disk."""
    declared = create.state.fields.get("min_disk")
    if isinstance(declared, int) and not create.min_disk_auto:
        check_disk_fits(declared, needed)


def declared_formats(create: Create) -> tuple[str | None, str | None]:
    """Return disk_format and container_format as declared; None for one that is not."""
    disk_format, container_format = (
        value if isinstance(value := create.state.fields.get(name), str) else None
        for name in ("disk_format", "container_format")
    )
    return disk_format, container_format


def _has_declared_formats(create: Create, image: LiveImage) -> bool:
    """Whether an image still has the formats it was created with: a service that converts changes them."""
    fields = create.state.fields
    return (image.disk_format, image.container_format) == (fields.get("disk_format"), fields.get("container_format"))


def _list_converted(create: Create, image: LiveImage) -> Iterator[str]:
    """What the service changed, with what it was declared as."""
    for name, declared in zip(("disk_format", "container_format"), declared_formats(create), strict=True):
        if (found := getattr(image, name)) != declared:
            yield f"{name} {found} (declared: {declared})"


def _is_judged(create: Create, known: tuple[Checksum, ...]) -> bool:
    return create.fingerprint.strongest in known


def _sort(known: Mapping[str, Checksum]) -> tuple[Checksum, ...]:
    return tuple(known[name] for name in sorted(known))
