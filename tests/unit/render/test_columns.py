"""The columns of a listing."""

from dataclasses import replace

import pytest

from imagesync.errors import UsageError
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.listing import Entry
from imagesync.render.columns import COLUMNS, PLAIN, USUAL, choose_columns
from tests.unit.factories import NOW, live, retired, spec


def test_columns_have_the_given_order() -> None:
    """Without a choice the usual ones; case does not count, but that of a property does."""
    assert [column.name for column in choose_columns(" ID,name, properties.Os", USUAL)] == [
        "id",
        "name",
        "properties.Os",
    ]
    assert tuple(column.name for column in choose_columns(None, PLAIN)) == PLAIN
    assert {*USUAL, *PLAIN} <= set(COLUMNS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nam", "'nam' is not a column; did you mean name? there are name, build,"),
        ("zzz", "'zzz' is not a column; there are name, build,"),
        ("", "'' is not a column"),
        ("id,", "'' is not a column"),
        ("properties.", "'properties.' is not a column"),
        ("id,name,id", "--columns has id twice"),
    ],
)
def test_a_wrong_name_is_an_error_with_all_names(words: str, message: str) -> None:
    """And the closest one."""
    with pytest.raises(UsageError) as found:
        choose_columns(words, USUAL)
    assert message in str(found.value)


def test_people_read_units_and_programs_read_numbers() -> None:
    """Sizes, times, and states."""
    image = live(spec("a", properties={"p": "v"}), size=5 * 2**30, hidden=True, protected=True)
    entry, old = Entry(image, "my project"), Entry(retired(spec("a"), "r", days=3))
    names = ("size", "age", "status", "build", "project", "properties.p", "hidden", "owner")
    columns = choose_columns(",".join(names), ())
    assert [column.value(entry) for column in columns] == [
        *(5 * 2**30, "2026-11-01T00:00:00Z", "active", "base/a current", "my project", "v", True, "project-1"),
    ]
    assert [column.show(entry, NOW) for column in columns] == [
        *("5.0 GiB", "22 days ago", "active hidden protected", "base/a current", "my project", "v", "yes", "project-1"),
    ]
    (when,) = choose_columns("retired", ())
    assert when.value(old) == "2026-11-20T12:00:00+00:00"


def test_an_image_without_values_has_empty_cells() -> None:
    """Of every column."""
    entry = Entry(LiveImage("x"))
    texts = {name: column.show(entry, NOW) for name, column in COLUMNS.items()}
    assert {name for name, text in texts.items() if text} == {
        *("id", "status", "visibility", "hidden", "protected", "min_disk", "min_ram"),
    }


def test_a_cell_has_no_control_characters_and_no_thousands_of_characters() -> None:
    """Whatever other people wrote; the table has one line for each image, or a few."""
    hostile = LiveImage("x", name="\x1b[2J\u202e" + "y" * 5000, owner="\x07", tags=frozenset({"\n"}))
    texts = [column.show(Entry(hostile), NOW) for column in COLUMNS.values()]
    assert all(text.isprintable() for text in texts)
    assert max(map(len, texts)) < 300


def test_the_record_of_an_image_has_columns() -> None:
    """An image without a record has no value there."""
    names = "key,catalog,role,generation,retired,source,members,checksum"
    columns = choose_columns(names, ())
    entry = replace(
        Entry(live(spec("a"), generation=4)), members=(MemberState("p", "accepted"), MemberState("q", "pending"))
    )
    assert [column.value(entry) for column in columns] == [
        *("a", "base", "current", 4, None, None, ["p accepted", "q pending"], None),
    ]
    assert [column.value(Entry(LiveImage("x"))) for column in columns] == [None] * len(columns)
    assert choose_columns("members", ())[0].show(entry, NOW) == "p accepted, q pending"
    assert choose_columns("members", ())[0].value(replace(entry, members=())) == []


def test_headings_are_in_capitals_except_those_of_properties() -> None:
    """The case of a property's name counts; its cells may take several lines."""
    columns = choose_columns("min_ram,properties.Os\x1b", ())
    assert [column.title for column in columns] == ["MIN_RAM", "properties.Os\\x1b"]
    assert [column.wraps for column in columns] == [False, True]


def test_a_long_cell_is_cut_at_its_limit() -> None:
    """With a mark; one that fits is whole."""
    for size in (200, 201):
        (column,) = choose_columns("name", ())
        text = column.show(Entry(LiveImage("x", name="y" * size)), NOW)
        assert text == ("y" * 200 if size == 200 else f"{'y' * 199}…")
