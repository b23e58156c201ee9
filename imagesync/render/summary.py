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


def format_counts(plan: Plan, *, of_several: bool = False) -> str:
    """``Plan: 2 to create, …; 14 unchanged.`` or ``No changes. …``.

    ``of_several``: the targets with this plan have different numbers of other images, which are left out.
    """
    if not plan.steps and plan.kind is not Kind.APPLY:
        return "Nothing to stage." if plan.kind is Kind.STAGE else "Nothing to do."
    if not plan.steps and of_several:
        return "No changes."
    if not plan.steps:
        matching = "image matches" if plan.unchanged == 1 else "images match"
        return f"No changes. {plan.unchanged} {matching} the manifest."
    counts = summarize(plan)
    moved = {0: "", None: " Upload size unknown."}.get(counts.upload, f" {format_size(counts.upload)} to upload.")
    rest = f"; {counts.unchanged} unchanged" if plan.kind is Kind.APPLY else "; no other changes"
    return f"Plan: {format_changes(plan)}{'' if of_several else rest}.{moved}"


def format_changes(plan: Plan) -> str:
    """``2 to create, 1 to replace``; empty for a plan without changes."""
    counts = summarize(plan)
    return ", ".join(f"{getattr(counts, verb)} to {verb}" for verb in VERBS if getattr(counts, verb))


def count_changes(plan: Plan) -> int:
    """The number of changes as users see them: a replacement is one."""
    counts = summarize(plan)
    return sum(getattr(counts, verb) for verb in VERBS)
