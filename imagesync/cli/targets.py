"""Options and a manifest's target -> the backend they select. Opens it; reads the environment."""

import os
from dataclasses import replace

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.catalog import Target
from imagesync.model.plan import Plan
from imagesync.paths import check_way

WAYS = "--target NAME, --cloud NAME, --store DIR, OS_CLOUD or OS_* variables, or default_target in the manifest"


def open_target(options: Options, declared: Target = Target()) -> Backend:  # noqa: B008 - a frozen value
    """The backend of --target, --cloud, --store, ``OS_*`` or default_target, in this order; never a silent default."""
    _check_ways(options, option="--allow-outside")
    environment = any(name in os.environ for name in ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT"))
    if options.target:
        cloud, store = declared.cloud, declared.store
        if not (cloud or store):
            raise UsageError(f"target {options.target} names neither a cloud nor a store", "add one of them to it")
    elif options.cloud or options.store:
        cloud, store = options.cloud, str(options.store) if options.store and not options.cloud else None
    elif environment:
        cloud, store = None, None
    else:
        cloud, store = declared.cloud, declared.store
        if not (cloud or store):
            raise UsageError("no target selected", f"use {WAYS}")
    return open_backend(cloud=cloud, store=_relative_path(store), clouds_file=options.clouds_file)


def open_existing(options: Options) -> Backend:
    """The backend of a command that only reads: a store that does not exist is not made."""
    _check_ways(options)
    if options.store and not (options.store / "store.db").exists():
        raise UsageError(f"there is no store in {options.store}", "apply makes one")
    return open_target(options)


def open_target_of(plan: Plan, options: Options) -> Backend:
    """The backend that a saved plan names, unless --cloud or --store select another."""
    made_for = plan.target
    declared = Target(store=made_for.location) if made_for.kind == "store" else Target(cloud=made_for.label or None)
    return open_target(replace(options, target=None), declared)


def _check_ways(options: Options, *, option: str = "") -> None:
    """UsageError if a link leads from --store or --clouds-file out of the working directory; ``option`` permits it."""
    for path in (options.store, options.clouds_file):
        if path is not None:
            check_way(path, option=option, is_allowed=options.allow_outside)


def _relative_path(path: str | None) -> str | None:
    """A path below the working directory as a person would write it here."""
    if path is None:
        return None
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
