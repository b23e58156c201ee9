"""A manifest and the options of a run -> the place of the run. Pure.

The overlay of a target (``values``, ``images``, ``only``) belongs to that target alone. No other place may get it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from imagesync.errors import UsageError
from imagesync.manifest.documents import Part
from imagesync.manifest.merging import Manifest
from imagesync.manifest.placeholders import Values
from imagesync.manifest.validation import TEXT_KIND, locate, suggest
from imagesync.model.catalog import Place, Target
from imagesync.secrets import quote_value
from imagesync.text import make_printable, quote_word

MAX_LISTED: Final = 12
"""Targets that a message lists."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The options of a run that select a place: at most one of a target, a cloud of clouds.yaml, the folder of a store.

    ``environment``: the cloud that the environment names, used if no option is given.
    """

    target: str | None = None
    cloud: str | None = None
    store: str | None = None
    environment: str | None = None

    def __post_init__(self) -> None:
        given = {"--target": self.target, "--cloud": self.cloud, "--store": self.store}
        words = [word for word, value in given.items() if value is not None]
        if len(words) > 1:
            raise UsageError(f"{' and '.join(words)} exclude each other: each selects a place", "keep one")


def select_target(manifest: Manifest, choice: Choice, values: Mapping[str, str]) -> Target:
    """The target that the choice selects, or a place without a name, which no overlay belongs to.

    An empty Target: the manifest has no targets and nothing but the environment may select a cloud.

    ``--cloud`` and the environment select the target that names this cloud, ``--store`` the one that names this folder.
    ``values`` are those of ``--set``. UsageError: no such target; several targets name the place; or no target names the
    cloud of the environment, which may be set for other work.
    """
    places = dict(_find_places(manifest, values))
    if choice.target is not None:
        return _get_target(manifest, places, choice.target)
    if choice.store is not None:
        store = os.path.abspath(choice.store)
        return _find_only(places, "store", store, "--store") or Target(store=store)
    if choice.cloud is not None:
        return _find_only(places, "cloud", choice.cloud, "--cloud") or Target(cloud=choice.cloud)
    if choice.environment is not None:
        found = _find_only(places, "cloud", choice.environment, "the environment")
        if found is None and places:
            raise _refuse_environment(choice.environment, places)
        return found or Target()  # any cloud: the manifest has no overlays
    return _find_default(manifest, places, values) or Target()


def select_targets(manifest: Manifest, names: Sequence[str], values: Mapping[str, str]) -> tuple[Target, ...]:
    """The targets of these names, or all of them without names, in the order of the manifest.

    UsageError: there is no such target, there are no targets at all, or two of them name the same cloud or store.
    """
    places = dict(_find_places(manifest, values))
    if not places and not names:
        raise UsageError("--all-targets: the manifest declares no targets", "pass --cloud NAME or --store DIR")
    for name in names:
        _get_target(manifest, places, name)
    chosen = tuple(place for name, place in places.items() if not names or name in names)
    _refuse_same_places(chosen)
    return chosen


def _refuse_same_places(targets: Sequence[Target]) -> None:
    """UsageError for two targets that name the same cloud or the same folder; links are followed."""
    found: dict[tuple[str, str], Target] = {}
    for target in targets:
        kind, place = ("store", os.path.realpath(target.store)) if target.store else ("cloud", target.cloud or "")
        other = found.setdefault((kind, place), target)
        if other is not target:
            raise refuse_same_place(str(other.name), str(target.name), f"{kind} {target.store or place}")


def refuse_same_place(name: str, other: str, place: str) -> UsageError:
    """The error for two targets of one run that are the same place: each would undo what the other did."""
    message = f"targets {make_printable(name)} and {make_printable(other)} are the same place: {make_printable(place)}"
    return UsageError(message, "run them one after the other, or correct the manifest")


def _find_places(manifest: Manifest, given: Mapping[str, str]) -> Iterator[tuple[str, Target]]:
    """Each target with its place; the resolution reports problems of the place."""
    for name, part in manifest.targets.items():
        own = dict(part["values"].items()) if "values" in part else {}
        values = Values({**manifest.values, **own}, given, ())
        texts = {
            field: _fill(values, part[field], ("targets", name, field)) for field in ("cloud", "store") if field in part
        }
        store = texts.get("store")
        folder = manifest.folders.get(part.file, manifest.base)
        find_place = partial(_find_place, part, "store" if store is not None else "cloud")
        place = _join(folder, store) if store is not None else None
        wave = part["wave"].data if "wave" in part else 0  # a wrong one is a problem of the resolution
        yield name, Target(name, texts.get("cloud"), place, wave if isinstance(wave, int) else 0, find_place)


def _find_place(part: Part, name: str) -> Place:
    return locate(part.node, (name,)).place


def _fill(values: Values, part: Part, path: tuple[str, ...]) -> str:
    return str(values.fill(part.data, TEXT_KIND, path, part))


def _join(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path))


def _get_target(manifest: Manifest, places: Mapping[str, Target], name: str) -> Target:
    if name in places:
        return places[name]
    if not places:
        message = f"there is no target {quote_value(name)}: the manifest declares no targets"
        raise UsageError(message, "pass --cloud NAME or --store DIR, or declare targets")
    files = {part.file: locate(part.document.root, ("targets",)).place for part in manifest.targets.values()}
    message = f"{', '.join(map(str, files.values()))}: targets: there is no target {quote_value(name)}"
    raise UsageError(message, suggest(name, places, "declared targets"))


def _find_only(places: Mapping[str, Target], part: str, wanted: str, word: str) -> Target | None:
    """The only target that names a place; None if there is none. Links in a store's path are followed."""
    real = os.path.realpath if part == "store" else str
    named = {name: value for name, place in places.items() if (value := getattr(place, part)) is not None}
    found = [name for name, value in named.items() if real(value) == real(wanted)]
    if len(found) > 1:
        display = make_printable(wanted)
        message = f"{word}: targets {list_names(found)} all name {part} {display}, each with its own overlay"
        raise UsageError(message, f"name one: --target {found[0]}")
    return places[found[0]] if found else None


def _refuse_environment(cloud: str, places: Mapping[str, Target]) -> UsageError:
    display, word = make_printable(cloud), quote_word(cloud)
    message = f"the environment (OS_CLOUD or OS_*) selects cloud {display}, which no target of the manifest names"
    target = next(iter(places))
    ways = f"pass --target {target}" if len(places) == 1 else f"pass --target NAME ({list_names(list(places))})"
    return UsageError(message, f"{ways}, or --cloud {word} for that cloud without the overlay of any target")


def list_names(names: list[str]) -> str:
    """The names of the first targets, and the number of the others."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def _find_default(manifest: Manifest, places: Mapping[str, Target], given: Mapping[str, str]) -> Target | None:
    """The manifest's ``default_target``; None if it has none, or a wrong one, which is reported elsewhere."""
    part = manifest.single.get("default_target")
    if part is None:
        return None
    values = Values(manifest.values, given, ())
    name = str(values.fill(part.data, TEXT_KIND, ("default_target",), part))
    if values.problems or (name not in places and name == part.data):
        return None
    return _get_target(manifest, places, name)
