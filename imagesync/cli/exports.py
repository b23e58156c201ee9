"""Live images -> a manifest that describes them, which the loader checks before it is written. Does I/O."""

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from imagesync.backends.base import Backend
from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.files import is_stream, write_private
from imagesync.cli.options import Options
from imagesync.cli.owners import check_owners
from imagesync.cli.streams import say
from imagesync.cli.targets import open_existing
from imagesync.errors import Bug, ManifestError, UsageError
from imagesync.inventory import read_members
from imagesync.manifest.export import HEADER, KEY, Exported, export_manifest, find_differences, slug
from imagesync.manifest.files import SUFFIXES
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Role, Visibility, is_match
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import LEASE, PREFIX, read
from imagesync.paths import check_way
from imagesync.render.style import format_count
from imagesync.text import make_printable, shorten_list

_GLOB = "*?["
UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""The form of image ids that a manifest accepts."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which images to export. ``names``: globs, one of which must match. ``tags``: the image must have all of them."""

    names: Sequence[str] = ()
    owners: Sequence[str] = ()
    tags: Sequence[str] = ()
    visibility: Visibility | None = None
    all_owners: bool = False
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to write the manifest: standard output if ``out`` is None. ``catalog`` None: the name of the project."""

    out: Path | None = None
    catalog: str | None = None
    force: bool = False


def export_images(wanted: Selection, place: Destination, options: Options) -> ExitCode:
    """Write the manifest of the selected images; FAILED if a selected image, or a field of one, could not be written."""
    if wanted.all_owners and wanted.owners:
        raise UsageError("--owner and --all-owners exclude each other", "pass one of them")
    if place.force and (place.out is None or str(place.out) == "-"):
        raise UsageError("--force has no effect without --out FILE", "add --out FILE, or remove --force")
    with open_existing(options) as backend:
        catalog = choose_name(place.catalog, backend)
        path = _choose_path(place, catalog)
        made = make_manifest(backend, wanted, catalog, jobs=options.jobs)
    for problem in made.problems:
        say(problem)
    if path is not None and path.parent == place.out:
        _make_folder(path.parent)
    _write(made, path)
    return ExitCode.FAILED if made.problems else ExitCode.DONE


def choose_name(given: str | None, backend: Backend) -> str:
    """The name of the catalog: that of ``--catalog``, else that of the project; UsageError if it is not valid."""
    catalog = given or slug(backend.identity().project_name) or "exported"
    if not KEY.fullmatch(catalog):
        message = f"--catalog {make_printable(catalog)}: not a valid name"
        raise UsageError(message, "use at most 64 letters, digits, and the characters . _ -")
    return catalog


def make_manifest(
    backend: Backend, wanted: Selection, catalog: str, *, jobs: int, header: str = HEADER, places: str = ""
) -> Exported:
    """The manifest of the selected images, which the loader has checked. For ``header`` and ``places`` see ``export_manifest``."""
    missing: list[str] = []
    images = _drop_odd_ids(_select(_find(backend, wanted, missing), wanted), missing)
    check_owners(wanted.owners, images)
    members = read_members(backend, images, jobs)
    made = export_manifest(
        catalog,
        images,
        members,
        project=backend.identity().project_id,
        read_only=backend.capabilities().read_only,
        header=header,
        places=places,
    )
    _check(made)
    left_out = (f"left out: {sentence}" for sentence in shorten_list(list(dict.fromkeys(missing))))
    return replace(made, problems=(*made.problems, *left_out))


def _choose_path(place: Destination, catalog: str) -> Path | None:
    """The file to write; CATALOG.yaml if the path is a folder; None for standard output.

    UsageError if the file exists and ``--force`` is not given.
    """
    path = place.out
    if path is None or str(path) == "-":
        return None
    if is_stream(path):
        return path
    if path.is_dir() or path.suffix.lower() not in SUFFIXES:
        path /= f"{catalog}.yaml"
    check_way(path.parent)
    if os.path.lexists(path) and not place.force:
        message = f"{make_printable(str(path))} already exists"
        raise UsageError(message, "write to another file, or pass --force to replace it")
    return path


def _find(backend: Backend, wanted: Selection, missing: list[str]) -> list[LiveImage]:
    """The images that the service returns for owner, tags, visibility and a whole name; ``_select`` matches globs."""
    name = wanted.names[0] if len(wanted.names) == 1 and not any(char in wanted.names[0] for char in _GLOB) else None
    owners: list[str | None] = [None] if wanted.all_owners else [*(wanted.owners or [backend.identity().project_id])]
    filters = [Filter(owner, name, frozenset(wanted.tags), wanted.visibility) for owner in owners]
    found = {image.id: image for one in filters for image in backend.find_images(one, missing=missing)}
    return [image for _, image in sorted(found.items())]


def _select(images: Sequence[LiveImage], wanted: Selection) -> list[LiveImage]:
    """Images whose name matches and that no catalog owns; with ``managed`` also the current build of each key.

    A snapshot with a copied record counts as not owned.
    """
    named = [image for image in images if not wanted.names or is_match(image.name or "", wanted.names)]
    free = [image for image in named if read(image) is None and LEASE not in image.properties]
    owned = [image for image in named if (record := read(image)) is not None and record.role is Role.CURRENT]
    if wanted.managed:
        return [*free, *owned]
    catalogs = Counter(image.properties[f"{PREFIX}catalog"] for image in owned)
    for catalog, number in sorted(catalogs.items()):
        count = format_count(number, "image")
        say(f"{count} of catalog {make_printable(catalog)} left out; to include them, pass --managed")
    return free


def _drop_odd_ids(images: Sequence[LiveImage], missing: list[str]) -> list[LiveImage]:
    """The images whose id a manifest accepts; ``missing`` gets a sentence for each other one."""
    missing += [f"image {image.id}: its id is not a UUID" for image in images if not UUID.fullmatch(image.id)]
    return [image for image in images if UUID.fullmatch(image.id)]


def _check(made: Exported) -> None:
    """Load and resolve the text as apply would, and compare it with the images; Bug if it differs from them."""
    with tempfile.TemporaryDirectory(prefix="imagesync-") as folder:
        path = Path(folder) / "export.yaml"
        path.write_text(made.text, encoding="utf-8")
        try:
            wrong = find_differences(made, resolve(load(path)))
        except ManifestError as error:
            raise Bug(f"export wrote a manifest that does not load:\n{error}\n{made.text}") from error
    if wrong:
        raise Bug("export wrote a manifest that differs from the images: " + ", ".join(wrong) + f"\n{made.text}")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{make_printable(str(path))}: {error.strerror}", "pass a file or folder that can be written"
        ) from error


def _write(made: Exported, path: Path | None) -> None:
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # manifests are UTF-8 whatever the locale
        typer.echo(made.text, nl=False)
        return
    write_private(path, made.text, mode=0o644)
    say(f"{format_count(len(made.images), 'image')} written to {make_printable(str(path))}")
