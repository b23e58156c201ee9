"""A root folder with systemd -> a machine that runs its services. Needs root; starts processes in new namespaces."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.waiting import wait_until

BOOT: Final = Path(__file__).with_name("boot.sh")


class Machine:
    """A running machine: systemd is its process 1, and its network is that of the host."""

    def __init__(self, pid: str) -> None:
        self._enter = ["nsenter", "--target", pid, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd"]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What a command prints, which root runs there."""
        return subprocess.run([*self._enter, *command], check=False, capture_output=True, text=True, timeout=240)

    def type(self, commands: str) -> None:
        """Type commands; AssertionError if one fails."""
        done = self.run("sh", "-euc", commands)
        assert done.returncode == 0, done.stderr

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def read_journal(self, unit: str) -> str:
        """What a unit has printed."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout


def find_systemd(parent: int) -> str:
    """The pid of the child that is systemd; empty while there is none."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next((pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), "")


@contextmanager
def boot(root: Path) -> Iterator[Machine]:
    """The machine of a root folder; all its processes are killed at the end of the block."""
    with subprocess.Popen(["unshare", "--mount", "sh", BOOT, root]) as process:
        try:
            machine = Machine(wait_until(lambda: find_systemd(process.pid), bool, "systemd starts"))
            wait_until(
                lambda: machine.run("systemctl", "is-active", "timers.target").stdout.strip(),
                lambda state: state == "active",
                "the machine runs",
                pause=0.2,
            )
            yield machine
        finally:
            process.kill()
