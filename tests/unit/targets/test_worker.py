"""The plans and runs of targets on stores: what an order asks of each, what they share, and what their messages say."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.errors import BackendError, ImagesyncError
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from imagesync.model.builds import Build
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Plan
from imagesync.run import Settings
from imagesync.sources import open_source
from imagesync.sources.opening import OpenSource
from imagesync.targets.messages import Task, Verb, decode_planned, encode_ended
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
        assert "plan" in messages[0]
        assert "plan" in messages[1]
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


class WatchedStore:
    """A backend of a store, which remembers that it was closed. ``fails``: the error of its end."""

    def __init__(self, folder: Path, fails: Exception | None = None) -> None:
        self._backend, self._fails, self.closed = open_backend(store=folder), fails, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def __exit__(self, *_error: object) -> None:
        self.closed += 1
        self._backend.__exit__(None, None, None)
        if self._fails is not None:
            raise self._fails


class WatchedSources:
    """What a worker says to the sources that its targets share. At most ``most`` were open at the same time."""

    def __init__(self) -> None:
        self.expected: dict[str, dict[str, int]] = {}
        self.joined: list[str] = []
        self.most = self._open = 0
        self.pause, self._changed = 0.0, threading.Condition()

    def expect(self, target: str, builds: Mapping[Build, int]) -> None:
        self.expected[target] = {Path(build.source.display).name: count for build, count in builds.items()}

    @contextmanager
    def join(self, target: str) -> Iterator[OpenSource]:
        self.joined.append(f"{target} begins")
        yield self.open
        self.joined.append(f"{target} ends")

    @contextmanager
    def open(self, *args: Any, **more: Any) -> Iterator[Any]:
        """Open a source, and wait until another one is open, or for ``pause`` seconds."""
        with self._changed:
            self._open += 1
            self.most = max(self.most, self._open)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > 1, self.pause)
        with open_source(*args, **more) as stream:
            yield stream
        with self._changed:
            self._open -= 1


def declare_several(folder: Path, target: str, *keys: str, **more: Any) -> Catalog:
    """A catalog of these images for the store of a target; each image has its own data."""
    for key in keys:
        (folder / f"{key}.raw").write_bytes(spell(key) * 2500)
    form = {"disk_format": "raw", "container_format": "bare"}
    images = {key: {"source": f"{key}.raw", **form} for key in keys}
    targets = {name: {"store": name} for name in ("eu", "us", "ap")}
    document = {"version": 1, "catalog": "base", "targets": targets, "images": images, **more}
    (folder / "m.yaml").write_text(json.dumps(document))
    return read_catalog(folder / "m.yaml", target=target)


class Crew:
    """A worker for the targets of a run, each of which is a store in the folder."""

    def __init__(
        self,
        root: Path,
        subjects: Mapping[str, Catalog | Plan | ImagesyncError],
        shared: WatchedSources | None = None,
        parallel: int | None = None,
        **order: Any,
    ) -> None:
        self.opened: dict[str, WatchedStore] = {}
        self.fails: dict[str, Exception] = {}
        self.cancelled = threading.Event()

        def open_target(subject: Catalog | Plan) -> Any:
            name = str(subject.target_name if isinstance(subject, Plan) else subject.target.name)
            self.opened[name] = WatchedStore(root / name, self.fails.get(name))
            return self.opened[name]

        made = Order(**{"open_target": open_target, "settings": Settings(lock_timeout=0), **order})
        self.worker = Worker(made, subjects, shared, parallel)  # type: ignore[arg-type]

    def carry_out(self, verb: Verb, target: str = "eu", *peers: str) -> list[Mapping[str, Any]]:
        """The messages of a task."""
        messages: list[Mapping[str, Any]] = []
        self.worker(Task(target, verb, peers or (target,)), messages.append, self.cancelled)
        return messages

    def plan(self, target: str = "eu") -> tuple[Plan, tuple[str, ...]]:
        """The plan of a target, and why it is refused; it could be made."""
        planned, ended = self.carry_out(Verb.PLAN, target)
        assert (planned["event"], ended) == ("planned", encode_ended())
        return decode_planned(planned)

    def find_problems(self, verb: Verb, target: str = "eu") -> list[str]:
        """The problems of a task that has only an end, without a bug."""
        (ended,) = self.carry_out(verb, target)
        assert (ended["event"], ended["report"], ended["bug"]) == ("ended", None, "")
        return [problem["message"] for problem in ended["problems"]]

    def apply(self, target: str = "eu", *peers: str) -> list[Mapping[str, Any]]:
        """The messages of a run whose steps succeed."""
        messages = self.carry_out(Verb.APPLY, target, *peers)
        assert {one["outcome"] for one in messages[-1]["report"]["results"]} == {"done"}
        return messages


def test_every_backend_is_closed_once(tmp_path: Path) -> None:
    """Also if one cannot be closed, and that of a target whose plan could not be made; until then each stays open."""
    names = ("eu", "us", "ap")
    catalogs = {name: declare_several(tmp_path, name, "a") for name in names}
    review = Crew(tmp_path, {"eu": catalogs["eu"]})
    elsewhere = {"ap": review.plan()[0]}
    review.worker.close()
    crew = Crew(tmp_path, catalogs, find_reviewed=elsewhere.get)
    crew.fails["eu"] = BackendError("cannot be closed")
    crew.plan("eu")
    crew.plan("us")
    assert len(crew.find_problems(Verb.PLAN, "ap")) == 1
    crew.apply("us")
    assert [crew.opened[name].closed for name in names] == [0, 0, 0]
    for _ in range(2):
        crew.worker.close()
        assert [crew.opened[name].closed for name in names] == [1, 1, 1]
