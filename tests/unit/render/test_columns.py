"""The columns of a listing."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.listing import Entry
from imagesync.model.record import read
from imagesync.render.columns import COLUMNS, PLAIN, USUAL, choose_columns
from tests.unit.factories import NOW, live, retired, rewrite, spec


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


WHOLE_IMAGE = live(
    spec("key"),
    "image-1",
    Role.RETIRED,
    4,
    name="a\x1b name",
    size=3 * 2**20,
    virtual_size=5 * 2**30,
    min_disk=6,
    min_ram=7,
    protected=True,
    tags=frozenset("zyx"),
    checksum="5" * 32,
    os_hash_algo="sha512",
    os_hash_value="6" * 128,
    stores=("s2", "s1"),
    updated_at="2026-11-02T00:00:00Z",
    owner="owner-1",
    disk_format="qcow2",
    container_format="ovf",
    visibility=Visibility.SHARED,
    status=Status.DEACTIVATED,
)
CELLS: dict[str, tuple[Any, str | None]] = {
    "name": ("a\x1b name", "a\\x1b name"),
    "build": ("base/key retired", None),
    "status": ("deactivated", "deactivated protected"),
    "visibility": ("shared", None),
    "size": (3 * 2**20, "3.0 MiB"),
    "age": ("2026-11-01T00:00:00Z", "22 days ago"),
    "project": ("project name", None),
    "members": (["m2 accepted", "m1 pending"], "m2 accepted, m1 pending"),
    "drift": (["min_ram", "tags"], "2 values"),
    "id": ("image-1", None),
    "key": ("key", None),
    "catalog": ("base", None),
    "role": ("retired", None),
    "generation": (4, "4"),
    "retired": ("2026-11-20T12:00:00+00:00", None),
    "source": ("https://o.example/x", None),
    "hidden": (False, "no"),
    "protected": (True, "yes"),
    "owner": ("owner-1", None),
    "created": ("2026-11-01T00:00:00Z", None),
    "updated": ("2026-11-02T00:00:00Z", None),
    "disk_format": ("qcow2", None),
    "container_format": ("ovf", None),
    "min_disk": (6, "6"),
    "min_ram": (7, "7"),
    "virtual_size": (5 * 2**30, "5.0 GiB"),
    "tags": (["x", "y", "z"], "x, y, z"),
    "checksum": ("5" * 32, None),
    "os_hash_algo": ("sha512", None),
    "os_hash_value": ("6" * 128, None),
    "stores": (["s2", "s1"], "s2, s1"),
}
"""The value of each column for programs, and its text; None: the same text."""


def make_whole_entry() -> Entry:
    """An image with another value in each column."""
    record = read(WHOLE_IMAGE)
    assert record is not None
    managed = replace(record.managed, origin="https://o.example/x", retired="2026-11-20T12:00:00+00:00")
    members = (MemberState("m2", "accepted"), MemberState("m1", "pending"))
    return Entry(rewrite(WHOLE_IMAGE, managed=managed), "project name", members, ("min_ram", "tags"))


def test_each_column_has_its_own_field() -> None:
    """Of two that are alike, none has the value of the other one."""
    entry = make_whole_entry()
    assert {name: column.value(entry) for name, column in COLUMNS.items()} == {
        name: value for name, (value, _) in CELLS.items()
    }
    assert {name: column.show(entry, NOW) for name, column in COLUMNS.items()} == {
        name: value if text is None else text for name, (value, text) in CELLS.items()
    }
    assert list(COLUMNS) == list(CELLS)


def test_a_copied_record_is_no_build() -> None:
    """The image has no key, catalog or role of its own; the text says whose record it is."""
    entry = replace(make_whole_entry(), image=replace(make_whole_entry().image, id="other"))
    assert {name for name, column in COLUMNS.items() if column.value(entry) is None} == {
        *("key", "catalog", "role", "generation", "retired", "source"),
    }
    assert COLUMNS["build"].show(entry, NOW) == "(a copy of the record of base/key)"


def test_without_the_name_of_a_project_people_read_its_id() -> None:
    """Programs have the column of the owner."""
    column, entry = COLUMNS["project"], Entry(LiveImage("x", owner="o\x1b"))
    assert (column.value(entry), column.show(entry, NOW)) == (None, "o\\x1b")


def test_drift_that_was_not_compared_is_not_the_same_as_none() -> None:
    """For programs; people read an empty cell."""
    entries = [Entry(LiveImage("x"), drift=drift) for drift in (None, (), ("name",))]
    column = COLUMNS["drift"]
    assert [(column.value(entry), column.show(entry, NOW)) for entry in entries] == [
        (None, ""),
        ([], ""),
        (["name"], "1 value"),
    ]


def test_which_columns_a_narrow_terminal_leaves_out_first() -> None:
    """The name, the build and the id are never left out, nor is a column that a user chose."""
    ranks = {name: column.rank for name, column in COLUMNS.items() if column.rank}
    assert ranks == {"status": 1, "size": 2, "visibility": 3, "age": 4, "project": 5}
    assert {name for name, column in COLUMNS.items() if column.wraps} == {
        *("name", "build", "status", "project", "members", "key", "source", "tags", "stores"),
    }
    assert {name for name, column in COLUMNS.items() if column.is_number} == {
        *("size", "generation", "min_disk", "min_ram", "virtual_size"),
    }


def test_the_columns_that_no_user_chose() -> None:
    """Programs depend on their names and order."""
    assert USUAL == ("name", "build", "status", "visibility", "size", "age", "project", "id")
    assert (
        *("id", "name", "catalog", "key", "role", "generation", "status", "visibility", "hidden", "protected"),
        *("size", "disk_format", "container_format", "min_disk", "min_ram", "tags", "owner", "project", "created"),
        "updated",
    ) == PLAIN


def test_spaces_and_case_of_a_choice_do_not_count() -> None:
    """Also in the middle; the first wrong name is quoted as it was written."""
    assert [one.name for one in choose_columns("NAME , Min_Ram,properties.A.b", ())] == [
        *("name", "min_ram", "properties.A.b"),
    ]
    with pytest.raises(UsageError) as found:
        choose_columns("id,Nmae,zzz", USUAL)
    assert str(found.value).startswith("--columns: 'Nmae' is not a column; did you mean name? there are name, ")
    assert str(found.value).endswith(", os_hash_value, stores, and properties.NAME for a property")
    with pytest.raises(UsageError, match=r"^--columns has id twice; name each column once$"):
        choose_columns("id,name, id,name", USUAL)


def test_a_column_in_another_case_is_the_same_column() -> None:
    """Two properties that differ in case are two."""
    with pytest.raises(UsageError, match=r"^--columns has id twice; name each column once$"):
        choose_columns("name,ID,Id", USUAL)
    assert len(choose_columns("properties.a,properties.A", ())) == 2
