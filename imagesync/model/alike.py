"""Names that a database of the image service holds equal -> pairs of them, and a sentence about each. Pure.

Most clouds keep the names of properties and the tags in MariaDB or MySQL, with the collation utf8mb3_general_ci: case,
accents and trailing spaces make no difference there. Tried on Glance 33 with MariaDB 10.11:

* A property ``Foo`` cannot become ``foo``, nor have it beside it (HTTP 500, nothing is saved); not even after its
  removal, because its row stays in the table.
* A tag ``A`` cannot become ``a`` in one request (HTTP 500), but in two. An image may get both; then neither can be
  removed. In both cases the other fields of the request are saved.
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
    ``æ`` are letters of their own; so are full-width letters, and か and が. A trailing tab is not a trailing space.
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


def explain_alike_properties(live: Iterable[str], written: Iterable[str]) -> Iterator[tuple[str, str]]:
    """For each property that is about to be added beside, or in the place of, an alike one: what is wrong, what to do."""
    there = frozenset(live)
    folded = {fold_name(name): name for name in sorted(there)}
    for name in sorted(set(written) - there):
        if other := folded.get(fold_name(name)):
            what = f"property {name!r} differs from {other!r}, which the image has, {DIFFERENCE}"
            ways = f"keep {other!r}, choose another name, or make the change together with a new build"
            yield f"{what}; a service on MariaDB or MySQL refuses that (HTTP 500)", ways


def explain_alike_tags(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """For each pair of alike tags of one image: what is wrong, what to do."""
    for tag, other in find_alike(sorted(tags)):
        what = f"tags {other!r} and {tag!r} differ {DIFFERENCE}"
        hint = "leave both as they are, or make the change together with a new build"
        yield f"{what}; on MariaDB or MySQL neither can be taken from an image that has both (HTTP 500)", hint


def drop_alike_tags(live: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The wanted tags, sorted, without new ones that are alike to a tag of the image: those can follow later."""
    there = frozenset(live)
    folded = {fold_name(tag) for tag in there}
    return tuple(sorted(tag for tag in set(wanted) if tag in there or fold_name(tag) not in folded))
