"""A catalogue as it is written: the value that loading makes and resolving takes. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from imagesync.errors import Diagnostic
from imagesync.yamltree import Node


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a catalogue as one; every value still knows where it stands.

    ``base`` is the catalogue's folder, ``folders`` the real folder of each file (relative paths are relative to the
    file that writes them). ``single`` holds catalog, policy, defaults and default_target, where they are given.
    ``problems``: names in it that stand for nothing, whatever the target; who resolves it tells them with his own.
    """

    base: str
    images: Mapping[str, Node] = field(default_factory=dict)
    profiles: Mapping[str, Node] = field(default_factory=dict)
    targets: Mapping[str, Node] = field(default_factory=dict)
    values: Mapping[str, Node] = field(default_factory=dict)
    single: Mapping[str, Node] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
