"""What each peer may ask: the gates of a scheduler and of a worker, without a network. The peers are scripted."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from imagesync.fleet.streams import SENTENCE, Refused, guard_scheduler, guard_worker

pytestmark = pytest.mark.fleet  # the gates use parts of ``distributed``

FIRST, SECOND = "tls://192.0.2.1:2001", "tls://192.0.2.2:2002"
TOPIC_A, TOPIC_B = "imagesync-ab-a", "imagesync-ab-b"
KNOWN = """
add-keys cancel-compute cancel-keys client-desires-keys client-releases-keys close close-client compute-task free-keys
heartbeat-client keep-alive log-event long-running refresh-who-has release-worker-data remove-replicas remove-worker
report-key request-refresh-who-has reschedule steal-request subscribe-topic task-erred task-finished unsubscribe-topic
update-data update-graph worker-status-change acquire-replicas plugin-add actor_execute set_resources run
"""
"""The operations of the streams of ``distributed``, and some that are not of streams."""


def make_certificate(unit: str, targets: Iterable[str] = (), serial: str = "1") -> dict[str, Any]:
    """A certificate as ``ssl`` decodes it."""
    names = tuple(("URI", f"imagesync-target:{target}") for target in targets)
    return {
        "subject": ((("organizationalUnitName", unit),),),
        "subjectAltName": names,
        "serialNumber": serial,
    }


class Wire:
    """A connection with a peer that sends these parts, one after another. ``is_aborted``: whether the gate ended it."""

    peer_address = "tls://192.0.2.9:9"

    def __init__(self, certificate: Mapping[str, Any] | None = None, parts: Iterable[Any] = ()) -> None:
        self.extra_info = {"peercert": certificate} if certificate is not None else {}
        self.parts = list(parts)
        self.is_aborted = False

    async def read(self) -> Any:
        """The next part."""
        return self.parts.pop(0)

    def abort(self) -> None:
        """End the connection."""
        self.is_aborted = True


class ScriptedServer:
    """A server of ``distributed``: it notes what reaches its handlers and its streams."""

    def __init__(self) -> None:
        names = ("identity", "register-client", "heartbeat_worker", "run_function", "terminate", "unregister")
        self.handlers: dict[str, Any] = {name: self._make_handler(name) for name in names}
        self.handlers["register-worker"] = self._add_worker
        self.served: list[str] = []
        self.passed: list[Any] = []
        self.workers: dict[str, Any] = {}
        self.tasks: dict[str, Any] = {}
        self.clients: dict[str, Any] = {}
        self.aliases: dict[str, str] = {}
        self._broker = SimpleNamespace(_topics={})

    def _make_handler(self, name: str) -> Any:
        def handle(**_message: Any) -> str:
            self.served.append(name)
            return f"answer of {name}"

        return handle

    async def _add_worker(self, comm: Wire, **message: Any) -> str:
        assert isinstance(comm, Wire)
        address = self.coerce_address(message["address"])
        self.served.append("register-worker")
        if address in self.workers:
            return "Worker already exists"
        self.aliases[message["name"]] = address
        self.workers[address] = SimpleNamespace(address=address, resources=dict(message["resources"]))
        return "OK"

    def coerce_address(self, address: str, resolve: bool = True) -> str:
        """The address of a name or of another form of it, as the scheduler finds it."""
        address = self.aliases.get(address, address)
        return address.replace("first.example", "192.0.2.1") if resolve else address

    async def handle_stream(self, comm: Any, extra: Mapping[str, Any] | None = None) -> None:
        """Read the whole stream."""
        assert extra is None or isinstance(extra, dict)
        while comm.parts:
            self.passed += await comm.read()

    def add_task(self, key: str, address: str | None) -> None:
        """A task that the worker with an address has, or that none has."""
        self.tasks[key] = SimpleNamespace(processing_on=SimpleNamespace(address=address) if address else None)

    def add_topic(self, name: str, *subscribers: str) -> None:
        """A topic with its readers."""
        self._broker._topics[name] = SimpleNamespace(subscribers=set(subscribers))

    @property
    def topics(self) -> set[str]:
        """The topics that exist."""
        return set(self._broker._topics)


@pytest.fixture
def scheduler() -> ScriptedServer:
    """A guarded scheduler."""
    made = ScriptedServer()
    guard_scheduler(made)
    return made


def ask(scheduler: ScriptedServer, operation: str, certificate: Mapping[str, Any] | None, **message: Any) -> Any:
    """The answer of an operation; ``refused`` if the connection ended, and then nothing may be served."""
    wire, before = Wire(certificate), len(scheduler.served)
    answer = asyncio.run(scheduler.handlers[operation](wire, **message))
    if not wire.is_aborted:
        return answer
    assert (answer, len(scheduler.served)) == (None, before)
    return "refused"


def register(
    scheduler: ScriptedServer,
    address: str = FIRST,
    offers: Iterable[str] = ("a",),
    *,
    targets: Iterable[str] = (),
    serial: str = "1",
    name: Any = "w",
) -> Any:
    """Register a worker with the certificate of this serial number, which is for ``targets``."""
    resources = {f"target:{target}": 1 for target in offers}
    certificate = make_certificate("worker", targets, serial)
    return ask(scheduler, "register-worker", certificate, address=address, resources=resources, name=name)


def beat(scheduler: ScriptedServer, address: str = FIRST, *, serial: str = "1", **more: Any) -> Any:
    """A sign of life of the worker with an address."""
    message = {"address": address, "now": 0.0, "metrics": {}, "executing": {}, "extensions": {}, **more}
    return ask(scheduler, "heartbeat_worker", make_certificate("worker", serial=serial), **message)


def speak(server: ScriptedServer, extra: Mapping[str, Any] | None, *parts: Any) -> list[Any] | None:
    """The messages of a stream that the server gets; None if the connection ended."""
    from distributed.comm import CommClosedError

    wire, before = Wire(parts=parts), len(server.passed)
    with suppress(CommClosedError):
        asyncio.run(server.handle_stream(wire, extra))  # the gate gets what ``distributed`` gives
        assert not wire.is_aborted
        return server.passed[before:]
    assert wire.is_aborted
    assert server.passed[before:] == []
    return None


def list_admitted(server: ScriptedServer, extra: Mapping[str, Any], **more: Any) -> set[str]:
    """The known operations that a stream may carry."""
    return {name for name in KNOWN.split() if speak(server, extra, [{"op": name, **more}]) is not None}


def test_a_scheduler_has_four_operations(scheduler: ScriptedServer) -> None:
    """All others of ``distributed`` are removed."""
    assert set(scheduler.handlers) == {"identity", "register-client", "register-worker", "heartbeat_worker"}


@pytest.mark.parametrize("operation", ["identity", "register-client"])
def test_only_a_client_is_served_as_one(scheduler: ScriptedServer, operation: str) -> None:
    """No other role, and no peer without a certificate."""
    assert ask(scheduler, operation, make_certificate("client")) == f"answer of {operation}"
    for other in (make_certificate("worker"), make_certificate("scheduler"), make_certificate("x"), {}, None):
        assert ask(scheduler, operation, other) == "refused"


def test_only_a_worker_is_served_as_one(scheduler: ScriptedServer) -> None:
    """Registration and sign of life."""
    message = {"address": FIRST, "resources": {}, "name": "w"}
    for other in (make_certificate("client"), make_certificate("scheduler"), make_certificate("x"), {}, None):
        assert ask(scheduler, "register-worker", other, **message) == "refused"
    assert ask(scheduler, "register-worker", make_certificate("worker"), **message) == "OK"
    assert beat(scheduler) == "answer of heartbeat_worker"
    for other in (make_certificate("client"), make_certificate("scheduler"), None):
        assert ask(scheduler, "heartbeat_worker", other, address=FIRST) == "refused"


@pytest.mark.parametrize(
    ("targets", "offers", "answer"),
    [
        ("ab", "ab", "OK"),
        ("ab", "a", "OK"),
        ("ab", "", "OK"),
        ("ab", "abc", "refused"),
        ("ab", "c", "refused"),
        ("", "abc", "OK"),
    ],
)
def test_a_worker_registers_for_the_targets_of_its_certificate(
    scheduler: ScriptedServer, targets: str, offers: str, answer: str
) -> None:
    """Each of them; without names in the certificate, any."""
    assert register(scheduler, offers=offers, targets=targets) == answer


def test_only_a_resource_that_names_a_target_is_an_offer(scheduler: ScriptedServer) -> None:
    """Another one gives no right to speak of a target with its name."""
    certificate = make_certificate("worker", "a")
    message = {"address": FIRST, "resources": {"b": 1, "x-target:b": 1}, "name": "w"}
    assert ask(scheduler, "register-worker", certificate, **message) == "OK"
    assert speak(scheduler, {"worker": FIRST}, [{"op": "log-event", "topic": TOPIC_B, "msg": "{}"}]) is None


@pytest.mark.parametrize("address", [FIRST, "tls://first.example:2001", "w"], ids=["same", "by name", "by alias"])
def test_a_second_worker_does_not_take_the_address_of_a_running_one(scheduler: ScriptedServer, address: str) -> None:
    """In no form of the address: its signs of life are refused, those of the first one are not."""
    register(scheduler, serial="1")
    assert register(scheduler, address, serial="2", name="w2") == "Worker already exists"
    assert beat(scheduler, serial="2") == beat(scheduler, address, serial="2") == "refused"
    assert beat(scheduler, serial="1") == "answer of heartbeat_worker"


@pytest.mark.parametrize("name", [FIRST, "tls://192.0.2.3:3", ("192.0.2.1", 2001), 1, None], ids=str)
def test_the_name_of_a_worker_is_no_address(scheduler: ScriptedServer, name: object) -> None:
    """``distributed`` finds a worker by its name first, so the first worker would be taken for the second one."""
    register(scheduler, serial="1")
    assert register(scheduler, SECOND, serial="2", name=name) == "refused"
    assert beat(scheduler, serial="1") == "answer of heartbeat_worker"


def test_the_address_of_a_worker_that_left_is_free(scheduler: ScriptedServer) -> None:
    """The next worker that registers with it has it, and the one before no longer."""
    register(scheduler, serial="1")
    scheduler.workers.clear()
    scheduler.aliases.clear()
    assert register(scheduler, serial="2") == "OK"
    assert beat(scheduler, serial="2") == "answer of heartbeat_worker"
    assert beat(scheduler, serial="1") == "refused"


def test_a_worker_gives_signs_of_life_only_for_itself(scheduler: ScriptedServer) -> None:
    """Not for another one, and not for an address that no worker registered."""
    register(scheduler, FIRST, serial="1", name="w1")
    register(scheduler, SECOND, serial="2", name="w2")
    assert beat(scheduler, SECOND, serial="1") == beat(scheduler, FIRST, serial="2") == "refused"
    assert beat(scheduler, "tls://192.0.2.3:3", serial="1") == "refused"
    assert beat(scheduler, SECOND, serial="2") == "answer of heartbeat_worker"


@pytest.mark.parametrize("more", [{"resources": {"target:b": 1}}, {"host_info": {"x": 1}}, {"resolve_address": False}])
def test_a_sign_of_life_offers_nothing(scheduler: ScriptedServer, more: Mapping[str, Any]) -> None:
    """``distributed`` would take more targets from it, without a check of the certificate."""
    register(scheduler, targets="a")
    assert beat(scheduler, **more) == "refused"


@pytest.mark.parametrize("extra", [None, {}, {"client": 1}, {"worker": None}, {"peer": "x"}], ids=str)
def test_a_stream_without_a_peer_is_refused(scheduler: ScriptedServer, extra: dict[str, Any] | None) -> None:
    """It carries nothing."""
    with pytest.raises(Refused):
        asyncio.run(scheduler.handle_stream(Wire(parts=[[{"op": "keep-alive"}]]), extra))
    assert scheduler.passed == []


def test_the_stream_of_a_client_carries_only_its_operations(scheduler: ScriptedServer) -> None:
    """Of all of ``distributed``, those that a run needs."""
    assert list_admitted(scheduler, {"client": "c"}, topic=TOPIC_A, keys=["k"]) == {
        "cancel-keys",
        "client-releases-keys",
        "close-client",
        "heartbeat-client",
        "subscribe-topic",
        "unsubscribe-topic",
        "update-graph",
    }


@pytest.mark.parametrize("operation", ["cancel-keys", "client-releases-keys", "close-client", "heartbeat-client"])
def test_a_client_speaks_only_for_itself(scheduler: ScriptedServer, operation: str) -> None:
    """Its name may be in the message, no other one."""
    own = {"op": operation, "client": "c", "keys": ["k"]}
    assert speak(scheduler, {"client": "c"}, [own]) == [own]
    for other in ("d", "", None):
        assert speak(scheduler, {"client": "c"}, [{**own, "client": other}]) is None


@pytest.mark.parametrize("topic", ["all", "", "tls://192.0.2.1:2001", f"x{TOPIC_A}", ["imagesync-ab-a"], None], ids=str)
def test_a_client_reads_only_topics_of_runs(scheduler: ScriptedServer, topic: object) -> None:
    """The others report about all workers."""
    assert speak(scheduler, {"client": "c"}, [{"op": "subscribe-topic", "topic": topic}]) is None
    own = {"op": "subscribe-topic", "topic": TOPIC_A}
    assert speak(scheduler, {"client": "c"}, [own]) == [own]


def test_the_stream_of_a_worker_carries_only_its_operations(scheduler: ScriptedServer) -> None:
    """Of all of ``distributed``, those that a run needs."""
    register(scheduler)
    assert list_admitted(scheduler, {"worker": FIRST}, topic=TOPIC_A, msg="{}") == {
        "keep-alive",
        "log-event",
        "release-worker-data",
        "reschedule",
        "task-erred",
        "task-finished",
        "worker-status-change",
    }


@pytest.mark.parametrize(
    "operation", ["task-finished", "task-erred", "reschedule", "release-worker-data", "worker-status-change"]
)
def test_a_worker_speaks_only_for_itself(scheduler: ScriptedServer, operation: str) -> None:
    """Its address may be in the message, no other one."""
    register(scheduler)
    assert speak(scheduler, {"worker": FIRST}, [{"op": operation, "worker": FIRST, "key": "k"}])
    for other in (SECOND, "", None):
        assert speak(scheduler, {"worker": FIRST}, [{"op": operation, "worker": other, "key": "k"}]) is None


@pytest.mark.parametrize("operation", ["task-finished", "task-erred", "reschedule", "release-worker-data"])
def test_a_worker_ends_no_task_of_another_one(scheduler: ScriptedServer, operation: str) -> None:
    """The message is ignored, because the task may have been its own; the stream continues with the next one."""
    for key, address in (("own", FIRST), ("other", SECOND), ("waits", None)):
        scheduler.add_task(key, address)
    messages = [{"op": operation, "key": key} for key in ("other", "own", "waits", "unknown")]
    passed = speak(scheduler, {"worker": FIRST}, messages) or []
    assert [one["key"] for one in passed] == ["own", "waits", "unknown"]


def test_the_exception_and_the_type_of_a_task_do_not_travel(scheduler: ScriptedServer) -> None:
    """Each could be the pickle of anything."""
    erred = {"op": "task-erred", "key": "k", "exception": b"x", "traceback": b"x", "exception_text": "x"}
    finished = {"op": "task-finished", "key": "k", "type": b"x", "run_id": 7}
    passed = speak(scheduler, {"worker": FIRST}, [{**erred, "traceback_text": "x"}, finished])
    texts = {"exception": SENTENCE, "traceback": None, "exception_text": SENTENCE, "traceback_text": ""}
    assert passed == [{"op": "task-erred", "key": "k", **texts}, {**finished, "type": b""}]


@pytest.mark.parametrize(
    "change",
    [
        {"topic": TOPIC_B},
        {"topic": "all"},
        {"topic": SECOND},
        {"topic": [TOPIC_A]},
        {"topic": [TOPIC_A, TOPIC_B]},
        {"topic": None},
        {"msg": {}},
        {"msg": None},
        {"msg": b"{}"},
    ],
    ids=str,
)
def test_a_worker_reports_only_about_targets_that_it_offers(scheduler: ScriptedServer, change: dict[str, Any]) -> None:
    """One topic and one text."""
    register(scheduler)
    honest = {"op": "log-event", "topic": TOPIC_A, "msg": "{}"}
    assert speak(scheduler, {"worker": FIRST}, [honest]) == [honest]
    assert speak(scheduler, {"worker": FIRST}, [honest | change]) is None


def test_a_worker_that_is_not_registered_reports_nothing(scheduler: ScriptedServer) -> None:
    """It may have been given up."""
    assert speak(scheduler, {"worker": FIRST}, [{"op": "log-event", "topic": TOPIC_A, "msg": "{}"}]) is None


def test_what_a_worker_reports_about_itself_is_ignored(scheduler: ScriptedServer) -> None:
    """An honest one does that, with any value."""
    register(scheduler)
    assert speak(scheduler, {"worker": FIRST}, [{"op": "log-event", "topic": FIRST, "msg": {"x": 1}}]) == []


def test_the_forms_of_a_stream(scheduler: ScriptedServer) -> None:
    """One message or several, the answer ``OK``, and the end of the stream."""
    one = {"op": "keep-alive"}
    end = {"op": "close-stream"}
    assert speak(scheduler, {"worker": FIRST}, one, [one, "OK"], (one, end)) == [one, one, "OK", one, end]


@pytest.mark.parametrize(
    "message", [{}, {"op": None}, {"op": ["keep-alive"]}, {"op": "log-event"}, "text", 1, None, ["OK"]], ids=str
)
def test_a_message_without_its_shape_ends_the_stream(scheduler: ScriptedServer, message: object) -> None:
    """And nothing of what came together with it is handled."""
    assert speak(scheduler, {"worker": FIRST}, [{"op": "keep-alive"}, message]) is None


@pytest.mark.parametrize("message", [{"op": "keep-alive"}, {"op": "run"}], ids=["honest", "refused"])
def test_topics_that_no_client_reads_are_removed_with_the_end_of_a_stream(
    scheduler: ScriptedServer, message: dict[str, str]
) -> None:
    """Those of a client that left, too, however the stream ends."""
    scheduler.clients["c"] = True
    scheduler.add_topic("read", "c", "d")
    scheduler.add_topic("left", "d")
    scheduler.add_topic("never")
    speak(scheduler, {"worker": FIRST}, [message])
    assert scheduler.topics == {"read"}


@pytest.fixture
def worker() -> ScriptedServer:
    """A guarded worker."""
    made = ScriptedServer()
    guard_worker(made)
    return made


def test_a_worker_answers_nothing(worker: ScriptedServer) -> None:
    """No process connects to it."""
    assert worker.handlers == {}


def make_task(*args: Any, **more: Any) -> dict[str, Any]:
    """The message that gives a worker a task; by default, one of a run."""
    from dask._task_spec import Task

    from imagesync.fleet.task import work

    kind, function, named = more.pop("kind", Task), more.pop("function", work), more.pop("named", {})
    run_spec = more.pop("run_spec", None) or kind("k", function, *(args or ("text",)), **named)
    return {"op": "compute-task", "key": "k", "run_spec": run_spec, "who_has": {}, "nbytes": {}, "actor": False, **more}


def test_a_worker_takes_only_the_operations_of_its_scheduler(worker: ScriptedServer) -> None:
    """Of all of ``distributed``, those that a run needs."""
    assert list_admitted(worker, {}, **{name: value for name, value in make_task().items() if name != "op"}) == {
        "cancel-compute",
        "close",
        "compute-task",
        "free-keys",
        "remove-replicas",
        "remove-worker",
        "worker-status-change",
    }


def test_the_task_of_a_run_arrives_as_it_came(worker: ScriptedServer) -> None:
    """The one function with one text."""
    message = make_task()
    assert speak(worker, {}, [message]) == [message]


class TextWithMore(str):
    """A text that is more than a text."""


def make_refused_tasks() -> dict[str, dict[str, Any]]:
    """Tasks that no run has, by what is wrong with them."""
    from dask._task_spec import Alias, DataNode, Task, TaskRef

    class TaskWithMore(Task):  # type: ignore[misc]
        """A task that is more than a task."""

    return {
        "another function": make_task(function=print),
        "another kind": make_task(kind=TaskWithMore),
        "data": make_task(run_spec=DataNode("k", "text")),
        "alias": make_task(run_spec=Alias("k", "j")),
        "no text": make_task(1),
        "bytes": make_task(b"text"),
        "more than a text": make_task(TextWithMore("text")),
        "two texts": make_task("text", "text"),
        "result of another task": make_task(TaskRef("j")),
        "named text": make_task(named={"text": "text"}),
        "data of other workers": make_task(who_has={"j": [SECOND]}, nbytes={"j": 1}),
        "actor": make_task(actor=True),
    }


def test_any_other_task_fails_and_runs_nothing(worker: ScriptedServer) -> None:
    """It has the function of a run, without an assignment. The connection does not end, because a client chose the task."""
    from dask._task_spec import Task

    from imagesync.fleet.task import work

    for name, message in make_refused_tasks().items():
        (passed,) = speak(worker, {}, [message]) or []
        task = passed["run_spec"]
        assert (type(task), task.key, task.func, task.args, dict(task.kwargs or {})) == (Task, "k", work, ("",), {}), (
            name
        )
        assert (passed["key"], passed["who_has"], passed["nbytes"], passed["actor"]) == ("k", {}, {}, False), name


def test_the_log_says_who_was_refused_and_why(scheduler: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """In a short printable text; a peer of an operation and a stream alike."""
    ask(scheduler, "identity", make_certificate("worker"))
    speak(scheduler, {"client": "c"}, [{"op": "\x1b" + "x" * 300}])
    start = "ended the connection from tls://192.0.2.9:9, which sent "
    assert caplog.messages == [f"{start}this operation is that of a client", rf"{start}\x1b{'x' * 196}"]


def test_the_log_of_a_worker_has_the_task_that_it_did_not_take(
    worker: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each; the task of a run has none."""
    speak(worker, {}, [make_task()])
    speak(worker, {}, [make_task(actor=True)])
    assert caplog.messages == ["refused a task that is not a target of a run"]


@pytest.mark.parametrize(
    ("targets", "offers", "reason"),
    [
        ("ab", "cab", "the certificate is not for the targets ['c']"),
        ("c", "bca", "the certificate is not for the targets ['a', 'b']"),
    ],
)
def test_the_log_names_the_targets_that_a_certificate_is_not_for(
    scheduler: ScriptedServer, caplog: pytest.LogCaptureFixture, targets: str, offers: str, reason: str
) -> None:
    """Only those, sorted."""
    assert register(scheduler, offers=offers, targets=targets) == "refused"
    assert caplog.messages == [f"ended the connection from tls://192.0.2.9:9, which sent {reason}"]
