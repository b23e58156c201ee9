"""Options and the target of a catalog or plan -> the open backend that they select. Does I/O."""

import os
from pathlib import Path

from imagesync.backends import find_environment_cloud, open_target
from imagesync.backends.base import Backend
from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.catalog import Target
from imagesync.model.plan import Plan
from imagesync.paths import check_way


def open_selected(options: Options, target: Target) -> Backend:
    """The backend of the selected target; UsageError if nothing selects one, because there is no silent default."""
    check_links(options, option="--allow-outside")
    return _open(target, options)


def open_selected_to_read(options: Options, target: Target) -> Backend:
    """As ``open_selected``, for a command that only reads; UsageError for a store that does not exist."""
    check_links(options, option="--allow-outside")
    if place := options.store or target.store:
        _check_store_exists(Path(place))
    return _open(target, options)


def open_existing(options: Options) -> Backend:
    """The backend for a command that reads no manifest; UsageError for a store that does not exist."""
    check_links(options)
    if options.store:
        _check_store_exists(options.store)
    given = _find_given(options)
    if not (given.cloud or given.store):
        raise UsageError("no cloud or store selected", "pass --cloud NAME or --store DIR, or set OS_CLOUD or OS_*")
    return _open(given, options)


def _check_store_exists(path: Path) -> None:
    if not (path / "store.db").exists():
        display = _shorten_path(str(path))
        raise UsageError(f"no store exists in {display}", "check the path; only imagesync apply creates stores")


def open_target_of(plan: Plan, options: Options) -> Backend:
    """The backend that --cloud, --store or the environment select; without these, the backend of the saved plan."""
    check_links(options, option="--allow-outside")
    made_for, given = plan.target, _find_given(options)
    declared = Target(store=made_for.location) if made_for.kind == "store" else Target(cloud=made_for.label or None)
    return _open(given if given.cloud or given.store else declared, options)


def _find_given(options: Options) -> Target:
    """The target that --cloud, --store or the environment select."""
    if options.cloud or options.store:
        return Target(cloud=options.cloud, store=str(options.store) if options.store else None)
    return Target(cloud=find_environment_cloud())


def _open(target: Target, options: Options) -> Backend:
    display = str(options.store) if options.store else _shorten_path(target.store)
    return open_target(Target(target.name, target.cloud, display), clouds_file=options.clouds_file)


def check_links(options: Options, *, option: str = "") -> None:
    """UsageError if --store or --clouds-file leaves the working directory through a link.

    ``option`` is the option that allows it, for the message; empty if the command has none.
    """
    for path in (options.store, options.clouds_file):
        if path is not None:
            check_way(path, option=option, is_allowed=options.allow_outside)


def _shorten_path(path: str | None) -> str | None:
    """A path below the working directory as a relative path; any other path unchanged."""
    if path is None:
        return None
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
