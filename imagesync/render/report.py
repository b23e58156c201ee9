"""A report -> the closing lines of a run. Pure: colors and the width are parameters."""

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from imagesync.model.plan import Create, Delete, Kind, Reason, find_image_id, is_promotion, summarize
from imagesync.model.report import Outcome, Report, StepResult, list_waiting_candidates
from imagesync.render.blocks import wrap
from imagesync.render.style import Ink, Paint, format_count, leave_plain
from imagesync.render.summary import VERBS
from imagesync.text import format_size, make_printable, shorten_list

MAX_NAMED: Final = 10
"""A closing line names at most this many steps, and counts the rest."""
MAX_COLUMNS: Final = 79
"""The width of a line with names; a longer name has a line of its own."""
_LEFT: Final = {Outcome.INTERRUPTED: "interrupted", Outcome.NOT_STARTED: "not started"}
"""The outcomes whose steps an interrupted run lists; these steps did not fail."""
_DONE: Final = {verb: f"{verb.removesuffix('e')}ed" for verb in VERBS}
_TO_DO: Final = {verb: f"to {verb}" for verb in VERBS}


def format_outcome(result: StepResult) -> str:
    """The line for a step that ended, without the reason of a failure."""
    return f"{result.outcome.value:11} {make_printable(result.step.id)}"


def format_result(result: StepResult, places: Mapping[str, str]) -> str:
    """The line for a step that ended, with the reason of a failure; for a create also its place in the manifest."""
    place = places.get(result.step.action.key, "") if isinstance(result.step.action, Create) else ""
    parts = [make_printable(part) for part in (place, result.error) if part]
    return ": ".join([format_outcome(result), *parts]) if result.error else format_outcome(result)


def format_report(report: Report, paint: Paint = leave_plain, *, width: int | None = None) -> str:
    """The closing lines: one line for each step that failed, the counts of done and other steps, and what to do.

    Counts are those of images, as in the plan. ``width``: the columns of a line; None does not wrap.
    """
    failures = [line for text in _list_poor(report) for line in wrap(text, width, "    ")]
    ending = [paint(Ink.BOLD, line) for line in wrap(format_closing(report), width, "  ")]
    after = list_next_steps(report)
    return "\n".join(
        [*failures, *_list_left(report), *ending, *(line for text in after for line in wrap(text, width, "    "))]
    )


def format_closing(report: Report, *, errors: str = "the errors above") -> str:
    """``Applied: 1 created. 2.0 KiB uploaded.``, or why and how far the run failed or stopped, and what to do."""
    sent = sum(result.bytes_sent for result in report.results if result.outcome is Outcome.DONE)
    moved = f" {format_size(sent)} uploaded." if sent else ""
    if not report.results and report.succeeded:  # another run did everything before this one got the lease
        return "Applied: nothing left to do."
    done = format_done(report) or "nothing done"
    rest = format_not_done(report)
    number = len(report.plan.errors)  # format_plan names them
    faulty = [f"{format_count(number, 'image')} skipped because of an error"] if number else []
    counts = "; ".join([done, *([f"not done: {rest}"] if rest else []), *faulty]) + "."
    if report.succeeded:
        return f"Applied: {done}.{moved}"
    if report.interrupted or report.stopped:
        why = f"Stopped, {make_printable(report.stopped)}" if report.stopped else "Interrupted"
        return f"{why}: {counts}{moved} Run apply again to continue."
    return f"Failed: {counts}{moved} Fix {errors} and run apply again."


def format_done(report: Report) -> str:
    """``1 created, 2 replaced``: what the run did; empty for nothing."""
    return _count(report, {Outcome.DONE}, _DONE)


def format_not_done(report: Report) -> str:
    """``1 to create, 1 old build to delete``: what the run left; empty for nothing."""
    return ", ".join(filter(None, (_count(report, set(Outcome) - {Outcome.DONE}, _TO_DO), _count_old_builds(report))))


def _list_poor(report: Report) -> Iterator[str]:
    """One line for each step that failed or was skipped or deferred, and for each left-over."""
    for result in report.results:
        if result.outcome is not Outcome.DONE and result.outcome not in _LEFT:
            yield format_result(result, report.plan.places)
    yield from (f"not as planned: {make_printable(item)}" for item in report.leftover)


def _list_left(report: Report) -> Iterator[str]:
    """The steps that an interrupted run did not end, and those that it did not start."""
    for outcome, words in _LEFT.items():
        names = [result.step.id for result in report.results if result.outcome is outcome]
        if names:
            count = f"{len(names)} steps: " if len(names) > MAX_NAMED else ""
            yield textwrap.fill(
                f"{count}{', '.join(shorten_list(names, MAX_NAMED))}",
                MAX_COLUMNS,
                initial_indent=f"{words}: ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )


def _count(report: Report, outcomes: set[Outcome], words: Mapping[str, str]) -> str:
    """``1 created, 2 replaced``: the images whose steps have one of ``outcomes``; a replacement counts once."""
    left = {id(result) for result in _find_old_builds(report)}
    steps = tuple(one.step for one in report.results if one.outcome in outcomes and id(one) not in left)
    counts = summarize(replace(report.plan, steps=steps))
    return ", ".join(f"{number} {words[verb]}" for verb in VERBS if (number := getattr(counts, verb)))


def _count_old_builds(report: Report) -> str:
    """``1 old build to delete``: the old builds of replacements whose new build is published; empty if there are none."""
    left = [one.step.action for one in _find_old_builds(report)]
    builds = {find_image_id(action) for action in left}
    if not builds:
        return ""
    is_deletion = builds == {action.image_id for action in left if isinstance(action, Delete)}
    return f"{format_count(len(builds), 'old build')} to {'delete' if is_deletion else 'retire'}"


def _find_old_builds(report: Report) -> list[StepResult]:
    """The steps on superseded images that are not done, of keys whose new build is published."""
    done = [one.step for one in report.results if one.outcome is Outcome.DONE]
    published = {step.action.key for step in done if isinstance(step.action, Create) or is_promotion(step)}
    return [
        one
        for one in report.results
        if one.outcome is not Outcome.DONE and one.step.reason is Reason.SUPERSEDED and one.step.action.key in published
    ]


def list_next_steps(report: Report) -> Iterator[str]:
    """What the reader must or can do next: after a rollback, and with candidates; nothing after a failure."""
    if not report.succeeded:
        return
    if report.plan.follow_up:
        yield f"Note: {make_printable(report.plan.follow_up)}"
    if report.plan.kind is Kind.STAGE:
        for key, image_id in list_waiting_candidates(report).items():
            yield f"Candidate {key}: image {image_id}; apply publishes it, apply --discard-staged {key} drops it"
