"""The options of ``list`` -> the images of a place, printed. Does I/O.

A listing costs one request for each page of images and two more for the names of projects, but none for each image,
except for members, if the user asks for them.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import typer

from imagesync.backends.base import Backend
from imagesync.cli.catalogs import load_catalog
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.options import ListForm, Options
from imagesync.cli.owners import check_owners
from imagesync.cli.streams import say
from imagesync.cli.targets import open_existing, open_selected
from imagesync.cli.terminal import find_width
from imagesync.errors import InvalidRequest, NotFound, UsageError
from imagesync.inventory import identify_owners, read_members
from imagesync.lease.record import is_lease
from imagesync.model.catalog import Catalog, Visibility
from imagesync.model.drift import Drift
from imagesync.model.image import Filter, LiveImage
from imagesync.model.listing import (
    Entry,
    Found,
    PlaceListing,
    Selection,
    Standing,
    collect_words,
    find_named_image,
    sort_entries,
)
from imagesync.planning.drift import find_drift_of_listed
from imagesync.planning.ownership import make_ownership
from imagesync.render.catalog_page import format_page
from imagesync.render.columns import NAME_OF_PROJECT, PLAIN, USUAL, Column, choose_columns
from imagesync.render.listing import (
    entry_to_json,
    format_csv,
    format_image,
    format_listing,
    format_yaml,
    select_cells,
)
from imagesync.render.place import describe_target
from imagesync.render.style import format_count
from imagesync.text import format_json, make_printable, shorten_list

MAX_SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Query:
    """What to list: one image (``word``), or a selection; in which columns and which format.

    ``members``: with those of shared images. ``drift``: with the drift of the manifest's images.
    """

    selection: Selection = field(default=Selection())
    word: str | None = None
    columns: str | None = None
    members: bool = False
    drift: bool = False
    form: ListForm = ListForm.TEXT

    def __post_init__(self) -> None:
        self.choose()
        if self.word is not None and not self.selection.is_empty:
            raise UsageError("IMAGE and the options that select images exclude each other", "pass one of them")

    def choose(self) -> tuple[Column, ...]:
        """The columns of a table; UsageError for a wrong name."""
        *usual, last = USUAL if self.form is ListForm.TEXT else PLAIN
        usual += [*(["members"] if self.members else []), *(["drift"] if self.drift else []), last]
        return choose_columns(self.columns, usual)


@dataclass(frozen=True, slots=True)
class Place:
    """An open backend, and the catalog of the manifest if there is one."""

    backend: Backend
    catalog: Catalog | None = None


@contextmanager
def open_place(manifest: Path | None, options: Options) -> Iterator[Place]:
    """The place that the options select; with a manifest, of one of its targets."""
    if manifest is None:
        for option, value in (("--target", options.target), ("--set", options.set_values)):
            if value:
                raise UsageError(f"{option} has no effect without --manifest", "add --manifest PATH, or remove it")
        if options.allow_outside:
            raise UsageError("--allow-outside has no effect without --manifest", "add --manifest PATH, or remove it")
        with open_existing(options, further="; for the target of a catalog, pass --manifest PATH") as backend:
            yield Place(backend)
        return
    catalog = load_catalog(manifest, options)
    with open_selected(options, catalog.target) as backend:
        yield Place(backend, identify_owners(backend, catalog))


@dataclass(frozen=True, slots=True)
class Listing:
    """What a query found at a place. ``notes``: sentences for standard error. ``found``: what IMAGE names, if it is given."""

    listed: PlaceListing
    title: str
    where: str
    notes: tuple[str, ...] = ()
    found: Found | None = None


def read_listing(place: Place, query: Query, jobs: int) -> Listing:
    """The images that a query selects at a place."""
    missing, notes = list[str](), list[str]()
    found = _find_word(place, query.word, missing) if query.word is not None else None
    images = list(found.images) if found else _list_selected(place, query, missing)
    entries = _complete(place, query, images, jobs, notes)
    if found is not None and len(entries) > 1 and query.word is not None:
        notes.append(f"{make_printable(query.word)} names {len(entries)} images; pass the id of one of them")
    notes += [f"not listed: {sentence}" for sentence in shorten_list(list(dict.fromkeys(missing)))]
    listed = PlaceListing(tuple(entries), place.backend.identity())
    return Listing(listed, *_make_titles(place, query.selection), tuple(notes), found)


def print_listing(query: Query, manifest: Path | None, options: Options) -> ExitCode:
    """Print the images that a query selects; FAILED if it names one image, and there is none or more than one."""
    with open_place(manifest, options) as place:
        listing = read_listing(place, query, options.jobs)
    found, entries = listing.found, listing.listed.entries
    is_single = found is not None and len(entries) == 1
    for note in listing.notes:
        say(note)
    _write(entries, query, (listing.title, listing.where), is_single=is_single)
    if found is not None and found.others and is_single:
        number = format_count(len(found.others), "other build")
        say(f"There {'is' if len(found.others) == 1 else 'are'} {number} of this key; list them with --key")
    return ExitCode.DONE if found is None or is_single else ExitCode.FAILED


def _list_selected(place: Place, query: Query, missing: list[str]) -> list[LiveImage]:
    """The selected images, without lease records.

    Community images of other projects are not listed, unless they or their project are asked for: the service's own
    listing has none. A
    page for users has no images that users do not see, unless their role is asked for.
    """
    here, wanted = place.backend.identity().project_id, query.selection
    found = (
        place.backend.list_images(missing) if wanted.is_empty else _find_images(place, wanted.make_filter(), missing)
    )
    images = {image.id: image for image in (*found, *_list_elsewhere(place))}
    check_owners(wanted.owners, images.values())
    listed = [image for image in images.values() if wanted.is_match(image) and not is_lease(image, here)]
    if Visibility.COMMUNITY not in wanted.visibilities and not wanted.owners:
        listed = [image for image in listed if _is_listed_by_default(image, place, here)]
    if query.form is ListForm.HTML and not wanted.roles:
        listed = [image for image in listed if _is_for_users(image, place, here)]
    return listed


def _find_images(place: Place, wanted: Filter, missing: list[str]) -> list[LiveImage]:
    return place.backend.find_images(wanted, missing=missing)


def _list_elsewhere(place: Place) -> list[LiveImage]:
    """The images of the catalog in other projects that its manifest names, which a listing may not have."""
    if place.catalog is None:
        return []
    ownership = make_ownership(place.catalog, place.backend.identity().project_id)
    others = [project for project in ownership.projects if project != ownership.project]
    return place.backend.inventory(ownership.catalog, others) if others else []


def _is_listed_by_default(image: LiveImage, place: Place, project: str) -> bool:
    return (
        image.visibility is not Visibility.COMMUNITY
        or image.is_in_project(project)
        or (place.catalog is not None and make_ownership(place.catalog, project).is_owned(image))
    )


def _is_for_users(image: LiveImage, place: Place, project: str) -> bool:
    """Whether a page for users has the image: published, not hidden, and owned by the catalog if there is one."""
    standing = Entry(image).standing
    if image.hidden:
        return False
    if place.catalog is None:
        return standing in (Standing.CURRENT, Standing.COPIED, Standing.FOREIGN)
    return standing is Standing.CURRENT and make_ownership(place.catalog, project).is_owned(image)


def _find_word(place: Place, word: str, missing: list[str]) -> Found:
    """The images that a word names; NotFound, with similar names, if there is none. A lease record is none."""
    here = place.backend.identity().project_id
    try:
        same = [image for image in place.backend.images(word) if not is_lease(image, here)]
    except (NotFound, InvalidRequest):
        same = []
    if same:
        return Found(tuple(same))
    parts = (Filter(name=word), Filter(key=word))
    found = {image.id: image for part in parts for image in _find_images(place, part, missing)}
    named = find_named_image([image for image in found.values() if not is_lease(image, here)], word)
    if named.images:
        return named
    listed = [image for image in place.backend.list_images(missing) if not is_lease(image, here)]
    raise NotFound(f"no image has the id, key or name {make_printable(word)!r}", _suggest(word, collect_words(listed)))


def _suggest(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), MAX_SUGGESTIONS)
    return f"did you mean {', '.join(map(make_printable, close))}?" if close else "list all images: imagesync list"


def _complete(place: Place, query: Query, images: Sequence[LiveImage], jobs: int, notes: list[str]) -> list[Entry]:
    """The entries of images, sorted, with what other requests and the manifest add. Adds sentences to ``notes``."""
    here = place.backend.identity()
    columns = {column.name for column in query.choose()}
    is_one = query.word is not None and len(images) == 1
    names = _read_project_names(place.backend, images, columns, query)
    drift = find_drift_of_listed(place.catalog, images, here.project_id) if place.catalog is not None else {}
    shared = [image for image in images if image.visibility is Visibility.SHARED]
    shared = [image for image in shared if is_one or (image.owner or "") == here.project_id]
    known = read_members(place.backend, shared, jobs) if is_one or "members" in columns else {}
    if (unknown := len(shared) - len(known)) and query.form in (ListForm.TEXT, ListForm.JSON):
        notes.append(_describe_unknown_members(unknown, is_asked=is_one or "members" in columns))
    return sort_entries(
        Entry(image, names.get(image.owner or "", ""), known.get(image.id), _list_paths(drift.get(image.id)))
        for image in images
    )


def _list_paths(drifts: Sequence[Drift] | None) -> tuple[str, ...] | None:
    """The dotted paths of drifted values, each once; None if the image was not compared."""
    return None if drifts is None else tuple(dict.fromkeys(".".join(drift.path) for drift in drifts))


def _read_project_names(
    backend: Backend, images: Sequence[LiveImage], columns: set[str], query: Query
) -> Mapping[str, str]:
    """The names of the projects of images, if the output has them."""
    is_page = query.form is ListForm.HTML and query.columns is None
    if is_page or (query.columns is not None and NAME_OF_PROJECT not in columns):
        return {}
    return backend.project_names({image.owner for image in images if image.owner})


def _describe_unknown_members(number: int, *, is_asked: bool) -> str:
    are = "is" if number == 1 else "are"
    why = "this user may not list their members" if is_asked else "to show the members, pass --members"
    return f"{format_count(number, 'image')} {are} shared; {why}"


def _make_titles(place: Place, selection: Selection) -> tuple[str, str]:
    """The title of a page, and the place of its images."""
    where = describe_target(place.catalog.target.name if place.catalog else None, place.backend.identity())
    if place.catalog is not None:
        return f"Images of {place.catalog.name}", where
    names = selection.catalogs
    return (f"Images of {names[0]}" if len(names) == 1 else "Images"), where


def _write(entries: Sequence[Entry], query: Query, titles: tuple[str, str], *, is_single: bool) -> None:
    now, columns = datetime.now(UTC), query.choose()
    match query.form:
        case ListForm.JSON | ListForm.YAML:
            documents = [make_document(entry, query) for entry in entries]
            print_document(documents[0] if is_single else documents, query)
        case ListForm.CSV:
            text = format_csv([select_cells(entry, columns) for entry in entries], [one.name for one in columns])
            typer.echo(text.encode(), nl=False)
        case ListForm.HTML:
            typer.echo(format_page(entries, *titles, now, None if query.columns is None else columns), nl=False)
        case ListForm.TEXT if is_single and query.columns is None:
            typer.echo(format_image(entries[0], now, find_width(sys.stdout)))
        case ListForm.TEXT:
            typer.echo(format_listing(entries, columns, now, find_width(sys.stdout)))


def make_document(entry: Entry, query: Query) -> Mapping[str, object]:
    """An image for programs: whole, or the chosen columns."""
    return entry_to_json(entry) if query.columns is None else select_cells(entry, query.choose())


def print_document(document: object, query: Query) -> None:
    """Print a document as JSON or YAML."""
    is_json = query.form is ListForm.JSON
    typer.echo(format_json(document) if is_json else format_yaml(document), nl=is_json)
