"""A ``PlanInput`` and a key -> the plan that publishes an earlier build of the key again. Pure.

The plan has two updates and no upload: the last retired build, or the build that the user names, becomes current, and
the present one retires as ``on_replace`` says. The plan does nothing else and deletes nothing.

The build keeps the properties, tags, min_disk and min_ram that it was published with, because they describe its data. All
other fields are those that the manifest declares today. The user must then change the manifest: the plan's
``follow_up`` names the file, the line and the new value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from imagesync.errors import PlanRefused
from imagesync.model.catalog import (
    Auto,
    Checksum,
    Content,
    FileSource,
    ImageSpec,
    KnownContent,
    Place,
    Status,
    UrlSource,
)
from imagesync.model.plan import Kind, Plan, Reason
from imagesync.model.policy import Policy
from imagesync.model.record import Managed, hash_name, hash_value
from imagesync.model.references import escape_dollars, escape_references, find_references
from imagesync.planning.clashes import find_clashes
from imagesync.planning.context import PlanInput, assemble_plan, make_context
from imagesync.planning.decisions import Promote, is_usable, is_wanted_build
from imagesync.planning.generations import Generations, Owned, choose_digest
from imagesync.planning.key_steps import bring_up, retire_superseded
from imagesync.planning.retirement import make_kept
from imagesync.planning.sizes import find_oversized
from imagesync.planning.steps import KeyPlan
from imagesync.planning.trust import Trust, judge
from imagesync.text import make_printable


def rollback_plan(given: PlanInput, *, key: str, to: str | None) -> Plan:
    """The plan that publishes generation or image id ``to`` of ``key`` again; None: the last retired build.

    PlanRefused if the key is not declared or has expired, or has no such build; the message lists its builds.
    """
    found = make_context(given)
    spec = next((one for one in found.wanted if one.key == key), None)
    if spec is None:
        raise PlanRefused([f"images.{key}: the manifest declares no such image today; check the key and its expires"])
    if key in found.undated:
        message = f"images.{key}: the clocks differ on whether it has expired ({spec.expires})"
        raise PlanRefused([f"{message}; correct the clock that is wrong"])
    if key in found.lapsed:
        message = f"images.{key}: it has expired ({spec.expires}), so no build of it can be published"
        raise PlanRefused([f"{message}; change expires first"])
    if former := sorted(old for old, new in found.moved.items() if new == key):
        raise PlanRefused(
            [f"images.{key}: its images still have the key {former[0]}; run apply first, which moves them"]
        )
    generations, project = found.groups[key], given.inventory.project_id
    chosen = _choose_build(spec, generations, to, given.policy)
    wanted = _take_content_of(spec, chosen, project)
    # a rollback changes no other key, so a reference means the current image of its key
    context = replace(found, ids={**found.ids, **found.groups.find_current_ids()}, made=frozenset())
    refusals = [
        f"images.{key}: it refers to images.{other}, which has no image; run apply first"
        for other in sorted(find_references(spec) - set(context.ids))
    ]
    first = bring_up(context, wanted, chosen, Reason.ROLLBACK)
    refusals += _refuse_unjudged(spec, chosen, given)
    leaving = [owned for owned in generations.current if owned.id != chosen.id]
    steps = (*first.steps, *retire_superseded(spec, generations, leaving, first))
    refusals += find_clashes((wanted,), {key: Promote(chosen, Reason.ROLLBACK)}, given.inventory, {})
    refusals += find_oversized(steps, given.inventory.index_images())
    if refusals:
        raise PlanRefused(refusals)
    notes = (*first.notes, *describe_own_values(spec, chosen, project))
    kept = tuple(make_kept(owned, spec.on_replace, retires=True) for owned in leaving)
    part = KeyPlan(notes=notes, kept=kept)
    made = assemble_plan(context, steps, (part,), Kind.ROLLBACK)
    follow_up = describe_follow_up(spec, chosen, project)
    return replace(made, ids={**made.ids, key: chosen.id}, candidates=(), follow_up=follow_up)


def _refuse_unjudged(spec: ImageSpec, chosen: Owned, given: PlanInput) -> list[str]:
    """Refuses an earlier build in another project, unless the manifest declares what it must hold."""
    trust = judge(spec, chosen, given.inventory.project_id, given.capabilities)
    if trust is Trust.GIVEN or (trust is not Trust.NOTHING and is_wanted_build(spec, chosen)):
        return []
    return [
        f"images.{spec.key}: project {chosen.image.owner} may have changed image {chosen.id}, and the manifest does not "
        "declare its content, so it cannot be verified; declare the checksum of that build, and run apply"
    ]


def _choose_build(spec: ImageSpec, generations: Generations, to: str | None, policy: Policy) -> Owned:
    whole = [owned for owned in generations.last_retired_first if owned.filled]
    usable = [owned for owned in whole if is_usable(spec, owned, reactivate=policy.reactivate)]
    # an interrupted rollback left two current images: --to may name either
    halfway = generations.current if len(generations.current) > 1 else ()
    usable += halfway
    named = [owned for owned in (*whole, *halfway) if to in (owned.id, str(owned.record.managed.generation))]
    if len(named) > 1:
        ids = ", ".join(owned.id for owned in named)
        raise PlanRefused([f"images.{spec.key}: several images have generation {to}: {ids}; pass --to IMAGE_ID"])
    found = named if to is not None else [owned for owned in usable if owned not in halfway]
    if found and found[0] in usable:
        return found[0]
    raise PlanRefused([f"images.{spec.key}: {_explain_refusal(generations, found or whole, to)}"])


def _explain_refusal(generations: Generations, found: list[Owned], to: str | None) -> str:
    builds = "; ".join(_describe_build(owned) for owned in (*generations.current, *generations.last_retired_first))
    if found and (to is None or to in (found[0].id, str(found[0].record.managed.generation))):
        ways = "to publish it again, pass --reactivate or declare status: active"
        return f"another user deactivated image {found[0].id}; {ways}"
    lacking = (
        "no earlier build exists to go back to" if to is None else f"no retired build has the generation or id {to}"
    )
    return f"{lacking}; existing builds: {builds or 'none'}"


def _describe_build(owned: Owned) -> str:
    status = "" if owned.image.status is Status.ACTIVE else f", {owned.image.status.value}"
    return f"generation {owned.record.managed.generation}, {owned.record.role.value}{status}: image {owned.id}"


def _take_content_of(spec: ImageSpec, owned: Owned, project: str) -> ImageSpec:
    """The declared image with all that belongs to the data of an existing one."""
    image, build = owned.image, read_build(spec, owned, project)
    return replace(
        spec,
        id=None,
        properties=build.properties,
        tags=build.tags,
        min_disk=build.min_disk,
        min_ram=build.min_ram,
        disk_format=image.disk_format if spec.disk_format else None,
        container_format=image.container_format if spec.container_format else None,
    )


@dataclass(frozen=True, slots=True)
class Build:
    """The values that describe the data of a build; ``min_disk`` and ``min_ram`` None: not managed."""

    properties: Mapping[str, str]
    tags: frozenset[str]
    min_disk: int | Auto | None
    min_ram: int | None


def read_build(spec: ImageSpec, owned: Owned, project: str) -> Build:
    """The values that imagesync published a build with, as far as they can still be known.

    A value that ``on_replace`` changed is restored from the record. A value that another user changed counts as it is
    now, unless the manifest still declares the value that the record names. Property values are those of a manifest: text
    that only looks like a reference is escaped. If the image is not in ``project``, its owner may have changed the values
    and the record, so the declared values are used.
    """
    if not owned.image.is_in_project(project):
        return Build(spec.properties, spec.tags, spec.min_disk, spec.min_ram)
    managed = owned.record.managed
    live = {name: value for name, value in owned.image.properties.items() if hash_name(name) in managed.properties}
    for path, value in managed.before.items():
        kind, _, name = path.partition(".")
        if kind == "properties":
            live.pop(name, None)
            live |= {name: str(value)} if value is not None else {}
    properties = {name: _choose_text(spec, managed, name, value) for name, value in sorted(live.items())}
    before = managed.before.get("tags")
    tags = before if isinstance(before, list) else [tag for tag in owned.image.tags if hash_name(tag) in managed.tags]
    numbers = {name: _choose_number(spec, owned, name) for name in ("min_disk", "min_ram")}
    return Build(properties, frozenset(tag for tag in map(str, tags) if hash_name(tag) in managed.tags), **numbers)


def _choose_text(spec: ImageSpec, managed: Managed, name: str, value: str) -> str:
    """The declared text if the build was published with it, else the text of the image."""
    declared = spec.properties.get(name)
    is_recorded = (
        declared is not None
        and f"properties.{name}" not in managed.before
        and managed.properties.get(hash_name(name)) == hash_value(declared)
    )
    return declared if declared is not None and is_recorded else escape_references(value)


def _choose_number(spec: ImageSpec, owned: Owned, name: str) -> Any:
    """The value of the build; the declared one if it comes from the data, or if the build does not manage the field.

    None if the manifest does not declare the field, and the build has the default of the service.
    """
    declared, managed = getattr(spec, name), owned.record.managed
    if isinstance(declared, Auto) or name not in managed.fields:
        return declared
    value = managed.before.get(name, getattr(owned.image, name))
    return value if isinstance(value, int) and (value or declared is not None) else declared


def describe_own_values(spec: ImageSpec, owned: Owned, project: str) -> Iterator[str]:
    """A note that names the values of the build that differ from the manifest; ``describe_follow_up`` has both values."""
    if paths := [path for _, path, _, _ in _compare(spec, owned, project)]:
        yield f"{spec.key}: the earlier build keeps its own {', '.join(paths)}; the manifest declares other values"


def quote(value: str | None) -> str:
    """A value for a note, as it is written in a manifest; ``none`` if it is not set."""
    return "none" if value is None else make_printable(escape_dollars(value)) or "''"


def _compare(spec: ImageSpec, owned: Owned, project: str) -> Iterator[tuple[Place, str, str | None, str | None]]:
    """Place, path, the value of the build and the declared one, of each value that differs."""
    build = read_build(spec, owned, project)
    for name in sorted({*build.properties, *spec.properties}):
        held, wanted = build.properties.get(name), spec.properties.get(name)
        if held != wanted and not spec.is_ignored("properties", name):
            path = f"properties.{name}"
            yield spec.places.get(path, spec.places.get("properties", spec.place)), path, held, wanted
    if build.tags != spec.tags and not spec.is_ignored("tags"):
        held, wanted = (", ".join(sorted(tags)) or None for tags in (build.tags, spec.tags))
        yield spec.places.get("tags", spec.place), "tags", held, wanted
    for name in ("min_disk", "min_ram"):
        number, declared = getattr(build, name), getattr(spec, name)
        if number != declared and not spec.is_ignored(name):
            now = None if declared is None else str(declared)
            yield spec.places.get(name, spec.place), name, str(number), now


def describe_follow_up(spec: ImageSpec, owned: Owned, project: str) -> str:
    """The lines of the manifest to change, because otherwise the next apply publishes the newer build again."""
    lines = "; ".join(f"{_format_place(place)}: {text}" for place, text in _find_lines(spec, owned, project))
    if not lines:
        return f"{spec.key}: the manifest already declares this build"
    return f"{spec.key}: the next apply publishes the newer build again, unless you write {lines}"


def _format_place(place: Place) -> str:
    return f"{place.file}:{place.line}" if place.line else place.file or "the manifest"


def _find_lines(spec: ImageSpec, owned: Owned, project: str) -> Iterator[tuple[Place, str]]:
    yield from _find_content_lines(spec, owned)
    for place, path, held, wanted in _compare(spec, owned, project):
        yield place, f"{path}: {quote(held)} (now {quote(wanted)})"
    for name in ("disk_format", "container_format"):
        wanted, held = getattr(spec, name), getattr(owned.image, name)
        if wanted not in (None, held) and not spec.is_ignored(name):
            yield spec.places.get(name, spec.place), f"{name}: {held} (now {wanted})"
    if spec.id not in (None, owned.id):
        yield spec.places.get("id", spec.place), f"id: {owned.id} (now {spec.id})"


def _explain_digest(source: FileSource | UrlSource | KnownContent, owned: Owned, digest: Checksum) -> str:
    """What a reader must know of a digest that the manifest is to declare, in parentheses."""
    parts = []
    if not isinstance(source, KnownContent) and source.checksum_url:
        entry = f" and checksum_entry: {source.checksum_entry}" if source.checksum_entry else ""
        parts.append(f"in place of checksum_url: {source.checksum_url}{entry}")
    if digest not in owned.record.digests:
        parts.append("imagesync did not compute it from the data")
    return f" ({'; '.join(parts)})" if parts else ""


def _find_content_lines(spec: ImageSpec, owned: Owned) -> Iterator[tuple[Place, str]]:
    source, origin = spec.source, owned.record.managed.origin
    if source is Content.UNMANAGED:
        return
    if not isinstance(source, FileSource | UrlSource | KnownContent):
        yield spec.source_place, f"source: {{checksum: {choose_digest(owned, None) or 'unknown'}}} (now none)"
        return
    declared = source.checksum
    digest = choose_digest(owned, declared.algorithm if declared else None)
    if declared is not None and owned.record.known.get(declared.algorithm) == declared.value:
        return
    if digest:
        place = spec.places.get("checksum") or spec.places.get("checksum_url") or spec.source_place
        yield place, f"checksum: {digest}{_explain_digest(source, owned, digest)}"
    if isinstance(source, FileSource):
        yield spec.places.get("path", spec.source_place), "path: a file with this content"
    elif isinstance(source, UrlSource) and origin and not spec.is_published_at(owned.record.url):
        yield spec.places.get("url", spec.source_place), f"url: {origin}"
