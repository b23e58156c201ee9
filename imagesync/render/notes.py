"""The notes of a plan -> the same sentence about many images once. Pure."""

from collections.abc import Iterable

from imagesync.render.blocks import MIN_SHARING
from imagesync.text import make_printable


def group_notes(notes: Iterable[str], *, whole: bool) -> list[str]:
    """Printable sentences. Those that begin with a key and say the same of several are joined, unless ``whole``."""
    groups: dict[str, list[str]] = {}
    for note in notes:
        groups.setdefault(note if whole else note.partition(": ")[2] or note, []).append(note)
    return [make_printable(note) for text, group in groups.items() for note in _join(text, group)]


def _join(text: str, group: list[str]) -> list[str]:
    if len(group) < MIN_SHARING:
        return group
    return [f"{', '.join(note.partition(': ')[0] for note in group)}: {text}"]
