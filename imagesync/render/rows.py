"""A plan -> one row for each thing that happens to an image. Pure: the reader's clock is a parameter."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

from imagesync.model.catalog import FileSource, Method, Role, Status, Transfer, UrlSource, Visibility
from imagesync.model.plan import (
    Create,
    Deactivate,
    Delete,
    FieldChange,
    Plan,
    Reactivate,
    Reason,
    Step,
    Update,
    Value,
    find_image_id,
    is_promotion,
)
from imagesync.model.record import DIGEST, KEY, MANAGED, ROLE, read_digests, read_generation
from imagesync.model.urls import redact_host, redact_url
from imagesync.render.blocks import Kind, Row
from imagesync.render.changes import (
    Alarm,
    Line,
    describe_changes,
    describe_new_image,
    list_alarms,
    list_alarms_of_new,
)
from imagesync.render.stays import describe_kept
from imagesync.render.style import Ink, format_value
from imagesync.text import format_size, make_printable

_BESIDE: Final = (Reason.SUPERSEDED, Reason.DUPLICATE)
_ALARMS_OF_DELETE: Final[Mapping[Reason, tuple[Alarm, ...]]] = {
    Reason.INCOMPLETE: (),
    Reason.DISCARDED: (),
    Reason.SUPERSEDED: (Alarm.OLD_DELETED,),
    Reason.OUTDATED: (Alarm.OLD_DELETED,),
}
"""Users never saw an unfinished upload or a candidate, and no longer see an old build: the image of its key stays."""
_LOST: Final = (Reason.REMOVED, Reason.EXPIRED)
_USUAL: Final[Mapping[str, Value]] = {"visibility": Visibility.PRIVATE.value, "protected": False, "hidden": False}
"""The defaults of a new image, which need no line."""
_ACCESS_PATHS: Final = (("hidden",), ("name",), ("protected",), ("visibility",))
"""Fields of a promoted image that are compared with those of the image that it supersedes."""
_WORDS: Final = {
    Reason.NEW: "",
    Reason.MANIFEST_CHANGED: "",
    Reason.REMOVED: "not in the manifest",
    Reason.CONTENT_CHANGED: "new build",
    Reason.CONTENT_UNKNOWN: "compared first",
    Reason.CONTENT_TAMPERED: "its data in the service was changed",
    Reason.ROLLBACK: "back to an earlier build",
    Reason.INCOMPLETE: "an earlier run did not finish it",
    Reason.ADOPT: "adopted",
    Reason.STAGED: "candidate published",
    Reason.DISCARDED: "candidate dropped",
    Reason.UNVERIFIED: "the image of the other project cannot be verified",
    Reason.DELETING: "an earlier run began to delete it",
    Reason.OUTDATED: "superseded, older than delete_after allows",
}


@dataclass(frozen=True, slots=True)
class _View:
    """A plan and what its rows need besides."""

    plan: Plan
    relied: Mapping[str, Mapping[str, Value]]
    """The values of each live image that the plan touches, by image id and path text."""
    fates: Mapping[str, str]
    whole: bool


def make_rows(plan: Plan, now: datetime | None, *, whole: bool) -> list[Row]:
    """The rows of a plan, sorted by key. ``now``: for dates. ``whole``: do not shorten values; show ids and digests."""
    view = _View(
        plan,
        {item.image_id: item.values for item in plan.relies},
        {one.image_id: describe_kept(one, now) for one in plan.kept if one.retires},
        whole,
    )
    return [row for key, steps in _group_by_key(plan) for row in _make_rows(view, key, steps)]


def _group_by_key(plan: Plan) -> Iterator[tuple[str, list[Step]]]:
    order = {step.id: number for number, step in enumerate(plan.steps)}
    steps = sorted(plan.steps, key=lambda step: (step.action.key, order[step.id]))
    for key, group in groupby(steps, key=lambda step: step.action.key):
        yield key, list(group)


def _make_rows(view: _View, key: str, steps: Sequence[Step]) -> Iterator[Row]:
    successor = next((step for step in steps if _is_superseding(step)), None)
    beside = [step for step in steps if step.reason in _BESIDE] if successor else []
    deleted = {step.action.image_id for step in beside if isinstance(step.action, Delete)}
    last = [step for step in beside if isinstance(step.action, Delete) or step.action.image_id not in deleted]
    if moves := [step for step in steps if step.reason is Reason.MOVED]:
        yield replace(_make_move_row(view, key, moves), steps=tuple(step.id for step in moves))
    for step in steps:
        if step not in beside and step not in moves:
            superseded, others = (last, beside) if step is successor else ([], [])
            row = _make_row(view, key, step, superseded)
            old = [Alarm.OLD_DELETED] if any(isinstance(one.action, Delete) for one in superseded) else []
            ids = (step.id, *(one.id for one in others))
            yield replace(row, alarms=tuple(dict.fromkeys((*row.alarms, *old))), steps=ids)


def _is_superseding(step: Step) -> bool:
    """Whether a step replaces an image: by a new build, or by one that it promotes."""
    if isinstance(step.action, Create):
        return bool(step.action.replaces)
    return isinstance(step.action, Update) and is_promotion(step)


def _make_row(view: _View, key: str, step: Step, superseded: Sequence[Step]) -> Row:
    """The row of one step; ``superseded``: the steps that retire or delete the images that it replaces."""
    match step.action:
        case Create() as create:
            return _make_create_row(view, key, step, create, _describe_fates(view, superseded))
        case Update() as update if is_promotion(step):
            return _make_promotion_row(view, key, step, update, superseded)
        case Update() as update:
            return _make_update_row(view, key, step, update)
        case Deactivate(image_id=image_id):
            kind = Kind(Ink.STATE, "○", "deactivate", _explain_step(step))
            is_lost = step.reason in _LOST
            alarms = (Alarm.DEACTIVATED,) if is_lost else ()
            return Row(kind, key, is_last=is_lost, alone=(Line("image", image_id),), alarms=alarms)
        case Reactivate(image_id=image_id):
            kind = Kind(Ink.STATE, "●", "reactivate", _explain_step(step))
            return Row(kind, key, alone=(Line("image", image_id),))
        case Delete() as delete:
            return _make_delete_row(view, key, step, delete)


def _make_create_row(view: _View, key: str, step: Step, create: Create, fates: tuple[Line, ...]) -> Row:
    why = _explain_step(step)
    if create.stage:
        kind = Kind(Ink.ADD, "+", "stage", why)
    elif create.replaces:
        kind = Kind(Ink.CHANGE, "±", "replace", why)
    else:
        kind = Kind(Ink.ADD, "+", "create", why)
    if create.replaces:
        changes = (*create.changes, *_find_other_status(view, create))
        lines = describe_changes(changes, mark_drift=False, whole=view.whole)
    else:
        lines = list(describe_new_image(create, whole=view.whole))
    lines += [
        *_describe_comparison(create),
        *(_describe_content(view.plan, create) if view.whole else _describe_hosts(create)),
    ]
    name = "" if create.replaces else str(create.state.fields.get("name") or "")
    named = [format_value(name)] if name and name != key else []
    what, label = ", ".join([*named, _describe_origin(create)]), _make_label(key, name)
    return Row(kind, key, what, (*lines, *fates), label, alarms=tuple(_list_alarms_of_create(create)))


def _list_alarms_of_create(create: Create) -> Iterator[Alarm]:
    """A candidate changes nothing for users; a new build only what is different from the old one."""
    if create.replaces:
        yield from list_alarms(create.changes)
    elif not create.stage:
        yield from list_alarms_of_new(create)


def _find_other_status(view: _View, create: Create) -> Iterator[FieldChange]:
    """The change of the status, if users can boot from only one of the old and the new build."""
    before = view.relied.get(create.replaces[-1], {}).get("status")
    after = create.state.fields.get("status") or Status.ACTIVE.value
    if create.source.transfer is not None and before in (Status.ACTIVE, Status.DEACTIVATED) and before != after:
        yield FieldChange(("status",), before, after)


def _describe_comparison(create: Create) -> list[Line]:
    """One line for each image that apply uses instead, if it has the bytes of the source."""
    return [
        Line("", f"if image {image_id} has the same data, it is used instead", is_named=True)
        for image_id in create.may_hold
    ]


def _describe_content(plan: Plan, create: Create) -> Iterator[Line]:
    """The digests of the new and the superseded build, and the URLs of the data."""
    relied = [item.values.get(f"properties.{DIGEST}") for item in plan.relies if item.image_id in create.replaces]
    before = read_digests(str(relied[0] or "")) if relied else {}
    for digest in create.fingerprint.digests:
        old = before.get(digest.algorithm)
        yield Line("content", f"{digest.algorithm}:{old} → {digest}" if old else str(digest))
    if isinstance(create.source, UrlSource):
        yield from (Line("source", make_printable(redact_url(url))) for url in create.source.urls)


def _make_promotion_row(view: _View, key: str, step: Step, update: Update, superseded: Sequence[Step]) -> Row:
    why = _explain_step(step)
    kind = Kind(Ink.CHANGE, "±", "replace", why) if superseded else Kind(Ink.ADD, "+", "create", why)
    access = tuple(_find_access_changes(view, update, superseded))
    others = [change for change in update.changes if view.whole or change.path not in _ACCESS_PATHS]
    fields = sorted({*others, *access}, key=lambda change: change.path)
    lines = (*describe_changes(fields, mark_drift=True, whole=view.whole), *_describe_fates(view, superseded))
    return Row(kind, key, f"with {update.image_id}, no upload", lines, alarms=tuple(list_alarms(fields)))


def _find_access_changes(view: _View, update: Update, superseded: Sequence[Step]) -> Iterator[FieldChange]:
    """The changes of name and access that users see when an image is promoted.

    The promoted image is compared with the newest image that it supersedes, or with a new image if there is none. Users
    never saw the temporary name and hidden state of a candidate.
    """
    images = [view.relied.get(find_image_id(step.action) or "", {}) for step in superseded]
    old = next((values for values in reversed(images) if values.get(f"properties.{ROLE}") == Role.CURRENT.value), {})
    new, changed = view.relied.get(update.image_id, {}), {change.path: change for change in update.changes}
    for path in _ACCESS_PATHS:
        (name,) = path
        change = changed.get(path)
        after = change.after if change else new.get(name)
        usual = after if name == "name" else _USUAL[name]
        if after != old.get(name, usual) and not (view.whole and change):
            yield FieldChange(path, old.get(name), after, change.reason if change else Reason.MANIFEST_CHANGED)


def _make_update_row(view: _View, key: str, step: Step, update: Update) -> Row:
    why, is_lost = _explain_step(step), step.reason in _LOST
    mixed = len({change.reason for change in update.changes}) > 1
    lines = describe_changes(update.changes, mark_drift=mixed or step.reason is not Reason.DRIFT, whole=view.whole)
    kind = Kind(Ink.REMOVE if is_lost else Ink.CHANGE, "~", "update", why)
    what = _describe_adoption(update) if step.reason is Reason.ADOPT else ""
    if update.record is None:
        lines.append(Line("", "released: the image stays, and no catalog owns it", is_named=True))
    if not (lines or what):
        lines.append(Line("", "marker update only, no field changes"))
    is_named = is_lost or step.reason is Reason.ADOPT
    alone = (Line("image", update.image_id),) if is_lost or view.whole else ()
    label = _make_label(key, update.image_id) if step.reason is Reason.ADOPT else ""
    alarms = tuple(list_alarms(update.changes)) + ((Alarm.RELEASED,) if update.record is None else ())
    return Row(kind, key, what, tuple(lines), label, is_named, is_lost, alone, alarms)


def _make_move_row(view: _View, key: str, moves: Sequence[Step]) -> Row:
    """One row for all images of a key that get this key; nothing is uploaded, and no id changes."""
    ids = [str(find_image_id(step.action)) for step in moves]
    former = sorted({str(view.relied.get(image_id, {}).get(f"properties.{KEY}")) for image_id in ids})
    kept = "1 image with its id" if len(ids) == 1 else f"{len(ids)} images with their ids"
    what = f"from {', '.join(map(make_printable, former))}, {kept}"
    alone = tuple(Line("image", image_id) for image_id in ids) if view.whole else ()
    return Row(Kind(Ink.CHANGE, "~", "move", ""), key, what, is_named=True, alone=alone)


def _make_delete_row(view: _View, key: str, step: Step, delete: Delete) -> Row:
    values = view.relied.get(delete.image_id, {})
    name, build = str(values.get("name") or ""), _name_retired_build(values)
    names = [*([name] if name and name != key else []), *([build] if build else [])]
    freed = format_size(delete.size) if delete.size is not None else "no data"
    why = _explain_step(step)
    if step.reason is Reason.INCOMPLETE:
        freed, why = "unfinished upload of an earlier run", ""
    kind = Kind(Ink.REMOVE, "-", "delete", why)
    lines = (Line("protected", "deleted although it is protected", is_loud=True, is_named=True),)
    return Row(
        kind,
        key,
        ", ".join([*map(format_value, names), freed]),
        lines if delete.unprotect else (),
        _make_label(key, ", ".join(names)),
        is_last=True,
        alone=(Line("image", delete.image_id),),
        alarms=_ALARMS_OF_DELETE.get(step.reason, (Alarm.DELETED,)),
    )


def _name_retired_build(values: Mapping[str, Value]) -> str:
    """``retired build 2``, because a key may have several images; empty for an image that is not retired."""
    if values.get(f"properties.{ROLE}") != Role.RETIRED.value:
        return ""
    return f"retired build {read_generation(str(values.get(f'properties.{MANAGED}') or ''))}"


def _make_label(key: str, name: str) -> str:
    return f"{key} ({make_printable(name)})" if name and name != key else key


def _describe_adoption(update: Update) -> str:
    return update.image_id if update.changes else f"{update.image_id} as it is"


def _explain_step(step: Step) -> str:
    reasons = {step.reason}
    if step.reason is Reason.SUPERSEDED and isinstance(step.action, Delete):
        return "superseded, more than keep allows"
    if isinstance(step.action, Update) and step.reason in (Reason.DRIFT, Reason.MANIFEST_CHANGED):
        reasons |= {change.reason for change in step.action.changes}
    words = (_WORDS.get(reason, reason.value.replace("-", " ")) for reason in sorted(reasons, reverse=True))
    return ", ".join(filter(None, words))


def _describe_origin(create: Create) -> str:
    match create.source:
        case FileSource(display=display, transfer=transfer):
            return f"{format_size(create.fingerprint.size)} from {format_value(display)}{_describe_transfer(create, transfer)}"
        case UrlSource(urls=urls, transfer=transfer):
            names = ", ".join(dict.fromkeys(map(_find_file_name, urls)))
            known = f"{format_size(create.fingerprint.size)} " if create.fingerprint.size is not None else ""
            return f"{known}from {names}{_describe_transfer(create, transfer)}"
        case _:
            return "an image without data"


def _describe_transfer(create: Create, transfer: Transfer) -> str:
    """How the data gets to the service, and into which stores, if that is not the default."""
    back = ", read back to verify it" if create.is_read_back else ""
    ways = {Method.UPLOAD: "", Method.WEB_DOWNLOAD: ", fetched by the service", Method.GLANCE_DIRECT: ", imported"}
    stores = "all stores" if transfer.all_stores else ", ".join(map(format_value, transfer.stores))
    return ways[transfer.method] + (f", into {stores}" if stores else "") + back


def _find_file_name(url: str) -> str:
    """The last part of a URL's path; the host if the path is empty."""
    return make_printable(redact_url(url).partition("://")[2].rpartition("/")[2] or redact_host(url))


def _describe_hosts(create: Create) -> Iterator[Line]:
    """The hosts that the data is fetched from; ``--detail`` prints whole URLs instead."""
    if isinstance(create.source, UrlSource):
        hosts = dict.fromkeys(make_printable(redact_host(url)) for url in create.source.urls)
        yield Line("host", ", ".join(hosts))


def _describe_fates(view: _View, superseded: Sequence[Step]) -> tuple[Line, ...]:
    """The fates of the superseded images of a key; the same fate of several images once, with their number."""
    numbers = Counter(_describe_fate(view, step) for step in superseded)
    return tuple(
        Line("old build" if number == 1 else f"{number} old builds", fate, is_named=True)
        for fate, number in numbers.items()
    )


def _describe_fate(view: _View, step: Step) -> str:
    """The fate of a superseded image, as text."""
    action = step.action
    image_id = f"{find_image_id(action)} " if view.whole else ""
    match action:
        case Update(changes=changes):
            words = [_describe_change(change) for change in changes]
            fate = f"{', '.join(words) or 'retired'}, {view.fates.get(action.image_id, 'kept')}"
        case Delete(size=size, unprotect=unprotect):
            fate = f"deleted{', although it is protected' if unprotect else ''}"
            fate += f", {format_size(size)} freed" if view.whole else ""
        case _:
            fate = f"{type(action).__name__.lower()}d"
    return f"{image_id}{fate}"


def _describe_change(change: FieldChange) -> str:
    if change.path == ("hidden",):
        return "hidden" if change.after else "shown"
    if change.path == ("name",):
        return f"renamed {format_value(change.after)}"
    return f"{format_value('.'.join(change.path))} {format_value(change.after)}"
