"""The images of a catalog after a run that did not end cleanly -> images that its late requests cannot harm.

Does I/O.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Final

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Forbidden, NotFound, Unavailable
from imagesync.execution.service_imports import Imports, Patience
from imagesync.execution.writes import Writes
from imagesync.labels import ThreadPool
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Plan
from imagesync.model.record import read_revisions
from imagesync.planning.ownership import Ownership
from imagesync.planning.recovery import plan_recovery, renew_reliances

COPY_PATIENCE: Final = 30.0
"""Seconds that the recovery waits for a copy between stores that makes no progress."""


def list_own(backend: Backend, plan: Plan) -> tuple[LiveImage, ...]:
    """All owned images of a plan's catalog, also those that ``--only`` leaves out."""
    ownership = Ownership(plan.catalog, backend.identity().project_id, plan.owners)
    return ownership.select_owned(backend.inventory(plan.catalog, ownership.projects))


def recover(
    backend: Backend,
    plan: Plan,
    *,
    jobs: int,
    check_lease: Callable[[], None],
    copy_patience: float = COPY_PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
) -> Plan:
    """Delete the records that an earlier run never filled, and renew the guards of all other images of the catalog.

    Return the plan with the new guards. Conflict if an image is not as the plan relied on, or if another run changes
    its guard now. At the end of a copy between stores, the service writes back the image as it was at the beginning,
    with the old guard. So a running copy is waited for, unless it makes no progress for ``copy_patience`` seconds. If a
    record cannot be deleted, the plan has a step for it.
    """

    def pause(seconds: float) -> None:
        check_lease()
        sleep(seconds)

    owned = {image.id: image for image in list_own(backend, plan)}
    todo = plan_recovery(plan, owned.values())
    patience = Patience(limit=copy_patience, sleep=pause)
    recovering = _Recovering(backend, plan, owned, Writes(backend, plan.relies, check_lease=check_lease), patience)
    with ThreadPool(jobs) as pool:
        list(pool.map(recovering.delete, todo.unfilled))
        renewed = list(pool.map(recovering.renew, todo.guarded))
    guards = {image.id: {each.name: each.nonce for each in read_revisions(image)} for image in renewed}
    return renew_reliances(plan, guards)


class _Recovering:
    """The recovery of single images; ``owned``: all images of the catalog by id."""

    def __init__(
        self, backend: Backend, plan: Plan, owned: Mapping[str, LiveImage], writes: Writes, patience: Patience
    ) -> None:
        self._backend, self._owned, self._writes = backend, owned, writes
        self._project, self._imports = backend.identity().project_id, Imports(backend, patience)
        self._relied = {each.image_id for each in plan.relies}

    def delete(self, image_id: str) -> None:
        """Delete a staging record that was never filled."""
        if image_id not in self._owned:
            return
        try:
            self._writes.check_unchanged(self._owned[image_id])
            self._writes.check_lease()
            self._backend.delete_image(image_id)
        except Unavailable:
            raise
        except BackendError:  # deleted, filled meanwhile, or protected: the next plan decides about it
            return

    def renew(self, image_id: str) -> LiveImage:
        """The image with a new guard; unchanged if it is in another project whose changes prevent the update."""
        image = self._owned[image_id]
        is_ours = image.is_in_project(self._project)
        try:
            if is_ours:
                image = self._await_copy(image)
            return self._writes.renew(self._writes.check_unchanged(image, ("stores",)))
        except (Forbidden, NotFound):
            if image_id in self._relied:
                raise
            return image  # it was deleted, or this session may not write in its project
        except Unavailable:
            raise
        except BackendError:
            if is_ours:
                raise
            return image  # a change by the other project must not stop the other keys

    def _await_copy(self, image: LiveImage) -> LiveImage:
        if not image.importing or image.status is not Status.ACTIVE:
            return image
        with contextlib.suppress(BackendError):  # a copy without progress has no worker that writes the image back
            return self._imports.wait_until_settled(image.id)
        return self._writes.read(image.id)
