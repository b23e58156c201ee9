"""Stages in threads: order, errors, and that nothing is left of them, wherever they stop."""

import threading
from collections.abc import Iterator

import pytest

from imagesync.sources import pipeline as limits
from imagesync.sources.pipeline import DEPTH, Pipeline, Stopped


def stages() -> list[str]:
    """Names of the threads of the pipelines of this test."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("stage")]


def test_items_come_in_order_through_several_stages() -> None:
    """And the threads end by themselves."""
    pipeline = Pipeline()
    doubled = (2 * item for item in pipeline.run_ahead(range(1000), "stage 1"))
    assert list(pipeline.run_ahead(doubled, "stage 2")) == list(range(0, 2000, 2))
    pipeline.close()
    assert stages() == []


def test_a_stage_works_ahead_no_further_than_its_queue() -> None:
    """Memory is bounded: what waits, and the one item that finds no room."""
    made: list[int] = []
    enough = threading.Event()

    def source() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            if item == DEPTH:
                enough.set()
            yield item

    pipeline = Pipeline()
    pipeline.run_ahead(source(), "stage")
    assert enough.wait(10)
    pipeline.close()
    assert made == list(range(DEPTH + 1))
    assert stages() == []


@pytest.mark.parametrize("error", [ValueError("broken"), OSError(5, "no disk"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_an_error_comes_out_as_itself_after_what_was_made(error: BaseException, depth: int) -> None:
    """Through any number of stages, also when the queues are full."""

    def source() -> Iterator[int]:
        yield from range(20)
        raise error

    pipeline = Pipeline()
    items: Iterator[int] = source()
    for number in range(depth):
        items = pipeline.run_ahead(items, f"stage {number}")
    for expected in range(20):
        assert next(items) == expected
    with pytest.raises(type(error)) as caught:
        next(items)
    assert caught.value is error
    with pytest.raises(StopIteration):
        next(items)
    pipeline.close()
    assert stages() == []


def test_closing_early_ends_stages_with_full_queues() -> None:
    """The consumer has had enough: an upload was refused."""
    pipeline = Pipeline()
    endless: Iterator[int] = iter(int, 1)
    items = pipeline.run_ahead(pipeline.run_ahead(endless, "stage 1"), "stage 2")
    assert next(items) == 0
    pipeline.close()
    pipeline.close()
    assert stages() == []
    with pytest.raises(Stopped):
        next(items)


def test_closing_wakes_a_stage_that_waits_outside() -> None:
    """A server that has fallen silent is not waited for."""
    silent = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        silent.wait()
        yield 2

    pipeline = Pipeline(interrupt=silent.set)
    items = pipeline.run_ahead(pipeline.run_ahead(source(), "stage 1"), "stage 2")
    assert next(items) == 1
    pipeline.close()
    assert stages() == []


def test_an_error_upstream_of_a_closed_consumer_is_dropped() -> None:
    """It neither hangs nor comes out later."""

    def source() -> Iterator[int]:
        yield 1
        raise ValueError("too late")

    pipeline = Pipeline()
    items = pipeline.run_ahead(source(), "stage")
    pipeline.close()
    with pytest.raises(Stopped):
        next(items)


def test_who_waits_for_an_item_is_asked_whether_it_is_wanted() -> None:
    """Although the stage before it is silent forever."""
    released, requests = threading.Event(), list[str]()

    def wait_for_good() -> Iterator[int]:
        yield 1
        released.wait(60)

    def check() -> None:
        requests.append("check")
        if len(requests) == 2:
            raise ValueError("nobody wants it")

    pipeline = Pipeline(interrupt=released.set, check=check)
    items = pipeline.run_ahead(wait_for_good(), "silent")
    assert next(items) == 1
    with pytest.raises(ValueError, match="nobody"):
        next(items)
    pipeline.close()
    assert released.is_set()


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.DEPTH == 4
    assert limits.PATIENCE == 0.2
    assert limits.GIVING_WAY == 19
