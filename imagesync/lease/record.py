"""The lease that keeps two runs on one catalog apart: its record <-> a value, and whose lease counts. No I/O.

Of all that the image service offers only a POST with a chosen id is atomic, and an id is never given out twice. So the
holders of a catalog's lease form a chain: each record names, in ``next``, the random id of its successor, and the run
that makes the record with that id is the next holder. Other tenants cannot know that id, because they do not see the
record. No two clocks are compared: a record that has not changed for a while, by the clock of the run that waits, is
that of a dead holder.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Final
from uuid import UUID

from imagesync.errors import ImagesyncError
from imagesync.lease import UNLOCK
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.record import ID, LEASE, ROLE, is_bound
from imagesync.text import make_printable, shorten

NUMBER: Final = "imagesync_lease_number"
NEXT: Final = "imagesync_lease_next"
NONCE: Final = "imagesync_lease_nonce"
BEAT: Final = "imagesync_lease_heartbeat"
HOLDER: Final = "imagesync_lease_holder"
STATE: Final = "imagesync_lease_state"
AFTER: Final = "imagesync_lease_after"

MAX_NUMBER: Final = 2**53
"""In the chain; a higher one, which counting cannot reach, is read as 0."""
MAX_HOLDERS: Final = 8
"""That are read from one record."""
MAX_HOLDER_CHARS: Final = 100
"""Of each part of a holder that is read from a record."""


class State(StrEnum):
    """What a record says of its lease. A free record only names where the chain continues.

    ``unsettled``: it is free, but a request that was sent under it may still arrive (an answer was lost), as after a
    holder that died. ``broken``: ``unlock`` took it from its holder, which may not have noticed yet.
    """

    HELD = "held"
    FREE = "free"
    UNSETTLED = "unsettled"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Times:
    """Times in seconds. ``expiry`` without a sign of life ends a lease for the runs that wait.

    The holder sends a heartbeat every ``beat`` and gives up if none of the last ``confirm`` was answered: before
    another run may follow. ``poll`` is how often a waiting run reads the list. ``lag`` is how old a listing may be: a
    run that made a record without a predecessor waits one to two times this before it reads the list. ``settling`` is
    how long the next holder waits for late requests of a holder that did not give its lease back. If that holder may
    not have noticed the end of its lease, ``confirm`` is added.
    """

    expiry: float = 60.0
    beat: float = 15.0
    confirm: float = 45.0
    poll: float = 2.0
    lag: float = 1.0
    settling: float = 10.0


USUAL: Final = Times()


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: ``boot`` names one boot and pid namespace of its host, ``start`` the time at which it began there.

    All are text that has a meaning on their own host only; empty if unknown. ``since`` is an ISO time, to be shown
    only.
    """

    host: str = ""
    boot: str = ""
    pid: str = ""
    start: str = ""
    since: str = ""

    def __str__(self) -> str:
        if not self.host:
            return "a run that left no name"
        return f"host {self.host}, pid {self.pid}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One record, ``id`` of its image: ``number`` in the chain, ``next`` the id of its successor (empty if it has none),
    ``nonce`` of the run that made it; ``beat`` changes with each heartbeat; ``updated``: when, by the service's clock.

    ``after``: holders before this one that may not have noticed that their lease ended, until that has been waited for.
    """

    id: str
    catalog: str
    number: int
    next: str
    nonce: str
    holder: Holder
    beat: str = "0"
    state: State = State.HELD
    updated: str = field(default="", compare=False)
    after: tuple[Holder, ...] = ()

    def properties(self) -> dict[str, str]:
        """The record as properties of its image."""
        return {
            ID: self.id,
            LEASE: self.catalog,
            ROLE: Role.LEASE.value,
            NUMBER: str(self.number),
            NEXT: self.next,
            NONCE: self.nonce,
            BEAT: self.beat,
            STATE: self.state.value,
            HOLDER: _write_holder(self.holder),
            **({AFTER: json.dumps([_write_holder(one) for one in self.after])} if self.after else {}),
        }

    @property
    def at_work(self) -> tuple[Holder, ...]:
        """Runs that may still be running although the lease was taken from them."""
        return (*((self.holder,) if self.state is State.BROKEN else ()), *self.after)


class LeaseHeld(ImagesyncError):
    """Another run held the lease for longer than the timeout. ``command`` breaks it."""

    def __init__(self, lease: Lease, waited: float, times: Times, command: str = UNLOCK) -> None:
        self.lease = lease
        message = f"catalog {lease.catalog} is locked by another run: {lease.holder}; waited {waited:.0f} s"
        more = f", and {times.settling:.0f} s more are waited then" if times.settling else ""
        ends = f"a dead holder's lease ends after {times.expiry:.0f} s{more}"
        super().__init__(
            message, f"nothing was changed; wait longer (--lock-timeout; {ends}), or break the lease: {command}"
        )


class LeaseUnsettled(ImagesyncError):
    """The lease could be had, but not the time in which what its last holder sent may still arrive."""

    def __init__(self, lease: Lease, left: float, times: Times, seconds: float, waited: float = 0.0) -> None:
        message = f"catalog {lease.catalog}: {describe_end(lease)}; what it sent may arrive for {seconds:.0f} s"
        super().__init__(
            message,
            f"nothing was changed; {max(left, 0):.0f} s were left to wait; run it again with --lock-timeout "
            f"{max(times.expiry, waited) + seconds:.0f} or more",
        )


def assume_lease(catalog: str) -> Lease:
    """The lease of a run whose record was deleted, by hand or by a clean-up. That run may still be running."""
    return Lease("", catalog, 0, "", "", Holder(), state=State.BROKEN)


def describe_end(lease: Lease) -> str:
    """How a free lease ended that was not given back, for a message."""
    if not lease.id:
        return "there is no record of its last lease, which may have been deleted while a run held it"
    if lease.at_work:
        return f"the lease was broken, and its run may still be running ({'; '.join(map(str, lease.at_work))})"
    if lease.state is State.UNSETTLED:
        return f"its last run lost an answer ({lease.holder})"
    return f"its last run did not give the lease back ({lease.holder})"


def read_lease(image: LiveImage, project: str, catalog: str) -> Lease | None:
    """The record that an image is; None unless it is private, in this project, about itself and of exactly this catalog.

    Any other damage is read as an unknown holder; the lease then expires like that of a dead holder.
    """
    text = image.properties.get
    is_ours = (image.owner or "") == project and image.visibility is Visibility.PRIVATE
    if not is_ours or not is_bound(image) or text(LEASE) != catalog or text(ROLE) != Role.LEASE:
        return None
    state = text(STATE, "")
    return Lease(
        image.id,
        catalog,
        _parse_number(text(NUMBER, "")),
        _parse_id(text(NEXT, "")),
        text(NONCE, ""),
        _parse_holder(text(HOLDER, "")),
        text(BEAT, ""),
        State(state) if state in list(State) else State.HELD,
        image.updated_at,
        _parse_holders(text(AFTER, "")),
    )


def _parse_number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < MAX_HOLDER_CHARS
    return number if is_number and (number := int(text)) < MAX_NUMBER else 0


def _parse_id(text: str) -> str:
    try:
        return text if str(UUID(text)) == text else ""
    except ValueError:
        return ""


def _write_holder(holder: Holder) -> str:
    return json.dumps(asdict(holder), separators=(",", ":"), sort_keys=True)


def _parse_holder(text: str) -> Holder:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return Holder()
    if not isinstance(found, dict):
        return Holder()
    return Holder(**{each.name: _clean(found.get(each.name)) for each in fields(Holder)})


def _parse_holders(text: str) -> tuple[Holder, ...]:
    """An unreadable holder is an unknown run, which may be running."""
    if not text:
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return (Holder(),)
    return tuple(_parse_holder(str(one)) for one in found[:MAX_HOLDERS]) if isinstance(found, list) else (Holder(),)


def _clean(value: object) -> str:
    """Text of another run, made safe for a message."""
    return shorten(make_printable(value), MAX_HOLDER_CHARS) if isinstance(value, str) else ""


def find_end(leases: Iterable[Lease]) -> Lease | None:
    """The end of the chain: the highest number; of several with it, the one with the smallest id."""
    return min(leases, key=lambda lease: (-lease.number, lease.id), default=None)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record as it was last seen, and when, by the clock of the one who waits, it was first seen so."""

    lease: Lease
    at: float


def update_sightings(before: Mapping[str, Sighting], found: Iterable[Lease], at: float) -> dict[str, Sighting]:
    """By id of the record what is seen now: whatever moved in one is a sign of life."""
    return {
        lease.id: old if (old := before.get(lease.id)) is not None and old.lease == lease else Sighting(lease, at)
        for lease in found
    }


def is_live(seen: Sighting, queries: float, times: Times, gone: Callable[[Holder], bool]) -> bool:
    """Whether the holder of a lease may be alive: its process has not ended, and it gave a sign of life recently.

    ``queries`` is when the last request began: what it showed may be that old.
    """
    lease = seen.lease
    return lease.state is State.HELD and queries - seen.at < times.expiry and not gone(lease.holder)


def is_lease(image: LiveImage, project: str) -> bool:
    """Whether an image is the record of a lease. Such a record is never shown or counted.

    In another project, which an administrator sees, only an empty record counts: its owner could hide any other image
    behind these properties.
    """
    is_one = LEASE in image.properties and image.properties.get(ROLE) == Role.LEASE and is_bound(image)
    is_bare = (
        image.name is None and image.status is Status.QUEUED and image.visibility is Visibility.PRIVATE and image.hidden
    )
    return is_one and ((image.owner or "") == project or is_bare)
