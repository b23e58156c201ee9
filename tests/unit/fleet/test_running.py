"""The tasks that run in a worker: their number is right however they end."""

import pytest

from imagesync.fleet.running import RunningTasks


def test_tasks_are_counted_while_they_run() -> None:
    """Also one that raises: a worker that is to end would else wait for it for ever."""
    tasks = RunningTasks()
    with tasks.enter():
        assert tasks.number == 1
        with pytest.raises(ValueError, match="2 run"):
            fail_within(tasks)
        assert tasks.number == 1
    assert tasks.number == 0


def fail_within(tasks: RunningTasks) -> None:
    """Raise an error with the number of tasks in a task."""
    with tasks.enter():
        raise ValueError(f"{tasks.number} run")


def test_the_order_to_stop_is_never_taken_back() -> None:
    """A task that begins later sees it, too."""
    tasks = RunningTasks()
    assert not tasks.is_stopping
    tasks.stop()
    with tasks.enter():
        assert tasks.is_stopping
    assert tasks.is_stopping
