"""The processes of a fleet: its scheduler, and a worker. They run until a signal ends them. Do I/O."""

import asyncio
import secrets
import signal
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from imagesync.errors import ImagesyncError, UsageError
from imagesync.fleet.roll import Roll, make_plugin
from imagesync.fleet.running import RUNNING
from imagesync.fleet.settings import PORT, RESOURCE, Certificates, apply_settings
from imagesync.fleet.streams import guard_scheduler, guard_worker
from imagesync.text import make_printable

CONNECT: Final = 15
"""Seconds that a worker tries to connect to the scheduler; then its supervisor starts it again."""
LEAVE: Final = 80.0
"""Seconds that the running steps of a worker have after SIGTERM: less than systemd waits before it kills (90 s)."""
FORGET: Final = 5.0
"""Seconds that the user's command has to take the last message of a task, before its worker closes."""
TICK: Final = 0.2
"""How often a worker looks whether its tasks have ended, in seconds."""


def parse_address(text: str) -> str:
    """``tls://HOST:PORT`` of a scheduler, the port by default 8786; UsageError for any other form."""
    parts = urlsplit(text)
    try:
        port = PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    has_more = bool(parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme != "tls" or not parts.hostname or not port or has_more:
        message = f"{make_printable(text)}: not the address of a scheduler"
        raise UsageError(message, f"write tls://HOST:PORT, for example tls://fleet.example.com:{PORT}; TLS is required")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"tls://{host}:{port}"


def run_scheduler(host: str, port: int, certificates: Certificates, say: Callable[[str], None], *, ttl: int) -> None:
    """Serve as the scheduler until SIGINT or SIGTERM. ``ttl``: seconds after which a silent worker is given up."""
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
            worker_ttl=f"{ttl}s",
            plugins=[make_plugin(Roll(say))],
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
    parallel: int,
) -> None:
    """Work for the scheduler at ``address`` until SIGINT, SIGTERM, or the end of the scheduler.

    ``targets``: the targets that this worker offers, each for one task at a time. It works for at most ``parallel`` of them at
    the same time.
    """
    apply_settings()

    async def serve(folder: str) -> None:
        from distributed import Worker

        worker = Worker(
            address,
            nthreads=min(len(targets), parallel),
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
            death_timeout=CONNECT,
        )
        guard_worker(worker)
        try:
            await worker
        except Exception as error:
            message = f"no connection to the scheduler {address}: {make_printable(str(error).splitlines()[0])}"
            raise ImagesyncError(message, "check the address, the certificates, and that the scheduler runs") from error
        limit = f"; at most {parallel} at a time" if parallel < len(targets) else ""
        say(f"worker {name} ready: {', '.join(targets)}{limit}")
        is_signalled = await _wait_for_signal(_wait_for_close(worker))
        await _leave(worker, say, name, address, is_signalled=is_signalled)

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


async def _wait_for_close(worker: Any) -> None:
    """Wait until a worker begins to close, because its scheduler ended or gave it up.

    ``Worker.finished`` would return only after the running tasks, which must be asked to stop first.
    """
    from distributed.core import Status

    while worker.status in (Status.running, Status.paused):
        await asyncio.sleep(TICK)


async def _leave(worker: Any, say: Callable[[str], None], name: str, address: str, *, is_signalled: bool) -> None:
    """Let the running steps end in good order, then close. ImagesyncError if it was not a signal that ended the worker."""
    from distributed.core import Status

    if is_signalled:
        worker.status = Status.paused  # no task begins from now on
    RUNNING.stop()
    if RUNNING.number:
        say(
            f"worker {name} stops: transfers are interrupted, and running steps end; send the signal again to stop at once"
        )
    await _wait_until(lambda: not RUNNING.number, LEAVE)
    if is_signalled:  # else the scheduler would let another worker run a task that has ended
        await _wait_until(lambda: not worker.state.tasks, FORGET)
    await worker.close(timeout=FORGET)
    if not is_signalled:
        raise ImagesyncError(f"the connection to the scheduler {address} ended", "start the worker again")


async def _wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition, at most ``seconds``."""
    end = asyncio.get_running_loop().time() + seconds
    while not is_true() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(TICK)


async def _wait_for_signal(finished: Any) -> bool:
    """Wait for a signal or the end of the server; whether it was a signal."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waits = [asyncio.ensure_future(finished), asyncio.ensure_future(stop.wait())]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)  # a second signal ends the process at once
    for one in pending:
        one.cancel()
    return waits[1] in done
