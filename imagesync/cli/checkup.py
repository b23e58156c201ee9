"""A path and options -> every check of ``doctor``. Reads the manifest, the settings and the services; writes nothing.

An error of one part is one line of the result. It hides only the checks that need what is missing.
"""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from imagesync.backends import find_environment_cloud
from imagesync.backends.base import Backend
from imagesync.cli.catalogs import load_catalog
from imagesync.cli.options import Options
from imagesync.cli.pasting import format_command
from imagesync.cli.targets import check_links, shorten_path
from imagesync.errors import ImagesyncError, ManifestError
from imagesync.inventory import identify_members, identify_owners, list_owned
from imagesync.lease.taking import find_running_holder
from imagesync.model.catalog import Catalog, Target
from imagesync.model.diagnosis import Check, Grade, Needs
from imagesync.model.image import LiveImage
from imagesync.planning.needs import find_needs, judge_offer, judge_quotas, judge_rights
from imagesync.text import make_printable
from imagesync.version import __version__

MIN_PYTHON: Final = (3, 11)
_SELECT: Final = "pass --target NAME, --cloud NAME or --store DIR, set OS_CLOUD or OS_*, or declare default_target"


def examine(path: Path, options: Options, *, is_path_given: bool) -> list[Check]:
    """All checks, in the order of what depends on what."""
    return list(_examine(path, options, is_path_given=is_path_given))


def _examine(path: Path, options: Options, *, is_path_given: bool) -> Iterator[Check]:
    yield _check_python()
    catalog: Catalog | None = None
    target: Target | None = _find_given(options)
    if is_path_given or target is None:
        try:
            catalog = load_catalog(path, options)
            target = catalog.target
            yield Check(
                "manifest", Grade.OK, f"catalog {catalog.name}, {_count(len(catalog.images), 'image')} declared"
            )
        except ImagesyncError as error:
            yield _describe_error("manifest", error, format_command("validate", path, options))
            if target is None:
                return  # only a valid manifest shows the target
    if target is not None and not (target.cloud or target.store):
        target = Target(cloud=find_environment_cloud())
    if target is None or not (target.cloud or target.store):
        yield Check("target", Grade.PROBLEM, "no target is selected", _SELECT)
        return
    yield Check("target", Grade.OK, _describe(target))
    try:
        check_links(options, option="--allow-outside")
    except ImagesyncError as error:
        yield _describe_error("target", error)
        return
    if target.store is not None:
        yield from _examine_store(Path(shorten_path(target.store) or ""), catalog)
    else:
        yield from _examine_cloud(target, catalog, path, options)


def _check_python() -> Check:
    text = f"Python {platform.python_version()}, imagesync {__version__}"
    if sys.version_info < MIN_PYTHON:
        return Check("python", Grade.PROBLEM, text, "install Python 3.11 or later")
    return Check("python", Grade.OK, text)


def _find_given(options: Options) -> Target | None:
    if options.cloud or options.store:
        return Target(cloud=options.cloud, store=str(options.store) if options.store else None)
    return None


def _describe(target: Target) -> str:
    name = f"target {target.name}: " if target.name else ""
    return make_printable(
        f"{name}store {shorten_path(target.store)}" if target.store else f"{name}cloud {target.cloud}"
    )


def _describe_error(name: str, error: ImagesyncError, again: str = "") -> Check:
    """An error as a check; a manifest with several problems names the first one, and the command that lists all."""
    if isinstance(error, ManifestError):
        first, *others = error.diagnostics
        more = f" (and {len(others)} more)" if others else ""
        return Check(name, Grade.PROBLEM, f"{first}{more}", f"see all problems: {again}")
    return Check(name, Grade.PROBLEM, error.message, error.hint)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _examine_store(folder: Path, catalog: Catalog | None) -> Iterator[Check]:
    from imagesync.backends.local.checkup import examine_store

    needs = Needs() if catalog is None else _find_needs_of_store(folder, catalog)
    yield from examine_store(folder, needs.known_bytes)


def _find_needs_of_store(folder: Path, catalog: Catalog) -> Needs:
    """What the catalog needs; of a store that exists its images are read, unless they cannot be."""
    from imagesync.backends.local.checkup import open_to_read

    owned: Sequence[LiveImage] | None = ()
    if catalog.has_named_owners:
        owned = None
    elif (folder / "store.db").exists():
        try:
            with open_to_read(folder) as backend:
                owned = list_owned(backend, catalog)
        except ImagesyncError:
            owned = None
    return find_needs(catalog, "", owned, _measure_file)


def _measure_file(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _examine_cloud(target: Target, catalog: Catalog | None, path: Path, options: Options) -> Iterator[Check]:
    from imagesync.backends.glance.checkup import examine_cloud

    found = examine_cloud(target.cloud, str(options.clouds_file) if options.clouds_file else None)
    yield from found.checks
    if found.glance is None:
        return
    with found.glance as backend:
        needs, has_lease = Needs(), True
        if catalog is not None and found.is_listing_allowed:
            checks, needs = _examine_images(backend, catalog)
            yield from checks
            check, has_lease = _examine_lease(backend, catalog.name, format_command("unlock", path, options))
            yield check
        yield from judge_rights(found.roles, needs)
        if found.able is not None:
            yield from judge_offer(found.able, needs)
            yield from judge_quotas(found.able.usage, needs, has_lease=has_lease)


def _examine_images(backend: Backend, catalog: Catalog) -> tuple[list[Check], Needs]:
    """The projects that the manifest names, and the owned images; what the catalog needs."""
    checks, owned = [], None
    try:
        catalog = identify_owners(backend, catalog)
        identify_members(backend, catalog)
    except ImagesyncError as error:
        checks.append(_describe_error("projects", error))
    try:
        owned = None if catalog.has_named_owners else list_owned(backend, catalog)
    except ImagesyncError as error:
        checks.append(_describe_error("images", error))
    needs = find_needs(catalog, backend.identity().project_id, owned, _measure_file)
    if owned is not None and needs.lacking is not None:
        text = f"{_count(len(owned), 'image')} owned; {_count(len(needs.lacking), 'declared image')} to create"
        checks.append(Check("images", Grade.OK, text))
    return checks, needs


def _examine_lease(backend: Backend, catalog: str, unlock: str) -> tuple[Check, bool]:
    """Whether another run holds the lease, and whether its record exists: a new one counts as an image."""
    try:
        has_record = bool(backend.leases(catalog))
        holder = find_running_holder(backend, catalog)
    except ImagesyncError as error:
        return _describe_error("lease", error), True
    if holder is None:
        return Check("lease", Grade.OK, "free"), has_record
    text = f"held by {holder.holder}"
    return Check("lease", Grade.WARNING, text, f"wait for that run; if it is dead: {unlock}"), has_record
