"""A manifest -> diagnostics for unused profiles, values and globs; checks ``--set``. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from imagesync.errors import Diagnostic, UsageError
from imagesync.manifest.documents import Part
from imagesync.manifest.merging import Manifest, profiles_of
from imagesync.manifest.placeholders import find_names
from imagesync.manifest.validation import format_path, locate, suggest
from imagesync.secrets import quote_value
from imagesync.text import make_printable

_REMEDY = "remove it, or use it"


def check_given_values(manifest: Manifest, given: Mapping[str, str]) -> None:
    """UsageError if ``--set`` gives a value that the manifest neither defines, for any target, nor uses."""
    unknown = [name for name in given if name not in manifest.values]
    if not unknown:
        return
    known = {*manifest.values, *(name for values in _list_target_values(manifest).values() for name in values)}
    for name in unknown:
        if name not in known and name not in (used := _collect_used_values(manifest)):
            message = f"--set {make_printable(name)}: the manifest has no value of this name"
            raise UsageError(message, suggest(name, sorted(known | used), "it has"))


def find_unused_names(manifest: Manifest) -> Iterator[Diagnostic]:
    """Profiles that no image takes, and values that no ``${name}`` names."""
    taken = {name for node in manifest.images.values() for name in profiles_of(manifest, node)}
    for name, node in manifest.profiles.items():
        if name not in taken:
            yield node.problem(format_path(("profiles", name)), "no image uses this profile", _REMEDY)
    places: dict[tuple[str, ...], Mapping[str, Part]] = {("values",): manifest.values}
    places |= {("targets", name, "values"): values for name, values in _list_target_values(manifest).items()}
    used = _collect_used_values(manifest) if any(places.values()) else frozenset()
    for path, values in places.items():
        for name, node in values.items():
            if name not in used:
                yield node.problem(format_path((*path, name)), "nothing uses this value", _REMEDY)


def find_idle_patterns(
    path: Sequence[str], part: Part, patterns: Sequence[str], keys: Mapping[str, object]
) -> Iterator[Diagnostic]:
    """The globs of a target's ``only``, at ``path`` and ``part``, that match no image of the catalog."""
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(key, pattern) for key in keys):
            where = format_path((*path, index))
            message = f"{quote_value(pattern)} matches no image of the catalog"
            yield locate(part.node, (index,)).problem(where, message, suggest(pattern, keys, "it has"))


def _list_target_values(manifest: Manifest) -> dict[str, Mapping[str, Part]]:
    """The values of each target that has values."""
    return {name: dict(part["values"].items()) for name, part in manifest.targets.items() if "values" in part}


def _collect_used_values(manifest: Manifest) -> frozenset[str]:
    sections = (
        manifest.images,
        manifest.profiles,
        manifest.targets,
        manifest.values,
        manifest.removed,
        manifest.single,
    )
    parts = (part for section in sections for part in section.values() if part.document.has_dollars)
    return frozenset(name for part in parts for name in _find_in(part.data))


def _find_in(data: object) -> Iterator[str]:
    """The names of values in the strings of some data."""
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and "${" in value:
            yield from find_names(value)
