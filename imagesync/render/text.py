"""A plan or a report -> text for people. Pure: colours are a parameter.

One block a key, keys in order: what happens to the image, then its fields, then what becomes of the images that it
supersedes. Columns are as wide as what stands in them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from imagesync.model.catalog import Checksum, FileSource, Method, Transfer, UrlSource
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    FieldChange,
    Kind,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
    is_promotion,
    summarize,
)
from imagesync.model.record import DIGEST, read_digests
from imagesync.model.report import Outcome, Report, StepResult, candidates_of
from imagesync.model.urls import public_host
from imagesync.render.stays import candidate_lines, describe_kept, kept_lines
from imagesync.render.style import Ink, Paint, format_count, format_size, format_value, leave_plain
from imagesync.text import make_printable

_MAX_KEY_CHARS: Final = 40
"""Width of the column of keys; a longer key moves the rest of its line to the right."""
_BESIDE = (Reason.SUPERSEDED, Reason.DUPLICATE)


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the plan: sign, key, verb, what, why; ``below`` stands indented under it."""

    ink: Ink
    sign: str
    key: str
    verb: str
    what: str
    why: str
    below: tuple[str, ...] = ()


def plan_text(plan: Plan, paint: Paint = leave_plain, *, now: datetime | None = None) -> str:
    """The whole plan: what is looked at, a block a key, what stays, notes and the counts.

    ``now``, the reader's clock, turns days into a day and gives candidates an age.
    """
    fates = {one.image_id: describe_kept(one, now) for one in plan.kept if one.retires}
    rows = [row for key, steps in _group_by_key(plan) for row in _make_rows(plan, key, steps, fates, paint)]
    lines = [paint(Ink.BOLD, _format_heading(plan)), *([""] if rows else []), *_format_rows(rows, paint)]
    candidates = list(map(make_printable, candidate_lines(plan.candidates, now)))
    stays = list(map(make_printable, kept_lines([one for one in plan.kept if not one.retires], now)))
    notes = [f"Note: {make_printable(note)}" for note in (*plan.notes, *note_copies(plan.copies))]
    parts = [candidates, stays, notes, [paint(Ink.BOLD, counts_line(plan))]]
    return "\n".join([*lines, *(line for part in parts if part for line in ("", *part))])


def _format_heading(plan: Plan) -> str:
    target = plan.target
    kind = "cloud" if target.kind == "glance" else target.kind
    project = f", project {make_printable(target.project_name)}" if target.project_name else ""
    counts = f"{format_count(plan.wanted, 'image')} wanted, {plan.owned} owned"
    return f"Catalogue {plan.catalog} on {kind} {make_printable(target.label or target.location)}{project}: {counts}"


def note_copies(copies: Sequence[str]) -> list[str]:
    """A sentence that counts the images with a copied record, if there are any."""
    if not copies:
        return []
    are = "image carries" if len(copies) == 1 else "images carry"
    return [
        f"{len(copies)} {are} a copy of another image's record, as snapshots of servers do. imagesync does not touch "
        "them. Their ids: -v"
    ]


def counts_line(plan: Plan) -> str:
    """``Plan: 2 to create, …; 14 unchanged.`` or ``No changes. …``."""
    if not plan.steps and plan.kind is not Kind.APPLY:
        return "Nothing to stage." if plan.kind is Kind.STAGE else "Nothing to do."
    if not plan.steps:
        matching = "image matches" if plan.unchanged == 1 else "images match"
        return f"No changes. {plan.unchanged} {matching} the manifest."
    counts = summarize(plan)
    verbs = ("create", "update", "replace", "deactivate", "reactivate", "delete", "stage")
    parts = [f"{getattr(counts, verb)} to {verb}" for verb in verbs if getattr(counts, verb)]
    moved = {0: "", None: " Size of the upload not known."}.get(
        counts.upload, f" {format_size(counts.upload)} to upload."
    )
    rest = f"{counts.unchanged} unchanged" if plan.kind is Kind.APPLY else "nothing else is touched"
    return f"Plan: {', '.join(parts)}; {rest}.{moved}"


def _group_by_key(plan: Plan) -> Iterator[tuple[str, list[Step]]]:
    order = {step.id: number for number, step in enumerate(plan.steps)}
    steps = sorted(plan.steps, key=lambda step: (step.action.key, order[step.id]))
    for key, group in groupby(steps, key=lambda step: step.action.key):
        yield key, list(group)


def _make_rows(plan: Plan, key: str, steps: Sequence[Step], fates: Mapping[str, str], paint: Paint) -> Iterator[_Row]:
    successor = next((step for step in steps if _is_superseding(step)), None)
    beside = [step for step in steps if step.reason in _BESIDE] if successor else []
    gone = {step.action.image_id for step in beside if isinstance(step.action, Delete)}
    told = [step for step in beside if isinstance(step.action, Delete) or step.action.image_id not in gone]
    for step in steps:
        if step not in beside:
            below = tuple(_describe_fate(one, fates) for one in told) if step is successor else ()
            yield _make_row(plan, key, step, below, paint)


def _is_superseding(step: Step) -> bool:
    """Whether this step puts an image in the place of another: a new build, or an earlier one promoted."""
    if isinstance(step.action, Create):
        return bool(step.action.replaces)
    return isinstance(step.action, Update) and is_promotion(step)


def _make_row(plan: Plan, key: str, step: Step, below: tuple[str, ...], paint: Paint) -> _Row:
    action, why = step.action, _explain_step(step)
    match action:
        case Create(stage=True):
            new = "new build" if step.reason is Reason.CONTENT_CHANGED else why
            return _Row(Ink.ADD, "+", key, "stage", _describe_origin(action), new, _describe_comparison(action))
        case Create(replaces=()):
            return _Row(Ink.ADD, "+", key, "create", _describe_origin(action), why, _describe_comparison(action))
        case Create():
            below = (*_describe_comparison(action), *below)
            return _Row(Ink.CHANGE, "±", key, "replace", _describe_exchange(plan, action), why, below)
        case Update():
            fields = tuple(_format_changes(step, action.changes, paint))
            if is_promotion(step):
                ink, sign, verb = (Ink.CHANGE, "±", "replace") if below else (Ink.ADD, "+", "create")
                return _Row(ink, sign, key, verb, f"by {action.image_id}, no upload", why, fields + below)
            return _Row(Ink.CHANGE, "~", key, "update", _describe_update(step, action), why, fields + below)
        case Deactivate():
            return _Row(Ink.STATE, "○", key, "deactivate", action.image_id, why)
        case Reactivate():
            return _Row(Ink.STATE, "●", key, "reactivate", action.image_id, why)
        case Delete():
            freed = f"{format_size(action.size)} freed" if action.size is not None else "no data"
            return _Row(Ink.REMOVE, "-", key, "delete", f"{freed}, {action.image_id}{_note_protection(action)}", why)


def _describe_comparison(create: Create) -> tuple[str, ...]:
    """The images that are used instead, if the source turns out to have their bytes."""
    return tuple(f"if {image_id} has these bytes, it is used instead" for image_id in create.may_hold)


def _describe_update(step: Step, update: Update) -> str:
    """What an update does beside its changes."""
    if update.record is None:
        return f"our mark is taken off {update.image_id}"
    if step.reason is Reason.ADOPT:
        return update.image_id if update.changes else f"{update.image_id} as it is"
    return "" if update.changes else "only what is managed is noted"


def _explain_step(step: Step) -> str:
    reasons = {step.reason}
    if step.reason is Reason.SUPERSEDED and isinstance(step.action, Delete):
        return "superseded, more than keep allows"
    if isinstance(step.action, Update) and step.reason in (Reason.DRIFT, Reason.MANIFEST_CHANGED):
        reasons |= {change.reason for change in step.action.changes}
    words = {
        Reason.REMOVED: "removed from the manifest",
        Reason.CONTENT_CHANGED: "new build published",
        Reason.CONTENT_UNKNOWN: "compared first",
        Reason.ROLLBACK: "back to an earlier build",
        Reason.INCOMPLETE: "was left incomplete",
        Reason.ADOPT: "adopted",
        Reason.STAGED: "candidate published",
        Reason.DISCARDED: "candidate dropped",
        Reason.UNVERIFIED: "nothing shows what the other project's image holds",
        Reason.DELETING: "an earlier run began to delete it",
        Reason.OUTDATED: "superseded, kept as long as delete_after says",
    }
    return ", ".join(words.get(reason, reason.value.replace("-", " ")) for reason in sorted(reasons, reverse=True))


def _describe_origin(create: Create) -> str:
    match create.source:
        case FileSource(shown=shown, transfer=transfer):
            return f"{format_size(create.fingerprint.size)} from {format_value(shown)}{_describe_transfer(create, transfer)}"
        case UrlSource(urls=urls, transfer=transfer):
            hosts = ", ".join(dict.fromkeys(format_value(public_host(url)) for url in urls))
            known = f"{format_size(create.fingerprint.size)} " if create.fingerprint.size is not None else ""
            return f"{known}from {hosts}{_describe_transfer(create, transfer)}"
        case _:
            return "a record without data"


def _describe_transfer(create: Create, transfer: Transfer) -> str:
    """How the bytes get in and where they will lie, unless that is the service's default."""
    back = ", read back to verify it" if create.is_read_back else ""
    ways = {Method.UPLOAD: "", Method.WEB_DOWNLOAD: ", fetched by the service", Method.GLANCE_DIRECT: ", imported"}
    stores = "all stores" if transfer.all_stores else ", ".join(map(format_value, transfer.stores))
    return ways[transfer.method] + (f", into {stores}" if stores else "") + back


def _describe_exchange(plan: Plan, create: Create) -> str:
    """``1.1 GiB  sha256:ab12cd34… → sha256:ef56ab78…``, as far as it is known."""
    relied = [item.values.get(f"properties.{DIGEST}") for item in plan.relies if item.image_id in create.replaces]
    before = read_digests(str(relied[0] or "")) if relied else {}
    after = [
        digest for digest in create.fingerprint.digests if before.get(digest.algorithm, digest.value) != digest.value
    ]
    exchange = ""
    if after:
        replaced = Checksum(after[0].algorithm, before[after[0].algorithm])
        exchange = f"{_shorten_digest(replaced)} → {_shorten_digest(after[0])}"
    return "   ".join(filter(None, (_describe_origin(create), exchange)))


def _shorten_digest(digest: Checksum) -> str:
    return f"{digest.algorithm}:{digest.value[:8]}…"


def _describe_fate(step: Step, fates: Mapping[str, str]) -> str:
    """What becomes of a superseded image, in words."""
    action = step.action
    match action:
        case Update(changes=changes):
            words = [_describe_change(change) for change in changes]
            return f"{action.image_id} {', '.join(words) or 'retired'}, {fates.get(action.image_id, 'kept')}"
        case Delete():
            return f"{action.image_id} deleted, {format_size(action.size)} freed{_note_protection(action)}"
        case _:
            return f"{getattr(action, 'image_id', '')} {type(action).__name__.lower()}d"


def _note_protection(delete: Delete) -> str:
    return ", although it is protected" if delete.unprotect else ""


def _describe_change(change: FieldChange) -> str:
    if change.path == ("hidden",):
        return "hidden" if change.after else "shown"
    if change.path == ("name",):
        return f"renamed {format_value(change.after)}"
    return f"{format_value('.'.join(change.path))} {format_value(change.after)}"


def _format_changes(step: Step, changes: Sequence[FieldChange], paint: Paint) -> Iterator[str]:
    names = [format_value(".".join(change.path)) for change in changes]
    befores = [format_value(change.before) for change in changes]
    width = max(map(len, names), default=0)
    mixed = len({change.reason for change in changes}) > 1
    for name, before, change in zip(names, befores, changes, strict=True):
        drift = (
            paint(Ink.DIM, "   drift") if change.reason is Reason.DRIFT and (mixed or step.reason != "drift") else ""
        )
        yield f"{name:<{width}}  {before} → {format_value(change.after)}{drift}"


def _format_rows(rows: Sequence[_Row], paint: Paint) -> Iterator[str]:
    keys = min(_MAX_KEY_CHARS, max((len(row.key) for row in rows), default=0))
    verbs = max((len(row.verb) for row in rows), default=0)
    whats = max((len(row.what) for row in rows), default=0)
    for row in rows:
        head = f"{paint(row.ink, row.sign)} {format_value(row.key):<{keys}}  {row.verb:<{verbs}}  {row.what:<{whats}}"
        yield f"  {head}  {paint(Ink.DIM, row.why)}".rstrip()
        yield from (f"      {line}" for line in row.below)


def result_line(result: StepResult) -> str:
    """One finished step."""
    error = f": {make_printable(result.error)}" if result.error else ""
    return f"{result.outcome.value:11} {make_printable(result.step.id)}{error}"


def report_text(report: Report, paint: Paint = leave_plain) -> str:
    """What did not go well, one line a step, and the closing line."""
    poor = [result_line(result) for result in report.results if result.outcome is not Outcome.DONE]
    done = sum(result.outcome is Outcome.DONE for result in report.results)
    left = [f"not as planned: {make_printable(item)}" for item in report.leftover]
    sent = sum(result.bytes_sent for result in report.results)
    moved = f" {format_size(sent)} uploaded." if sent else ""
    total = format_count(len(report.results), "step")
    if not report.results and report.succeeded:  # all of it was so already when the lease was ours
        return paint(Ink.BOLD, "Applied: nothing was left to do.")
    if report.succeeded:
        after = _list_next_steps(report)
        return "\n".join([*poor, paint(Ink.BOLD, f"Applied: {done} of {total} done.{moved}"), *after])
    if report.interrupted or report.stopped:
        waiting = sum(result.outcome is Outcome.NOT_STARTED for result in report.results)
        poor = [result_line(one) for one in report.results if one.outcome not in (Outcome.DONE, Outcome.NOT_STARTED)]
        why = f"Stopped, {make_printable(report.stopped)}" if report.stopped else "Interrupted"
        closing = f"{why}: {done} of {total} done, {waiting} not started.{moved} Apply again to go on."
    else:
        closing = f"Failed: {done} of {total} done.{moved} Mend what is named above and apply again."
    return "\n".join([*poor, *left, paint(Ink.BOLD, closing)])


def _list_next_steps(report: Report) -> Iterator[str]:
    """What the reader has to do, or can do, next: after a rollback, and with candidates."""
    if report.plan.kind is Kind.ROLLBACK:
        yield from (f"Note: {make_printable(note)}" for note in report.plan.notes)
    if report.plan.kind is Kind.STAGE:
        for key, image_id in candidates_of(report).items():
            yield f"Candidate {key}: image {image_id}; apply publishes it, apply --discard-staged {key} drops it"
