"""A plan, a report or a failure -> its document for reviewers. Pure: the reader's clock is a parameter."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.model.plan import Plan
from imagesync.model.report import Outcome, Report, StepResult
from imagesync.render.blocks import Group, Row, arrange_rows
from imagesync.render.changes import Alarm, Line
from imagesync.render.document import Alert, Block, Document, Section, Subject
from imagesync.render.notes import group_notes
from imagesync.render.outcomes import WORST, find_outcome, list_step_errors
from imagesync.render.place import describe_place, name_target
from imagesync.render.report import format_closing, list_next_steps
from imagesync.render.rows import make_rows
from imagesync.render.stays import list_candidates, list_expiries, list_kept
from imagesync.render.style import Detail, format_count
from imagesync.render.summary import describe_effect, format_counts, format_scope, list_errors, note_copies
from imagesync.text import make_printable

_PAST: Final = {"become": "became", "are": "were", "have": "had"}


def make_plan_document(
    plan: Plan, *, now: datetime, detail: Detail = Detail.USUAL, refusals: Sequence[str] = ()
) -> Document:
    """What apply would do. ``refusals``: why the policy refuses the plan."""
    whole = detail is Detail.WHOLE
    rows = make_rows(plan, now, whole=whole)
    is_summary = detail is Detail.SUMMARY
    return Document(
        Subject.PLAN,
        plan.catalog,
        name_target(plan.target_name, plan.target),
        f"Plan for catalog {make_printable(plan.catalog)} on {describe_place(plan)}",
        " ".join([f"{format_counts(plan)} {format_scope(plan)}.", *_count_errors(plan)]),
        alerts=_list_alerts(rows),
        errors=(*map(make_printable, refusals), *list_errors(plan)),
        blocks=() if is_summary else tuple(_make_blocks(rows, share=not whole)),
        sections=() if is_summary else tuple(_make_sections(plan, now, whole=whole)),
        closing=tuple(describe_effect(plan)),
    )


def make_report_document(report: Report, *, now: datetime, detail: Detail = Detail.USUAL) -> Document:
    """What a run did: first what was not done, then what was."""
    plan, whole = report.plan, detail is Detail.WHOLE
    results = {result.step.id: result for result in report.results}
    done, others = list[Row](), list[Row]()
    for row in make_rows(plan, now, whole=whole):
        (done if find_outcome(row, results) is Outcome.DONE else others).append(row)
    finished = [replace(block, outcome=Outcome.DONE.words) for block in _make_blocks(done, share=not whole)]
    errors = [*list_errors(plan), *(f"not as planned: {make_printable(item)}" for item in report.leftover)]
    return Document(
        Subject.REPORT,
        plan.catalog,
        name_target(plan.target_name, plan.target),
        f"Run for catalog {make_printable(plan.catalog)} on {describe_place(plan)}",
        format_closing(report, errors="the errors"),
        alerts=tuple(replace(alert, words=put_in_past(alert.words)) for alert in _list_alerts(done)),
        errors=tuple(errors),
        blocks=() if detail is Detail.SUMMARY else (*_make_unfinished(others, results, plan.places), *finished),
        sections=() if detail is Detail.SUMMARY else tuple(_make_section(_list_notes(plan, whole=whole))),
        closing=tuple(list_next_steps(report)),
    )


def make_failure_document(command: str, catalog: str, target: str, problems: Sequence[Diagnostic]) -> Document:
    """Why a command has no result. ``catalog``, ``target``: empty if they are not known."""
    of = f" for catalog {make_printable(catalog)}" if catalog else ""
    on = f" on {make_printable(target)}" if target else ""
    return Document(
        Subject.FAILURE,
        catalog,
        target,
        f"imagesync {command} failed{of}{on}",
        f"{format_count(len(problems), 'problem')}.",
        errors=tuple(make_printable(str(problem)) for problem in problems),
    )


def _count_errors(plan: Plan) -> list[str]:
    """A sentence for the top: without it, ``No changes.`` there would be misleading."""
    return [f"{format_count(len(plan.errors), 'image')} with an error."] if plan.errors else []


def _list_alerts(rows: Sequence[Row]) -> tuple[Alert, ...]:
    """The alarms of all rows, in their order, each with the labels of its images."""
    found = {alarm: tuple(dict.fromkeys(_name(row) for row in rows if alarm in row.alarms)) for alarm in Alarm}
    return tuple(Alert(alarm.value, labels, alarm.is_loss) for alarm, labels in found.items() if labels)


def _name(row: Row) -> str:
    return make_printable(row.label or row.key)


def put_in_past(words: str) -> str:
    """The words of an alarm about a run that is over; what follows a colon is still true."""
    head, colon, rest = words.partition(":")
    return " ".join(_PAST.get(word, word) for word in head.split(" ")) + colon + rest


def _make_blocks(rows: Sequence[Row], *, share: bool) -> Iterator[Block]:
    for part in arrange_rows(rows, share=share):
        yield from (_make_block(row, lines) for row, lines in part.singles.items())
        yield from map(_make_group_block, part.groups)


def _make_block(row: Row, lines: Iterable[Line]) -> Block:
    return Block(row.kind, (make_printable(row.key),), row.what, (*row.alone, *lines))


def _make_group_block(group: Group) -> Block:
    return Block(group.kind, tuple(map(make_printable, group.labels)), "", group.lines)


def _make_unfinished(rows: Sequence[Row], results: Mapping[str, StepResult], places: Mapping[str, str]) -> list[Block]:
    """One block for each image whose steps are not all done, the worst first, with the errors of its steps."""
    found = [(find_outcome(row, results), row) for row in rows]
    return [
        replace(
            _make_block(row, row.lines),
            outcome=outcome.words,
            error="; ".join(list_step_errors(row, results)),
            place=make_printable(places.get(row.key, "")),
        )
        for outcome, row in sorted(found, key=lambda item: (WORST.index(item[0]), item[1].key))
    ]


def _make_sections(plan: Plan, now: datetime, *, whole: bool) -> Iterator[Section]:
    """Candidates, builds that are kept, images that expire, and notes."""
    for lines in (
        [*list_candidates(plan.candidates, now, whole=whole)],
        [*list_kept(plan, now, whole=whole)],
        list_expiries(plan.expires, now, whole=whole),
        _list_notes(plan, whole=whole),
    ):
        yield from _make_section(lines)


def _list_notes(plan: Plan, *, whole: bool) -> list[str]:
    notes = group_notes((*plan.notes, *note_copies(plan.copies)), whole=whole)
    return ["Notes:", *notes] if notes else []


def _make_section(lines: Sequence[str]) -> Iterator[Section]:
    """The section of lines, of which the first is the title if there are several; none without lines."""
    texts = [make_printable(line.strip()) for line in lines]
    if len(texts) > 1:
        yield Section(texts[0].removesuffix(":"), tuple(texts[1:]))
    elif texts:
        yield Section("", tuple(texts))
