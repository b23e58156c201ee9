"""What a plan may do with images, by ``policy`` of the manifest and by the command line. No I/O."""

from dataclasses import dataclass
from enum import StrEnum


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
