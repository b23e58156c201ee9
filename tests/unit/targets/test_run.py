"""When each target of a run starts, and what its outcome is: with a scripted carrier, without threads and clocks."""

import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.plan import Kind
from imagesync.model.policy import Limit
from imagesync.model.report import Finished, Outcome, Report, Started, StepResult
from imagesync.model.targets import TargetOutcome, TargetRun, judge_run
from imagesync.render.place import describe_target
from imagesync.targets.messages import CHANGED, LOST_WHY, RUN, Verb, encode_ended, encode_event, encode_planned
from imagesync.targets.run import NO_FAILURE, PATIENCE, TICK, TargetPlans, TargetRuns, refuse_wave
from tests.unit.targets.scripted_carrier import Remembered, ScriptedCarrier, plan_for

EU, US, AP = plan_for("eu", "a"), plan_for("us", "a"), plan_for("ap", "a", "b")
LOST = encode_ended(problems=[Diagnostic("", 0, 0, "", "no route", "check it")])


class ScriptedRuns:
    """A run of several targets over a scripted carrier."""

    def __init__(self, waves: Mapping[str, int], *, max_failed: Limit = Limit(0), approves: bool = True) -> None:  # noqa: B008
        self.carrier, self.audience, self.cancelled = ScriptedCarrier(), Remembered(approves), threading.Event()
        self.run = TargetRuns(
            self.carrier,
            waves,
            self.audience,
            cancelled=self.cancelled,
            max_failed=max_failed,
            clock=lambda: self.carrier.seconds,
        )

    def outcomes(self, *, asks: bool = False) -> dict[str, str]:
        """Carry it out, and check what is true of every run."""
        runs = self.run.apply(asks=asks)
        assert runs is not None
        self.runs = {run.target: run for run in runs}
        self._check(asks=asks)
        return {run.target: run.outcome.value for run in runs}

    def _check(self, *, asks: bool) -> None:
        """Each target has one run, in its wave; it was shown before, and submitted at most once."""
        assert [(name, run.wave) for name, run in self.runs.items()] == list(self.run.waves.items())
        calls, applied = self.audience.calls, self.carrier.applied()
        ends = [one[1:] for one in calls if one[0] == "end"]
        assert sorted(ends) == sorted((name, run.outcome.value) for name, run in self.runs.items())
        assert len(set(applied)) == len(applied)
        assert calls.count(("begin",)) == bool(applied)
        assert sum(one[0] == "approve" for one in calls) <= asks
        names = self.list_shown()
        assert len(set(names)) == len(names)
        assert {*applied} <= {*names}

    def list_shown(self) -> list[str]:
        """The targets that were shown, in order."""
        return [name for one in self.audience.calls if one[0] == "show" for name in one[1:]]


def test_all_plans_are_made_at_once_the_first_wave_first_and_returned_in_order() -> None:
    """The order of the manifest, not of the answers."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 1, "us": 0, "ap": 0})
    carrier.then(lambda: carrier.planned(AP, refusals=["too many"]), lambda: carrier.planned(EU))
    carrier.then(lambda: carrier.answer("us", Verb.PLAN, LOST))
    eu, us, ap = plans.plan()
    assert [(task.target, task.verb) for task in carrier.tasks] == [(name, Verb.PLAN) for name in ("us", "ap", "eu")]
    assert (eu.target, eu.plan, eu.wave, eu.problems, eu.refusals) == ("eu", EU, 1, (), ())
    assert (us.target, us.plan, us.problems) == ("us", None, (Diagnostic("", 0, 0, "", "no route", "check it"),))
    assert (ap.plan, ap.refusals) == (AP, ("too many",))
    assert set(plans.documents) == {"eu", "ap"}


@pytest.mark.parametrize("order", ["us eu", "eu us"])
def test_targets_that_turn_out_to_be_one_place_are_refused(order: str) -> None:
    """Their names in clouds.yaml may differ: only the services know. They are named in the order of the manifest."""
    carrier, same = ScriptedCarrier(), {"us": replace(US, target=EU.target), "eu": EU}
    plans = TargetPlans(carrier, {"us": 0, "eu": 0, "ap": 0})
    carrier.then(lambda: carrier.planned(*(same[name] for name in order.split()), AP))
    us, eu, ap = plans.plan()
    assert eu.problems == us.problems
    assert [problem.message.partition(":")[0] for problem in us.problems] == ["targets us and eu are the same place"]
    assert ap.problems == ()


def test_other_messages_about_a_plan_are_not_its_end() -> None:
    """For example a warning; the target is planned when its plan has come."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 0})
    carrier.then(lambda: carrier.answer("eu", Verb.PLAN, {"event": "warning", "text": "slow"}))
    carrier.then(lambda: carrier.planned(EU))
    (eu,) = plans.plan()
    assert (eu.plan, eu.problems) == (EU, ())


@pytest.mark.parametrize("order", ["eu us", "us eu"])
def test_the_speed_of_the_services_does_not_decide_which_of_two_targets_a_place_gets(order: str) -> None:
    """Neither, unless the first was applied before the second was planned; another target is applied."""
    plans = {"eu": EU, "us": replace(US, target=EU.target)}
    runs = ScriptedRuns({"eu": 1, "us": 1, "ap": 0})
    first, second = (plans[name] for name in order.split())
    runs.carrier.then(lambda: runs.carrier.planned(first), *[lambda: None] * 4, lambda: runs.carrier.planned(second))
    runs.carrier.then(lambda: runs.carrier.planned(AP), *[lambda: None] * 4, lambda: runs.carrier.done(AP))
    assert runs.outcomes() == {"eu": "failed", "us": "failed", "ap": "done"}
    messages = [[problem.message.partition(":")[0] for problem in runs.runs[name].problems] for name in plans]
    assert messages == [["targets eu and us are the same place"]] * 2


def test_a_target_whose_place_is_being_changed_is_refused_alone() -> None:
    """The first continues."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU), *[lambda: None] * 4)
    runs.carrier.then(lambda: runs.carrier.planned(replace(US, target=EU.target)), lambda: runs.carrier.done(EU))
    assert runs.outcomes() == {"eu": "done", "us": "failed"}


def test_a_target_that_has_ended_keeps_its_outcome_if_another_is_the_same_place() -> None:
    """The second one is refused."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU), *[lambda: None] * 4, lambda: runs.carrier.done(EU))
    runs.carrier.then(lambda: runs.carrier.planned(replace(US, target=EU.target)))
    assert runs.outcomes() == {"eu": "done", "us": "failed"}
    assert runs.runs["eu"].problems == ()
    assert len(runs.runs["us"].problems) == 1


def test_a_bug_in_a_worker_is_a_problem_of_its_target_and_is_kept() -> None:
    """The others continue."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 0, "us": 0})
    carrier.then(lambda: carrier.planned(EU))
    end = encode_ended(bug="Traceback\n  x\nKeyError: 'a'\n", problems=[Diagnostic("", 0, 0, "", "no route", "")])
    carrier.then(lambda: carrier.answer("us", Verb.PLAN, end))
    eu, us = plans.plan()
    assert eu.problems == ()
    assert [problem.message for problem in us.problems] == ["no route", "a bug in imagesync: KeyError"]
    assert plans.bugs == ["Traceback\n  x\nKeyError: 'a'\n"]


def test_after_one_approval_all_targets_start() -> None:
    """All plans are shown before; the tasks name those that share the limits."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    pauses = [lambda: None] * int(PATIENCE / TICK + 1)
    runs.carrier.then(lambda: runs.carrier.planned(EU), *pauses, lambda: runs.carrier.planned(US))
    runs.carrier.then(lambda: runs.carrier.done(US, EU))
    assert runs.outcomes(asks=True) == {"eu": "done", "us": "done"}
    assert runs.audience.calls[:3] == [("show", "eu", "us"), ("approve", "eu", "us"), ("begin",)]
    assert [(task.target, task.peers) for task in runs.carrier.tasks[2:]] == [
        ("eu", ("eu", "us")),
        ("us", ("eu", "us")),
    ]
    assert runs.runs["eu"].ids == {"a": "id-1"}


def test_a_target_without_changes_waits_for_no_wave() -> None:
    """It is unchanged, also if its wave does not start."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 1})
    runs.carrier.then(lambda: runs.carrier.planned(EU, plan_for("us"), AP))
    runs.carrier.then(lambda: runs.carrier.done(EU, outcome=Outcome.FAILED))
    assert runs.outcomes(asks=True) == {"eu": "failed", "us": "unchanged", "ap": "not-started"}


def test_a_target_that_will_not_start_is_not_asked_for() -> None:
    """An earlier wave has failed already."""
    runs = ScriptedRuns({"eu": 0, "us": 0, "ap": 1})
    runs.carrier.then(lambda: runs.carrier.planned(EU, AP), lambda: runs.carrier.answer("us", Verb.PLAN, LOST))
    runs.carrier.then(lambda: runs.carrier.done(EU))
    assert runs.outcomes(asks=True) == {"eu": "done", "us": "failed", "ap": "not-started"}
    assert ("approve", "eu") in runs.audience.calls
    alone = ScriptedRuns({"us": 0, "ap": 1})
    alone.carrier.then(lambda: alone.carrier.planned(AP), lambda: alone.carrier.answer("us", Verb.PLAN, LOST))
    assert alone.outcomes(asks=True) == {"us": "failed", "ap": "not-started"}
    assert "approve" not in [one[0] for one in alone.audience.calls]


def test_without_the_approval_nothing_starts() -> None:
    """The result is None."""
    runs = ScriptedRuns({"eu": 0, "us": 0}, approves=False)
    runs.carrier.then(lambda: runs.carrier.planned(EU, US))
    assert runs.run.apply(asks=True) is None
    assert runs.carrier.applied() == []


def test_nobody_is_asked_if_no_target_has_a_step() -> None:
    """All are unchanged."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(plan_for("eu"), plan_for("us")))
    assert runs.outcomes(asks=True) == {"eu": "unchanged", "us": "unchanged"}
    assert [one[0] for one in runs.audience.calls] == ["show", "end", "end"]


def test_a_hanging_target_delays_no_other_of_a_run_without_questions() -> None:
    """It starts when it is planned at last."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    pauses = [lambda: None] * int(PATIENCE / TICK + 1)
    runs.carrier.then(lambda: runs.carrier.planned(US), *pauses, lambda: runs.carrier.done(US))
    runs.carrier.then(lambda: runs.carrier.planned(EU), lambda: runs.carrier.done(EU))
    assert runs.outcomes() == {"eu": "done", "us": "done"}
    calls = runs.audience.calls
    assert calls.index(("end", "us", "done")) < calls.index(("show", "eu"))


def test_plans_that_come_soon_after_the_first_are_shown_with_it() -> None:
    """A run without a question waits for others, each time when a plan comes after some were shown; then it shows all."""
    runs = ScriptedRuns({"eu": 0, "us": 0, "ap": 0, "x": 0, "late": 0})
    x, late = plan_for("x", "a"), plan_for("late", "a")
    seen: list[list[str]] = []

    def look() -> None:
        seen.append(runs.list_shown())

    runs.carrier.then(look, look, lambda: runs.carrier.planned(EU), look, lambda: runs.carrier.planned(US), look, look)
    runs.carrier.then(look, lambda: runs.carrier.planned(AP), look, lambda: runs.carrier.planned(x), look, look)
    runs.carrier.then(lambda: runs.carrier.planned(late), lambda: runs.carrier.done(EU, US, AP, x, late))
    runs.outcomes()
    both, four = ["eu", "us"], ["eu", "us", "ap", "x"]
    assert seen == [[], [], [], [], both, both, both, both, four]
    assert runs.list_shown() == [*four, "late"]


def test_a_run_with_a_question_waits_for_every_plan() -> None:
    """However long that takes; nothing starts before the answer."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    seen: list[object] = []
    runs.carrier.then(lambda: runs.carrier.planned(EU), *[lambda: None] * 20)
    runs.carrier.then(lambda: seen.extend([*runs.audience.calls, *runs.carrier.applied()]))
    runs.carrier.then(lambda: runs.carrier.planned(US), lambda: runs.carrier.done(EU, US))
    assert runs.outcomes(asks=True) == {"eu": "done", "us": "done"}
    assert seen == []


def test_a_target_whose_planning_ends_without_a_plan_and_without_a_problem_has_failed() -> None:
    """No worker should do that; the others continue."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU), lambda: runs.carrier.answer("us", Verb.PLAN, encode_ended()))
    runs.carrier.then(lambda: runs.carrier.done(EU))
    assert runs.outcomes() == {"eu": "done", "us": "failed"}


def test_the_images_before_a_run_are_those_of_its_plan() -> None:
    """Also of a target that does not start; a stage run says nothing about current images, nor does a target without plan."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 1, "dead": 0})
    plans = [replace(EU, ids={"a": "e"}), replace(US, ids={"a": "u"}), replace(AP, ids={"a": "p"}, kind=Kind.STAGE)]
    runs.carrier.then(lambda: runs.carrier.planned(*plans), lambda: runs.carrier.answer("dead", Verb.PLAN, LOST))
    runs.carrier.then(lambda: runs.carrier.done(EU))
    outcomes = {"eu": "done", "us": "not-started", "ap": "not-started", "dead": "failed"}
    assert runs.outcomes(asks=True) == outcomes
    assert [runs.run.find_ids(name) for name in outcomes] == [{"a": "e"}, {"a": "u"}, {}, {}]
    assert [runs.runs[name].ids for name in ("us", "ap", "dead")] == [{"a": "u"}, {}, {}]
    assert len(runs.runs["us"].problems) == 1


def test_an_unchanged_target_keeps_its_images() -> None:
    """Its report has no steps; its wave is that of the manifest."""
    runs = ScriptedRuns({"eu": 3})
    runs.carrier.then(lambda: runs.carrier.planned(replace(plan_for("eu"), ids={"a": "e"})))
    assert runs.outcomes() == {"eu": "unchanged"}
    assert runs.runs["eu"].ids == {"a": "e"}
    assert runs.runs["eu"].report is not None
    assert runs.carrier.applied() == []


def test_the_runs_so_far_are_those_that_have_ended() -> None:
    """In the order of the manifest."""
    runs = ScriptedRuns({"us": 0, "eu": 0, "ap": 0})
    seen: list[list[str]] = []

    def look() -> None:
        seen.append([run.target for run in runs.run.list_runs()])

    runs.carrier.then(lambda: runs.carrier.planned(EU, US, AP), look, lambda: runs.carrier.done(EU), look)
    runs.carrier.then(lambda: runs.carrier.done(US), look, lambda: runs.carrier.done(AP))
    runs.outcomes()
    assert seen == [[], ["eu"], ["us", "eu"]]


def test_a_target_that_fails_stops_only_itself_and_the_next_waves() -> None:
    """An unreachable, a refused, a failed and a lost target; a problem says which targets failed."""
    runs = ScriptedRuns({"eu": 1, "us": 1, "ap": 1, "bad": 1, "x": 1, "late": 3})
    bad, x = plan_for("bad", "a"), plan_for("x", "a")
    runs.carrier.then(lambda: runs.carrier.planned(EU, US, x, plan_for("late", "a")))
    runs.carrier.then(lambda: runs.carrier.planned(bad, refusals=["too many"]))
    runs.carrier.then(lambda: runs.carrier.answer("ap", Verb.PLAN, LOST), lambda: runs.carrier.done(EU))
    runs.carrier.then(lambda: runs.carrier.done(US, outcome=Outcome.FAILED))
    runs.carrier.then(lambda: runs.carrier.done(x, stopped="the lease is lost"))
    found = runs.outcomes()
    assert found == {
        "eu": "done",
        "us": "failed",
        "ap": "failed",
        "bad": "failed",
        "x": "lost",
        "late": "not-started",
    }
    assert runs.carrier.applied() == ["eu", "us", "x"]
    (why,) = runs.runs["late"].problems
    assert why.message == "wave 3 was not started, because of failed targets before it: us, ap, bad, x"
    assert why.hint == "correct that and run again, or pass --max-failed-targets 4"
    assert [problem.message for problem in runs.runs["bad"].problems] == ["too many"]
    assert [problem.message for problem in runs.runs["ap"].problems] == ["no route"]


def test_a_wave_that_does_not_start_stops_all_later_ones() -> None:
    """Each target says which wave was not started; planned or not."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 1, "x": 2})
    runs.carrier.then(lambda: runs.carrier.planned(EU, US, AP), *[lambda: None] * 4)
    runs.carrier.then(lambda: runs.carrier.done(EU, outcome=Outcome.FAILED))
    assert runs.outcomes() == {"eu": "failed", "us": "not-started", "ap": "not-started", "x": "not-started"}
    problems = [runs.runs[name].problems[0].message for name in ("us", "ap", "x")]
    assert problems == ["wave 1 was not started, because of failed targets before it: eu"] * 3


@pytest.mark.parametrize(
    ("limit", "starts"),
    [
        (Limit(0, percent=False), False),
        (Limit(1, percent=False), True),
        (Limit(33, percent=True), False),
        (Limit(34, percent=True), True),
    ],
)
def test_the_next_wave_starts_if_not_too_many_targets_failed(limit: Limit, starts: bool) -> None:
    """A percentage is one of all targets of the run, rounded down."""
    runs = ScriptedRuns({"eu": 0, "us": 0, "ap": 1}, max_failed=limit)
    runs.carrier.then(lambda: runs.carrier.planned(EU, AP), lambda: runs.carrier.answer("us", Verb.PLAN, LOST))
    runs.carrier.then(lambda: runs.carrier.done(EU), lambda: runs.carrier.done(AP))
    assert runs.outcomes()["ap"] == ("done" if starts else "not-started")


def test_a_target_of_a_later_wave_that_failed_already_does_not_count() -> None:
    """It cannot be planned; its wave comes later."""
    runs = ScriptedRuns({"eu": 0, "ap": 1, "us": 2, "x": 3})
    runs.carrier.then(lambda: runs.carrier.planned(EU, AP, plan_for("x", "a")))
    runs.carrier.then(lambda: runs.carrier.answer("us", Verb.PLAN, LOST))
    runs.carrier.then(lambda: runs.carrier.done(EU), lambda: runs.carrier.done(AP))
    assert runs.outcomes() == {"eu": "done", "ap": "done", "us": "failed", "x": "not-started"}
    assert runs.runs["x"].problems[0].message == "wave 3 was not started, because of failed targets before it: us"


def test_a_target_that_failed_stops_no_other_of_its_wave() -> None:
    """Neither one that starts later, nor one that runs; whether it failed at its plan or during its steps."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 1, "bad": 1, "late": 2})
    bad, late = plan_for("bad", "a"), plan_for("late", "a")
    runs.carrier.then(
        lambda: runs.carrier.planned(EU, AP, bad, late), lambda: runs.carrier.answer("us", Verb.PLAN, LOST)
    )
    runs.carrier.then(lambda: runs.carrier.done(EU), lambda: runs.carrier.done(bad, outcome=Outcome.FAILED))
    runs.carrier.then(lambda: None, lambda: runs.carrier.done(AP))
    assert runs.outcomes() == {"eu": "done", "us": "failed", "ap": "done", "bad": "failed", "late": "not-started"}
    assert runs.carrier.applied() == ["eu", "ap", "bad"]
    assert runs.runs["late"].problems[0].message.endswith("because of failed targets before it: us, bad")


def test_a_target_whose_peer_failed_at_its_plan_is_asked_for() -> None:
    """It starts; only the next wave will not."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 1})
    runs.carrier.then(lambda: runs.carrier.planned(EU, AP), lambda: runs.carrier.answer("us", Verb.PLAN, LOST))
    runs.carrier.then(lambda: runs.carrier.done(EU), lambda: runs.carrier.done(AP))
    assert runs.outcomes(asks=True) == {"eu": "done", "us": "failed", "ap": "done"}
    assert ("approve", "eu", "ap") in runs.audience.calls


@pytest.mark.parametrize("outcome", TargetOutcome)
def test_a_failed_and_a_lost_target_stop_the_next_wave(outcome: TargetOutcome) -> None:
    """No other outcome does: an interruption ends the run in another way."""
    counts = outcome in (TargetOutcome.FAILED, TargetOutcome.LOST)
    assert (refuse_wave(1, [TargetRun("eu", outcome)], 1000, NO_FAILURE) is not None) == counts


@pytest.mark.parametrize(("wave", "starts"), [(2, False), (3, True), (4, True)])
def test_only_failures_before_a_wave_stop_it(wave: int, starts: bool) -> None:
    """Those in the wave itself and in later ones do not."""
    runs = [TargetRun("ok", TargetOutcome.DONE, wave=2), TargetRun("eu", TargetOutcome.FAILED, wave=wave)]
    assert (refuse_wave(3, runs, 9, NO_FAILURE) is None) == starts


@pytest.mark.parametrize(
    ("failed", "targets", "limit", "starts"),
    [
        (0, 4, Limit(0, percent=False), True),
        (1, 4, Limit(0, percent=False), False),
        (2, 4, Limit(2, percent=False), True),
        (3, 4, Limit(2, percent=False), False),
        (0, 4, Limit(0), True),
        (1, 4, Limit(0), False),
        (1, 4, Limit(24), False),
        (1, 4, Limit(25), True),
        (2, 4, Limit(49), False),
        (2, 4, Limit(50), True),
        (3, 3, Limit(99), False),
        (3, 3, Limit(100), True),
    ],
)
def test_so_many_failed_targets_are_permitted(failed: int, targets: int, limit: Limit, starts: bool) -> None:
    """As many as the limit says, and not one more; the answer names them and the limit that would permit them."""
    runs = [TargetRun(f"t{number}", TargetOutcome.FAILED) for number in range(failed)]
    why = refuse_wave(1, [*runs, TargetRun("ok", TargetOutcome.DONE)], targets, limit)
    assert (why is None) == starts
    if why is not None:
        names = ", ".join(run.target for run in runs)
        message = f"wave 1 was not started, because of failed targets before it: {names}"
        hint = f"correct that and run again, or pass --max-failed-targets {failed}"
        assert why == Diagnostic("", 0, 0, "", message, hint)


def test_a_wave_starts_when_all_targets_of_the_waves_before_have_ended() -> None:
    """Not when the first of them has; gaps between the numbers do not matter."""
    runs = ScriptedRuns({"eu": 5, "us": 2, "ap": 2})
    applied: list[list[str]] = []
    runs.carrier.then(lambda: runs.carrier.planned(EU, US, AP))
    for finished in ((US,), (AP,), (EU,)):
        runs.carrier.then(
            lambda: applied.append(runs.carrier.applied()), lambda plans=finished: runs.carrier.done(*plans)
        )
    assert runs.outcomes() == {"eu": "done", "us": "done", "ap": "done"}
    assert applied == [["us", "ap"], ["us", "ap"], ["us", "ap", "eu"]]


def test_a_plan_that_changed_meanwhile_is_what_the_report_is_about() -> None:
    """The audience gets it, and the events are those of its steps."""
    runs = ScriptedRuns({"ap": 0, "eu": 0})
    other = replace(plan_for("eu", "a", "b", "c"))
    carrier = runs.carrier
    carrier.then(
        lambda: carrier.planned(EU, AP), lambda: carrier.answer("eu", Verb.APPLY, encode_planned(other, event=CHANGED))
    )
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, {"event": RUN}))
    carrier.then(lambda: carrier.answer("ap", Verb.APPLY, {"event": RUN}))
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, encode_event(Started(other.steps[2]))))
    carrier.then(
        lambda: carrier.answer("ap", Verb.APPLY, encode_event(Finished(StepResult(AP.steps[1], Outcome.DONE))))
    )
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, {"event": "warning", "text": "slow"}))
    carrier.then(lambda: carrier.done(other, AP))
    assert runs.outcomes() == {"eu": "done", "ap": "done"}
    calls = [one for one in runs.audience.calls if one[0] in ("change", "start", "notify", "warn")]
    assert calls == [
        ("change", "eu", 3),
        ("start", "eu", 3),
        ("start", "ap", 2),
        ("notify", "eu", "Started"),
        ("notify", "ap", "Finished"),
        ("warn", "eu", "slow"),
    ]
    report = runs.runs["eu"].report
    assert report is not None
    assert report.plan == other


def test_a_target_that_stops_before_its_steps_has_failed_with_the_reason() -> None:
    """For example because another run holds its lease."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU, US), lambda: runs.carrier.answer("eu", Verb.APPLY, LOST))
    runs.carrier.then(lambda: runs.carrier.done(US))
    assert runs.outcomes() == {"eu": "failed", "us": "done"}
    assert runs.runs["eu"] == TargetRun(
        "eu", TargetOutcome.FAILED, problems=(Diagnostic("", 0, 0, "", "no route", "check it"),)
    )


def test_a_cancellation_stops_all_and_waits_for_the_running_targets() -> None:
    """Targets that are not running are not started, whether they are planned or not."""
    runs = ScriptedRuns({"eu": 0, "us": 1, "ap": 0, "x": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU, US), *[lambda: None] * int(PATIENCE / TICK + 1))
    runs.carrier.then(runs.cancelled.set, lambda: runs.carrier.planned(AP), lambda: None)
    runs.carrier.then(lambda: runs.carrier.done(EU, outcome=Outcome.INTERRUPTED, interrupted=True))
    assert runs.outcomes() == {"eu": "interrupted", "us": "not-started", "ap": "not-started", "x": "not-started"}
    assert runs.carrier.is_cancelled
    assert runs.carrier.applied() == ["eu"]
    assert not runs.run.is_idle  # x is still being planned


def test_a_target_that_a_cancellation_stops_before_its_steps_is_interrupted() -> None:
    """It waited for its lease."""
    runs = ScriptedRuns({"eu": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU), runs.cancelled.set)
    runs.carrier.then(lambda: runs.carrier.answer("eu", Verb.APPLY, LOST))
    assert runs.outcomes() == {"eu": "interrupted"}
    assert runs.run.is_idle


@pytest.mark.parametrize(("cancels", "expected"), [(True, "not-started"), (False, "failed")])
def test_a_submitted_target_that_a_cancellation_stops_before_its_work_is_not_started(
    expected: str, *, cancels: bool
) -> None:
    """It waited for a free thread; its images are those of the plan. Without a cancellation it has failed."""
    runs = ScriptedRuns({"eu": 2})
    runs.carrier.then(lambda: runs.carrier.planned(replace(EU, ids={"a": "e"})))
    runs.carrier.then(runs.cancelled.set if cancels else lambda: None)
    runs.carrier.then(lambda: runs.carrier.answer("eu", Verb.APPLY, encode_ended()))
    assert runs.outcomes() == {"eu": expected}
    assert runs.runs["eu"].problems == ()
    assert runs.runs["eu"].ids == ({"a": "e"} if cancels else {})


def test_a_run_is_idle_when_no_target_runs_and_all_are_planned() -> None:
    """Not before its plans, not while a target runs; only then may the process end at once."""
    runs = ScriptedRuns({"eu": 0, "us": 1})
    seen: list[bool] = []

    def look() -> None:
        seen.append(runs.run.is_idle)

    runs.carrier.then(look, lambda: runs.carrier.planned(EU), look, lambda: runs.carrier.planned(US), look)
    runs.carrier.then(lambda: runs.carrier.done(EU), look, lambda: runs.carrier.done(US))
    runs.outcomes(asks=True)
    assert seen == [False] * 4
    assert runs.run.is_idle


GONE = {**LOST, LOST_WHY: "the worker was lost"}


class LosingRun(ScriptedRuns):
    """A run of one target, ap, in wave 2: its worker is lost after its second step began."""

    def __init__(self, *, cancels: bool = False, changes: bool = False) -> None:
        super().__init__({"ap": 2})
        carrier = self.carrier
        self.made = replace(plan_for("ap", "a", "b", "c"), ids={"z": "id-z"})
        first, second, _ = self.made.steps
        begin = {"event": RUN}
        planned = replace(AP, ids={"z": "old"}) if changes else self.made
        carrier.then(lambda: carrier.planned(planned))
        if changes:
            carrier.then(lambda: carrier.answer("ap", Verb.APPLY, encode_planned(self.made, event=CHANGED)))
        carrier.then(lambda: carrier.answer("ap", Verb.APPLY, begin))
        for event in (Started(first), Finished(StepResult(first, Outcome.DONE, "id-1")), Started(second)):
            carrier.then(lambda event=event: carrier.answer("ap", Verb.APPLY, encode_event(event)))
        if cancels:
            carrier.then(self.cancelled.set)
        carrier.then(lambda: carrier.answer("ap", Verb.APPLY, GONE))


@pytest.mark.parametrize("changes", [False, True])
def test_a_target_whose_worker_is_lost_has_the_steps_that_are_known(*, changes: bool) -> None:
    """Those that ended, the one that ran, and those that did not start; the report says why. Also of a changed plan."""
    runs = LosingRun(changes=changes)
    assert runs.outcomes() == {"ap": "lost"}
    run = runs.runs["ap"]
    assert run.report is not None
    assert (run.report.plan, run.report.stopped, run.report.interrupted) == (runs.made, "the worker was lost", False)
    assert [one.outcome for one in run.report.results] == [Outcome.DONE, Outcome.INTERRUPTED, Outcome.NOT_STARTED]
    assert run.ids == {"z": "id-z", "a": "id-1"}
    assert [problem.message for problem in run.problems] == ["no route"]


def test_a_target_whose_worker_is_lost_after_a_cancellation_is_interrupted() -> None:
    """The user stopped it."""
    runs = LosingRun(cancels=True)
    assert runs.outcomes() == {"ap": "interrupted"}
    report = runs.runs["ap"].report
    assert report is not None
    assert (report.stopped, report.interrupted) == ("", True)


@pytest.mark.parametrize("first", ["nothing", "a changed plan", "a step"])
def test_a_target_whose_worker_is_lost_before_its_steps_has_failed(first: str) -> None:
    """Nothing is known of its steps: there is no report. An event of a step that comes too early is only passed on."""
    runs = ScriptedRuns({"eu": 1})
    runs.carrier.then(lambda: runs.carrier.planned(EU))
    if first == "a changed plan":
        runs.carrier.then(lambda: runs.carrier.answer("eu", Verb.APPLY, encode_planned(EU, event=CHANGED)))
    if first == "a step":
        runs.carrier.then(lambda: runs.carrier.answer("eu", Verb.APPLY, encode_event(Started(EU.steps[0]))))
    runs.carrier.then(lambda: runs.carrier.answer("eu", Verb.APPLY, GONE))
    assert runs.outcomes() == {"eu": "failed"}
    assert runs.runs["eu"].report is None
    assert [problem.message for problem in runs.runs["eu"].problems] == ["no route"]


TRACE = "Traceback\n  x\nKeyError: 'a'\n"
BUG = Diagnostic("", 0, 0, "", "a bug in imagesync: KeyError", "its log is named on standard error; please report it")


def test_a_bug_in_a_run_is_a_problem_of_its_target_and_is_kept() -> None:
    """With the report, if there is one, and with other problems before it. The others continue."""
    runs = ScriptedRuns({"eu": 0, "us": 0, "ap": 0})
    carrier, other = runs.carrier, Diagnostic("", 0, 0, "", "no route", "check it")
    report = Report(US, (StepResult(US.steps[0], Outcome.DONE, "id-1"),), bug=TRACE)
    carrier.then(lambda: carrier.planned(EU, US, AP))
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, encode_ended(bug=TRACE)))
    carrier.then(lambda: carrier.answer("us", Verb.APPLY, encode_ended(report, {"a": "id-1"}, [other])))
    carrier.then(lambda: carrier.done(AP))
    assert runs.outcomes(asks=True) == {"eu": "failed", "us": judge_run(report).value, "ap": "done"}
    assert runs.runs["eu"] == TargetRun("eu", TargetOutcome.FAILED, problems=(BUG,))
    assert runs.runs["us"] == TargetRun("us", judge_run(report), report, {"a": "id-1"}, (other, BUG))
    assert runs.run.bugs == [TRACE, TRACE]


def test_the_problems_of_a_whole_run_are_kept() -> None:
    """For example one that ended after its report; the images are those after the run."""
    runs = ScriptedRuns({"eu": 0, "us": 4})
    problem = Diagnostic("m.yaml", 1, 2, "x", "late", "wait")
    report = Report(US, (StepResult(US.steps[0], Outcome.DONE, "id-2"),))
    runs.carrier.then(lambda: runs.carrier.planned(replace(EU, ids={"a": "old"}), replace(US, ids={"a": "old"})))
    runs.carrier.then(lambda: runs.carrier.done(EU))
    runs.carrier.then(lambda: runs.carrier.answer("us", Verb.APPLY, encode_ended(report, {"a": "new"}, [problem])))
    assert runs.outcomes(asks=True) == {"eu": "done", "us": "done"}
    found = runs.runs["us"]
    assert (found.ids, found.problems, found.wave) == ({"a": "new"}, (problem,), 4)


def test_targets_of_one_place_are_explained_with_that_place() -> None:
    """Two pairs: each is named with its own place, in the order of the manifest."""
    carrier, x = ScriptedCarrier(), plan_for("x", "a")
    plans = TargetPlans(carrier, {"us": 0, "x": 0, "eu": 0, "ap": 0})
    carrier.then(lambda: carrier.planned(AP, EU, replace(US, target=EU.target), replace(x, target=AP.target)))
    found = {one.target: [problem.message for problem in one.problems] for one in plans.plan()}
    assert [found["us"], found["x"]] == [found["eu"], found["ap"]]
    assert [found[name][0].partition(":")[0] for name in ("us", "x")] == [
        "targets us and eu are the same place",
        "targets x and ap are the same place",
    ]
    assert describe_target(None, EU.target) in found["us"][0]
    assert describe_target(None, AP.target) in found["x"][0]


def test_the_plans_and_the_documents_are_those_of_their_targets() -> None:
    """As they came, for the file; those without a plan have none."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 0, "dead": 0, "us": 0})
    carrier.then(lambda: carrier.planned(US, EU), lambda: carrier.answer("dead", Verb.PLAN, LOST))
    plans.plan()
    assert list(plans.documents.items()) == [(one.target_name, encode_planned(one)["plan"]) for one in (EU, US)]
    assert [one.target for one in plans.planned] == ["eu", "dead", "us"]
