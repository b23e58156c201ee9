"""The plans of several targets <-> the JSON document of one file. Pure, except for reading the schemas."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from imagesync.errors import Diagnostic, ImagesyncError, PlanRefused, UsageError
from imagesync.model.targets import PlannedTarget
from imagesync.planfile.reader import AGAIN, check_shape, decode_plan, find_withheld_urls
from imagesync.planfile.writer import compute_digest
from imagesync.render.problems import list_problems
from imagesync.secrets import quote_value, show_key
from imagesync.targets.messages import Json, decode_problems, encode_problems

FORMAT_VERSION: Final = 1


def encode_plans(
    catalog: str, planned: Sequence[PlannedTarget], documents: Mapping[str, Mapping[str, Any]], *, tool: str
) -> Json:
    """The document of a file. ``documents``: by target, the document of its plan; ``tool``: the program and its version."""
    document = {
        "format_version": FORMAT_VERSION,
        "tool": tool,
        "catalog": catalog,
        "targets": [
            {
                "target": one.target,
                "wave": one.wave,
                "refusals": list(one.refusals),
                "problems": encode_problems(one.problems),
                "plan": documents.get(one.target),
            }
            for one in planned
        ],
    }
    return {**document, "digest": compute_digest(document)}


def is_several(document: object) -> bool:
    """Whether a JSON document is a file of the plans of several targets."""
    return isinstance(document, dict) and "targets" in document


def decode_plans(document: Json, *, folder: str, display: str) -> tuple[str, tuple[PlannedTarget, ...]]:
    """The catalog and the planned targets of a document in ``folder``; UsageError if it is not valid.

    ``display`` names the file in errors. Each plan must be one of this catalog and of its target.
    """
    if document.get("format_version") != FORMAT_VERSION:
        version = quote_value(document.get("format_version"))
        raise UsageError(f"{display} has format_version {version}; this imagesync reads {FORMAT_VERSION}", AGAIN)
    check_shape(document, display, schema="plans")
    if compute_digest(document) != document["digest"]:
        raise UsageError(f"{display} was altered after it was made: its digest does not match its content", AGAIN)
    found = tuple(_decode_target(one, document["catalog"], folder, display) for one in document["targets"])
    names = Counter(one.target for one in found)
    if twice := next((name for name, times in names.items() if times > 1), None):
        raise UsageError(f"{display} is not a saved plan: target {show_key(twice)} is there twice", AGAIN)
    return document["catalog"], found


def _decode_target(entry: Json, catalog: str, folder: str, display: str) -> PlannedTarget:
    name, plan = entry["target"], None
    if entry["plan"] is not None:
        plan = decode_plan(entry["plan"], folder=folder, display=f"{display}, target {show_key(name)},")
        if (plan.catalog, plan.target_name) != (catalog, name):
            raise UsageError(f"{display} is not a saved plan: target {show_key(name)} has the plan of another", AGAIN)
    return PlannedTarget(name, plan, tuple(entry["refusals"]), decode_problems(entry["problems"]), entry["wave"])


def find_withheld(document: Json) -> dict[str, frozenset[str]]:
    """By target, the keys whose URLs the document does not contain in full."""
    return {one["target"]: find_withheld_urls(one["plan"]) for one in document["targets"] if one["plan"]}


class NotPlanned(ImagesyncError):
    """A target of a saved file that has no plan to apply; ``problems`` say why."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(problem.message for problem in problems), "make the plans again")
        self.problems = tuple(problems)


def explain_missing(one: PlannedTarget) -> tuple[Diagnostic, ...]:
    """Why a target of a saved file is not applied; empty if it is."""
    refused = list_problems(PlanRefused(one.refusals))
    lost = (Diagnostic("", 0, 0, "", "the file has no plan for it", AGAIN),) if one.plan is None else ()
    return one.problems or refused or lost
