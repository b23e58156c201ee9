"""``imagesync.render.markdown_parts``: each part with all, some and none of its entries."""

from dataclasses import replace

import pytest

from imagesync.render.blocks import Kind
from imagesync.render.changes import Line
from imagesync.render.document import Alert, Block, Command, Document, Section, Subject, TargetGroup, TargetRow
from imagesync.render.markdown_parts import (
    MAX_OPEN_DETAILS,
    MAX_OPEN_LINES,
    MAX_ROW_LINES,
    format_alert_counts,
    format_alerts,
    format_all_details,
    format_bold,
    format_command,
    format_details,
    format_errors,
    format_group_heading,
    format_row,
    format_sections,
    format_table,
    format_target_rows,
    format_title,
    has_details,
    join_parts,
    list_rest,
)
from imagesync.render.style import Ink

CHANGE = Kind(Ink.CHANGE, "~", "update", "drift")
ALERTS = (
    TargetGroup(("eu", "us"), Alert("become public", ("a", "b", "c"))),
    TargetGroup((), Alert("are released: they stay", ("d",))),
)


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (0, "and 3 more"),
        (1, "`a`, and 2 more"),
        (2, "`a`, `b`, and 1 more"),
        (3, "`a`, `b`, `c`"),
        (9, "`a`, `b`, `c`"),
    ],
)
def test_an_alert_names_its_first_images_and_all_its_targets(number: int, names: str) -> None:
    """And counts the others."""
    one, other = format_alerts(ALERTS, number).splitlines()[1:]
    assert one == f"> - **Become public** on `eu`, `us`, 3 images: {names}"
    assert other == f"> - **Are released** (they stay), 1 image: {'`d`' if number else 'and 1 more'}"


def test_the_color_of_the_box_is_that_of_its_worst_alert() -> None:
    """A loss is more than a warning; no alerts make no box."""
    loss = TargetGroup((), Alert("are deleted", ("x",), is_loss=True))
    for format_box in (lambda alerts: format_alerts(alerts, 9), format_alert_counts):
        assert format_box(()) == ""
        assert format_box(ALERTS).startswith("> [!WARNING]\n")
        assert format_box((*ALERTS, loss)).startswith("> [!CAUTION]\n")
    assert format_alert_counts((*ALERTS, loss)).splitlines()[1:] == [
        "> - **Become public** on 2 targets, 3 images",
        "> - **Are released** (they stay), 1 image",
        "> - **Are deleted**, 1 image",
    ]


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_lists_that_are_cut_count_their_rest(number: int) -> None:
    """Errors, targets, rows and lists of fields."""
    errors = [TargetGroup(("eu",) if at else (), f"e{at}") for at in range(3)]
    lines = ["- `e0`", "- `eu`: `e1`", "- `eu`: `e2`"][:number]
    rest = [f"and {3 - number} more"] if number < 3 else []
    assert format_errors(errors, number).splitlines()[2:] == [*lines, *(f"- {text} errors" for text in rest)]
    rows = [TargetRow(f"t{at}", "changes", "1 to update", at) for at in range(3)]
    table = format_target_rows(rows, number).splitlines()
    expected = ["| target | outcome | changes | errors |", "|---|---|---|---|"] * bool(number)
    expected += [f"| `t{at}` | changes | 1 to update | {at or ''} |" for at in range(number)]
    expected += [*([""] * bool(number)), f"and {3 - number} more targets"] if rest else []
    assert table == expected
    changes = format_table(["| a |", "| b |", "| c |"], number, has_outcome=True)
    head = ["| action | outcome | image | what |", "|---|---|---|---|"] * bool(number)
    ends = [*([""] * bool(number)), f"and {3 - number} more changes"] if rest else []
    assert changes.splitlines() == [*head, *["| a |", "| b |", "| c |"][:number], *ends]
    details = format_all_details(["x", "y", "z"], number)
    assert details == "\n\n".join([*"xyz"[:number], *(f"{text} lists of fields" for text in rest)])
    assert (format_errors((), 0), format_target_rows((), 0), format_table((), 0, has_outcome=True)) == ("", "", "")


@pytest.mark.parametrize(("number", "most"), [(3, 0), (3, 1), (3, 2), (2, 1), (1, 1), (3, 3)])
def test_rows_after_the_first_ones_are_behind_a_click(number: int, most: int) -> None:
    """Each table has its heading; without an open row there is only the second one."""
    text = format_table(["| a |", "| b |", "| c |"], number, has_outcome=False, most=most)
    opened, _, folded = text.partition("<details><summary>")
    assert [line for line in opened.splitlines() if line in ("| a |", "| b |", "| c |")] == ["| a |", "| b |", "| c |"][
        :most
    ][:number]
    assert [line for line in folded.splitlines() if line in ("| a |", "| b |", "| c |")] == ["| a |", "| b |", "| c |"][
        most:number
    ]
    assert text.count("| action | image | what |\n|---|---|---|\n") == (most > 0) + (number > most)
    if number > most:
        assert folded.startswith(f"{number - most} more change{'s' if number - most > 1 else ''}</summary>\n\n")


def test_the_last_cell_of_a_row_says_what_why_and_which_fields() -> None:
    """A field without a name is a sentence; loud ones are marked, and stay when there are many."""
    loud, plain, sentence = Line("visibility", "x", is_loud=True), Line("f", "1"), Line("", "it is kept")
    block = Block(CHANGE, ("a",), "4 files", (loud, plain, sentence))
    cell = "4 files; drift<br>⚠️ `visibility`: `x`<br>`f`: `1`<br>it is kept"
    assert format_row(block, has_outcome=False) == f"| `~` update | `a` | {cell} |"
    many = Block(CHANGE, ("a",), "", (loud, plain, sentence, Line("", "loud too", is_loud=True)), "done")
    cell = "drift<br>⚠️ `visibility`: `x`<br>⚠️ loud too<br>2 fields below"
    assert format_row(many, has_outcome=True) == f"| `~` update | done | `a` | {cell} |"
    all_loud = Block(CHANGE._replace(why=""), ("a",), "", (loud,) * (MAX_ROW_LINES + 1))
    assert "below" not in format_row(all_loud, has_outcome=False)
    failed = Block(CHANGE, ("a",), "", (), "", "no space", "")
    assert format_row(failed, has_outcome=False) == "| `~` update | `a` | drift<br>**Error:** no space |"


def test_what_a_row_does_not_have_is_below_it() -> None:
    """All lines and all names; with the place of the declaration."""
    few, many = ((Line("f", "1"),) * number for number in (MAX_ROW_LINES, MAX_ROW_LINES + 1))
    assert not has_details(Block(CHANGE, ("a",), "", few))
    assert has_details(Block(CHANGE, ("a",), "", many))
    assert has_details(Block(Kind(Ink.STATE, "", ""), ("a",)))
    loud = Line("visibility", "x", is_loud=True)
    text = format_details(Block(CHANGE, ("a", "b"), "", (Line("f", "1"), loud), place="a.yaml:1"))
    assert text == (
        "<details><summary>update 2 images</summary>\n\n`a`, `b`\n\n```diff\n  - f           1\n! - visibility  x\n"
        "  - in a.yaml:1\n```\n\n</details>"
    )
    assert "```" not in format_details(Block(CHANGE, ("a", "b")))
    assert "```diff\n  - in a.yaml:1\n```" in format_details(Block(CHANGE, ("a",), place="a.yaml:1"))
    assert "```diff\n  -   x\n  -\n```" in format_details(Block(CHANGE, ("a",), "", (Line("", "x"), Line("", ""))))
    assert "details" not in format_all_details(["x"] * MAX_OPEN_DETAILS, MAX_OPEN_DETAILS)
    folded = format_all_details(["x"] * (MAX_OPEN_DETAILS + 2), MAX_OPEN_DETAILS + 1)
    assert folded.startswith(f"<details><summary>{MAX_OPEN_DETAILS + 1} lists of fields</summary>\n\nx\n\nx")
    assert folded.endswith("x\n\nand 1 more lists of fields\n\n</details>")


@pytest.mark.parametrize("number", range(5))
def test_the_lines_of_sections_are_counted_over_all(number: int) -> None:
    """A section without a visible line has no title, either."""
    sections = (Section("One", ("a b", "c")), Section("", ("d",)), Section("Two", ("e",)))
    parts = ["**One**\n\n- a b", "\n- c", "\n\n- d", "\n\n**Two**\n\n- e"]
    rest = f"and {4 - number} more lines" if number < 4 else ""
    assert format_sections(sections, number) == "".join(parts[:number]) + ("\n\n" * bool(number and rest)) + rest


@pytest.mark.parametrize(("title", "summary"), [("Kept", "Kept (13 lines)"), ("", "13 lines"), ("@x", "13 lines")])
def test_a_long_section_is_behind_a_click(title: str, summary: str) -> None:
    """With its title in the summary if it is plain; else inside."""
    lines = ("x",) * (MAX_OPEN_LINES + 1)
    text = format_sections((Section(title, lines),), MAX_OPEN_LINES + 1)
    inside = "**`@x`**\n\n" if title == "@x" else ""
    assert text == f"<details><summary>{summary}</summary>\n\n{inside}{chr(10).join(['- x'] * 13)}\n\n</details>"
    assert "<details>" not in format_sections((Section(title, lines[1:]),), MAX_OPEN_LINES)


def test_a_command_has_its_heading_and_a_fence_that_it_does_not_end() -> None:
    """The heading is a sentence, and the command is as it is."""
    assert format_command(Command("Restore <it>:", "imagesync apply | x")) == (
        "Restore `<it>`:\n\n```sh\nimagesync apply | x\n```"
    )
    assert format_command(Command("Run:", "`x`")) == "Run:\n\n~~~sh\n`x`\n~~~"


def test_a_group_has_the_names_of_all_targets_and_its_counts() -> None:
    """The counts are left out if they differ."""
    document = Document(Subject.PLAN, "base", "", "2 <changes>", "Plan: <2>.")
    assert format_group_heading(TargetGroup(("eu", "u|s"), document)) == (
        "**`eu`, `u`<code>&#124;</code>`s`: 2 `<changes>`**\n\nPlan: `<2>`."
    )
    assert format_group_heading(TargetGroup(("eu",), replace(document, summary=""))) == "**`eu`: 2 `<changes>`**"


def test_a_heading_and_a_bold_sentence_are_sentences() -> None:
    """Empty lines are left out; a number of a rest has commas."""
    assert format_title("Plan of <x>") == "Plan of `<x>`\n-----"
    assert (format_bold("Plan: <x>"), format_bold("")) == ("**Plan: `<x>`**", "")
    assert join_parts(["a", "", "b", ""]) == "a\n\nb"
    assert (list_rest(1, 1235, "rows"), list_rest(2, 2, "rows"), list_rest(3, 2, "rows")) == (
        ["and 1,234 more rows"],
        [],
        [],
    )


def test_facts_are_a_list_below_their_name() -> None:
    """A block without an action is about no change."""
    state = Kind(Ink.STATE, "", "")
    lines = (Line("state", "active <x>"), Line("id", "1"))
    assert format_details(Block(state, ("Current", "build"), "generation 2", lines)) == (
        "**Current, build**: generation 2\n\n- state: active `<x>`\n- id: 1"
    )
    assert format_details(Block(state, ("Current",))) == "**Current**\n"


def test_the_same_targets_and_images_of_two_alerts_count_once() -> None:
    """An alert without a target counts only its images."""
    alerts = [
        TargetGroup(("eu", "us"), Alert("end: soon", ("a", "b"))),
        TargetGroup((), Alert("stay", ("x",))),
        TargetGroup(("us", "ap"), Alert("end: soon", ("b", "c", "d"))),
    ]
    assert format_alert_counts(alerts).splitlines() == [
        "> [!WARNING]",
        "> - **End** (soon) on 3 targets, 4 images",
        "> - **Stay**, 1 image",
    ]
