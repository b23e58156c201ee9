"""A fresh plan, and the plan that a person reviewed -> sentences about the changes that were not reviewed. Pure.

Two plans are compared by their documents. Paths there are relative to the manifest's folder, and URLs have no secret, so
the checkouts and the hosts of the two plans make no difference.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from imagesync.model.plan import Delete, Plan, Reason, Step, find_image_id
from imagesync.planfile.writer import Json, write_step
from imagesync.text import make_printable, shorten_list

CLEAN_UP: Final = frozenset({Reason.INCOMPLETE, Reason.DELETING, Reason.OUTDATED})
"""The reasons of deletions that need no review: users have never seen these images, or no longer see them."""
MAX_FIELDS: Final = 3
"""The most differing fields that a sentence names."""


def find_unreviewed(plan: Plan, reviewed: Plan) -> tuple[str, ...]:
    """One sentence for each change of ``plan`` that ``reviewed`` does not have, unchanged; none if all were reviewed.

    Changes of ``reviewed`` that are no longer needed make no difference. Neither do the order of the steps, their reasons,
    and what an interrupted run left: staging records, and the generations of its builds.
    """
    if plan.kind is not reviewed.kind:
        return (f"the reviewed plan is of kind {reviewed.kind.value}, and this plan is of kind {plan.kind.value}",)
    known = [_normalize(step, reviewed.base) for step in reviewed.steps]
    left, by_subject = Counter(map(_format, known)), {_identify(one): one for one in known}
    found: list[str] = []
    for step in plan.steps:
        document = _normalize(step, plan.base)
        if left[text := _format(document)]:
            left[text] -= 1
        elif not _is_clean_up(step):
            found.append(_describe(step, document, by_subject.get(_identify(document))))
    return tuple(shorten_list(found))


def _is_clean_up(step: Step) -> bool:
    """Whether a deletion needs no review. A protected image does: no run leaves one behind, so a user protected it."""
    action = step.action
    return isinstance(action, Delete) and not action.unprotect and step.reason in CLEAN_UP


def _normalize(step: Step, base: str) -> Json:
    """What a step does, whichever run does it. An interrupted run changes reasons: the next one completes its builds."""
    document = write_step(step, base)
    for name in ("id", "needs", "fill", "reason"):
        document.pop(name, None)
    for change in document.get("changes", ()):
        del change["reason"]
    source = document.get("source") or {}
    for part in (source, source.get("signature") or {}):
        part.pop("shown", None)  # the path as the user of the command sees it
    if (record := document.get("record")) is not None:
        del record["managed"]["generation"]
    if (fingerprint := document.get("fingerprint")) and fingerprint["digests"]:
        del fingerprint["size"]  # the digest says more, and not every server reports the size in time
    return document


def _format(document: Json) -> str:
    return json.dumps(document, sort_keys=True)


def _identify(document: Json) -> tuple[str, ...]:
    return document["action"], document["key"], document.get("image_id") or ""


def _describe(step: Step, document: Json, reviewed: Json | None) -> str:
    image_id = find_image_id(step.action)
    place = f" (image {make_printable(image_id)})" if image_id else ""
    action = f"{document['action']} {make_printable(step.action.key)}{place}"
    if reviewed is None:
        return f"{action} is not in the reviewed plan"
    fields = list(dict.fromkeys(_list_differences(reviewed, document))) or ["record"]
    more = f" and {len(fields) - MAX_FIELDS} more" if len(fields) > MAX_FIELDS else ""
    return f"{action} differs from the reviewed plan in {', '.join(fields[:MAX_FIELDS])}{more}"


def _list_differences(reviewed: Json, document: Json) -> Iterator[str]:
    """The names of what differs, as a reader of the plan knows them; without the record, which follows from them."""
    for name in ("source", "fingerprint", "document", "changes", *sorted(document)):
        before, after = reviewed.get(name), document.get(name)
        if before == after or name == "record":
            continue
        if name == "changes":
            yield from _list_different_items(_list_paths(before), _list_paths(after))
        elif name == "document":
            yield from _list_different_items(_flatten(before), _flatten(after))
        else:
            yield "content" if name == "fingerprint" else name


def _list_paths(changes: Any) -> dict[str, Any]:
    return {".".join(change["path"]): change for change in changes}


def _flatten(state: Any) -> dict[str, Any]:
    properties = {f"properties.{name}": value for name, value in state["properties"].items()}
    return {**state["fields"], **properties, "tags": state["tags"], "members": state["members"]}


def _list_different_items(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield make_printable(name)
