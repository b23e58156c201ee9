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
from imagesync.manifest.documents import Part
from imagesync.manifest.effects import (
    find_doubtful_values,
    find_idle_values,
    find_unmatched_globs,
    find_unused_profiles,
)
from imagesync.manifest.merging import Manifest, Merger
from imagesync.manifest.placeholders import Spot, Values
from imagesync.manifest.scope import intersect_patterns
from imagesync.manifest.set_checks import find_set_problems
from imagesync.manifest.sources import Setting
from imagesync.manifest.specs import make_on_replace, make_project, make_spec
from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.manifest.validation import TEXT_KIND, Shape, format_path, locate, suggest
from imagesync.model.catalog import (
    Catalog,
    FileSource,
    Fingerprint,
    ImageSpec,
    Member,
    Target,
    Transfer,
    UrlSource,
    is_match,
)
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy, Publish, find_rename_faults
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
        part = self._find_target(target, given)
        self._values = Values({**manifest.values, **_children_of(part, "values")}, given, manifest.images)
        self._merger = Merger(manifest, _children_of(part, "images"))
        self._target = self._read_target(part)

    def make_catalog(self, only: tuple[str, ...]) -> Catalog:
        """Everything resolved; ManifestError with all problems where there is any."""
        merged, specs, beyond = {}, [], 0
        setting = Setting(self._manifest.base, self._manifest.folders, self._problems, self._allow_outside)
        for key in sorted(self._manifest.images):
            if len(self._problems) + len(self._values.problems) >= MAX_PROBLEMS or beyond > MAX_EXCESS_PROPERTIES:
                raise ManifestError([*self._problems, *self._values.problems])
            image = merged[key] = self._merger.merge_image(key)
            beyond += max(0, len(image.data.get("properties", ())) - MAX_PROPERTIES)
            data = image.data
            if image.has_dollars:
                data = self._fill_and_check(data, "image", ("images", key), image)
            spec = make_spec(key, data, image, setting) if data is not None else None
            specs += [spec] if spec else []
        here = [spec for spec in specs if is_match(spec.key, self._target.only)]
        self._problems += islice(find_set_problems(here, merged), MAX_PROBLEMS)
        self._problems += islice(find_idle_values(here, merged), MAX_PROBLEMS)
        name, policy, removed = self._read_name(), self._read_policy(), self._read_removed()
        if problems := [*self._problems, *self._values.problems]:
            raise ManifestError(problems)
        return self._assemble_catalog(name, policy, specs, only, removed)

    def _find_target(self, name: str | None, given: Mapping[str, str]) -> Part | None:
        targets = self._manifest.targets
        if name is None and "default_target" in self._manifest.single:
            values = Values(self._manifest.values, given, ())
            part = self._manifest.single["default_target"]
            name = str(values.fill(part.data, TEXT_KIND, ("default_target",), part))
            self._problems += values.problems
            if values.problems or (name not in targets and name == part.data):
                return None  # told of already
        if name is not None and name not in targets:
            raise UsageError(f"the manifest has no target {name!r}", suggest(name, targets, "it has"))
        return targets[name] if name is not None else None

    def _read_target(self, part: Part | None) -> _Chosen:
        if part is None:
            return _Chosen()
        name = next(name for name, target in self._manifest.targets.items() if target is part)
        said = {field: value for field, value in part.data.items() if field in ("cloud", "store", "only")}
        data = self._fill_and_check(said, "target", ("targets", name), part)
        if data is None:
            return _Chosen(name)
        if "only" in data:
            self._problems += find_unmatched_globs(data["only"], part["only"], name)
        store = data.get("store")
        if store is not None:
            store = os.path.normpath(os.path.join(self._manifest.folders.get(part.file, self._manifest.base), store))
            if not self._allow_outside and (problem := find_place_problem(store, self._manifest.base)):
                where = format_path(("targets", name, "store"))
                self._problems.append(part["store"].problem(where, problem, MOVE))
        return _Chosen(name, data.get("cloud"), store, tuple(data.get("only", ())))

    def _fill_and_check(self, data: Any, part: str, path: tuple[str, ...], spot: Spot) -> Any:
        """The data with its placeholders filled in, judged by the schema without placeholders; None after a problem."""
        shape = _load_shape(part)
        before = len(self._values.problems)
        filled = self._values.fill(data, shape.kind, path, spot)
        if len(self._values.problems) > before:
            return None
        if filled is data or shape.is_fitting(filled):
            return filled
        self._problems += shape.find_problems(filled, spot.node, path)
        return None

    def _read_name(self) -> str:
        part = self._manifest.single.get("catalog")
        if part is None:
            file = next(iter(self._manifest.folders))
            hint = "name the catalogue: it marks what it owns"
            self._problems.append(Diagnostic(file, 1, 1, "catalog", "missing", hint))
            return ""
        return str(self._fill_and_check(part.data, "catalog", ("catalog",), part))

    def _read_policy(self) -> Policy:
        part = self._manifest.single.get("policy")
        data = self._fill_and_check(part.data, "policy", ("policy",), part) if part is not None else None
        if part is None or data is None:
            return Policy()
        self._problems += _find_rename_faults(part, data.get("on_replace", {}).get("rename"))
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
        for key in sorted(self._manifest.removed):
            part = self._manifest.removed[key]
            data = self._fill_and_check(part.data, "removed", ("removed", key), part)
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
            digest=_digest_images(picked, self._manifest.base),
            warnings=(
                *_find_warnings(picked),
                *find_unused_profiles(self._manifest),
                *find_doubtful_values(picked, self._manifest.images, target.only, place),
            ),
        )


def _children_of(part: Part | None, name: str) -> Mapping[str, Part]:
    return dict(part[name].items()) if part is not None and name in part else {}


def _digest_images(specs: Sequence[ImageSpec], base: str) -> str:
    """What identifies the images, wherever the checkout lies and whatever lines they stand in."""
    known: dict[int, object] = {}
    """By the id of an object that many images share: what it is."""

    def describe(value: Any) -> object:
        if (again := known.get(id(value))) is not None:
            return again
        found = _canonicalize(_remove_place(value, base))
        if isinstance(value, _SHARED):
            known[id(value)] = found
        return found

    text = json.dumps(specs, default=describe)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


_SHARED: Final = (OnReplace, Transfer, Fingerprint)


def _remove_place(value: Any, base: str) -> object:
    """A source without where the checkout lies, and without secrets: the digest of a catalog stands in plans."""
    if not isinstance(value, _PLACED):
        return value
    if signature := value.signature:
        value = replace(value, signature=replace(signature, keyring=os.path.relpath(signature.keyring, base)))
    if isinstance(value, FileSource):
        return replace(value, path=os.path.relpath(value.path, base))
    return value.withhold_secrets()


_PLACED: Final = (FileSource, UrlSource)


def _canonicalize(value: object) -> object:
    """A value whose text does not depend on the order of sets."""
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    kind: Any = type(value)
    names = _list_compared_fields(kind)
    return str(value) if names is None else {name: getattr(value, name) for name in names}


@cache
def _list_compared_fields(kind: object) -> tuple[str, ...] | None:
    """The fields that make two values of a kind differ; None if it has no fields."""
    return tuple(item.name for item in fields(kind) if item.compare) if is_dataclass(kind) else None


def _find_warnings(specs: Sequence[ImageSpec]) -> Iterator[str]:
    for spec in specs:
        if isinstance(spec.source, UrlSource) and not (spec.source.checksum or spec.source.checksum_url):
            damaged = "a damaged one not refused"
            if not spec.source.transfer.is_sent:
                damaged = "nothing verifies what the service fetches"
            yield f"{spec.key}: the URL has no checksum: a new build behind it is not seen, {damaged}"


def _find_rename_faults(policy: Part, rename: object) -> Iterator[Diagnostic]:
    """What is wrong with the policy's own pattern for names, although no image takes it."""
    if isinstance(rename, str):
        path = ("on_replace", "rename")
        for message, hint in find_rename_faults(rename):
            yield locate(policy.node, path).problem(format_path(("policy", *path)), message, hint)


def _parse_limit(value: str | int) -> Limit:
    return Limit(value, percent=False) if isinstance(value, int) else Limit(int(value.rstrip("% ")))
