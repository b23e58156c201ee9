"""A Manifest -> a Catalog for one target: values filled in, defaults, profiles and overlays merged, specs made. Pure,
but for looking where symbolic links lead."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice
from typing import Any, Final

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError, UsageError
from imagesync.manifest.effects import (
    find_doubtful_values,
    find_idle_values,
    find_unmatched_globs,
    find_unused_profiles,
)
from imagesync.manifest.merging import Manifest, merge_image
from imagesync.manifest.placeholders import Values
from imagesync.manifest.scope import intersect_patterns
from imagesync.manifest.set_checks import find_set_problems
from imagesync.manifest.sources import Setting
from imagesync.manifest.specs import make_on_replace, make_project, make_spec
from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.manifest.validation import Shape, format_path, locate, suggest
from imagesync.manifest.yaml_reader import Node
from imagesync.model.catalog import Catalog, FileSource, ImageSpec, Member, Target, UrlSource, is_match
from imagesync.model.policy import Limit, OnRemove, Policy, Publish, find_rename_faults
from imagesync.paths import MOVE, find_place_problem
from imagesync.schemas import load_schema

MAX_EXCESS_PROPERTIES: Final = 20_000
"""Properties beyond the limit of their images, of all images together, after which resolution stops."""


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
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
) -> Catalog:
    """The catalogue as wanted in one target (default: ``default_target``, if the manifest names one).

    ManifestError holds every problem; UsageError: no such target, or ``only`` matches nothing.
    """
    return _Resolver(manifest, target, values or {}, allow_outside=allow_outside).make_catalog(tuple(only))


@cache
def _load_shape(part: str) -> Shape:
    """A part of a manifest once its placeholders are filled in."""
    return Shape(load_schema("manifest"), part, placeholders=False)


class _Resolver:
    """One resolution: its values, its shapes and the problems found on the way."""

    def __init__(
        self, manifest: Manifest, target: str | None, given: Mapping[str, str], *, allow_outside: bool
    ) -> None:
        self._manifest, self._allow_outside = manifest, allow_outside
        self._problems: list[Diagnostic] = list(manifest.problems)
        node = self._find_target(target, given)
        self._values = Values({**manifest.values, **_children_of(node, "values")}, given, manifest.images)
        self._overlay = _children_of(node, "images")
        self._target = self._read_target(node)

    def make_catalog(self, only: tuple[str, ...]) -> Catalog:
        """Everything resolved; ManifestError with all problems where there is any."""
        nodes, specs, beyond = {}, [], 0
        setting = Setting(self._manifest.base, self._manifest.folders, self._problems, self._allow_outside)
        for key in sorted(self._manifest.images):
            if len(self._problems) + len(self._values.problems) >= MAX_PROBLEMS or beyond > MAX_EXCESS_PROPERTIES:
                raise ManifestError([*self._problems, *self._values.problems])
            nodes[key] = merge_image(self._manifest, key, self._overlay)
            beyond += max(0, len(_children_of(nodes[key], "properties")) - MAX_PROPERTIES)
            data, nodes[key] = self._fill_and_check(nodes[key], "image", ("images", key))
            spec = make_spec(key, data, nodes[key], setting) if data is not None else None
            specs += [spec] if spec else []
        here = [spec for spec in specs if is_match(spec.key, self._target.only)]
        self._problems += islice(find_set_problems(here, nodes), MAX_PROBLEMS)
        self._problems += islice(find_idle_values(here, nodes), MAX_PROBLEMS)
        name, policy, removed = self._read_name(), self._read_policy(), self._read_removed()
        if problems := [*self._problems, *self._values.problems]:
            raise ManifestError(problems)
        return self._assemble_catalog(name, policy, specs, only, removed)

    def _find_target(self, name: str | None, given: Mapping[str, str]) -> Node | None:
        targets = self._manifest.targets
        if name is None and "default_target" in self._manifest.single:
            values = Values(self._manifest.values, given, ())
            node = self._manifest.single["default_target"]
            name = values.fill(node, ("default_target",)).text
            self._problems += values.problems
            if values.problems or (name not in targets and name == node.text):
                return None  # told of already
        if name is not None and name not in targets:
            raise UsageError(f"the manifest has no target {name!r}", suggest(name, targets, "it has"))
        return targets[name] if name is not None else None

    def _read_target(self, node: Node | None) -> _Chosen:
        if node is None:
            return _Chosen()
        name = next(name for name, target in self._manifest.targets.items() if target is node)
        plain = {part: child for part, child in node.items().items() if part in ("cloud", "store", "only")}
        data, filled = self._fill_and_check(node.replace_value(dict(plain)), "target", ("targets", name))
        if data is None:
            return _Chosen(name)
        if "only" in filled.items():
            self._problems += find_unmatched_globs(filled.items()["only"], name)
        store = data.get("store")
        if store is not None:
            child = filled.items()["store"]
            store = os.path.normpath(os.path.join(self._manifest.folders.get(child.file, self._manifest.base), store))
            if not self._allow_outside and (problem := find_place_problem(store, self._manifest.base)):
                where = format_path(("targets", name, "store"))
                self._problems.append(child.problem(where, problem, MOVE))
        return _Chosen(name, data.get("cloud"), store, tuple(data.get("only", ())))

    def _fill_and_check(self, node: Node, part: str, path: tuple[str, ...]) -> tuple[Any, Node]:
        """Plain data (None after a problem) and the filled tree, which is held to the schema without placeholders."""
        shape = _load_shape(part)
        before = len(self._values.problems)
        filled = self._values.fill(node, path)
        data = shape.make_plain(filled)
        if len(self._values.problems) > before:
            return None, filled
        problems = shape.find_problems(data, filled, path) if filled is not node else []
        self._problems += problems
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
    ) -> Catalog:
        target = self._target
        place = Target(target.name, target.cloud, target.store)
        here = [spec for spec in specs if is_match(spec.key, target.only)]
        picked = tuple(spec for spec in here if is_match(spec.key, only))
        for pattern in only:
            if not any(fnmatchcase(spec.key, pattern) for spec in here):
                close = get_close_matches(pattern, [spec.key for spec in here], 3)
                raise UsageError(f"--only {pattern}: no such key", f"did you mean {', '.join(close)}?" if close else "")
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
            warnings=(
                *_find_warnings(picked),
                *find_unused_profiles(self._manifest),
                *find_doubtful_values(picked, self._manifest.images, target.only, place),
            ),
        )


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
