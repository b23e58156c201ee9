"""This process as the holder of a lease, and whether another process on this host ended. Asks the operating system.

A process is identified by its host, boot, pid and start time, because pids are reused. One boot may have several pid
namespaces (containers, which may also share the host's name), so the namespace is part of ``boot``. If the system does
not report these, no process is ever considered ended.
"""

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from imagesync.lease.record import Holder

DEAD = frozenset("ZX")
"""States of a process that has ended and whose parent has not asked yet."""


def identify_process() -> Holder:
    """The facts of this process, as of now."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    pid = os.getpid()
    _, start = _read_stat(pid)
    return Holder(socket.gethostname() or "localhost", _read_boot(), str(pid), start, since)


def is_gone(holder: Holder, here: Holder) -> bool:
    """Whether a process of this host and boot has certainly ended; ``here`` is our own."""
    if not here.boot or (holder.host, holder.boot) != (here.host, here.boot) or not holder.start:
        return False
    if not (holder.pid.isascii() and holder.pid.isdigit() and 0 < int(holder.pid) < 2**31):
        return False
    try:
        os.kill(int(holder.pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # of another user
    state, start = _read_stat(int(holder.pid))
    return bool(start) and (start != holder.start or state in DEAD)


def _read_boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _read_stat(pid: int) -> tuple[str, str]:
    """State and start, in ticks since the boot; empty where they cannot be had. The name before them may hold anything."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "", ""
    return fields[0].decode(), fields[19].decode()
