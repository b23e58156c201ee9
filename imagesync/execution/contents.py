"""The creates of a plan whose image may hold the declared bytes already -> which do. Does I/O, before the first step.

What is known of an image cannot be compared with what the manifest declares: an older record, or a digest in another
algorithm. So the source is hashed, in the algorithms of both sides, before anything is sent. If the bytes are the same,
the record gets to know the declared digests, by one guarded PATCH, and the image stays what it is. Else, or if the source
cannot be read, the create is carried out as planned, and tells what is wrong.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, SourceError, Unavailable
from imagesync.execution.verification import Verifier, declared_formats
from imagesync.execution.writes import Writes
from imagesync.model.catalog import Checksum, Compression, FileSource, UrlSource
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create, Plan
from imagesync.model.record import Record, read
from imagesync.planning.contents import find_unknown
from imagesync.sources import SourceAccess, open_source


def settle_contents(
    backend: Backend, plan: Plan, *, jobs: int, check_lease: Callable[[], None], access: SourceAccess
) -> dict[str, str]:
    """The keys whose image holds the bytes that the plan would send, and that image's id; its record now says so."""
    writes = Writes(backend, plan.relies, check_lease=check_lease)
    found = dict[str, str]()

    def settle(create: Create, image_id: str) -> None:
        image = writes.read_unchanged(image_id)
        record = read(image)
        if record is None or (digests := _compare(backend, create, image, record, access)) is None:
            return
        known = {**{item.algorithm: item for item in record.digests}, **digests}
        declared = tuple(item for item in record.declared if item.algorithm not in known)
        settled = replace(record, digests=tuple(known[name] for name in sorted(known)), declared=declared)
        writes.update(image, {"properties": settled.properties(image_id)})
        found[create.key] = image_id

    def attempt(unknown: tuple[Create, str]) -> None:
        try:
            settle(*unknown)
        except Unavailable:
            raise
        except BackendError:  # what is wrong with one image stops only its key: the steps of that one tell it
            return

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(attempt, find_unknown(plan)))
    return found


def _compare(
    backend: Backend, create: Create, image: LiveImage, record: Record, access: SourceAccess
) -> Mapping[str, Checksum] | None:
    """By algorithm the digests of the published bytes, if the image holds them; None if it holds others."""
    source = create.source
    if not isinstance(source, FileSource | UrlSource):
        return None
    declared = {item.algorithm: item for item in create.fingerprint.digests}
    is_plain = source.transfer.compression is Compression.NONE and not record.converted
    computed = {item.algorithm: item.value for item in record.digests}  # nobody compared declared ones with the data
    known = {**(image.digests if is_plain else {}), **computed}
    disk_format, container_format = declared_formats(create)
    try:
        if not source.transfer.is_sent:
            # what the service fetches need not be reachable from here: the data that it stored is read back
            if not is_plain:
                return None
            Verifier(backend).check_stored(image, create.fingerprint.digests, disk_format, container_format)
            return declared
        with open_source(
            source,
            create.fingerprint,
            disk_format=disk_format,
            container_format=container_format,
            access=access,
            algorithms=known,
        ) as stream:
            for _ in stream:
                pass
    except (SourceError, BackendError):
        return None
    found = stream.published_digests
    is_same = bool(known) and all(found[name] == value for name, value in known.items())
    return {name: Checksum(name, value) for name, value in found.items()} if is_same else None
