"""A path and options -> catalogs. Reads the manifests, and whether their local files can be read."""

from collections.abc import Iterator
from pathlib import Path

from imagesync.backends import find_environment_cloud
from imagesync.cli.options import Options, parse_pairs
from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.merging import Manifest
from imagesync.manifest.resolution import resolve
from imagesync.manifest.selection import Choice, select_target
from imagesync.manifest.source_hosts import find_undigested
from imagesync.model.catalog import Catalog, Target
from imagesync.sources import check_files
from imagesync.workflow import check_hosts, select_place

MAX_IMAGES_WITH_PROBLEMS = 5_000
"""Images, over all targets, after which a manifest with problems is not checked for the next target."""


def load_catalog(path: Path, options: Options) -> Catalog:
    """The catalog of the target that the options, the environment or the manifest select; no source is read."""
    manifest = load(path, allow_outside=options.allow_outside)
    place = select_place(manifest, options.make_choice(find_environment_cloud()), parse_pairs(options.set_values))
    return check_hosts(_resolve(manifest, options, place), options.source_hosts)


def load_catalog_of(path: Path, target: str | None, options: Options) -> Catalog:
    """The catalog of one target of the manifests, or without a target's overlay; no source is read."""
    manifest = load(path, allow_outside=options.allow_outside)
    return check_hosts(_resolve(manifest, options, _choose_target(manifest, target, options)), options.source_hosts)


def load_every_catalog(path: Path, options: Options) -> list[Catalog]:
    """The catalog of the target that is named, or of each that the manifest has; ManifestError with the problems of all."""
    manifest = load(path, allow_outside=options.allow_outside)
    catalogs: list[Catalog] = []
    problems: list[Diagnostic] = []
    for number, target in enumerate(_list_targets(manifest, options)):
        if problems and number * len(manifest.images) > MAX_IMAGES_WITH_PROBLEMS:
            break
        try:
            place = _choose_target(manifest, target, options)
            catalogs.append(check_hosts(_resolve(manifest, options, place), options.source_hosts))
            check_files(catalogs[-1])
            problems += find_undigested(catalogs[-1])
        except ManifestError as error:
            problems += error.diagnostics
    if problems:
        raise ManifestError(problems)
    return catalogs


def _list_targets(manifest: Manifest, options: Options) -> Iterator[str | None]:
    if options.target or not manifest.targets:
        yield options.target
    else:
        yield from manifest.targets


def _choose_target(manifest: Manifest, name: str | None, options: Options) -> Target:
    """The target of this name; a place without an overlay for None."""
    return select_target(manifest, Choice(name), parse_pairs(options.set_values)) if name is not None else Target()


def _resolve(manifest: Manifest, options: Options, place: Target) -> Catalog:
    return resolve(
        manifest,
        place=place,
        values=parse_pairs(options.set_values),
        only=options.only,
        allow_outside=options.allow_outside,
        strict=options.strict,
    )
