"""A path and options -> catalogs. Reads the manifests, and checks that their local files can be read."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from imagesync.backends import find_environment_cloud
from imagesync.cli.options import Options, parse_pairs
from imagesync.cli.streams import say
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, UsageError
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.needs import find_absent_references, find_missing_needs, list_absent_keys
from imagesync.manifest.resolution import Check, resolve
from imagesync.manifest.selection import Choice, select_target, select_targets
from imagesync.manifest.source_hosts import find_hosts_not_named, find_undigested
from imagesync.manifest.unused import find_unused_names
from imagesync.model.catalog import Catalog, Target
from imagesync.model.listing import TargetList
from imagesync.sources import HeadChecks, default_cache, find_unreadable_files
from imagesync.text import make_printable
from imagesync.workflow import select_place

if TYPE_CHECKING:
    from imagesync.sources.fetching import SourceFindings

MAX_IMAGES_WITH_PROBLEMS = 5_000
"""Once this many images of all targets were checked and a problem was found, the other targets are not checked."""


def load_catalog(path: Path, options: Options) -> Catalog:
    """The catalog of the target that the options, the environment or the manifest select. It reads no source."""
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    place = select_place(manifest, options.make_choice(find_environment_cloud()), parse_pairs(options.set_values))
    return _resolve(manifest, options, place)


def load_catalog_of(path: Path, target: str | None, options: Options) -> Catalog:
    """The catalog of one target of the manifests; without a target's overlay for None. It reads no source."""
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    return _resolve(manifest, options, _choose_target(manifest, target, options))


def load_catalogs_of(
    path: Path, options: Options, chosen: TargetChoice, checks: Sequence[Check] = ()
) -> dict[Target, Catalog | ImagesyncError]:
    """The catalog of each chosen target, or why it has none, in the order of the manifest. It reads no source.

    A target without a key of ``--only`` is left out. UsageError if no target has one. ManifestError if no target has a
    catalog, with the problems of all.
    """
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    places = select_targets(manifest, chosen.targets, parse_pairs(options.set_values))
    found = {str(place.name): _try_to_resolve(manifest, options, place, checks) for place in places}
    found = _drop_unmatched(found)
    _raise_common(found)
    return {place: found[str(place.name)] for place in places if place.name in found}


def _try_to_resolve(
    manifest: Manifest, options: Options, place: Target, checks: Sequence[Check]
) -> Catalog | ImagesyncError:
    try:
        return _resolve(manifest, options, place, checks)
    except (ManifestError, UsageError) as error:
        return error


def _drop_unmatched(found: Mapping[str, Catalog | ImagesyncError]) -> dict[str, Catalog | ImagesyncError]:
    """Without the targets that have no key of --only; UsageError if no target has one."""
    wrong = {name: one for name, one in found.items() if isinstance(one, UsageError)}
    if len(wrong) == len(found):
        raise next(iter(wrong.values()))
    for name, error in wrong.items():
        say(f"Note: target {make_printable(name)} is left out: {make_printable(error.message)}")
    return {name: one for name, one in found.items() if name not in wrong}


def _raise_common(found: Mapping[str, Catalog | ImagesyncError]) -> None:
    """ManifestError if no target has a catalog, with the problems of all."""
    if any(isinstance(one, Catalog) for one in found.values()):
        return
    problems: defaultdict[Diagnostic, list[str | None]] = defaultdict(list)
    for name, one in found.items():
        for problem in one.diagnostics if isinstance(one, ManifestError) else ():
            problems[problem].append(name)
    raise ManifestError(name_targets(problems, list(found)))


def load_every_catalog(
    path: Path,
    options: Options,
    targets: Sequence[str] = (),
    edited: Mapping[str, bytes] = MappingProxyType({}),
    *,
    fetch: bool = False,
) -> tuple[list[Catalog], list[Diagnostic]]:
    """The catalogs of these targets, or without names of each target of the manifest; and the warnings.

    ManifestError with the problems of all targets, including those that only creating an image would meet. ``fetch``: also
    read the sources (``fetch_sources``); with ``strict`` each of their warnings is a problem. For ``edited`` see
    ``read_manifest``.
    """
    manifest = read_manifest(path, allow_outside=options.allow_outside, edited=edited)
    heads = () if options.no_source_check else (HeadChecks().find_wrong_files,)
    checks: tuple[Check, ...] = (find_unreadable_files, find_undigested, find_missing_needs, *heads)
    catalogs: list[Catalog] = []
    found: defaultdict[Diagnostic, list[str | None]] = defaultdict(list)
    checked: list[str | None] = []
    for target in _list_targets(manifest, targets, options):
        if found and len(checked) * len(manifest.images) > MAX_IMAGES_WITH_PROBLEMS:
            break
        checked.append(target)
        try:
            place = _choose_target(manifest, target, options)
            absent = partial(find_absent_references, absent=list_absent_keys(manifest, target))
            catalogs.append(_resolve(manifest, options, place, (*checks, absent)))
        except ManifestError as error:
            for problem in error.diagnostics:
                found[problem].append(target)
    warnings: defaultdict[Diagnostic, list[str | None]] = defaultdict(list)
    if fetch:
        for catalog, of_sources in zip(catalogs, _fetch(catalogs, options), strict=True):
            for problem in of_sources.problems:
                found[problem].append(catalog.target.name)
            for warning in of_sources.warnings:
                (found if options.strict else warnings)[warning].append(catalog.target.name)
    if found:
        raise ManifestError(name_targets(found, checked))
    return catalogs, [*find_unused_names(manifest), *name_targets(warnings, checked)]


def _fetch(catalogs: Sequence[Catalog], options: Options) -> "list[SourceFindings]":
    from imagesync.sources.fetching import fetch_sources

    return fetch_sources(catalogs, options.make_access(), jobs=options.jobs, cache=default_cache())


def list_targets(path: Path, options: Options) -> TargetList:
    """The targets of the manifests. It reads no source, and no local file.

    ManifestError with the problems of all targets.
    """
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    names = _list_targets(manifest, (), options)
    found, problems = list[Catalog](), list[Diagnostic]()
    for name in names:
        try:
            found.append(_resolve(manifest, options, _choose_target(manifest, name, options)))
        except ManifestError as error:
            problems += error.diagnostics
    if problems:
        raise ManifestError(problems)
    default = select_target(manifest, Choice(), parse_pairs(options.set_values)).name if names != [None] else None
    targets = [(catalog.target, len(catalog.images)) for catalog in found if catalog.target.name is not None]
    return TargetList(found[0].name, tuple(targets), default)


def _list_targets(manifest: Manifest, chosen: Sequence[str], options: Options) -> list[str | None]:
    """The chosen targets, in the order of the manifest; without a choice all, or None if the manifest has none.

    UsageError if there is no such target.
    """
    for name in chosen:
        _choose_target(manifest, name, options)
    return [name for name in manifest.targets if not chosen or name in chosen] or [None]


def name_targets(found: Mapping[Diagnostic, Sequence[str | None]], checked: Sequence[str | None]) -> list[Diagnostic]:
    """The problems; a problem that only some targets have names the first of them."""
    return [
        problem
        if len(targets) == len(checked) or problem.where.startswith("targets.")
        else replace(problem, message=f"{problem.message} (on target {targets[0]})")
        for problem, targets in found.items()
    ]


def _choose_target(manifest: Manifest, name: str | None, options: Options) -> Target:
    """The target of this name; for None a place without an overlay."""
    return select_target(manifest, Choice(name), parse_pairs(options.set_values)) if name is not None else Target()


def _resolve(manifest: Manifest, options: Options, place: Target, checks: Sequence[Check] = ()) -> Catalog:
    return resolve(
        manifest,
        place=place,
        values=parse_pairs(options.set_values),
        only=options.only,
        allow_outside=options.allow_outside,
        strict=options.strict,
        checks=(*checks, partial(find_hosts_not_named, hosts=options.source_hosts)),
    )
