"""Runs the command with every write that it asks of the system watched: it can be killed, or refused, at any of them.

The kernel stops the process in each call that changes a file (seccomp's user notification, Linux 5.5 or newer, no
privileges) and asks us. So the points are those of Python and of SQLite alike, none of our modules is patched, and what
the process sees is what a full disk would say.

As a program (``python -m tests.fault.watched``) it reads a line of JSON a run and answers with a line.
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
from typing import Any

from tests.fault.runner import Loaded

CALLS: dict[str, dict[str, int]] = {
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
OF_HANDLES = {"write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate", "fallocate", "fchmod"}
TAKING_SPACE = {"write", "pwrite64", "writev", "fallocate", "mkdir", "mkdirat", "open", "openat"}
SECOND_ARGUMENT = {"renameat", "renameat2", "unlinkat", "mkdirat", "openat"}
"""Calls whose path stands after a folder's handle."""
OPENING = {"open": 1, "openat": 2}
"""Where the flags are: only what makes a file is a write."""

RECEIVE, SEND, ALLOW, NOTIFY, GO_ON = 0xC0502100, 0xC0182101, 0x7FFF0000, 0x7FC00000, 1


@dataclass(frozen=True)
class Trouble:
    """What happens at the ``number``-th write: a kill where ``error`` is 0, else this errno; ``lasting``: from there on.

    A lasting one hits what takes space: files can still be removed.
    """

    number: int
    error: int = 0
    lasting: bool = False


@dataclass(frozen=True)
class Ended:
    """Exit code (-9: killed), all that was told, and the writes that were asked for, each ``call file``."""

    code: int
    told: str
    calls: Sequence[str]


class Watched(Loaded):
    """A loaded process; writes below ``roots`` are watched."""

    def __init__(self, env: Mapping[str, str], folder: Path, roots: Sequence[Path]) -> None:
        super().__init__("tests.fault.watched", env)
        self._out, self._roots = folder / "watched.out", [str(root) for root in roots]

    def run(self, *words: str, trouble: Trouble | None = None) -> Ended:
        """``imagesync WORDS``."""
        asked: dict[str, Any] = {"words": words, "out": str(self._out), "roots": self._roots}
        asked["trouble"] = asdict(trouble) if trouble else None
        status, calls = json.loads(self.ask(asked))
        return Ended(os.waitstatus_to_exitcode(status), self._out.read_text(), calls)


def listener(numbers: Sequence[int]) -> int:
    """From now on this process, and what it starts, asks at these calls; the handle to be asked at."""
    jumps = [struct.pack("HBBI", 0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    load = struct.pack("HBBI", 0x20, 0, 0, 0)
    ends = [struct.pack("HBBI", 0x06, 0, 0, verdict) for verdict in (ALLOW, NOTIFY)]
    code = b"".join((load, *jumps, *ends))
    room = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(room))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges
    number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
    handle: int = libc.syscall(number, 1, 8, program)
    if handle < 0:
        raise OSError(ctypes.get_errno(), "this system cannot watch a process (seccomp with user notification)")
    return handle


class Judge:
    """Answers for one run."""

    def __init__(self, roots: Sequence[str], trouble: Trouble | None) -> None:
        self._roots, self._trouble = tuple(root + "/" for root in roots), trouble
        self._names = {number: name for name, number in CALLS[platform.machine()].items()}
        self.calls: list[str] = []

    def answer(self, handle: int, pid: int) -> None:
        """One call: what becomes of it."""
        asked = bytearray(80)
        try:
            fcntl.ioctl(handle, RECEIVE, asked)
        except OSError:
            return  # it was killed meanwhile
        key, thread, _, number = struct.unpack_from("QIIi", asked)
        name, error = self._names[number], 0
        place = self._place(thread, name, struct.unpack_from("6Q", asked, 32))
        if (place + "/").startswith(self._roots):
            error = self._befalls(name, pid, place)
            self.calls.append(f"{name} {os.path.basename(place)}")
        try:
            fcntl.ioctl(handle, SEND, struct.pack("QqiI", key, 0, -error, 0 if error else GO_ON))
        except OSError as gone:
            if gone.errno != errno.ENOENT:  # it was killed meanwhile
                raise

    def _befalls(self, name: str, pid: int, place: str) -> int:
        trouble, at = self._trouble, len(self.calls)
        if trouble is None or at < trouble.number or (at > trouble.number and not trouble.lasting):
            return 0
        if not trouble.error:
            os.kill(pid, 9)
        takes = name in TAKING_SPACE and not (name in OPENING and os.path.exists(place))
        return trouble.error if takes or not trouble.lasting else 0

    def _place(self, thread: int, name: str, words: Sequence[int]) -> str:
        try:
            if name in OF_HANDLES:
                return os.readlink(f"/proc/{thread}/fd/{words[0]}")
            if name in OPENING and not words[OPENING[name]] & os.O_CREAT:
                return ""
            with open(f"/proc/{thread}/mem", "rb", 0) as memory:
                memory.seek(words[name in SECOND_ARGUMENT])
                return memory.read(4096).partition(b"\0")[0].decode()
        except OSError:
            return ""


def one_run(asked: Mapping[str, Any], command: Callable[[], None]) -> tuple[int, list[str]]:
    """Fork, watch, wait: exit status and calls."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _become(asked, command, theirs)
    _, handles, _, _ = socket.recv_fds(ours, 1, 1)
    judge = Judge(asked["roots"], Trouble(**asked["trouble"]) if asked["trouble"] else None)
    ended = os.pidfd_open(pid)
    waiting = select.poll()
    for handle in (handles[0], ended):
        waiting.register(handle, select.POLLIN)
    alive = True
    while alive:
        for handle, _ in waiting.poll():
            if handle == ended:
                alive = False
            else:
                judge.answer(handles[0], pid)
    for handle in (handles[0], ended):
        os.close(handle)
    ours.close()
    theirs.close()
    return os.waitpid(pid, 0)[1], judge.calls


def _become(asked: Mapping[str, Any], command: Callable[[], None], parent: socket.socket) -> None:
    """The command; never returns."""
    out = os.open(asked["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    socket.send_fds(parent, [b"x"], [listener(sorted(CALLS[platform.machine()].values()))])
    sys.argv = ["imagesync", *asked["words"]]
    code = 99
    try:
        command()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Load everything that an apply needs, then fork for each line."""
    import oslo_utils.imageutils.format_inspector  # noqa: F401

    from imagesync.cli.app import main as command

    for line in sys.stdin:
        print(json.dumps(one_run(json.loads(line), command)), flush=True)


if __name__ == "__main__":
    main()
