"""The result of ``doctor`` as values: one check each, and what a catalog needs from its target. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Grade(StrEnum):
    """How a check ended. ``problem``: an apply would fail. ``warning``: it may fail, or something is unsafe."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: a short name, what it found, and what to do if that is not good."""

    name: str
    grade: Grade
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What the next applies of a catalog need from the target.

    ``public``, ``shared``: keys with that visibility. ``elsewhere``: keys with images in another project. ``methods``
    and ``stores``: by name of the import method or service store, the keys that need it. ``lacking``: declared keys
    without an image, None if the images could not be listed. ``known_bytes``: the least size of their data, without data
    from URLs.
    """

    public: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lacking: tuple[str, ...] | None = None
    known_bytes: int = 0
