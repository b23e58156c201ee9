"""How a run learns the end of its tasks when messages do not come: a client without a scheduler, and a clock."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.assignment import Assignment, FleetOrder, ManifestTexts, decode
from imagesync.fleet.carrier import (
    CONNECT,
    LAST_MESSAGES,
    LOST,
    NO_WORKER,
    ROLL_CALL,
    STOP,
    DaskCarrier,
    explain_failure,
)
from imagesync.fleet.servers import LEAVE
from imagesync.fleet.task import work
from imagesync.targets.messages import LOST_WHY, Message, Task, Verb, encode_ended, encode_planned
from tests.unit.targets.scripted_carrier import plan_for

RUN_ID = "0123456789abcdef"


class Future:
    """What the client returns for a task."""

    def __init__(self) -> None:
        self.status, self.is_released = "pending", False
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def release(self) -> None:
        self.is_released = True

    def end(self, status: str) -> None:
        """As the scheduler ends a task."""
        self.status = status
        for callback in self._callbacks:
            callback(self)


class Report:
    """The task of a client that reads from the scheduler."""

    def __init__(self, *, ended: bool = False) -> None:
        self._ended = ended

    def done(self) -> bool:
        return self._ended


class Client:
    """A connection whose messages a test sends. ``workers``: the targets that workers offer."""

    def __init__(self) -> None:
        self.status, self.futures = "running", list[Future]()
        self.workers: list[str] = ["a"]
        self.cancelled: list[Future] = []
        self.submitted: list[tuple[Any, Assignment, dict[str, Any]]] = []
        self.asked, self.fails = 0, False
        self._handle_report_task: Report | None = Report()
        self._handlers: dict[str, Callable[[tuple[float, str]], None]] = {}

    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, str]], None]) -> None:
        self._handlers[topic] = handler

    def submit(self, function: Any, text: str, **more: Any) -> Future:
        self.submitted.append((function, decode(text), more))
        self.futures.append(Future())
        return self.futures[-1]

    def cancel(self, futures: list[Future]) -> None:
        self.cancelled += futures

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1
        self.asked += 1
        if self.fails:
            raise OSError("no answer")
        return {
            "workers": {
                str(n): {"resources": {f"target:{name}": 1 for name in names.split()}}
                for n, names in enumerate(self.workers)
            }
        }

    def say(
        self, document: Mapping[str, Any], attempt: str = "1", verb: Verb = Verb.PLAN, target: str = "a", name: str = ""
    ) -> None:
        """As a worker does, in the topic of a target. ``name``: the target in the message, if it is another one."""
        message = {"target": name or target, "verb": verb, "attempt": attempt, "document": document}
        self._handlers[f"imagesync-{RUN_ID}-{target}"]((0.0, json.dumps(message)))

    def begin(self, attempt: str = "1", worker: str = "w1", verb: Verb = Verb.PLAN, target: str = "a") -> None:
        """The first message of an attempt."""
        self.say({"event": "begun", "worker": worker}, attempt, verb, target)


class Scene:
    """A carrier with several targets, its client and its clock."""

    def __init__(self) -> None:
        self.client, self.now = Client(), 1000.0
        order = FleetOrder("1", RUN_ID, ManifestTexts({}, ".", "/c", "", "/c"), jobs=3)
        self.carrier = DaskCarrier(
            self.client,
            order,
            {"bad": UsageError("no plan", "make one")},
            {"b": {"plan": "reviewed"}},
            catalogs={"a": "base", "b x": "base", "b": "base"},
            address="tls://x:1",
            unlock=lambda name: f"unlock {name}",
            clock=lambda: self.now,
        )

    def pass_time(self, seconds: float) -> list[Message]:
        """The messages after this time."""
        self.now += seconds
        return self.carrier.events(0.01)


@pytest.fixture
def scene() -> Scene:
    """A task that plans."""
    made = Scene()
    made.carrier.submit(Task("a", Verb.PLAN))
    return made


def explain(messages: list[Message]) -> str:
    """The problem of the only message, which ends a task."""
    (message,) = messages
    assert message.event == "ended"
    assert (message.document["report"], message.document["bug"]) == (None, "")
    (problem,) = message.document["problems"]
    return f"{problem['message']}; {problem['hint']}"


def test_messages_of_an_earlier_attempt_are_ignored(scene: Scene) -> None:
    """The second attempt is announced; what the first one says afterwards does not count."""
    scene.client.begin("1", "w1")
    scene.client.begin("2", "w2")
    (warning,) = scene.pass_time(0)
    assert warning.document["text"] == "worker w1 was lost; worker w2 plans the target again and continues"
    scene.client.say(encode_ended(), "1")
    scene.client.begin("1", "w1")
    assert scene.pass_time(0) == []
    scene.client.say(encode_ended(), "2")
    assert [one.event for one in scene.pass_time(0)] == ["ended"]
    assert scene.client.futures[0].is_released


def test_the_last_message_may_come_after_the_scheduler_says_that_the_task_ended(scene: Scene) -> None:
    """For some seconds."""
    scene.client.begin()
    scene.client.futures[0].end("finished")
    assert scene.pass_time(0) == []
    assert scene.pass_time(LAST_MESSAGES - 1) == []
    scene.client.say(encode_ended())
    assert [one.document["problems"] for one in scene.pass_time(0)] == [[]]


def test_two_lost_workers(scene: Scene) -> None:
    """The scheduler gives up the task."""
    scene.client.begin("1", "w1")
    scene.client.begin("2", "w2")
    scene.client.futures[0].end("error")
    scene.pass_time(0)
    message = "two workers were lost while they worked for this target, the last one was w2"
    assert message in explain(scene.pass_time(LAST_MESSAGES + 1))


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_lost_scheduler(scene: Scene, has_begun: bool) -> None:
    """Only a task that has begun is lost; for the other one it is known that nothing was changed."""
    if has_begun:
        scene.client.begin()
    scene.client.status = "connecting"
    assert scene.pass_time(0) == []
    assert scene.pass_time(LOST) == []
    found = scene.pass_time(1)
    what = "what worker w1 did since then is unknown" if has_begun else "no worker began to work for this target"
    assert f"the connection to the scheduler tls://x:1 is lost, and {what}; " in explain(found)
    assert (LOST_WHY in found[0].document) is has_begun


def test_a_short_loss_of_the_scheduler_ends_nothing(scene: Scene) -> None:
    """The time of the next one begins at 0."""
    scene.client.status = "connecting"
    scene.pass_time(LOST - 1)
    scene.client.status = "running"
    assert scene.pass_time(LOST + 1) == []
    scene.client.status = "connecting"
    assert scene.pass_time(2) == []
    assert scene.pass_time(LOST) == []
    assert scene.pass_time(1) != []


def test_no_worker_offers_the_target(scene: Scene) -> None:
    """A worker that comes back in time is enough, also if it is busy."""
    scene.client.workers = []
    assert scene.pass_time(ROLL_CALL) == []
    scene.client.workers = ["a"]
    assert scene.pass_time(NO_WORKER + 1) == []
    scene.client.workers = ["b"]
    assert scene.pass_time(ROLL_CALL) == []
    text = explain(scene.pass_time(NO_WORKER + 1))
    assert "no worker offers target a; start one on a host beside its cloud: imagesync fleet worker tls://x:1" in text


def test_a_canceled_task_ends_at_once_if_no_worker_began(scene: Scene) -> None:
    """Without a problem, and it is canceled once."""
    scene.carrier.cancel()
    scene.carrier.cancel()
    assert len(scene.client.cancelled) == 1
    assert [one.document["problems"] for one in scene.pass_time(0)] == [[]]


def test_a_canceled_task_has_time_for_its_report(scene: Scene) -> None:
    """Its running steps end first; a worker that is silent is given up."""
    scene.client.begin()
    scene.pass_time(0)
    scene.carrier.cancel()
    scene.client.futures[0].end("cancelled")
    assert scene.pass_time(STOP) == []
    assert "worker w1 did not report the end of its steps in 180 s" in explain(scene.pass_time(1))


def test_a_target_without_a_catalog_gets_no_task(scene: Scene) -> None:
    """Its error is the answer."""
    scene.carrier.submit(Task("bad", Verb.PLAN))
    assert len(scene.client.futures) == 1
    assert explain(scene.pass_time(0)) == "no plan; make one"


def test_a_plan_is_the_approved_one_of_the_apply(scene: Scene) -> None:
    """The document as it came; and a message that is not valid ends the task."""
    planned = encode_planned(plan_for("a", "one"))
    scene.client.begin()
    scene.client.say(planned)
    scene.client.say(encode_ended())
    assert [one.event for one in scene.pass_time(0)] == ["planned", "ended"]
    scene.carrier.submit(Task("a", Verb.APPLY))
    scene.client.begin("3", verb=Verb.APPLY)
    scene.client.say({"event": "started", "step": "nonsense"}, "3", Verb.APPLY)
    assert "worker w1 sent a message that is not valid" in explain(scene.pass_time(0))


def test_a_task_goes_only_to_a_worker_that_offers_its_target(scene: Scene) -> None:
    """Once, with an own key for each target and verb. An apply has the plan of its target, and each task its review."""
    planned = {name: encode_planned(plan_for(name, name[0])) for name in ("a", "b")}
    scene.carrier.submit(Task("b", Verb.PLAN))
    for name in ("a", "b"):
        scene.client.begin(target=name)
        scene.client.say(planned[name], target=name)
        scene.client.say(encode_ended(), target=name)
    assert len(scene.pass_time(0)) == 4
    for name in ("a", "b"):
        scene.carrier.submit(Task(name, Verb.APPLY, ("a", "b")))
    plans = {name: json.loads(json.dumps(one["plan"])) for name, one in planned.items()}
    order = FleetOrder("1", RUN_ID, ManifestTexts({}, ".", "/c", "", "/c"), jobs=3)
    reviewed = {"plan": "reviewed"}
    assert [one for _, one, _ in scene.client.submitted] == [
        Assignment(Task("a", Verb.PLAN), order, "unlock a"),
        Assignment(Task("b", Verb.PLAN), order, "unlock b", None, reviewed),
        Assignment(Task("a", Verb.APPLY, ("a", "b")), order, "unlock a", plans["a"]),
        Assignment(Task("b", Verb.APPLY, ("a", "b")), order, "unlock b", plans["b"], reviewed),
    ]
    assert [(function, more) for function, _, more in scene.client.submitted] == [
        (
            work,
            {
                "key": f"imagesync-{RUN_ID}-{verb}-{name}",
                "resources": {f"target:{name}": 1},
                "pure": False,
                "retries": 0,
            },
        )
        for verb in ("plan", "apply")
        for name in ("a", "b")
    ]


def test_a_message_is_that_of_its_target_and_verb(scene: Scene) -> None:
    """One of another task, of an attempt that did not begin, or of a task that has ended is ignored."""
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.begin(worker="w1")
    scene.client.begin(worker="w2", target="b")
    assert scene.pass_time(0) == []
    warning = {"event": "warning", "text": "slow"}
    scene.client.say(warning, target="b")
    scene.client.say(warning, verb=Verb.APPLY)
    scene.client.say(warning, "9")
    assert scene.pass_time(0) == [Message("b", Verb.PLAN, warning)]
    scene.client.say(encode_ended())
    scene.client.say(warning)
    scene.client.say({"event": "nonsense"})
    assert scene.pass_time(0) == [Message("a", Verb.PLAN, encode_ended())]
    assert [one.is_released for one in scene.client.futures] == [True, False]


def test_a_message_that_is_not_valid_ends_only_the_task_of_its_topic(scene: Scene) -> None:
    """Also one that names another target, and one before a worker has a name; the other task continues."""
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.begin(worker="w1")
    scene.client.begin(worker="w2", target="b")
    scene.client.say(encode_ended(), target="b", name="a")
    hint = "check the host of that worker, which may be taken over: see docs/fleet.md; then run the command again"
    found = scene.pass_time(0)
    assert [one.target for one in found] == ["b"]
    assert explain(found) == f"the worker w2 sent a message that is not valid; {hint}"
    assert LOST_WHY not in found[0].document
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.say({}, target="b")
    assert explain(scene.pass_time(0)) == f"the worker (without a name) sent a message that is not valid; {hint}"
    scene.client.say({}, target="b")
    assert scene.pass_time(0) == []
    scene.client.say(encode_ended())
    assert [(one.target, one.document) for one in scene.pass_time(0)] == [("a", encode_ended())]


def test_the_next_attempt_of_a_worker_with_the_same_name_is_announced(scene: Scene) -> None:
    """Its supervisor started it again; the messages before that are kept."""
    scene.client.begin("1", "w1")
    scene.client.say({"event": "warning", "text": "slow"})
    scene.client.begin("2", "w1")
    text = "worker w1 was lost; the next one with this name plans the target again and continues"
    expected = [Message("a", Verb.PLAN, {"event": "warning", "text": one}) for one in ("slow", text)]
    assert scene.pass_time(0) == expected


def test_a_lost_scheduler_ends_every_task_with_what_is_known_of_it(scene: Scene) -> None:
    """In whole sentences; the words for a report are short."""
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.begin()
    scene.client.status = "closed"
    scene.pass_time(0)
    begun, waits = scene.pass_time(LOST + 1)
    again = "run the command again: it reads the outcome from the service"
    lost = "the connection to the scheduler tls://x:1 is lost"
    assert explain([begun]) == (
        f"{lost}, and what worker w1 did since then is unknown; "
        f"the worker ends its running steps; start the scheduler, and {again}"
    )
    assert explain([waits]) == f"{lost}, and no worker began to work for this target; start it, and {again}"
    assert (begun.target, begun.document[LOST_WHY]) == ("a", "the connection to the scheduler is lost")
    assert (waits.target, LOST_WHY in waits.document) == ("b", False)
    assert [one.is_released for one in scene.client.futures] == [True, True]


@pytest.mark.parametrize("how", ["no report", "report ended"])
def test_a_connection_that_no_longer_reads_is_lost(scene: Scene, how: str) -> None:
    """Although its status says that it runs."""
    scene.pass_time(0)
    scene.client._handle_report_task = None if how == "no report" else Report(ended=True)
    assert scene.pass_time(0) == []
    assert "tls://x:1 is lost" in explain(scene.pass_time(LOST + 1))


def test_a_task_that_the_scheduler_dropped_is_lost_with_it(scene: Scene) -> None:
    """It knows this client no longer. Two lost workers are another reason."""
    scene.client.begin()
    scene.client.futures[0].end("cancelled")
    scene.pass_time(0)
    assert scene.pass_time(LAST_MESSAGES) == []
    assert "the connection to the scheduler tls://x:1 is lost" in explain(scene.pass_time(1))


def test_two_lost_workers_are_the_reason_of_the_report(scene: Scene) -> None:
    """The last one is named, with what to do."""
    scene.client.begin("1", "w1")
    scene.client.begin("2", "w2")
    scene.client.futures[0].end("error")
    scene.pass_time(0)
    found = scene.pass_time(LAST_MESSAGES + 1)
    assert explain(found) == (
        "two workers were lost while they worked for this target, the last one was w2; "
        "read the logs of its workers; run the command again: it reads the outcome from the service"
    )
    assert found[0].document[LOST_WHY] == "two workers were lost"


def test_a_worker_that_was_lost_and_is_not_replaced(scene: Scene) -> None:
    """The reason names it; the command quotes the target. A task that did not begin is not lost."""
    scene.carrier.submit(Task("b x", Verb.PLAN))
    scene.client.begin(worker="w1")
    scene.pass_time(0)
    scene.client.workers = []
    assert scene.pass_time(ROLL_CALL) == []
    assert scene.pass_time(NO_WORKER) == []
    begun, waits = scene.pass_time(1)
    start = "start one on a host beside its cloud: imagesync fleet worker tls://x:1 --target"
    assert explain([begun]) == (
        f"worker w1 was lost while it worked for this target, and no other one offers it; {start} a"
    )
    assert explain([waits]) == f"no worker offers target b x; {start} 'b x'"
    assert begun.document[LOST_WHY] == "worker w1 was lost"
    assert LOST_WHY not in waits.document


def test_a_new_attempt_is_an_offer_of_the_target(scene: Scene) -> None:
    """A message of a worker is newer than the roll. Then the time without one begins again."""
    scene.client.workers = []
    scene.pass_time(ROLL_CALL)
    scene.client.begin()
    assert scene.pass_time(NO_WORKER) == []
    assert scene.pass_time(1) == []


def test_a_task_that_ended_does_not_wait_for_a_worker(scene: Scene) -> None:
    """Its last message may come, or it is explained by its end."""
    scene.client.begin()
    scene.pass_time(0)
    scene.client.workers = []
    scene.pass_time(ROLL_CALL)
    scene.now += NO_WORKER
    scene.client.futures[0].end("error")
    assert scene.pass_time(1) == []
    assert "two workers were lost" in explain(scene.pass_time(LAST_MESSAGES + 1))


def test_the_roll_is_called_only_when_it_matters(scene: Scene) -> None:
    """At most every few seconds, with a connection and a task; a call that fails says nothing about a target."""
    scene.pass_time(ROLL_CALL - 1)
    assert scene.client.asked == 0
    scene.pass_time(1)
    scene.pass_time(ROLL_CALL - 1)
    assert scene.client.asked == 1
    scene.client.fails = True
    for _ in range(int(NO_WORKER / ROLL_CALL) + 2):
        assert scene.pass_time(ROLL_CALL) == []
    count = scene.client.asked
    assert count > NO_WORKER / ROLL_CALL
    scene.client.status = "connecting"
    scene.pass_time(ROLL_CALL)
    assert scene.client.asked == count
    scene.client.status = "running"
    scene.client.begin()
    scene.client.say(encode_ended())
    scene.pass_time(0)
    before = scene.client.asked
    scene.pass_time(ROLL_CALL)
    assert scene.client.asked == before


def test_a_canceled_task_without_a_report_says_which_worker_is_silent(scene: Scene) -> None:
    """One that did not begin ends at once; the time of the other begins with the first ^C."""
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.begin()
    scene.pass_time(0)
    scene.carrier.cancel()
    assert scene.client.cancelled == scene.client.futures
    assert scene.pass_time(STOP - 1) == [Message("b", Verb.PLAN, encode_ended())]
    scene.carrier.cancel()
    found = scene.pass_time(2)
    again = "run the command again: it reads the outcome from the service"
    assert explain(found) == f"worker w1 did not report the end of its steps in 180 s; {again}"
    assert found[0].document[LOST_WHY] == "worker w1 is silent"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("\n timed out \x1b after 15 s\nmore"), r"timed out \x1b after 15 s"),
        (TimeoutError(), "TimeoutError"),
        (ValueError(" \n"), "ValueError"),
        (
            OSError("in a row:\nTLS certificate does not match. Check your security settings."),
            "its certificate is not that of a scheduler of this authority",
        ),
    ],
    ids=["lines", "no text", "space", "certificate"],
)
def test_why_there_is_no_connection(error: Exception, reason: str) -> None:
    """In one printable line."""
    assert explain_failure(error) == reason


def test_a_target_is_offered_by_any_of_its_workers(scene: Scene) -> None:
    """Also by the last one, among other targets."""
    scene.carrier.submit(Task("b", Verb.PLAN))
    scene.client.workers = ["x y", "z a b"]
    scene.pass_time(ROLL_CALL)
    assert scene.pass_time(NO_WORKER + 1) == []
    scene.client.workers = ["x y", "z b"]
    scene.pass_time(ROLL_CALL)
    found = scene.pass_time(NO_WORKER + 1)
    assert [one.target for one in found] == ["a"]


def test_the_times_of_a_command_fit_those_of_a_worker() -> None:
    """In seconds. A canceled worker has more time than it takes; a new one has more than a lost connection."""
    assert (LAST_MESSAGES, LOST, NO_WORKER, ROLL_CALL, CONNECT, STOP) == (5.0, 10.0, 30.0, 5.0, 15.0, 180.0)
    assert LEAVE + LAST_MESSAGES < STOP
