"""What a plan may do with images, by ``policy`` of the manifest and by the command line. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from imagesync.secrets import show_key

FIELDS: Final = ("name", "key", "id", "generation", "created")
"""Names that are allowed in braces in ``OnReplace.rename``."""
_ANY: Final = "|".join(FIELDS)
RENAME_FIELD: Final = re.compile(rf"\{{({_ANY})(?::([^{{}}]*))?\}}")
"""A field of ``OnReplace.rename``; only ``created`` has a form of its own after the colon."""
USUAL_FORM: Final = "%Y-%m-%d"
WIDTHS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3, "G": 4, "V": 2, "u": 1}
"""What may follow ``%`` in the form of ``created``, and how many characters it gives: numbers of fixed width. Others depend
on the locale, or give control characters (``%n``)."""
ID_CHARS: Final = 36
"""Of an image's id."""
_DIRECTIVE: Final = re.compile("%(.?)", re.DOTALL)
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_FOREIGN: Final = re.compile(rf"\$({_ANY})\b|%\(({_ANY})\)[a-z]|<({_ANY})>")
"""Fields as other programs write them."""
_STRAY: Final = re.compile(rf"[{{}}]|%[{''.join(WIDTHS)}](?![A-Za-z])")
_TRUTHS: Final = frozenset({"false", "true", "no", "yes", "off", "on", "none", "null", "~"})


def find_rename_faults(rename: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a pattern for names, and what to write: everything that would be part of a name unchanged."""
    if rename.lower() in _TRUTHS:
        yield f"{rename!r} would become the name of images", "write false, without quotes, for names that stay"
    if not rename.strip():
        yield "the new name would be blank", "write a pattern such as {name} (old), or false"
    if "{{" in rename or "}}" in rename:
        yield "doubled braces", "write each once: {name}"
        return
    for found in _FOREIGN.finditer(rename):
        yield f"{found[0]} is not a field", f"write {{{found[1] or found[2] or found[3]}}}"
    for found in _BRACES.finditer(rename):
        yield from _find_field_faults(*found[1].partition(":"))
    for found in _STRAY.finditer(_BRACES.sub("", rename)):
        if found[0] in "{}":
            yield f"a {found[0]} without its other half", "write {FIELD}; a name cannot hold braces"
        else:
            yield f"{found[0]} is not in braces", f"write {{created:{found[0]}}}"


def _find_field_faults(name: str, colon: str, form: str) -> Iterator[tuple[str, str]]:
    if name not in FIELDS:
        close = get_close_matches(name.strip().lower(), FIELDS, 1)
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        yield f"{{{show_key(name)}}} is not a field", f"did you mean {{{close[0]}}}?" if close else f"there are {known}"
    elif name != "created" and colon:
        yield f"{{{name}}} takes no form after a colon", f"write {{{name}}}"
    elif colon and "%" not in form:
        yield "{created:…} has no % in its form", f"write {{created:{USUAL_FORM}}}"
    elif unknown := [found[0] for found in _DIRECTIVE.finditer(form) if found[1] not in WIDTHS]:
        hint = f"write one of {' '.join(f'%{letter}' for letter in WIDTHS)}"
        yield from ((f"{directive!r} is not allowed in {{created:…}}", hint) for directive in dict.fromkeys(unknown))


def measure_shortest_name(rename: str, name: str, key: str) -> int:
    """Characters of the new name that a pattern gives to an image of this name: those of its first generation."""
    chars = {"name": len(name), "key": len(key), "id": ID_CHARS, "generation": 1}

    def measure(found: re.Match[str]) -> str:
        if found[1] != "created":
            return "x" * chars[found[1]]
        return _DIRECTIVE.sub(lambda part: "x" * WIDTHS.get(part[1], len(part[0])), found[2] or USUAL_FORM)

    return len(RENAME_FIELD.sub(measure, rename))


def format_created(moment: datetime, form: str) -> str:
    """A moment by a form; directives that are not allowed are left as they are."""
    return _DIRECTIVE.sub(lambda found: moment.strftime(found[0]) if found[1] in WIDTHS else found[0], form)


class OnRemove(StrEnum):
    """What becomes of an owned image whose key left the manifest."""

    DELETE = "delete"
    DEACTIVATE = "deactivate"
    HIDE = "hide"
    KEEP = "keep"


class Publish(StrEnum):
    """Which new builds a whole apply publishes: any, or only candidates that an earlier run staged."""

    ANY = "any"
    STAGED_ONLY = "staged-only"


@dataclass(frozen=True, slots=True)
class OnReplace:
    """What becomes of an image that a new build supersedes; ``delete_after`` in days."""

    keep: int = 1
    delete_after: int | None = None
    hide: bool = True
    deactivate: bool = False
    rename: str | None = None
    set_fields: tuple[tuple[str, str | int | bool], ...] = ()
    set_properties: tuple[tuple[str, str], ...] = ()
    set_tags: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound of a plan: ``value`` keys, or per cent of the keys owned."""

    value: int
    percent: bool = True

    def __str__(self) -> str:
        return f"{self.value} %" if self.percent else str(self.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a plan may do, from the manifest's ``policy`` and the command line's permissions."""

    on_remove: OnRemove = OnRemove.DELETE
    on_replace: OnReplace = OnReplace()
    max_delete: Limit = Limit(30)
    max_update: Limit = Limit(100)
    publish: Publish = Publish.ANY
    allow_protected: bool = False
    allow_destroy: bool = False
    reactivate: bool = False
    drift_only: bool = False
