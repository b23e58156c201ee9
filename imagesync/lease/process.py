"""A process -> the holder of a lease, and whether another holder on this host has ended. Reads ``/proc``.

A process is identified by its host, boot, pid and start time, because pids are reused. One boot may have several pid
namespaces (containers, which may also have the host's name), so the namespace is part of ``boot``. On a system without
``/proc`` no process is ever considered ended.
"""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from imagesync.lease.record import Holder

DEAD = frozenset("ZX")
"""States of a process that has ended and whose parent has not read its exit status yet."""


def identify_process() -> Holder:
    """This process as a holder."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pid = os.getpid()
    _, start = _read_stat(pid)
    return Holder(socket.gethostname() or "localhost", _read_boot(), str(pid), start, since)


def has_ended(holder: Holder, here: Holder) -> bool:
    """Whether a process of this host and boot has certainly ended; ``here`` is this process."""
    if not here.boot or (holder.host, holder.boot) != (here.host, here.boot) or not holder.start:
        return False
    if not (holder.pid.isascii() and holder.pid.isdigit() and 0 < int(holder.pid) < 2**31):
        return False
    try:
        os.kill(int(holder.pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it runs as another user
    state, start = _read_stat(int(holder.pid))
    return bool(start) and (start != holder.start or state in DEAD)


def _read_boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _read_stat(pid: int) -> tuple[str, str]:
    """State and start time in ticks since the boot, or two empty texts. The name before them may have any character."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "", ""
    return fields[0].decode(), fields[19].decode()
