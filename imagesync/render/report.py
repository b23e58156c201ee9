"""A report -> text for people. Pure: colors are a parameter."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from imagesync.model.plan import Create, Kind, summarize
from imagesync.model.report import Outcome, Report, StepResult, candidates_of
from imagesync.render.style import Ink, Paint, format_size, leave_plain
from imagesync.render.text import VERBS
from imagesync.text import make_printable

_DONE: Final = {verb: f"{verb.removesuffix('e')}ed" for verb in VERBS}
_TO_DO: Final = {verb: f"to {verb}" for verb in VERBS}


def progress_line(result: StepResult) -> str:
    """One finished step, while others go on; why it failed is told once, in the report."""
    return f"{result.outcome.value:11} {make_printable(result.step.id)}"


def result_line(result: StepResult, places: Mapping[str, str]) -> str:
    """One finished step, and why it failed: of what is made, with the place of the image in the manifest."""
    place = places.get(result.step.action.key, "") if isinstance(result.step.action, Create) else ""
    parts = [make_printable(part) for part in (place, result.error) if part]
    return ": ".join([progress_line(result), *parts]) if result.error else progress_line(result)


def report_text(report: Report, paint: Paint = leave_plain) -> str:
    """What did not go well, one line a step, and the closing line, which counts images as the plan does."""
    places = report.plan.places
    poor = [result_line(one, places) for one in report.results if one.outcome is not Outcome.DONE]
    left = [f"not as planned: {make_printable(item)}" for item in report.leftover]
    sent = sum(result.bytes_sent for result in report.results)
    moved = f" {format_size(sent)} uploaded." if sent else ""
    if not report.results and report.succeeded:  # all of it was so already when the lease was ours
        return paint(Ink.BOLD, "Applied: nothing was left to do.")
    done = _count(report, {Outcome.DONE}, _DONE) or "nothing done"
    if report.succeeded:
        after = _list_next_steps(report)
        return "\n".join([*poor, paint(Ink.BOLD, f"Applied: {done}.{moved}"), *after])
    rest = _count(report, set(Outcome) - {Outcome.DONE}, _TO_DO)
    counts = f"{done}; not done: {rest}." if rest else f"{done}."
    if report.interrupted or report.stopped:
        left_out = (Outcome.DONE, Outcome.NOT_STARTED)
        poor = [result_line(one, places) for one in report.results if one.outcome not in left_out]
        why = f"Stopped, {make_printable(report.stopped)}" if report.stopped else "Interrupted"
        closing = f"{why}: {counts}{moved} Apply again to go on."
    else:
        closing = f"Failed: {counts}{moved} Mend what is named above and apply again."
    return "\n".join([*poor, *left, paint(Ink.BOLD, closing)])


def _count(report: Report, outcomes: set[Outcome], words: Mapping[str, str]) -> str:
    """``1 created, 2 replaced``: the images whose steps ended so; a replacement is counted once, with its retirement."""
    steps = tuple(one.step for one in report.results if one.outcome in outcomes)
    counts = summarize(replace(report.plan, steps=steps))
    return ", ".join(f"{number} {words[verb]}" for verb in VERBS if (number := getattr(counts, verb)))


def _list_next_steps(report: Report) -> Iterator[str]:
    """What the reader has to do, or can do, next: after a rollback, and with candidates."""
    if report.plan.kind is Kind.ROLLBACK:
        yield from (f"Note: {make_printable(note)}" for note in report.plan.notes)
    if report.plan.kind is Kind.STAGE:
        for key, image_id in candidates_of(report).items():
            yield f"Candidate {key}: image {image_id}; apply publishes it, apply --discard-staged {key} drops it"
