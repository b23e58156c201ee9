"""A ``Recovery`` -> requests, before the first step of a run that follows one that did not end cleanly. Does I/O."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from imagesync.backends.base import Backend
from imagesync.errors import Conflict, NotFound
from imagesync.execution.writes import Writes
from imagesync.model.image import LiveImage
from imagesync.model.plan import Plan
from imagesync.model.record import read_revisions
from imagesync.planning.recovery import plan_recovery, renew_reliances


def recover(backend: Backend, plan: Plan, *, jobs: int, check_lease: Callable[[], None]) -> Plan:
    """Delete what an earlier run never filled, and renew the guards that the plan relies on; the plan with the new ones.

    Conflict if an image is not as the plan relied on: something is still written to it.
    """
    todo = plan_recovery(plan)
    if not (todo.unfilled or todo.guarded):
        return plan
    writes = Writes(backend, plan.relies, check_lease=check_lease)
    owners = {backend.identity().project_id, *plan.owners.values()}
    listed = {image.id: image for image in backend.inventory(plan.catalog, sorted(owners))}

    def delete(image_id: str) -> None:
        if image_id not in listed:
            return
        with contextlib.suppress(Conflict):  # it was filled meanwhile: the next plan tells what becomes of it
            writes.check_unchanged(listed[image_id])
            check_lease()
            with contextlib.suppress(NotFound):
                backend.delete_image(image_id)

    def renew(image_id: str) -> LiveImage:
        return writes.renew(writes.check_unchanged(listed.get(image_id) or writes.read(image_id)))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(delete, todo.unfilled))
        renewed = list(pool.map(renew, todo.guarded))
    guards = {image.id: {each.name: each.nonce for each in read_revisions(image)} for image in renewed}
    return renew_reliances(plan, guards)
