"""A Manifest -> a Catalog for one target: values filled in, defaults, profiles and overlays merged, specs made. Pure,
but for looking where symbolic links lead."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, Final

from imagesync.errors import Diagnostic, ManifestError, UsageError
from imagesync.loader import Entry, Manifest
from imagesync.model import Catalog, ImageSpec, Limit, OnRemove, Place, Policy, Target, UrlSource
from imagesync.specs import make_on_replace, make_spec

_VALUE: Final = re.compile(r"\$(?:\$|\{([^}]*)\})")


class Problems:
    """Collects diagnostics with the place of the image they are about."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def add(self, entry: Entry, where: str, message: str, hint: str = "") -> None:
        """One problem of one definition."""
        place = entry.place()
        self.found.append(Diagnostic(place.file, place.line, place.column, where, message, hint))


def resolve(
    manifest: Manifest,
    *,
    target: str | None = None,
    values: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    allow_outside: bool = False,
) -> Catalog:
    """The catalogue as wanted in one target (default: ``default_target``, if the manifest names one)."""
    problems = Problems()
    chosen = _target(manifest, target)
    overlay = chosen.data if chosen else {}
    known = {name: entry.data for name, entry in manifest.values.items()}
    known |= {**overlay.get("values", {}), **(values or {})}
    specs = []
    for key, entry in sorted(manifest.images.items()):
        merged = _merged(manifest, key, entry, overlay, problems)
        filled = _filled(merged, known, manifest, entry, f"images.{key}", problems)
        spec = make_spec(key, filled, entry, manifest.base, problems.add, allow_outside=allow_outside)
        specs += [spec] if spec else []
    _check(manifest, chosen, specs, problems)
    if problems.found:
        raise ManifestError(problems.found)
    return _catalog(manifest, chosen, specs, tuple(only))


def _catalog(manifest: Manifest, chosen: Entry | None, specs: list[ImageSpec], only: tuple[str, ...]) -> Catalog:
    overlay = chosen.data if chosen else {}
    here = [spec for spec in specs if _matches(spec.key, overlay.get("only", ()))]
    picked = tuple(spec for spec in here if _matches(spec.key, only))
    for pattern in only:
        if not any(fnmatchcase(spec.key, pattern) for spec in here):
            near = get_close_matches(pattern, [spec.key for spec in here], 3)
            raise UsageError(f"--only {pattern}: no such key", f"did you mean {', '.join(near)}?" if near else "")
    text = json.dumps([_canonical(replace(spec, place=Place())) for spec in picked], default=_canonical).encode()
    store = overlay.get("store")
    name = next((name for name, entry in manifest.targets.items() if entry is chosen), None)
    return Catalog(
        name=manifest.single["catalog"].data,
        images=picked,
        keys=frozenset(manifest.images),
        only=_scope(only, tuple(overlay.get("only", ())), manifest.images),
        policy=_policy(manifest),
        target=Target(name, overlay.get("cloud"), str(Path(chosen.folder, store)) if chosen and store else None),
        base=manifest.base,
        digest=f"sha256:{hashlib.sha256(text).hexdigest()}",
        warnings=tuple(_warnings(picked)),
    )


def _canonical(value: object) -> object:
    """A value whose text does not depend on the order of sets."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in fields(value)}
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


def _warnings(specs: Sequence[ImageSpec]) -> Iterator[str]:
    for spec in specs:
        if isinstance(spec.source, UrlSource) and not (spec.source.checksum or spec.source.checksum_url):
            yield f"{spec.key}: the URL has no checksum: a new build behind it is not seen, a damaged one not refused"


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(key, pattern) for pattern in patterns)


def _scope(asked: Sequence[str], target: Sequence[str], keys: Iterable[str]) -> tuple[str, ...]:
    """What lies both in ``--only`` and in the target's ``only``, as patterns of which one has to match.

    Of two patterns of which one covers the other the narrower stays; where they merely overlap, only the keys that
    the manifest names are meant, so that nothing outside either of them is ever taken for removed.
    """
    if not asked or not target:
        return tuple(asked or target)
    found: set[str] = set()
    for one, other in product(asked, target):
        if _is_covered(one, other):
            found.add(one)
        elif _is_covered(other, one):
            found.add(other)
        else:
            found |= {key for key in keys if fnmatchcase(key, one) and fnmatchcase(key, other)}
    return tuple(sorted(found))


def _is_covered(narrow: str, wide: str) -> bool:
    """Whether every key of one glob is one of another: tried with each ``*`` empty, and too long for any ``?``."""
    if narrow == wide or not any(char in narrow for char in "*?["):
        return narrow == wide or fnmatchcase(narrow, wide)
    if "[" in narrow + wide:
        return False
    one_each = narrow.replace("?", "\0")
    return all(fnmatchcase(one_each.replace("*", filling), wide) for filling in ("", "\0" * (len(wide) + 1)))


def _target(manifest: Manifest, name: str | None) -> Entry | None:
    if name is None and "default_target" in manifest.single:
        name = str(manifest.single["default_target"].data)
    if name is None:
        return None
    if name not in manifest.targets:
        known = ", ".join(sorted(manifest.targets)) or "none"
        raise UsageError(f"the manifest has no target {name!r}", f"it has: {known}")
    return manifest.targets[name]


def _policy(manifest: Manifest) -> Policy:
    data = manifest.single["policy"].data if "policy" in manifest.single else {}
    return Policy(
        on_remove=OnRemove(data.get("on_remove", OnRemove.DELETE)),
        on_replace=make_on_replace(data.get("on_replace", {})),
        max_delete=_limit(data.get("max_delete", "30%")),
        max_update=_limit(data.get("max_update", "100%")),
    )


def _limit(value: str | int) -> Limit:
    return Limit(value, percent=False) if isinstance(value, int) else Limit(int(value.rstrip("% ")))


def _merged(
    manifest: Manifest, key: str, entry: Entry, overlay: Mapping[str, Any], problems: Problems
) -> dict[str, Any]:
    """defaults < profiles in order < the image < what the target says; mappings merge, all else is replaced."""
    defaults = manifest.single["defaults"].data if "defaults" in manifest.single else {}
    policy = manifest.single["policy"].data.get("on_replace") if "policy" in manifest.single else None
    parts = [{"on_replace": policy} if policy else {}, defaults]
    for name in entry.data.get("profiles", defaults.get("profiles", ())):
        if name in manifest.profiles:
            parts.append(manifest.profiles[name].data)
        else:
            near = get_close_matches(name, manifest.profiles, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(manifest.profiles)) or 'none'}"
            problems.add(entry, f"images.{key}.profiles", f"there is no profile {name!r}", hint)
    merged: dict[str, Any] = {}
    for part in (*parts, entry.data, overlay.get("images", {}).get(key, {})):
        merged = overlaid(merged, part)
    return merged


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``: properties and on_replace merge key by key, every other value is replaced."""
    merged = dict(below)
    for name, value in above.items():
        nested = (
            name in ("properties", "on_replace", "set")
            and isinstance(value, dict)
            and isinstance(merged.get(name), dict)
        )
        merged[name] = overlaid(merged[name], value) if nested else value
    return merged


def _filled(
    data: Any, values: Mapping[str, str], manifest: Manifest, entry: Entry, where: str, problems: Problems
) -> Any:
    """``${name}`` in every string value; ``${images.KEY.id}`` stays for apply, its key checked."""
    if isinstance(data, dict):
        return {k: _filled(v, values, manifest, entry, f"{where}.{k}", problems) for k, v in data.items()}
    if isinstance(data, list):
        return [_filled(v, values, manifest, entry, f"{where}[{i}]", problems) for i, v in enumerate(data)]
    if not isinstance(data, str) or "$" not in data:
        return data

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "$"
        if (image := re.fullmatch(r"images\.(.+)\.id", name)) and ".properties." in where:
            if image[1] not in manifest.images:
                problems.add(entry, where, f"${{{name}}} names no image of this catalogue")
            return found[0]
        if name not in values:
            near = get_close_matches(name, values, 1)
            hint = f"did you mean ${{{near[0]}}}?" if near else "define it under values, or with --set"
            problems.add(entry, where, f"${{{name}}} is not defined", hint)
        return values.get(name, "")

    return _VALUE.sub(fill, data)


def _check(manifest: Manifest, chosen: Entry | None, specs: Sequence[ImageSpec], problems: Problems) -> None:
    if "catalog" not in manifest.single:
        file = manifest.files[0]
        problems.found.append(Diagnostic(file, 1, 1, "catalog", "missing", "name the catalogue: it marks what it owns"))
    for key in chosen.data.get("images", {}) if chosen else {}:
        if chosen and key not in manifest.images:
            near = get_close_matches(key, manifest.images, 1)
            problems.add(chosen, f"targets.images.{key}", "no such image", f"did you mean {near[0]}?" if near else "")
    seen: dict[tuple[str, str | None], ImageSpec] = {}
    for spec in specs:
        other = spec if spec.hidden else seen.setdefault((spec.name, spec.owner), spec)
        if other is not spec:
            message = f"the name {spec.name!r} is that of images.{other.key} too"
            problems.add(manifest.images[spec.key], f"images.{spec.key}.name", message, "give one another name")
