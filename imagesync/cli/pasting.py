"""A command for a message, with the path and the target of the present one, ready to paste. No I/O."""

from pathlib import Path

from imagesync.cli.options import Options
from imagesync.secrets import is_secret, is_secret_name
from imagesync.text import quote_word


def format_command(name: str, path: Path | None, options: Options, *further: str) -> str:
    """``imagesync NAME PATH`` with the options that select place, values and keys as the user gave them.

    ``path`` None: without one. ``further`` options are added at the end. A value that looks like a secret is replaced by
    VALUE.
    """
    words = ["imagesync", name, *([] if path is None else [_protect_path(str(path))])]
    for option, value in (
        ("--target", options.target),
        ("--cloud", options.cloud),
        ("--clouds-file", options.clouds_file),
        ("--store", options.store),
    ):
        words += [option, str(value)] if value is not None else []
    for pair in options.set_values:
        words += ["--set", _hide_secret(pair)]
    for glob in options.only:
        words += ["--only", glob]
    words += ["--allow-outside"] if options.allow_outside else []
    return " ".join(map(quote_word, [*words, *further]))


def _protect_path(place: str) -> str:
    return f"./{place}" if place.startswith("-") else place


def _hide_secret(pair: str) -> str:
    """``pair``; with the placeholder VALUE if its name or its value looks like a secret."""
    name, _, value = pair.partition("=")
    return f"{name}=VALUE" if is_secret_name(name) or is_secret(value) else pair
