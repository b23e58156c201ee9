"""What a person reads about a plan, a report, drift, an image or a failure, without a format. Pure.

All texts are printable: ``make_printable`` was applied. They are not escaped for Markdown or HTML yet.
"""

from dataclasses import dataclass
from enum import StrEnum

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line


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
