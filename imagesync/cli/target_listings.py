"""The targets of a manifest -> the images of each, printed. Does I/O, for all targets at the same time."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typer

from imagesync.cli.catalogs import load_catalogs_of
from imagesync.cli.drifts import say_errors
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.listings import Listing, Place, Query, make_document, print_document, read_listing
from imagesync.cli.options import ListForm, Options
from imagesync.cli.streams import say
from imagesync.cli.target_options import TargetChoice
from imagesync.cli.targets import open_selected
from imagesync.cli.terminal import find_width
from imagesync.errors import Bug, ImagesyncError, UsageError
from imagesync.inventory import identify_owners
from imagesync.labels import label
from imagesync.model.catalog import Catalog
from imagesync.model.listing import PlaceListing
from imagesync.render.catalog_page import format_targets_page
from imagesync.render.target_listing import format_target_csv, format_target_listings, listings_to_json
from imagesync.targets.each import run_each


def print_listings(query: Query, manifest: Path | None, options: Options, chosen: TargetChoice) -> ExitCode:
    """Print the images that a query selects on each target; FAILED if a target could not be listed."""
    word = "--all-targets" if chosen.all_targets else "--target"
    if manifest is None:
        raise UsageError(f"{word} has no effect without --manifest", "add --manifest PATH, or remove it")
    if query.word is not None:
        raise UsageError("IMAGE is an image of one target, but several are selected", "pass one --target, or no IMAGE")
    catalogs = {str(target.name): one for target, one in load_catalogs_of(manifest, options, chosen).items()}
    answers = run_each(catalogs, partial(_read, query, options), chosen.parallel)
    for name, one in answers.by_target.items():
        with label(name):
            for note in one.notes if isinstance(one, Listing) else ():
                say(note)
    catalog = next(one.name for one in catalogs.values() if isinstance(one, Catalog))
    found = {name: one.listed if isinstance(one, Listing) else one for name, one in answers.by_target.items()}
    _write(catalog, found, query)
    say_errors(answers)
    if answers.bugs:
        raise Bug("\n".join(answers.bugs))
    has_errors = any(isinstance(one, ImagesyncError) for one in found.values())
    return ExitCode.FAILED if has_errors else ExitCode.DONE


def _read(query: Query, options: Options, catalog: Catalog) -> Listing:
    with open_selected(options, catalog.target) as backend:
        return read_listing(Place(backend, identify_owners(backend, catalog)), query, options.jobs)


def _write(catalog: str, found: Mapping[str, PlaceListing | ImagesyncError], query: Query) -> None:
    now, columns = datetime.now(UTC), query.choose()
    match query.form:
        case ListForm.JSON | ListForm.YAML:
            print_document(listings_to_json(catalog, found, partial(make_document, query=query)), query)
        case ListForm.CSV:
            typer.echo(format_target_csv(found, columns).encode(), nl=False)
        case ListForm.HTML:
            page_columns = None if query.columns is None else columns
            typer.echo(format_targets_page(found, f"Images of {catalog}", now, page_columns), nl=False)
        case ListForm.TEXT:
            if text := format_target_listings(found, columns, now, find_width(sys.stdout)):
                typer.echo(text)
