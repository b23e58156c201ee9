"""``imagesync.render.junit``: what the parsers of pipelines find in a report."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import junitparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import Diagnostic
from imagesync.model.catalog import Visibility
from imagesync.model.plan import Plan, PlanError
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.reported import ReportedRun, ReportedStep
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.junit import (
    format_failure_junit,
    format_plan_junit,
    format_plans_junit,
    format_report_junit,
    format_reported_junit,
    format_runs_junit,
)
from imagesync.version import __version__
from tests.ci_logs import HOSTILE, find_commands
from tests.unit.factories import NOW, catalog, inventory, live, plan, spec

KINDS = (junitparser.Failure, junitparser.Error, junitparser.Skipped)
PROBLEM = Diagnostic("a.yaml", 3, 5, "images.x", "gone", "correct it")


def read_all(text: str) -> dict[str, tuple[junitparser.TestSuite, dict[str, junitparser.TestCase]]]:
    """The suites and their cases by name; the counts are those of the cases."""
    root = junitparser.JUnitXml.fromstring(text.encode())
    suites = list(root)
    found = {suite.name: (suite, {case.name: case for case in suite}) for suite in suites}
    assert len(found) == len(suites)
    total: Counter[Any] = Counter()
    for suite, cases in found.values():
        results = Counter(type(result) for case in suite for result in case.result)
        assert len(cases) == len(list(suite)) == suite.tests
        assert {case.classname for case in suite} == {suite.name}
        assert [results[kind] for kind in KINDS] == [suite.failures, suite.errors, suite.skipped]
        total += results
    assert sum(suite.tests for suite in suites) == root.tests
    assert [total[kind] for kind in KINDS] == [root.failures, root.errors, root.skipped]
    return found


def read(text: str) -> tuple[junitparser.TestSuite, dict[str, junitparser.TestCase]]:
    """The only suite, and its cases by name."""
    (found,) = read_all(text).values()
    return found


def make() -> Plan:
    """One image is created, one is replaced, one is deleted."""
    return plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a")), live(spec("z"))))


def test_each_change_of_a_plan_is_a_case_that_passed() -> None:
    """With what happens to the image."""
    suite, cases = read(format_plan_junit(make(), now=NOW))
    assert set(cases) == {"a: replace, new build", "b: create", "z: delete, not in the manifest"}
    assert all(case.is_passed for case in cases.values())
    assert "visibility: private" in cases["b: create"].system_out
    assert suite.timestamp == NOW.strftime("%Y-%m-%dT%H:%M:%S")


def test_the_time_of_a_report_is_utc() -> None:
    """Whatever the zone of the clock."""
    berlin = datetime.fromisoformat("2026-07-01T14:00:00+02:00")
    suite, _ = read(format_plan_junit(make(), now=berlin))
    assert suite.timestamp == "2026-07-01T12:00:00"
    assert berlin.astimezone(UTC).hour == 12


def test_a_key_that_cannot_be_planned_and_a_refusal_have_failed() -> None:
    """With the place and the reason."""
    made = replace(make(), errors=(PlanError("x", PROBLEM),))
    _, cases = read(format_plan_junit(made, now=NOW, refusals=["too many"]))
    assert [result.message for result in cases["x: cannot be planned"].result] == [str(PROBLEM)]
    assert [result.message for result in cases["the limits of the policy"].result] == ["too many"]
    assert sum(not case.is_passed for case in cases.values()) == 2


def test_a_plan_without_changes_has_one_case() -> None:
    """Several CI systems take an empty report for an error."""
    _, cases = read(format_plan_junit(plan(catalog(spec("a")), inventory(live(spec("a")))), now=NOW))
    assert list(cases) == ["no changes"]
    assert cases["no changes"].is_passed
    _, cases = read(format_report_junit(Report(plan(catalog(), inventory()), ()), now=NOW))
    assert list(cases) == ["no changes"]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.DONE, None),
        (Outcome.FAILED, junitparser.Failure),
        (Outcome.INTERRUPTED, junitparser.Error),
        (Outcome.SKIPPED, junitparser.Skipped),
        (Outcome.DEFERRED, junitparser.Skipped),
        (Outcome.NOT_STARTED, junitparser.Skipped),
    ],
)
def test_each_outcome_of_a_step_is_a_result(outcome: Outcome, kind: Any) -> None:
    """With its message and the time that it took."""
    made = plan(catalog(spec("a")), inventory())
    step = made.steps[0]
    error = "boom" if outcome in (Outcome.FAILED, Outcome.INTERRUPTED, Outcome.DEFERRED) else ""
    message = "not started" if outcome is Outcome.NOT_STARTED else "skipped, because create:z was not done"
    cause = "create:z" if outcome is Outcome.SKIPPED else None
    suite, cases = read(
        format_report_junit(Report(made, (StepResult(step, outcome, None, error, cause, 1.25),)), now=NOW)
    )
    case = cases["a: create"]
    assert [type(result) for result in case.result] == ([] if kind is None else [kind])
    assert (case.time, suite.time) == (1.25, 1.25)
    if kind is not None:
        assert case.result[0].message == (error or message)
    assert "visibility: private" in case.system_out


def test_a_change_of_several_steps_is_one_case() -> None:
    """It has the name that it has in the plan, its worst outcome and the time of all its steps."""
    made = make()
    outcomes = {"update": Outcome.FAILED}
    results = tuple(
        StepResult(step, outcome := outcomes.get(step.id.split(":")[0], Outcome.DONE), None, error(outcome), None, 0.5)
        for step in made.steps
    )
    suite, cases = read(format_report_junit(Report(made, results), now=NOW))
    _, planned = read(format_plan_junit(made, now=NOW))
    assert list(cases) == list(planned)
    assert len(made.steps) > len(cases)
    assert [result.message for result in cases["a: replace, new build"].result] == ["boom"]
    assert cases["b: create"].is_passed
    assert suite.time == len(made.steps) / 2


def error(outcome: Outcome) -> str:
    """The message of a step that failed."""
    return "boom" if outcome is Outcome.FAILED else ""


def test_left_overs_and_a_stopped_run_have_not_passed() -> None:
    """Although every step was done."""
    made = plan(catalog(spec("a")), inventory())
    results = (StepResult(made.steps[0], Outcome.DONE),)
    _, cases = read(format_report_junit(Report(made, results, leftover=("a: hidden",), stopped="lease lost"), now=NOW))
    assert cases["final listing"].result[0].message == "not as planned: a: hidden"
    assert cases["run"].result[0].message == "lease lost"


def test_a_failure_has_an_error_for_each_problem() -> None:
    """Catalog and target as far as they are known."""
    suite, cases = read(format_failure_junit("plan", [PROBLEM], now=NOW, catalog="base", target="lab"))
    assert suite.name == "imagesync.base.lab"
    assert [type(result) for result in cases["plan: images.x"].result] == [junitparser.Error]
    suite, _ = read(format_failure_junit("plan", [PROBLEM, PROBLEM], now=NOW))
    assert (suite.name, suite.errors) == ("imagesync", 2)


def test_no_name_occurs_twice() -> None:
    """GitLab shows only the first test case of a name."""
    problems = [replace(PROBLEM, where=where, line=line) for line, where in enumerate(("", "", "x", "x", "x (2)"))]
    _, cases = read(format_failure_junit("plan", problems, now=NOW))
    assert list(cases) == ["plan", "plan (2)", "plan: x", "plan: x (2)", "plan: x (2) (2)"]


def test_what_becomes_public_is_marked() -> None:
    """As in the text of the plan."""
    made = plan(catalog(spec("a", visibility=Visibility.PUBLIC)), inventory())
    _, cases = read(format_plan_junit(made, now=NOW))
    assert "! visibility: public" in cases["a: create"].system_out


def list_results(text: str) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """The results of each case of each suite: kind and message."""
    return {
        name: {case.name: [(type(one).__name__, one.message) for one in case.result] for case in suite}
        for name, (suite, _) in read_all(text).items()
    }


DEAD = Diagnostic("", 0, 0, "", "no answer from https://user:secret-word@eu.example", "check the network")


def test_each_target_is_a_suite() -> None:
    """One without a plan has one case, which is named by the target, and has not passed."""
    planned = [
        PlannedTarget("eu", make()),
        PlannedTarget("dead", None, problems=(PROBLEM, DEAD)),
        PlannedTarget("us", plan(catalog(), inventory()), refusals=("too many",)),
        PlannedTarget("none", None),
        PlannedTarget("odd", plan(catalog(), inventory()), problems=(PROBLEM,)),
    ]
    text = format_plans_junit("base", planned, now=NOW)
    found = list_results(text)
    assert list(found) == [f"imagesync.base.{name}" for name in ("eu", "dead", "us", "none", "odd")]
    assert list(found["imagesync.base.eu"]) == list(read(format_plan_junit(make(), now=NOW))[1])
    ((kind, message),) = found["imagesync.base.dead"]["target dead"]
    assert (kind, message.split("; no answer")[0]) == ("Error", str(PROBLEM))
    assert "secret-word" not in text
    assert found["imagesync.base.us"] == {"the limits of the policy": [("Failure", "too many")]}
    assert found["imagesync.base.odd"] == {"target odd": [("Error", str(PROBLEM))], "no changes": []}
    assert found["imagesync.base.none"] == {"target none": [("Error", "no plan")]}


@pytest.mark.parametrize(
    ("outcome", "cases"),
    [
        (TargetOutcome.DONE, {"no changes": []}),
        (TargetOutcome.UNCHANGED, {"no changes": []}),
        (TargetOutcome.FAILED, {"target eu": [("Error", "failed")]}),
        (TargetOutcome.LOST, {"target eu": [("Error", "lost")]}),
        (TargetOutcome.INTERRUPTED, {"target eu": [("Error", "interrupted")]}),
        (TargetOutcome.NOT_STARTED, {"target eu": [("Skipped", "not started")]}),
    ],
)
def test_a_target_without_a_report_has_one_case(outcome: TargetOutcome, cases: object) -> None:
    """Its result is that of its run."""
    text = format_runs_junit("base", [TargetRun("eu", outcome)], now=NOW)
    assert list_results(text) == {"imagesync.base.eu": cases}


def make_report(outcome: Outcome) -> Report:
    """A run with one step."""
    made = plan(catalog(spec("a")), inventory())
    return Report(made, (StepResult(made.steps[0], outcome, error=error(outcome)),))


def test_a_target_that_did_not_succeed_has_a_case_that_has_not_passed() -> None:
    """If no change says it, the case of the target does."""
    runs = [
        TargetRun("a", TargetOutcome.DONE, make_report(Outcome.DONE)),
        TargetRun("b", TargetOutcome.FAILED, make_report(Outcome.FAILED)),
        TargetRun("c", TargetOutcome.INTERRUPTED, make_report(Outcome.NOT_STARTED)),
        TargetRun("d", TargetOutcome.FAILED, make_report(Outcome.DONE), problems=(PROBLEM,)),
        TargetRun("e", TargetOutcome.DONE, make_report(Outcome.DONE), problems=(PROBLEM,)),
    ]
    assert list(list_results(format_runs_junit("x", runs, now=NOW)).values()) == [
        {"a: create": []},
        {"a: create": [("Failure", "boom")]},
        {"target c": [("Error", "interrupted")], "a: create": [("Skipped", "not started")]},
        {"target d": [("Error", str(PROBLEM))], "a: create": []},
        {"target e": [("Error", str(PROBLEM))], "a: create": []},
    ]


def test_merged_reports_have_a_case_for_each_step() -> None:
    """With its image, its error, and what it waited for; and what else a report says."""
    step = ReportedStep("create:a", "create", "a", Outcome.DONE, "id-a", "a remark", "", 1.5, 0)
    failed = replace(step, key="b", outcome=Outcome.FAILED, image_id="", error="boom")
    skipped = replace(failed, action="update", outcome=Outcome.SKIPPED, error="", cause="create:b")
    run = ReportedRun("eu", TargetOutcome.FAILED, 0, (), (step, failed, skipped, skipped), (PROBLEM,), ("c: off",))
    runs = [
        run,
        ReportedRun("us", TargetOutcome.LOST, 0, (), (step,), stopped="lease lost"),
        ReportedRun("ap", TargetOutcome.FAILED, 0, (PROBLEM,)),
        ReportedRun("same", TargetOutcome.UNCHANGED),
        ReportedRun("stop", TargetOutcome.INTERRUPTED, 0, (), (step,)),
    ]
    text = format_reported_junit("base", runs, now=NOW)
    message = "skipped, because create:b was not done"
    assert list(list_results(text).values()) == [
        {
            "images.x: cannot be planned": [("Failure", str(PROBLEM))],
            "a: create": [],
            "b: create": [("Failure", "boom")],
            "b: update": [("Skipped", message)],
            "b: update (2)": [("Skipped", message)],
            "final listing": [("Failure", "not as planned: c: off")],
        },
        {"a: create": [], "run": [("Error", "lease lost")]},
        {"target ap": [("Error", str(PROBLEM))]},
        {"no changes": []},
        {"target stop": [("Error", "interrupted")], "a: create": []},
    ]
    suite, cases = read_all(text)["imagesync.base.eu"]
    assert (suite.time, cases["a: create"].time, cases["a: create"].system_out) == (6.0, 1.5, "image id-a")


def test_no_suite_has_the_name_of_another() -> None:
    """Two names that are equal as printable text are numbered."""
    planned = [PlannedTarget(name, None) for name in ("\x1b", "\\x1b", "x")]
    names = list(read_all(format_plans_junit("base", planned, now=NOW)))
    assert names == ["imagesync.base.\\x1b", "imagesync.base.\\x1b (2)", "imagesync.base.x"]


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_no_name_of_a_target_is_interpreted(kind: str) -> None:
    """Nor any problem."""
    text = HOSTILE[kind]
    problem = Diagnostic(text, 1, 1, text, text, text)
    runs = [
        TargetRun(text, TargetOutcome.FAILED, make_odd(text), problems=(problem,)),
        TargetRun("b", TargetOutcome.LOST),
    ]
    report = format_runs_junit(text, runs, now=NOW)
    assert len(read_all(report)) == 2
    assert list(find_commands(report)) == []
    planned = [PlannedTarget(text, make_odd(text).plan, problems=(problem,))]
    assert list(find_commands(format_plans_junit(text, planned, now=NOW))) == []


def make_odd(text: str) -> Report:
    """A report with the text wherever others choose it."""
    made = replace(plan(catalog(replace(spec("a", properties={"p": text}), name=text)), inventory()), target_name=text)
    return Report(made, (StepResult(made.steps[0], Outcome.FAILED, None, text),), leftover=(text,), stopped=text)


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_no_text_is_interpreted(kind: str) -> None:
    """Neither by XML nor by a CI system that reads the report from the log."""
    report = format_report_junit(make_odd(HOSTILE[kind]), now=NOW)
    read(report)
    assert list(find_commands(report)) == []


@settings(deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text_is_well_formed_and_stays_in_its_place(text: str) -> None:
    """Also characters that XML does not have."""
    report = format_report_junit(make_odd(f"x{text}"), now=NOW)
    names = {element.tag for element in ElementTree.fromstring(report.encode()).iter()}
    assert names == {
        *("testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-out")
    }


def make_bad_report() -> Report:
    """A run with keys that cannot be planned, a failed replacement, a skipped create and more."""
    errors = (PlanError("x", PROBLEM), PlanError("y", replace(PROBLEM, message="wrong", hint="")))
    made = replace(make(), target_name="eu", errors=errors)
    (new, old), (other,) = ([step for step in made.steps if step.action.key == key] for key in "ab")
    results = (
        StepResult(new, Outcome.FAILED, None, "no room\x1b", None, 1.2344),
        StepResult(old, Outcome.FAILED, None, "away", "create:a", 0.25),
        StepResult(other, Outcome.SKIPPED, None, "", "create:a", 0.0),
    )
    return Report(made, results, leftover=("c: off", "d: on"), stopped="lease lost")


def test_the_whole_report_of_a_run() -> None:
    """Numbers, names and times are where readers expect them; each error of a change is in its message."""
    assert (
        format_report_junit(make_bad_report(), now=NOW)
        == f"""\
<?xml version='1.0' encoding='utf-8'?>
<testsuites name="imagesync" tests="8" failures="5" errors="1" skipped="2" time="1.484">
  <testsuite name="imagesync.base.eu" tests="8" failures="5" errors="1" skipped="2" time="1.484" \
timestamp="2026-11-23T12:00:00">
    <properties>
      <property name="imagesync" value="{__version__}" />
      <property name="catalog" value="base" />
      <property name="target" value="eu" />
    </properties>
    <testcase classname="imagesync.base.eu" name="x: cannot be planned" time="0.000">
      <failure message="{PROBLEM}" type="failure">{PROBLEM}</failure>
    </testcase>
    <testcase classname="imagesync.base.eu" name="y: cannot be planned" time="0.000">
      <failure message="a.yaml:3:5: images.x: wrong" type="failure">a.yaml:3:5: images.x: wrong</failure>
    </testcase>
    <testcase classname="imagesync.base.eu" name="a: replace, new build" time="1.484">
      <failure message="no room\\x1b; away" type="failure">no room\\x1b; away</failure>
      <system-out>4.0 KiB from a.raw
old build: hidden, kept without limit (keep 1)</system-out>
    </testcase>
    <testcase classname="imagesync.base.eu" name="b: create" time="0.000">
      <skipped message="skipped, because create:a was not done" />
      <system-out>4.0 KiB from b.raw
visibility: private
format: raw in bare</system-out>
    </testcase>
    <testcase classname="imagesync.base.eu" name="z: delete, not in the manifest" time="0.000">
      <skipped message="not started" />
      <system-out>4.0 KiB
image: id-z</system-out>
    </testcase>
    <testcase classname="imagesync.base.eu" name="final listing" time="0.000">
      <failure message="not as planned: c: off" type="failure">not as planned: c: off</failure>
    </testcase>
    <testcase classname="imagesync.base.eu" name="final listing (2)" time="0.000">
      <failure message="not as planned: d: on" type="failure">not as planned: d: on</failure>
    </testcase>
    <testcase classname="imagesync.base.eu" name="run" time="0.000">
      <error message="lease lost" type="error">lease lost</error>
    </testcase>
  </testsuite>
</testsuites>"""
    )


def test_each_suite_has_its_own_numbers_and_the_root_their_sums() -> None:
    """Names are printable. Catalog and target are properties of each suite."""
    runs = [
        TargetRun("eu\x1b", TargetOutcome.FAILED, make_bad_report()),
        TargetRun("us", TargetOutcome.NOT_STARTED, problems=(PROBLEM, DEAD)),
        TargetRun("ap", TargetOutcome.FAILED, make_report(Outcome.FAILED)),
    ]
    root = ElementTree.fromstring(format_runs_junit("base", runs, now=NOW).encode())
    numbers = ("tests", "failures", "errors", "skipped", "time")
    assert [root.get(name) for name in numbers] == ["10", "6", "1", "3", "1.484"]
    assert [[suite.get(name) for name in ("name", *numbers)] for suite in root] == [
        ["imagesync.base.eu\\x1b", "8", "5", "1", "2", "1.484"],
        ["imagesync.base.us", "1", "0", "0", "1", "0.000"],
        ["imagesync.base.ap", "1", "1", "0", "0", "0.000"],
    ]
    assert [[(one.get("name"), one.get("value")) for one in suite.iter("property")] for suite in root] == [
        [("imagesync", __version__), ("catalog", "base"), ("target", target)] for target in ("eu\\x1b", "us", "ap")
    ]
    (skipped,) = root[1].iter("skipped")
    secret = "(35 characters, not shown: looks like a secret)"
    assert skipped.attrib == {"message": f"{PROBLEM}; no answer from {secret}; check the network"}


def test_a_plan_begins_with_why_it_is_refused() -> None:
    """Then its errors, then its changes. A plan without changes says how many images are right."""
    made = replace(make(), errors=(PlanError("x", PROBLEM),))
    _, cases = read(format_plan_junit(made, now=NOW, refusals=("too many", "far too many")))
    assert list(cases) == [
        *("the limits of the policy", "the limits of the policy (2)", "x: cannot be planned"),
        *("a: replace, new build", "b: create", "z: delete, not in the manifest"),
    ]
    assert cases["the limits of the policy (2)"].result[0].message == "far too many"
    idle = plan(catalog(spec("a")), inventory(live(spec("a"))))
    words = "No changes. 1 image matches the manifest."
    assert read(format_plan_junit(idle, now=NOW))[1]["no changes"].system_out == words
    assert read(format_report_junit(Report(idle, ()), now=NOW))[1]["no changes"].system_out == words


def test_a_step_that_several_steps_waited_for_is_named_once() -> None:
    """Two causes are both named."""
    made = make()
    new, old = (step for step in made.steps if step.action.key == "a")
    for cause, message in (("x", "because x was not done"), ("y", "because x was not done, because y was not done")):
        results = (StepResult(new, Outcome.SKIPPED, cause="x"), StepResult(old, Outcome.SKIPPED, cause=cause))
        _, cases = read(format_report_junit(Report(made, results), now=NOW))
        assert cases["a: replace, new build"].result[0].message == f"skipped, {message}"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_each_outcome_of_a_merged_step_is_a_result(outcome: Outcome) -> None:
    """With its words, if there is no error."""
    step = ReportedStep("create:a", "create", "a", outcome, "", "", "", 0.5, 0)
    found = list_results(format_reported_junit("base", [ReportedRun("eu", TargetOutcome.DONE, steps=(step,))], now=NOW))
    kinds = {Outcome.DONE: [], Outcome.FAILED: ["Failure"], Outcome.INTERRUPTED: ["Error"]}
    expected = [(kind, outcome.words) for kind in kinds.get(outcome, ["Skipped"])]
    assert found == {"imagesync.base.eu": {"a: create": expected}}


def test_a_problem_without_a_place_is_named_by_its_kind() -> None:
    """Of a manifest, or of the whole command."""
    run = ReportedRun("eu", TargetOutcome.FAILED, errors=(DEAD,))
    (cases,) = list_results(format_reported_junit("base", [run], now=NOW)).values()
    assert list(cases) == ["manifest: cannot be planned"]
    (cases,) = list_results(format_failure_junit("apply", [DEAD, PROBLEM], now=NOW, target="eu")).values()
    assert cases == {"apply": [("Error", str(DEAD))], "apply: images.x": [("Error", str(PROBLEM))]}
    suite, _ = read(format_failure_junit("apply", [PROBLEM], now=NOW, target="eu"))
    assert suite.name == "imagesync.eu"
