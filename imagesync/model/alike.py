"""Names that a database of the image service holds equal -> pairs of them. Pure.

Most clouds keep the names of properties and the tags in MariaDB or MySQL, with the collation utf8mb3_general_ci: case,
accents and trailing spaces make no difference there. Two such names on one image fail (HTTP 500), also when the second
takes the place of the first. Tried on Glance 33 with MariaDB 10.11:

* A property ``Foo`` cannot become ``foo``, nor have it beside it; not even after its removal, because its row stays.
* A tag ``A`` cannot become ``a`` in one request; if the image has both, neither can be taken away.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import normalize

DIFFERENCE: Final = "only in case, accents or trailing spaces"
"""What two alike names differ in, for a message."""
_SPECIAL: Final = {ord("ß"): "s", ord("ϲ"): "Σ", ord("\u0345"): "Ι"}
"""Characters that the collation does not treat as their upper case; the last two are Greek."""


def fold_name(name: str) -> str:
    """Return the same text for all names that utf8mb3_general_ci holds equal.

    Compared with the weights that MariaDB 10.11 gives to each of the 63,487 characters that it can hold: ``ß`` equals
    ``s`` (not ``ss``), ``ä`` ``a``, ``İ`` and ``ı`` ``i``, ``ſ`` ``s``, ``ς`` ``σ``; no two characters that are equal
    there differ here. Some that differ there are equal here: letters that only have a capital in newer versions of
    Unicode, an accent of its own (``a`` and U+0308), ``й`` and ``и``, and ``ﬁ`` and ``fi``. ``ø``, ``ł``, ``đ`` and
    ``æ`` are letters of their own; so are full-width letters, and か and が. A trailing tab is no trailing space.
    """
    if name.isascii():
        return name.upper().rstrip(" ")
    return _remove_accents(_remove_accents(name.translate(_SPECIAL)).upper()).rstrip(" ")


def _remove_accents(text: str) -> str:
    return "".join(char for char in normalize("NFD", text) if not "\u0300" <= char <= "\u036f")


def find_alike(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that is alike, but not equal, to an earlier one, with the first such."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(fold_name(name), name)
        if first != name:
            yield name, first


def find_alike_properties(live: Iterable[str], written: Iterable[str]) -> list[tuple[str, str]]:
    """Each property name that is about to be added, with the alike one that the image has."""
    there = frozenset(live)
    folded = {fold_name(name): name for name in sorted(there)}
    added = sorted(set(written) - there)
    return [(name, folded[fold_name(name)]) for name in added if fold_name(name) in folded]


def find_alike_tags(live: Iterable[str], wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Each pair of alike tags that a change of an image's tags meets; none if the tags stay as they are."""
    before, after = frozenset(live), frozenset(wanted)
    return list(find_alike([*sorted(before), *sorted(after - before)])) if before != after else []
