"""A ``Recovery`` -> requests, before the first step of a run that follows one that did not end cleanly. Does I/O."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from imagesync.backends.base import Backend
from imagesync.errors import BackendError, Conflict, Forbidden, NotFound, Unavailable
from imagesync.execution.service_imports import Imports
from imagesync.execution.writes import Writes
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Plan
from imagesync.model.record import read_revisions
from imagesync.planning.ownership import Ownership
from imagesync.planning.recovery import plan_recovery, renew_reliances


def list_own(backend: Backend, plan: Plan) -> tuple[LiveImage, ...]:
    """All images of a plan's catalog, also those that ``--only`` leaves out."""
    ownership = Ownership(plan.catalog, backend.identity().project_id, plan.owners)
    return ownership.select_ours(backend.inventory(plan.catalog, ownership.projects))


def recover(backend: Backend, plan: Plan, *, jobs: int, check_lease: Callable[[], None]) -> Plan:
    """Delete what an earlier run never filled, and renew the guards of all other images of the catalog.

    Return the plan with the new guards. Conflict if an image is not as the plan relied on, or if its guard moves just now:
    something is still written to it. A copy between stores that is at work is waited for: at its end the service writes
    the image back as it was at the beginning, with the old guard.
    """
    imports, writes = Imports(backend), Writes(backend, plan.relies, check_lease=check_lease)
    project = backend.identity().project_id
    owned = {image.id: image for image in list_own(backend, plan)}
    todo, relied = plan_recovery(plan, owned.values()), {each.image_id for each in plan.relies}

    def delete(image_id: str) -> None:
        if image_id not in owned:
            return
        with contextlib.suppress(Conflict):  # it was filled meanwhile: the next plan tells what becomes of it
            writes.check_unchanged(owned[image_id])
            check_lease()
            with contextlib.suppress(NotFound):
                backend.delete_image(image_id)

    def renew(image_id: str) -> LiveImage:
        try:
            image = owned[image_id]
            if image.importing and image.status is Status.ACTIVE:
                image = imports.wait_until_settled(image_id)
            return writes.renew(writes.check_unchanged(image, ("stores",)))
        except (Forbidden, NotFound):
            if image_id in relied:
                raise
            return owned[image_id]  # it is gone, or its project lets nobody here write to it
        except Unavailable:
            raise
        except BackendError:
            if owned[image_id].lies_in(project):
                raise
            return owned[image_id]  # what its project did to it must not stop the other keys

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(delete, todo.unfilled))
        renewed = list(pool.map(renew, todo.guarded))
    guards = {image.id: {each.name: each.nonce for each in read_revisions(image)} for image in renewed}
    return renew_reliances(plan, guards)
