"""A table fits the terminal and loses no value without saying so."""

import pytest
from rich.cells import cell_len

from imagesync.render.table import Head, lay_out

HEADS = [Head("NAME", wraps=True), Head("STATUS", rank=1), Head("SIZE", rank=2, is_number=True), Head("ID")]
ROWS = [["a", "active", "1.0 KiB", "1" * 36], ["Ubuntu 24.04 with a long name", "queued", "12.0 GiB", "2" * 36]]


def test_a_file_gets_every_column_in_full_width() -> None:
    """Numbers are aligned to the right; no line ends with spaces."""
    found = lay_out(HEADS, ROWS, None)
    assert found.left_out == ()
    assert found.lines == (
        "NAME                           STATUS      SIZE  ID",
        "a                              active   1.0 KiB  " + "1" * 36,
        "Ubuntu 24.04 with a long name  queued  12.0 GiB  " + "2" * 36,
    )


def test_columns_are_left_out_by_rank_and_named() -> None:
    """The highest rank first."""
    assert lay_out(HEADS, ROWS, 79).left_out == ("SIZE",)
    assert lay_out(HEADS, ROWS, 69).left_out == ("STATUS", "SIZE")


def test_a_column_without_a_rank_stays_and_its_cells_take_several_lines() -> None:
    """Every character of every cell is in the table; no line is wider than the terminal."""
    found = lay_out(HEADS, ROWS, 56)
    assert found.left_out == ("STATUS", "SIZE")
    assert all(cell_len(line) <= 56 for line in found.lines)
    assert " ".join(line[:18].strip() for line in found.lines[2:]) == ROWS[1][0]
    assert found.lines[2].endswith("2" * 36)


def test_a_word_is_not_broken_if_the_terminal_has_room() -> None:
    """A name is wrapped at its spaces to leave the key whole."""
    rows = [["a name of several words", "base/linux-0-100 current"], ["b", "base/b current"]]
    found = lay_out([Head("NAME", wraps=True), Head("BUILD", wraps=True)], rows, 32)
    assert any("base/linux-0-100" in line for line in found.lines)
    assert all(len(line) <= 32 for line in found.lines)


def test_wide_characters_take_two_columns() -> None:
    """Of Chinese, Japanese and Korean; a long text of them is broken within its line."""
    found = lay_out([Head("NAME", wraps=True), Head("X")], [["日本語", "x"], ["ab", "y"]], None)
    assert found.lines[1:] == ("日本語  x", "ab      y")
    narrow = lay_out([Head("NAME", wraps=True), Head("X")], [["日本語" * 10, "x"]], 20)
    assert all(cell_len(line) <= 20 for line in narrow.lines)
    assert "".join(line[:-1] if line.endswith("x") else line for line in narrow.lines[1:]).replace(" ", "") == (
        "日本語" * 10
    )


LONG = "Ubuntu 24.04 with a long name"
ONE, TWO = "1" * 36, "2" * 36


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            70,
            (
                f"NAME                      STATUS  {'ID'}",
                f"a                         active  {ONE}",
                f"Ubuntu 24.04 with a long  queued  {TWO}",
                "name",
            ),
        ),
        (69, (f"NAME                           {'ID'}", f"a                              {ONE}", f"{LONG}  {TWO}")),
        (
            56,
            (
                f"NAME                {'ID'}",
                f"a                   {ONE}",
                f"Ubuntu 24.04 with   {TWO}",
                "a long name",
            ),
        ),
        (
            50,
            (
                f"NAME          {'ID'}",
                f"a             {ONE}",
                f"Ubuntu 24.04  {TWO}",
                "with a long",
                "name",
            ),
        ),
    ],
)
def test_the_lines_of_a_narrow_table(width: int, lines: tuple[str, ...]) -> None:
    """A column is left out before a name has less than 24 columns; then the name has at least 12."""
    assert lay_out(HEADS, ROWS, width).lines == lines
    if width == 50:
        assert lay_out(HEADS, ROWS, 10).lines == lines


def test_a_table_fits_up_to_its_last_column() -> None:
    """At the whole width nothing is left out; one less leaves out the column of the highest rank."""
    short = [["a", "active", "1.0 KiB", ONE], ["b" * 24, "queued", "12.0 GiB", TWO]]
    width = max(map(len, lay_out(HEADS, short, None).lines))
    assert lay_out(HEADS, short, width) == lay_out(HEADS, short, None)
    assert lay_out(HEADS, short, width - 1).left_out == ("SIZE",)


def test_cells_that_are_wrapped_share_the_rest_of_the_line() -> None:
    """The one that needs the least is whole first. Numbers stay at the right, also beside several lines."""
    heads = [Head("A", wraps=True), Head("N", is_number=True), Head("B", wraps=True), Head("C", wraps=True)]
    wide = "日本語日本語日本語日本語"
    rows = [["one two three four five six seven", "1", "one two three four", wide], ["a", "23", "", "c"]]
    assert lay_out(heads, rows, 64).lines == (
        "A                N  B                   C",
        f"one two three    1  one two three four  {wide}",
        "four five six",
        "seven",
        "a               23                      c",
    )
    assert lay_out(heads, rows, 60).lines == (
        "A              N  B                 C",
        f"one two        1  one two three     {wide}",
        "three four        four",
        "five six",
        "seven",
        "a             23                    c",
    )


def test_a_table_without_rows_has_its_heading() -> None:
    """Also if the heading is wider than every cell."""
    assert lay_out(HEADS, [], 30).lines == ("NAME  STATUS  SIZE  ID",)
    assert lay_out([Head("IS_NUMBER", is_number=True), Head("X")], [["1", "y"]], None).lines == (
        "IS_NUMBER  X",
        "        1  y",
    )


def test_of_columns_with_one_rank_the_first_is_left_out() -> None:
    """Columns without a rank stay, however narrow the terminal is; those that are left out keep their order."""
    heads = [Head("AAAA", rank=2), Head("BBBB", rank=1), Head("CCCC"), Head("DDDD", rank=2)]
    found = [lay_out(heads, [], width) for width in (22, 21, 16, 15, 10, 9, 1)]
    assert [one.left_out for one in found] == [
        *((), ("AAAA",), ("AAAA",), ("AAAA", "DDDD"), ("AAAA", "DDDD")),
        *(("AAAA", "BBBB", "DDDD"), ("AAAA", "BBBB", "DDDD")),
    ]


def test_only_a_word_that_fits_no_line_is_broken() -> None:
    """At a hyphen no word is broken, because a key may have some."""
    heads = [Head("KEY", wraps=True), Head("X")]
    assert lay_out(heads, [["one-two-three-four five", "x"]], 22).lines == (
        "KEY                  X",
        "one-two-three-four   x",
        "five",
    )
    assert lay_out(heads, [["one-two-three-four five", "x"]], 18).lines == (
        "KEY              X",
        "one-two-three-f  x",
        "our five",
    )


def test_words_are_whole_if_they_just_fit() -> None:
    """With one column less, the other cell gets what is left, and the word is broken."""
    heads, rows = [Head("A", wraps=True), Head("B", wraps=True)], [["aaaa-bbbb-cccc-dddd ee", "one two threes"]]
    assert lay_out(heads, rows, 33).lines == (
        "A                    B",
        "aaaa-bbbb-cccc-dddd  one two",
        "ee                   threes",
    )
    assert lay_out(heads, rows, 32).lines == (
        "A                 B",
        "aaaa-bbbb-cccc-d  one two threes",
        "ddd ee",
    )


def test_the_cell_that_lacks_the_least_is_widened_first() -> None:
    """Not the shortest one. In a terminal that is too narrow no column is narrower than its cells allow."""
    title = "A TITLE OF TWENTY-SIX CHARS"
    row = [f"{'a' * 10} {'b' * 10} {'c' * 8}", "one two three four five"]
    assert lay_out([Head(title, wraps=True), Head("B", wraps=True)], [row], 46).lines == (
        f"{title}     B",
        f"{row[0]}  one two three",
        " " * 32 + "four five",
    )
    narrow = lay_out([Head("ID"), Head("NAME", wraps=True), Head("X")], [["1" * 20, "one two three four", "x"]], 10)
    assert narrow.lines == (
        "ID                    NAME          X",
        f"{'1' * 20}  one two       x",
        " " * 22 + "three four",
    )
