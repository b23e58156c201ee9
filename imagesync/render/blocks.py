"""Rows of a plan -> its text: a block an image, lines that many images share once, wrapped to a width. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from imagesync.render.changes import Line
from imagesync.render.style import Ink, Paint, format_count
from imagesync.text import make_printable

MIN_SHARING: Final = 3
"""Images that have the same line before it is written once for all of them."""
MIN_FOLDED: Final = 6
"""Images of one kind that come or are replaced before they share lines, and are only named."""
MAX_NAMES_CHARS: Final = 120
"""Of the names of images that share a line which changes neither who sees nor who can delete them."""
MAX_KEY_CHARS: Final = 24
"""Width of the column of keys; a longer key moves the rest of its line to the right."""
MAX_NAME_CHARS: Final = 36
"""Width of the column of names of fields; a longer one moves the rest of its line to the right."""
_INDENT: Final = " " * 6


class Kind(NamedTuple):
    """What rows have in common that are shown as one group."""

    ink: Ink
    sign: str
    verb: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """What happens to an image: its kind, its key, what is done in words, and the lines under it.

    ``label`` names it among others: the key, and the image's name if that is another. ``is_named``: it is always named,
    because an image or its content is added or removed. ``is_last``: it comes after all others, because users lose the
    image. ``alone``: lines that it has only if it is not folded with others.
    """

    kind: Kind
    key: str
    what: str = ""
    lines: tuple[Line, ...] = ()
    label: str = ""
    is_named: bool = True
    is_last: bool = False
    alone: tuple[Line, ...] = ()


_Shared: TypeAlias = Mapping[tuple[Kind, Line], tuple[Row, ...]]


def format_rows(rows: Sequence[Row], paint: Paint, width: int | None, *, share: bool) -> Iterator[str]:
    """The text of the rows. ``share``: what several images have in common is written once; ``width``: None does not wrap."""
    rows = sorted(rows, key=lambda row: (row.is_last, row.key))
    for is_last in (False, True):
        part = [row for row in rows if row.is_last is is_last]
        shared = _find_shared(part) if share else {}
        own = {row: tuple(line for line in row.lines if (row.kind, line) not in shared) for row in part}
        folded = _fold(own) if share else {}
        hidden = {row for same in folded.values() for row in same} | {row for row in part if _is_covered(row, own[row])}
        yield from _format_single({row: lines for row, lines in own.items() if row not in hidden}, paint, width)
        yield from _format_groups(part, folded, shared, paint, width)


def _find_shared(rows: Sequence[Row]) -> _Shared:
    """The lines that several images of one kind have, with the rows of these images.

    Where all images of that kind are named and they are few, each keeps its lines: then it can be read by itself.
    """
    numbers = Counter(row.kind for row in rows)
    owners: dict[tuple[Kind, Line], list[Row]] = {}
    for row in rows:
        if not row.is_named or numbers[row.kind] >= MIN_FOLDED:
            for line in dict.fromkeys(row.lines):
                owners.setdefault((row.kind, line), []).append(row)
    return {item: tuple(found) for item, found in owners.items() if len(found) >= MIN_SHARING}


def _fold(own: Mapping[Row, tuple[Line, ...]]) -> dict[Kind, tuple[Row, ...]]:
    """The rows that are only named, because they are many of one kind; ``own``: the lines that no others have."""
    found: dict[Kind, list[Row]] = {}
    for row, lines in own.items():
        if row.is_named and not lines:
            found.setdefault(row.kind, []).append(row)
    return {
        kind: tuple(same)
        for kind, same in found.items()
        if len(same) >= (MIN_SHARING if same[0].is_last else MIN_FOLDED)
    }


def _is_covered(row: Row, own: tuple[Line, ...]) -> bool:
    """Whether all that happens to an image is what others have in common with it."""
    return bool(row.lines) and not (own or row.is_named or row.what)


def _format_single(rows: Mapping[Row, tuple[Line, ...]], paint: Paint, width: int | None) -> Iterator[str]:
    keys = min(MAX_KEY_CHARS, max((len(make_printable(row.key)) for row in rows), default=0))
    verbs = max((len(row.kind.verb) for row in rows), default=0)
    for row, lines in rows.items():
        head = f"{make_printable(row.key):<{keys}}  {row.kind.verb:<{verbs}}"
        yield from _format_head(row.kind, "  ".join(filter(None, (head, row.what, row.kind.why))), paint, width)
        yield from _format_lines((*row.alone, *lines), paint, width)


def _format_groups(
    rows: Sequence[Row], folded: Mapping[Kind, tuple[Row, ...]], shared: _Shared, paint: Paint, width: int | None
) -> Iterator[str]:
    """What is folded, with the lines of just these images; then the lines that other sets of images have."""
    sets: dict[tuple[Kind, tuple[Row, ...]], list[Line]] = {item: [] for item in folded.items()}
    for (kind, line), owners in shared.items():
        sets.setdefault((kind, owners), []).append(line)
    numbers = Counter(row.kind for row in rows)
    alike = Counter((kind.sign, kind.verb) for kind in numbers)
    order = {kind: position for position, kind in enumerate(numbers)}
    for (kind, owners), lines in sorted(sets.items(), key=lambda item: order[item[0][0]]):
        is_fold = folded.get(kind) == owners
        is_plain = bool(kind.why) or alike[kind.sign, kind.verb] == 1  # which of those above are meant
        if not is_fold and len(owners) == numbers[kind] and owners[0].is_named and is_plain:
            names = "all that are named above"
        else:
            labels = [row.label or row.key if is_fold else row.key for row in owners]
            names = _list_names(labels, whole=is_fold or any(line.is_named for line in lines))
        why = f" ({kind.why})" if kind.why else ""
        number = format_count(len(owners), "image")
        yield from _format_head(kind, f"{kind.verb}{why} of {number}: {names}", paint, width)
        yield from _format_lines(lines, paint, width)


def _list_names(labels: Sequence[str], *, whole: bool) -> str:
    names = list(map(make_printable, labels))
    if whole or len(", ".join(names)) <= MAX_NAMES_CHARS:
        return ", ".join(names)
    display = list[str]()
    while len(", ".join([*display, names[len(display)]])) <= MAX_NAMES_CHARS:
        display.append(names[len(display)])
    display = display or names[:1]
    return f"{', '.join(display)} and {len(names) - len(display)} more"


def _format_head(kind: Kind, text: str, paint: Paint, width: int | None) -> Iterator[str]:
    first, *rest = wrap(f"  {kind.sign} {text}".rstrip(), width, _INDENT)
    yield first.replace(kind.sign, paint(kind.ink, kind.sign), 1)
    yield from rest


def _format_lines(lines: Iterable[Line], paint: Paint, width: int | None) -> Iterator[str]:
    lines = list(lines)
    names = max((len(line.name) for line in lines if len(line.name) <= MAX_NAME_CHARS), default=0)
    for line in lines:
        mark = "!" if line.is_loud else " "
        text = f"    {mark} {line.name:<{names}}  {line.text}" if line.name else f"      {line.text}"
        for each in wrap(text, width, _INDENT + "  "):
            yield paint(Ink.LOUD, each) if line.is_loud else each


def wrap(text: str, width: int | None, indent: str) -> list[str]:
    """A line as lines of at most ``width`` characters; a word that is longer is not broken."""
    if width is None or len(text) <= width:
        return [text]
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text[len(lead) :],
        width,
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [text]
