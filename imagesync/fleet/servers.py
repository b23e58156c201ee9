"""The processes of a fleet: its scheduler, and a worker. They run until a signal ends them. Do I/O."""

import asyncio
import secrets
import signal
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from imagesync.errors import ImagesyncError, UsageError
from imagesync.fleet.settings import PORT, RESOURCE, Certificates, apply_settings
from imagesync.fleet.streams import guard_scheduler, guard_worker
from imagesync.text import make_printable

LEAVE: Final = 120.0
"""Seconds that the running steps of a worker have after SIGTERM."""


def parse_address(text: str) -> str:
    """``tls://HOST:PORT`` of a scheduler, the port by default 8786; UsageError for any other form."""
    parts = urlsplit(text)
    try:
        port = parts.port or PORT
    except ValueError:
        port = 0
    if parts.scheme != "tls" or not parts.hostname or not port or parts.path or parts.query or parts.username:
        message = f"{make_printable(text)}: not the address of a scheduler"
        raise UsageError(message, f"write tls://HOST:PORT, for example tls://fleet.example.com:{PORT}; TLS is required")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"tls://{host}:{port}"


def run_scheduler(host: str, port: int, certificates: Certificates, say: Callable[[str], None]) -> None:
    """Serve as the scheduler until SIGINT or SIGTERM."""
    apply_settings()

    async def serve(folder: str) -> None:
        from distributed import Scheduler

        scheduler = Scheduler(
            host=host,
            port=port,
            protocol="tls",
            security=certificates.make_security(),
            local_directory=folder,
            dashboard_address="127.0.0.1:0",
            dashboard=False,
            extensions={},
        )
        guard_scheduler(scheduler)
        async with scheduler:
            say(f"scheduler ready at {scheduler.address}; health: http://127.0.0.1:{scheduler.http_server.port}/health")
            await _wait_for_signal(scheduler.finished())

    _run(serve)


def run_worker(
    address: str,
    targets: Sequence[str],
    name: str,
    certificates: Certificates,
    say: Callable[[str], None],
    *,
    parallel: int | None = None,
) -> None:
    """Work for the scheduler at ``address`` until SIGINT, SIGTERM, or the end of the scheduler.

    ``targets``: the targets that this worker offers, each for one task at a time. ``parallel``: how many at the same time;
    None: all.
    """
    apply_settings()

    async def serve(folder: str) -> None:
        from distributed import Worker

        worker = Worker(
            address,
            nthreads=min(len(targets), parallel or len(targets)),
            name=name,
            resources={f"{RESOURCE}{target}": 1 for target in targets},
            security=certificates.make_security(),
            protocol="tls",
            host="127.0.0.1",
            contact_address=_make_contact_address(address),
            local_directory=folder,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
            dashboard=False,
            extensions={},
        )
        guard_worker(worker)
        try:
            await worker
        except Exception as error:
            message = f"no connection to the scheduler {address}: {make_printable(str(error).splitlines()[0])}"
            raise ImagesyncError(message, "check the address, the certificates, and that the scheduler runs") from error
        say(f"worker {name} ready: {', '.join(targets)}")
        is_signalled = await _wait_for_signal(worker.finished())
        await worker.close(timeout=LEAVE)
        if not is_signalled:
            raise ImagesyncError(f"the connection to the scheduler {address} ended", "start the worker again")

    _run(serve)


def _run(serve: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Run a process with a folder of its own, which is a place for Python modules: by default, all users share one."""
    with tempfile.TemporaryDirectory(prefix="imagesync-fleet-") as folder:
        asyncio.run(serve(folder))


def _make_contact_address(scheduler: str) -> str:
    """The name of a worker at the scheduler: the address of its host, and a random port.

    No process connects to a worker, so it listens on loopback only, and refuses every peer there. Its address must only
    differ from those of the other workers.
    """
    from distributed.utils import get_ip

    return f"tls://{get_ip(urlsplit(scheduler).hostname)}:{1024 + secrets.randbelow(64000)}"


async def _wait_for_signal(finished: Any) -> bool:
    """Wait for a signal or the end of the server; whether it was a signal."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waits = [asyncio.ensure_future(finished), asyncio.ensure_future(stop.wait())]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in pending:
        one.cancel()
    return waits[1] in done
