"""When each target of a run starts, and what its outcome is: with a scripted carrier, without threads and clocks."""

import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from imagesync.errors import Diagnostic
from imagesync.model.policy import Limit
from imagesync.model.report import Outcome, Started
from imagesync.model.targets import TargetOutcome, TargetRun
from imagesync.targets.messages import CHANGED, RUN, Verb, encode_ended, encode_event, encode_planned
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
        """Carry it out."""
        runs = self.run.apply(asks=asks)
        assert runs is not None
        self.runs = {run.target: run for run in runs}
        return {run.target: run.outcome.value for run in runs}


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


def test_targets_that_turn_out_to_be_one_place_are_refused() -> None:
    """Their names in clouds.yaml may differ: only the services know."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 0, "us": 0})
    carrier.then(lambda: carrier.planned(EU, replace(US, target=EU.target)))
    eu, us = plans.plan()
    assert eu.problems == us.problems
    assert [problem.message.partition(":")[0] for problem in us.problems] == ["targets eu and us are the same place"]


@pytest.mark.parametrize("order", ["eu us", "us eu"])
def test_the_speed_of_the_services_does_not_decide_which_of_two_targets_a_place_gets(order: str) -> None:
    """Neither, unless the first was applied before the second was planned; another target is applied."""
    plans = {"eu": EU, "us": replace(US, target=EU.target)}
    runs = ScriptedRuns({"eu": 1, "us": 1, "ap": 0})
    first, second = (plans[name] for name in order.split())
    runs.carrier.then(lambda: runs.carrier.planned(first), *[lambda: None] * 4, lambda: runs.carrier.planned(second))
    runs.carrier.then(lambda: runs.carrier.planned(AP), *[lambda: None] * 4, lambda: runs.carrier.done(AP))
    assert runs.outcomes() == {"eu": "failed", "us": "failed", "ap": "done"}
    messages = {problem.message.partition(":")[0] for name in plans for problem in runs.runs[name].problems}
    assert messages == {"targets eu and us are the same place"}


def test_a_target_whose_place_is_being_changed_is_refused_alone() -> None:
    """The first continues."""
    runs = ScriptedRuns({"eu": 0, "us": 0})
    runs.carrier.then(lambda: runs.carrier.planned(EU), *[lambda: None] * 4)
    runs.carrier.then(lambda: runs.carrier.planned(replace(US, target=EU.target)), lambda: runs.carrier.done(EU))
    assert runs.outcomes() == {"eu": "done", "us": "failed"}


def test_a_bug_in_a_worker_is_a_problem_of_its_target_and_is_kept() -> None:
    """The others continue."""
    carrier = ScriptedCarrier()
    plans = TargetPlans(carrier, {"eu": 0, "us": 0})
    carrier.then(lambda: carrier.planned(EU))
    carrier.then(lambda: carrier.answer("us", Verb.PLAN, encode_ended(bug="Traceback\n  x\nKeyError: 'a'\n")))
    eu, us = plans.plan()
    assert (eu.problems, [problem.message for problem in us.problems]) == ((), ["a bug in imagesync: KeyError"])
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


def test_a_target_that_fails_stops_only_itself_and_the_next_waves() -> None:
    """An unreachable, a refused, a failed and a lost target; a problem says which targets failed."""
    runs = ScriptedRuns({"eu": 0, "us": 0, "ap": 0, "bad": 0, "x": 0, "late": 3})
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
    assert (refuse_wave(1, [TargetRun("eu", outcome)], 2, NO_FAILURE) is not None) == counts


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
    carrier.then(lambda: carrier.answer("eu", Verb.APPLY, {"event": "warning", "text": "slow"}))
    carrier.then(lambda: carrier.done(other, AP))
    assert runs.outcomes() == {"eu": "done", "ap": "done"}
    calls = [one for one in runs.audience.calls if one[0] in ("change", "start", "notify", "warn")]
    assert calls == [
        ("change", "eu", 3),
        ("start", "eu", 3),
        ("start", "ap", 2),
        ("notify", "eu", "Started"),
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
