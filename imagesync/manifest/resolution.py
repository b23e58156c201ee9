"""A Manifest -> a Catalog for one target: values filled in, defaults, profiles and overlays merged, specs made. Pure,
but for looking where symbolic links lead."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice
from typing import Any, Final, TypeAlias

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError, UsageError
from imagesync.manifest.effects import find_doubtful_values, find_idle_values, find_unmatched_globs
from imagesync.manifest.merging import NESTED, Manifest, merge_image
from imagesync.manifest.placeholders import Values
from imagesync.manifest.scope import intersect_patterns
from imagesync.manifest.selection import Choice, select_target
from imagesync.manifest.set_checks import find_set_problems
from imagesync.manifest.sources import Setting
from imagesync.manifest.specs import make_on_replace, make_project, make_spec
from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.manifest.unused import check_given_values, find_idle_patterns, find_unused_names
from imagesync.manifest.validation import Shape, format_path, locate
from imagesync.manifest.yaml_reader import Node
from imagesync.model.catalog import Catalog, FileSource, ImageSpec, Member, Target, UrlSource, is_match
from imagesync.model.policy import Limit, OnRemove, Policy, Publish, find_rename_faults
from imagesync.paths import MOVE, find_place_problem
from imagesync.schemas import load_schema
from imagesync.text import make_printable, shorten_list

_FORMATS: Final = ("disk_format", "container_format")
MAX_EXCESS_PROPERTIES: Final = 20_000
"""Properties beyond the limit of their images, of all images together, after which resolution stops."""


Check: TypeAlias = Callable[[Sequence[ImageSpec]], Iterable[Diagnostic]]
"""Images -> what is wrong with them. Parts of an image that have a problem already are left out of it."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One target with its placeholders filled in: its name, its cloud or store (an absolute path), its key patterns."""

    name: str | None = None
    cloud: str | None = None
    store: str | None = None
    only: tuple[str, ...] = ()


def resolve(
    manifest: Manifest,
    *,
    target: str | None = None,
    place: Target | None = None,
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
    strict: bool = False,
    checks: Sequence[Check] = (),
) -> Catalog:
    """The catalogue as wanted in one target (default: ``default_target``, if the manifest names one).

    ``place`` is what ``select_target`` found, and counts instead of ``target``. ``strict``: what would be a warning of an
    unused name is a problem. ``checks`` look for what else is wrong with the images of the target. ManifestError holds
    every problem; UsageError: no such target, no such value, or ``only`` matches nothing.
    """
    given = values or {}
    check_given_values(manifest, given)
    chosen = place if place is not None else select_target(manifest, Choice(target=target), given)
    resolver = _Resolver(manifest, chosen, given, allow_outside=allow_outside)
    return resolver.make_catalog(tuple(only), strict=strict, checks=checks)


@cache
def _load_shape(part: str) -> Shape:
    """A part of a manifest once its placeholders are filled in."""
    return Shape(load_schema("manifest"), part, placeholders=False)


class _Resolver:
    """One resolution: its values, its shapes and the problems found on the way."""

    def __init__(self, manifest: Manifest, place: Target, given: Mapping[str, str], *, allow_outside: bool) -> None:
        self._manifest, self._allow_outside = manifest, allow_outside
        self._problems: list[Diagnostic] = list(manifest.problems)
        self._known = frozenset((one.file, one.line, one.column) for one in manifest.problems)
        node = manifest.targets[place.name] if place.name is not None else None
        self._values = Values({**manifest.values, **_children_of(node, "values")}, given, manifest.images)
        self._overlay = _children_of(node, "images")
        self._target = (
            self._read_target(place.name, node) if place.name and node else _Chosen(None, place.cloud, place.store)
        )
        self._check_default_target(given)

    def make_catalog(self, only: tuple[str, ...], *, strict: bool, checks: Sequence[Check]) -> Catalog:
        """Everything resolved; ManifestError with all problems where there is any."""
        nodes, specs, partial, beyond = dict[str, Node](), list[ImageSpec](), list[ImageSpec](), 0
        setting = Setting(self._manifest.base, self._manifest.folders, self._problems, self._allow_outside)
        for key in sorted(self._manifest.images):
            if len(self._problems) + len(self._values.problems) >= MAX_PROBLEMS or beyond > MAX_EXCESS_PROPERTIES:
                raise ManifestError([*self._problems, *self._values.problems])
            merged = merge_image(self._manifest, key, self._overlay)
            beyond += max(0, len(_children_of(merged, "properties")) - MAX_PROPERTIES)
            data, nodes[key], broken = self._read_image(key, merged)
            spec = make_spec(key, data, nodes[key], setting) if "source" not in broken else None
            (partial if broken else specs).extend([spec] if spec else [])
        here, rest = ([one for one in found if is_match(one.key, self._target.only)] for found in (specs, partial))
        self._problems += islice(find_set_problems(here, nodes), MAX_PROBLEMS)
        self._problems += islice(find_idle_values(here, nodes), MAX_PROBLEMS)
        picked = [spec for spec in (*here, *rest) if is_match(spec.key, only)]
        for check in checks:
            self._problems += islice(check(picked), MAX_PROBLEMS)
        unused = list(islice(find_unused_names(self._manifest), MAX_PROBLEMS))
        self._problems += unused if strict else []
        name, policy, removed = self._read_name(), self._read_policy(), self._read_removed()
        if problems := [*self._problems, *self._values.problems]:
            raise ManifestError(problems)
        return self._assemble_catalog(name, policy, specs, only, removed, shorten_list(list(map(str, unused))))

    def _read_image(self, key: str, merged: Node) -> tuple[dict[str, Any], Node, frozenset[str]]:
        """The sound fields of an image as plain data, its filled tree, and the names of the fields with a problem.

        A format with a problem stays, as some other one: that it is declared is known.
        """
        path, shape = ("images", key), _load_shape("image")
        before = self._values.failures
        filled = self._values.fill(merged, path)
        data = shape.make_plain(filled)
        if not isinstance(data, dict):
            return {}, filled, frozenset({"source"})
        broken = self._find_unfilled(merged, path) if self._values.failures > before else set[str]()
        sound = {name: value for name, value in data.items() if name not in broken}
        if (filled is not merged or not self._manifest.is_sound) and (
            found := shape.find_problems(sound, filled, path)
        ):
            self._report(found)
            sound, unfit = _drop_unfit(shape, sound, filled)
            broken |= unfit or {"source"}
        return sound | {name: "raw" for name in _FORMATS if name in broken}, filled, frozenset(broken)

    def _find_unfilled(self, merged: Node, path: tuple[str, ...]) -> set[str]:
        """The fields of an image whose placeholders cannot be filled in."""
        found, count = set(), len(self._values.problems)
        for name, child in merged.items().items():
            before = self._values.failures
            self._values.fill(child, (*path, name))
            if self._values.failures > before:
                found.add(name)
        del self._values.problems[count:]  # reported already
        return found

    def _report(self, problems: Sequence[Diagnostic]) -> None:
        """Add problems, but for those of places that have one: a profile is part of many images."""
        self._problems += [one for one in problems if (one.file, one.line, one.column) not in self._known]

    def _check_default_target(self, given: Mapping[str, str]) -> None:
        """What is wrong with the placeholders of ``default_target``, also if another target is selected."""
        if "default_target" in self._manifest.single:
            values = Values(self._manifest.values, given, ())
            values.fill(self._manifest.single["default_target"], ("default_target",))
            self._problems += values.problems

    def _read_target(self, name: str, node: Node) -> _Chosen:
        plain = {part: child for part, child in node.items().items() if part in ("cloud", "store", "only")}
        data, filled = self._fill_and_check(node.replace_value(dict(plain)), "target", ("targets", name))
        if data is None:
            return _Chosen(name)
        self._check_only(name, filled, data.get("only", ()))
        store = data.get("store")
        if store is not None:
            child = filled.items()["store"]
            store = os.path.normpath(os.path.join(self._manifest.folders.get(child.file, self._manifest.base), store))
            if not self._allow_outside and (problem := find_place_problem(store, self._manifest.base)):
                where = format_path(("targets", name, "store"))
                self._problems.append(child.problem(where, problem, MOVE))
        return _Chosen(name, data.get("cloud"), store, tuple(data.get("only", ())))

    def _check_only(self, name: str, target: Node, patterns: Sequence[str]) -> None:
        """The globs of a target that no key can match, and the others that no key of the catalog matches."""
        found = list(find_unmatched_globs(target.items()["only"], name)) if patterns else []
        wrong = {one.where for one in found}
        idle = find_idle_patterns(("targets", name, "only"), target, patterns, self._manifest.images)
        self._problems += [*found, *(one for one in idle if one.where not in wrong)]

    def _fill_and_check(self, node: Node, part: str, path: tuple[str, ...]) -> tuple[Any, Node]:
        """Plain data (None after a problem) and the filled tree, which is held to the schema without placeholders."""
        shape = _load_shape(part)
        before = self._values.failures
        filled = self._values.fill(node, path)
        data = shape.make_plain(filled)
        if self._values.failures > before:
            return None, filled
        is_known = filled is node and self._manifest.is_sound
        problems = [] if is_known else shape.find_problems(data, filled, path)
        self._report(problems)
        return (None if problems else data), filled

    def _read_name(self) -> str:
        node = self._manifest.single.get("catalog")
        if node is None:
            file = next(iter(self._manifest.folders))
            hint = "name the catalogue: it marks what it owns"
            self._problems.append(Diagnostic(file, 1, 1, "catalog", "missing", hint))
            return ""
        return str(self._fill_and_check(node, "catalog", ("catalog",))[0])

    def _read_policy(self) -> Policy:
        node = self._manifest.single.get("policy")
        data = self._fill_and_check(node, "policy", ("policy",))[0] if node is not None else None
        if node is None or data is None:
            return Policy()
        self._problems += _find_rename_faults(node, data.get("on_replace", {}).get("rename"))
        return Policy(
            on_remove=OnRemove(data.get("on_remove", OnRemove.DELETE)),
            on_replace=make_on_replace(data.get("on_replace", {})),
            max_delete=_parse_limit(data.get("max_delete", "30%")),
            max_update=_parse_limit(data.get("max_update", "100%")),
            publish=Publish(data.get("publish", Publish.ANY)),
        )

    def _read_removed(self) -> dict[str, Member]:
        """By key of a removed image the project that has it."""
        found: dict[str, Member] = {}
        for key, node in sorted(self._manifest.removed.items()):
            data, _ = self._fill_and_check(node, "removed", ("removed", key))
            found |= {key: make_project(data["owner"])} if data else {}
        return found

    def _assemble_catalog(
        self,
        name: str,
        policy: Policy,
        specs: Sequence[ImageSpec],
        only: tuple[str, ...],
        removed: Mapping[str, Member],
        warnings: Sequence[str],
    ) -> Catalog:
        target = self._target
        place = Target(target.name, target.cloud, target.store)
        here = [spec for spec in specs if is_match(spec.key, target.only)]
        picked = tuple(spec for spec in here if is_match(spec.key, only))
        for pattern in only:
            if not any(fnmatchcase(spec.key, pattern) for spec in here):
                raise self._refuse_pattern(pattern, [spec.key for spec in here])
        bare = [_remove_places(spec, self._manifest.base) for spec in picked]
        text = json.dumps(bare, default=_canonicalize).encode()
        return Catalog(
            name=name,
            images=picked,
            keys=frozenset(self._manifest.images),
            owners={
                **removed,
                **{spec.key: spec.owner for spec in here if spec.owner and not is_match(spec.key, only)},
            },
            only=intersect_patterns(only, target.only, self._manifest.images),
            policy=policy,
            target=place,
            base=self._manifest.base,
            digest=f"sha256:{hashlib.sha256(text).hexdigest()}",
            warnings=(*_find_warnings(picked), *warnings, *find_doubtful_values(picked)),
        )

    def _refuse_pattern(self, pattern: str, keys: Sequence[str]) -> UsageError:
        """The error of a glob of ``--only`` that matches no key of the target."""
        shown = f"--only {make_printable(pattern)}"
        if any(fnmatchcase(key, pattern) for key in self._manifest.images):
            hint = "take it out of --only, or extend the target's only"
            return UsageError(f"{shown}: no such key on target {self._target.name}, whose only leaves it out", hint)
        close = get_close_matches(pattern, keys, 3)
        return UsageError(f"{shown}: no such key", f"did you mean {', '.join(close)}?" if close else "check the key")


def _drop_unfit(shape: Shape, data: Mapping[str, Any], node: Node) -> tuple[dict[str, Any], set[str]]:
    """The fields of an image that fit the schema, of some the parts that do; and the names of the others."""
    sound, unfit = dict[str, Any](), set[str]()
    for name, value in data.items():
        if shape.find_problems({name: value}, node):
            unfit.add(name)
            parts = value if name in NESTED and isinstance(value, dict) else {}
            fitting = {part: one for part, one in parts.items() if not shape.find_problems({name: {part: one}}, node)}
            sound |= {name: fitting} if parts else {}
        else:
            sound[name] = value
    return sound, unfit


def _children_of(node: Node | None, name: str) -> Mapping[str, Node]:
    return node.items()[name].items() if node is not None and name in node.items() else {}


def _remove_places(spec: ImageSpec, base: str) -> object:
    """What an image is, wherever the checkout lies and whatever line it stands in."""
    source = spec.source
    if isinstance(source, FileSource | UrlSource) and (signature := source.signature):
        source = replace(source, signature=replace(signature, keyring=os.path.relpath(signature.keyring, base)))
    if isinstance(source, FileSource):
        source = replace(source, path=os.path.relpath(source.path, base))
    if isinstance(source, UrlSource):
        source = source.withhold_secrets()  # the digest of a catalog stands in plans
    return _canonicalize(replace(spec, source=source))


def _canonicalize(value: object) -> object:
    """A value whose text does not depend on the order of sets."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value) if item.compare}
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def _find_warnings(specs: Sequence[ImageSpec]) -> Iterator[str]:
    for spec in specs:
        if isinstance(spec.source, UrlSource) and not (spec.source.checksum or spec.source.checksum_url):
            damaged = "a damaged one not refused"
            if not spec.source.transfer.is_sent:
                damaged = "nothing verifies what the service fetches"
            yield f"{spec.key}: the URL has no checksum: a new build behind it is not seen, {damaged}"


def _find_rename_faults(policy: Node, rename: object) -> Iterator[Diagnostic]:
    """What is wrong with the policy's own pattern for names, although no image takes it."""
    if isinstance(rename, str):
        path = ("on_replace", "rename")
        for message, hint in find_rename_faults(rename):
            yield locate(policy, path).problem(format_path(("policy", *path)), message, hint)


def _parse_limit(value: str | int) -> Limit:
    return Limit(value, percent=False) if isinstance(value, int) else Limit(int(value.rstrip("% ")))
