"""The text of each result in each format: that of its renderer, with every part of the look."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from imagesync.cli.result_options import MAX_BYTES, ResultForm
from imagesync.cli.results import (
    DriftResult,
    DriftsResult,
    ExplanationResult,
    Failure,
    Look,
    Measured,
    MergedReport,
    PlanResult,
    PlansResult,
    Result,
    RunReport,
    RunsReport,
    Tested,
    format_result,
)
from imagesync.errors import Diagnostic, ImagesyncError, ManifestError
from imagesync.model.catalog import Target
from imagesync.model.drift import Drift, DriftReport, PlaceDrift, Remedy
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.reported import ReportedRun, ReportedStep
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.planning.explanation import explain_key
from imagesync.planning.planner import make_plan
from imagesync.render.document import Collection, Document
from imagesync.render.documents import make_failure_document, make_plan_document, make_report_document
from imagesync.render.drift import drift_to_json, format_drift, make_drift_document
from imagesync.render.explanation import explanation_to_json, format_explanation, make_explanation_document
from imagesync.render.junit import (
    format_failure_junit,
    format_plan_junit,
    format_plans_junit,
    format_report_junit,
    format_reported_junit,
    format_runs_junit,
)
from imagesync.render.markdown import format_markdown
from imagesync.render.metrics import (
    measure_drift,
    measure_drifts,
    measure_failure,
    measure_plan,
    measure_plans,
    measure_report,
    measure_runs,
)
from imagesync.render.page import format_page
from imagesync.render.place import place_to_json
from imagesync.render.report import format_report
from imagesync.render.reported import format_reported, make_reported_collection
from imagesync.render.result import failure_to_json, report_to_json
from imagesync.render.run_result import runs_to_json
from imagesync.render.style import Detail, leave_plain, paint_text
from imagesync.render.target_documents import (
    make_failure_collection,
    make_plans_collection,
    make_runs_collection,
)
from imagesync.render.target_drift import drifts_to_json, format_target_drift, make_drifts_collection
from imagesync.render.target_text import format_target_plans, format_target_runs
from imagesync.render.text import format_plan
from imagesync.targets.saved import encode_plans
from imagesync.text import format_json
from imagesync.version import __version__
from tests.unit.factories import NOW, TARGET, catalog, inventory, live, plan, plan_input, retired, spec

LATER = NOW + timedelta(days=2)
LOOK = Look(LATER, paint_text, 60, Detail.WHOLE, 3_000)
FILE = replace(LOOK, is_file=True)
LONG = "ubuntu-24.04-server-of-the-team-for-the-lab"
OLD = retired(spec("b"), "old", days=9)
PLAN = replace(
    plan(
        catalog(spec("a"), spec("b", min_ram=9), spec(LONG), warnings=("a note",)),
        inventory(live(spec("b", min_ram=3), generation=2), OLD),
    ),
    target_name="eu",
    expires={"b": "2026-11-24"},
)
US = replace(PLAN, target=replace(TARGET, location="us"), target_name="us")
PLANNED = (PlannedTarget("eu", PLAN), PlannedTarget("us", US, refusals=("too many",), wave=1))
REFUSALS = ("too many to create", "too few")
PROBLEM = Diagnostic("m.yaml", 3, 5, "images.a", "no answer", "wait")


def end(made: Report | None = None) -> Report:
    """A report of which one step failed."""
    outcomes = [Outcome.FAILED, *[Outcome.DONE] * (len(PLAN.steps) - 1)]
    results = zip(PLAN.steps, outcomes, strict=True)
    return Report(
        PLAN, tuple(StepResult(step, one, "id-1", "no space left on it " * 4, seconds=3.0) for step, one in results)
    )


REPORT = end()
RUNS = (
    TargetRun("eu", TargetOutcome.FAILED, REPORT, {"b": "id-b"}),
    TargetRun("us", TargetOutcome.NOT_STARTED, None, {}, (PROBLEM,), wave=1),
)
DONE = ReportedStep("create:a", "create", "a", Outcome.FAILED, "id-a", "no space left on the disk " * 3, "", 3.0, 9)
REPORTED = (
    ReportedRun("eu", TargetOutcome.FAILED, steps=(DONE,), here=TARGET, document=report_to_json(REPORT, {})),
    ReportedRun("us", TargetOutcome.NOT_STARTED, 1, (PROBLEM,)),
)
FOUND = DriftReport(
    (
        Drift(LONG, "id-a", ("min_ram",), 512, 256, Remedy.DRIFT_ONLY, updated="2026-11-23T11:57:00Z"),
        Drift("b", None, ("image",), "published", None, Remedy.APPLY),
    ),
    3,
    ("new", "newer", "newest-of-all-of-the-images-of-the-team"),
)
DRIFTS: dict[str, PlaceDrift | ImagesyncError] = {
    "eu": PlaceDrift(FOUND, TARGET),
    "us": PlaceDrift(DriftReport((), 4), replace(TARGET, location="us")),
    "ap": ImagesyncError("no answer"),
}
CATALOG = catalog(spec("a"), spec("b"), name="ba\x1bse", target=Target("eu", store="./lab"))
GIVEN = plan_input(catalog(spec("b", min_ram=9)), inventory(live(spec("b", min_ram=3), generation=2), OLD))
EXPLAINED = explain_key(GIVEN, "b", make_plan(GIVEN))
ERROR = ManifestError([PROBLEM, Diagnostic("n.yaml", 4, 1, "", "is \x1bempty")])


def command_of(remedy: Remedy, targets: Sequence[str] = ()) -> str:
    """A command with the remedy and the targets that need it."""
    return f"imagesync apply --{remedy.value} {' '.join(targets)}"


RESULTS: dict[str, Result] = {
    "plan": PlanResult(PLAN, Path("/images"), REFUSALS),
    "run": RunReport("adopt", REPORT, {"b": "id-b", "a": "id-a"}),
    "plans": PlansResult("base", PLANNED, {"eu": {"x": 1}, "us": {"x": 2}}, PLANNED[:1]),
    "runs": RunsReport("adopt", "base", RUNS),
    "merged": MergedReport("base", REPORTED),
    "drift": DriftResult(FOUND, CATALOG, TARGET, command_of),
    "drifts": DriftsResult("base", DRIFTS, command_of),
    "explanation": ExplanationResult(EXPLAINED, CATALOG, TARGET),
    "failure": Failure("plan", ERROR, "base", "eu"),
    "failure of several": Failure("plan", ERROR, "base", "eu", is_several=True),
}


TEXTS: dict[str, Callable[[], str]] = {
    "plan": lambda: format_plan(PLAN, paint_text, now=LATER, detail=Detail.WHOLE, width=60),
    "run": lambda: format_report(REPORT, paint_text, width=60),
    "plans": lambda: format_target_plans(
        PLANNED, paint_text, now=LATER, detail=Detail.WHOLE, width=60, counted=PLANNED[:1]
    ),
    "runs": lambda: format_target_runs(RUNS, paint_text, width=60),
    "merged": lambda: format_reported(REPORTED, paint_text, width=60),
    "drift": lambda: format_drift(
        FOUND,
        "Catalog ba\\x1bse on target eu (store ./lab, project local)",
        command_of,
        now=LATER,
        paint=paint_text,
        width=60,
    ),
    "drifts": lambda: format_target_drift(DRIFTS, "base", command_of, now=LATER, paint=paint_text, width=60),
    "explanation": lambda: format_explanation(
        EXPLAINED, "catalog ba\\x1bse on target eu (store ./lab, project local)", LATER, paint_text, 60
    ),
    "failure": lambda: "m.yaml:3:5: images.a: no answer; wait\nn.yaml:4:1: is \\x1bempty\n2 problems in the manifests",
}
DOCUMENTS: dict[str, Callable[[], Document | Collection]] = {
    "plan": lambda: make_plan_document(PLAN, now=LATER, detail=Detail.WHOLE, refusals=REFUSALS),
    "run": lambda: make_report_document(REPORT, now=LATER, detail=Detail.WHOLE),
    "plans": lambda: make_plans_collection("base", PLANNED, now=LATER, detail=Detail.WHOLE),
    "runs": lambda: make_runs_collection("adopt", "base", RUNS, now=LATER, detail=Detail.WHOLE),
    "merged": lambda: make_reported_collection("base", REPORTED),
    "drift": lambda: make_drift_document(FOUND, CATALOG.name, "eu", TARGET, command_of, now=LATER),
    "drifts": lambda: make_drifts_collection("base", DRIFTS, command_of, now=LATER),
    "explanation": lambda: make_explanation_document(EXPLAINED, CATALOG.name, "eu", TARGET, now=LATER),
    "failure": lambda: make_failure_document("plan", "base", "eu", ERROR.diagnostics),
    "failure of several": lambda: make_failure_collection("plan", "base", ERROR.diagnostics),
}
TESTS: dict[str, Callable[[], str]] = {
    "plan": lambda: format_plan_junit(PLAN, now=LATER, refusals=REFUSALS),
    "run": lambda: format_report_junit(REPORT, now=LATER),
    "plans": lambda: format_plans_junit("base", PLANNED, now=LATER),
    "runs": lambda: format_runs_junit("base", RUNS, now=LATER),
    "merged": lambda: format_reported_junit("base", REPORTED, now=LATER),
    "failure": lambda: format_failure_junit("plan", ERROR.diagnostics, now=LATER, catalog="base", target="eu"),
}
DATA: dict[str, Callable[[], object]] = {
    "run": lambda: report_to_json(REPORT, {"b": "id-b", "a": "id-a"}),
    "plans": lambda: encode_plans("base", PLANNED, {"eu": {"x": 1}, "us": {"x": 2}}, tool=f"imagesync {__version__}"),
    "runs": lambda: runs_to_json("base", RUNS),
    "merged": lambda: runs_to_json("base", REPORTED),
    "drift": lambda: drift_to_json(FOUND, CATALOG.name, place_to_json(TARGET), command_of),
    "drifts": lambda: drifts_to_json("base", DRIFTS, command_of),
    "explanation": lambda: explanation_to_json(EXPLAINED, CATALOG.name, place_to_json(TARGET)),
    "failure": lambda: failure_to_json("plan", ERROR),
}
NUMBERS: dict[str, Callable[[], object]] = {
    "plan": lambda: measure_plan(PLAN, started=NOW, ended=LATER, is_refused=True),
    "run": lambda: measure_report(REPORT, command="adopt", started=NOW, ended=LATER),
    "plans": lambda: measure_plans("base", PLANNED, started=NOW, ended=LATER),
    "runs": lambda: measure_runs("adopt", "base", RUNS, started=NOW, ended=LATER),
    "drift": lambda: measure_drift(FOUND, catalog=CATALOG.name, target="eu", started=NOW, ended=LATER),
    "drifts": lambda: measure_drifts("base", DRIFTS, started=NOW, ended=LATER),
    "failure": lambda: measure_failure("plan", catalog="base", target="eu", started=NOW, ended=LATER),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_has_the_paint_the_width_the_amount_and_the_ages_of_the_look(name: str) -> None:
    """And the place of the result, in printable characters. It does not end with a line break."""
    assert format_result(RESULTS[name], ResultForm.TEXT, LOOK) == TEXTS[name]()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_for_reviewers_has_every_part_of_the_result(name: str) -> None:
    """As Markdown up to the limit, and as a page with the time of the look."""
    document = DOCUMENTS[name]()
    markdown = format_result(RESULTS[name], ResultForm.MARKDOWN, LOOK)
    assert markdown == format_markdown(document, max_bytes=3_000).removesuffix("\n")
    page = format_result(RESULTS[name], ResultForm.HTML, LOOK)
    assert page == format_page(document, now=LATER).removesuffix("\n")
    assert not page.endswith("\n")


def test_markdown_has_the_limit_of_the_look() -> None:
    """A larger one leaves out less."""
    many = PlanResult(plan(catalog(*(spec(f"key-{number:03}") for number in range(99))), inventory()), Path())
    small, usual = (
        format_result(many, ResultForm.MARKDOWN, replace(LOOK, max_bytes=number)) for number in (2_000, 9_000)
    )
    assert len(small) <= 2_000 < len(usual) <= 9_000


@pytest.mark.parametrize("name", TESTS)
def test_a_test_report_has_every_case_of_the_result(name: str) -> None:
    """With the time of the look."""
    assert isinstance(RESULTS[name], Tested)
    assert format_result(RESULTS[name], ResultForm.JUNIT, LOOK) == TESTS[name]().removesuffix("\n")


@pytest.mark.parametrize("name", ["drift", "drifts", "explanation"])
def test_a_result_without_tests_has_no_test_report(name: str) -> None:
    """No command offers it."""
    kind = type(RESULTS[name]).__name__
    with pytest.raises(ValueError, match=f"^a {kind} has no test report$"):
        format_result(RESULTS[name], ResultForm.JUNIT, LOOK)


@pytest.mark.parametrize("name", DATA)
def test_the_json_has_every_part_of_the_result(name: str) -> None:
    """As the value of its file has."""
    text = format_result(RESULTS[name], ResultForm.JSON, LOOK)
    assert text == format_json(DATA[name]()).removesuffix("\n")
    assert not text.endswith("\n")


@pytest.mark.parametrize("form", list(ResultForm))
@pytest.mark.parametrize("name", RESULTS)
def test_no_text_ends_with_a_line_break(name: str, form: ResultForm) -> None:
    """The printer adds it."""
    if form is not ResultForm.JUNIT or isinstance(RESULTS[name], Tested):
        assert not format_result(RESULTS[name], form, LOOK).endswith("\n")


def test_the_json_of_a_plan_has_paths_from_its_folder() -> None:
    """It can be applied from there."""
    here, elsewhere = (
        json.loads(format_result(PlanResult(PLAN, Path(folder)), ResultForm.JSON, LOOK)) for folder in ("/images", "/")
    )
    assert here["manifest"]["base"] == "."
    assert elsewhere["manifest"]["base"] == "images"


@pytest.mark.parametrize("name", NUMBERS)
def test_the_numbers_for_monitoring_are_those_of_the_result(name: str) -> None:
    """From its start to its end."""
    result = RESULTS[name]
    assert isinstance(result, Measured)
    assert result.measure(NOW, LATER) == NUMBERS[name]()


def test_a_plan_that_is_not_refused_is_a_success() -> None:
    """In the numbers for monitoring."""
    found = PlanResult(PLAN, Path()).measure(NOW, LATER)
    assert found == measure_plan(PLAN, started=NOW, ended=LATER)
    assert found.succeeded


def test_a_place_without_a_target_is_named_by_itself() -> None:
    """In the numbers for monitoring and in the text of drift."""
    bare = replace(CATALOG, target=Target(store="./lab"))
    result = DriftResult(FOUND, bare, TARGET, command_of)
    assert result.measure(NOW, LATER).target == "./lab"
    assert result.make_text(Look(NOW)).startswith("Catalog ba\\x1bse on store ./lab, project local: ")


def test_a_file_has_the_refusals_of_a_plan_as_errors() -> None:
    """One line for each, after the plan; a terminal gets them from the command."""
    text = format_result(RESULTS["plan"], ResultForm.TEXT, FILE)
    assert text == TEXTS["plan"]() + "\nError: too many to create\nError: too few"


def test_a_usual_look_is_that_of_a_file() -> None:
    """No paint, no width, the usual amount, the limit of the forges."""
    usual = Look(NOW)
    assert (usual.paint, usual.width, usual.detail, usual.max_bytes, usual.is_file) == (
        leave_plain,
        None,
        Detail.USUAL,
        MAX_BYTES,
        False,
    )


@pytest.mark.parametrize("name", ["plan", "plans", "drift", "drifts", "explanation"])
@pytest.mark.parametrize("part", ["paint", "width", "detail", "now"])
def test_each_part_of_the_look_changes_the_text(name: str, part: str) -> None:
    """So the comparisons of this file notice if one is not passed on."""
    other: Any = {"paint": leave_plain, "width": None, "detail": Detail.USUAL, "now": NOW}[part]
    before, after = (
        format_result(RESULTS[name], ResultForm.TEXT, look) for look in (LOOK, replace(LOOK, **{part: other}))
    )
    has_no_amount = part == "detail" and name not in ("plan", "plans")
    assert (before == after) is has_no_amount
