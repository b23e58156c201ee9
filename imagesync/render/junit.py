"""Plans, reports or a failure -> a JUnit XML report, for the test tab of a pipeline. Pure: the time is a parameter.

There is no official schema: the names are those that Jenkins, GitLab, GitHub actions, Azure and CircleCI read. Each change
is a test case with the same name in the plan and in the report, so a history of it makes sense. A change that a plan shows
has passed. A key that cannot be planned, a refused plan, a change that failed and a difference that the final listing found
have failed. No name occurs twice: GitLab ignores a second test case of the same name. Each target is a test suite; one that
could not be reached or planned has one test case, which is named by the target.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count
from typing import Final
from xml.etree import ElementTree

from imagesync.errors import Diagnostic
from imagesync.model.plan import Plan
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.blocks import Row, list_row_lines
from imagesync.render.outcomes import find_outcome, list_step_errors
from imagesync.render.place import name_target
from imagesync.render.rows import make_rows
from imagesync.render.summary import format_counts, list_errors
from imagesync.secrets import clean_diagnostic
from imagesync.text import make_printable
from imagesync.version import __version__

_FAILED: Final = "failure"
_BROKEN: Final = "error"
_SKIPPED: Final = "skipped"
_RESULTS: Final[Mapping[Outcome, str]] = {
    Outcome.DONE: "",
    Outcome.FAILED: _FAILED,
    Outcome.INTERRUPTED: _BROKEN,
    Outcome.SKIPPED: _SKIPPED,
    Outcome.DEFERRED: _SKIPPED,
    Outcome.NOT_STARTED: _SKIPPED,
}
"""The element that an outcome becomes; none for a test case that passed."""
_TARGET_RESULTS: Final[Mapping[TargetOutcome, str]] = {
    TargetOutcome.DONE: "",
    TargetOutcome.UNCHANGED: "",
    TargetOutcome.FAILED: _BROKEN,
    TargetOutcome.LOST: _BROKEN,
    TargetOutcome.INTERRUPTED: _BROKEN,
    TargetOutcome.NOT_STARTED: _SKIPPED,
}
"""The same for the test case of a target."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case. ``result``: the element that says why it has not passed; ``output``: what it is about."""

    name: str
    result: str = ""
    message: str = ""
    output: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Place:
    catalog: str
    target: str

    def __str__(self) -> str:
        return ".".join(filter(None, ("imagesync", _clean(self.catalog), _clean(self.target))))


@dataclass(frozen=True, slots=True)
class _Suite:
    place: _Place
    cases: Sequence[_Case]


def format_plan_junit(plan: Plan, *, now: datetime, refusals: Sequence[str] = ()) -> str:
    """The report of a plan. ``refusals``: why the policy refuses it."""
    return _format_suites([_Suite(_find_place(plan), _make_plan_cases(plan, now, refusals))], now)


def format_plans_junit(catalog: str, planned: Sequence[PlannedTarget], *, now: datetime) -> str:
    """The report of the plans of several targets, one suite for each."""
    suites = [_Suite(_Place(catalog, one.target), list(_make_target_plan_cases(one, now))) for one in planned]
    return _format_suites(suites, now)


def format_report_junit(report: Report, *, now: datetime) -> str:
    """The report of a run: one case for each change, and one for each difference that the final listing found."""
    return _format_suites([_Suite(_find_place(report.plan), _make_report_cases(report, now))], now)


def format_runs_junit(catalog: str, runs: Sequence[TargetRun], *, now: datetime) -> str:
    """The report of the runs of several targets, one suite for each."""
    suites = [
        _Suite(_Place(catalog, one.target), _complete(one, _make_report_cases(one.report, now) if one.report else []))
        for one in runs
    ]
    return _format_suites(suites, now)


def format_reported_junit(catalog: str, runs: Sequence[ReportedRun], *, now: datetime) -> str:
    """The report of merged reports, one suite for each target, and one case for each step."""
    suites = [_Suite(_Place(catalog, one.target), _complete(one, list(_make_step_cases(one)))) for one in runs]
    return _format_suites(suites, now)


def _make_step_cases(run: ReportedRun) -> Iterator[_Case]:
    for error in run.errors:
        yield _Case(f"{error.where or 'manifest'}: cannot be planned", _FAILED, str(error))
    for step in run.steps:
        cause = f"because {step.cause} was not done" if step.cause else ""
        message = step.error or ", ".join(filter(None, (step.outcome.words, cause)))
        output = f"image {step.image_id}" if step.image_id else ""
        yield _Case(f"{step.key}: {step.action}", _RESULTS[step.outcome], message, output, step.seconds)
    yield from (_Case("final listing", _FAILED, f"not as planned: {item}") for item in run.leftover)
    if run.stopped:
        yield _Case("run", _BROKEN, run.stopped)


def format_failure_junit(
    command: str, problems: Sequence[Diagnostic], *, now: datetime, catalog: str = "", target: str = ""
) -> str:
    """The report of a command without a result. ``catalog``, ``target``: empty if they are not known."""
    cases = [
        _Case(f"{command}: {problem.where}" if problem.where else command, _BROKEN, str(problem))
        for problem in problems
    ]
    return _format_suites([_Suite(_Place(catalog, target), cases)], now)


def _make_target_plan_cases(one: PlannedTarget, now: datetime) -> Iterator[_Case]:
    if one.problems or one.plan is None:
        yield _make_target_case(one.target, _BROKEN, one.problems, "no plan")
    if one.plan is not None:
        yield from _make_plan_cases(one.plan, now, one.refusals)


def _complete(one: TargetRun | ReportedRun, cases: list[_Case]) -> list[_Case]:
    """The cases of a target: at least one of them has not passed if its run did not succeed."""
    result = _TARGET_RESULTS[one.outcome]
    has_failed = any(case.result in (_FAILED, _BROKEN) for case in cases)
    if one.problems or (result and not has_failed):
        return [_make_target_case(one.target, result or _BROKEN, one.problems, one.outcome.words), *cases]
    return cases or [_Case("no changes")]


def _make_target_case(target: str, result: str, problems: Sequence[Diagnostic], words: str) -> _Case:
    sentences = [str(clean_diagnostic(problem)) for problem in problems]
    return _Case(f"target {target}", result, "; ".join(sentences) or words)


def _make_plan_cases(plan: Plan, now: datetime, refusals: Sequence[str]) -> list[_Case]:
    cases = [
        *(_Case("the limits of the policy", _FAILED, sentence) for sentence in refusals),
        *_make_error_cases(plan),
        *(_Case(_name_row(row), output="\n".join(list_row_lines(row))) for row in make_rows(plan, now, whole=False)),
    ]
    return cases or [_Case("no changes", output=format_counts(plan))]


def _make_report_cases(report: Report, now: datetime) -> list[_Case]:
    plan = report.plan
    results = {result.step.id: result for result in report.results}
    cases = [
        *_make_error_cases(plan),
        *(_make_result_case(row, results) for row in make_rows(plan, now, whole=False)),
        *(_Case("final listing", _FAILED, f"not as planned: {item}") for item in report.leftover),
        *([_Case("run", _BROKEN, report.stopped)] if report.stopped else []),
    ]
    return cases or [_Case("no changes", output=format_counts(plan))]


def _make_error_cases(plan: Plan) -> Iterator[_Case]:
    """One case for each key that cannot be planned."""
    for error, problem in zip(plan.errors, list_errors(plan), strict=True):
        yield _Case(f"{error.key}: cannot be planned", _FAILED, problem)


def _make_result_case(row: Row, results: Mapping[str, StepResult]) -> _Case:
    outcome, steps = find_outcome(row, results), [results[step] for step in row.steps if step in results]
    causes = dict.fromkeys(f"because {step.cause} was not done" for step in steps if step.cause)
    message = "; ".join(list_step_errors(row, results)) or ", ".join([outcome.words, *causes])
    seconds = sum(step.seconds for step in steps)
    return _Case(_name_row(row), _RESULTS[outcome], message, "\n".join(list_row_lines(row)), seconds)


def _name_row(row: Row) -> str:
    """``web: replace, new build``."""
    return f"{row.key}: {row.kind.words}"


def _find_place(plan: Plan) -> _Place:
    return _Place(plan.catalog, name_target(plan.target_name, plan.target))


def _format_suites(suites: Sequence[_Suite], now: datetime) -> str:
    every = [case for suite in suites for case in suite.cases]
    root = ElementTree.Element("testsuites", {"name": "imagesync", **_count(every)})
    for name, suite in zip(_number_names([str(suite.place) for suite in suites]), suites, strict=True):
        _add_suite(root, name, suite, now)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add_suite(root: ElementTree.Element, name: str, suite: _Suite, now: datetime) -> None:
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")  # readers expect no zone here
    attributes = {"name": name, **_count(suite.cases), "timestamp": moment}
    element = ElementTree.SubElement(root, "testsuite", attributes)
    properties = ElementTree.SubElement(element, "properties")
    for word, value in (("imagesync", __version__), ("catalog", suite.place.catalog), ("target", suite.place.target)):
        ElementTree.SubElement(properties, "property", {"name": word, "value": _clean(value)})
    for label, case in zip(_number_names([_clean(case.name) for case in suite.cases]), suite.cases, strict=True):
        _add_case(element, name, label, case)


def _count(cases: Sequence[_Case]) -> dict[str, str]:
    """The attributes that count test cases, and their time."""
    counts = {
        "tests": len(cases),
        "failures": sum(case.result == _FAILED for case in cases),
        "errors": sum(case.result == _BROKEN for case in cases),
        "skipped": sum(case.result == _SKIPPED for case in cases),
    }
    return {**{name: str(number) for name, number in counts.items()}, "time": _format_time(cases)}


def _format_time(cases: Sequence[_Case]) -> str:
    return f"{sum(case.seconds for case in cases):.3f}"


def _number_names(names: Sequence[str]) -> Iterator[str]:
    """The names, with a number at each that would occur again."""
    found = set[str]()
    for name in names:
        numbered = (f"{name} ({number})" for number in count(2))
        found.add(unique := next(one for one in chain([name], numbered) if one not in found))
        yield unique


def _add_case(suite: ElementTree.Element, place: str, name: str, case: _Case) -> None:
    attributes = {"classname": place, "name": name, "time": f"{case.seconds:.3f}"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.result:
        message = _clean(case.message)
        child = ElementTree.SubElement(element, case.result, {"message": message})
        if case.result != _SKIPPED:
            child.set("type", case.result)
            child.text = message
    if case.output:
        ElementTree.SubElement(element, "system-out").text = "\n".join(_clean_lines(case.output))


def _clean_lines(text: str) -> Iterator[str]:
    yield from map(_clean, text.split("\n"))


def _clean(text: str) -> str:
    """One printable line. So no character is left that XML 1.0 does not have."""
    return make_printable(text)
