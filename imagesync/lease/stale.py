"""All lease records of a project -> those of catalogs that no longer exist, and their deletion. I/O through the backend.

A record is the end of a chain that a run may follow at any moment. So only records of catalogs without an image in this
project are stale, and only if no run may be alive: a record that is not free must stay unchanged while this process watches it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from imagesync.backends.base import Backend
from imagesync.lease.chain import Chain, World, make_world
from imagesync.lease.record import USUAL, Lease, State, Times, find_end, read_lease
from imagesync.model.record import LEASE


@dataclass(frozen=True, slots=True)
class StaleLease:
    """The records of one catalog's lease, sorted by number."""

    catalog: str
    records: tuple[Lease, ...]

    @property
    def end(self) -> Lease:
        """The last record."""
        return find_end(self.records) or self.records[-1]


def find_stale_leases(
    backend: Backend, *, warn: Callable[[str], None], times: Times = USUAL, world: World | None = None
) -> list[StaleLease]:
    """The leases in this project whose catalog has no image and whose holder is not alive, sorted by catalog.

    If a record is not free, it is watched first: ``expiry`` seconds, or ``settling`` if its process has certainly ended.
    ``warn`` gets a sentence about that wait.
    """
    world = world or make_world()
    found = [lease for lease in _list_leases(backend) if not _has_images(backend, lease.catalog)]
    seconds = max((_count_seconds(one, times, world) for lease in found for one in lease.records), default=0.0)
    if not seconds:
        return found
    warn(f"waiting {seconds:.0f} s to see whether the holders of these leases are alive")
    world.sleep(seconds)
    return [lease for lease in found if _is_unchanged(backend, lease)]


def _list_leases(backend: Backend) -> list[StaleLease]:
    project = backend.identity().project_id
    images = [image for image in backend.leases(None) if LEASE in image.properties]
    found = [lease for image in images if (lease := read_lease(image, project, image.properties[LEASE]))]
    found.sort(key=lambda lease: (lease.catalog, lease.number, lease.id))
    return [StaleLease(catalog, tuple(records)) for catalog, records in groupby(found, key=lambda one: one.catalog)]


def _has_images(backend: Backend, catalog: str) -> bool:
    """Whether an image of this project carries the marker of a catalog.

    What other projects publish must not count: any user can copy a marker. If all images of a catalog are in other
    projects (``owner:``), the next run misses the record, and waits as after a lost one.
    """
    return bool(backend.inventory(catalog))


def _count_seconds(lease: Lease, times: Times, world: World) -> float:
    """How long a record must stay unchanged: until its run is certainly dead and its late requests have arrived."""
    if lease.state is State.FREE:
        return 0.0
    has_ended = all(map(world.has_ended, (lease.holder, *lease.after)))
    return times.settling if has_ended else max(times.expiry, times.confirm + times.settling)


def _is_unchanged(backend: Backend, lease: StaleLease) -> bool:
    """Whether the catalog still has exactly these records, and no image."""
    now = next((one for one in _list_leases(backend) if one.catalog == lease.catalog), None)
    return now == lease and not _has_images(backend, lease.catalog)


def delete_stale_leases(backend: Backend, leases: Sequence[StaleLease], world: World | None = None) -> Iterator[str]:
    """Delete the records; yield the catalogs of leases that changed since they were found, and are kept.

    The records of a chain are deleted from its start, so its end is the last one to be deleted.
    """
    world = world or make_world()
    for lease in leases:
        if not _is_unchanged(backend, lease):
            yield lease.catalog
            continue
        chain = Chain(backend, lease.catalog, USUAL, world)
        for record in lease.records:
            chain.delete(record.id)
