"""The lease that keeps two runs on one catalogue apart: its record <-> a value, and who may take it when. No I/O.

Of all that the image service offers only a POST with a chosen id is atomic, and an id is never given out twice. So the
holders of a catalogue's lease form a chain: the n-th holder's record has the id ``lease_id(project, catalogue, n)``,
and whoever makes number n + 1 has followed number n. No two clocks are compared: a record that has not moved for a
while, by the clock of the one who waits, is that of a dead holder.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from imagesync.errors import ImagesyncError
from imagesync.model.catalog import Role
from imagesync.model.image import LiveImage
from imagesync.model.record import LEASE, ROLE
from imagesync.text import make_printable, shorten

NUMBER: Final = "imagesync_lease_number"
NONCE: Final = "imagesync_lease_nonce"
BEAT: Final = "imagesync_lease_heartbeat"
HOLDER: Final = "imagesync_lease_holder"
STATE: Final = "imagesync_lease_state"

SPACE: Final = uuid5(NAMESPACE_URL, "imagesync:lease")
MAX_TRIED_NUMBERS: Final = 20_000
"""Numbers tried to find that of a record whose own is damaged; beyond them it is met when its number is tried."""
MAX_HOLDER_CHARS: Final = 100
"""Of each part of a holder that is read from a record."""


class State(StrEnum):
    """What a record says of its lease; the record of a free one only remembers the number."""

    HELD = "held"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds. ``expiry`` without a sign of life ends a lease for those who wait.

    Its holder, who sends one every ``beat``, gives up when none that was sent in the last ``confirm`` was answered:
    before anybody may follow. ``poll`` is how often one who waits looks.
    """

    expiry: float = 60.0
    beat: float = 15.0
    confirm: float = 45.0
    poll: float = 2.0


USUAL: Final = Times()


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: ``boot`` stands for one boot and process space of its host, ``start`` for when it began in that.

    All are text without meaning but to their own host; empty where they are not known. ``since`` is an ISO time, to be
    shown only.
    """

    host: str = ""
    boot: str = ""
    pid: str = ""
    start: str = ""
    since: str = ""

    def __str__(self) -> str:
        if not self.host:
            return "somebody who left no name"
        return f"host {self.host}, pid {self.pid}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One record: ``number`` in the chain, ``nonce`` of the POST that made it, ``beat`` changes with each heartbeat."""

    catalog: str
    number: int
    nonce: str
    holder: Holder
    beat: str = "0"
    state: State = State.HELD

    def properties(self) -> dict[str, str]:
        """The record as properties of an image."""
        return {
            LEASE: self.catalog,
            ROLE: Role.LEASE.value,
            NUMBER: str(self.number),
            NONCE: self.nonce,
            BEAT: self.beat,
            STATE: self.state.value,
            HOLDER: json.dumps(asdict(self.holder), separators=(",", ":"), sort_keys=True),
        }


class LeaseHeld(ImagesyncError):
    """Somebody else holds the lease, for longer than one wanted to wait."""

    def __init__(self, lease: Lease, waited: float, times: Times) -> None:
        self.lease = lease
        message = f"catalogue {lease.catalog} is at work elsewhere: {lease.holder}; waited {waited:.0f} s"
        expiry = f"wait longer (--lock-timeout; a dead holder's lease ends after {times.expiry:.0f} s)"
        super().__init__(message, f"nothing was changed; {expiry}, or break it: imagesync unlock")


def lease_id(project: str, catalog: str, number: int) -> str:
    """The id of the record of the n-th holder."""
    return str(uuid5(SPACE, f"{project}/{catalog}/{number}"))


def read_lease(image: LiveImage, project: str, catalog: str, number: int | None = None) -> Lease | None:
    """The record that an image is; None for one whose owner or id is not that of this project's chain.

    ``number`` where the id was made from it.

    What else is damaged reads as held by nobody known: it ends like that of a dead holder, when it has not moved for
    its time.
    """
    number = number or _find_number(image, project, catalog)
    if number is None or (image.owner or "") != project:
        return None
    text = image.properties.get
    state = State.FREE if text(STATE) == State.FREE.value else State.HELD
    return Lease(catalog, number, text(NONCE, ""), _parse_holder(text(HOLDER, "")), text(BEAT, ""), state)


def _find_number(image: LiveImage, project: str, catalog: str) -> int | None:
    """By the id, which nobody can change; what the record says only saves the search."""
    said = image.properties.get(NUMBER, "")
    likely = [int(said)] if said.isascii() and said.isdigit() and len(said) < MAX_HOLDER_CHARS else []
    if likely and lease_id(project, catalog, likely[0]) == image.id:
        return likely[0]
    if not _is_of_chain(image.id):
        return None
    return next((n for n in range(1, MAX_TRIED_NUMBERS) if lease_id(project, catalog, n) == image.id), None)


def _is_of_chain(image_id: str) -> bool:
    """Whether an id can be one of ours at all: made from a name (RFC 9562, version 5), which few are."""
    try:
        return UUID(image_id).version == SPACE.version
    except ValueError:
        return False


def _parse_holder(text: str) -> Holder:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Holder()
    if not isinstance(found, dict):
        return Holder()
    return Holder(**{field.name: _clean(found.get(field.name)) for field in fields(Holder)})


def _clean(value: object) -> str:
    """Text that may stand in a message, whoever wrote it."""
    return shorten(make_printable(value), MAX_HOLDER_CHARS) if isinstance(value, str) else ""


def find_end(leases: Iterable[Lease]) -> Lease | None:
    """The end of the chain: the only record that counts."""
    return max(leases, key=lambda lease: lease.number, default=None)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record as it was last seen, and when, by the clock of the one who waits, it was first seen so."""

    lease: Lease
    at: float


def update_sighting(before: Sighting | None, found: Lease, at: float) -> Sighting:
    """What is seen now: whatever moved in it is a sign of life."""
    return before if before is not None and before.lease == found else Sighting(found, at)


def can_follow(seen: Sighting, asked: float, times: Times, gone: Callable[[Holder], bool]) -> bool:
    """Whether the next number may be taken: it is free, its holder's process is gone, or it gave no sign of life.

    ``asked`` is when the last look began: what was seen may be that old.
    """
    lease = seen.lease
    return lease.state is State.FREE or asked - seen.at >= times.expiry or gone(lease.holder)


def is_lease(image: LiveImage, project: str) -> bool:
    """Whether an image is the record of one of our leases: nobody's image, never shown or counted."""
    return LEASE in image.properties and image.properties.get(ROLE) == Role.LEASE and (image.owner or "") == project
