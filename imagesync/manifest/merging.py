"""Defaults, profiles, the image and the overlay of a target -> one merged image. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, TypeVar

from imagesync.errors import Diagnostic
from imagesync.manifest.documents import Part
from imagesync.manifest.validation import format_path, locate, suggest
from imagesync.manifest.yaml_reader import Node
from imagesync.secrets import quote_value

NESTED: Final = frozenset({"properties", "on_replace", "set"})
MAX_KEPT_PROFILES: Final = 16
"""Lists of profiles whose merged data is kept; in the worst case some thousand values each."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a catalog as one; every value has a place.

    ``base`` is the catalog's folder, ``folders`` the real folder of each file (relative paths are relative to the
    file that writes them). ``single`` has catalog, policy, defaults and default_target, if they are declared.
    ``problems``: problems that do not depend on the target; the resolution reports them with its own. ``is_sound``:
    every file fits the schema.
    """

    base: str
    images: Mapping[str, Part] = field(default_factory=dict)
    profiles: Mapping[str, Part] = field(default_factory=dict)
    targets: Mapping[str, Part] = field(default_factory=dict)
    values: Mapping[str, Part] = field(default_factory=dict)
    removed: Mapping[str, Part] = field(default_factory=dict)
    single: Mapping[str, Part] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    is_sound: bool = True


@dataclass(slots=True)
class Merged:
    """One merged image: its plain data, and the tree with places on demand.

    ``parts`` define it, later ones win; ``own`` is the image itself with its place.
    """

    own: Part
    parts: tuple[Part, ...]
    data: Any
    _node: Node | None = None

    @property
    def node(self) -> Node:
        """The merged tree; each value has the place in the part that wins."""
        if self._node is None:
            result = reduce(_merge_nodes, [_wrap_policy(part, self.own) for part in self.parts])
            self._node = result if len(self.parts) == 1 else self.own.node.replace_value(result.value)
        return self._node

    @property
    def has_dollars(self) -> bool:
        """Whether a value may have a dollar sign."""
        return any(part.document.has_dollars for part in self.parts)

    def is_plain(self, path: Sequence[str | int]) -> bool:
        """Whether a text with a dollar sign was written without quotes, at a place where a number is allowed."""
        is_certain = not any(part.document.is_read_with_care for part in self.parts)
        return is_certain or locate(self.node, path).plain

    def find_file(self, name: str) -> str:
        """The file of the part that wins for a field that is replaced as a whole."""
        return next((part.file for part in reversed(self.parts) if name in part), self.own.file)


class Merger:
    """Merges the images of a manifest for one target; ``overlay``: the target's ``images``."""

    def __init__(self, manifest: Manifest, overlay: Mapping[str, Part]) -> None:
        self._manifest, self._overlay = manifest, overlay
        self._below: dict[tuple[str, ...], tuple[tuple[Part, ...], Any]] = {}
        """By names of profiles: the parts below an image, and their merged data."""

    def merge_image(self, key: str) -> Merged:
        """One image, merged from the policy's on_replace, the defaults, its profiles, the image and the target.

        Later ones win; ``properties`` and ``on_replace`` merge key by key, every other value is replaced.
        """
        own = self._manifest.images[key]
        below, data = self._merge_below(tuple(profiles_of(self._manifest, own)))
        above = (self._overlay[key],) if key in self._overlay else ()
        for part in (own, *above):
            data = _merge_data(data, part.data)
        return Merged(own, (*below, own, *above), data)

    def _merge_below(self, profiles: tuple[str, ...]) -> tuple[tuple[Part, ...], Any]:
        """The parts below an image, merged once for all images with the same profiles."""
        if profiles not in self._below:
            parts = [self._manifest.profiles[name] for name in profiles if name in self._manifest.profiles]
            if "defaults" in self._manifest.single:
                parts.insert(0, self._manifest.single["defaults"])
            policy = self._manifest.single.get("policy")
            if policy is not None and "on_replace" in policy:
                parts.insert(0, policy)
            if len(self._below) >= MAX_KEPT_PROFILES:
                self._below.clear()
            self._below[profiles] = (tuple(parts), reduce(_merge_data, map(_said_of_images, parts), {}))
        return self._below[profiles]


def _said_of_images(part: Part) -> Any:
    """The fields of images in a part; of the policy only ``on_replace``."""
    return {"on_replace": part.data["on_replace"]} if part.path == ("policy",) else part.data


def _wrap_policy(part: Part, own: Part) -> Node:
    """The tree of the fields of images in a part."""
    if part.path != ("policy",):
        return part.node
    return own.node.replace_value({"on_replace": part.node.items()["on_replace"]})


def profiles_of(manifest: Manifest, image: Part) -> list[str]:
    """The names of an image's profiles: its own list, else the list of the defaults."""
    for part in (image, manifest.single.get("defaults")):
        if part is not None and isinstance(part.data, dict) and isinstance(part.data.get("profiles"), list):
            return [str(name) for name in part.data["profiles"]]
    return []


def _merge_data(below: Any, above: Any) -> Any:
    """Plain data over plain data."""
    if not (below and isinstance(below, dict) and isinstance(above, dict)):
        return above
    return _merge_mappings(below, above, _children_of_data, lambda _, children: children)


def _merge_nodes(below: Node, above: Node) -> Node:
    """A tree over a tree."""
    if not below.items():
        return above
    return above.replace_value(
        _merge_mappings(
            below.items(), above.items(), _children_of_node, lambda node, children: node.replace_value(children)
        )
    )


def _merge_mappings(
    below: Mapping[str, Value],
    above: Mapping[str, Value],
    children_of: Callable[[Value], dict[str, Value] | None],
    rebuild: Callable[[Value, dict[str, Value]], Value],
) -> dict[str, Value]:
    """Values above win; the mappings in ``NESTED`` are merged in the same way."""
    found = {**below, **above}
    for name in NESTED & above.keys() & below.keys():
        upper, lower = children_of(above[name]), children_of(below[name])
        if upper is not None and lower:
            found[name] = rebuild(above[name], _merge_mappings(lower, upper, children_of, rebuild))
    return found


def _children_of_data(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _children_of_node(node: Node) -> dict[str, Node] | None:
    return node.value if isinstance(node.value, dict) else None


def find_unknown_names(manifest: Manifest) -> Iterator[Diagnostic]:
    """Unknown profiles, overlaid images and targets, and removed keys that the manifest still has."""
    users: list[tuple[tuple[str, ...], Part]] = [(("images", key), part) for key, part in manifest.images.items()]
    users += [(("defaults",), manifest.single["defaults"])] if "defaults" in manifest.single else []
    for name, target in manifest.targets.items():
        for key, part in target["images"].items() if "images" in target else ():
            if key not in manifest.images:
                where = format_path(("targets", name, "images", key))
                yield part.problem(where, "no such image", suggest(key, manifest.images, "the catalog has"))
            if "profiles" in part:
                where = format_path(("targets", name, "images", key, "profiles"))
                yield part["profiles"].problem(where, "a target cannot change profiles", "list the fields")
    for path, part in users:
        yield from _find_unknown_profiles(manifest, path, part)
    yield from _find_kept_keys(manifest)
    for name, part in manifest.profiles.items():
        if "profiles" in part:
            where = format_path(("profiles", name, "profiles"))
            yield part["profiles"].problem(where, "profiles do not nest", "list both where they are used")
    default = manifest.single.get("default_target")
    if (
        default is not None
        and isinstance(default.data, str)
        and "${" not in default.data
        and default.data not in manifest.targets
    ):
        yield default.problem(
            "default_target",
            f"there is no target {quote_value(default.data)}",
            suggest(default.data, manifest.targets, "known"),
        )


def _find_kept_keys(manifest: Manifest) -> Iterator[Diagnostic]:
    """Keys in ``removed`` that are also in ``images``."""
    for key, part in manifest.removed.items():
        if key in manifest.images:
            hint = "remove it from removed, or from images"
            yield part.problem(format_path(("removed", key)), "the catalog has an image of this key", hint)


def _find_unknown_profiles(manifest: Manifest, path: tuple[str, ...], part: Part) -> Iterator[Diagnostic]:
    listed = part.data["profiles"] if "profiles" in part else ()
    for index, name in enumerate(listed if isinstance(listed, list) else ()):
        if str(name) not in manifest.profiles:
            where = format_path((*path, "profiles", index))
            item = locate(part.node, ("profiles", index))
            hint = suggest(str(name), manifest.profiles, "known")
            yield item.problem(where, f"there is no profile {quote_value(name)}", hint)
