"""Runs ``imagesync`` with a fault at its n-th write to a folder: the process is killed there, or the write is refused.

The question of these tests is: what is left on disk if the process dies, or the disk is full, at exactly this write?
So every system call that changes a file must be a point at which a test can act, whether Python or the C code of
SQLite makes it, and no module of imagesync may be patched for it.

How it works (Linux 5.5 or newer, without privileges):

1. The fork server (``main``) has imported the command. For each run, ``supervise`` forks a child.
2. The child calls ``install_filter``: a seccomp filter with *user notification*. From then on the kernel stops the
   child in each system call listed in ``CALLS`` and sends a notification to a file descriptor. The child passes that
   descriptor to the parent through a socket and becomes the command.
3. For each notification the parent (``Supervisor.answer``) finds out which file the call is about: from the child's
   open descriptors in /proc for calls such as ``write``, from the path in the child's memory for calls such as
   ``rename``. A file outside the watched folders is let through without being counted.
4. A watched call gets the next number. If the requested ``WriteFault`` is due, the child is killed, or the call returns
   an error such as ENOSPC without being carried out. Otherwise the kernel continues the call.

The test gets the exit code, both streams and the list of all watched calls, for example ``rename store.db``. A first
run without a fault counts the calls; the test then repeats the run once for each of them.

Structures and numbers are those of ``linux/seccomp.h``, ``linux/filter.h`` and ``asm/unistd.h``.
"""

import ctypes
import errno
import fcntl
import json
import os
import platform
import select
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.command import Result
from tests.fault.fork_server import ForkServer, become_command, import_command

CALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "write": 1, "pwrite64": 18, "writev": 20, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "fallocate": 285,
        "rename": 82, "renameat": 264, "renameat2": 316, "unlink": 87, "unlinkat": 263, "mkdir": 83, "mkdirat": 258,
        "open": 2, "openat": 257, "fchmod": 91, "chmod": 90,
    },
    "aarch64": {
        "write": 64, "pwrite64": 68, "writev": 66, "fsync": 82, "fdatasync": 83, "ftruncate": 46, "fallocate": 47,
        "renameat": 38, "renameat2": 276, "unlinkat": 35, "mkdirat": 34, "openat": 56, "fchmod": 52,
    },
}  # fmt: skip
"""By machine: the system calls that change files, with their numbers."""
BY_DESCRIPTOR: Final = {"write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fallocate", "fchmod"}
"""Calls whose first argument is an open file; all others have a path."""
PATH_IS_SECOND: Final = {"renameat", "renameat2", "unlinkat", "mkdirat", "openat"}
"""Calls whose first argument is a folder, and whose second is the path."""
OPEN_FLAGS: Final = {"open": 1, "openat": 2}
"""Index of the flags: only an open that may create a file is a write."""
NEEDS_SPACE: Final = {"write", "pwrite64", "writev", "fallocate", "mkdir", "mkdirat", "open", "openat"}

PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER: Final = 8
NOTIF_RECV, NOTIF_SEND, FLAG_CONTINUE = 0xC0502100, 0xC0182101, 1
RET_ALLOW, RET_USER_NOTIF = 0x7FFF0000, 0x7FC00000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NOTIFICATION: Final = struct.Struct("QIIi")
"""Id, thread, flags and number of the call; its six arguments follow at offset 32."""


@dataclass(frozen=True)
class WriteFault:
    """The ``number``-th watched call, from 0, kills the process if ``error`` is 0, else it fails with this errno.

    ``lasting``: so does every later call that needs space. Files can still be removed, as on a full disk.
    """

    number: int
    error: int = 0
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class SupervisedResult(Result):
    """A run that has ended, and its watched calls in order, each ``CALL FILE``."""

    calls: Sequence[str] = ()


class SupervisedCommand(ForkServer):
    """Runs whose writes below ``roots`` are watched."""

    def __init__(self, env: Mapping[str, str], folder: Path, roots: Sequence[Path]) -> None:
        super().__init__("tests.fault.write_faults", env, folder)
        self._roots = [str(root) for root in roots]

    def run(self, *words: str, fault: WriteFault | None = None) -> SupervisedResult:
        """Run ``imagesync WORDS`` to its end."""
        status, calls = self._request(words, roots=self._roots, fault=asdict(fault) if fault else None)
        result = self._result(status)
        return SupervisedResult(result.code, result.stdout, result.stderr, calls)


def install_filter(numbers: Sequence[int]) -> int:
    """From now on these system calls of this process are stopped; the descriptor that gets the notifications."""
    load_number = struct.pack("HBBI", LOAD_WORD, 0, 0, 0)
    jumps = [struct.pack("HBBI", JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    ends = [struct.pack("HBBI", RETURN, 0, 0, verdict) for verdict in (RET_ALLOW, RET_USER_NOTIF)]
    code = b"".join((load_number, *jumps, *ends))
    room = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(room))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    arguments = (SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, program)
    descriptor: int = libc.syscall(SECCOMP[platform.machine()], *arguments)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "this system cannot watch a process (seccomp with user notification)")
    return descriptor


class Supervisor:
    """Answers the notifications of one run."""

    def __init__(self, roots: Sequence[str], fault: WriteFault | None) -> None:
        self._roots, self._fault = tuple(root + "/" for root in roots), fault
        self._names = {number: name for name, number in CALLS[platform.machine()].items()}
        self.calls: list[str] = []

    def answer(self, descriptor: int, pid: int) -> None:
        """Receive one notification, and let the call continue or fail; nothing if the process was killed meanwhile."""
        notification = bytearray(80)
        try:
            fcntl.ioctl(descriptor, NOTIF_RECV, notification)
        except OSError:
            return
        key, thread, _, number = NOTIFICATION.unpack_from(notification)
        name, error = self._names[number], 0
        path = _path_of(thread, name, struct.unpack_from("6Q", notification, 32))
        if (path + "/").startswith(self._roots):
            error = self._apply_fault(name, pid, path)
            self.calls.append(f"{name} {os.path.basename(path)}")
        try:
            fcntl.ioctl(descriptor, NOTIF_SEND, struct.pack("QqiI", key, 0, -error, 0 if error else FLAG_CONTINUE))
        except OSError as gone:
            if gone.errno != errno.ENOENT:
                raise

    def _apply_fault(self, name: str, pid: int, path: str) -> int:
        """The errno with which the next watched call fails, 0 if it continues; or the process is killed."""
        fault, number = self._fault, len(self.calls)
        if fault is None or number < fault.number or (number > fault.number and not fault.lasting):
            return 0
        if not fault.error:
            os.kill(pid, 9)
        needs_space = name in NEEDS_SPACE and not (name in OPEN_FLAGS and os.path.exists(path))
        return fault.error if needs_space or not fault.lasting else 0


def _path_of(thread: int, name: str, arguments: Sequence[int]) -> str:
    """The file that a stopped call is about; empty if it changes none, or the thread ended."""
    try:
        if name in BY_DESCRIPTOR:
            return os.readlink(f"/proc/{thread}/fd/{arguments[0]}")
        if name in OPEN_FLAGS and not arguments[OPEN_FLAGS[name]] & os.O_CREAT:
            return ""
        with open(f"/proc/{thread}/mem", "rb", 0) as memory:
            memory.seek(arguments[name in PATH_IS_SECOND])
            return memory.read(4096).partition(b"\0")[0].decode()
    except OSError:
        return ""


def supervise(request: Mapping[str, Any], command: Callable[[], None]) -> tuple[int, list[str]]:
    """Fork a child that becomes the command, and answer its notifications until it ends: exit status and calls."""
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        socket.send_fds(its, [b"x"], [install_filter(sorted(CALLS[platform.machine()].values()))])
        become_command(request, command)
    _, (notifications,), _, _ = socket.recv_fds(ours, 1, 1)
    supervisor = Supervisor(request["roots"], WriteFault(**request["fault"]) if request["fault"] else None)
    ended = os.pidfd_open(pid)
    poll = select.poll()
    for descriptor in (notifications, ended):
        poll.register(descriptor, select.POLLIN)
    while ended not in (ready := [descriptor for descriptor, _ in poll.poll()]):
        if notifications in ready:
            supervisor.answer(notifications, pid)
    for descriptor in (notifications, ended):
        os.close(descriptor)
    ours.close()
    its.close()
    return os.waitpid(pid, 0)[1], supervisor.calls


def main() -> None:
    """Import everything that an apply needs, then supervise a run for each line."""
    command = import_command()
    for line in sys.stdin:
        print(json.dumps(supervise(json.loads(line), command)), flush=True)


if __name__ == "__main__":
    main()
