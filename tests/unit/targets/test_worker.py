"""The plan and the run of one target on a store: changes after the plan was shown, and a stop while it waits."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Plan
from imagesync.run import Settings
from imagesync.targets.messages import Task, Verb
from imagesync.targets.worker import Order, Worker
from imagesync.workflow import Planner, apply, read_catalog
from tests.samples import spell
from tests.waiting import wait_until


def declare(folder: Path, letter: str) -> Catalog:
    """A catalog of one image with this data, for the store of the folder."""
    (folder / "a.raw").write_bytes(spell(letter) * 2500)
    images = {"a": {"source": "a.raw", "disk_format": "raw", "container_format": "bare"}}
    document = {"version": 1, "catalog": "base", "targets": {"eu": {"store": "eu"}}, "images": images}
    (folder / "m.yaml").write_text(json.dumps(document))
    return read_catalog(folder / "m.yaml", target="eu")


class WorkingPlace:
    """A worker for one store, and the messages of its tasks."""

    def __init__(self, folder: Path, catalog: Catalog, *, accepts_changes: bool = False, seconds: float = 60) -> None:
        def open_target(subject: Catalog | Plan) -> Any:
            assert isinstance(subject, Catalog)
            return open_backend(store=folder / "eu")

        settings = Settings(lock_timeout=seconds)
        order = Order(open_target, settings=settings, accepts_changes=accepts_changes)
        self.worker, self.cancelled = Worker(order, {"eu": catalog}), threading.Event()
        self.warned = threading.Event()

    def carry_out(self, verb: Verb) -> list[Mapping[str, Any]]:
        """The messages of a task."""
        messages: list[Mapping[str, Any]] = []

        def emit(document: Mapping[str, Any]) -> None:
            messages.append(document)
            if document["event"] == "warning":
                self.warned.set()

        self.worker(Task("eu", verb, ("eu",)), emit, self.cancelled)
        return messages


@pytest.mark.parametrize("accepts", [True, False])
def test_a_target_that_changed_after_its_plan_was_shown_is_applied_only_if_that_is_accepted(
    tmp_path: Path, *, accepts: bool
) -> None:
    """With --yes the other plan is shown and applied; else the error says that the plan is stale."""
    place = WorkingPlace(tmp_path, declare(tmp_path, "a"), accepts_changes=accepts)
    assert [one["event"] for one in place.carry_out(Verb.PLAN)] == ["planned", "ended"]
    with open_backend(store=tmp_path / "eu") as backend:
        assert apply(Planner(backend, declare(tmp_path, "b"))).report.succeeded
    declare(tmp_path, "a")
    messages = place.carry_out(Verb.APPLY)
    place.worker.close()
    events = [one["event"] for one in messages]
    problems = [problem["message"] for problem in messages[-1]["problems"]]
    if accepts:
        assert events[:2] == ["changed", "run"]
        assert (messages[-1]["report"]["interrupted"], problems) == (False, [])
    else:
        assert events == ["ended"]
        assert problems == ["the plan is stale: the live images changed after the plan was shown"]


def test_a_target_that_waits_for_its_lease_can_be_stopped(tmp_path: Path) -> None:
    """It does not wait for the other run to end."""
    place = WorkingPlace(tmp_path, declare(tmp_path, "a"), seconds=5)
    place.carry_out(Verb.PLAN)
    messages: list[Mapping[str, Any]] = []
    with (
        open_backend(store=tmp_path / "eu") as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print, is_new=lambda: True),
    ):
        thread = threading.Thread(target=lambda: messages.extend(place.carry_out(Verb.APPLY)))
        thread.start()
        wait_until(lambda: place.warned.is_set(), bool, "the run waits for its lease")
        place.cancelled.set()
        thread.join()
    place.worker.close()
    assert [problem["message"] for problem in messages[-1]["problems"]] == ["the run was interrupted"]
    assert messages[-1]["report"] is None
