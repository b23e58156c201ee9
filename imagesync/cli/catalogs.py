"""A path and options -> catalogs. Reads the manifests, and whether their local files can be read."""

from collections.abc import Iterator
from pathlib import Path

from imagesync.cli.options import Options, parse_pairs
from imagesync.errors import Diagnostic, ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.merging import Manifest
from imagesync.manifest.resolution import resolve
from imagesync.manifest.source_hosts import find_undigested
from imagesync.model.catalog import Catalog
from imagesync.sources import check_files
from imagesync.workflow import check_hosts

MAX_IMAGES_WITH_PROBLEMS = 5_000
"""Images, over all targets, after which a manifest with problems is not checked for the next target."""


def load_catalog(path: Path, options: Options) -> Catalog:
    """The catalog of one target; no source is read."""
    manifest = load(path, allow_outside=options.allow_outside)
    return check_hosts(_resolve(manifest, options, options.target), options.source_hosts)


def load_every_catalog(path: Path, options: Options) -> list[Catalog]:
    """The catalog of the target that is named, or of each that the manifest has; ManifestError with the problems of all."""
    manifest = load(path, allow_outside=options.allow_outside)
    catalogs: list[Catalog] = []
    problems: list[Diagnostic] = []
    for number, target in enumerate(_list_targets(manifest, options)):
        if problems and number * len(manifest.images) > MAX_IMAGES_WITH_PROBLEMS:
            break
        try:
            catalogs.append(check_hosts(_resolve(manifest, options, target), options.source_hosts))
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


def _resolve(manifest: Manifest, options: Options, target: str | None) -> Catalog:
    values = parse_pairs(options.set_values)
    return resolve(manifest, target=target, values=values, only=options.only, allow_outside=options.allow_outside)
