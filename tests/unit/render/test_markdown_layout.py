"""``imagesync.render.markdown_layout``: every limit counts bytes in UTF-8, whatever the script of a text is."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Collection, Document, Section, Subject, TargetGroup, TargetRow
from imagesync.render.markdown import format_markdown
from imagesync.render.markdown_layout import (
    MAX_HEADING_BYTES,
    NOTE_BYTES,
    Layout,
    Part,
    format_layout,
    make_alerts_part,
    make_closing_part,
    make_details_part,
    make_errors_part,
    make_rows_part,
    make_sections_part,
    sort_blocks,
)
from imagesync.render.markdown_parts import MAX_ROW_NAMES_BYTES, format_row
from imagesync.render.markdown_text import mark_code
from imagesync.render.style import Ink

CHANGE = Kind(Ink.CHANGE, "~", "update")
LETTERS = ("a", "ä", "像", "🚀")
"""Letters of one to four bytes."""
every_letter = pytest.mark.parametrize("letter", LETTERS)


def make_part(letter: str, total: int, share: float = 1, **attrs: Any) -> Part:
    """A part whose entries are one letter each, with a comma between them."""
    return Part(lambda number: ",".join([letter] * number), total, "letters", share, **attrs)


def make_layout(*parts: Part, title: str = "Plan", summary: str = "no", subject: Subject = Subject.PLAN) -> Layout:
    """A layout that shows its parts in their order, after the note."""

    def arrange(note: str, texts: Sequence[str]) -> Sequence[str]:
        return [note, *texts]

    return Layout(subject, "<!-- m -->", title, summary, parts, arrange)


def count_bytes(text: str) -> int:
    """The bytes of a text in a file."""
    return len(text.encode())


@every_letter
def test_a_text_is_whole_exactly_if_its_bytes_and_a_line_break_fit(letter: str) -> None:
    """The letters of a text that is not ASCII have more bytes than characters."""
    layout = make_layout(make_part(letter, 2_000), title=f"Plan {letter}", summary=letter)
    whole = format_layout(layout, 10**6)
    size = count_bytes(whole) + 1
    assert format_layout(layout, size) == whole
    cut = format_layout(layout, size - 1)
    assert f"**Cut to {size - 1:,} bytes.** Not shown here: " in cut
    assert count_bytes(cut) < size - 1


@every_letter
@pytest.mark.parametrize("max_bytes", [2_000, 2_001, 3_333, 9_999])
def test_a_cut_text_fits_and_uses_its_room(letter: str, max_bytes: int) -> None:
    """All but what is kept for the note: a further letter would need more."""
    text = format_layout(make_layout(make_part(letter, 20_000)), max_bytes)
    assert count_bytes(text) < max_bytes
    assert count_bytes(text) > max_bytes - NOTE_BYTES - 20
    number = text.rpartition("\n\n")[2].count(letter)
    assert f"Not shown here: {20_000 - number:,} of 20,000 letters. " in text


@every_letter
@pytest.mark.parametrize("entries", [0, 1, 7])
def test_a_part_is_filled_to_the_byte(letter: str, entries: int) -> None:
    """The empty line before it counts; nothing is not a text, and needs no room."""
    part = make_part(letter, 7)
    text = ",".join([letter] * entries)
    room = count_bytes(text) + 2 if text else 0
    assert part.fill(room) == (entries, text)
    assert part.fill(room + count_bytes(letter)) == (entries, text) or entries == 0
    if entries:
        assert part.fill(room - 1) == (entries - 1, ",".join([letter] * (entries - 1)))
    assert part.fill(10**6) == (7, part.whole)
    assert part.whole == ",".join([letter] * 7)


@every_letter
def test_the_brief_text_of_a_part_is_used_if_it_fits_to_the_byte(letter: str) -> None:
    """Only if not even the part without entries fits."""
    part = Part(lambda number: "x" * 100 + letter * number, 5, "letters", 1, brief=letter * 4)
    size = 4 * count_bytes(letter) + 2
    assert part.fill(102) == (0, "x" * 100)
    assert part.fill(101) == (0, letter * 4)
    assert part.fill(size) == (0, letter * 4)
    assert part.fill(size - 1) == (0, "")


@every_letter
@pytest.mark.parametrize("at", [1, 2])
def test_a_heading_of_a_cut_text_fills_its_limit_in_bytes(letter: str, at: int) -> None:
    """Title and counts, with their marks and the empty line; the next letter would not fit. A short one stays whole."""

    def format_heading(text: str) -> str:
        title, summary = (text, "no") if at == 1 else ("Plan", text)
        layout = make_layout(make_part("x", 5_000), title=title, summary=summary)
        return format_layout(layout, 2_000).split("\n\n")[at]

    cut, fitting = format_heading(f"Plan {letter * 1_000}"), format_heading(f"Plan {letter * 9}")
    assert MAX_HEADING_BYTES - count_bytes(letter) < count_bytes(cut) + 2 <= MAX_HEADING_BYTES
    assert "…" in cut
    assert "…" not in fitting
    assert letter * 9 in fitting


def test_each_part_gets_its_share_and_what_later_parts_leave() -> None:
    """The room is that without headings and note; what a part does not need is for those after it."""
    text = format_layout(
        make_layout(make_part("a", 9_000, 0.5), make_part("b", 9_000, 0.5), make_part("c", 9_000)), 4_000
    )
    a, b, c = (text.count(f"{letter},") for letter in "abc")
    heads = count_bytes("<!-- m -->") + count_bytes("Plan\n-----") + count_bytes("**no**") + 3 * 2
    room = 4_000 - heads - NOTE_BYTES
    assert abs(2 * a - room // 2) < 6
    assert abs(2 * b - room // 4) < 6
    assert abs(2 * c - room // 4) < 6
    text = format_layout(make_layout(make_part("a", 9_000, 0.1), make_part("b", 100, 0.5)), 4_000)
    assert text.rpartition("\n\n")[2].count("b") == 100
    assert abs(2 * text.count("a,") - (room - 201)) < 6


def test_a_part_without_text_takes_no_room() -> None:
    """Not even that of an empty line."""
    part, empty = make_part("a", 9_000), make_part("b", 0)
    alone = format_layout(make_layout(part), 4_000)
    assert format_layout(make_layout(empty, part, empty), 4_000) == alone
    assert format_layout(make_layout(part, summary=""), 4_000).count("a,") == alone.count("a,") + len("**no**\n\n") // 2


def test_a_part_is_left_out_with_its_heading() -> None:
    """It is below another part, of which nothing fits."""
    heading = Part(lambda number: "H" * 5_000, 0, "headings", 1)
    below, other = make_part("b", 9, below=0), make_part("c", 9)
    text = format_layout(make_layout(heading, below, other), 2_000)
    assert "9 of 9 letters" not in text
    assert "Not shown here: 9 of 18 letters. " in text
    assert text.endswith("c,c,c,c,c,c,c,c,c")
    fitting = Part(lambda number: "H", 0, "headings", 1)
    text = format_layout(make_layout(fitting, make_part("b", 9_000, below=0)), 2_000)
    assert "b,b" in text


@pytest.mark.parametrize(
    ("subject", "whole"),
    [
        (Subject.PLAN, "`imagesync plan --detail`, or `imagesync show` with the saved plan"),
        (Subject.REPORT, "the log of the run, or the report that `--out` writes"),
        (Subject.DRIFT, "`imagesync drift`"),
        (Subject.IMAGE, "`imagesync show` with the key"),
        (Subject.FAILURE, "the log of the command"),
    ],
)
def test_the_note_says_what_is_left_out_and_what_shows_it(subject: Subject, whole: str) -> None:
    """Parts of one noun are one number; a noun of which nothing is left out is not named."""
    few = Part(lambda number: "y" * number, 3, "others", 1)
    parts = (few, make_part("a", 4_000, 0.5), make_part("b", 4_000))
    text = format_layout(make_layout(*parts, subject=subject), 2_000)
    present = len(re.findall(r"(?:[ab])(?:,|$)", text.rpartition("\n\nyyy\n\n")[2].replace("\n\n", ",")))
    assert (
        f"**Cut to 2,000 bytes.** Not shown here: {8_000 - present:,} of 8,000 letters. Everything is in {whole}."
        in text
    )


@every_letter
def test_a_row_lists_names_up_to_a_limit_in_bytes(letter: str) -> None:
    """The names as they are written in the row, with their marks and commas; at least one."""
    labels = tuple(letter * size for size in (3, 5, 7, 4, 6, 9) * 20)
    row = format_row(Block(CHANGE, labels), has_outcome=False)
    found = re.fullmatch(r"\| `~` update \| 120 images: (.*) and (\d+) more \|  \|", row)
    assert found
    number = 120 - int(found[2])
    names = [*map(mark_code, labels)]
    assert found[1] == ", ".join(names[:number])
    assert count_bytes(found[1]) <= MAX_ROW_NAMES_BYTES < count_bytes(", ".join(names[: number + 1]))
    long = format_row(Block(CHANGE, (letter * 300, "b")), has_outcome=False)
    assert f"2 images: `{letter * 300}` and 1 more |" in long


@every_letter
def test_the_fields_of_a_row_are_below_it_if_its_names_do_not_fit_in_bytes(letter: str) -> None:
    """A block of few fields needs no list of fields, unless the row cuts its names."""
    most = (MAX_ROW_NAMES_BYTES - len("``, ``")) // (2 * count_bytes(letter))
    fitting, cut = (Block(CHANGE, (letter * size, letter * size), "", (Line("f", "x"),)) for size in (most, most + 1))
    assert make_details_part([fitting]).total == 0
    assert make_details_part([cut]).total == 1


def make_document(letter: str, number: int) -> Document:
    """A document with so many entries in each of its parts, in one script."""
    names = tuple(f"{letter * 9}{at}" for at in range(number))
    lines = tuple(Line(letter * 5, letter * 30) for _ in range(5))
    return Document(
        Subject.PLAN,
        letter * 40,
        letter * 40,
        f"Plan {letter * 400}",
        f"Plan: {letter * 400}",
        alerts=(Alert("become public", names), Alert("are deleted", names, is_loss=True)),
        errors=tuple(f"Error: {name}" for name in names),
        blocks=tuple(Block(CHANGE, (name,), name, lines) for name in names),
        sections=(Section(f"About {letter}", names),),
        closing=names[:5],
    )


@every_letter
@pytest.mark.parametrize("max_bytes", [2_000, 2_003, 5_000, 20_001])
@pytest.mark.parametrize("number", [1, 60])
def test_a_whole_document_fits_in_bytes(letter: str, max_bytes: int, number: int) -> None:
    """With every part in one script, of one target and of many."""
    document = make_document(letter, number)
    names = tuple(f"{letter * 12}{at}" for at in range(number))
    many = Collection(
        Subject.PLAN,
        letter * 40,
        letter * 400,
        letter * 400,
        rows=tuple(TargetRow(name, "changes", letter * 9, 1, 0, letter * 9) for name in names),
        alerts=tuple(TargetGroup(names, alert) for alert in document.alerts),
        errors=tuple(TargetGroup(names[:1], error) for error in document.errors),
        groups=(TargetGroup(names, document),),
        closing=(letter * 50,),
    )
    for text in (format_markdown(document, max_bytes=max_bytes), format_markdown(many, max_bytes=max_bytes)):
        assert count_bytes(text) < max_bytes


def test_the_parts_of_a_document_count_their_entries() -> None:
    """A part of nothing has no text; one with entries has its noun."""
    empty = (
        make_alerts_part(()),
        make_errors_part(()),
        make_closing_part(()),
        make_rows_part((), 3),
        make_sections_part(()),
        make_details_part(()),
    )
    assert [(part.total, part.whole, part.brief) for part in empty] == [(0, "", "")] * 6
    document = make_document("a", 7)
    alone = [TargetGroup((), alert) for alert in document.alerts]
    parts = (
        make_alerts_part([*alone, TargetGroup((), Alert("are hidden", ("x",)))]),
        make_errors_part([TargetGroup((), error) for error in document.errors]),
        make_closing_part(document.closing),
        make_rows_part([*document.blocks, Block(Kind(Ink.STATE, "", ""), ("fact",))], 3),
        make_sections_part([*document.sections, Section("", ("x", "y"))]),
        make_details_part([*document.blocks, Block(CHANGE, ("few",), "", (Line("f", "x"),))]),
    )
    assert [(part.total, part.noun) for part in parts] == [
        (7, "names in the first list"),
        (7, "errors"),
        (5, "commands and hints"),
        (7, "changes"),
        (9, "further lines"),
        (7, "lists of fields"),
    ]
    assert make_closing_part(["a", "b", "c"]).render(2) == "a\n\nb"


def test_the_first_blocks_of_a_long_table_are_loud_then_of_several_images() -> None:
    """In each outcome; a table that is shown whole keeps its order."""
    loud = Line("visibility", "x", is_loud=True)
    one, two, three = Block(CHANGE, ("one",)), Block(CHANGE, ("b", "c")), Block(CHANGE, ("l",), "", (RAM, loud))
    other = Block(CHANGE, ("d",), "", (loud,), outcome="done")
    blocks = [one, two, other, three]
    assert sort_blocks(blocks, 4) == blocks
    assert sort_blocks(blocks, 3) == [three, two, one, other]


RAM = Line("min_ram", "0 → 7")


def test_a_text_that_fits_has_a_marker_a_title_and_the_counts_first() -> None:
    """Then its parts, without a note."""
    layout = make_layout(make_part("a", 3), make_part("b", 0), make_part("c", 2), title="Plan <x>", summary="Of <y>")
    assert format_layout(layout, 2_000) == "<!-- m -->\n\nPlan `<x>`\n-----\n\n**Of `<y>`**\n\na,a,a\n\nc,c"


def test_the_table_of_a_group_is_below_its_heading() -> None:
    """Outcomes have a column if any row has one; a fact has no row."""
    document = Document(Subject.PLAN, "base", "", "1 change", "Plan: 1.")
    blocks = [
        Block(CHANGE, ("a",)),
        Block(Kind(Ink.STATE, "", ""), ("fact",)),
        Block(CHANGE, ("b",), outcome="done"),
        Block(CHANGE, ("c",)),
    ]
    part = make_rows_part(blocks, 2, TargetGroup(("eu",), document))
    head = "| action | outcome | image | what |\n|---|---|---|---|\n"
    assert part.whole == (
        f"**`eu`: 1 change**\n\nPlan: 1.\n\n{head}| `~` update |  | `a` |  |\n| `~` update | done | `b` |  |\n\n"
        f"<details><summary>1 more change</summary>\n\n{head}| `~` update |  | `c` |  |\n\n</details>"
    )
    assert part.render(0) == "**`eu`: 1 change**\n\nPlan: 1.\n\nand 3 more changes"
    assert make_rows_part(blocks[:2], 2).whole == "| action | image | what |\n|---|---|---|\n| `~` update | `a` |  |"


def test_each_part_has_its_share() -> None:
    """And its place below another part."""
    parts = [
        make_alerts_part(()),
        make_errors_part(()),
        make_errors_part((), 0.9),
        make_closing_part(()),
        make_rows_part((), 3),
        make_sections_part((), 4),
        make_details_part((), 5),
        make_sections_part(()),
        make_details_part(()),
    ]
    assert [part.share for part in parts] == [0.7, 0.5, 0.9, 0.3, 0.6, 0.3, 1, 0.3, 1]
    assert [part.below for part in parts] == [None, None, None, None, None, 4, 5, None, None]
