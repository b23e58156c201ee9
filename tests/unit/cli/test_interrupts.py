"""The signals of a run: what the first one does before and after the first step, and what a second one does."""

import signal
import threading
from collections.abc import Iterator

import pytest

from imagesync.cli.interrupts import SIGNALS, Interrupted, Interrupts, choose_exit_code

INT, TERM = signal.SIGINT, signal.SIGTERM
PATIENCE = 30.0
"""Seconds for another thread to do something that takes milliseconds."""


class Run:
    """A run that records what a user reads, and whether it was ended at once."""

    def __init__(self, unwinding: float = 60.0) -> None:
        self.printed: list[str] = []
        self.has_printed, self.is_abandoned = threading.Event(), threading.Event()
        self.interrupts = Interrupts(self._say, self.is_abandoned.set, unwinding=unwinding)

    def _say(self, text: str) -> None:
        self.printed.append(text)
        self.has_printed.set()


@pytest.fixture(autouse=True)
def _handlers_are_those_of_before() -> Iterator[None]:
    """Whatever a test does."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(("number", "code"), [(INT, 130), (TERM, 143)])
def test_before_the_first_step_a_signal_ends_the_block(number: int, code: int) -> None:
    """The caller prints the sentence of the error."""
    run = Run()
    with pytest.raises(Interrupted) as caught, run.interrupts:
        signal.raise_signal(number)
    assert (caught.value.number, caught.value.text) == (number, "interrupted")
    assert (run.interrupts.number, run.interrupts.exit_code, choose_exit_code(number)) == (number, code, code)
    assert (run.interrupts.cancelled.is_set(), run.printed) == (True, [])
    assert not run.is_abandoned.is_set()


@pytest.mark.parametrize(
    ("first", "second", "code", "again"),
    [
        (INT, INT, 130, "Press ^C again to stop at once."),
        (INT, TERM, 130, "Press ^C again to stop at once."),
        (TERM, INT, 143, "Send SIGTERM again to stop at once."),
    ],
)
def test_during_the_steps_the_second_signal_ends_the_run_at_once(
    first: int, second: int, code: int, again: str
) -> None:
    """The exit code is that of the first one, which is announced once."""
    run = Run()
    with run.interrupts:
        run.interrupts.let_steps_end()
        assert (run.interrupts.number, run.interrupts.cancelled.is_set()) == (0, False)
        signal.raise_signal(first)
        assert run.has_printed.wait(PATIENCE)
        assert run.interrupts.cancelled.is_set()
        assert not run.is_abandoned.is_set()
        signal.raise_signal(second)
        assert run.is_abandoned.wait(PATIENCE)
    assert (run.interrupts.number, run.interrupts.exit_code) == (first, code)
    (sentence,) = run.printed
    assert sentence.endswith(again)


def test_a_second_signal_does_not_interrupt_the_unwinding() -> None:
    """It ends the run at once, and raises no error in the middle of it."""
    run = Run()
    with run.interrupts:
        with pytest.raises(Interrupted):
            signal.raise_signal(TERM)
        signal.raise_signal(INT)
        assert run.is_abandoned.wait(PATIENCE)
    assert (run.interrupts.exit_code, run.printed) == (143, [])


def test_a_run_that_ends_in_good_order_is_not_abandoned() -> None:
    """Also if one signal came: the block ended by itself."""
    run = Run(unwinding=0.0)
    with run.interrupts:
        run.interrupts.let_steps_end()
        signal.raise_signal(INT)
        assert run.has_printed.wait(PATIENCE)
    join("interrupts")
    assert not run.is_abandoned.is_set()


@pytest.mark.parametrize(("unwinding", "is_abandoned"), [(0.0, True), (60.0, False)])
def test_a_block_that_does_not_end_after_its_interruption(unwinding: float, is_abandoned: bool) -> None:
    """It may wait for a silent server; the steps that it begins meanwhile are not announced."""
    run = Run(unwinding)
    with run.interrupts:
        with pytest.raises(Interrupted):
            signal.raise_signal(INT)
        run.interrupts.let_steps_end()
        if is_abandoned:
            assert run.is_abandoned.wait(PATIENCE)
    join("interrupts")
    assert (run.is_abandoned.is_set(), run.printed) == (is_abandoned, [])


def test_a_block_without_a_signal_says_nothing() -> None:
    """And its thread ends with it."""
    run = Run()
    with run.interrupts:
        assert all(signal.getsignal(number) == run.interrupts._catch for number in SIGNALS)
    join("interrupts")
    assert (run.interrupts.number, run.printed, run.is_abandoned.is_set()) == (0, [], False)


def join(name: str) -> None:
    """Wait until no thread with this name runs."""
    for thread in threading.enumerate():
        if name in thread.name:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_what_a_signal_stops_is_explained() -> None:
    """In two lines, with the way to stop at once."""
    run = Run()
    with run.interrupts:
        run.interrupts.let_steps_end()
        signal.raise_signal(TERM)
        assert run.has_printed.wait(PATIENCE)
    assert run.printed == [
        "Stopping: transfers are interrupted, running steps finish, no further step starts.\n"
        "Send SIGTERM again to stop at once."
    ]
    assert (choose_exit_code(0), choose_exit_code(signal.SIGHUP)) == (130, 130)


def test_an_interruption_has_a_sentence_and_a_signal() -> None:
    """It is not a KeyboardInterrupt, which a library would turn into an error without the signal."""
    error = Interrupted("interrupted; nothing was changed")
    assert (error.text, error.number, str(error)) == ("interrupted; nothing was changed", INT, error.text)
    assert not isinstance(error, KeyboardInterrupt | Exception)
