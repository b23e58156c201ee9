"""``imagesync.targets.reports``: JSON reports of one or of several targets become the runs of all their targets."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic, UsageError
from imagesync.model.image import Identity
from imagesync.model.plan import PlanError
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import TargetOutcome, TargetRun, judge_run
from imagesync.render.result import failure_to_json, report_to_json
from imagesync.render.run_result import runs_to_json
from imagesync.targets.reports import AGAIN, decode_report_file, merge_reports
from tests.unit.factories import catalog, inventory, live, plan, spec

PROBLEM = Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it")
DEAD = Diagnostic("", 0, 0, "", "no answer", "check the network")
MADE = plan(catalog(spec("a"), spec("b")), inventory(live(spec("z"))))


def make_report(target: str | None = "eu", *outcomes: Outcome, **attrs: Any) -> Report:
    """A run in which the first steps have these outcomes."""
    every = [*outcomes, *[Outcome.DONE] * len(MADE.steps)]
    results = tuple(
        StepResult(step, one, f"id-{step.action.key}", "boom" * (one is Outcome.FAILED), None, 1.5, 10)
        for step, one in zip(MADE.steps, every, strict=False)
    )
    here = Identity("glance", "https://eu.example", "p", label="eu-prod")
    return Report(replace(MADE, target_name=target, target=here), results, **attrs)


def write(report: Report) -> Any:
    """The JSON of a report, as it is read back from a file."""
    return json.loads(json.dumps(report_to_json(report, {"a": "id-a"})))


def write_runs(*runs: TargetRun, name: str = "base") -> Any:
    """The JSON of a run of several targets."""
    return json.loads(json.dumps(runs_to_json(name, runs)))


def decode(document: object) -> list[ReportedRun]:
    """The runs of one file."""
    name, runs = decode_report_file(document, "r.json")
    assert name == "base"
    return runs


def test_a_report_has_the_steps_of_its_target() -> None:
    """With all that a report says about them."""
    faulty = replace(MADE, errors=(PlanError("x", PROBLEM),), notes=("a note",))
    report = make_report("eu", Outcome.FAILED, Outcome.SKIPPED, leftover=("b: hidden",))
    document = write(replace(report, plan=replace(faulty, target_name="eu")))
    (run,) = decode(document)
    assert (run.target, run.outcome, run.wave, run.problems) == ("eu", TargetOutcome.FAILED, 0, ())
    assert [(step.id, step.action, step.key, step.outcome) for step in run.steps] == [
        ("create:a", "create", "a", Outcome.FAILED),
        ("create:b", "create", "b", Outcome.SKIPPED),
        ("delete:z:id-z", "delete", "z", Outcome.DONE),
    ]
    first = run.steps[0]
    assert (first.image_id, first.error, first.cause, first.seconds, first.sent_bytes) == ("id-a", "boom", "", 1.5, 10)
    assert (run.errors, run.leftover, run.notes, run.stopped) == ((PROBLEM,), ("b: hidden",), ("a note",), "")
    assert (run.document, run.here) == (document, faulty.target)


@pytest.mark.parametrize(
    "report",
    [
        make_report(),
        replace(make_report(), results=()),
        make_report("eu", Outcome.FAILED),
        make_report("eu", Outcome.DEFERRED),
        make_report("eu", leftover=("a",)),
        make_report("eu", Outcome.NOT_STARTED, stopped="lost"),
        make_report("eu", Outcome.INTERRUPTED, interrupted=True),
        make_report("eu", Outcome.FAILED, interrupted=True, stopped="lost"),
    ],
)
def test_the_outcome_is_that_of_the_run(report: Report) -> None:
    """As the run itself would report it."""
    (run,) = decode(write(report))
    assert run.outcome is judge_run(report)


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [("eu", "eu-prod", "eu"), (None, "eu-prod", "eu-prod"), (None, "", "https://eu.example")],
)
def test_a_place_without_a_name_has_that_of_its_cloud(name: str | None, label: str, expected: str) -> None:
    """It was selected by an option; a cloud of the environment has no name, but a location."""
    report = make_report(name)
    here = replace(report.plan.target, label=label)
    (run,) = decode(write(replace(report, plan=replace(report.plan, target=here))))
    assert run.target == expected


def test_texts_of_a_report_that_are_null_are_empty_and_others_are_kept() -> None:
    """For the report and for its steps."""
    first, second, *_ = MADE.steps
    results = (
        StepResult(first, Outcome.DONE),
        StepResult(second, Outcome.SKIPPED, "id-2", "needs a", "create:a", 2.5, 7),
    )
    whole, lost = make_report("eu"), make_report("eu", stopped="the lease is lost")
    (run,) = decode(write(replace(whole, results=results)))
    assert [(one.image_id, one.error, one.cause, one.seconds, one.sent_bytes) for one in run.steps] == [
        ("", "", "", 0.0, 0),
        ("id-2", "needs a", "create:a", 2.5, 7),
    ]
    assert run.stopped == ""
    assert [one.stopped for one in decode(write(lost))] == ["the lease is lost"]


def test_a_run_of_several_targets_has_all_of_them() -> None:
    """Also those without a report."""
    runs = (
        TargetRun("eu", TargetOutcome.FAILED, make_report("eu", Outcome.FAILED), problems=(PROBLEM,), wave=2),
        TargetRun("dead", TargetOutcome.FAILED, problems=(DEAD,)),
        TargetRun("late", TargetOutcome.NOT_STARTED, wave=3),
    )
    found = decode(write_runs(*runs))
    assert [(run.target, run.outcome, run.wave, run.problems) for run in found] == [
        (run.target, run.outcome, run.wave, run.problems) for run in runs
    ]
    assert [len(run.steps) for run in found] == [3, 0, 0]
    assert {type(run.outcome) for run in found} == {TargetOutcome}  # a word is equal to its outcome, too
    assert {type(step.outcome) for step in found[0].steps} == {Outcome}
    assert [run.document is None for run in found] == [False, True, True]


def test_reports_are_merged_in_the_order_of_the_files() -> None:
    """Of one target, and of several."""
    several = write_runs(TargetRun("us", TargetOutcome.UNCHANGED), TargetRun("ap", TargetOutcome.UNCHANGED))
    name, runs = merge_reports([("1", write(make_report("lab"))), ("2", several), ("3", write(make_report("eu")))])
    assert (name, [run.target for run in runs]) == ("base", ["lab", "us", "ap", "eu"])


EU, US = write(make_report("eu")), write(make_report("us"))
OTHER = {**US, "catalog": "other"}
LAB = write(make_report("lab"))
PAIR_OF_OTHERS = write_runs(
    TargetRun("x", TargetOutcome.UNCHANGED), TargetRun("y", TargetOutcome.UNCHANGED), name="third"
)
PAIR = write_runs(TargetRun("ap", TargetOutcome.UNCHANGED), TargetRun("us", TargetOutcome.UNCHANGED))


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([("1.json", EU), ("2.json", EU)], "target eu is in 1.json and in 2.json; name each report once"),
        ([("1.json", EU), ("1.json", EU)], "target eu is in 1.json and in 1.json; name each report once"),
        ([("1.json", PAIR), ("2.json", US)], "target us is in 1.json and in 2.json; name each report once"),
        ([("1.json", US), ("2.json", PAIR)], "target us is in 1.json and in 2.json; name each report once"),
        (
            [("1.json", EU), ("2.json", US), ("3.json", EU)],
            "target eu is in 1.json and in 3.json; name each report once",
        ),
        (
            [("1.json", EU), ("2.json", OTHER)],
            "1.json is of catalog base, and 2.json is of catalog other; merge the reports of one catalog",
        ),
        (
            [("1.json", EU), ("2.json", US), ("3.json", {**LAB, "catalog": "other"}), ("4.json", PAIR_OF_OTHERS)],
            "1.json is of catalog base, and 3.json is of catalog other; merge the reports of one catalog",
        ),
    ],
)
def test_reports_that_contradict_each_other_are_refused(documents: list[tuple[str, object]], message: str) -> None:
    """A target is there once, and all are of one catalog."""
    with pytest.raises(UsageError) as caught:
        merge_reports(documents)
    assert str(caught.value) == message


SEVERAL = write_runs(TargetRun("eu", TargetOutcome.DONE, make_report("eu")), TargetRun("us", TargetOutcome.UNCHANGED))


def change(document: Any, change_it: Callable[[Any], object]) -> Any:
    """A copy of a document after a change."""
    copy = json.loads(json.dumps(document))
    change_it(copy)
    return copy


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "r.json is not a report of imagesync; name a file"),
        ({}, "r.json is not a report of imagesync; name a file"),
        ("x", "r.json is not a report of imagesync; name a file"),
        (None, "r.json is not a report of imagesync; name a file"),
        ({"format_version": 1}, "r.json is not a report of imagesync: the document does not match the schema"),
        ({"format_version": 1, "targets": []}, "is not a report of imagesync: "),
        ({"command": "apply"}, "r.json is not a report of imagesync; name a file"),
        ({"errors": []}, "r.json is not a report of imagesync; name a file"),
        ({**EU, "format_version": 2}, "r.json has format_version 2; this imagesync reads 1"),
        ({**EU, "format_version": None}, "r.json has format_version null; this imagesync reads 1"),
        ({**EU, "format_version": [1]}, "r.json has format_version a list; this imagesync reads 1"),
        ({**EU, "extra": 1}, "r.json is not a report of imagesync: the document does not match the schema"),
        ({**EU, "results": [{}]}, "r.json is not a report of imagesync: results.0 does not match the schema"),
        (
            failure_to_json("apply", UsageError("no target", "pass one")),
            "r.json is not a report: it has the errors of a command that failed before it had a result; leave the file out",
        ),
        (change(SEVERAL, lambda d: d.update(succeeded=False)), "succeeded does not match the outcomes of the targets"),
        (
            write_runs(TargetRun("eu", TargetOutcome.DONE), TargetRun("us", TargetOutcome.FAILED))
            | {"succeeded": True},
            "succeeded does not match the outcomes of the targets",
        ),
        (
            write_runs(TargetRun("eu", TargetOutcome.FAILED), TargetRun("us", TargetOutcome.DONE))
            | {"succeeded": True},
            "succeeded does not match the outcomes of the targets",
        ),
        (change(SEVERAL, lambda d: d["targets"][1].update(target="eu")), "target eu is there twice"),
        (change(SEVERAL, lambda d: d["targets"].append(d["targets"][1])), "target us is there twice"),
        (change(SEVERAL, lambda d: d["targets"][0].update(target="x")), "target x has the report of another"),
        (change(SEVERAL, lambda d: d.update(catalog="x")), "target eu has the report of another"),
        (
            change(SEVERAL, lambda d: d["targets"][0]["report"].pop("ids")),
            "r.json, target eu, is not a report of imagesync: the document does not match the schema",
        ),
    ],
)
def test_what_is_not_a_report_is_refused(document: object, message: str) -> None:
    """With the file, what is wrong, and what to do."""
    with pytest.raises(UsageError) as caught:
        decode_report_file(document, "r.json")
    assert message in str(caught.value)
    is_failure = isinstance(document, dict) and "command" in document and "errors" in document
    assert caught.value.hint == ("leave the file out, or run that command again" if is_failure else AGAIN)
    assert caught.value.message.startswith("r.json")


def test_the_outcome_of_an_entry_comes_before_that_of_its_report() -> None:
    """The run knows more than the steps: for example, that another target has the same place."""
    runs = (
        TargetRun("eu", TargetOutcome.FAILED, make_report("eu"), problems=(DEAD,)),
        TargetRun("us", TargetOutcome.LOST, make_report("us")),
    )
    found = decode(write_runs(*runs))
    assert [run.outcome for run in found] == [TargetOutcome.FAILED, TargetOutcome.LOST]
