"""Which keys a run looks at: the globs of a target's ``only`` and of ``--only``. Pure."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import product


def intersect_patterns(queries: Sequence[str], target: Sequence[str], keys: Iterable[str]) -> tuple[str, ...]:
    """What lies both in ``--only`` and in the target's ``only``, as patterns, one of which must match.

    Of two patterns of which one covers the other the narrower stays; if they only overlap, only the keys of the
    manifest count: nothing outside either of them is ever considered removed.
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
    """Whether every key of one glob is one of another: tried with each ``*`` empty, and too long for any ``?``."""
    if narrow == wide or not any(char in narrow for char in "*?["):
        return narrow == wide or fnmatchcase(narrow, wide)
    if "[" in narrow + wide:
        return False
    one_each = narrow.replace("?", "\0")
    return all(fnmatchcase(one_each.replace("*", filling), wide) for filling in ("", "\0" * (len(wide) + 1)))
