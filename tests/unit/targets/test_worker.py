"""The plans and runs of targets on stores: what an order asks of each, what they share, and what their messages say."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.errors import BackendError, Diagnostic, ImagesyncError, ManifestError, Unavailable, UsageError
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from imagesync.model.builds import Build
from imagesync.model.catalog import Catalog
from imagesync.model.image import Identity
from imagesync.model.plan import Kind, Plan
from imagesync.model.policy import Limit, Policy
from imagesync.planning.staging import stage_plan
from imagesync.run import Settings
from imagesync.sources import SourceAccess, open_source
from imagesync.sources.opening import OpenSource
from imagesync.targets.messages import Task, Verb, decode_planned, encode_ended
from imagesync.targets.saved import NotPlanned
from imagesync.targets.worker import Order, Worker
from imagesync.workflow import AS_PLANNED, Planner, apply, read_catalog
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
        self.access: list[object] = []
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
        """Open a source, and wait until another one is open, the first time for ``pause`` seconds."""
        with self._changed:
            self.access.append(more["access"])
            self._open += 1
            self.most = max(self.most, self._open)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > 1, self.pause)
            self.pause = 0.0
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


PLACED = Diagnostic("m.yaml", 2, 1, "images.a", "wrong", "mend it")
ALONE = Diagnostic("", 0, 0, "", "no plan", "plan again")


@pytest.mark.parametrize(
    ("error", "problems"),
    [
        (NotPlanned([PLACED, ALONE]), [PLACED, ALONE]),
        (ManifestError([PLACED, ALONE]), [ALONE, PLACED]),
        (UsageError("no plan", "plan again"), [ALONE]),
    ],
)
def test_a_target_that_gets_nothing_ends_with_the_reasons(
    tmp_path: Path, error: ImagesyncError, problems: list[Diagnostic]
) -> None:
    """Whole, with their places; no backend is opened, and no build is expected."""
    shared = WatchedSources()
    crew = Crew(tmp_path, {"eu": error}, shared)
    assert crew.carry_out(Verb.PLAN) == [encode_ended(problems=problems)]
    assert (crew.opened, shared.expected) == ({}, {"eu": {}})


@pytest.mark.parametrize(
    ("error", "message"), [(Unavailable("no answer", "wait"), "no answer"), (KeyError("secret"), None)]
)
def test_a_place_that_cannot_be_opened_ends_its_task(tmp_path: Path, error: Exception, message: str | None) -> None:
    """With the problem; any other exception is a bug with its traceback."""

    def open_target(_subject: Catalog | Plan) -> Any:
        raise error

    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, open_target=open_target)
    if message is not None:
        assert crew.find_problems(Verb.PLAN) == [message]
        return
    (ended,) = crew.carry_out(Verb.PLAN)
    assert (ended["event"], ended["problems"]) == ("ended", [])
    assert ended["bug"].startswith("Traceback")
    assert "KeyError: 'secret'" in ended["bug"]


def test_a_target_that_waited_for_a_thread_does_not_begin_after_a_cancellation(tmp_path: Path) -> None:
    """Nothing is written, and its end has no problem."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")})
    crew.plan()
    crew.cancelled.set()
    assert crew.carry_out(Verb.APPLY) == [encode_ended()]
    with open_backend(store=tmp_path / "eu") as backend:
        assert backend.inventory("base", ()) == []


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


def test_the_paths_of_a_plan_are_relative_to_the_folder_of_the_order(tmp_path: Path) -> None:
    """The plan is read back from its message as it was made."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, folder=str(tmp_path / "x" / "y"))
    planned, _ = crew.carry_out(Verb.PLAN)
    assert planned["folder"] == str(tmp_path / "x" / "y")
    assert planned["plan"]["manifest"]["base"] == "../.."
    assert decode_planned(planned)[0].base == str(tmp_path)


def fill(folder: Path, target: str, *keys: str) -> None:
    """Apply a catalog of these images to the store of a target."""
    with open_backend(store=folder / target) as backend:
        assert apply(Planner(backend, declare_several(folder, target, *keys))).report.succeeded


@pytest.mark.parametrize("is_limited", [True, False])
def test_the_limits_of_a_plan_are_those_of_the_order(tmp_path: Path, *, is_limited: bool) -> None:
    """Made from those of the manifest. A refused plan is sent with its reasons, and its builds are not expected."""
    fill(tmp_path, "eu", "a", "b")
    wanted = declare_several(tmp_path, "eu", "a", "c", policy={"max_delete": "100%" if is_limited else 0})
    seen: list[Policy] = []

    def limit(policy: Policy) -> Policy:
        seen.append(policy)
        return replace(policy, max_delete=Limit(0 if is_limited else 9, percent=False))

    shared = WatchedSources()
    made, refusals = Crew(tmp_path, {"eu": wanted}, shared, limit=limit).plan()
    assert len(made.steps) == 2
    assert bool(refusals) == is_limited
    assert [policy.max_delete for policy in seen] == [wanted.policy.max_delete]
    assert shared.expected == {"eu": {} if is_limited else {"c.raw": 1}}


def test_a_plan_is_made_by_the_function_of_the_order(tmp_path: Path) -> None:
    """For example one that only stages builds."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, make=stage_plan)
    assert crew.plan()[0].kind is Kind.STAGE


def test_a_plan_must_have_only_what_was_reviewed(tmp_path: Path) -> None:
    """The review of this target; other changes are problems, and nothing is applied."""
    reviewed, _ = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}).plan()
    names: list[str | None] = []

    def find_reviewed(target: str | None) -> Plan:
        names.append(target)
        return reviewed

    def make(*keys: str) -> Crew:
        return Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", *keys)}, find_reviewed=find_reviewed)

    assert make("a").plan()[1] == ()
    messages = make("a", "b").carry_out(Verb.PLAN)
    words = [*messages[0].get("refusals", ()), *(one["message"] for one in messages[-1]["problems"])]
    assert any("b" in word for word in words)
    assert names == ["eu", "eu"]


def test_each_target_says_which_builds_it_sends(tmp_path: Path) -> None:
    """As soon as it is planned; one without changes sends none. A run opens its sources together with the others."""
    shared = WatchedSources()
    fill(tmp_path, "us", "a")
    catalogs = {"eu": declare_several(tmp_path, "eu", "a", "b"), "us": declare_several(tmp_path, "us", "a")}
    crew = Crew(tmp_path, catalogs, shared)
    crew.plan("eu")
    crew.plan("us")
    assert shared.expected == {"eu": {"a.raw": 1, "b.raw": 1}, "us": {}}
    crew.apply("eu")
    assert shared.joined == ["eu begins", "eu ends"]
    assert shared.most > 0


@pytest.mark.parametrize(
    ("other", "parallel", "most"),
    [("has steps", None, 1), ("has steps", 1, 2), ("unchanged", None, 2), ("refused", None, 2), ("failed", None, 2),
     ("has ended", None, 2), ("is alone", None, 2)],
)  # fmt: skip
def test_a_target_leaves_room_for_others_that_have_steps(
    tmp_path: Path, other: str, parallel: int | None, most: int
) -> None:
    """Two steps at a time: a target has both, except if another one may begin soon. ``parallel`` 1: it cannot."""
    shared = WatchedSources()
    fill(tmp_path, "us", "a", "b", "c")
    subject: Catalog | ImagesyncError = UsageError("no plan")
    if other != "failed":
        keys = {"unchanged": "abc", "refused": "a"}.get(other, "abcd")
        subject = declare_several(tmp_path, "us", *keys, policy={"max_delete": 0})
    catalogs: dict[str, Any] = {"eu": declare_several(tmp_path, "eu", "x", "y", "z"), "us": subject}
    crew = Crew(tmp_path, catalogs, shared, parallel, settings=Settings(jobs=2))
    crew.carry_out(Verb.PLAN, "us")
    crew.plan("eu")
    if other == "has ended":
        crew.apply("us", "eu", "us")
    shared.pause = 0.3 if most == 1 else 10
    crew.apply("eu", *(("eu",) if other == "is alone" else ("eu", "us")))
    assert shared.most == most


def test_a_saved_plan_is_carried_out_exactly(tmp_path: Path) -> None:
    """It is not made again, and has the limits of the order; a plan that is stale is a problem."""
    fill(tmp_path, "eu", "a", "b")
    made, _ = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a", "c", policy={"max_delete": "100%"})}).plan()
    declare_several(tmp_path, "eu", "a")
    limits: list[Policy] = []

    def limit(policy: Policy) -> Policy:
        limits.append(policy)
        return replace(policy, max_delete=Limit(0, percent=False)) if len(limits) > 1 else policy

    order: dict[str, Any] = {"limit": limit, "find_reviewed": lambda _target: pytest.fail("a saved plan is reviewed")}
    crew, limited = (Crew(tmp_path, {"eu": made}, **order) for _ in range(2))
    assert crew.plan() == (made, ())
    assert len(limited.find_problems(Verb.PLAN)) == 1
    assert limits == [AS_PLANNED, AS_PLANNED]
    messages = crew.apply()
    assert messages[0] == {"event": "run"}
    assert sorted(messages[-1]["ids"]) == ["a", "c"]
    assert crew.find_problems(Verb.APPLY) != []


def test_a_saved_plan_whose_file_is_gone_is_a_problem_of_its_target(tmp_path: Path) -> None:
    """Before anything is written."""
    made, _ = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}).plan()
    (tmp_path / "a.raw").unlink()
    (message,) = Crew(tmp_path, {"eu": made}).find_problems(Verb.PLAN)
    assert "a.raw" in message


def test_a_run_reports_its_steps_and_the_images_after_it(tmp_path: Path) -> None:
    """The plan is not sent again if it is the one that was shown."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")})
    made, _ = crew.plan()
    messages = crew.apply()
    events = [one["event"] for one in messages]
    assert (messages[0], events[1], events[-2:]) == ({"event": "run"}, "started", ["finished", "ended"])
    with open_backend(store=tmp_path / "eu") as backend:
        (image,) = backend.inventory("base", ())
    assert messages[-1]["ids"] == {"a": image.id}
    assert [one["step"] for one in messages[-1]["report"]["results"]] == [step.id for step in made.steps]


def test_a_held_lease_is_a_problem_with_the_command_that_breaks_it(tmp_path: Path) -> None:
    """The command of this target."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, unlock=lambda name: f"break-lease-of {name}")
    crew.plan()
    with (
        open_backend(store=tmp_path / "eu") as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print, is_new=lambda: True),
    ):
        (*_, ended) = crew.carry_out(Verb.APPLY)
    assert "break-lease-of eu" in json.dumps(ended["problems"])


def test_every_source_is_opened_by_the_rules_of_the_order(tmp_path: Path) -> None:
    """For a catalog, and for a saved plan."""
    access = SourceAccess(("images.example",), min_rate=5)
    shared = WatchedSources()
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, shared, access=access)
    made, _ = crew.plan()
    crew.apply()
    saved = Crew(
        tmp_path, {"us": replace(made, target_name="us", target=find_identity(tmp_path, "us"))}, shared, access=access
    )
    saved.plan("us")
    saved.apply("us")
    assert shared.access == [access, access]


def find_identity(folder: Path, target: str) -> Identity:
    """The place of a target."""
    with open_backend(store=folder / target) as backend:
        return backend.identity()


def test_a_plan_asks_only_the_hosts_of_the_order(tmp_path: Path) -> None:
    """Another host gets no request: it is an error of its image."""
    digest = "a" * 64
    source = {"url": "http://127.0.0.1:1/a", "checksum": f"sha256:{digest}"}
    images = {"a": {"source": source, "disk_format": "raw", "container_format": "bare"}}
    document = {"version": 1, "catalog": "base", "targets": {"eu": {"store": "eu"}}, "images": images}
    (tmp_path / "m.yaml").write_text(json.dumps(document))
    wanted = read_catalog(tmp_path / "m.yaml", target="eu")
    errors = [
        [error.problem.message for error in Crew(tmp_path, {"eu": wanted}, access=access).plan()[0].errors]
        for access in (SourceAccess(asks_sources=False), SourceAccess(("other.example",)))
    ]
    assert errors == [[], ["http://127.0.0.1:1/a: 127.0.0.1 is not named by --source-hosts"]]


def test_a_run_without_shared_sources_opens_its_own(tmp_path: Path) -> None:
    """And a target whose plan has a bug sends no builds, so the others do not wait for it."""
    shared = WatchedSources()

    def make(_given: Any) -> Plan:
        raise ZeroDivisionError

    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")}, shared, make=make)
    (ended,) = crew.carry_out(Verb.PLAN)
    assert "ZeroDivisionError" in ended["bug"]
    assert shared.expected == {"eu": {}}
    plain = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")})
    plain.plan()
    plain.apply()
    assert shared.joined == []


@pytest.mark.parametrize("verb", list(Verb)[:2])
def test_a_cancellation_before_the_plan_does_not_stop_it(tmp_path: Path, verb: Verb) -> None:
    """A plan changes nothing; the run decides what to do with it. An apply ends at once."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")})
    crew.cancelled.set()
    events = [one["event"] for one in crew.carry_out(verb)]
    assert events == (["planned", "ended"] if verb is Verb.PLAN else ["ended"])


def test_a_target_that_is_applied_without_a_plan_is_a_bug(tmp_path: Path) -> None:
    """The run must plan it first; nothing is written."""
    crew = Crew(tmp_path, {"eu": declare_several(tmp_path, "eu", "a")})
    (ended,) = crew.carry_out(Verb.APPLY)
    assert (ended["event"], ended["report"], ended["problems"]) == ("ended", None, [])
    assert ended["bug"].startswith("Traceback")
