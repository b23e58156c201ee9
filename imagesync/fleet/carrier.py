"""Tasks of a run -> workers of a fleet, and their messages. Does I/O through ``distributed``."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final

from imagesync.errors import ImagesyncError
from imagesync.fleet.assignment import BEGUN, Assignment, FleetOrder, make_topic
from imagesync.fleet.inbound import Account, InvalidMessage, Received, read_message
from imagesync.fleet.settings import RESOURCE, Certificates, apply_settings
from imagesync.fleet.task import work
from imagesync.render.problems import list_problems
from imagesync.targets.messages import ENDED, PLANNED, Message, Task, Verb, encode_ended
from imagesync.text import make_printable, quote_word

LAST_MESSAGES: Final = 5.0
"""Seconds that the last messages of a task may need after the scheduler reported its end."""
STOP: Final = 180.0
"""Seconds that a canceled target has for its last message: its running steps end first."""
LOST: Final = 10.0
"""Seconds without the scheduler after which it counts as lost."""
NO_WORKER: Final = 30.0
"""Seconds that a task waits for a worker that offers its target."""
CONNECT: Final = 15.0
"""Seconds to connect to the scheduler."""


@contextmanager
def open_client(address: str, certificates: Certificates) -> Iterator[Any]:
    """A connection to the scheduler at ``address``; ImagesyncError if there is none."""
    apply_settings()
    from distributed import Client

    try:
        client = Client(
            address, security=certificates.make_security(), set_as_default=False, timeout=CONNECT, name="imagesync"
        )
    except Exception as error:
        reason = _explain(error)
        hint = "check the address, the certificates in the folder of --tls, and that the scheduler runs"
        raise ImagesyncError(f"no connection to the scheduler {address}: {reason}", hint) from error
    try:
        yield client
    finally:
        with suppress(Exception):  # it may raise the error of a message that it could not read
            client.close(timeout=2)


def _explain(error: Exception) -> str:
    if "TLS certificate" in str(error):
        return "its certificate is not that of a scheduler of this authority"
    return make_printable(str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__


@dataclass(slots=True)
class _Flight:
    """A task that was submitted. ``attempt``: the id of the newest one; ``over``: when ``distributed`` ended it."""

    task: Task
    future: Any
    since: float
    attempt: str = ""
    worker: str = ""
    before: set[str] = field(default_factory=set)
    over: float | None = None
    status: str = ""


class DaskCarrier:
    """Runs each task on a worker that offers its target. ``client``: of ``distributed``.

    ``refused``: the targets that get no task, and why. ``reviewed``: by target, the document of its reviewed plan.
    ``catalogs``: by target, the name of its catalog. ``address``: of the scheduler, for messages.
    """

    def __init__(
        self,
        client: Any,
        order: FleetOrder,
        refused: Mapping[str, ImagesyncError],
        reviewed: Mapping[str, Mapping[str, Any]],
        *,
        catalogs: Mapping[str, str],
        address: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._order, self._refused, self._address = client, order, refused, address
        self._clock, self._reviewed = clock, reviewed
        self._approved: dict[str, Mapping[str, Any]] = {}
        self._flights: dict[tuple[str, Verb], _Flight] = {}
        self._inbox: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._cancelled_at: float | None = None
        self._gone_since: float | None = None
        self._accounts = {name: Account(name, catalog) for name, catalog in catalogs.items()}
        for name in catalogs:
            self._subscribe(name)

    def _subscribe(self, target: str) -> None:
        topic = make_topic(self._order.run, target)
        self._client.subscribe_topic(topic, lambda event: self._inbox.put(("message", (target, event[1]))))

    def submit(self, task: Task) -> None:
        """Give a task to the scheduler."""
        if (error := self._refused.get(task.target)) is not None:
            document = encode_ended(problems=list_problems(error))
            self._inbox.put(("answer", Message(task.target, task.verb, document)))
            return
        future = self._client.submit(
            work,
            self._assign(task).encode(),
            key=f"imagesync-{self._order.run}-{task.verb}-{task.target}",
            resources={f"{RESOURCE}{task.target}": 1},
            pure=False,
            retries=0,
        )
        flight = self._flights[task.target, task.verb] = _Flight(task, future, self._clock())
        future.add_done_callback(lambda _future: self._inbox.put(("over", flight)))

    def _assign(self, task: Task) -> Assignment:
        name = task.target
        return Assignment(task, self._order, self._approved.get(name), self._reviewed.get(name))

    def events(self, seconds: float) -> list[Message]:
        """The messages that came since the last call; without any, those of the next ``seconds``."""
        found: list[Message] = []
        try:
            found += self._take(*self._inbox.get(timeout=seconds))
            while True:
                found += self._take(*self._inbox.get_nowait())
        except Empty:
            return [*found, *self._find_silent()]

    def cancel(self) -> None:
        """Ask all tasks to stop. A task that no worker has begun ends at once."""
        if self._cancelled_at is None:
            self._cancelled_at = self._clock()
            self._client.cancel([flight.future for flight in self._flights.values()])

    def _take(self, kind: str, value: Any) -> list[Message]:
        if kind == "answer":
            return [value]
        if kind == "over":
            value.over, value.status = self._clock(), value.future.status
            return []
        target, text = value
        try:
            received = read_message(text, target)
            flight = self._flights.get((target, received.verb))
            return self._receive(flight, received) if flight is not None else []
        except InvalidMessage:
            return self._end_invalid(target)

    def _end_invalid(self, target: str) -> list[Message]:
        """The end of the task of a target after a message that is not valid: nothing of its worker can be believed."""
        flight = next((flight for (name, _), flight in self._flights.items() if name == target), None)
        if flight is None:
            return []
        message = f"the worker {flight.worker or '(without a name)'} sent a message that is not valid"
        hint = "check the host of that worker, which may be taken over: see docs/fleet.md; then run the command again"
        return self._end(flight, encode_ended(problems=list_problems(ImagesyncError(message, hint))))

    def _receive(self, flight: _Flight, received: Received) -> list[Message]:
        if received.attempt in flight.before:
            return []
        if received.document["event"] != BEGUN and received.attempt != flight.attempt:
            return []
        document = self._accounts[flight.task.target].check(received.document)
        if document["event"] == BEGUN:
            flight.before |= {flight.attempt} - {""}
            flight.attempt, flight.worker = received.attempt, document["worker"]
            return []
        if document["event"] == PLANNED:
            self._approved[flight.task.target] = document["plan"]
        return self._end(flight, document) if document["event"] == ENDED else [self._make_message(flight, document)]

    @staticmethod
    def _make_message(flight: _Flight, document: Any) -> Message:
        return Message(flight.task.target, flight.task.verb, document)

    def _end(self, flight: _Flight, document: Any) -> list[Message]:
        self._flights.pop((flight.task.target, flight.task.verb), None)
        flight.future.release()  # else the scheduler would run it again if its worker is lost now
        return [self._make_message(flight, document)]

    def _find_silent(self) -> list[Message]:
        """The end of each task whose last message will not come."""
        self._watch_scheduler()
        found: list[Message] = []
        for flight in list(self._flights.values()):
            if (problem := self._explain_silence(flight)) is not None:
                found += self._end(flight, encode_ended(problems=list_problems(problem) if problem.message else ()))
        return found

    def _watch_scheduler(self) -> None:
        report = self._client._handle_report_task  # ends with a message that it cannot read
        is_here = self._client.status == "running" and not (report is None or report.done())
        self._gone_since = None if is_here else self._gone_since or self._clock()

    def _explain_silence(self, flight: _Flight) -> ImagesyncError | None:
        """Why a task ends without its last message; None while it may still come."""
        now, name = self._clock(), make_printable(flight.task.target)
        if self._gone_since is not None and now - self._gone_since > LOST:
            unknown = "what its worker did since then is unknown" if flight.attempt else "no worker began with it"
            hint = "the worker ends its running steps; start the scheduler, and run the command again"
            return ImagesyncError(f"the connection to the scheduler {self._address} is lost, and {unknown}", hint)
        if self._cancelled_at is not None:
            if not flight.attempt:
                return ImagesyncError("")
            if now - self._cancelled_at > STOP:
                hint = "run the command again: it reads the outcome from the service"
                return ImagesyncError(
                    f"worker {flight.worker} did not report the end of its steps in {STOP:.0f} s", hint
                )
            return None
        if flight.over is not None and now - flight.over > LAST_MESSAGES:
            return self._explain_end(flight, name)
        if not flight.attempt and now - flight.since > NO_WORKER and not self._is_offered(flight.task.target):
            return self._explain_missing(name)
        return None

    def _is_offered(self, target: str) -> bool:
        """Whether a worker offers a target; it may be busy with the target for another user."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return any(f"{RESOURCE}{target}" in worker["resources"] for worker in workers)

    def _explain_end(self, flight: _Flight, name: str) -> ImagesyncError:
        if flight.status == "error":
            hint = "read the log of the worker; run the command again: it reads the outcome from the service"
            return ImagesyncError(f"the worker of target {name} was lost twice while it worked for it", hint)
        hint = "run the command again: it reads the outcome from the service"
        return ImagesyncError(f"the fleet lost the task of target {name} (its status is {flight.status})", hint)

    def _explain_missing(self, name: str) -> ImagesyncError:
        command = f"imagesync fleet worker {self._address} --target {quote_word(name)}"
        return ImagesyncError(f"no worker offers target {name}", f"start one on a host beside its cloud: {command}")
