"""A folder -> a new catalog in it: manifest, schema for editors, .gitignore. Does I/O.

Nothing is overwritten, and nothing is written through a link: each file is created, and must not exist before.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import typer

from imagesync.cli.exit_codes import ExitCode
from imagesync.cli.exports import Selection, make_manifest
from imagesync.cli.files import create_files
from imagesync.cli.options import Options
from imagesync.cli.streams import say
from imagesync.cli.targets import open_existing
from imagesync.errors import ImagesyncError, UsageError
from imagesync.manifest.export import KEY, slug
from imagesync.manifest.files import find_files
from imagesync.manifest.skeleton import GITIGNORE, MODELINE, SCHEMA_FILE, STORE, write_catalog, write_places
from imagesync.model.image import LiveImage
from imagesync.paths import check_way
from imagesync.render.style import format_count
from imagesync.schemas import read_schema
from imagesync.text import make_printable, quote_word, shorten_list

MANIFEST: Final = "catalog.yaml"
MAX_HEAD: Final = 2**16
"""Bytes of a manifest in a folder above that are searched for its catalog."""
FALLBACK: Final = "images"
"""The name of a catalog in a folder whose own name has no letters or digits."""


def create_catalog(folder: Path, name: str | None, *, is_quiet: bool = False) -> ExitCode:
    """Create a catalog without images, whose default target is a local store, and print the next commands."""
    name = _choose_name(folder, name)
    _check_free(folder)
    names = _write(folder, write_catalog(name))
    if not is_quiet:
        typer.echo(f"Wrote {names}")
        _print_next(
            {
                f"imagesync add FILE{_after(folder)}": "add an image: a file in the folder, or a URL",
                f"imagesync apply{_after(folder)}": f"create it in the local store {STORE}",
            }
        )
    return ExitCode.DONE


def create_catalog_of_cloud(folder: Path, name: str | None, options: Options, *, is_quiet: bool = False) -> ExitCode:
    """Create a catalog of the images of a cloud's project, and print the next commands.

    FAILED if an image, or a field of one, could not be written.
    """
    name, cloud = _choose_name(folder, name), str(options.cloud)
    _check_free(folder)
    target = cloud if KEY.fullmatch(cloud) else slug(cloud) or "cloud"
    with open_existing(options) as backend:
        places = write_places(target, cloud)
        made = make_manifest(backend, Selection(), name, jobs=options.jobs, header=MODELINE, places=places)
    names = _write(folder, made.text)
    if not is_quiet:
        typer.echo(f"Wrote {names}")
    for problem in made.problems:
        say(problem)
    if not is_quiet:
        _explain_adoption(folder, options, cloud, made.images)
    return ExitCode.FAILED if made.problems else ExitCode.DONE


def _explain_adoption(folder: Path, options: Options, cloud: str, written: Mapping[str, LiveImage]) -> None:
    """Print what the catalog of a cloud has, and the next commands."""
    images = format_count(len(written), "image")
    typer.echo(f"The catalog has {images} of cloud {make_printable(cloud)}. imagesync does not manage them yet.")
    if snapshots := [key for key, image in written.items() if image.is_snapshot]:
        keys = ", ".join(shorten_list(snapshots))
        count = format_count(len(snapshots), "key")
        typer.echo(f"{count} of snapshots of servers: {keys}. Remove each that the catalog is not to manage.")
    words = f"{_after(folder)}{_name_clouds_file(options)}"
    _print_next(
        {
            f"imagesync plan{words}": "show what adopting them would change",
            f"imagesync adopt{words}": "manage them; no data moves, and ids stay",
        }
        if written
        else {f"imagesync add FILE{words}": "add an image", f"imagesync apply{words}": "create it in the cloud"}
    )


def _choose_name(folder: Path, given: str | None) -> str:
    """The name of the catalog: that of ``--catalog``, else that of the folder; UsageError if it is not valid."""
    if given is not None and not KEY.fullmatch(given):
        message = f"--catalog {make_printable(given)}: not a valid name"
        raise UsageError(message, "use at most 64 letters, digits, and the characters . _ -")
    return given or slug(folder.resolve().name) or FALLBACK


def _check_free(folder: Path) -> None:
    """An error if one of the files exists, or if the folder has a manifest: all manifests below it are one catalog."""
    check_way(folder)
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"{make_printable(str(folder))} is not a folder", "pass the path of a folder")
    taken = [name for name in (MANIFEST, ".gitignore", SCHEMA_FILE) if os.path.lexists(folder / name)]
    found, _ = find_files(folder) if folder.is_dir() else ((), ())
    manifests = [os.path.relpath(one.path, folder) for one in found]
    if in_the_way := [*taken, *(name for name in manifests if name not in taken)]:
        are = "is" if len(in_the_way) == 1 else "are"
        message = f"{', '.join(shorten_list(in_the_way))} {are} in the way; nothing was written"
        raise ImagesyncError(message, _advise(folder, has_manifests=bool(manifests)))
    if outer := next((path for path in folder.resolve().parents if _has_catalog(path)), None):
        message = f"{make_printable(str(outer))} has a catalog, and all manifests below a folder are one catalog"
        raise ImagesyncError(message, f"use a folder outside of it, or add an image: imagesync add FILE{_after(outer)}")


def _advise(folder: Path, *, has_manifests: bool) -> str:
    if has_manifests:
        return f"to add an image to this catalog: imagesync add FILE{_after(folder)}; or use another folder"
    return f"use a new folder: imagesync init {quote_word(str(folder / 'images'))}"


def _has_catalog(folder: Path) -> bool:
    """Whether a folder has a manifest of the usual name that declares a catalog."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            return re.search(rb"^catalog:", file.read(MAX_HEAD), re.MULTILINE) is not None
    except OSError:
        return False


def _write(folder: Path, manifest: str) -> str:
    """Write the files of a new catalog; return their names for a message."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{make_printable(str(folder))} cannot be created: {error.strerror}"
        raise UsageError(message, "pass a folder that can be written") from error
    texts = {MANIFEST: manifest, SCHEMA_FILE: read_schema("manifest"), ".gitignore": GITIGNORE}
    create_files({folder / name: text for name, text in texts.items()})
    return ", ".join(make_printable(str(folder / name)) for name in texts)


def _after(folder: Path) -> str:
    """The path of a catalog in a command: nothing for the working directory."""
    return "" if folder == Path() else f" {quote_word(str(folder))}"


def _name_clouds_file(options: Options) -> str:
    return f" --clouds-file {quote_word(str(options.clouds_file))}" if options.clouds_file else ""


def _print_next(commands: Mapping[str, str]) -> None:
    width = max(map(len, commands))
    typer.echo("\n".join(["Next:", *(f"  {command:<{width}}  # {why}" for command, why in commands.items())]))
