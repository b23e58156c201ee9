"""Tasks in threads of this process: the messages of each, how many at a time, bugs, and how they are stopped."""

import threading
import time

import pytest

from imagesync.execution.executor import Cancelled
from imagesync.targets.carrier import Emit, ThreadCarrier
from imagesync.targets.messages import ENDED, Message, Task, Verb, encode_ended
from tests.waiting import wait_until

WAIT = 30.0
LONG = 60.0


def collect(carrier: ThreadCarrier, ends: int) -> list[Message]:
    """The messages until so many tasks have ended."""
    found: list[Message] = []
    limit = time.monotonic() + LONG
    while sum(one.event == ENDED for one in found) < ends:
        assert time.monotonic() < limit, f"tasks do not end; their messages: {found}"
        found += carrier.events(WAIT)
    return found


def test_each_message_says_whose_task_it_answers() -> None:
    """In the order in which the task sent them; the work gets the task as it was submitted."""
    tasks: list[Task] = []

    def work(task: Task, emit: Emit, _cancelled: Cancelled) -> None:
        tasks.append(task)
        emit({"event": "planned", "for": task.target})
        emit(encode_ended())

    carrier = ThreadCarrier(work, 1)
    given = [Task("eu", Verb.APPLY, ("eu", "us")), Task("us", Verb.DRIFT)]
    for task in given:
        carrier.submit(task)
    assert collect(carrier, 2) == [
        Message(task.target, task.verb, document)
        for task in given
        for document in ({"event": "planned", "for": task.target}, encode_ended())
    ]
    assert tasks == given


def test_messages_that_wait_come_all_at_once() -> None:
    """Otherwise a run with many targets would fall behind. Without any message, the call waits as long as it may."""
    is_done = threading.Event()

    def work(_task: Task, emit: Emit, _cancelled: Cancelled) -> None:
        for number in range(3):
            emit({"event": str(number)})
        is_done.set()

    carrier = ThreadCarrier(work, 1)
    carrier.submit(Task("eu", Verb.PLAN))
    assert is_done.wait(WAIT)
    assert [one.event for one in carrier.events(WAIT)] == ["0", "1", "2"]
    before = time.monotonic()
    assert carrier.events(0.05) == []
    assert time.monotonic() - before >= 0.05


@pytest.mark.parametrize("parallel", [1, 2])
def test_so_many_tasks_run_at_a_time(parallel: int) -> None:
    """The next one starts when one has ended; ``submit`` does not wait."""
    begun, release = threading.Semaphore(0), threading.Event()
    names: list[str] = []

    def work(task: Task, emit: Emit, _cancelled: Cancelled) -> None:
        names.append(task.target)
        begun.release()
        assert release.wait(WAIT)
        emit(encode_ended())

    carrier = ThreadCarrier(work, parallel)
    for name in ("a", "b", "c"):
        carrier.submit(Task(name, Verb.PLAN))
    for _ in range(parallel):
        assert begun.acquire(timeout=WAIT)
    assert carrier.events(0.05) == []
    assert sorted(names) == ["a", "b", "c"][:parallel]
    release.set()
    assert {one.target for one in collect(carrier, 3)} == {"a", "b", "c"}


class Unexpected(BaseException):
    """An exception that no work should raise."""


@pytest.mark.parametrize("error", [KeyError("a"), Unexpected("b"), SystemExit(3)])
def test_a_task_that_breaks_off_has_an_end_with_the_bug(error: BaseException) -> None:
    """Otherwise the run would wait for ever. Messages before it are kept, and the thread works for the next target."""

    def work(task: Task, emit: Emit, _cancelled: Cancelled) -> None:
        emit({"event": "warning", "text": "slow"})
        if task.target == "bad":
            raise error
        emit(encode_ended())

    carrier = ThreadCarrier(work, 1)
    for name in ("bad", "good"):
        carrier.submit(Task(name, Verb.APPLY))
    messages = collect(carrier, 2)
    assert [(one.target, one.verb, one.event) for one in messages] == [
        (name, Verb.APPLY, event) for name in ("bad", "good") for event in ("warning", ENDED)
    ]
    bug = messages[1].document["bug"]
    assert bug.startswith("Traceback")
    assert type(error).__name__ in bug
    assert messages[3].document["bug"] == ""


def test_all_tasks_learn_that_they_are_to_stop() -> None:
    """Those that run, and those that wait for a thread; before that, none does."""
    running = threading.Event()
    seen: dict[str, list[bool]] = {}

    def work(task: Task, emit: Emit, cancelled: Cancelled) -> None:
        seen[task.target] = [cancelled.is_set()]
        running.set()
        seen[task.target].append(wait_until(cancelled.is_set, bool, "the task learns it", seconds=WAIT))
        emit(encode_ended())

    carrier = ThreadCarrier(work, 1)
    for name in ("runs", "waits"):
        carrier.submit(Task(name, Verb.APPLY))
    assert running.wait(WAIT)
    carrier.cancel()
    collect(carrier, 2)
    assert seen == {"runs": [False, True], "waits": [True, True]}
