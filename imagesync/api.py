"""The functions for programs: manifests -> a catalog, a plan, a run and its report. I/O as in ``workflow``.

They do what the commands ``plan`` and ``apply`` do: lease, limits, a second plan under the lease, execution, final
check. Nothing here prints, asks, handles signals or ends the process.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from imagesync import backends, workflow
from imagesync.backends.base import Backend
from imagesync.errors import UsageError
from imagesync.lease import LOCK_TIMEOUT
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.selection import Choice
from imagesync.model.catalog import Catalog, Target
from imagesync.model.plan import Plan
from imagesync.model.policy import Policy
from imagesync.model.report import Event
from imagesync.run import JOBS, Hooks, RunResult, Settings, Watch
from imagesync.sources import SourceAccess


def load(path: Path | str, *, allow_outside: bool = False) -> Manifest:
    """The manifest at a file, or of every ``*.yaml`` and ``*.yml`` below a folder, for all of its targets.

    ``allow_outside``: links may point outside of the folder. Reads files only. ManifestError if a file cannot be read
    or parsed; values that do not fit are reported by ``resolve``, together with all other problems.
    """
    return read_manifest(path, allow_outside=allow_outside)


def resolve(
    manifest: Manifest,
    *,
    target: str | None = None,
    cloud: str | None = None,
    store: Path | str | None = None,
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
    strict: bool = False,
    source_hosts: Sequence[str] = (),
    jobs: int = JOBS,
) -> Catalog:
    """The catalog of a manifest for one target: its images with all fields, and the digests of their sources.

    At most one of ``target`` (a name in the manifest), ``cloud`` (a name in clouds.yaml) and ``store`` (a folder)
    selects the place, else OS_CLOUD or OS_* variables, else ``default_target``. A target that names this cloud or store
    gives the catalog its values and fields. ``values`` replace those of the manifest. ``only``: keys, or patterns with
    ``*`` and ``?``; other images are not changed. ``allow_outside``: sources may be outside of the manifest's folder.
    ``strict``: unused names are problems. ``source_hosts``: patterns of the only hosts that sources may have. ``jobs``:
    requests at the same time.

    Reads local source files and the publishers' checksum lists; a list that cannot be read is an error of its key in
    the plan. ManifestError with every problem of the manifest and of its local files, each with file, line and column.
    UsageError if the place, a value or ``only`` names nothing.
    """
    choice = Choice(target, cloud, str(store) if store is not None else None, backends.find_environment_cloud())
    return workflow.resolve_manifest(
        manifest,
        choice,
        values=values,
        only=only,
        allow_outside=allow_outside,
        strict=strict,
        jobs=jobs,
        access=SourceAccess(hosts=tuple(source_hosts)),
    )


def open_backend(
    target: Target | None = None,
    *,
    cloud: str | None = None,
    store: Path | str | None = None,
    clouds_file: Path | str | None = None,
) -> Backend:
    """The image service of a cloud, or a local store, as one project sees it. A ``with`` statement closes it.

    ``target`` is the place of a catalog (``catalog.target``). Without it: ``cloud`` (a name in clouds.yaml; None: the
    cloud of the ``OS_*`` variables) or ``store`` (a folder, which is created). ``clouds_file`` replaces the user's and
    the system's clouds.yaml. No settings are read from the working directory, unless ``clouds_file`` names a file there.

    UsageError if more than one place is given, or if the settings are wrong. Unauthorized, Unavailable or another
    BackendError if the service does not let this user in.
    """
    if target is None:
        return backends.open_backend(cloud=cloud, store=store, clouds_file=clouds_file)
    if cloud is not None or store is not None:
        raise UsageError("a target and a cloud or store are given", "pass only one of target, cloud and store")
    return backends.open_target(target, clouds_file=clouds_file)


def plan(backend: Backend, catalog: Catalog, *, source_hosts: Sequence[str] = (), jobs: int = JOBS) -> Plan:
    """What ``apply`` would do now: steps in order, each with its reason. Writes nothing.

    Reads the live images, and asks the sources of new builds. A plan without steps means that every image matches. A
    source that cannot be used raises nothing: its key has no steps, and ``Plan.errors`` has the reason. ``source_hosts``
    and ``jobs`` as in ``resolve``.

    PlanRefused if the plan exceeds a limit of ``catalog.policy``, or needs what the service cannot do. UsageError if
    the catalog was resolved for another place than ``backend``. BackendError if the service refuses or fails.
    """
    planner = workflow.Planner(backend, catalog, jobs=jobs, access=SourceAccess(hosts=tuple(source_hosts)))
    made = planner.plan()
    planner.check_limits(made)
    return made


def apply(
    backend: Backend,
    wanted: Catalog | Plan,
    *,
    approve: Callable[[Plan], bool] | None = None,
    notify: Callable[[Event], None] | None = None,
    warn: Callable[[str], None] | None = None,
    cancelled: threading.Event | None = None,
    policy: Policy | None = None,
    source_hosts: Sequence[str] = (),
    jobs: int = JOBS,
    lock_timeout: float = LOCK_TIMEOUT,
) -> RunResult:
    """Change the images: make them match a catalog, or do exactly what a plan says. Returns when all steps ended.

    The run takes the lease of the catalog, which keeps other runs away, plans again, executes, and checks the result
    with one more listing. ``wanted`` as a plan: if an image that the plan relies on changed, nothing is done.

    ``approve`` gets the plan before the first write, and again if the plan under the lease differs; False ends the run
    with ``RunResult.approved`` false. None: every plan within the limits is applied. ``notify`` gets every event, from
    any thread: ``Started``, ``Progress`` (bytes), ``Finished``; if it raises, running steps end and ``apply`` raises
    that error. ``warn`` gets sentences for the user, from any thread. ``cancelled``: set it, from any thread, and no
    further step starts. ``policy``: the limits and permissions of the run; None: those of the catalog, and for a plan
    no limits, but it removes no protected image and not the last one. ``source_hosts``, ``jobs`` (steps or requests at
    the same time): as in ``resolve``. ``lock_timeout``: seconds to wait while another run holds the lease.

    Before the first write: PlanRefused, StalePlan (images changed after the plan was made or approved), LeaseHeld,
    UsageError and BackendError. Failures of single steps are in ``RunResult.report``, and so is an error of imagesync
    itself (``Report.bug``, a traceback).
    """
    settings = Settings(jobs=jobs, lock_timeout=lock_timeout)
    hooks = _make_hooks(approve, notify, warn, cancelled or threading.Event())
    access = SourceAccess(hosts=tuple(source_hosts))
    if isinstance(wanted, Plan):
        return workflow.apply_saved(backend, wanted, settings, hooks, policy or workflow.AS_PLANNED, access)
    return workflow.apply(workflow.Planner(backend, wanted, policy=policy, jobs=jobs, access=access), settings, hooks)


def _make_hooks(
    approve: Callable[[Plan], bool] | None,
    notify: Callable[[Event], None] | None,
    warn: Callable[[str], None] | None,
    cancelled: threading.Event,
) -> Hooks:
    usual = Hooks()
    watch = Watch(cancelled=cancelled) if notify is None else Watch(notify, cancelled)
    return Hooks(approve=approve or usual.approve, warn=warn or usual.warn, watch=lambda _plan: nullcontext(watch))
