"""What a scheduler says about the workers that come and go."""

from types import SimpleNamespace

import pytest

from imagesync.fleet.roll import Roll, make_plugin

FIRST, SECOND = "tls://192.0.2.1:1", "tls://192.0.2.2:2"


def test_a_worker_that_leaves_has_the_name_that_it_had() -> None:
    """Two workers; an address that is used again has the name of its new worker; an unknown one is named itself."""
    lines: list[str] = []
    roll = Roll(lines.append)
    roll.add(FIRST, SimpleNamespace(name="w1", resources={"target:eu": 1.0, "target:us": 1.0}))
    roll.add(SECOND, SimpleNamespace(name=2, resources={"target:ap": 1.0}))
    roll.remove(FIRST)
    roll.remove(FIRST)
    roll.add(FIRST, SimpleNamespace(name="w3", resources={}))
    roll.remove(SECOND)
    roll.remove(FIRST)
    assert lines == [
        "worker w1 joined: eu, us",
        "worker 2 joined: ap",
        "worker w1 left",
        f"worker {FIRST} left",
        "worker w3 joined: ",
        "worker 2 left",
        "worker w3 left",
    ]


def test_the_texts_of_a_worker_are_printable() -> None:
    """Its name, its targets and its address come from its host."""
    lines: list[str] = []
    roll = Roll(lines.append)
    roll.add(FIRST, SimpleNamespace(name="w\x1b[2J", resources={"target:e\nu": 1.0}))
    roll.remove(FIRST)
    roll.remove("tls://\x1b")
    assert lines == [r"worker w\x1b[2J joined: e\nu", r"worker w\x1b[2J left", r"worker tls://\x1b left"]


@pytest.mark.fleet
def test_the_scheduler_calls_the_roll() -> None:
    """With each worker as it knows it."""
    lines: list[str] = []
    plugin = make_plugin(Roll(lines.append))
    scheduler = SimpleNamespace(
        workers={
            FIRST: SimpleNamespace(name="w1", resources={"target:eu": 1.0}),
            SECOND: SimpleNamespace(name="w2", resources={"target:us": 1.0}),
        }
    )
    plugin.add_worker(scheduler=scheduler, worker=SECOND)
    plugin.remove_worker(scheduler=scheduler, worker=SECOND, stimulus_id="x")
    assert lines == ["worker w2 joined: us", "worker w2 left"]
    assert plugin.name == "imagesync-roll"
