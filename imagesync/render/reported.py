"""Merged JSON reports -> text, and the collection of documents for reviewers. Pure: colors and the width are parameters.

A report has no fields of images: a reader sees the steps of each key, how they ended, and why they failed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.model.report import Outcome
from imagesync.model.reported import ReportedRun, ReportedStep
from imagesync.model.targets import TargetOutcome
from imagesync.render.blocks import Kind, wrap
from imagesync.render.document import Alert, Block, Collection, Document, Section, Subject
from imagesync.render.outcomes import WORST
from imagesync.render.place import describe_target
from imagesync.render.style import Ink, Paint, leave_plain
from imagesync.render.target_documents import Part, join_runs
from imagesync.render.target_groups import group_equal, list_targets
from imagesync.render.target_text import count_outcomes, rank_outcome
from imagesync.text import format_size, make_printable

_KINDS: Final[Mapping[str, Kind]] = {
    "create": Kind(Ink.ADD, "+", "create"),
    "update": Kind(Ink.CHANGE, "~", "update"),
    "deactivate": Kind(Ink.STATE, "○", "deactivate"),
    "reactivate": Kind(Ink.STATE, "●", "reactivate"),
    "delete": Kind(Ink.REMOVE, "-", "delete"),
}
_DELETED: Final = "had images that were deleted"
"""A report does not say whether a deleted image was an old build, or the last image of its key."""
_INDENT: Final = "  "


def make_reported_collection(catalog: str, runs: Sequence[ReportedRun]) -> Collection:
    """What the runs did on each target."""
    return join_runs("apply", catalog, count_outcomes(runs), [_make_part(catalog, run) for run in runs])


def _make_part(catalog: str, run: ReportedRun) -> Part:
    steps = sorted(run.steps, key=lambda step: WORST.index(step.outcome))
    deleted = [step.key for step in run.steps if step.action == "delete" and step.outcome is Outcome.DONE]
    notes = tuple(map(make_printable, run.notes))
    document = Document(
        Subject.REPORT,
        catalog,
        run.target,
        "",
        count_steps(run),
        alerts=(Alert(_DELETED, tuple(map(make_printable, dict.fromkeys(deleted))), is_loss=True),) if deleted else (),
        blocks=tuple(map(_make_block, steps)),
        sections=(Section("Notes", notes),) if notes else (),
    )
    numbers = f"steps: {_format_numbers(run.steps)}" if run.steps else ""
    images = tuple(make_printable(step.image_id) for step in steps)
    errors = tuple(_list_errors(run))
    return Part(
        run.target,
        run.outcome.words,
        document,
        len(steps),
        numbers,
        errors,
        run.wave,
        describe_target(None, run.here) if run.here else "",
        noun="step",
        images=images,
    )


def _make_block(step: ReportedStep) -> Block:
    words = f"because {step.cause} was not done" if step.cause else ""
    kind = _KINDS[step.action]
    return Block(
        kind._replace(why=make_printable(words)),
        (make_printable(step.key),),
        outcome=step.outcome.words,
        error=make_printable(step.error),
    )


def _list_errors(run: ReportedRun) -> Iterator[str]:
    """What is wrong beside single steps."""
    problems: list[Diagnostic] = [*run.problems, *run.errors]
    yield from (make_printable(str(problem)) for problem in problems)
    yield from (f"not as planned: {make_printable(item)}" for item in run.leftover)
    yield from ([make_printable(run.stopped)] if run.stopped else [])


def count_steps(run: ReportedRun) -> str:
    """``Steps: 3 done, 1 failed. 8.0 KiB uploaded.``; empty without steps."""
    if not run.steps:
        return ""
    sent = sum(step.sent_bytes for step in run.steps if step.outcome is Outcome.DONE)
    return f"Steps: {_format_numbers(run.steps)}.{f' {format_size(sent)} uploaded.' if sent else ''}"


def _format_numbers(steps: Sequence[ReportedStep]) -> str:
    counts = Counter(step.outcome for step in steps)
    return ", ".join(f"{counts[outcome]} {outcome.words}" for outcome in Outcome if counts[outcome])


def format_reported(runs: Sequence[ReportedRun], paint: Paint = leave_plain, *, width: int | None = None) -> str:
    """The steps of each target that are not done, and its errors and counts, equal ones once; then the outcomes.

    What failed comes last.
    """
    ordered = sorted(runs, key=lambda run: rank_outcome(run.outcome))
    lines = [
        line
        for group in group_equal([(run.target, run) for run in ordered], lambda run: tuple(_list_lines(run)))
        for line in _format_group(group.names, _list_lines(group.first), paint, width)
    ]
    closing = [paint(Ink.BOLD, line) for line in wrap(count_outcomes(runs), width, _INDENT)]
    return "\n".join([*lines, *closing])


def _format_group(names: Sequence[str], texts: Iterator[str], paint: Paint, width: int | None) -> Iterator[str]:
    yield from (paint(Ink.BOLD, line) for line in wrap(f"{list_targets(names)}:", width, _INDENT))
    yield from (line for text in texts for line in wrap(f"{_INDENT}{text}", width, _INDENT * 3))


def _list_lines(run: ReportedRun) -> Iterator[str]:
    for step in run.steps:
        if step.outcome is not Outcome.DONE:
            words = f"{step.outcome.words:11} {make_printable(step.id)}"
            yield f"{words}: {make_printable(step.error)}" if step.error else words
    yield from (f"Error: {text}" for text in _list_errors(run))
    if run.steps:
        yield count_steps(run)
    elif run.outcome is TargetOutcome.UNCHANGED:
        yield "No changes."
    else:
        yield f"{run.outcome.words.capitalize()}."
