"""A Manifest -> a Catalog for one target: placeholders replaced, parts merged, specs made. Reads symbolic links only."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from itertools import islice
from typing import Any, Final, TypeAlias

from imagesync.errors import MAX_PROBLEMS, Diagnostic, ManifestError, UsageError
from imagesync.manifest.documents import Part
from imagesync.manifest.effects import find_doubtful_values, find_idle_values, find_unmatched_globs
from imagesync.manifest.merging import NESTED, Manifest, Merged, Merger
from imagesync.manifest.placeholders import Spot, Values
from imagesync.manifest.scope import intersect_patterns
from imagesync.manifest.selection import Choice, select_target
from imagesync.manifest.set_checks import find_impossible_moves, find_set_problems
from imagesync.manifest.sources import Setting
from imagesync.manifest.specs import make_on_replace, make_project, make_spec
from imagesync.manifest.texts import MAX_PROPERTIES
from imagesync.manifest.unused import check_given_values, find_idle_patterns, find_unused_names
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
from imagesync.secrets import show_key
from imagesync.text import make_printable, shorten_list

_FORMATS: Final = ("disk_format", "container_format")
_BRACES: Final = re.compile(r"(?<!\$)\{([\w.-]*)\}")
MAX_EXCESS_PROPERTIES: Final = 20_000
"""Properties above the limit of their images, in all images together, after which the resolution stops."""


Check: TypeAlias = Callable[[Sequence[ImageSpec]], Iterable[Diagnostic]]
"""Images -> their problems. An image is without its parts that have a problem already."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """One target with its placeholders replaced: its name, its cloud or store (an absolute path), its key patterns."""

    name: str | None = None
    cloud: str | None = None
    store: str | None = None
    only: tuple[str, ...] = ()
    wave: int = 0


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
    """The catalog for one target (default: ``default_target``, if the manifest has one).

    ``place``, the result of ``select_target``, replaces ``target``. ``strict``: unused names are problems, not warnings.
    ``checks``: further checks of the target's images. ManifestError has every problem. UsageError: no such target, no such
    value, or ``only`` matches nothing.
    """
    given = values or {}
    check_given_values(manifest, given)
    chosen = place if place is not None else select_target(manifest, Choice(target=target), given)
    resolver = _Resolver(manifest, chosen, given, allow_outside=allow_outside)
    return resolver.make_catalog(tuple(only), strict=strict, checks=checks)


@cache
def _load_shape(part: str) -> Shape:
    """The shape of a part of a manifest after its placeholders are replaced."""
    return Shape(load_schema("manifest"), part, placeholders=False)


class _Resolver:
    """One resolution: its values, its target and its problems."""

    def __init__(self, manifest: Manifest, place: Target, given: Mapping[str, str], *, allow_outside: bool) -> None:
        self._manifest, self._allow_outside = manifest, allow_outside
        self._problems: list[Diagnostic] = list(manifest.problems)
        self._known = frozenset((one.file, one.line, one.column) for one in manifest.problems)
        part = manifest.targets[place.name] if place.name is not None else None
        self._values = Values({**manifest.values, **_children_of(part, "values")}, given, manifest.images)
        self._merger = Merger(manifest, _children_of(part, "images"))
        self._target, self._find_place = _Chosen(None, place.cloud, place.store), place.find_place
        if place.name is not None and part is not None:
            self._target = self._read_target(place.name, part)
        self._check_default_target(given)

    def make_catalog(self, only: tuple[str, ...], *, strict: bool, checks: Sequence[Check]) -> Catalog:
        """The resolved catalog; ManifestError with all problems if there are any."""
        merged, specs, partial, beyond = dict[str, Merged](), list[ImageSpec](), list[ImageSpec](), 0
        setting = Setting(self._manifest.base, self._manifest.folders, self._problems, self._allow_outside)
        for key in sorted(self._manifest.images):
            if len(self._problems) + len(self._values.problems) >= MAX_PROBLEMS or beyond > MAX_EXCESS_PROPERTIES:
                raise ManifestError([*self._problems, *self._values.problems])
            image = merged[key] = self._merger.merge_image(key)
            data, broken = self._read_image(key, image)
            beyond += max(0, len(data.get("properties", ())) - MAX_PROPERTIES)
            spec = make_spec(key, data, image, setting) if "source" not in broken else None
            (partial if broken else specs).extend([spec] if spec else [])
        here, rest = ([one for one in found if is_match(one.key, self._target.only)] for found in (specs, partial))
        self._problems += islice(find_set_problems(here, merged), MAX_PROBLEMS)
        self._problems += islice(find_impossible_moves(specs, merged, self._manifest.removed), MAX_PROBLEMS)
        self._problems += islice(find_idle_values(here, merged), MAX_PROBLEMS)
        picked = [spec for spec in (*here, *rest) if is_match(spec.key, only)]
        for check in checks:
            self._problems += islice(check(picked), MAX_PROBLEMS)
        unused = list(islice(find_unused_names(self._manifest), MAX_PROBLEMS))
        self._problems += unused if strict else []
        name, policy, removed = self._read_name(), self._read_policy(), self._read_removed()
        if problems := [*self._problems, *self._values.problems]:
            raise ManifestError(problems)
        return self._assemble_catalog(name, policy, specs, only, removed, shorten_list(list(map(str, unused))))

    def _read_image(self, key: str, image: Merged) -> tuple[dict[str, Any], frozenset[str]]:
        """The fields of an image without a problem, filled, and the names of the fields with a problem.

        A format with a problem is replaced by ``raw``, because it is declared and must not count as missing.
        """
        path, shape, data = ("images", key), _load_shape("image"), image.data
        if self._manifest.is_sound and not image.has_dollars:
            return data, frozenset()
        if not isinstance(data, dict):
            return {}, frozenset({"source"})
        before = self._values.failures
        filled = self._values.fill(data, shape.kind, path, image)
        broken = self._find_unfilled(image, path) if self._values.failures > before else set[str]()
        sound = {name: value for name, value in filled.items() if name not in broken}
        if (filled is not data or not self._manifest.is_sound) and not shape.is_fitting(sound):
            self._report(shape.find_problems(sound, image.node, path))
            sound, unfit = _drop_unfit(shape, sound)
            broken |= unfit or {"source"}
        return sound | {name: "raw" for name in _FORMATS if name in broken}, frozenset(broken)

    def _find_unfilled(self, image: Merged, path: tuple[str, ...]) -> set[str]:
        """The fields of an image whose placeholders cannot be replaced."""
        found, count, kind = set(), len(self._values.problems), _load_shape("image").kind
        for name, value in image.data.items():
            before = self._values.failures
            self._values.fill({name: value}, kind, path, image)
            if self._values.failures > before:
                found.add(name)
        del self._values.problems[count:]  # reported already
        return found

    def _report(self, problems: Sequence[Diagnostic]) -> None:
        """Add problems, except for places that already have one: a profile is part of many images."""
        self._problems += [one for one in problems if (one.file, one.line, one.column) not in self._known]

    def _check_default_target(self, given: Mapping[str, str]) -> None:
        """Report wrong placeholders of ``default_target``, also if another target is selected."""
        if "default_target" in self._manifest.single:
            part, values = self._manifest.single["default_target"], Values(self._manifest.values, given, ())
            values.fill(part.data, TEXT_KIND, ("default_target",), part)
            self._problems += values.problems

    def _read_target(self, name: str, part: Part) -> _Chosen:
        own = {field: value.data for field, value in part.items() if field in ("cloud", "store", "only", "wave")}
        data = self._fill_and_check(own, "target", ("targets", name), part)
        if data is None:
            return _Chosen(name)
        if "only" in data:
            self._check_only(name, part["only"], data["only"])
        self._check_braces(name, part)
        store = data.get("store")
        if store is not None:
            store = os.path.normpath(os.path.join(self._manifest.folders.get(part.file, self._manifest.base), store))
            if not self._allow_outside and (problem := find_place_problem(store, self._manifest.base)):
                where = format_path(("targets", name, "store"))
                self._problems.append(part["store"].problem(where, problem, MOVE))
        return _Chosen(name, data.get("cloud"), store, tuple(data.get("only", ())), data.get("wave", 0))

    def _check_braces(self, name: str, part: Part) -> None:
        """Report a cloud or store with ``{name}`` instead of ``${name}``: a folder of that name would be created."""
        for field in ("cloud", "store"):
            if field in part and (found := _BRACES.search(str(part[field].data))):
                where, word = format_path(("targets", name, field)), show_key(found[0])
                hint = f"write ${word} for a value of this name" if found[1] else "write ${NAME}"
                self._problems.append(part[field].problem(where, f"{word} is not a placeholder without a $", hint))

    def _check_only(self, name: str, part: Part, patterns: Sequence[str]) -> None:
        """Report globs of a target that no valid key can match, and globs that no key of the catalog matches."""
        found = list(find_unmatched_globs(patterns, part, name))
        wrong = {one.where for one in found}
        idle = find_idle_patterns(("targets", name, "only"), part, patterns, self._manifest.images)
        self._problems += [*found, *(one for one in idle if one.where not in wrong)]

    def _fill_and_check(self, data: Any, part: str, path: tuple[str, ...], spot: Spot) -> Any:
        """The data with its placeholders replaced, checked against the schema without placeholders; None after a problem."""
        shape = _load_shape(part)
        before = self._values.failures
        filled = self._values.fill(data, shape.kind, path, spot)
        if self._values.failures > before:
            return None
        if (filled is data and self._manifest.is_sound) or shape.is_fitting(filled):
            return filled
        self._report(shape.find_problems(filled, spot.node, path))
        return None

    def _read_name(self) -> str:
        part = self._manifest.single.get("catalog")
        if part is None:
            file = next(iter(self._manifest.folders))
            hint = "declare catalog: NAME; the name marks the images that the catalog owns"
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
        """The owner project of each key in ``removed``."""
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
        warnings: Sequence[str],
    ) -> Catalog:
        target = self._target
        place = Target(target.name, target.cloud, target.store, target.wave, self._find_place)
        here = [spec for spec in specs if is_match(spec.key, target.only)]
        picked = tuple(spec for spec in here if is_match(spec.key, only))
        for pattern in only:
            if not any(fnmatchcase(spec.key, pattern) for spec in here):
                raise self._refuse_pattern(pattern, [spec.key for spec in here])
        return Catalog(
            name=name,
            images=picked,
            keys=frozenset(self._manifest.images),
            owners={
                **removed,
                **{spec.key: spec.owner for spec in here if spec.owner and not is_match(spec.key, only)},
            },
            moved={spec.key: spec.moved_from for spec in specs if spec.moved_from},
            only=intersect_patterns(only, target.only, self._manifest.images),
            policy=policy,
            target=place,
            base=self._manifest.base,
            digest=_digest_images(picked, self._manifest.base),
            warnings=(*_find_warnings(picked), *warnings, *find_doubtful_values(picked)),
        )

    def _refuse_pattern(self, pattern: str, keys: Sequence[str]) -> UsageError:
        """The error for a glob of ``--only`` that matches no key of the target."""
        display = f"--only {make_printable(pattern)}"
        if any(fnmatchcase(key, pattern) for key in self._manifest.images):
            hint = "remove it from --only, or extend the target's only"
            return UsageError(f"{display}: no such key on target {self._target.name}, whose only leaves it out", hint)
        return UsageError(f"{display}: no such key", suggest(pattern, keys, "the catalog has"))


def _drop_unfit(shape: Shape, data: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The fields of an image that fit the schema (of nested ones the fitting parts), and the names of the other fields."""
    sound, unfit = dict[str, Any](), set[str]()
    for name, value in data.items():
        if shape.is_fitting({name: value}):
            sound[name] = value
            continue
        unfit.add(name)
        parts = value if name in NESTED and isinstance(value, dict) else {}
        fitting = {part: one for part, one in parts.items() if shape.is_fitting({name: {part: one}})}
        sound |= {name: fitting} if parts else {}
    return sound, unfit


def _children_of(part: Part | None, name: str) -> Mapping[str, Part]:
    return dict(part[name].items()) if part is not None and name in part else {}


def _digest_images(specs: Sequence[ImageSpec], base: str) -> str:
    """The digest of the images, independent of the folder of the checkout and of line numbers."""
    known: dict[int, object] = {}
    """The description of an object that many images share, by its ``id()``."""

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
    """A source without the folder of the checkout and without secrets, because plans have the digest of a catalog."""
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
            damaged = "and damaged data is not detected"
            if not spec.source.transfer.is_sent:
                damaged = "and nothing verifies the data that the service fetches"
            yield f"{spec.key}: the URL has no checksum: imagesync does not notice a new build, {damaged}"


def _find_rename_faults(policy: Part, rename: object) -> Iterator[Diagnostic]:
    """Problems of the policy's pattern for names, also if no image uses it."""
    if isinstance(rename, str):
        path = ("on_replace", "rename")
        for message, hint in find_rename_faults(rename):
            yield locate(policy.node, path).problem(format_path(("policy", *path)), message, hint)


def _parse_limit(value: str | int) -> Limit:
    return Limit(value, percent=False) if isinstance(value, int) else Limit(int(value.rstrip("% ")))
