"""The command export: from a cloud to a manifest, checked by the loader before it is written. Does I/O."""

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from imagesync.backends.base import Backend
from imagesync.cli import flow
from imagesync.cli.options import Options
from imagesync.cli.output import write_private
from imagesync.cli.streams import say
from imagesync.errors import Bug, ManifestError, UsageError
from imagesync.manifest.export import KEY, Exported, differences, exported, slug
from imagesync.manifest.files import SUFFIXES
from imagesync.manifest.scope import matches
from imagesync.model.catalog import Role, Visibility
from imagesync.model.image import Filter, LiveImage
from imagesync.model.record import PREFIX, read
from imagesync.render.style import count, sentence

DONE, INCOMPLETE = 0, 1
_GLOB = "*?["


@dataclass(frozen=True, slots=True)
class Asked:
    """Which images are exported. ``names`` are globs, one of which must match; ``tags`` must all be there."""

    names: Sequence[str] = ()
    owners: Sequence[str] = ()
    tags: Sequence[str] = ()
    visibility: Visibility | None = None
    all_owners: bool = False
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where the manifest goes: standard output without ``out``; ``catalog`` None: called like the project."""

    out: Path | None = None
    catalog: str | None = None
    force: bool = False


def export(asked: Asked, place: Place, options: Options) -> int:
    """Write the manifest of what is live; 1 where something that was asked for could not be written."""
    if asked.all_owners and asked.owners:
        raise UsageError("--owner and --all-owners at once", "name one of them")
    with flow.existing(options) as backend:
        identity = backend.identity()
        catalog = place.catalog or slug(identity.project_name) or "exported"
        if not KEY.fullmatch(catalog):
            raise UsageError(f"--catalog {sentence(catalog)}: not a key", "use letters, digits and . _ -, at most 64")
        path = _path(place, catalog)
        images = _wanted(_found(backend, asked), asked)
        members = flow.members_of(backend, images, options.jobs)
        able = backend.capabilities()
    made = exported(catalog, images, members, project=identity.project_id, read_only=able.read_only)
    _check(made)
    for problem in made.problems:
        say(problem)
    if path is not None and path.parent == place.out:
        _make_folder(path.parent)
    _write(made, path)
    return INCOMPLETE if made.problems else DONE


def _path(place: Place, catalog: str) -> Path | None:
    """The file to write, or the catalogue's own in a folder; one that is there is replaced only with --force."""
    path = place.out
    if path is None or str(path) == "-":
        return None
    if path.is_dir() or path.suffix.lower() not in SUFFIXES:
        path /= f"{catalog}.yaml"
    if path.exists() and not place.force:
        raise UsageError(f"{sentence(str(path))} exists", "write elsewhere, or pass --force to replace it")
    return path


def _found(backend: Backend, asked: Asked) -> list[LiveImage]:
    """What the service finds by owner, tags, visibility and a whole name; globs are for ``_wanted``."""
    name = asked.names[0] if len(asked.names) == 1 and not any(char in asked.names[0] for char in _GLOB) else None
    owners: list[str | None] = [None] if asked.all_owners else [*(asked.owners or [backend.identity().project_id])]
    filters = [Filter(owner, name, frozenset(asked.tags), asked.visibility) for owner in owners]
    found = {image.id: image for one in filters for image in backend.matching(one)}
    return [image for _, image in sorted(found.items())]


def _wanted(images: Sequence[LiveImage], asked: Asked) -> list[LiveImage]:
    """Those whose name matches and that nobody manages yet; with ``managed`` the current build of each key too."""
    named = [image for image in images if not asked.names or matches(image.name or "", asked.names)]
    free = [image for image in named if not any(name.startswith(PREFIX) for name in image.properties)]
    ours = [image for image in named if (record := read(image)) is not None and record.role is Role.CURRENT]
    if asked.managed:
        return [*free, *ours]
    catalogs = Counter(image.properties[f"{PREFIX}catalog"] for image in ours)
    for catalog, number in sorted(catalogs.items()):
        say(f"{count(number, 'image')} of catalogue {sentence(catalog)} left out; --managed takes them in")
    return free


def _check(made: Exported) -> None:
    """The text loaded and resolved as apply would, and compared with the images: it must say what they are."""
    from imagesync.manifest.loader import load
    from imagesync.manifest.resolution import resolve

    with tempfile.TemporaryDirectory(prefix="imagesync-") as folder:
        path = Path(folder) / "export.yaml"
        path.write_text(made.text, encoding="utf-8")
        try:
            wrong = differences(made, resolve(load(path)))
        except ManifestError as error:
            raise Bug(f"export wrote a manifest that does not load:\n{error}\n{made.text}") from error
    if wrong:
        raise Bug("export wrote a manifest that says something else: " + ", ".join(wrong) + f"\n{made.text}")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{sentence(str(path))}: {error.strerror}", "name a file or a folder to write to") from error


def _write(made: Exported, path: Path | None) -> None:
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # manifests are UTF-8 whatever the locale
        typer.echo(made.text, nl=False)
        return
    write_private(path, made.text)
    path.chmod(0o644)
    say(f"{count(len(made.images), 'image')} written to {sentence(str(path))}")
