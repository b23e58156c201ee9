"""The policy of a plan as a value: limits, permissions, and what happens to removed and replaced images. No I/O."""

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
"""A field of ``OnReplace.rename``; only ``created`` may have a date format after a colon."""
USUAL_FORM: Final = "%Y-%m-%d"
WIDTHS: Final = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3, "G": 4, "V": 2, "u": 1}
"""The letters allowed after ``%`` in the date format of ``created``, and the width of each result.

Other letters depend on the locale, or give control characters (``%n``).
"""
ID_CHARS: Final = 36
"""Characters of an image's id."""
_DIRECTIVE: Final = re.compile("%(.?)", re.DOTALL)
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_FOREIGN: Final = re.compile(rf"\$({_ANY})\b|%\(({_ANY})\)[a-z]|<({_ANY})>")
"""Fields in the syntax of other programs."""
_STRAY: Final = re.compile(rf"[{{}}]|%[{''.join(WIDTHS)}](?![A-Za-z])")
_TRUTHS: Final = frozenset({"false", "true", "no", "yes", "off", "on", "none", "null", "~"})


def find_rename_faults(rename: str) -> Iterator[tuple[str, str]]:
    """Each problem of a pattern for names, and what to write: text that would become part of a name by mistake."""
    if rename.lower() in _TRUTHS:
        yield f"{rename!r} would become the name of images", "write false, without quotes, to keep the names"
    if not rename.strip():
        yield "the new name would be blank", "write a pattern such as {name} (old), or false"
    if "{{" in rename or "}}" in rename:
        yield "braces are doubled", "write each brace once: {name}"
        return
    for found in _FOREIGN.finditer(rename):
        yield f"{found[0]} is not a field", f"write {{{found[1] or found[2] or found[3]}}}"
    for found in _BRACES.finditer(rename):
        yield from _find_field_faults(*found[1].partition(":"))
    for found in _STRAY.finditer(_BRACES.sub("", rename)):
        if found[0] in "{}":
            yield f"{found[0]} has no matching brace", "write {FIELD}; a name cannot have braces"
        else:
            yield f"{found[0]} is not in braces", f"write {{created:{found[0]}}}"


def _find_field_faults(name: str, colon: str, form: str) -> Iterator[tuple[str, str]]:
    if name not in FIELDS:
        close = get_close_matches(name.strip().lower(), FIELDS, 1)
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        yield f"{{{show_key(name)}}} is not a field", f"did you mean {{{close[0]}}}?" if close else f"there are {known}"
    elif name != "created" and colon:
        yield f"{{{name}}} does not accept a format after a colon", f"write {{{name}}}"
    elif colon and "%" not in form:
        yield "{created:…} has no % in its date format", f"write {{created:{USUAL_FORM}}}"
    elif unknown := [found[0] for found in _DIRECTIVE.finditer(form) if found[1] not in WIDTHS]:
        hint = f"write one of {' '.join(f'%{letter}' for letter in WIDTHS)}"
        yield from ((f"{directive!r} is not allowed in {{created:…}}", hint) for directive in dict.fromkeys(unknown))


def measure_shortest_name(rename: str, name: str, key: str) -> int:
    """Characters of the shortest name that a pattern gives to an image of this name: that of generation 1."""
    chars = {"name": len(name), "key": len(key), "id": ID_CHARS, "generation": 1}

    def measure(found: re.Match[str]) -> str:
        if found[1] != "created":
            return "x" * chars[found[1]]
        return _DIRECTIVE.sub(lambda part: "x" * WIDTHS.get(part[1], len(part[0])), found[2] or USUAL_FORM)

    return len(RENAME_FIELD.sub(measure, rename))


def format_created(moment: datetime, form: str) -> str:
    """A time in a date format; directives that are not allowed are not replaced."""
    return _DIRECTIVE.sub(lambda found: moment.strftime(found[0]) if found[1] in WIDTHS else found[0], form)


class OnRemove(StrEnum):
    """What happens to an owned image whose key was removed from the manifest."""

    DELETE = "delete"
    DEACTIVATE = "deactivate"
    HIDE = "hide"
    KEEP = "keep"


class Publish(StrEnum):
    """Which new builds ``apply`` publishes: any, or only candidates that an earlier run staged."""

    ANY = "any"
    STAGED_ONLY = "staged-only"


@dataclass(frozen=True, slots=True)
class OnReplace:
    """What happens to an image that a new build supersedes; ``delete_after`` in days."""

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
    """A limit of a plan: ``value`` keys, or percent of the owned keys."""

    value: int
    percent: bool = True

    def __str__(self) -> str:
        return f"{self.value} %" if self.percent else str(self.value)


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits and permissions of a plan, from the manifest's ``policy`` and the command line."""

    on_remove: OnRemove = OnRemove.DELETE
    on_replace: OnReplace = OnReplace()
    max_delete: Limit = Limit(30)
    max_update: Limit = Limit(100)
    publish: Publish = Publish.ANY
    allow_protected: bool = False
    allow_destroy: bool = False
    reactivate: bool = False
    drift_only: bool = False
