"""Rows of a plan -> its text: one block for each image; lines that many images share are printed once. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from imagesync.render.changes import Alarm, Line
from imagesync.render.style import Ink, Paint, format_count
from imagesync.text import make_printable

MIN_SHARING: Final = 3
"""A line that at least this many images have is printed once for all of them."""
MIN_FOLDED: Final = 6
"""At least this many images of one kind, all new or all replaced, share lines and are only named."""
MAX_NAMES_CHARS: Final = 120
"""The limit of the list of names above a shared line, unless the line changes who can see or delete the images."""
MAX_KEY_CHARS: Final = 24
"""The width of the column of keys; a longer key moves the rest of its line to the right."""
MAX_NAME_CHARS: Final = 36
"""The width of the column of field names; a longer name moves the rest of its line to the right."""
_INDENT: Final = " " * 6


class Kind(NamedTuple):
    """What the rows of one group have in common."""

    ink: Ink
    sign: str
    verb: str
    why: str = ""

    @property
    def words(self) -> str:
        """``replace, new build``."""
        return ", ".join(filter(None, (self.verb, self.why)))


@dataclass(frozen=True, slots=True)
class Row:
    """What happens to an image: the kind of change, the key, a description (``what``), and the lines under it.

    ``label`` names the image in a list: its key, and its name if that differs. ``is_named``: the row always names the
    image, because an image or its content is added or removed. ``is_last``: the row is printed after all others, because
    users lose the image. ``alone``: lines that are printed only if the row is not folded with others. ``alarms``: what a
    reviewer must see first. ``steps``: the ids of the steps that the row is about.
    """

    kind: Kind
    key: str
    what: str = ""
    lines: tuple[Line, ...] = ()
    label: str = ""
    is_named: bool = True
    is_last: bool = False
    alone: tuple[Line, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    steps: tuple[str, ...] = ()


def list_row_lines(row: Row) -> Iterator[str]:
    """What happens to the image, a line each, without columns: ``min_disk: 1 → 2``, ``! visibility: public``."""
    if row.what:
        yield row.what
    for line in (*row.alone, *row.lines):
        text = f"{line.name}: {line.text}" if line.name else line.text
        yield f"! {text}" if line.is_loud else text


_Shared: TypeAlias = Mapping[tuple[Kind, Line], tuple[Row, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one kind that share lines. ``is_fold``: the rows are only named here, because there are many."""

    kind: Kind
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    is_fold: bool = False

    @property
    def labels(self) -> list[str]:
        """The names of the images: with the image's name if the row is only named here."""
        return [row.label or row.key if self.is_fold else row.key for row in self.rows]


@dataclass(frozen=True, slots=True)
class Part:
    """Arranged rows: those with a block of their own, with the lines that they do not share; and the groups."""

    rows: Sequence[Row]
    singles: Mapping[Row, tuple[Line, ...]]
    groups: Sequence[Group]


def arrange_rows(rows: Sequence[Row], *, share: bool) -> list[Part]:
    """The rows in the order for a reader: images that users lose come last. ``share``: join common lines of several."""
    rows = sorted(rows, key=lambda row: (row.is_last, row.key))
    return [_arrange_part([row for row in rows if row.is_last is is_last], share=share) for is_last in (False, True)]


def _arrange_part(rows: Sequence[Row], *, share: bool) -> Part:
    shared = _find_shared(rows) if share else {}
    own = {row: tuple(line for line in row.lines if (row.kind, line) not in shared) for row in rows}
    folded = _fold(own) if share else {}
    hidden = {row for same in folded.values() for row in same} | {row for row in rows if _is_covered(row, own[row])}
    singles = {row: lines for row, lines in own.items() if row not in hidden}
    return Part(rows, singles, list(_make_groups(rows, folded, shared)))


def _make_groups(rows: Sequence[Row], folded: Mapping[Kind, tuple[Row, ...]], shared: "_Shared") -> Iterator[Group]:
    """The folded rows with the lines that exactly these images share; then the lines that other sets of images share."""
    sets: dict[tuple[Kind, tuple[Row, ...]], list[Line]] = {item: [] for item in folded.items()}
    for (kind, line), owners in shared.items():
        sets.setdefault((kind, owners), []).append(line)
    order = {kind: position for position, kind in enumerate(dict.fromkeys(row.kind for row in rows))}
    for (kind, owners), lines in sorted(sets.items(), key=lambda item: order[item[0][0]]):
        yield Group(kind, owners, tuple(lines), folded.get(kind) == owners)


def format_rows(rows: Sequence[Row], paint: Paint, width: int | None, *, share: bool) -> Iterator[str]:
    """The lines of the rows. ``share``: print common lines of several images once. ``width`` None: do not wrap."""
    for part in arrange_rows(rows, share=share):
        yield from _format_single(part.singles, paint, width)
        yield from _format_groups(part, paint, width)


def _find_shared(rows: Sequence[Row]) -> _Shared:
    """The lines that several images of one kind have, with the rows of these images.

    If the images of a kind are named and few, each keeps its lines, and its block is complete.
    """
    numbers = Counter(row.kind for row in rows)
    owners: dict[tuple[Kind, Line], list[Row]] = {}
    for row in rows:
        if not row.is_named or numbers[row.kind] >= MIN_FOLDED:
            for line in dict.fromkeys(row.lines):
                owners.setdefault((row.kind, line), []).append(row)
    return {item: tuple(found) for item, found in owners.items() if len(found) >= MIN_SHARING}


def _fold(own: Mapping[Row, tuple[Line, ...]]) -> dict[Kind, tuple[Row, ...]]:
    """The rows that are only named, because there are many of one kind; ``own``: the lines that they do not share."""
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
    """Whether an image has only shared lines, and so needs no block of its own."""
    return bool(row.lines) and not (own or row.is_named or row.what)


def _format_single(rows: Mapping[Row, tuple[Line, ...]], paint: Paint, width: int | None) -> Iterator[str]:
    keys = min(MAX_KEY_CHARS, max((len(make_printable(row.key)) for row in rows), default=0))
    verbs = max((len(row.kind.verb) for row in rows), default=0)
    for row, lines in rows.items():
        head = f"{make_printable(row.key):<{keys}}  {row.kind.verb:<{verbs}}"
        yield from _format_head(row.kind, "  ".join(filter(None, (head, row.what, row.kind.why))), paint, width)
        yield from _format_lines((*row.alone, *lines), paint, width)


def _format_groups(part: Part, paint: Paint, width: int | None) -> Iterator[str]:
    numbers = Counter(row.kind for row in part.rows)
    alike = Counter((kind.sign, kind.verb) for kind in numbers)
    for group in part.groups:
        kind, rows = group.kind, group.rows
        is_plain = bool(kind.why) or alike[kind.sign, kind.verb] == 1  # else a reader cannot see which rows are meant
        if not group.is_fold and len(rows) == numbers[kind] and rows[0].is_named and is_plain:
            names = "all those named above"
        else:
            names = _list_names(group.labels, whole=group.is_fold or any(line.is_named for line in group.lines))
        why = f" ({kind.why})" if kind.why else ""
        yield from _format_head(kind, f"{kind.verb}{why} of {format_count(len(rows), 'image')}: {names}", paint, width)
        yield from _format_lines(group.lines, paint, width)


def _list_names(labels: Sequence[str], *, whole: bool) -> str:
    names = list(map(make_printable, labels))
    if whole or len(", ".join(names)) <= MAX_NAMES_CHARS:
        return ", ".join(names)
    listed = list[str]()
    while len(", ".join([*listed, names[len(listed)]])) <= MAX_NAMES_CHARS:
        listed.append(names[len(listed)])
    listed = listed or names[:1]
    return f"{', '.join(listed)} and {len(names) - len(listed)} more"


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
    """``text`` as lines of at most ``width`` characters; a longer word is not broken. None does not wrap."""
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
