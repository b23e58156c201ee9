"""The plans and the runs of several targets -> text for people. Pure: colors, the width and the clock are parameters."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from imagesync.errors import Diagnostic, PlanRefused
from imagesync.model.reported import ReportedRun
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.blocks import wrap
from imagesync.render.document import TargetGroup
from imagesync.render.documents import make_plan_document
from imagesync.render.problems import list_problems
from imagesync.render.report import format_report
from imagesync.render.style import Detail, Ink, Paint, format_count, leave_plain
from imagesync.render.summary import count_changes, format_total
from imagesync.render.target_groups import describe_group, group_equal, group_plans, list_targets
from imagesync.render.text import format_plan
from imagesync.text import make_printable

_INDENT = "  "
_UNCHANGED = "No changes."


def format_target_plans(
    planned: Sequence[PlannedTarget],
    paint: Paint = leave_plain,
    *,
    now: datetime,
    detail: Detail = Detail.USUAL,
    width: int | None = None,
    counted: Sequence[PlannedTarget] | None = None,
) -> str:
    """The text of the plans: equal ones once, below the names of their targets; then the number of targets with changes.

    Targets without changes come first, and those with errors last, next to the question. ``counted``: the targets that
    the last lines count, if these are not all that are shown; empty for no last lines.
    """
    names = {one.target: one for one in planned}
    texts = [
        "\n".join([*_format_title(group, paint, width), *_format_body(group, names, paint, now, detail, width)])
        for group in sorted(group_plans(planned, now=now, detail=detail), key=_rank_plan)
    ]
    ending = _close_plans(planned if counted is None else counted)
    closing = [paint(Ink.BOLD, each) for line in ending for each in wrap(line, width, _INDENT)]
    return "\n\n".join([*texts, *(["\n".join(closing)] if closing else [])])


def _rank_plan(group: TargetGroup[PlannedTarget]) -> int:
    plan = group.first.plan
    return 2 if has_errors(group.first) else bool(plan and plan.steps)


def _close_plans(planned: Sequence[PlannedTarget]) -> Iterator[str]:
    if not planned:
        return
    yield count_targets(planned)
    plans = [one.plan for one in planned if one.plan and one.plan.steps and not (one.problems or one.refusals)]
    if len(plans) > 1:
        yield format_total(plans)


def _format_title(group: TargetGroup[PlannedTarget], paint: Paint, width: int | None) -> list[str]:
    plan, names = group.first.plan, list_targets(group.names)
    title = describe_group(group.names, count_changes(plan)) if plan else f"{names}: stopped by an error"
    return [paint(Ink.BOLD, line) for line in wrap(title, width, _INDENT)]


def _format_body(
    group: TargetGroup[PlannedTarget],
    names: Mapping[str, PlannedTarget],
    paint: Paint,
    now: datetime,
    detail: Detail,
    width: int | None,
) -> Iterator[str]:
    first = group.first
    if first.plan is not None and not _is_said(first, now, detail):
        others = [plan for name in group.names[1:] if (plan := names[name].plan)]
        yield format_plan(first.plan, paint, now=now, detail=detail, width=width, others=others)
    problems = [*list_problems(PlanRefused(first.refusals)), *first.problems]
    yield from _format_problems(problems, width)


def _is_said(one: PlannedTarget, now: datetime, detail: Detail) -> bool:
    """Whether the title says all: no changes, and nothing else to know about the images."""
    if one.plan is None or one.plan.steps or detail is Detail.WHOLE:
        return False
    document = make_plan_document(one.plan, now=now, detail=detail)
    return not (document.has_content or document.errors)


def _format_problems(problems: Sequence[Diagnostic], width: int | None) -> Iterator[str]:
    for problem in problems:
        yield from wrap(f"Error: {make_printable(str(problem))}", width, "    ")


def count_targets(planned: Sequence[PlannedTarget]) -> str:
    """``3 targets: 1 with changes, 1 without changes, 1 with errors (lab).``; the targets with errors are named."""
    wrong = [one.target for one in planned if has_errors(one)]
    others = [one for one in planned if not has_errors(one) and one.plan]
    changed = sum(bool(one.plan and one.plan.steps) for one in others)
    parts = [
        *([f"{changed} with changes"] if changed else []),
        *([f"{len(others) - changed} without changes"] if len(others) > changed else []),
        *([f"{len(wrong)} with errors ({list_targets(wrong)})"] if wrong else []),
    ]
    return f"{format_count(len(planned), 'target')}: {', '.join(parts)}."


def has_errors(one: PlannedTarget) -> bool:
    """Whether a target cannot be applied as a whole."""
    return bool(one.problems or one.refusals or one.plan is None or one.plan.errors)


def format_target_runs(runs: Sequence[TargetRun], paint: Paint = leave_plain, *, width: int | None = None) -> str:
    """The closing lines of each target, equal ones once; then the number of targets by outcome, with names.

    Targets without changes have no lines. What failed comes last.
    """
    inner = None if width is None else width - len(_INDENT)
    ordered = sorted(runs, key=lambda run: rank_outcome(run.outcome))
    entries = [(run.target, run) for run in ordered if _format_run(run, paint, inner) != _UNCHANGED]
    lines = [
        line
        for group in group_equal(entries, lambda run: _format_run(run, paint, inner))
        for line in _format_group(group, paint, width, inner)
    ]
    closing = [paint(Ink.BOLD, line) for line in wrap(count_outcomes(runs), width, _INDENT)]
    return "\n".join([*lines, *closing])


def rank_outcome(outcome: TargetOutcome) -> int:
    """The order of outcomes in a text: failures are last, where a reader of a terminal sees them first."""
    return 0 if outcome.is_success else 1 if outcome is TargetOutcome.NOT_STARTED else 2


def _format_group(group: TargetGroup[TargetRun], paint: Paint, width: int | None, inner: int | None) -> Iterator[str]:
    yield from (paint(Ink.BOLD, line) for line in wrap(f"{list_targets(group.names)}:", width, _INDENT))
    yield from (f"{_INDENT}{line}" for line in _format_run(group.first, paint, inner).split("\n"))


def _format_run(run: TargetRun, paint: Paint, width: int | None) -> str:
    lines: list[str] = []
    if run.report is not None and (run.report.results or run.report.plan.errors):
        lines += format_report(run.report, paint, width=width).split("\n")
    elif run.outcome is TargetOutcome.UNCHANGED:
        lines.append(_UNCHANGED)
    if not lines and run.outcome is not TargetOutcome.FAILED:
        lines.append(f"{run.outcome.words.capitalize()}.")
    return "\n".join([*lines, *_format_problems(run.problems, width)] or ["Failed."])


def count_outcomes(runs: Sequence[TargetRun | ReportedRun]) -> str:
    """``5 targets: 4 done, 1 failed (ap).``; targets that are neither done nor unchanged are named."""
    counts = Counter(run.outcome for run in runs)
    parts = []
    for outcome in TargetOutcome:
        if not counts[outcome]:
            continue
        names = [run.target for run in runs if run.outcome is outcome]
        parts.append(f"{counts[outcome]} {outcome.words}" + ("" if outcome.is_success else f" ({list_targets(names)})"))
    return f"{format_count(len(runs), 'target')}: {', '.join(parts)}."
