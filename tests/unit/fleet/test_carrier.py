"""How a run learns the end of its tasks when messages do not come: a client without a scheduler, and a clock."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.fleet.assignment import FleetOrder, ManifestTexts
from imagesync.fleet.carrier import LAST_MESSAGES, LOST, NO_WORKER, ROLL_CALL, STOP, DaskCarrier
from imagesync.targets.messages import LOST_WHY, Message, Task, Verb, encode_ended, encode_planned
from tests.unit.targets.scripted_carrier import plan_for

pytestmark = pytest.mark.fleet  # the carrier registers a plugin of ``distributed``


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

    def done(self) -> bool:
        return False


class Client:
    """A connection whose messages a test sends. ``workers``: the targets that workers offer."""

    def __init__(self) -> None:
        self.status, self.futures = "running", list[Future]()
        self.workers: list[str] = ["a"]
        self.cancelled: list[Future] = []
        self._handle_report_task = Report()
        self._handlers: dict[str, Callable[[tuple[float, str]], None]] = {}

    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, str]], None]) -> None:
        self._handlers[topic] = handler

    def submit(self, *_args: Any, **_more: Any) -> Future:
        self.futures.append(Future())
        return self.futures[-1]

    def cancel(self, futures: list[Future]) -> None:
        self.cancelled += futures

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        assert n_workers == -1
        return {"workers": {str(n): {"resources": {f"target:{name}": 1}} for n, name in enumerate(self.workers)}}

    def say(self, document: Mapping[str, Any], attempt: str = "1", verb: Verb = Verb.PLAN) -> None:
        """As a worker does."""
        (handler,) = self._handlers.values()
        handler((0.0, json.dumps({"target": "a", "verb": verb, "attempt": attempt, "document": document})))

    def begin(self, attempt: str = "1", worker: str = "w1", verb: Verb = Verb.PLAN) -> None:
        """The first message of an attempt."""
        self.say({"event": "begun", "worker": worker}, attempt, verb)


class Scene:
    """A carrier with one target, its client and its clock."""

    def __init__(self) -> None:
        self.client, self.now = Client(), 0.0
        order = FleetOrder("1", "0123456789abcdef", ManifestTexts({}, ".", "/c", "", "/c"))
        self.carrier = DaskCarrier(
            self.client,
            order,
            {"bad": UsageError("no plan", "make one")},
            {},
            catalogs={"a": "base"},
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
    assert scene.pass_time(2) == []
    scene.client.status = "connecting"
    assert scene.pass_time(2) == []


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
