"""The notes of a plan -> printable sentences; a sentence about several keys is printed once. Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from imagesync.render.blocks import MIN_SHARING
from imagesync.text import ELLIPSIS, make_printable

MIN_WITHOUT_IDS: Final = 10
"""At least this many notes that differ only in ids and digests are joined, without these."""
_ID: Final = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9]+:[0-9a-f]{32,128})\b")


def group_notes(notes: Iterable[str], *, whole: bool) -> list[str]:
    """The notes as printable sentences; unless ``whole``, those that differ only in their key are joined.

    Many notes that differ only in ids and digests are joined, too, and lose these: ``--detail`` prints them.
    """
    notes = list(notes)
    if whole:
        return list(map(make_printable, notes))
    joined = _join_alike(notes, MIN_SHARING, lambda text: text)
    return list(map(make_printable, _join_alike(joined, MIN_WITHOUT_IDS, lambda text: _ID.sub(ELLIPSIS, text))))


def _join_alike(notes: Iterable[str], fewest: int, reduce: Callable[[str], str]) -> list[str]:
    """A note without a key is about the whole plan, and stays alone."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for note in notes:
        _, colon, text = note.partition(": ")
        groups.setdefault((reduce(text), True) if colon else (note, False), []).append(note)
    return [
        note for (text, has_key), group in groups.items() for note in (_join(text, group, fewest) if has_key else group)
    ]


def _join(text: str, group: list[str], fewest: int) -> list[str]:
    if len(group) < fewest:
        return group
    return [f"{', '.join(note.partition(': ')[0] for note in group)}: {text}"]
