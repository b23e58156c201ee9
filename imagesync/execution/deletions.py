"""Images to delete -> deletions in two phases, and the outcome of each. Does I/O through a backend.

DELETE has no precondition, and a request can arrive late. So each image is marked first: one guarded PATCH gives it the
final role ``deleting``, hides it and removes its protection. After the time in which a write may still be overwritten,
one listing shows which images have that role and this run's guard. Only those are deleted. If an image is marked but
not deleted, the next run deletes it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from imagesync.backends.base import Backend
from imagesync.errors import ImagesyncError, InUse, NotFound
from imagesync.execution.changes import find_changes
from imagesync.execution.writes import Writes
from imagesync.labels import ThreadPool
from imagesync.model.catalog import Role
from imagesync.model.image import LiveImage
from imagesync.model.plan import Delete
from imagesync.model.record import ROLE
from imagesync.model.report import Outcome, Performed

BATCH: Final = 40
"""Images that are marked or deleted after one listing: with more, the listing would be too old for the last ones."""

MAX_PAUSE: Final = 0.2
"""Seconds until a cancellation is noticed."""

Outcomes: TypeAlias = dict[str, Performed | ImagesyncError]
"""The outcome of each deletion by image id; an error is the reason of a failure."""
_Made: TypeAlias = dict[str, Performed | ImagesyncError | None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait: ``is_cancelled`` returns whether the run was canceled; ``sleep`` and ``clock`` are in seconds."""

    is_cancelled: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Deletions:
    """Deletes images of one catalog; ``owners`` are the projects that own them."""

    def __init__(self, backend: Backend, writes: Writes, catalog: str, owners: Sequence[str], jobs: int) -> None:
        self._backend, self._writes = backend, writes
        self._catalog, self._owners, self._jobs = catalog, owners, jobs

    def delete(self, deletes: Iterable[Delete], waiting: Waiting = Waiting()) -> Outcomes:
        """Mark the images, wait, list them, delete them. If the run is canceled, marked images are deferred."""
        outcomes: Outcomes = {}
        marked: list[str] = []
        ids = [delete.image_id for delete in deletes]
        for first in range(0, len(ids), BATCH):
            if waiting.is_cancelled():
                break
            made = self._do_each(ids[first : first + BATCH], self._mark)
            outcomes |= {image_id: outcome for image_id, outcome in made.items() if outcome is not None}
            marked += [image_id for image_id, outcome in made.items() if outcome is None]
        if not marked:
            return outcomes
        if not self._wait(waiting):
            left = "it is hidden and marked; the next run deletes it"
            return outcomes | {image_id: Performed(image_id, Outcome.DEFERRED, remark=left) for image_id in marked}
        for first in range(0, len(marked), BATCH):
            made = self._do_each(marked[first : first + BATCH], self._remove)
            outcomes |= {image_id: outcome for image_id, outcome in made.items() if outcome is not None}
        return outcomes

    def _do_each(self, ids: Sequence[str], do: Callable[[str, LiveImage | None], Performed | None]) -> _Made:
        """List the catalog once, then call ``do`` for each image, as listed (None: not listed); several at a time."""
        listed = {image.id: image for image in self._backend.inventory(self._catalog, self._owners)}

        def attempt(image_id: str) -> Performed | ImagesyncError | None:
            try:
                return do(image_id, listed.get(image_id))
            except ImagesyncError as error:
                return error

        with ThreadPool(self._jobs) as pool:
            return dict(zip(ids, pool.map(attempt, ids), strict=True))

    def _mark(self, image_id: str, listed: LiveImage | None) -> Performed | None:
        """Phase 1: None if the image is now marked; its outcome if it no longer exists."""
        try:
            image = self._writes.check_unchanged(listed or self._writes.read(image_id))
        except NotFound:
            return Performed(image_id)
        self._writes.update(image, {"hidden": True, "protected": False, "properties": {ROLE: Role.DELETING.value}})
        return None

    def _remove(self, image_id: str, listed: LiveImage | None) -> Performed:
        """Phase 2: delete an image that is still as this run marked it."""
        try:
            image = listed or self._writes.read(image_id)
            left = self._writes.find_left(image_id)
            if left is None or (changes := find_changes(left, image)):
                raise self._writes.make_conflict(image_id, changes if left else (), "it is hidden, and not deleted")
            self._writes.check_lease()
            self._backend.delete_image(image_id)
        except NotFound:
            pass
        except InUse as error:
            remark = f"in use: it is hidden now, and each run tries again to delete it: {error.message}"
            return Performed(image_id, Outcome.DEFERRED, remark=remark)
        self._writes.forget(image_id)
        return Performed(image_id)

    def _wait(self, waiting: Waiting) -> bool:
        """Wait until a read is certain to show the marks. Return False if the run was canceled meanwhile."""
        end = waiting.clock() + self._backend.settling_time()
        while (left := end - waiting.clock()) > 0:
            if waiting.is_cancelled():
                return False
            waiting.sleep(min(left, MAX_PAUSE))
        return not waiting.is_cancelled()
