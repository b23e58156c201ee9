"""A function for each target: in threads, in order, and none waits for another."""

import threading

import pytest

from imagesync.errors import ImagesyncError, NotFound
from imagesync.targets.each import run_each

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
