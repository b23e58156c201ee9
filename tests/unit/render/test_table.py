"""A table fits the terminal and loses no value without saying so."""

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
