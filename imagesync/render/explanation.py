"""The explanation of a key -> text and JSON. Pure: colors, the width and the reader's clock are parameters."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from imagesync.model.catalog import Checksum, FileSource, ImageSpec, UrlSource
from imagesync.model.explanation import Build, ContentState, Explanation
from imagesync.model.image import Identity, parse_time
from imagesync.model.listing import Standing
from imagesync.model.plan import Fate, FieldChange, Value
from imagesync.model.record import read_revisions
from imagesync.model.urls import redact_url
from imagesync.render.blocks import Kind, list_row_lines, wrap
from imagesync.render.changes import Line, describe_changes
from imagesync.render.document import Block, Document, Section, Subject
from imagesync.render.drift import describe_value, value_to_json
from imagesync.render.place import describe_target, name_target
from imagesync.render.rows import make_rows
from imagesync.render.stays import describe_kept
from imagesync.render.style import Ink, Paint, format_age, format_count, format_value, leave_plain
from imagesync.render.summary import describe_errors
from imagesync.render.text import format_next_steps
from imagesync.text import format_size, make_printable

_TITLES: Final = {
    Standing.CURRENT: "Current build",
    Standing.CANDIDATE: "Candidate",
    Standing.RETIRED: "Retired build",
    Standing.DELETING: "Build that an earlier run began to delete",
}
_CONTENTS: Final = {
    ContentState.SAME: "as declared",
    ContentState.CHANGED: "not the declared build",
    ContentState.UNKNOWN: "unknown: no known digest can be compared with a declared one; apply hashes the source",
    ContentState.TAMPERED: "changed in the service: it is not the data that imagesync published",
    ContentState.MISSING: "the service does not have all of its data",
}
_FATES: Final = {
    Fate.PUBLISHED: "the next apply publishes it",
    Fate.WAITING: "the next apply publishes it",
    Fate.DROPPED: "the next apply drops it",
    Fate.UNWANTED: "no longer declared, the next apply drops it",
    Fate.REJECTED: "rejected, because it was deactivated; it is not published",
}
_NO_BUILD: Final = "There is not yet an image of this key."
_NAMES: Final = 12
"""The width of the names of fields."""


def format_explanation(
    found: Explanation, place: str, now: datetime, paint: Paint = leave_plain, width: int | None = None
) -> str:
    """The text: what is declared, each build with its origin, digests and differences, and what the next apply does.

    ``place``: the catalog and the target, for the heading.
    """
    lines = [paint(Ink.BOLD, line) for line in wrap(f"{make_printable(found.key)}: {place}", width, "  ")]
    lines += _format_fields(_describe_declared(found.spec), width)
    for build in found.builds:
        title = ": ".join(_name_build(build))
        lines += ["", *(paint(Ink.BOLD, line) for line in wrap(title, width, "  "))]
        lines += _format_fields(_describe_build(build, now), width)
    if not found.builds:
        lines += ["", _NO_BUILD]
    return "\n".join([*lines, "", *_format_future(found, now, paint, width)])


def _format_fields(fields: Sequence[tuple[str, str]], width: int | None) -> Iterator[str]:
    for name, text in fields:
        yield from wrap(f"  {name:<{_NAMES}}{make_printable(text)}", width, " " * (_NAMES + 4))


def _describe_declared(spec: ImageSpec | None) -> list[tuple[str, str]]:
    if spec is None:
        return [("declared", "no: the manifest does not have this key")]
    found = [("declared", f"{spec.place}" if spec.place.line else "yes"), ("name", format_value(spec.name))]
    found.append(("source", _describe_source(spec)))
    digests = spec.fingerprint.digests
    return [*found, ("digest", ", ".join(map(str, digests)) or "none is declared or listed")]


def _describe_source(spec: ImageSpec) -> str:
    match spec.source:
        case UrlSource(urls=urls):
            return ", ".join(map(redact_url, urls))
        case FileSource(display=display):
            return display
        case _:
            return "none: apply transfers no data"


def _describe_build(build: Build, now: datetime) -> list[tuple[str, str]]:
    image, record = build.image, build.record
    words = [image.status.value, image.visibility.value]
    words += [word for word, is_so in (("hidden", image.hidden), ("protected", image.protected)) if is_so]
    words += [format_size(image.size)] if image.size is not None else ["no data"]
    found = [("state", ", ".join(words)), ("created", _format_time(image.created_at, now))]
    if image.updated_at:
        found.append(("updated", _format_time(image.updated_at, now)))
    if build.standing is Standing.RETIRED:
        found.append(("retired", _format_time(record.managed.retired or "", now)))
    if revisions := read_revisions(image):
        found.append(("written", f"last by run {revisions[-1].nonce} (update {revisions[-1].number})"))
    found.append(("source", record.managed.origin or "not recorded (only URLs are)"))
    found.append(("known", _list_digests(record.digests) or "no digest was computed from its data"))
    found += [("unverified", _list_digests(record.declared))] if record.declared else []
    if service := [f"{name}:{value}" for name, value in sorted(image.digests.items())]:
        found.append(("service", ", ".join(service)))
    found += [("content", _CONTENTS[build.content])] if build.content is not None else []
    found += [("drift", describe_value(one)) for one in build.drift]
    found += [("manifest", f"{line.name}: {line.text}") for line in _describe_changes(build.changes)]
    return [*found, *(("next", text) for text in _describe_next(build, now))]


def _describe_next(build: Build, now: datetime) -> Iterator[str]:
    """What happens to a build, and when."""
    if build.candidate is not None:
        yield _FATES[build.candidate.fate]
    elif any(step.startswith("delete:") for step in build.steps):
        yield "the next apply deletes it"
    if build.kept is not None:
        yield describe_kept(build.kept, now)


def _describe_changes(changes: Sequence[FieldChange]) -> list[Line]:
    return describe_changes(changes, mark_drift=False, whole=False)


def _list_digests(digests: Sequence[Checksum]) -> str:
    return ", ".join(map(str, digests))


def _format_time(text: str, now: datetime) -> str:
    """The time in UTC and the age; the text as it is if it cannot be read."""
    if (time := parse_time(text)) is None:
        return text or "unknown"
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({format_age(time, now)})"


def _format_future(found: Explanation, now: datetime, paint: Paint, width: int | None) -> Iterator[str]:
    """What the next apply does with the key, and what is due later."""
    yield paint(Ink.BOLD, "Next apply:")
    if found.plan is not None:
        yield from format_next_steps(found.plan, paint, now, width)
    for line in _list_remarks(found):
        yield from wrap(f"  {make_printable(line)}", width, "    ")


def _list_remarks(found: Explanation) -> list[str]:
    """Facts about the next apply besides its steps."""
    lines = [f"the plan is refused: {make_printable(sentence)}" for sentence in found.refusals]
    if found.plan is not None:
        lines += [*([] if found.plan.steps or found.plan.errors else ["nothing to do"]), *found.plan.notes]
        lines += list(describe_errors(found.plan))
    if (expiry := _describe_expiry(found.spec)) and found.plan is not None and found.plan.expires:
        lines.append(expiry)
    return lines


def _describe_expiry(spec: ImageSpec | None) -> str:
    if spec is None or not spec.expires:
        return ""
    action = spec.on_expire.value if spec.on_expire else "hide"
    return f"the image expires on {spec.expires}; the first apply on or after that day does this: {action}"


def make_explanation_document(
    found: Explanation, catalog: str, target: str | None, here: Identity, *, now: datetime
) -> Document:
    """The explanation for a reviewer. ``target``: the name of the target in the manifest."""
    declared = _make_block("Declared", "", _describe_declared(found.spec))
    builds = [_make_block(*_name_build(build), _describe_build(build, now)) for build in found.builds]
    rows = make_rows(found.plan, now, whole=True) if found.plan is not None else []
    future = (*(text for row in rows for text in (row.kind.words, *list_row_lines(row))), *_list_remarks(found))
    return Document(
        Subject.IMAGE,
        catalog,
        name_target(target, here),
        f"Image {make_printable(found.key)} of catalog {make_printable(catalog)} on {describe_target(target, here)}",
        f"{format_count(len(found.builds), 'build')}." if found.builds else _NO_BUILD,
        blocks=(declared, *builds),
        sections=(Section("Next apply", tuple(map(make_printable, future))),),
    )


def _make_block(label: str, what: str, fields: Sequence[tuple[str, str]]) -> Block:
    lines = tuple(Line(name, make_printable(text)) for name, text in fields)
    return Block(Kind(Ink.STATE, "", ""), (label,), make_printable(what), lines)


def _name_build(build: Build) -> tuple[str, str]:
    """The title of a build, and what identifies it."""
    return _TITLES[build.standing], f"generation {build.record.managed.generation}, image {build.image.id}"


def explanation_to_json(found: Explanation, catalog: str, place: dict[str, Any]) -> dict[str, Any]:
    """The same for programs; times are ISO 8601, sizes bytes, URLs without credentials and queries."""
    plan, spec = found.plan, found.spec
    return {
        "catalog": catalog,
        "target": place,
        "key": found.key,
        "declared": None
        if spec is None
        else {
            "place": str(spec.place),
            "name": spec.name,
            "source": _describe_source(spec),
            "digests": list(map(str, spec.fingerprint.digests)),
            "expires": spec.expires,
            "on_expire": spec.on_expire.value if spec.on_expire else None,
        },
        "builds": list(map(_build_to_json, found.builds)),
        "refusals": list(found.refusals),
        "steps": [
            {
                "id": step.id,
                "action": type(step.action).__name__.lower(),
                "reason": step.reason.value,
                "needs": list(step.needs),
            }
            for step in (plan.steps if plan else ())
        ],
        "notes": list(plan.notes if plan else ()),
        "errors": [str(error.problem) for error in (plan.errors if plan else ())],
    }


def _build_to_json(build: Build) -> dict[str, Any]:
    image, record = build.image, build.record
    revisions = read_revisions(image)
    return {
        "id": image.id,
        "role": build.standing.value,
        "generation": record.managed.generation,
        "status": image.status.value,
        "visibility": image.visibility.value,
        "os_hidden": image.hidden,
        "protected": image.protected,
        "size": image.size,
        "created_at": image.created_at or None,
        "updated_at": image.updated_at or None,
        "retired_at": record.managed.retired,
        "run": revisions[-1].nonce if revisions else None,
        "source": record.managed.origin,
        "digests": list(map(str, record.digests)),
        "unverified_digests": list(map(str, record.declared)),
        "service_digests": [f"{name}:{value}" for name, value in sorted(image.digests.items())],
        "content": None if build.content is None else build.content.value,
        "drift": [value_to_json(one) for one in build.drift],
        "changes": [
            {"path": list(one.path), "before": _to_json(one.before), "after": _to_json(one.after)}
            for one in build.changes
        ],
        "steps": list(build.steps),
        "kept_until": build.kept.until if build.kept is not None else None,
        "fate": build.candidate.fate.value if build.candidate is not None else None,
    }


def _to_json(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value
