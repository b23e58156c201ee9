"""The lease around what a command writes: one call, whatever the command. Does I/O."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from imagesync.cli.streams import say

if TYPE_CHECKING:
    from imagesync.backends.base import Backend
    from imagesync.lease.holding import Held
    from imagesync.lease.record import Times

LONGEST_WAIT = 120.0


@dataclass(frozen=True, slots=True)
class Locking:
    """Whether a run takes the lease, and how many seconds it waits for it."""

    lock_timeout: Annotated[
        float,
        typer.Option(
            "--lock-timeout", help="How long to wait while another run has the lease.", metavar="SECONDS", min=0
        ),
    ] = LONGEST_WAIT
    no_lock: Annotated[bool, typer.Option("--no-lock", help="Take no lease: nothing keeps another run out.")] = False


@contextmanager
def leased(backend: "Backend", catalog: str, locking: Locking, times: "Times | None" = None) -> "Iterator[Held | None]":
    """The catalogue's lease, held with heartbeats for as long as the block runs; None where none is wanted.

    LeaseHeld when somebody else keeps it too long.
    """
    from imagesync.lease.holding import take
    from imagesync.lease.record import USUAL

    if locking.no_lock:
        yield None
        return
    held = take(backend, catalog, timeout=locking.lock_timeout, tell=say, times=times or USUAL)
    try:
        held.start()
        yield held
    finally:
        held.release()
