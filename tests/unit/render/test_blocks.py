"""Rows of a plan as text: what many images have in common once, nothing that differs hidden, lines wrapped."""

import pytest

from imagesync.render.blocks import (
    MAX_KEY_CHARS,
    MAX_NAME_CHARS,
    MAX_NAMES_CHARS,
    MIN_FOLDED,
    MIN_SHARING,
    Kind,
    Row,
    arrange_rows,
    format_rows,
    list_row_lines,
    wrap,
)
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


def list_labels(*rows: Row, share: bool = True) -> list[list[str]]:
    """The images of each group, in its order."""
    return [group.labels for part in arrange_rows(rows, share=share) for group in part.groups]


def make_rows(number: int, kind: Kind, *lines: Line, is_last: bool = False) -> list[Row]:
    """So many images with one key letter by their verb, in reverse order, with names."""
    keys = [f"{kind.verb[0]}{index}" for index in range(number)]
    return [
        Row(kind, key, "x", lines, f"{key} (N)", is_last=is_last, alone=(Line("image", f"id-{key}"),))
        for key in reversed(keys)
    ]


def test_rows_are_sorted_by_key_before_and_after_those_of_lost_images() -> None:
    """Whatever the order of the plan is."""
    rows = [
        Row(DELETE, "b", is_last=True),
        Row(UPDATE, "d"),
        Row(DELETE, "a", is_last=True),
        Row(CREATE, "c"),
        Row(UPDATE, "e"),
    ]
    first, last = arrange_rows(rows, share=True)
    assert [row.key for row in first.rows] == ["c", "d", "e"]
    assert [row.key for row in last.rows] == ["a", "b"]
    assert [line.split()[1] for line in text(*rows).splitlines()] == ["c", "d", "e", "a", "b"]


def test_several_kinds_are_folded_each_with_its_images() -> None:
    """With their names; a group that only shares lines has the keys, because the blocks above have the names."""
    replace_kind = Kind(Ink.CHANGE, "±", "replace", "new build")
    rows = [
        *make_rows(MIN_FOLDED, CREATE),
        *make_rows(MIN_FOLDED, replace_kind),
        *make_rows(MIN_SHARING, DELETE, is_last=True),
    ]
    labels = [[f"{letter}{index} (N)" for index in range(number)] for letter, number in (("c", 6), ("r", 6), ("d", 3))]
    assert list_labels(*rows) == labels
    assert [line[:12].split()[:2] for line in text(*rows).splitlines()] == [
        ["+", "create"],
        ["±", "replace"],
        ["-", "delete"],
    ]
    loud = [
        Row(CREATE, f"k{index}", "x", (PUBLIC, Line("f", f"{index}")), f"k{index} (N)") for index in range(MIN_FOLDED)
    ]
    assert list_labels(*loud) == [[f"k{index}" for index in range(MIN_FOLDED)]]


def test_nothing_is_folded_or_shared_with_all_details() -> None:
    """Each image has its block, with its id, however many there are."""
    rows = [*make_rows(MIN_FOLDED, CREATE, RAM), *make_rows(MIN_SHARING, DELETE, PUBLIC, is_last=True)]
    output = text(*rows, share=False)
    assert list_labels(*rows, *make_rows(MIN_FOLDED, UPDATE), share=False) == []
    assert [f"      image    id-c{index}" in output for index in range(MIN_FOLDED)] == [True] * MIN_FOLDED
    assert output.count("min_ram  0 → 512") == MIN_FOLDED
    assert output.count("! visibility  private → public") == MIN_SHARING


@pytest.mark.parametrize(
    ("row", "is_covered"),
    [
        (Row(UPDATE, "z", is_named=False), False),
        (Row(UPDATE, "z", "w", (RAM,), is_named=False), False),
        (Row(UPDATE, "z", lines=(RAM,)), False),
        (Row(UPDATE, "z", lines=(RAM,), is_named=False), True),
    ],
)
def test_an_image_has_its_block_unless_shared_lines_say_all(row: Row, *, is_covered: bool) -> None:
    """One without any line, with a description, or that is always named, has its own."""
    first, _ = arrange_rows([*updates(MIN_SHARING, RAM), row], share=True)
    assert (row in first.singles) is not is_covered
    assert ("z" in text(*updates(MIN_SHARING, RAM), row).split("update", 1)[0]) is not is_covered


def test_lines_are_shared_by_the_images_that_have_them() -> None:
    """Two sets of images make two groups; each has the lines that exactly its images have, in their order."""
    name, disk = Line("name", "a → b"), Line("min_disk", "0 → 1")
    rows = [
        *(Row(UPDATE, f"a{index}", lines=(disk, RAM), is_named=False) for index in range(MIN_SHARING)),
        *(Row(UPDATE, f"b{index}", lines=(name,), is_named=False) for index in range(MIN_SHARING)),
    ]
    first, _ = arrange_rows(rows, share=True)
    assert [(group.labels, group.lines, group.is_fold) for group in first.groups] == [
        (["a0", "a1", "a2"], (disk, RAM), False),
        (["b0", "b1", "b2"], (name,), False),
    ]
    twice = [Row(UPDATE, f"a{index}", lines=(RAM, RAM), is_named=False) for index in range(MIN_SHARING - 1)]
    assert list_labels(*twice) == []


def test_one_line_about_access_names_all_images_of_its_group() -> None:
    """Also if the other lines of the group do not."""
    for lines in ((RAM, PUBLIC), (PUBLIC, RAM)):
        output = text(*updates(94, *lines)).splitlines()[0]
        assert all(f"key-{index:03}" in output for index in range(94))


@pytest.mark.parametrize(("size", "is_whole"), [(MAX_NAMES_CHARS, True), (MAX_NAMES_CHARS + 1, False)])
def test_names_that_fill_their_limit_are_all_named(size: int, *, is_whole: bool) -> None:
    """A longer list is cut between two names, and at least one stays; a name is never cut."""
    keys = ["a" * 38, "b" * 38, "c" * (size - 2 * 40)]
    rows = [Row(UPDATE, key, lines=(RAM,), is_named=False) for key in keys]
    names = text(*rows).splitlines()[0].partition(": ")[2]
    assert names == (", ".join(keys) if is_whole else f"{', '.join(keys[:2])} and 1 more")
    two = [Row(UPDATE, key, lines=(RAM,), is_named=False) for key in ("a" * 58, "b" * (size - 60), "c")]
    named = ", ".join(row.key for row in two[:2]) if is_whole else two[0].key
    assert text(*two).splitlines()[0].endswith(f": {named} and {1 if is_whole else 2} more")
    long = [Row(UPDATE, f"{index}{'x' * MAX_NAMES_CHARS}", lines=(RAM,), is_named=False) for index in range(3)]
    assert text(*long).splitlines()[0].endswith(f": 0{'x' * MAX_NAMES_CHARS} and 2 more")


def test_rows_and_fields_are_columns() -> None:
    """The width is that of the longest key, verb and name; one that is very long moves only its own line."""
    long_key, long_name = "k" * (MAX_KEY_CHARS + 1), "n" * (MAX_NAME_CHARS + 1)
    rows = [Row(UPDATE, "a", "w", (Line("f", "1"), Line("g" * MAX_NAME_CHARS, "2"), Line(long_name, "3")))]
    rows += [Row(Kind(Ink.STATE, "○", "deactivate"), "b" * MAX_KEY_CHARS, "w"), Row(UPDATE, long_key, "w")]
    assert text(*rows).splitlines() == [
        f"  ~ {'a':<{MAX_KEY_CHARS}}  update      w",
        f"      {'f':<{MAX_NAME_CHARS}}  1",
        f"      {'g' * MAX_NAME_CHARS}  2",
        f"      {long_name}  3",
        f"  ○ {'b' * MAX_KEY_CHARS}  deactivate  w",
        f"  ~ {long_key}  update      w",
    ]
    assert text(Row(UPDATE, "a", lines=(Line(long_name, "3"), Line("", "alone")))).splitlines() == [
        "  ~ a  update",
        f"      {long_name}  3",
        "      alone",
    ]


def test_wrapped_lines_are_indented_below_their_text() -> None:
    """Those of a field more than those of the head, because the reader must see where a field begins."""
    words = " ".join(["word"] * 30)
    lines = text(Row(UPDATE, "a", words, (Line("f", words),)), width=40).splitlines()
    assert {line[:6] for line in lines[1:] if not line.startswith(" " * 8)} == {" " * 6}
    heads = lines[: next(at for at, line in enumerate(lines) if line.startswith("      f "))]
    fields = lines[len(heads) :]
    assert all(line.startswith("      word") for line in heads[1:])
    assert all(line.startswith("        word") for line in fields[1:])
    assert wrap("x" * 40, 40, "  ") == ["x" * 40]
    assert wrap("a b  " + "x" * 36, 40, "  ") == ["a b", "  " + "x" * 36]
    assert wrap("well-known " * 4, 30, "") == ["well-known well-known", "well-known well-known"]


def test_the_lines_of_a_row_without_columns() -> None:
    """Its description, its id, then its fields; loud ones are marked."""
    row = Row(DELETE, "a", "1 B", (PUBLIC, Line("", "alone")), alone=(Line("image", "i"),))
    assert list(list_row_lines(row)) == ["1 B", "image: i", "! visibility: private → public", "alone"]
    assert list(list_row_lines(Row(DELETE, "a"))) == []


@pytest.mark.parametrize(("why", "words"), [("", "all those named above"), ("drift", "all those named above")])
def test_images_that_have_blocks_are_not_named_again(why: str, words: str) -> None:
    """Unless a reader cannot see which rows are meant, because another kind has the same verb."""
    kind = Kind(Ink.CHANGE, "±", "replace", why)
    rows = [Row(kind, f"k{index}", "x", (RAM, Line("f", f"{index}"))) for index in range(MIN_FOLDED)]
    suffix = f" ({why})" if why else ""
    assert f"  ± replace{suffix} of 6 images: {words}" in text(*rows).splitlines()
    other = Row(Kind(Ink.CHANGE, "±", "replace", "new build"), "other", "x")
    names = words if why else "k0, k1, k2, k3, k4, k5"
    assert f"  ± replace{suffix} of 6 images: {names}" in text(*rows, other).splitlines()
    unlike = Row(kind, "z", "x", (Line("f", "z"),))
    assert f"  ± replace{suffix} of 6 images: k0, k1, k2, k3, k4, k5" in text(*rows, unlike).splitlines()


def test_rows_are_in_the_order_of_their_keys_only() -> None:
    """Whether they are named or not, and whatever kind they are."""
    rows = [
        Row(CREATE, "b"),
        Row(UPDATE, "c", lines=(RAM,), is_named=False),
        Row(UPDATE, "a", lines=(RAM,), is_named=False),
    ]
    rows.append(Row(DELETE, "d"))
    assert [line.split()[1] for line in text(*rows).splitlines() if line[2] in "+~-"] == ["a", "b", "c", "d"]


def test_each_folded_image_is_named_however_many_there_are() -> None:
    """Its name is nowhere else. A name that may command a terminal is escaped."""
    rows = [Row(CREATE, f"k{index:03}", label=f"k{index:03} (A long name\x1b)") for index in range(60)]
    names = ", ".join(f"k{index:03} (A long name\\x1b)" for index in range(60))
    assert text(*rows) == f"  + create of 60 images: {names}"


def test_the_words_of_a_kind() -> None:
    """What is done, and why."""
    assert [kind.words for kind in (CREATE, DELETE)] == ["create", "delete, not in the manifest"]
    assert Kind(Ink.STATE, "", "", "why").words == "why"
