"""The parts of an image's definition -> one tree: defaults, profiles in order, the image, what the target says. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from imagesync.errors import Diagnostic
from imagesync.manifest.validation import format_path, suggest
from imagesync.manifest.yaml_reader import Node
from imagesync.secrets import quote_value

NESTED: Final = frozenset({"properties", "on_replace", "set"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a catalogue as one; every value still knows where it stands.

    ``base`` is the catalogue's folder, ``folders`` the real folder of each file (relative paths are relative to the
    file that writes them). ``single`` holds catalog, policy, defaults and default_target, where they are given.
    ``problems``: what is wrong with it whatever the target is; the resolution reports them with its own. ``is_sound``:
    every file fits the schema.
    """

    base: str
    images: Mapping[str, Node] = field(default_factory=dict)
    profiles: Mapping[str, Node] = field(default_factory=dict)
    targets: Mapping[str, Node] = field(default_factory=dict)
    values: Mapping[str, Node] = field(default_factory=dict)
    removed: Mapping[str, Node] = field(default_factory=dict)
    single: Mapping[str, Node] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    is_sound: bool = True


def merge_image(manifest: Manifest, key: str, overlay: Mapping[str, Node]) -> Node:
    """One image as its definition, its profiles, the defaults, the policy's on_replace and the target together say.

    Later ones win; ``properties`` and ``on_replace`` merge key by key, every other value is replaced.
    """
    node = manifest.images[key]
    parts = [manifest.profiles[name] for name in profiles_of(manifest, node) if name in manifest.profiles]
    if "defaults" in manifest.single:
        parts.insert(0, manifest.single["defaults"])
    policy = manifest.single["policy"].items() if "policy" in manifest.single else {}
    if "on_replace" in policy:
        parts.insert(0, node.replace_value({"on_replace": policy["on_replace"]}))
    above = [overlay[key]] if key in overlay else []
    result = reduce(merge_nodes, (*parts, node, *above))
    return result if result is node else node.replace_value(result.value)


def profiles_of(manifest: Manifest, node: Node) -> list[str]:
    """The profiles that an image takes: its own list, else that of the defaults."""
    for part in (node, manifest.single.get("defaults")):
        listed = part.items().get("profiles") if part else None
        if listed is not None and isinstance(listed.value, list):
            return [item.text for item in listed.value]
    return []


def merge_nodes(below: Node, above: Node) -> Node:
    """``above`` over ``below``."""
    if not below.items():
        return above
    found = dict(below.items())
    for name, child in above.items().items():
        nested = name in NESTED and isinstance(child.value, dict) and name in found
        found[name] = merge_nodes(found[name], child) if nested else child
    return above.replace_value(found)


def find_unknown_names(manifest: Manifest) -> Iterator[Diagnostic]:
    """Profiles, overlaid images and targets that no name in the manifest stands for, and removed keys that are there."""
    users: list[tuple[tuple[str, ...], Node]] = [(("images", key), node) for key, node in manifest.images.items()]
    users += [(("defaults",), manifest.single["defaults"])] if "defaults" in manifest.single else []
    for name, target in manifest.targets.items():
        images = target.items().get("images")
        for key, node in images.items().items() if images else ():
            if key not in manifest.images:
                where = format_path(("targets", name, "images", key))
                yield node.problem(where, "no such image", suggest(key, manifest.images, "the catalogue has"))
            if "profiles" in node.items():
                where = format_path(("targets", name, "images", key, "profiles"))
                yield node.items()["profiles"].problem(where, "a target cannot change profiles", "list the fields")
    for path, node in users:
        yield from _find_unknown_profiles(manifest, path, node)
    yield from _find_kept_keys(manifest)
    for name, node in manifest.profiles.items():
        if "profiles" in node.items():
            where = format_path(("profiles", name, "profiles"))
            yield node.items()["profiles"].problem(where, "profiles do not nest", "list both where they are used")
    default = manifest.single.get("default_target")
    if default is not None and "${" not in default.text and default.text not in manifest.targets:
        yield default.problem(
            "default_target",
            f"there is no target {quote_value(default.text)}",
            suggest(default.text, manifest.targets, "known"),
        )


def _find_kept_keys(manifest: Manifest) -> Iterator[Diagnostic]:
    """Keys that are told to be removed, and are there."""
    for key, node in manifest.removed.items():
        if key in manifest.images:
            hint = "take it out of removed, or out of images"
            yield node.problem(format_path(("removed", key)), "the catalog has an image of this key", hint)


def _find_unknown_profiles(manifest: Manifest, path: tuple[str, ...], node: Node) -> Iterator[Diagnostic]:
    listed = node.items().get("profiles")
    for index, item in enumerate(listed.value if listed and isinstance(listed.value, list) else ()):
        if item.text not in manifest.profiles:
            where = format_path((*path, "profiles", index))
            yield item.problem(
                where, f"there is no profile {quote_value(item.text)}", suggest(item.text, manifest.profiles, "known")
            )
