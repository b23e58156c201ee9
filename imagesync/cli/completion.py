"""Completions for the shell: targets, keys, clouds and schemas. Reads manifests and clouds.yaml; never prints or raises.

If a manifest cannot be read, there are no completions: an error must not disturb the line that the user is typing.
"""

from collections.abc import Iterable
from pathlib import Path

import typer


def complete_targets(ctx: typer.Context, incomplete: str) -> list[str]:
    """The targets of the manifest whose path was typed before; without one, of the working directory."""
    return _filter_names(_read_names("targets", ctx), incomplete)


def complete_keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """The keys of the manifest whose path was typed before; without one, of the working directory."""
    return _filter_names(_read_names("images", ctx), incomplete)


def complete_clouds(incomplete: str) -> list[str]:
    """The clouds of clouds.yaml."""
    from imagesync.backends.glance.connect import list_clouds

    return _filter_names(list_clouds(), incomplete)


def complete_schemas(incomplete: str) -> list[str]:
    """The names of the schemas of ``imagesync schema``."""
    from imagesync.schemas import NAMES

    return _filter_names(NAMES, incomplete)


def _filter_names(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete) and name.isprintable())


def _read_names(section: str, ctx: typer.Context) -> Iterable[str]:
    from imagesync.errors import ImagesyncError
    from imagesync.manifest.loader import load

    try:
        manifest = load(_find_path(ctx))
    except ImagesyncError:
        return ()
    return manifest.targets if section == "targets" else manifest.images


def _find_path(ctx: typer.Context) -> Path:
    """The path that was typed. The parser has not read it yet if the option after it lacks its value."""
    words = [Path(word) for word in ctx.args if not word.startswith("-")]
    return next((path for path in words if path.exists()), ctx.params.get("path") or Path())
