"""The plans or runs of several targets -> one collection of documents for reviewers. Pure: the clock is a parameter."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

from imagesync.errors import Diagnostic
from imagesync.model.report import Outcome
from imagesync.model.targets import PlannedTarget, TargetOutcome, TargetRun
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Collection, Document, Subject, TargetGroup, TargetRow
from imagesync.render.documents import make_failure_document, make_plan_document, make_report_document
from imagesync.render.place import describe_target
from imagesync.render.report import format_done, format_not_done
from imagesync.render.style import Detail, format_count
from imagesync.render.summary import count_changes, format_changes
from imagesync.render.target_groups import describe_changes, group_equal, ignore_place, list_targets
from imagesync.render.target_text import count_outcomes, count_targets
from imagesync.secrets import clean_diagnostic
from imagesync.text import make_printable

_CHANGES, _UNCHANGED, _REFUSED, _UNPLANNED = "changes", "no changes", "refused", "no plan"
"""The outcomes of a plan, as a row has them."""
Shared = TypeVar("Shared")
_GOOD: Final = frozenset(outcome.words for outcome in TargetOutcome if outcome.is_success)
_UNSUCCESSFUL: Final = frozenset({Outcome.FAILED.words, Outcome.INTERRUPTED.words})
"""Outcomes of a block whose error is a failure; the error of a deferred deletion is only a remark."""


@dataclass(frozen=True, slots=True)
class Part:
    """One target of a collection. ``number``: of its changes, which are called ``noun``.

    ``errors``: printable sentences about the target, without those that the document has. ``images``: the id of the image
    of each block, if the blocks do not have it; these differ between targets with equal documents.
    """

    target: str
    outcome: str
    document: Document
    number: int = 0
    changes: str = ""
    errors: tuple[str, ...] = ()
    wave: int = 0
    place: str = ""
    noun: str = "change"
    images: tuple[str, ...] = ()

    def make_row(self) -> TargetRow:
        """Its row in the table of all targets."""
        number = len(self.errors) + len(self.document.errors)
        number += sum(block.outcome in _UNSUCCESSFUL for block in self.document.blocks)
        return TargetRow(make_printable(self.target), self.outcome, self.changes, number, self.wave, self.place)

    def list_errors(self) -> Iterator[str]:
        """Its errors, each once: those of the target, then those of single images."""
        yield from dict.fromkeys((*self.errors, *self.document.errors))
        found = [
            (label, f"{block.kind.verb} {block.outcome}: {block.error}")
            for block in self.document.blocks
            if block.error and block.outcome in _UNSUCCESSFUL
            for label in block.labels
        ]
        yield from (f"{', '.join(same.names)}: {same.first}" for same in group_equal(found, lambda text: text))


def make_plans_collection(
    catalog: str, planned: Sequence[PlannedTarget], *, now: datetime, detail: Detail = Detail.USUAL
) -> Collection:
    """What apply would do on each target."""
    parts = [_make_plan_part(catalog, one, now, detail) for one in planned]
    title = f"Plan for catalog {make_printable(catalog)} on {format_count(len(parts), 'target')}"
    return _join(Subject.PLAN, catalog, title, count_targets(planned), parts, _describe_stopped(parts))


def make_runs_collection(
    command: str, catalog: str, runs: Sequence[TargetRun], *, now: datetime, detail: Detail = Detail.USUAL
) -> Collection:
    """What a run did on each target. ``command``: the name of the command, for example apply."""
    parts = [_make_run_part(catalog, one, now, detail) for one in runs]
    return join_runs(command, catalog, count_outcomes(runs), parts)


def join_runs(command: str, catalog: str, summary: str, parts: Sequence[Part]) -> Collection:
    """The collection of a run, of the part of each target. ``summary``: the sentence that counts them."""
    title = f"Run for catalog {make_printable(catalog)} on {format_count(len(parts), 'target')}"
    return _join(Subject.REPORT, catalog, title, summary, parts, _advise(command, parts))


def make_failure_collection(command: str, catalog: str, problems: Sequence[Diagnostic]) -> Collection:
    """Why a command has no result for any of several targets: for example, the manifest has problems."""
    document = make_failure_document(command, catalog, "", problems)
    errors = tuple(TargetGroup((), text) for text in document.errors)
    title = f"{document.title} on several targets"
    return Collection(Subject.FAILURE, catalog, title, document.summary, errors=errors)


def _make_plan_part(catalog: str, one: PlannedTarget, now: datetime, detail: Detail) -> Part:
    errors = tuple(_format_problems(one.problems))
    if one.plan is None:
        document = _make_empty(Subject.PLAN, catalog, one.target)
        return Part(one.target, _UNPLANNED, document, errors=errors, wave=one.wave)
    document = make_plan_document(one.plan, now=now, detail=detail, refusals=one.refusals)
    number = count_changes(one.plan)
    outcome = _REFUSED if one.refusals else _CHANGES if one.plan.steps else _UNCHANGED
    place = describe_target(None, one.plan.target)
    return Part(one.target, outcome, document, number, format_changes(one.plan), errors, one.wave, place)


def _make_run_part(catalog: str, one: TargetRun, now: datetime, detail: Detail) -> Part:
    errors = tuple(_format_problems(one.problems))
    report, words = one.report, one.outcome.words
    if report is None:
        document = _make_empty(Subject.REPORT, catalog, one.target)
        return Part(one.target, words, document, errors=errors, wave=one.wave)
    document = make_report_document(report, now=now, detail=detail)
    rest = format_not_done(report)
    changes = "; ".join(filter(None, (format_done(report), rest and f"not done: {rest}")))
    stopped = (make_printable(report.stopped),) if report.stopped else ()
    number, place = count_changes(report.plan), describe_target(None, report.plan.target)
    return Part(one.target, words, document, number, changes, (*errors, *stopped), one.wave, place)


def _make_empty(subject: Subject, catalog: str, target: str) -> Document:
    """The document of a target about which there is nothing to say except its row and its errors."""
    return Document(subject, catalog, target, "", "")


def _format_problems(problems: Iterable[Diagnostic]) -> Iterator[str]:
    yield from (make_printable(str(clean_diagnostic(problem))) for problem in problems)


def _join(
    subject: Subject, catalog: str, title: str, summary: str, parts: Sequence[Part], closing: Iterable[str]
) -> Collection:
    return Collection(
        subject,
        catalog,
        title,
        summary,
        tuple(part.make_row() for part in parts),
        tuple(_join_alerts(parts)),
        tuple(_group_texts((part.target, part.list_errors()) for part in parts)),
        tuple(_group_documents(parts)),
        tuple(closing),
    )


def _join_alerts(parts: Sequence[Part]) -> Iterator[TargetGroup[Alert]]:
    """The alerts of all targets; losses last, and those of the same kind one after another."""
    found = [(part.target, alert) for part in parts for alert in part.document.alerts]
    kinds = list(dict.fromkeys(alert.words for _, alert in found))
    groups = group_equal(found, lambda alert: alert)
    yield from sorted(
        map(_make_printable_names, groups), key=lambda group: (group.first.is_loss, kinds.index(group.first.words))
    )


def _group_texts(texts: Iterable[tuple[str, Iterable[str]]]) -> Iterator[TargetGroup[str]]:
    found = [(target, text) for target, some in texts for text in some]
    yield from map(_make_printable_names, group_equal(found, lambda text: text))


def _group_documents(parts: Sequence[Part]) -> Iterator[TargetGroup[Document]]:
    """Targets with equal documents; the title of a document says how many changes it has, and how its run ended."""
    by_name = {part.target: part for part in parts}
    for group in group_equal([(part.target, part) for part in parts], _make_key):
        document = _join_documents([by_name[name] for name in group.names])
        yield _make_printable_names(TargetGroup(group.names, document))


def _join_documents(parts: Sequence[Part]) -> Document:
    """The document of targets with equal ones, with the ids of the images of all."""
    first, is_several = parts[0], len(parts) > 1
    is_run = first.outcome not in (_CHANGES, _UNCHANGED)
    changes = describe_changes(first.number, of_several=is_several, noun=first.noun)
    title = ", ".join([*([changes] if first.number or not is_run else []), *([first.outcome] if is_run else [])])
    summary = first.document.summary if len({part.document.summary for part in parts}) == 1 else ""
    blocks = list(first.document.blocks)
    for part in parts:
        name = f"image on {make_printable(part.target)}" if is_several else "image"
        for at, image in enumerate(part.images):
            lines = (Line(name, image),) if image else ()
            blocks[at] = replace(blocks[at], lines=(*blocks[at].lines, *lines))
    return replace(first.document, title=title, summary=summary, blocks=tuple(blocks))


def _make_key(part: Part) -> Hashable:
    """What a reader sees of a target, without the names of the target and its place, and its own errors."""
    return replace(part, target="", errors=(), wave=0, place="", images=(), document=ignore_place(part.document))


def _make_printable_names(group: TargetGroup[Shared]) -> TargetGroup[Shared]:
    return TargetGroup(tuple(map(make_printable, group.names)), group.first)


def _describe_stopped(parts: Sequence[Part]) -> Iterator[str]:
    """What an apply does not do, if there are targets without a plan, or with a refused one."""
    names = [part.target for part in parts if part.outcome in (_REFUSED, _UNPLANNED)]
    if names:
        yield f"Apply exits with code 1, and changes nothing on {list_targets(names)}."


def _advise(command: str, parts: Sequence[Part]) -> Iterator[str]:
    """What to do if the run has not ended well on each target."""
    if any(part.outcome not in _GOOD for part in parts):
        fix = "Fix the errors and run" if any(part.make_row().errors for part in parts) else "Run"
        yield f"{fix} {command} again. It changes nothing on targets that are done."
