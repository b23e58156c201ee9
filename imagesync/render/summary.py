"""A plan -> its heading, its counts and its errors, as sentences. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from imagesync.model.plan import Kind, Plan, summarize
from imagesync.render.place import describe_place, describe_places
from imagesync.render.style import format_count
from imagesync.secrets import clean_diagnostic
from imagesync.text import format_size, make_printable

VERBS: Final = ("move", "create", "update", "replace", "deactivate", "reactivate", "delete", "stage")
"""What a plan counts, in the order of the closing line."""


def format_headings(plans: Sequence[Plan]) -> list[str]:
    """``Catalog base on cloud eu, project images: 3 images declared, 2 owned``, for plans that a reader sees as equal.

    Plans with different numbers of images have a line each.
    """
    return describe_places(plans[0].catalog, [(describe_place(plan), format_scope(plan)) for plan in plans])


def format_scope(plan: Plan) -> str:
    """``3 images declared, 2 owned``."""
    return f"{format_count(plan.wanted, 'image')} declared, {plan.owned} owned"


def describe_errors(plan: Plan) -> Iterator[str]:
    """One line for each key that cannot be planned, and one line about the effect on the run."""
    yield from (f"Error: {error}" for error in list_errors(plan))
    yield from describe_effect(plan)


def list_errors(plan: Plan) -> Iterator[str]:
    """The problem of each key that cannot be planned."""
    yield from (make_printable(str(clean_diagnostic(error.problem))) for error in plan.errors)


def describe_effect(plan: Plan) -> Iterator[str]:
    """A sentence about what errors mean for an apply; nothing without errors."""
    if plan.errors:
        number = format_count(len(plan.errors), "image")
        yield f"Apply skips {number} with an error, and exits with code 1 even if all other steps succeed."


def note_copies(copies: Sequence[str]) -> list[str]:
    """A sentence that counts the images with a copied record, if there are any."""
    if not copies:
        return []
    are = "image carries" if len(copies) == 1 else "images carry"
    return [
        f"{len(copies)} {are} a copy of another image's record, as snapshots of servers do; imagesync does not change "
        "them; to list their ids, pass -v"
    ]


def format_counts(plan: Plan, others: Sequence[Plan] = ()) -> str:
    """``Plan: 2 to create, …; 14 unchanged.`` or ``No changes. …``.

    ``others``: the plans of further targets with the same changes. If these have other numbers of unchanged images, the
    number is left out.
    """
    is_same = all(summarize(one) == summarize(plan) for one in others)
    if not plan.steps and plan.kind is not Kind.APPLY:
        return "Nothing to stage." if plan.kind is Kind.STAGE else "Nothing to do."
    if not plan.steps and not is_same:
        return "No changes."
    if not plan.steps:
        matching = "image matches" if plan.unchanged == 1 else "images match"
        return f"No changes. {plan.unchanged} {matching} the manifest."
    counts = summarize(plan)
    moved = _format_upload(counts.upload)
    rest = f"; {counts.unchanged} unchanged" if plan.kind is Kind.APPLY else "; no other changes"
    each = " for each target" if others else ""
    return f"Plan{each}: {format_changes(plan)}{rest if is_same else ''}.{moved}"


def format_total(plans: Sequence[Plan]) -> str:
    """``In total 6 to create, 1 to delete. 2.0 GiB to upload.``: the changes of several targets together."""
    sizes = [summarize(plan).upload for plan in plans]
    upload = None if None in sizes else sum(size for size in sizes if size is not None)
    return f"In total {_format_sum(plans)}.{_format_upload(upload)}"


def _format_upload(size: int | None) -> str:
    return {0: "", None: " Upload size unknown."}.get(size, f" {format_size(size)} to upload.")


def format_changes(plan: Plan) -> str:
    """``2 to create, 1 to replace``; empty for a plan without changes."""
    return _format_sum([plan])


def _format_sum(plans: Sequence[Plan]) -> str:
    counts = [summarize(plan) for plan in plans]
    sums = {verb: sum(getattr(one, verb) for one in counts) for verb in VERBS}
    return ", ".join(f"{number} to {verb}" for verb, number in sums.items() if number)


def count_changes(plan: Plan) -> int:
    """The number of changes as users see them: a replacement is one."""
    counts = summarize(plan)
    return sum(getattr(counts, verb) for verb in VERBS)
