"""Names -> the pairs that the service's database treats as equal, with a sentence about each. Pure.

Most clouds store the names of properties and the tags in MariaDB or MySQL, with the collation utf8mb3_general_ci: it
ignores case, accents and trailing spaces. Tried on Glance 33 with MariaDB 10.11:

* An image with a property ``Foo`` cannot get a property ``foo``, neither in addition nor instead (HTTP 500, nothing is
  saved). This is so even after the removal of ``Foo``, because its row stays in the table.
* A tag ``A`` cannot become ``a`` in one request (HTTP 500), but in two. An image may get both tags; then neither can be
  removed. In both cases the other fields of the request are saved.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import normalize

DIFFERENCE: Final = "only in case, accents or trailing spaces"
"""The difference between two alike names, for a message."""
_SPECIAL: Final = {ord("ß"): "s", ord("ϲ"): "Σ", ord("\u0345"): "Ι"}
"""Characters that the collation does not treat as their upper case; the last two are Greek."""


def fold_name(name: str) -> str:
    """Return the same text for all names that utf8mb3_general_ci treats as equal.

    Compared with the weights of all 63,487 characters that MariaDB 10.11 can store: no two characters that are equal
    there differ here. ``ß`` equals ``s`` (not ``ss``), ``ä`` equals ``a``, ``İ`` and ``ı`` equal ``i``, ``ſ`` equals
    ``s``, ``ς`` equals ``σ``. Some characters that differ there are equal here: letters with a capital only in newer
    versions of Unicode, a letter with a separate accent (``a`` and U+0308), ``й`` and ``и``, ``ﬁ`` and ``fi``. ``ø``,
    ``ł``, ``đ`` and ``æ`` differ from all other letters, as do full-width letters, and か from が. A trailing tab is not
    a trailing space.
    """
    if name.isascii():
        return name.upper().rstrip(" ")
    return _remove_accents(_remove_accents(name.translate(_SPECIAL)).upper()).rstrip(" ")


def _remove_accents(text: str) -> str:
    return "".join(char for char in normalize("NFD", text) if not "\u0300" <= char <= "\u036f")


def find_alike(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that is alike, but not equal, to an earlier name, with that earlier name."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(fold_name(name), name)
        if first != name:
            yield name, first


def explain_alike_properties(live: Iterable[str], written: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The problem and what to do, for each property to add that is alike to a property of the image."""
    there = frozenset(live)
    folded = {fold_name(name): name for name in sorted(there)}
    for name in sorted(set(written) - there):
        if other := folded.get(fold_name(name)):
            what = f"property {name!r} differs from {other!r}, which the image has, {DIFFERENCE}"
            ways = f"keep {other!r}, choose another name, or make the change together with a new build"
            yield f"{what}; a service on MariaDB or MySQL rejects this update (HTTP 500)", ways


def explain_alike_tags(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The problem and what to do, for each pair of alike tags of one image."""
    for tag, other in find_alike(sorted(tags)):
        what = f"tags {other!r} and {tag!r} differ {DIFFERENCE}"
        hint = "leave both as they are, or make the change together with a new build"
        yield f"{what}; on MariaDB or MySQL neither can be removed from an image that has both (HTTP 500)", hint


def drop_alike_tags(live: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The declared tags, sorted, except new ones that are alike to a tag of the image: a later request can add those."""
    there = frozenset(live)
    folded = {fold_name(tag) for tag in there}
    return tuple(sorted(tag for tag in set(wanted) if tag in there or fold_name(tag) not in folded))
