"""Tasks of a run -> workers of a fleet, and their messages. Does I/O through ``distributed``."""

import logging
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
from imagesync.targets.messages import ENDED, LOST_WHY, PLANNED, WARNING, Message, Task, Verb, encode_ended
from imagesync.text import make_printable, quote_word

LAST_MESSAGES: Final = 5.0
"""Seconds that the last messages of a task may need after the scheduler reported its end."""
STOP: Final = 180.0
"""Seconds that a canceled target has for its last message: its running steps end first."""
LOST: Final = 10.0
"""Seconds without the scheduler after which it counts as lost."""
NO_WORKER: Final = 30.0
"""Seconds that a task waits for a worker that offers its target, for example one that systemd starts again."""
ROLL_CALL: Final = 5.0
"""How often the scheduler is asked for its workers, in seconds."""
AGAIN: Final = "run the command again: it reads the outcome from the service"
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
        reason = explain_failure(error)
        hint = "check the address, the certificates in the folder of --tls, and that the scheduler runs"
        raise ImagesyncError(f"no connection to the scheduler {address}: {reason}", hint) from error
    logging.getLogger("imagesync.fleet").info("connected to the scheduler %s", address)
    try:
        yield client
    finally:
        with suppress(Exception):  # it may raise the error of a message that it could not read
            client.close(timeout=2)


def explain_failure(error: Exception) -> str:
    """Why there is no connection: the first line of the error, or its class if it has no text."""
    if "TLS certificate" in str(error):
        return "its certificate is not that of a scheduler of this authority"
    return make_printable(str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__


@dataclass(slots=True)
class _Flight:
    """A task that was submitted. ``attempt``: the id of the newest one; ``worker``: the name of its worker.

    ``over``: when ``distributed`` ended it, and with which ``status``. ``unoffered``: since when no worker offers its target.
    """

    task: Task
    future: Any
    attempt: str = ""
    worker: str = ""
    before: set[str] = field(default_factory=set)
    over: float | None = None
    status: str = ""
    unoffered: float | None = None


@dataclass(frozen=True, slots=True)
class _Loss:
    """Why the last message of a task will not come. ``lost``: in a few words, for its report."""

    lost: str
    message: str
    hint: str

    def encode(self, *, has_begun: bool) -> dict[str, Any]:
        """The end of the task. Only one that has begun may have changed something, so only that one is lost."""
        problems = list_problems(ImagesyncError(self.message, self.hint))
        return {**encode_ended(problems=problems), **({LOST_WHY: self.lost} if has_begun else {})}


class DaskCarrier:
    """Runs each task on a worker that offers its target. ``client``: of ``distributed``.

    ``refused``: the targets that get no task, and why. ``reviewed``: by target, the document of its reviewed plan.
    ``catalogs``: by target, the name of its catalog. ``address``: of the scheduler, for messages. ``unlock``: the command
    that breaks the lease of a target, for messages.
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
        unlock: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._order, self._refused, self._address = client, order, refused, address
        self._clock, self._reviewed, self._unlock = clock, reviewed, unlock
        self._approved: dict[str, Mapping[str, Any]] = {}
        self._flights: dict[tuple[str, Verb], _Flight] = {}
        self._inbox: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._cancelled_at: float | None = None
        self._gone_since: float | None = None
        self._called = clock()
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
        flight = self._flights[task.target, task.verb] = _Flight(task, future)
        future.add_done_callback(lambda _future: self._inbox.put(("over", flight)))

    def _assign(self, task: Task) -> Assignment:
        name = task.target
        return Assignment(task, self._order, self._unlock(name), self._approved.get(name), self._reviewed.get(name))

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
            return self._begin(flight, received.attempt, document["worker"])
        if document["event"] == PLANNED:
            self._approved[flight.task.target] = document["plan"]
        return self._end(flight, document) if document["event"] == ENDED else [self._make_message(flight, document)]

    def _begin(self, flight: _Flight, attempt: str, worker: str) -> list[Message]:
        """Follow a new attempt; from now on, the messages of earlier ones are ignored."""
        lost, is_first = flight.worker, not flight.attempt
        flight.before |= {flight.attempt} - {""}
        flight.attempt, flight.worker, flight.unoffered = attempt, worker, None
        other = f"worker {worker}" if worker != lost else "the next one with this name"
        text = f"worker {lost} was lost; {other} plans the target again and continues"
        return [] if is_first else [self._make_message(flight, {"event": WARNING, "text": text})]

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
        self._call_roll()
        found: list[Message] = []
        for flight in list(self._flights.values()):
            if self._cancelled_at is not None and not flight.attempt:
                found += self._end(flight, encode_ended())
            elif (loss := self._explain_silence(flight)) is not None:
                found += self._end(flight, loss.encode(has_begun=bool(flight.attempt)))
        return found

    def _watch_scheduler(self) -> None:
        report = self._client._handle_report_task  # ends with a message that it cannot read
        is_here = self._client.status == "running" and not (report is None or report.done())
        if is_here:
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = self._clock()

    def _call_roll(self) -> None:
        """Note the tasks whose target no worker offers. A worker that offers it may be busy for another user."""
        now = self._clock()
        if now - self._called < ROLL_CALL or self._gone_since is not None or not self._flights:
            return
        self._called = now
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except Exception:  # whatever it is: the next call is soon, and a lost scheduler is noticed by other means
            return
        offered = {name for worker in workers for name in worker["resources"]}
        for flight in self._flights.values():
            if f"{RESOURCE}{flight.task.target}" in offered:
                flight.unoffered = None
            elif flight.unoffered is None:
                flight.unoffered = now

    def _explain_silence(self, flight: _Flight) -> _Loss | None:
        """Why a task ends without its last message; None while it may still come."""
        now = self._clock()
        if self._gone_since is not None and now - self._gone_since > LOST:
            return self._explain_lost(flight)
        if self._cancelled_at is not None:
            return self._explain_cancelled(flight) if now - self._cancelled_at > STOP else None
        if flight.over is not None and now - flight.over > LAST_MESSAGES:
            return self._explain_end(flight)
        if flight.over is None and flight.unoffered is not None and now - flight.unoffered > NO_WORKER:
            return self._explain_missing(flight)
        return None

    @staticmethod
    def _explain_cancelled(flight: _Flight) -> _Loss:
        message = f"worker {flight.worker} did not report the end of its steps in {STOP:.0f} s"
        return _Loss(f"worker {flight.worker} is silent", message, AGAIN)

    def _explain_lost(self, flight: _Flight) -> _Loss:
        short = "the connection to the scheduler is lost"
        message = f"the connection to the scheduler {self._address} is lost"
        if not flight.attempt:
            return _Loss(short, f"{message}, and no worker began to work for this target", f"start it, and {AGAIN}")
        unknown = f"what worker {flight.worker} did since then is unknown"
        hint = f"the worker ends its running steps; start the scheduler, and {AGAIN}"
        return _Loss(short, f"{message}, and {unknown}", hint)

    def _explain_end(self, flight: _Flight) -> _Loss:
        if flight.status != "error":  # released, because the scheduler ended or lost this client
            return self._explain_lost(flight)
        message = f"two workers were lost while they worked for this target, the last one was {flight.worker}"
        return _Loss("two workers were lost", message, f"read the logs of its workers; {AGAIN}")

    def _explain_missing(self, flight: _Flight) -> _Loss:
        target = flight.task.target
        message = f"no worker offers target {make_printable(target)}"
        if flight.attempt:
            message = f"worker {flight.worker} was lost while it worked for this target, and no other one offers it"
        command = f"imagesync fleet worker {self._address} --target {quote_word(target)}"
        return _Loss(f"worker {flight.worker} was lost", message, f"start one on a host beside its cloud: {command}")
