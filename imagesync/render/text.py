"""A plan -> text for people. Pure: colors, the width and the reader's clock are parameters.

One block for each key: what happens to the image, its fields, and the fate of the builds that it supersedes. Common lines
of many images are printed once. Images that users lose come last.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from imagesync.model.plan import Plan
from imagesync.render.blocks import format_rows, wrap
from imagesync.render.notes import group_notes
from imagesync.render.rows import make_rows
from imagesync.render.stays import list_candidates, list_expiries, list_kept
from imagesync.render.style import Detail, Ink, Paint, leave_plain
from imagesync.render.summary import describe_errors, format_counts, format_headings, note_copies
from imagesync.text import make_printable


def format_plan(
    plan: Plan,
    paint: Paint = leave_plain,
    *,
    now: datetime | None = None,
    detail: Detail = Detail.USUAL,
    width: int | None = None,
    others: Sequence[Plan] = (),
) -> str:
    """The text of a plan: its place, what happens to each image, what stays, notes, errors and counts.

    ``others``: the plans of further targets, which a reader sees as equal except for their places and counts.

    ``now``: the reader's clock, for dates and ages; without it they are left out. ``width``: the columns of a line; None
    does not wrap.
    """
    heading = [paint(Ink.BOLD, each) for line in format_headings([plan, *others]) for each in wrap(line, width, "    ")]
    counts = [paint(Ink.BOLD, line) for line in wrap(format_counts(plan, others), width, "  ")]
    errors = [each for line in describe_errors(plan) for each in wrap(line, width, "    ")]
    if detail is Detail.SUMMARY:
        return "\n".join([*heading, *errors, *counts])
    whole = detail is Detail.WHOLE
    rows = make_rows(plan, now, whole=whole)
    lines = [*heading, *([""] if rows else []), *format_rows(rows, paint, width, share=not whole)]
    candidates = map(make_printable, list_candidates(plan.candidates, now, whole=whole))
    stays = map(make_printable, list_kept(plan, now, whole=whole))
    notes = [f"Note: {note}" for note in group_notes((*plan.notes, *note_copies(plan.copies)), whole=whole)]
    expiring = list_expiries(plan.expires, now, whole=whole)
    parts = [
        [each for line in part for each in wrap(line, width, "    ")] for part in (candidates, stays, expiring, notes)
    ]
    return "\n".join([*lines, *(line for part in [*parts, errors, counts] if part for line in ("", *part))])


def format_next_steps(plan: Plan, paint: Paint, now: datetime | None, width: int | None) -> Iterator[str]:
    """The lines of the steps of a plan in full, without heading and counts."""
    rows = make_rows(plan, now, whole=True)
    yield from format_rows(rows, paint, width, share=False)
