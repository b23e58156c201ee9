"""Rows of a plan as text: what many images have in common once, nothing that differs hidden, lines wrapped."""

import pytest

from imagesync.render.blocks import MAX_NAMES_CHARS, MIN_FOLDED, MIN_SHARING, Kind, Row, format_rows, wrap
from imagesync.render.changes import Line
from imagesync.render.style import Ink, leave_plain, paint_text

CREATE = Kind(Ink.ADD, "+", "create")
UPDATE = Kind(Ink.CHANGE, "~", "update")
DELETE = Kind(Ink.REMOVE, "-", "delete", "not in the manifest")
PUBLIC = Line("visibility", "private → public", is_loud=True, is_named=True)
RAM = Line("min_ram", "0 → 512")


def updates(number: int, *lines: Line) -> list[Row]:
    """So many images that are updated alike."""
    return [Row(UPDATE, f"key-{index:03}", lines=lines, is_named=False) for index in range(number)]


def text(*rows: Row, share: bool = True, width: int | None = None) -> str:
    """The rows as they are shown."""
    return "\n".join(format_rows(rows, leave_plain, width, share=share))


@pytest.mark.parametrize("share", [False, True])
def test_a_change_of_several_images_is_written_once(*, share: bool) -> None:
    """Each image is named; one more change of one of them is shown with that one."""
    name = Line("name", "a → b", is_named=True)
    rows = [*updates(MIN_SHARING - 1, RAM), Row(UPDATE, "key-x", lines=(RAM, name), is_named=False)]
    output = text(*rows, share=share)
    assert output.count("0 → 512") == (1 if share else MIN_SHARING)
    if share:
        assert output.splitlines() == [
            "  ~ key-x  update",
            "      name  a → b",
            f"  ~ update of {MIN_SHARING} images: key-000, key-001, key-x",
            "      min_ram  0 → 512",
        ]


def test_fewer_images_are_shown_one_by_one() -> None:
    """Each with its change."""
    assert text(*updates(MIN_SHARING - 1, RAM)).count("0 → 512") == MIN_SHARING - 1


def test_of_many_images_some_are_named_and_the_rest_is_counted() -> None:
    """The names fill at most two lines; if the change is about access, all images are named."""
    output = text(*updates(94, RAM))
    head = output.splitlines()[0]
    names = head.partition(": ")[2].partition(" and ")[0]
    assert len(names) <= MAX_NAMES_CHARS
    assert head.endswith(f" and {94 - len(names.split(', '))} more")
    assert all(f"key-{index:03}" in text(*updates(94, PUBLIC)) for index in range(94))
    assert text(*updates(94, PUBLIC)).splitlines()[1] == "    ! visibility  private → public"


@pytest.mark.parametrize("number", [MIN_FOLDED - 1, MIN_FOLDED])
def test_many_new_images_are_only_named(number: int) -> None:
    """All of them, by key and name, with the lines that all have."""
    rows = [Row(CREATE, f"k{i}", "1.0 GiB from x", (PUBLIC, RAM), label=f"k{i} (Name {i})") for i in range(number)]
    lines = text(*rows).splitlines()
    if number < MIN_FOLDED:
        assert lines[::3] == [f"  + k{i}  create  1.0 GiB from x" for i in range(number)]
    else:
        assert lines[0] == f"  + create of {number} images: " + ", ".join(f"k{i} (Name {i})" for i in range(number))
    assert lines[-2:] == ["    ! visibility  private → public", "      min_ram     0 → 512"]


def test_an_image_that_differs_has_its_own_block() -> None:
    """Among many that are folded; what it has in common with them is named for it, too."""
    rows = [Row(CREATE, f"k{i}", "x", (RAM,)) for i in range(9)]
    rows[4] = Row(CREATE, "k4", "x", (RAM, PUBLIC))
    lines = text(*rows).splitlines()
    assert lines[:2] == ["  + k4  create  x", "    ! visibility  private → public"]
    assert lines[2] == "  + create of 8 images: k0, k1, k2, k3, k5, k6, k7, k8"
    assert lines[3:] == ["  + create of 9 images: all those named above", "      min_ram  0 → 512"]


def test_images_of_another_kind_share_nothing() -> None:
    """An update for drift is another than one by the manifest."""
    drift = Kind(Ink.CHANGE, "~", "update", "drift")
    rows = [*updates(2, RAM), *(Row(drift, f"d{i}", lines=(RAM,), is_named=False) for i in range(2))]
    assert text(*rows).count("0 → 512") == 4


def test_images_that_users_lose_are_last_and_named() -> None:
    """With their ids as long as they are few."""

    def gone(number: int) -> list[Row]:
        return [
            Row(DELETE, f"a{i}", "1 B", label=f"a{i} (N{i})", is_last=True, alone=(Line("image", f"id-{i}"),))
            for i in range(number)
        ]

    few = text(*gone(MIN_SHARING - 1), *updates(1, RAM)).splitlines()
    assert few[-2:] == ["  - a1  delete  1 B  not in the manifest", "      image  id-1"]
    many = text(*gone(MIN_SHARING), *updates(1, RAM)).splitlines()
    assert many[-1] == "  - delete (not in the manifest) of 3 images: a0 (N0), a1 (N1), a2 (N2)"


@pytest.mark.parametrize("width", [40, 80, 140])
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """Unless a single word is; no word is broken."""
    rows = [*updates(30, PUBLIC), Row(CREATE, "k", "1.0 GiB from " + "long words " * 20, (Line("x", "y " * 90),))]
    lines = text(*rows, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert " ".join(" ".join(lines).split()) == " ".join(text(*rows).split())


def test_a_word_that_is_longer_than_the_line_is_not_broken() -> None:
    """A digest can be copied."""
    digest = "sha512:" + "a" * 128
    assert digest in wrap(f"      content  {digest}", 80, "        ")[-1]


def test_a_loud_line_has_its_color() -> None:
    """And only that; the sign has the color of what is done."""
    lines = list(format_rows(updates(1, PUBLIC, RAM), paint_text, None, share=True))
    assert lines[0] == "  \x1b[33m~\x1b[0m key-000  update"
    assert lines[1].startswith("\x1b[1;33m    ! visibility")
    assert "\x1b" not in lines[2]
