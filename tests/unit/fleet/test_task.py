"""What a worker decides about its task: whether the plan is the approved one, and what may be done for a target."""

import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagesync.backends import open_backend
from imagesync.errors import ImagesyncError, ManifestError, PlanRefused, StalePlan, UsageError
from imagesync.fleet.assignment import Assignment, FleetOrder, Limits, ManifestTexts
from imagesync.fleet.inbound import Account
from imagesync.fleet.task import Outlet, carry_out, check_version, explain_stop, is_released, is_same_plan
from imagesync.lease.record import USUAL
from imagesync.lease.taking import hold
from imagesync.model.policy import Limit
from imagesync.render.problems import list_problems
from imagesync.targets.messages import CHANGED, ENDED, PLANNED, Task, Verb, encode_ended, encode_planned
from imagesync.version import __version__
from tests.unit.factories import catalog, inventory, live, plan, spec
from tests.waiting import wait_until

Json = dict[str, Any]
IMAGES = "{one: {source: none}}"
TWO_IMAGES = "{one: {source: none}, two: {source: none}}"


class WorkerHost:
    """A worker's host with the store of target ``a``."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"

    def make(self, verb: Verb, images: str = IMAGES, **more: Any) -> Assignment:
        """A task for the target. ``more``: of the order, of its texts, or of the assignment."""
        head = "version: 1\ncatalog: base\ndefaults: {disk_format: raw, container_format: bare}\n"
        text = f"{head}targets: {{a: {{store: {self.store}}}}}\nimages: {images}\n"
        files = {"m.yaml": more.pop("text", text)}
        of_texts = {
            name: more.pop(name)
            for name in ("values", "only", "strict", "allow_outside", "out", "hosts", "asks_sources")
            if name in more
        }
        texts = ManifestTexts(files, "m.yaml", "/catalog", "", **{"out": "/catalog", "allow_outside": True, **of_texts})
        of_assignment = {name: more.pop(name) for name in ("approved", "reviewed", "unlock") if name in more}
        order = FleetOrder(__version__, "ab", texts, **{"creates_stores": True, **more})
        return Assignment(Task("a", verb, ("a",)), order, **{"unlock": "imagesync unlock", **of_assignment})

    def carry(self, verb: Verb, images: str = IMAGES, *, is_cancelled: bool = False, **more: Any) -> list[Json]:
        """The messages of a task."""
        sent: list[Json] = []
        cancelled = threading.Event()
        if is_cancelled:
            cancelled.set()
        carry_out(self.make(verb, images, **more), lambda one: sent.append(json.loads(json.dumps(one))), cancelled)
        return sent

    def apply(self, images: str = IMAGES, **more: Any) -> list[str]:
        """The events of a run for the target."""
        return [one["event"] for one in self.carry(Verb.APPLY, images, **more)]

    def plan(self, images: str = IMAGES, **more: Any) -> Json:
        """The document of a plan, as the user of the command approves it."""
        planned, ended = self.carry(Verb.PLAN, images, **more)
        assert (planned["event"], ended["event"], ended["problems"]) == (PLANNED, ENDED, [])
        document: Json = planned["plan"]
        return document

    def list_images(self) -> list[str]:
        """The names of the images of the store, without leases."""
        if not self.store.exists():
            return []
        with open_backend(store=self.store) as backend:
            return sorted(str(one.name) for one in backend.images() if one.properties.get("imagesync_role") != "lease")


@pytest.fixture
def site(tmp_path: Path) -> WorkerHost:
    """A host whose store does not exist yet."""
    return WorkerHost(tmp_path)


def test_the_approved_plan_is_applied_without_a_word(site: WorkerHost) -> None:
    """Also without an approved one, because ``--yes`` may skip the question."""
    events = site.apply(approved=site.plan())
    assert (events[0], events[-1], CHANGED in events) == ("run", ENDED, False)
    assert site.list_images() == ["one"]
    assert CHANGED not in site.apply(TWO_IMAGES)
    assert site.list_images() == ["one", "two"]


def test_a_store_that_was_missing_when_it_was_planned_is_the_same_place(site: WorkerHost) -> None:
    """A first attempt may have created it."""
    approved = site.plan()
    site.apply("{}")
    assert site.store.exists()
    assert CHANGED not in site.apply(approved=approved)
    assert site.list_images() == ["one"]


@pytest.mark.parametrize("accepts_changes", [False, True])
@pytest.mark.parametrize(
    "other",
    [{"location": "/stores/b"}, {"region": "two"}, {"kind": "cloud"}, {"project_id": "p2"}],
    ids=lambda other: next(iter(other)),
)
def test_an_equal_plan_is_not_applied_to_another_place(site: WorkerHost, other: Json, accepts_changes: bool) -> None:
    """A second worker of the target has another cloud under its name, and the user did not approve that one."""
    approved = site.plan()
    approved["target"] |= other
    with pytest.raises(UsageError, match="the plan was made for") as raised:
        site.apply(approved=approved, accepts_changes=accepts_changes)
    assert "give all workers of this target the same cloud" in raised.value.hint
    assert site.list_images() == []


def test_a_change_that_was_not_approved_is_not_applied(site: WorkerHost) -> None:
    """The whole target is left as it is."""
    with pytest.raises(StalePlan, match="create two is not in the reviewed plan"):
        site.apply(TWO_IMAGES, approved=site.plan())
    assert site.list_images() == []


def test_a_change_that_was_not_approved_is_applied_if_the_user_accepts_changes(site: WorkerHost) -> None:
    """The user gets the plan, before anything is done."""
    found = site.carry(Verb.APPLY, TWO_IMAGES, approved=site.plan(), accepts_changes=True)
    assert found[0]["event"] == CHANGED
    assert [step["key"] for step in found[0]["plan"]["steps"]] == ["one", "two"]
    assert site.list_images() == ["one", "two"]


def test_fewer_changes_than_approved_are_applied(site: WorkerHost) -> None:
    """A lost worker did the others. The user gets the plan."""
    approved = site.plan(TWO_IMAGES)
    site.apply()
    found = site.carry(Verb.APPLY, TWO_IMAGES, approved=approved)
    assert found[0]["event"] == CHANGED
    assert [step["key"] for step in found[0]["plan"]["steps"]] == ["two"]
    assert site.list_images() == ["one", "two"]


def make_planned(**more: Any) -> Json:
    """The message with the plan of an update, which relies on an image."""
    wanted = spec("a", properties={"x": "2"})
    made = plan(catalog(wanted), inventory(live(spec("a", properties={"x": "1"}))))
    return as_message(replace(made, **more))


def as_message(made: Any) -> Json:
    """The message with a plan as it arrives."""
    document: Json = json.loads(json.dumps(encode_planned(made, folder="/out")))
    return document


def test_what_makes_two_plans_equal() -> None:
    """The clock, notes and folders make no difference; catalog, steps and what they rely on do."""
    planned = make_planned()
    assert planned["plan"]["steps"]
    assert planned["plan"]["relies"]
    same = make_planned(made="2020-01-01T00:00:00+00:00", notes=("x",), manifest_digest="0" * 64)["plan"]
    assert same != planned["plan"]
    assert is_same_plan(planned, same, accepts_changes=False)
    for name, other in {"catalog": "other", "relies": []}.items():
        assert not is_same_plan(planned, {**planned["plan"], name: other}, accepts_changes=False), name
    without = {**planned["plan"], "steps": []}
    assert not is_same_plan(planned, without, accepts_changes=True)
    with pytest.raises(StalePlan):
        is_same_plan(planned, without, accepts_changes=False)


def test_a_plan_of_another_kind_is_another_plan() -> None:
    """Without steps they are equal in all other respects."""
    planned = as_message(plan(catalog(spec("a")), inventory(live(spec("a")))))
    other = {**planned["plan"], "kind": "stage"}
    assert not is_same_plan(planned, other, accepts_changes=True)
    with pytest.raises(StalePlan, match="of kind"):
        is_same_plan(planned, other, accepts_changes=False)


def test_a_plan_that_the_policy_refuses_is_not_applied(site: WorkerHost) -> None:
    """The limits are those of the command, also if the plan was approved and the user accepts changes."""
    site.apply()
    images = "{one: {source: none, name: other}}"
    approved = site.plan(images)
    limits = Limits(max_update=Limit(0, percent=False))
    for more in ({}, {"approved": approved}, {"approved": approved, "accepts_changes": True}):
        with pytest.raises(PlanRefused, match="the plan would update 1 of 1 live images"):
            site.apply(images, limits=limits, **more)
    assert site.list_images() == ["one"]
    assert site.apply(images, approved=approved)[-1] == ENDED
    assert site.list_images() == ["other"]


def test_a_target_that_cannot_be_planned_is_not_applied(site: WorkerHost) -> None:
    """The end of the task has the problem."""
    site.store.write_text("no store")
    (ended,) = site.carry(Verb.APPLY)
    assert ended["event"] == ENDED
    assert ended["problems"]


def test_a_canceled_task_applies_nothing(site: WorkerHost) -> None:
    """It ends without a report."""
    (ended,) = site.carry(Verb.APPLY, is_cancelled=True)
    assert (ended["event"], ended["report"], ended["problems"]) == (ENDED, None, [])
    assert site.list_images() == []


@pytest.mark.parametrize("verb", [Verb.PLAN, Verb.APPLY])
def test_a_change_that_was_not_reviewed_is_refused(site: WorkerHost, verb: Verb) -> None:
    """The plan says why; the run does nothing."""
    reviewed = site.plan()
    if verb is Verb.PLAN:
        assert "create two" in str(site.carry(verb, TWO_IMAGES, reviewed=reviewed)[0]["refusals"])
    else:
        with pytest.raises(PlanRefused, match="create two"):
            site.carry(verb, TWO_IMAGES, reviewed=reviewed)
    assert site.list_images() == []
    assert site.apply(reviewed=reviewed)[-1] == ENDED
    assert site.list_images() == ["one"]


def test_a_plan_creates_no_store(site: WorkerHost) -> None:
    """An order without the permission reads a missing one as empty."""
    assert len(site.plan(creates_stores=False)["steps"]) == 1
    assert not site.store.exists()


def test_drift_of_a_missing_store_is_an_error(site: WorkerHost) -> None:
    """Whatever the order says about stores; nothing is created."""
    with pytest.raises(ImagesyncError):
        site.carry(Verb.DRIFT)
    assert not site.store.exists()
    site.apply()
    drifted, ended = site.carry(Verb.DRIFT)
    assert (drifted["event"], drifted["report"]["checked"], ended) == ("drifted", 1, encode_ended())


def test_the_manifest_is_read_as_the_command_says(site: WorkerHost) -> None:
    """Values, chosen keys, warnings that are errors, and stores outside of the folder."""
    chosen = site.plan(TWO_IMAGES, only=("two",))
    assert [step["key"] for step in chosen["steps"]] == ["two"]
    head = "version: 1\ncatalog: base\nvalues: {word: x, unused: y}\n"
    text = f"{head}targets: {{a: {{store: {site.store}}}}}\nimages: {{one: {{source: none, name: '${{word}}'}}}}\n"
    assert "from-set" in json.dumps(site.plan(text=text, values={"word": "from-set"})["steps"])
    with pytest.raises(ManifestError, match="unused"):
        site.plan(text=text, strict=True)
    with pytest.raises(ManifestError, match="outside"):
        site.plan(allow_outside=False)


def test_a_plan_of_a_worker_is_accepted_by_the_command(site: WorkerHost) -> None:
    """Its digest is made after its paths became those of the user."""
    planned, _ = site.carry(Verb.PLAN, out="/")
    assert Account("a", "base").check(planned) == planned


def test_the_temporary_folder_is_deleted(site: WorkerHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the manifests of the user, so also after an error."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    site.plan()
    assert list(folder.iterdir()) == []
    with pytest.raises(UsageError):
        site.plan(text="version: 2")
    assert list(folder.iterdir()) == []


def test_a_command_of_another_version_is_refused() -> None:
    """The message has both versions and the worker."""
    check_version(__version__, "w1")
    with pytest.raises(UsageError, match=f"worker w1 has imagesync {__version__}, and this command has 0.0.1"):
        check_version("0.0.1", "w1")


@pytest.mark.parametrize(
    ("state", "is_so"),
    [("cancelled", True), ("released", True), ("forgotten", True), ("executing", False), ("resumed", False)],
)
def test_a_task_that_is_no_longer_wanted(state: str, is_so: bool) -> None:
    """Also one that the worker no longer knows."""
    assert is_released(SimpleNamespace(state=state)) is is_so
    assert is_released(None)


def test_a_stopping_worker_explains_only_an_end_without_a_reason() -> None:
    """A task that has not begun a report ends because of the stop; one with a problem has its reason."""
    assert explain_stop(encode_ended(), "w1")["problems"]
    failed = encode_ended(problems=list_problems(UsageError("no plan", "make one")))
    assert explain_stop(failed, "w1") == failed


class Events:
    """A worker that notes what it publishes."""

    name = "w1"

    def __init__(self) -> None:
        self.found: list[tuple[str, Json]] = []

    def log_event(self, topic: str, text: str) -> None:
        self.found.append((topic, json.loads(text)))


@pytest.fixture
def outlet(site: WorkerHost) -> tuple[Events, Callable[[Mapping[str, Any]], None]]:
    """What a worker publishes, and the function that publishes a message of an apply."""
    events = Events()
    return events, Outlet(events, site.make(Verb.APPLY).encode()).send


def test_a_message_says_what_it_is_about(outlet: tuple[Events, Callable[[Mapping[str, Any]], None]]) -> None:
    """Target, verb, attempt and number, in the topic of the run."""
    events, send = outlet
    send({"event": "run"})
    send({"event": "warning", "text": "x"})
    (first, one), (second, two) = events.found
    assert first == second == "imagesync-ab-a"
    assert (one["target"], one["verb"], one["number"], two["number"]) == ("a", "apply", 1, 2)
    assert one["attempt"] == two["attempt"] != ""
    assert two["document"] == {"event": "warning", "text": "x"}


def test_two_attempts_differ(site: WorkerHost) -> None:
    """The command ignores the messages of earlier ones."""
    events = Events()
    for _ in range(2):
        Outlet(events, site.make(Verb.APPLY).encode()).send({"event": "run"})
    assert len({one["attempt"] for _, one in events.found}) == 2


def test_only_messages_about_progress_are_left_out(outlet: tuple[Events, Callable[[Mapping[str, Any]], None]]) -> None:
    """Those that come soon after another one of the same step."""
    events, send = outlet
    for step in ("a", "a", "b"):
        send({"event": "progress", "step": step})
    for _ in range(2):
        send({"event": "finished", "step": "a"})
    sent = [(one["document"]["event"], one["document"]["step"]) for _, one in events.found]
    assert sent == [("progress", "a"), ("progress", "b"), ("finished", "a"), ("finished", "a")]
    assert [one["number"] for _, one in events.found] == [1, 2, 3, 4]


def test_a_held_lease_is_explained_as_at_the_users(site: WorkerHost) -> None:
    """With the command of the assignment that breaks it, after the time of the order."""
    site.apply()
    with (
        open_backend(store=site.store) as backend,
        hold(backend, "base", timeout=0, times=USUAL, unlock="", warn=print, is_new=lambda: True),
    ):
        found = site.carry(Verb.APPLY, TWO_IMAGES, unlock="break-the-lease --of a", lock_timeout=0)
    (ended,) = found  # a run that may wait says so first
    assert "break-the-lease --of a" in json.dumps(ended["problems"])
    assert ended["report"] is None
    assert site.list_images() == ["one"]


def test_a_run_without_the_permission_does_not_create_a_store(site: WorkerHost) -> None:
    """It has a problem; with the permission, the store is created."""
    messages = site.carry(Verb.APPLY, creates_stores=False)
    assert (bool(messages[-1]["problems"]), messages[-1]["bug"]) == (True, "")
    assert not site.store.exists()
    assert site.apply(creates_stores=True)[-1] == ENDED
    assert site.list_images() == ["one"]


def test_a_worker_contacts_only_the_hosts_of_the_order(site: WorkerHost) -> None:
    """Another host of a manifest is a problem before any request."""
    images = "{one: {source: {url: 'https://images.example/a', checksum: 'sha256:" + "a" * 64 + "'}}}"
    assert len(site.plan(images, hosts=("images.example",), asks_sources=False)["steps"]) == 1
    with pytest.raises(ManifestError, match=r"images\.example"):
        site.plan(images, hosts=("other.example",), asks_sources=False)


def test_the_problems_of_a_worker_have_the_paths_of_the_user(site: WorkerHost) -> None:
    """In each message, also deep inside; nothing else is changed."""
    site.store.write_text("no store")
    (ended,) = site.carry(Verb.PLAN)
    assert (ended["event"], ended["report"], ended["ids"], ended["bug"]) == (ENDED, None, {}, "")
    assert "imagesync-fleet-" not in json.dumps(ended)


def test_a_stopping_worker_gives_the_reason_and_what_to_do() -> None:
    """With the report as it is; a report that is whole, and one with a problem, stay."""
    report = {"results": [{"step": "x"}], "interrupted": True, "stopped": "", "leftover": ["y"]}
    ended = {**encode_ended(ids={"a": "1"}), "report": report}
    stopped = explain_stop(ended, "w2")
    text = "worker w2 was stopped while it worked for this target"
    hint = "run the command again; it continues from the current state"
    (problem,) = stopped["problems"]
    assert (problem["message"], problem["hint"]) == (text, hint)
    assert {**stopped, "problems": []} == ended
    whole = {**ended, "report": {**report, "interrupted": False}}
    assert explain_stop(whole, "w2") == whole
    failed = {**ended, "problems": list(encode_ended(problems=list_problems(UsageError("no", "x")))["problems"])}
    assert explain_stop(failed, "w2") == failed


def test_progress_of_a_step_is_sent_again_after_a_while(
    outlet: tuple[Events, Callable[[Mapping[str, Any]], None]],
) -> None:
    """At once after its first message nothing is sent; the newest message comes when the time is over."""
    events, send = outlet
    sent = 0

    def send_more() -> int:
        nonlocal sent
        sent += 1
        send({"event": "progress", "step": "a", "sent_bytes": sent})
        return len(events.found)

    wait_until(send_more, lambda count: count == 2, "the progress is sent again")
    assert [one["document"]["sent_bytes"] for _, one in events.found] == [1, sent]
    assert sent > 2


def test_the_versions_of_an_assignment_are_known_before_it_is_read(site: WorkerHost) -> None:
    """Another version may write it in another form; so only these values are read."""
    document = json.loads(site.make(Verb.DRIFT).encode())
    order = {"version": "9", "run": "cd"}
    outlet = Outlet(Events(), json.dumps({"task": {"target": "b", "verb": "later"}, "order": order, "more": 1}))
    assert (outlet.version, outlet.name, outlet.target, outlet.verb) == ("9", "w1", "b", "later")
    own = Outlet(Events(), json.dumps(document))
    assert (own.version, own.name, own.target, own.verb) == (__version__, "w1", "a", "drift")
