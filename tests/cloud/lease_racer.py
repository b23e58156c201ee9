"""A program for ``test_lease.py``: takes the lease of one catalog again and again, and may die while it holds it.

A holder creates the file FOLDER/inside with ``O_EXCL`` and removes it before it releases the lease. If the file of
another process is there, two processes hold the lease: a violation, unless the other was killed (FOLDER/killed).
The seed decides how the last round ends: by a release, by an exit without one, or by SIGKILL. Does I/O.

Arguments: FOLDER, ROUNDS, SEED. Files written: taken (number and pid of each lease), killed, lost, told, violations.
"""

import contextlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from imagesync import open_backend
from imagesync.backends.base import Backend
from imagesync.errors import Unavailable
from imagesync.lease.holding import World, take
from imagesync.lease.process import identify_process, is_gone
from imagesync.lease.record import Times
from imagesync.model.image import LiveImage

TIMES = Times(expiry=8.0, beat=0.5, confirm=6.0, poll=0.25)


class LossyBackend:
    """The real service, but the answer to some POSTs is lost after the service has created the record."""

    def __init__(self, backend: Backend, chance: random.Random) -> None:
        self._backend, self._chance = backend, chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def create_image(self, **attrs: Any) -> LiveImage:
        """In one of ten calls the answer is lost; in another one the POST is sent twice, as by a proxy."""
        drawn = self._chance.random()
        if drawn < 0.2:
            self._backend.create_image(**attrs)
        if drawn < 0.1:
            raise Unavailable("the answer was lost")
        return self._backend.create_image(**attrs)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Hold the file ``inside`` during the block; write down a violation if another process holds it."""
    mark = folder / "inside"
    while True:
        try:
            handle = os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            other = mark.read_text()
            if other not in (folder / "killed").read_text().split():
                note(folder, "violations", f"{other} and {os.getpid()}")
            mark.unlink()
    os.write(handle, str(os.getpid()).encode())
    os.close(handle)
    yield
    if mark.read_text() != str(os.getpid()):
        note(folder, "violations", f"{mark.read_text()} beside {os.getpid()}")
    mark.unlink()


def note(folder: Path, name: str, text: str) -> None:
    """One line, written at once."""
    handle = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def main() -> None:
    """Take the lease ROUNDS times, send some requests while it is held, and leave it."""
    folder, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    backend: Any = LossyBackend(open_backend(cloud="alice"), chance)
    here = identify_process()
    if seed % 4 == 0:
        here = replace(here, boot="another host")
    for left in range(rounds, 0, -1):
        told = partial(note, folder, "told")
        world = World(here, partial(is_gone, here=here))
        held = take(backend, "base", timeout=300, tell=told, times=TIMES, world=world)
        held.start()
        if held.is_lost():
            note(folder, "lost", held.why)
            continue
        with inside(folder):
            note(folder, "taken", f"{held.number} {os.getpid()}")
            for _ in range(chance.randrange(3)):
                backend.leases("base")
            if left == 1 and seed % 3 == 0:
                note(folder, "killed", str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
        if left == 1 and seed % 3 == 1:
            return
        held.release()


if __name__ == "__main__":
    main()
