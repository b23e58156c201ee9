"""The place that a plan is for -> text and JSON. Pure."""

from collections.abc import Sequence
from typing import Any

from imagesync.model.image import Identity
from imagesync.model.plan import Plan
from imagesync.text import make_printable


def describe_place(plan: Plan) -> str:
    """``target prod (cloud alice, project images)``; ``cloud alice, project images`` for a plan without a target."""
    return describe_target(plan.target_name, plan.target)


def describe_target(name: str | None, here: Identity) -> str:
    """The name of a target and its place; the place alone if ``name`` is None."""
    kind = "cloud" if here.kind == "glance" else here.kind
    project = f", project {make_printable(here.project_name)}" if here.project_name else ""
    place = f"{kind} {make_printable(here.label or here.location)}{project}"
    return f"target {make_printable(name)} ({place})" if name else place


def describe_places(catalog: str, scopes: Sequence[tuple[str, str]]) -> list[str]:
    """``Catalog base on cloud eu: 3 images checked``, for places that a reader sees as equal, each with its scope.

    Places with different scopes have a line each. Several places are targets of the manifest.
    """
    begin, (first_place, first) = f"Catalog {make_printable(catalog)} on", scopes[0]
    if len(scopes) == 1:
        return [f"{begin} {first_place}: {first}"]
    named = [(place.removeprefix("target "), scope) for place, scope in scopes]
    if all(scope == first for _, scope in named):
        return [f"{begin} targets {', '.join(place for place, _ in named)}: {first}"]
    return [f"{begin} targets", *(f"  {place}: {scope}" for place, scope in named)]


def name_target(name: str | None, here: Identity) -> str:
    """The short name of a target: its name in the manifest, else the label of the place, else its location."""
    return name or here.label or here.location


def place_to_json(here: Identity) -> dict[str, Any]:
    """All values that distinguish places, as in saved plans, reports and events."""
    return {
        "kind": here.kind,
        "location": here.location,
        "region": here.region,
        "project_id": here.project_id,
        "project_name": here.project_name,
        "label": here.label,
    }
