"""What a plan may do with images, by ``policy`` of the manifest and by the command line. No I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

RENAME_FIELD: Final = re.compile(r"\{(name|key|id|generation|created)(?::([^{}]*))?\}")
"""A field of ``OnReplace.rename``; only ``created`` has a form of its own after the colon."""
_FIELD: Final = re.compile(r"\{[^{}]*\}")
USUAL_FORM: Final = "%Y-%m-%d"
DIRECTIVES: Final = "YmdHMSyjGVu"
"""What may follow ``%`` in the form of ``created``: numbers of fixed width. Others depend on the locale, or give control
characters (``%n``)."""
_DIRECTIVE: Final = re.compile("%(.?)", re.DOTALL)


def find_unknown_fields(rename: str) -> Iterator[str]:
    """The parts of a pattern for names that look like fields, such as ``{nmae}``, and are none."""
    return (found[0] for found in _FIELD.finditer(rename) if not RENAME_FIELD.fullmatch(found[0]))


def find_unknown_directives(rename: str) -> Iterator[str]:
    """The directives of a pattern for names, such as ``%n``, that are not allowed."""
    for found in RENAME_FIELD.finditer(rename):
        forms = _DIRECTIVE.finditer(found[2] or "") if found[1] == "created" else ()
        yield from (form[0] for form in forms if not form[1] or form[1] not in DIRECTIVES)


def format_created(moment: datetime, form: str) -> str:
    """A moment by a form; directives that are not allowed stand as they are."""
    return _DIRECTIVE.sub(
        lambda found: moment.strftime(found[0]) if found[1] and found[1] in DIRECTIVES else found[0], form
    )


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
