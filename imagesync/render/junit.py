"""A plan, a report or a failure -> a JUnit XML report, for the test tab of a pipeline. Pure: the time is a parameter.

There is no official schema: the names are those that Jenkins, GitLab, GitHub actions, Azure and CircleCI read. Each change
is a test case with the same name in the plan and in the report, so a history of it makes sense. A change that a plan shows
has passed. A key that cannot be planned, a refused plan, a change that failed and a difference that the final listing found
have failed. No name occurs twice: GitLab ignores a second test case of the same name.
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
from imagesync.render.blocks import Row, list_row_lines
from imagesync.render.outcomes import find_outcome, list_step_errors
from imagesync.render.place import name_target
from imagesync.render.rows import make_rows
from imagesync.render.summary import format_counts, list_errors
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


@dataclass(frozen=True, slots=True)
class _Case:
    """One test case. ``result``: the element that says why it has not passed; ``output``: what it is about."""

    name: str
    result: str = ""
    message: str = ""
    output: str = ""
    seconds: float = 0.0


def format_plan_junit(plan: Plan, *, now: datetime, refusals: Sequence[str] = ()) -> str:
    """The report of a plan. ``refusals``: why the policy refuses it."""
    cases = [
        *(_Case("the limits of the policy", _FAILED, sentence) for sentence in refusals),
        *_make_error_cases(plan),
        *(_Case(_name_row(row), output="\n".join(list_row_lines(row))) for row in make_rows(plan, now, whole=False)),
    ]
    nothing = [_Case("no changes", output=format_counts(plan))]
    return _format_suite(_Place(plan.catalog, name_target(plan.target_name, plan.target)), cases or nothing, now)


def format_report_junit(report: Report, *, now: datetime) -> str:
    """The report of a run: one case for each change, and one for each difference that the final listing found."""
    plan = report.plan
    results = {result.step.id: result for result in report.results}
    cases = [
        *_make_error_cases(plan),
        *(_make_result_case(row, results) for row in make_rows(plan, now, whole=False)),
        *(_Case("final listing", _FAILED, f"not as planned: {item}") for item in report.leftover),
        *([_Case("run", _BROKEN, report.stopped)] if report.stopped else []),
    ]
    nothing = [_Case("no changes", output=format_counts(plan))]
    return _format_suite(_Place(plan.catalog, name_target(plan.target_name, plan.target)), cases or nothing, now)


def format_failure_junit(
    command: str, problems: Sequence[Diagnostic], *, now: datetime, catalog: str = "", target: str = ""
) -> str:
    """The report of a command without a result. ``catalog``, ``target``: empty if they are not known."""
    cases = [
        _Case(f"{command}: {problem.where}" if problem.where else command, _BROKEN, str(problem))
        for problem in problems
    ]
    return _format_suite(_Place(catalog, target), cases, now)


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


@dataclass(frozen=True, slots=True)
class _Place:
    catalog: str
    target: str

    def __str__(self) -> str:
        return ".".join(filter(None, ("imagesync", _clean(self.catalog), _clean(self.target))))


def _format_suite(place: _Place, cases: Sequence[_Case], now: datetime) -> str:
    counts = {
        "tests": len(cases),
        "failures": sum(case.result == _FAILED for case in cases),
        "errors": sum(case.result == _BROKEN for case in cases),
        "skipped": sum(case.result == _SKIPPED for case in cases),
    }
    attributes = {**{name: str(number) for name, number in counts.items()}, "time": _format_time(cases)}
    root = ElementTree.Element("testsuites", {"name": "imagesync", **attributes})
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")  # readers expect no zone here
    suite = ElementTree.SubElement(root, "testsuite", {"name": str(place), **attributes, "timestamp": moment})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("imagesync", __version__), ("catalog", place.catalog), ("target", place.target)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for name, case in zip(_number_names([_clean(case.name) for case in cases]), cases, strict=True):
        _add_case(suite, str(place), name, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


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
