"""A manifest -> the names in it, and on the command line, that nothing uses. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from imagesync.errors import Diagnostic, UsageError
from imagesync.manifest.merging import Manifest, profiles_of
from imagesync.manifest.placeholders import find_names
from imagesync.manifest.validation import format_path, locate, suggest
from imagesync.manifest.yaml_reader import Node
from imagesync.secrets import quote_value
from imagesync.text import make_printable

_REMEDY = "take it out, or use it"


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
    """Profiles that no image takes, and values that no ``${name}`` stands for."""
    taken = {name for node in manifest.images.values() for name in profiles_of(manifest, node)}
    for name, node in manifest.profiles.items():
        if name not in taken:
            yield node.problem(format_path(("profiles", name)), "no image uses this profile", _REMEDY)
    places: dict[tuple[str, ...], Mapping[str, Node]] = {("values",): manifest.values}
    places |= {("targets", name, "values"): values for name, values in _list_target_values(manifest).items()}
    used = _collect_used_values(manifest) if any(places.values()) else frozenset()
    for path, values in places.items():
        for name, node in values.items():
            if name not in used:
                yield node.problem(format_path((*path, name)), "nothing uses this value", _REMEDY)


def find_idle_patterns(
    path: Sequence[str], root: Node, patterns: Sequence[str], keys: Mapping[str, object]
) -> Iterator[Diagnostic]:
    """The globs of a target's ``only``, at ``path``, that match no image of the catalog."""
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(key, pattern) for key in keys):
            where = format_path((*path, index))
            message = f"{quote_value(pattern)} matches no image of the catalog"
            yield locate(root, ("only", index)).problem(where, message, suggest(pattern, keys, "it has"))


def _list_target_values(manifest: Manifest) -> dict[str, Mapping[str, Node]]:
    """The values of each target that has some."""
    found = {name: node.items()["values"] for name, node in manifest.targets.items() if "values" in node.items()}
    return {name: values.items() for name, values in found.items()}


def _collect_used_values(manifest: Manifest) -> frozenset[str]:
    sections = (
        manifest.images,
        manifest.profiles,
        manifest.targets,
        manifest.values,
        manifest.removed,
        manifest.single,
    )
    return frozenset(name for section in sections for node in section.values() for name in _find_in(node))


def _find_in(node: Node) -> Iterator[str]:
    """The values that the strings of a tree name."""
    waiting = [node]
    while waiting:
        value = waiting.pop().value
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and "${" in value:
            yield from find_names(value)
