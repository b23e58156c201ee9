"""Creates of a plan -> live images that already hold their bytes. Does I/O, before the first step.

Sometimes the digests of an image cannot be compared with the declared ones: an older record, a digest in another
algorithm, or a source that is packed now and was not before. Then imagesync hashes the source with the algorithms of
both sides before anything is sent. It writes the digests into the record of each image with the same bytes, in one
guarded PATCH each. The next plan uses the first of these images, or none if an operator rejected one of them as a
candidate. If no image holds the bytes, or the source cannot be read, the create runs as planned and reports its errors.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, ChecksumMismatch, RunStopped, SourceError, Unavailable
from imagesync.execution.verification import Verifier
from imagesync.execution.writes import Writes
from imagesync.labels import ThreadPool
from imagesync.model.catalog import HEX_LENGTHS, Checksum, Compression, FileSource, Status, Transfer, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create, Plan, read_declared_formats
from imagesync.model.record import Record, read
from imagesync.planning.contents import find_unknown
from imagesync.sources import SourceAccess, SourceStream, open_source

STRONG: Final = HEX_LENGTHS["sha256"]
"""Hexadecimal digits of a digest that is sufficient proof that two files are the same."""


def settle_contents(
    backend: Backend, plan: Plan, *, jobs: int, check_lease: Callable[[], None], access: SourceAccess
) -> dict[str, str]:
    """Record the digests of images that already hold the bytes of a create; return their ids by key."""
    writes = Writes(backend, plan.relies, check_lease=check_lease)
    found = dict[str, str]()
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise RunStopped

    def settle(create: Create) -> None:
        candidates = [_Candidate.read(writes.read_unchanged(image_id)) for image_id in create.may_hold]
        held = _compare(backend, create, candidates, access, check)
        # a run that ends between two records must leave the rejected ones recorded, else the next one publishes the build
        for candidate, digests in sorted(held, key=lambda one: one[0].image.status is not Status.DEACTIVATED):
            declared = tuple(item for item in candidate.record.declared if item.algorithm not in digests)
            known = tuple(digests[name] for name in sorted(digests))
            settled = replace(candidate.record, digests=known, declared=declared, url=create.record.url)
            writes.update(candidate.image, {"properties": settled.properties(candidate.image.id)})
        if held:
            found[create.key] = held[0][0].image.id

    def attempt(create: Create) -> None:
        try:
            settle(create)
        except Unavailable:
            raise
        except BackendError:  # this key continues as planned, and its steps report the error
            return

    with ThreadPool(jobs) as pool:
        try:
            list(pool.map(attempt, find_unknown(plan)))
        except BaseException:  # also for an interrupt: running comparisons must end soon
            stopped.set()
            raise
    return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An image that may hold the declared bytes, with the known digests of its data.

    ``published``: computed from the data as it was published; ``stored``: computed by the service.
    """

    image: LiveImage
    record: Record

    @classmethod
    def read(cls, image: LiveImage) -> "_Candidate":
        """The candidate of an image; BackendError if it has no record."""
        if (record := read(image)) is None:
            raise BackendError(f"image {image.id} lost its marker", "run apply again")
        return cls(image, record)

    @property
    def published(self) -> dict[str, str]:
        # declared digests were never compared with the data
        return {item.algorithm: item.value for item in self.record.digests}

    @property
    def stored(self) -> Mapping[str, str]:
        return {} if self.record.converted else self.image.digests

    def has_bytes_of(self, stream: SourceStream) -> bool:
        """Whether it has the bytes of a stream that was read to its end."""
        shared = self.stored.keys() & stream.digests.keys()
        if any(self.stored[name] != stream.digests[name] for name in shared):
            return False
        if any(HEX_LENGTHS.get(name, 0) >= STRONG for name in shared):
            return True
        published = self.published
        return bool(shared or published) and published.items() <= stream.published_digests.items()


_Held: TypeAlias = tuple[_Candidate, Mapping[str, Checksum]]


def _compare(
    backend: Backend,
    create: Create,
    candidates: Sequence[_Candidate],
    access: SourceAccess,
    check: Callable[[], None],
) -> list[_Held]:
    """The candidates that hold the declared bytes, each with the digests of the published data by algorithm."""
    source = create.source
    if not isinstance(source, FileSource | UrlSource):
        return []
    try:
        if not source.transfer.is_sent:
            return _read_back(backend, create, source.transfer, candidates)
        stream = _read_source(create, source, candidates, access, check)
    except (SourceError, BackendError):
        return []
    found = {name: Checksum(name, value) for name, value in stream.published_digests.items()}
    return [(candidate, found) for candidate in candidates if candidate.has_bytes_of(stream)]


def _read_source(
    create: Create,
    source: FileSource | UrlSource,
    candidates: Sequence[_Candidate],
    access: SourceAccess,
    check: Callable[[], None],
) -> SourceStream:
    disk_format, container_format = read_declared_formats(create)
    algorithms = {name for candidate in candidates for name in (*candidate.published, *candidate.stored)}
    with open_source(
        source,
        create.fingerprint,
        disk_format=disk_format,
        container_format=container_format,
        access=access,
        algorithms=algorithms,
        check=check,
    ) as stream:
        for _ in stream:
            check()
    return stream


def _read_back(backend: Backend, create: Create, transfer: Transfer, candidates: Sequence[_Candidate]) -> list[_Held]:
    """Compare the stored data itself: a source that the service fetches may not be reachable from this host."""
    if transfer.compression is not Compression.NONE or not create.fingerprint.digests:
        return []
    held = list[_Held]()
    for candidate in candidates:
        if candidate.record.converted:
            continue
        with suppress(ChecksumMismatch):
            Verifier(backend).check_stored(candidate.image, create.fingerprint.digests, *read_declared_formats(create))
            known = {item.algorithm: item for item in (*candidate.record.digests, *create.fingerprint.digests)}
            held.append((candidate, known))
    return held
