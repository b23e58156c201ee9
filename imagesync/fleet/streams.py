"""What a connection may ask, by the role of its peer: the gates of the scheduler and of a worker. Change ``distributed``.

``distributed`` gives each peer every operation of a server: a worker may submit tasks, a client may run any function on
the scheduler, and each may send messages in the name of another one. The gates admit what a run needs, from the peer whose
part it is, and end the connection of a peer that asks for anything else.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from imagesync.fleet.assignment import TOPIC, find_target
from imagesync.fleet.roles import Role, read_role, read_targets
from imagesync.fleet.settings import RESOURCE

Message: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[Message], Message | None]
"""The message to handle instead; None to ignore it. ``Refused`` for a message that no honest peer sends."""

CLIENT_ASKS: Final = frozenset({"identity", "register-client"})
WORKER_ASKS: Final = frozenset({"register-worker", "heartbeat_worker"})
"""The operations of a connection to the scheduler, before it is the stream of its peer."""
CLIENT_SENDS: Final = frozenset(
    {
        "cancel-keys",
        "client-releases-keys",
        "close-client",
        "heartbeat-client",
        "subscribe-topic",
        "unsubscribe-topic",
        "update-graph",
    }
)
WORKER_SENDS: Final = frozenset(
    {
        "keep-alive",
        "log-event",
        "release-worker-data",
        "reschedule",
        "task-erred",
        "task-finished",
        "worker-status-change",
    }
)
"""The operations of the streams to the scheduler."""
SCHEDULER_SENDS: Final = frozenset(
    {"cancel-compute", "close", "compute-task", "free-keys", "remove-replicas", "remove-worker", "worker-status-change"}
)
"""The operations of the stream from the scheduler to a worker."""
SIGN_OF_LIFE: Final = frozenset({"address", "executing", "extensions", "metrics", "now"})
"""What a sign of life of a worker has. With more, it could offer targets without a check of its certificate."""
SENTENCE: Final = "the task ended with an error"
"""What the scheduler passes on instead of an exception, which could be the pickle of anything."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A message that no honest peer sends."""


def guard_scheduler(scheduler: Any) -> None:
    """Admit to a scheduler, before it starts, only what clients and workers need."""
    _SchedulerGate(scheduler)


def guard_worker(worker: Any) -> None:
    """Admit to a worker, before it starts, only the messages of its scheduler, and only the task of a run."""
    worker.handlers.clear()
    _narrow_streams(worker, lambda _extra: _check_for_worker)


def _check_for_worker(message: Message) -> Message:
    if message["op"] not in SCHEDULER_SENDS:
        raise Refused(message["op"])
    return _check_task(message) if message["op"] == "compute-task" else message


def _check_task(message: Message) -> Message:
    """A task as it came if it is the one function of a run, with one text; else one that fails.

    The connection of a worker does not end because of the task of a client: two such tasks would end all workers.
    """
    from dask._task_spec import Task

    from imagesync.fleet.task import work

    task = message["run_spec"]
    is_alone = not message["who_has"] and not message["actor"]
    is_work = type(task) is Task and task.func is work and [type(one) for one in task.args] == [str] and not task.kwargs
    if is_alone and is_work:
        return message
    _log.warning("refused a task that is not a target of a run")
    return {**message, "run_spec": Task(message["key"], work, ""), "who_has": {}, "nbytes": {}, "actor": False}


class _SchedulerGate:
    """The peers of a scheduler. ``owners``: by the address of a worker, the certificate that registered it."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._owners: dict[str, str] = {}
        handlers = scheduler.handlers
        kept = {name: _admit(handlers[name], Role.CLIENT) for name in CLIENT_ASKS}
        checks = {"register-worker": self._check_registration, "heartbeat_worker": self._check_heartbeat}
        kept |= {name: _admit(handlers[name], Role.WORKER, checks[name]) for name in WORKER_ASKS}
        handlers.clear()
        handlers.update(kept)
        _narrow_streams(scheduler, self._find_check, self._forget_topics)

    def _check_registration(self, certificate: Mapping[str, Any], message: Message) -> None:
        offered = _read_offer(message["resources"])
        allowed = read_targets(certificate)
        if allowed is not None and (others := sorted(offered - allowed)):
            raise Refused(f"the certificate is not for the targets {others}")
        if not isinstance(message["name"], str) or "://" in message["name"]:
            raise Refused("a name that is an address: the scheduler would take it for that of another worker")
        address = self._scheduler.coerce_address(message["address"])
        if address not in self._scheduler.workers:
            self._owners[address] = certificate["serialNumber"]

    def _check_heartbeat(self, certificate: Mapping[str, Any], message: Message) -> None:
        address = self._scheduler.coerce_address(message["address"], False)
        if self._owners.get(address) != certificate["serialNumber"]:
            raise Refused("a sign of life of another worker")
        if more := sorted(message.keys() - SIGN_OF_LIFE):
            raise Refused(f"a sign of life with {more}")

    def _find_check(self, extra: Mapping[str, Any]) -> Check:
        match extra:
            case {"client": str(name)}:
                return lambda message: self._check_client(name, message)
            case {"worker": str(address)}:
                return lambda message: self._check_worker(address, message)
            case _:
                raise Refused("a stream without a peer")

    def _check_client(self, name: str, message: Message) -> Message:
        if message["op"] not in CLIENT_SENDS or message.get("client", name) != name:
            raise Refused(message["op"])
        if message["op"] == "subscribe-topic" and not message["topic"].startswith(TOPIC):
            raise Refused("a topic that is not one of a run")
        return message

    def _check_worker(self, address: str, message: Message) -> Message | None:
        operation = message["op"]
        if operation not in WORKER_SENDS or message.get("worker", address) != address:
            raise Refused(operation)
        if operation == "log-event":
            return self._check_event(address, message)
        if "key" in message and not self._is_own(address, message["key"]):
            return None
        if operation == "task-erred":
            return {
                **message,
                "exception": SENTENCE,
                "traceback": None,
                "exception_text": SENTENCE,
                "traceback_text": "",
            }
        return {**message, "type": b""} if operation == "task-finished" else message

    def _check_event(self, address: str, message: Message) -> Message | None:
        """The message if it is about a target that its worker offers. What a worker reports about itself is ignored."""
        topic, worker = message["topic"], self._scheduler.workers.get(address)
        if topic == address:
            return None
        offered = _read_offer(worker.resources if worker is not None else {})
        if not isinstance(topic, str) or not isinstance(message["msg"], str) or find_target(topic) not in offered:
            raise Refused("a message about a target that the worker does not offer")
        return message

    def _is_own(self, address: str, key: Any) -> bool:
        """Whether a task is not that of another worker; it may have been given to another one since."""
        task = self._scheduler.tasks.get(key)
        return task is None or task.processing_on is None or task.processing_on.address == address

    def _forget_topics(self) -> None:
        """Remove the topics that no client reads: otherwise each run would leave some for as long as the scheduler runs."""
        broker = self._scheduler._broker
        for topic in list(broker._topics.values()):
            topic.subscribers.intersection_update(self._scheduler.clients)
        for name in [name for name, topic in broker._topics.items() if not topic.subscribers]:
            del broker._topics[name]


def _read_offer(resources: Mapping[str, Any]) -> set[str]:
    return {name.removeprefix(RESOURCE) for name in resources if name.startswith(RESOURCE)}


def _admit(
    handler: Callable[..., Any],
    role: Role,
    check: Callable[[Mapping[str, Any], Message], None] = lambda _certificate, _message: None,
) -> Callable[..., Awaitable[Any]]:
    """A handler that serves peers with one role only, after a check of their message."""
    takes_comm = next(iter(inspect.signature(handler).parameters), "") == "comm"

    async def serve(comm: Any, **message: Any) -> Any:
        certificate = comm.extra_info.get("peercert") or {}
        try:
            if read_role(certificate) is not role:
                raise Refused(f"this operation is that of a {role}")
            check(certificate, message)
        except Refused as error:
            _refuse(comm, error)
            return None
        result = handler(comm, **message) if takes_comm else handler(**message)
        return await result if inspect.isawaitable(result) else result

    return serve


def _narrow_streams(
    server: Any, find_check: Callable[[Mapping[str, Any]], Check], after: Callable[[], None] = lambda: None
) -> None:
    """Let the streams of a server pass each message through a check."""
    handle = server.handle_stream

    async def handle_stream(comm: Any, extra: Mapping[str, Any] | None = None) -> None:
        try:
            await handle(_Narrow(comm, find_check(extra or {})), extra)
        finally:
            after()

    server.handle_stream = handle_stream


class _Narrow:
    """A connection whose messages pass through a check; a message that is refused ends the connection."""

    def __init__(self, comm: Any, check: Check) -> None:
        self._comm, self._check = comm, check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._comm, name)

    async def read(self) -> list[Any]:
        from distributed.comm import CommClosedError

        found = await self._comm.read()
        try:
            return [one for message in _list_messages(found) if (one := self._pass(message)) is not None]
        except (Refused, KeyError, TypeError, AttributeError) as error:
            _refuse(self._comm, error)
            raise CommClosedError("refused") from error

    def _pass(self, message: Any) -> Any:
        if message == "OK" or message["op"] == "close-stream":
            return message
        return self._check(message)


def _list_messages(found: Any) -> list[Any]:
    return list(found) if isinstance(found, list | tuple) else [found]


def _refuse(comm: Any, error: Exception) -> None:
    from imagesync.text import make_printable

    _log.warning("ended the connection from %s, which sent %s", comm.peer_address, make_printable(str(error))[:200])
    comm.abort()
