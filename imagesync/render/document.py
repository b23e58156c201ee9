"""What a person reads about a plan, a report, drift, an image or a failure, of one target or several, without a format. Pure.

All texts are printable: ``make_printable`` was applied. They are not escaped for Markdown or HTML yet.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line

Result = TypeVar("Result", covariant=True)


class Subject(StrEnum):
    """What a document is about."""

    PLAN = "plan"
    REPORT = "report"
    DRIFT = "drift"
    IMAGE = "image"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Alert:
    """What a reviewer must not miss: ``words`` such as ``become public``, and the labels of all images concerned.

    ``is_loss``: users of the cloud lose these images.
    """

    words: str
    labels: tuple[str, ...]
    is_loss: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What happens to one image, or to several images that share lines.

    ``kind``: sign, verb, reason and tone. ``labels``: the key of each image, with its name if that differs. ``what``: a
    description, such as the source. ``lines``: fields and other facts. ``outcome``, ``error``: in a report, how the steps
    ended; else empty. ``place``: ``FILE:LINE:COLUMN`` in the manifest; empty if it is not known.
    """

    kind: Kind
    labels: tuple[str, ...]
    what: str = ""
    lines: tuple[Line, ...] = ()
    outcome: str = ""
    error: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Further facts: candidates, retired builds that are kept, expiring images, notes."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command to paste, and what it does."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document: what is most important for a reviewer comes first.

    ``catalog``, ``target``: names for the hidden marker; ``target`` is the name of the target, else the label of the
    place; empty if unknown. ``title``: the heading. ``summary``: the sentence with the counts. ``total``: the number of
    images that the blocks are about. ``closing``: what the reader must do next.
    """

    subject: Subject
    catalog: str
    target: str
    title: str
    summary: str
    alerts: tuple[Alert, ...] = ()
    errors: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    commands: tuple[Command, ...] = ()
    closing: tuple[str, ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether there is anything to read below title, summary, alerts and errors."""
        return bool(self.blocks or self.sections or self.commands or self.closing)


@dataclass(frozen=True, slots=True)
class TargetGroup(Generic[Result]):
    """The names of targets whose results are equal for a reader, and the result of the first one."""

    names: tuple[str, ...]
    first: Result


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target in the table of all. ``outcome``: how its plan or its run ended, in words, such as ``no changes``.

    ``changes``: what is to do or was done, ``2 to create, 1 to replace``; empty for nothing. ``errors``: their number.
    ``place``: the cloud or store; empty if it is not known, because the target could not be reached.
    """

    target: str
    outcome: str
    changes: str = ""
    errors: int = 0
    wave: int = 0
    place: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """The documents of several targets of one catalog.

    ``subject``: of all of them; a failure has no targets if it came before them. ``rows``: every target, in the order of
    the manifest. ``alerts``, ``errors``: those of all targets, which come first; equal ones are one, with the names of the
    targets. Errors of steps are among them. ``groups``: targets whose documents are equal except for the place. The
    ``title`` of a group's document says how many changes it has; its alerts and errors are repeated above.
    """

    subject: Subject
    catalog: str
    title: str
    summary: str
    rows: tuple[TargetRow, ...] = ()
    alerts: tuple[TargetGroup[Alert], ...] = ()
    errors: tuple[TargetGroup[str], ...] = ()
    groups: tuple[TargetGroup[Document], ...] = ()
    closing: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
