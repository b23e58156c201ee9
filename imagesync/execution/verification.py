"""The stored data of an image -> its known digests, or an error if it is not the declared data. Does I/O.

Data that imagesync sent is compared with the size and digest that the service reports. Data that the service fetched is
compared by the service's own hash, or else downloaded and hashed. An image is published only if its declared digest was
verified, unless the manifest has ``verify: none``. A digest that was not verified is returned as declared.
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
from imagesync.model.plan import Create, read_declared_formats
from imagesync.model.record import read
from imagesync.sources import VerifiedStream, make_plausibility

NOT_INSPECTED: Final = Transfer(inspect=False)
"""For data that was published before: it was inspected then, if the manifest required that."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An image whose bytes are in the service and verified.

    ``digests``: the known digests of the published bytes. ``sent``: the number of bytes that imagesync sent.
    ``virtual_size`` in bytes. ``converted``: the service stored another format. ``declared``: digests that were not
    verified (``verify: none``).
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

    def verify_sent(self, create: Create, transfer: Transfer, image: LiveImage, stream: VerifiedStream) -> Arrived:
        """Compare the sent data, which was verified on the way, with the size and digests that the service reports."""
        if image.status is not Status.ACTIVE:
            raise BackendError(f"image {image.id} is {image.status.value} after the upload", "run apply again")
        as_sent = image.size == stream.sent and _has_declared_formats(create, image)
        converted = transfer.method is Method.GLANCE_DIRECT and not as_sent
        if not converted:
            self._compare(image, stream)
        known = {item.algorithm: item for item in create.fingerprint.digests}
        found = stream.published_digests
        if transfer.compression is Compression.NONE:
            # one digest of the service is equal, so its other digests are of the same bytes
            found = stream.digests if converted else {**image.digests, **stream.digests}
        known = {name: Checksum(name, value) for name, value in found.items()} | known
        if transfer.method is Method.GLANCE_DIRECT:
            self._check_head(image, transfer, image.disk_format, image.container_format)
        virtual_size = image.virtual_size or stream.virtual_size or 0
        return Arrived(image, _sort(known), stream.sent, virtual_size, converted)

    def _compare(self, image: LiveImage, stream: VerifiedStream) -> None:
        """Compare size and a digest of the stored data with those of the sent data."""
        hint = "run apply again; if the service converts images on import, declare method: glance-direct"
        if image.size != stream.sent:
            raise ChecksumMismatch(f"the service stored {image.size} bytes, imagesync sent {stream.sent}", hint)
        theirs = image.digests
        if not theirs.keys() & stream.digests.keys():  # the service uses an unusual algorithm
            theirs = self._hash_stored(image.id, max(stream.digests, key=lambda name: HEX_LENGTHS[name]))
        for name in theirs.keys() & stream.digests.keys():
            if theirs[name] != stream.digests[name]:
                message = f"the service stored {name}:{theirs[name]}, imagesync sent {name}:{stream.digests[name]}"
                raise ChecksumMismatch(message, hint)

    def _hash_stored(self, image_id: str, algorithm: str) -> Mapping[str, str]:
        stored = read_back(self._backend, image_id, lambda: Hashes([algorithm]), self._check)
        return stored.hexdigests()

    def verify_found(self, create: Create, source: FileSource | UrlSource, image: LiveImage) -> Arrived:
        """Verify an active image whose bytes were not read in this run.

        An import of data that an earlier run staged holds verified bytes, unless the image is in another project, whose
        members may have filled it. The bytes that the service fetched by itself were never verified.
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
        """Return the known digests of the data that the service fetched; ChecksumMismatch if a declared one differs.

        Data that the service's own hash does not verify is downloaded, unless the manifest has ``verify: none``.
        """
        declared = create.fingerprint.digests
        if not comparable:
            if declared and transfer.verify:
                changed = " and ".join(_list_converted(create, image))
                done = f"converted the data to {changed}" if changed else "unpacked the data"
                message = f"the service {done}, so no declared digest can verify it"
                hint = "use method: glance-direct, which verifies before the service converts, or declare verify: none"
                raise ChecksumMismatch(message, hint)
            self._check_head(image, transfer, image.disk_format, image.container_format)
            return ()
        known = {name: Checksum(name, value) for name, value in image.digests.items()}
        is_final = (
            image.is_in_project(self._backend.identity().project_id) or self._backend.capabilities().hash_is_final
        )
        is_judged = is_final and create.fingerprint.strongest in known.values()
        disk_format, container_format = read_declared_formats(create)
        if declared and transfer.verify and not is_judged:
            self.check_stored(image, declared, disk_format, container_format, transfer)
            known |= {item.algorithm: item for item in declared}
        else:
            self._check_head(image, transfer, disk_format, container_format)
        return _sort(known)

    def _check_head(
        self, image: LiveImage, transfer: Transfer, disk_format: str | None, container_format: str | None
    ) -> None:
        """Download the first bytes, unless the service's policy forbids that; FormatMismatch if they cannot boot."""
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
        """Download the stored data, hash and inspect it in one pass; a broken connection is retried.

        ChecksumMismatch if a declared digest differs. FormatMismatch if the data is not of the declared format or,
        unless ``transfer`` allows that, cannot boot.
        """
        begin = partial(StoredData, declared, disk_format, container_format, transfer)
        try:
            stored = read_back(self._backend, image.id, begin, self._check)
        except Forbidden as error:
            hint = "declare a digest that the service computes itself (sha512 by default), or verify: none"
            raise Forbidden(f"the stored data cannot be downloaded to verify it: {error.message}", hint) from error
        stored.finish()


def check_min_disk(create: Create, needed: int) -> None:
    """Raise FormatMismatch if a declared min_disk is less than the ``needed`` bytes of the image's disk."""
    declared = create.state.fields.get("min_disk")
    if isinstance(declared, int) and not create.min_disk_auto:
        check_disk_fits(declared, needed)


def _has_declared_formats(create: Create, image: LiveImage) -> bool:
    """Whether an image still has the formats of its creation: a service that converts the data changes them."""
    fields = create.state.fields
    return (image.disk_format, image.container_format) == (fields.get("disk_format"), fields.get("container_format"))


def _list_converted(create: Create, image: LiveImage) -> Iterator[str]:
    """The formats that the service changed, each with the declared one."""
    for name, declared in zip(("disk_format", "container_format"), read_declared_formats(create), strict=True):
        if (found := getattr(image, name)) != declared:
            yield f"{name} {found} (declared: {declared})"


def _is_judged(create: Create, known: tuple[Checksum, ...]) -> bool:
    return create.fingerprint.strongest in known


def _sort(known: Mapping[str, Checksum]) -> tuple[Checksum, ...]:
    return tuple(known[name] for name in sorted(known))
