"""A plan or a report -> text for people. Pure."""

from collections.abc import Iterator

from imagesync.model import FileSource, UrlSource
from imagesync.plan import Create, Deactivate, Delete, FieldChange, Plan, Reactivate, Reason, Step, Update, summarize
from imagesync.report import Outcome, Report, StepResult

_WIDEST = 60


def size(count: int | None) -> str:
    """Bytes as people read them."""
    if count is None:
        return "unknown size"
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def clean(value: object) -> str:
    """A value on one line, cut to a width, without anything that moves a cursor."""
    text = "(none)" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def plan_text(plan: Plan) -> str:
    """The whole plan: what is looked at, a block a step, notes and the counts."""
    place = plan.target.label or plan.target.location
    counts = f"{plan.wanted} images wanted, {plan.owned} owned"
    lines = [f"Catalogue {plan.catalog} on {plan.target.kind} {place}: {counts}", ""]
    for step in plan.steps:
        lines += _step(step)
    lines += [""] if plan.steps else []
    lines += [f"Note: {clean_long(note)}" for note in plan.notes]
    return "\n".join([*lines, counts_line(plan)])


def clean_long(text: str) -> str:
    """A sentence without anything that moves a cursor."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def counts_line(plan: Plan) -> str:
    """``Plan: 2 to create, …; 14 unchanged.`` or ``No changes. …``."""
    if not plan.steps:
        return f"No changes. {plan.unchanged} images match the manifest."
    counts = summarize(plan)
    verbs = ("create", "update", "replace", "deactivate", "reactivate", "delete")
    parts = [f"{getattr(counts, verb)} to {verb}" for verb in verbs if getattr(counts, verb)]
    retired = sum(step.reason in (Reason.SUPERSEDED, Reason.DUPLICATE) for step in plan.steps)
    parts = parts or [f"{retired} to retire"]
    moved = "" if counts.upload == 0 else f" {size(counts.upload)} to upload."
    return f"Plan: {', '.join(parts)}; {counts.unchanged} unchanged.{moved}"


def _step(step: Step) -> Iterator[str]:
    action, why = step.action, step.reason.value.replace("-", " ")
    match action:
        case Create():
            sign, verb = ("±", "replace") if action.replaces else ("+", "create")
            yield f"  {sign} {action.key}  {verb}  {_from(action)}  ({why})"
        case Update():
            gone = "  our mark is taken off" if action.record is None else ""
            yield f"  ~ {action.key}  update {action.image_id}{gone}  ({why})"
            yield from (_change(change, step.reason) for change in action.changes)
        case Deactivate():
            yield f"  ○ {action.key}  deactivate {action.image_id}  ({why})"
        case Reactivate():
            yield f"  ● {action.key}  reactivate {action.image_id}  ({why})"
        case Delete():
            yield f"  - {action.key}  delete {action.image_id}  {size(action.size)} freed  ({why})"


def _from(create: Create) -> str:
    match create.source:
        case FileSource(shown=shown):
            return f"{size(create.fingerprint.size)} from {clean(shown)}"
        case UrlSource(urls=urls):
            return f"{size(create.fingerprint.size)} from {clean(urls[0].split('/')[2].rpartition('@')[2])}"
        case _:
            return "a record without data"


def _change(change: FieldChange, reason: Reason) -> str:
    drift = "   drift" if change.reason is Reason.DRIFT and reason is not Reason.DRIFT else ""
    return f"      {clean('.'.join(change.path))}: {clean(change.before)} → {clean(change.after)}{drift}"


def result_line(result: StepResult) -> str:
    """One finished step."""
    error = f": {clean_long(result.error)}" if result.error else ""
    return f"{result.outcome.value:11} {result.step.id}{error}"


def report_text(report: Report) -> str:
    """What did not go well, one line a step, and the closing line."""
    poor = [result_line(result) for result in report.results if result.outcome is not Outcome.DONE]
    done = sum(result.outcome is Outcome.DONE for result in report.results)
    left = [f"after the apply the plan is not empty: {item}" for item in report.leftover]
    total = len(report.results)
    if report.succeeded:
        return "\n".join([*poor, f"Applied: {done} of {total} steps done."])
    return "\n".join([*poor, *left, f"Failed: {done} of {total} steps done; mend what is named above and apply again."])
