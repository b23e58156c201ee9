"""The globs of a target's ``only`` and of ``--only`` -> the globs of a run's keys. Pure."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import product


def intersect_patterns(queries: Sequence[str], target: Sequence[str], keys: Iterable[str]) -> tuple[str, ...]:
    """Patterns of the keys that are both in ``--only`` and in the target's ``only``; one of the patterns must match.

    If one pattern covers another, the narrower one is used. If they only overlap, the keys of the manifest are used, because a key
    outside of either must never count as removed.
    """
    if not queries or not target:
        return tuple(queries or target)
    found: set[str] = set()
    for one, other in product(queries, target):
        if _is_covered(one, other):
            found.add(one)
        elif _is_covered(other, one):
            found.add(other)
        else:
            found |= {key for key in keys if fnmatchcase(key, one) and fnmatchcase(key, other)}
    return tuple(sorted(found))


def _is_covered(narrow: str, wide: str) -> bool:
    """Whether one glob matches every key of another: tried with each ``*`` empty, and longer than any ``?``."""
    if narrow == wide or not any(char in narrow for char in "*?["):
        return narrow == wide or fnmatchcase(narrow, wide)
    if "[" in narrow + wide:
        return False
    one_each = narrow.replace("?", "\0")
    return all(fnmatchcase(one_each.replace("*", filling), wide) for filling in ("", "\0" * (len(wide) + 1)))
