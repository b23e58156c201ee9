"""A path and options -> catalogs. Reads the manifests, and checks that their local files can be read."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from imagesync.backends import find_environment_cloud
from imagesync.cli.options import Options, parse_pairs
from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.loader import read_manifest
from imagesync.manifest.merging import Manifest
from imagesync.manifest.needs import find_absent_references, find_missing_needs, list_absent_keys
from imagesync.manifest.resolution import Check, resolve
from imagesync.manifest.selection import Choice, select_target
from imagesync.manifest.source_hosts import find_hosts_not_named, find_undigested
from imagesync.manifest.unused import find_unused_names
from imagesync.model.catalog import Catalog, Target
from imagesync.model.listing import TargetList
from imagesync.sources import HeadChecks, find_unreadable_files
from imagesync.workflow import select_place

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


def load_every_catalog(
    path: Path, options: Options, edited: Mapping[str, bytes] = MappingProxyType({})
) -> tuple[list[Catalog], list[Diagnostic]]:
    """The catalog of the target in the options, or of each target of the manifest; and the warnings.

    ManifestError with the problems of all targets, including those that only creating an image would meet. For ``edited``
    see ``read_manifest``.
    """
    manifest = read_manifest(path, allow_outside=options.allow_outside, edited=edited)
    heads = () if options.no_source_check else (HeadChecks().find_wrong_files,)
    checks: tuple[Check, ...] = (find_unreadable_files, find_undigested, find_missing_needs, *heads)
    catalogs: list[Catalog] = []
    found: defaultdict[Diagnostic, list[str | None]] = defaultdict(list)
    checked: list[str | None] = []
    for target in _list_targets(manifest, options):
        if found and len(checked) * len(manifest.images) > MAX_IMAGES_WITH_PROBLEMS:
            break
        checked.append(target)
        try:
            place = _choose_target(manifest, target, options)  # UsageError if there is none
            absent = partial(find_absent_references, absent=list_absent_keys(manifest, target))
            catalogs.append(_resolve(manifest, options, place, (*checks, absent)))
        except ManifestError as error:
            for problem in error.diagnostics:
                found[problem].append(target)
    if found:
        raise ManifestError(name_targets(found, checked))
    return catalogs, list(find_unused_names(manifest))


def list_targets(path: Path, options: Options) -> TargetList:
    """The targets of the manifests. It reads no source, and no local file.

    ManifestError with the problems of all targets.
    """
    manifest = read_manifest(path, allow_outside=options.allow_outside)
    names = list(_list_targets(manifest, options))
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


def _list_targets(manifest: Manifest, options: Options) -> Iterator[str | None]:
    if options.target or not manifest.targets:
        yield options.target
    else:
        yield from manifest.targets


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
