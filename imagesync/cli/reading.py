"""From options to catalogues: what every command begins with. Reads files and published lists of digests."""

from pathlib import Path
from typing import TYPE_CHECKING

from imagesync.cli.options import Options, pairs
from imagesync.errors import Diagnostic, ManifestError
from imagesync.model.catalog import Catalog

if TYPE_CHECKING:
    from imagesync.manifest.merging import Manifest

ENOUGH = 5_000
"""Images, over all targets, after which a manifest with problems is not looked at for the next target."""


def read_catalog(path: Path, options: Options) -> Catalog:
    """Load and resolve; no network."""
    from imagesync.manifest.loader import load

    return _resolved(load(path), options, options.target)


def _resolved(manifest: "Manifest", options: Options, target: str | None) -> Catalog:
    from imagesync.manifest.resolution import resolve

    values = pairs(options.set_values)
    return resolve(manifest, target=target, values=values, only=options.only, allow_outside=options.allow_outside)


def validated(path: Path, options: Options) -> list[Catalog]:
    """The catalogue for one target, or for each that the manifest has; ManifestError with the problems of them all."""
    from imagesync.manifest.loader import load

    manifest = load(path)
    targets: list[str | None] = [options.target] if options.target or not manifest.targets else [*manifest.targets]
    catalogs: list[Catalog] = []
    problems: list[Diagnostic] = []
    for number, target in enumerate(targets):
        if problems and number * len(manifest.images) > ENOUGH:
            break
        try:
            catalogs.append(_resolved(manifest, options, target))
            _check_files(catalogs[-1])
        except ManifestError as error:
            problems += error.diagnostics
    if problems:
        raise ManifestError(problems)
    return catalogs


def _check_files(catalog: Catalog) -> None:
    from imagesync.sources import check_files

    check_files(catalog)


def identified(path: Path, options: Options) -> Catalog:
    """The catalogue with the fingerprints of its sources."""
    from imagesync.sources import default_cache, identify

    return identify(read_catalog(path, options), jobs=options.jobs, cache=default_cache())
