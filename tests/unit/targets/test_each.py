"""An answer for each target: of a function in threads, or of a carrier. In order, and none waits for another."""

import threading

import pytest

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, NotFound
from imagesync.targets.each import TICK, Answers, ask_each, run_each
from imagesync.targets.messages import Task, Verb, encode_ended
from tests.unit.targets.scripted_carrier import ScriptedCarrier

WAIT = 30.0
MOMENT = 0.1


def test_answers_are_in_the_order_of_the_targets() -> None:
    """Whatever the order in which they come; an error is an answer."""
    later = threading.Event()
    missing = NotFound("there is no image")

    def work(subject: int) -> int:
        if subject == 1:
            assert later.wait(WAIT)
        if subject == 2:
            raise missing
        later.set()
        return subject * 10

    given = ImagesyncError("wrong in the manifest")
    subjects: dict[str, int | ImagesyncError] = {"b": 1, "a": 2, "d": given, "c": 3}
    found = run_each(subjects, work, 4)
    assert list(found.by_target.items()) == [("b", 10), ("a", missing), ("d", given), ("c", 30)]
    assert found.bugs == ()


def test_a_target_that_hangs_delays_no_other() -> None:
    """The others have ended before it does."""
    ended = [threading.Event() for _ in range(3)]

    def work(subject: int) -> bool:
        if subject == 0:
            return all(one.wait(WAIT) for one in ended[1:])
        ended[subject].set()
        return True

    assert set(run_each({str(one): one for one in range(3)}, work, 2).by_target.values()) == {True}


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_at_most_this_many_run_at_the_same_time(parallel: int) -> None:
    """And as many do: each waits until the others of its group run, and a moment longer for one too many."""
    barrier, lock, excess = threading.Barrier(parallel), threading.Lock(), threading.Event()
    running = 0

    def work(_subject: int) -> None:
        nonlocal running
        with lock:
            running += 1
            if running > parallel:
                excess.set()
        barrier.wait(WAIT)
        excess.wait(MOMENT)
        with lock:
            running -= 1

    answers = run_each({str(one): one for one in range(parallel * 2)}, work, parallel)
    assert answers.bugs == ()
    assert not excess.is_set()


def test_a_bug_is_reported_with_the_answers_of_the_others() -> None:
    """Its text, which may be a secret, is only in the traceback."""

    def work(subject: str) -> str:
        if subject == "bad":
            raise KeyError("password")
        return subject

    answers = run_each({"a": "good", "b": "bad", "c": "good"}, work, 1)
    words = "a bug in imagesync: KeyError; its log is named on standard error; please report it"
    assert [str(one) for one in answers.by_target.values()] == ["good", words, "good"]
    (bug,) = answers.bugs
    assert bug.startswith("Traceback")
    assert "password" in bug


def test_an_exception_that_is_no_error_is_an_answer_too() -> None:
    """Otherwise the run would wait for ever."""

    def work(_subject: int) -> None:
        raise SystemExit(3)

    answers = run_each({"a": 1}, work, 1)
    assert str(answers.by_target["a"]).startswith("a bug in imagesync: SystemExit; ")
    assert len(answers.bugs) == 1


PLACED = Diagnostic("m.yaml", 2, 1, "images.a", "wrong", "mend it")
ALONE = Diagnostic("", 0, 0, "", "no answer", "check the network")


def ask(carrier: ScriptedCarrier, *names: str) -> Answers[str]:
    """Let the carrier look for drift; an answer is the text of its message."""
    return ask_each(names, carrier, Verb.DRIFT, lambda document: str(document["text"]))


def test_each_target_gets_its_own_answer_of_the_carrier() -> None:
    """All are asked at once; the answers are in the order of the targets, and warnings are none."""
    carrier = ScriptedCarrier()
    carrier.then(
        lambda: carrier.answer("us", Verb.DRIFT, {"event": "drifted", "text": "2"}),
        lambda: carrier.answer("eu", Verb.DRIFT, {"event": "drifted", "text": "1"}),
        lambda: carrier.answer("us", Verb.DRIFT, {"event": "warning", "text": "slow"}),
        lambda: carrier.answer("us", Verb.DRIFT, encode_ended()),
        lambda: carrier.answer("eu", Verb.DRIFT, encode_ended()),
    )
    answers = ask(carrier, "eu", "us")
    assert list(answers.by_target.items()) == [("eu", "1"), ("us", "2")]
    assert answers.bugs == ()
    assert carrier.tasks == [Task("eu", Verb.DRIFT), Task("us", Verb.DRIFT)]
    assert carrier.seconds == pytest.approx(5 * TICK)


def test_the_answers_of_a_carrier_may_come_at_once() -> None:
    """With several ends in one list of messages."""
    carrier = ScriptedCarrier()
    for name in ("eu", "us"):
        carrier.answer(name, Verb.DRIFT, {"event": "drifted", "text": name})
        carrier.answer(name, Verb.DRIFT, encode_ended())
    assert ask(carrier, "eu", "us").by_target == {"eu": "eu", "us": "us"}


def test_problems_and_bugs_of_a_carrier_are_the_errors_of_their_targets() -> None:
    """One problem without a place is an error with its hint, others are of the manifest; a bug comes before problems."""
    carrier = ScriptedCarrier()
    bugs = ["Traceback\n  x\nKeyError: 'secret'\n", "Traceback\n  y\nOSError: z\n"]
    ends = {
        "alone": encode_ended(problems=[ALONE]),
        "placed": encode_ended(problems=[PLACED]),
        "several": encode_ended(problems=[ALONE, PLACED]),
        "bug": encode_ended(bug=bugs[0]),
        "both": encode_ended(problems=[ALONE], bug=bugs[1]),
        "good": encode_ended(),
    }
    carrier.answer("both", Verb.DRIFT, {"event": "drifted", "text": "half"})
    carrier.answer("good", Verb.DRIFT, {"event": "drifted", "text": "fine"})
    for name, end in ends.items():
        carrier.answer(name, Verb.DRIFT, end)
    answers = ask(carrier, *ends)
    found = answers.by_target
    assert [type(one) for one in found.values()] == [
        ImagesyncError,
        ManifestError,
        ManifestError,
        ImagesyncError,
        ImagesyncError,
        str,
    ]
    alone, placed, several, bug, both, good = found.values()
    assert (str(alone), good) == ("no answer; check the network", "fine")
    assert [getattr(one, "diagnostics", None) for one in (placed, several)] == [(PLACED,), (ALONE, PLACED)]
    words = "a bug in imagesync: {}; its log is named on standard error; please report it"
    assert [str(bug), str(both)] == [words.format("KeyError"), words.format("OSError")]
    assert answers.bugs == tuple(bugs)
