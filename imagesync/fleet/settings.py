"""The settings of ``distributed`` for a fleet, and the certificates. Reads certificate files."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imagesync.errors import UsageError
from imagesync.fleet.roles import Role, check_certificate
from imagesync.text import make_printable

PORT: Final = 8786
"""The port of the scheduler."""
RESOURCE: Final = "target:"
"""The beginning of the resource by which a worker offers a target."""

LOGGERS: Final = ("distributed", "tornado", "asyncio")
"""The loggers of ``distributed`` and of what it runs on."""

SETTINGS: Final[dict[str, Any]] = {
    "distributed.comm.require-encryption": True,
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.scheduler.allowed-failures": 1,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": ["distributed.http.health"],
    "distributed.scheduler.allowed-imports": [],
    "distributed.worker.http.routes": ["distributed.http.health"],
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.low-level-log-length": 0,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.host-cpu": False,
}
"""TLS is required. A task is tried twice, and stays where its target is offered. Nothing is moved, profiled or
spilled, and no message is kept after it was delivered."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of one role in a folder: ``ca.pem``, and ``ROLE.pem`` with certificate and key."""

    role: Role
    authority: Path
    own: Path

    def make_security(self) -> Any:
        """The TLS settings for ``distributed``: the same certificate for each connection of this process."""
        from imagesync.fleet.tls import FleetSecurity

        return FleetSecurity(self.role, authority=str(self.authority), own=str(self.own))


def find_certificates(folder: Path, role: Role) -> Certificates:
    """The certificates of a process; UsageError if a file is missing, or is not for this role, or not valid now."""
    found = Certificates(role, folder / "ca.pem", folder / f"{role}.pem")
    for file in (found.authority, found.own):
        if not file.is_file():
            message = f"{make_printable(str(file))}: no such file"
            raise UsageError(message, f"a {role} of a fleet needs ca.pem and {role}.pem there: see docs/fleet.md")
    check_certificate(found.own, role)
    return found


def apply_settings() -> None:
    """Set up ``distributed`` in this process: its settings, its log lines, and the guard of its connections.

    UsageError if it is not installed.
    """
    try:
        import dask
        import distributed  # noqa: F401 - the guard changes it
    except ImportError as error:
        hint = "install imagesync with the extra fleet: pip install 'imagesync[fleet]'"
        raise UsageError("a fleet needs the package distributed, which is not installed", hint) from error

    from imagesync.fleet.guard import admit_only_runs

    _take_logs()
    dask.config.set(SETTINGS)
    admit_only_runs()


class Details(logging.Handler):
    """Gives the log lines of a library to imagesync as details, without their tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a line."""
        logging.getLogger("imagesync.fleet").info("%s: %s", record.name, record.getMessage())


def _take_logs() -> None:
    """Let what ``distributed`` and its event loop log be details, for ``-v`` and the log file.

    They log each lost connection as an error with a traceback; what it means to a run, imagesync says itself. The null handler
    silences the loggers for the command, which prints warnings of libraries.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.addHandler(Details(logging.WARNING))
