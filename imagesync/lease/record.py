"""The record of a catalog's lease <-> a value, and the rules that decide which record counts. No I/O.

The image service has only one atomic operation: a POST with a chosen id. It never gives out an id twice. So the holders
of a lease form a chain: each record names in ``next`` the random id of its successor. The run that makes the record
with that id is the next holder. Other tenants do not see the record and cannot know that id. No two clocks are
compared: if a record does not change for a while, by the clock of the waiting run, its holder is dead.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Final
from uuid import UUID

from imagesync.errors import ImagesyncError
from imagesync.lease import UNLOCK
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import MAX_PROPERTY_BYTES, LiveImage
from imagesync.model.record import ID, LEASE, ROLE, is_bound
from imagesync.text import make_printable, shorten

NUMBER: Final = "imagesync_lease_number"
NEXT: Final = "imagesync_lease_next"
NONCE: Final = "imagesync_lease_nonce"
BEAT: Final = "imagesync_lease_heartbeat"
HOLDER: Final = "imagesync_lease_holder"
STATE: Final = "imagesync_lease_state"
AFTER: Final = "imagesync_lease_after"
KEYS: Final = "imagesync_lease_keys"

MAX_NUMBER: Final = 2**53
"""Upper bound of the number in the chain; a higher one must be damaged and is read as 0."""
MAX_HOLDERS: Final = 8
"""Earlier holders that are read from one record."""
MAX_HOLDER_CHARS: Final = 100
"""Characters of each part of a holder that are read from a record."""
KEYS_FORM: Final = "1:"
"""The beginning of a value of ``KEYS``: the version of its form."""
HASH_BYTES: Final = 4
"""Bytes of one hashed key in a value of ``KEYS``, as in ``model.record.hash_name``."""


class State(StrEnum):
    """The state of a lease. A free record only names the next id of the chain.

    ``unsettled``: the lease is free, but a request of its run may still arrive, because an answer was lost. ``broken``:
    ``unlock`` took the lease from its holder, which may not have noticed yet.
    """

    HELD = "held"
    FREE = "free"
    UNSETTLED = "unsettled"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Times:
    """The durations of the protocol, in seconds.

    A waiting run takes the lease if its record did not change for ``expiry``. The holder sends a heartbeat every
    ``beat``. It gives up, before another run may follow, if none was answered within ``confirm``. A waiting run reads
    the list every ``poll``. A listing may be ``lag`` old: a run that made a record without a predecessor waits one to
    two times this before it reads the list. If a holder did not release its lease, the next one waits ``settling`` for
    late requests, and ``confirm`` more if that holder may not have noticed the end of its lease.
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

    All are texts that only their own host can interpret, empty if unknown. ``since`` is an ISO time, only for messages.
    """

    host: str = ""
    boot: str = ""
    pid: str = ""
    start: str = ""
    since: str = ""

    def __str__(self) -> str:
        if not self.host:
            return "an unknown run"
        return f"host {self.host}, pid {self.pid}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One record. ``id`` is the id of its image, ``number`` its position in the chain, ``next`` the id of its
    successor.

    ``nonce`` identifies the run that made it. ``beat`` changes with each heartbeat; ``updated`` is the time of the last
    change by the service's clock. ``after``: earlier holders that may not have noticed yet that their lease ended.
    ``keys``: the hashed names of the keys that had a published image after the last run; None if they are not recorded.
    A deleted image leaves no other trace in the service.
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
    keys: frozenset[str] | None = None

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
            **({KEYS: write_keys(self.keys)} if self.keys is not None else {}),
        }

    @property
    def maybe_running(self) -> tuple[Holder, ...]:
        """Runs that may still be running although the lease was taken from them."""
        return (*((self.holder,) if self.state is State.BROKEN else ()), *self.after)


class LeaseHeld(ImagesyncError):
    """Another run held the lease for longer than the timeout. ``command`` breaks it."""

    def __init__(self, lease: Lease, waited: float, times: Times, command: str = UNLOCK) -> None:
        self.lease = lease
        message = f"catalog {lease.catalog} is locked by another run: {lease.holder}; waited {waited:.0f} s"
        total = times.expiry + times.settling
        super().__init__(
            message,
            f"nothing was changed; wait longer with --lock-timeout (the lease of a dead run is free after {total:.0f} s), "
            f"or, if that run is dead, break the lease: {command}",
        )


class LeaseUnsettled(ImagesyncError):
    """The lease is free, but too little time is left to wait for late requests of its last holder."""

    def __init__(self, lease: Lease, left: float, times: Times, seconds: float, waited: float = 0.0) -> None:
        message = f"catalog {lease.catalog}: {describe_end(lease)}; its requests may arrive for {seconds:.0f} s"
        super().__init__(
            message,
            f"nothing was changed; only {max(left, 0):.0f} s were left to wait; run again with --lock-timeout "
            f"{max(times.expiry, waited) + seconds:.0f} or more",
        )


def assume_lease(catalog: str) -> Lease:
    """The lease of a run whose record was deleted, by hand or by a cleanup job. That run may still be running."""
    return Lease("", catalog, 0, "", "", Holder(), state=State.BROKEN)


def describe_end(lease: Lease) -> str:
    """How a lease ended that its holder did not release, for a message."""
    if not lease.id:
        return "it has no lease record; the record may have been deleted during a run"
    if lease.maybe_running:
        return f"the lease was broken, and its run may still be running ({'; '.join(map(str, lease.maybe_running))})"
    if lease.state is State.UNSETTLED:
        return f"its last run got no answer to a request ({lease.holder})"
    return f"its last run did not release the lease ({lease.holder})"


def read_lease(image: LiveImage, project: str, catalog: str) -> Lease | None:
    """The record of a lease in the properties of an image.

    None unless the image is private, in this project, named by its own record, and of exactly this catalog. A record
    with any other damage has an unknown holder; it expires like the record of a dead run.
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
        _parse_keys(text(KEYS, "")),
    )


def write_keys(keys: Iterable[str]) -> str:
    """Hashed keys as the value of a property; empty, which is read as None, for more than some 12,000 of them."""
    packed = b"".join(bytes.fromhex(key) for key in sorted(keys))
    text = KEYS_FORM + base64.b64encode(packed).decode()
    return text if len(text) <= MAX_PROPERTY_BYTES else ""


def _parse_keys(text: str) -> frozenset[str] | None:
    if not text.startswith(KEYS_FORM):
        return None
    try:
        packed = base64.b64decode(text.removeprefix(KEYS_FORM), validate=True)
    except ValueError:
        return None
    parts = range(0, len(packed), HASH_BYTES)
    return frozenset(packed[at : at + HASH_BYTES].hex() for at in parts) if len(packed) % HASH_BYTES == 0 else None


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
    """A record as the last listing showed it; ``at``: when, by this run's clock, a listing first showed that state."""

    lease: Lease
    at: float


def update_sightings(before: Mapping[str, Sighting], found: Iterable[Lease], at: float) -> dict[str, Sighting]:
    """The sightings after a listing, by record id; a record that changed in any way starts a new sighting."""
    return {
        lease.id: old if (old := before.get(lease.id)) is not None and old.lease == lease else Sighting(lease, at)
        for lease in found
    }


def is_live(seen: Sighting, asked_at: float, times: Times, has_ended: Callable[[Holder], bool]) -> bool:
    """Whether the holder of a lease may be alive: its process has not ended, and its record changed recently.

    ``asked_at`` is when the last listing was requested: its content may be that old.
    """
    lease = seen.lease
    return lease.state is State.HELD and asked_at - seen.at < times.expiry and not has_ended(lease.holder)


def is_lease(image: LiveImage, project: str) -> bool:
    """Whether an image is the record of a lease. imagesync never shows or counts such an image.

    In another project (an administrator sees those) it must also have no name and no data: otherwise a user there could
    hide any image by these properties.
    """
    is_one = LEASE in image.properties and image.properties.get(ROLE) == Role.LEASE and is_bound(image)
    is_bare = (
        image.name is None and image.status is Status.QUEUED and image.visibility is Visibility.PRIVATE and image.hidden
    )
    return is_one and ((image.owner or "") == project or is_bare)
