"""A program for ``test_lease.py``: takes the lease of one catalog many times, and may die while it holds the lease.

A holder creates the file FOLDER/inside with ``O_EXCL``, reads it repeatedly while it holds the lease, and deletes it before
it releases the lease. If the file of another process is there, two processes hold the lease. That is a violation, unless
the other process was killed (FOLDER/killed), or knows that it has lost the lease (FOLDER/lost). The seed decides how the
last round ends: with a release, without one, or with SIGKILL, while it holds the lease or during the POST of the record.
Racers also delete the newest record, held or free, as a careless clean-up would. Does I/O.

Arguments: FOLDER, CLOUD, PROCESSES, TIMES, SEED: PROCESSES processes, forked from this one, take the lease TIMES times each.
Files written: taken (number and pid of each lease), killed, lost, deleted, messages, failed, violations.
"""

import contextlib
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.errors import ImagesyncError, Unavailable
from imagesync.lease.chain import World
from imagesync.lease.process import has_ended, identify_process
from imagesync.lease.record import Times
from imagesync.lease.taking import take, wait_for_last_holder
from imagesync.model.image import LiveImage

TIMES = Times(expiry=7.0, beat=0.5, confirm=5.5, poll=0.5, lag=1.5, settling=0.0)
DELETED_SHARE = 0.15
"""Share of the rounds before which the newest record is deleted."""


class LossyBackend:
    """The real service, but responses to POSTs are lost or late, and listings may be old."""

    def __init__(self, backend: Backend, chance: random.Random, note: Callable[[str, str], None]) -> None:
        self._backend, self._chance, self._note = backend, chance, note
        self._listed: list[LiveImage] | None = None
        self.dies = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def with_time_limit(self, seconds: float) -> "LossyBackend":
        """The backend itself, with the same faults; the requests of a test are short."""
        return self

    def create_image(self, **attrs: Any) -> LiveImage:
        """Of ten responses one is lost, one POST is sent twice, as by a proxy, and one arrives up to two seconds late."""
        if self.dies:
            self._note("killed", str(os.getpid()))
            threading.Thread(target=self._send_late, kwargs=attrs).start()
            time.sleep(self._chance.random() * 0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        drawn = self._chance.random()
        if drawn < 0.1:
            threading.Timer(self._chance.random() * 2, self._send_late, kwargs=attrs).start()
            raise Unavailable("the request is still on its way")
        if drawn < 0.3:
            self._backend.create_image(**attrs)
        if drawn < 0.2:
            raise Unavailable("the answer was lost")
        return self._backend.create_image(**attrs)

    def _send_late(self, **attrs: Any) -> None:
        with contextlib.suppress(ImagesyncError):
            self._backend.create_image(**attrs)

    def leases(self, catalog: str) -> list[LiveImage]:
        """Of ten listings, one is up to 0.4 s old, as from a replica of the database."""
        if self._chance.random() < 0.1:
            found = self._backend.leases(catalog)
            time.sleep(self._chance.random() * 0.4)
            return found
        return self._backend.leases(catalog)


@contextlib.contextmanager
def hold_file(folder: Path) -> Iterator[Callable[[], None]]:
    """Hold the file ``inside`` during the block; write a violation if another process holds it or takes it.

    Yields a function that checks whether this process still holds the file.
    """
    mark, own = folder / "inside", str(os.getpid())
    while True:
        try:
            handle = os.open(mark, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            other = read(mark)
            if other not in read(folder / "killed").split() + read(folder / "lost").split():
                note(folder, "violations", f"{other} and {own}")
            with contextlib.suppress(FileNotFoundError):
                mark.unlink()
    os.write(handle, own.encode())
    os.close(handle)

    def check() -> None:
        if read(mark) != own:
            note(folder, "violations", f"{read(mark)} beside {own}")

    yield check
    if read(mark) == own:
        mark.unlink()


def read(path: Path) -> str:
    """The text of a file; empty if it does not exist."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    return ""


def note(folder: Path, name: str, text: str) -> None:
    """Append one line in one write."""
    handle = os.open(folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def delete_newest(backend: Backend, folder: Path) -> None:
    """Delete the newest record, as a clean-up of queued images by age would."""
    found = backend.leases("base")
    if found:
        newest = max(found, key=lambda image: int(image.properties.get("imagesync_lease_number", "0")))
        note(folder, "deleted", f"{newest.properties.get('imagesync_lease_state')} {newest.id}")
        with contextlib.suppress(ImagesyncError):
            backend.delete_image(newest.id)


def race(folder: Path, cloud: str, times: int, seed: int) -> None:
    """Take the lease ``times`` times; each time, hold it for a while and release it."""
    chance = random.Random(seed)
    real = open_backend(cloud=cloud)
    backend: Any = LossyBackend(real, chance, partial(note, folder))
    here = identify_process()
    if seed % 4 == 0:
        here = replace(here, boot="another host")
    world, report = World(here, partial(has_ended, here=here)), partial(note, folder, "messages")
    for left in range(times, 0, -1):
        if chance.random() < DELETED_SHARE:
            delete_newest(real, folder)
        backend.dies = left == 1 and seed % 6 == 5
        try:
            held = take(backend, "base", timeout=600, warn=report, times=TIMES, world=world)
        except Unavailable as error:  # three POSTs in a row were lost, say
            note(folder, "failed", str(error))
            continue
        held.start()
        try:
            wait_for_last_holder(held, "base", TIMES, world, report)
        except ImagesyncError:
            note(folder, "lost", str(os.getpid()))
            continue
        with hold_file(folder) as check:
            note(folder, "taken", f"{held.number} {os.getpid()}")
            end = time.monotonic() + chance.random()
            while time.monotonic() < end and not held.is_lost():
                check()
                time.sleep(0.02)
            if held.is_lost():
                note(folder, "lost", str(os.getpid()))
                continue
            if left == 1 and seed % 3 == 0:
                note(folder, "killed", str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
        if left == 1 and seed % 3 == 1:
            return
        held.release()


def main() -> None:
    """Fork the racers and wait for all; the exit code is not 0 if one ended with an error."""
    folder, cloud = Path(sys.argv[1]), sys.argv[2]
    processes, times, seed = map(int, sys.argv[3:6])
    children = []
    for number in range(processes):
        child = os.fork()
        if not child:
            try:
                race(folder, cloud, times, seed + number)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.exit(any(code not in (0, -signal.SIGKILL) for code in codes))


if __name__ == "__main__":
    main()
