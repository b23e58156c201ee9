"""Images as JSON in the service's names, as a table, as one image's fields, as YAML and as CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest
import yaml

from imagesync.model.catalog import Visibility
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.listing import Entry
from imagesync.render.columns import COLUMNS, PLAIN, USUAL, choose_columns
from imagesync.render.listing import (
    ADDED,
    entry_to_json,
    format_csv,
    format_image,
    format_listing,
    format_yaml,
    image_to_json,
    select_cells,
)
from imagesync.text import escape_commands, format_json
from tests.ci_logs import HOSTILE, find_commands
from tests.unit.factories import NOW, PROJECT, live, retired, spec

TABLE = choose_columns(None, USUAL)


def test_json_has_the_fields_of_the_service() -> None:
    """Properties are beside fields; members only if they are known."""
    image = live(spec("a", properties={"os": "linux"}), hidden=True, visibility=Visibility.SHARED)
    found = image_to_json(image, {image.id: [MemberState("p2", "pending")]})
    assert (found["id"], found["os_hidden"], found["visibility"], found["os"]) == ("id-a", True, "shared", "linux")
    assert found["members"] == [{"project": "p2", "status": "pending"}]
    assert list(found) == sorted(found)
    assert "members" not in image_to_json(image)


def test_json_of_an_entry_adds_one_field_to_those_of_the_service() -> None:
    """A property of that name does not replace it."""
    image = retired(spec("a", properties={ADDED: "x"}), "r", 2, days=3)
    found = entry_to_json(Entry(image, "mine", (MemberState("m"),), ("min_ram",)))
    assert found[ADDED] == {
        "catalog": "base",
        "key": "a",
        "role": "retired",
        "generation": 2,
        "project": "mine",
        "drift": ["min_ram"],
        "retired_at": "2026-11-20T12:00:00+00:00",
        "source": None,
        "has_copied_record": False,
    }
    rest = {name: value for name, value in found.items() if name != ADDED}
    assert rest == {
        name: value for name, value in image_to_json(image, {image.id: (MemberState("m"),)}).items() if name != ADDED
    }


def test_a_copied_record_is_not_the_record_of_the_image() -> None:
    """A snapshot carries the record of another image."""
    snapshot = replace(live(spec("b")), id="snapshot")
    added = entry_to_json(Entry(snapshot))[ADDED]
    assert isinstance(added, dict)
    assert (added["key"], added["has_copied_record"]) == (None, True)
    text = format_listing([Entry(snapshot)], TABLE, NOW, None)
    assert "(a copy of the record of base/b)" in text
    assert "base/b current" not in text


def test_the_table_has_the_counts_below_it() -> None:
    """And the columns that have no room."""
    entries = [Entry(live(spec("b"))), Entry(LiveImage("f", name="x", owner="p2"), "Two")]
    lines = format_listing(entries, TABLE, NOW, None).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["NAME", "BUILD", "STATUS", "VISIBILITY", "SIZE", "AGE", "PROJECT", "ID"],
        ["b", "base/b", "current", "active", "private", "4.0", "KiB", "22", "days", "ago", PROJECT, "id-b"],
        ["x", "queued", "private", "Two", "f"],
    ]
    assert lines[3:] == ["", "2 images: 1 current, 1 not managed; 4.0 KiB."]
    narrow = format_listing(entries, TABLE, NOW, 40)
    assert "Not shown in 40 columns:" in narrow
    assert all(len(line) <= 40 for line in narrow.splitlines())
    assert format_listing([], TABLE, NOW, 80) == "No images."


def test_drifted_images_are_counted() -> None:
    """An image that was compared and has not drifted is none."""
    entries = [Entry(live(spec("a")), drift=("tags",)), Entry(live(spec("b")), drift=()), Entry(live(spec("c")))]
    text = format_listing(entries, choose_columns("name,drift", ()), NOW, None)
    assert text.splitlines()[1:4] == ["a     1 value", "b", "c"]
    assert text.endswith(" 1 image drifted.")


def test_all_the_fields_of_an_image_are_printed() -> None:
    """Service, properties and record, with what they mean; also a property of the service."""
    image = live(spec("a", properties={"os": "x" * 500}), size=2048, service={"os_glance_x": "y"})
    text = format_image(Entry(image, "mine", (MemberState("m", "accepted"),), ()), NOW, None)
    texts = dict(line.strip().split("  ", 1) for line in text.splitlines() if line.startswith("  "))
    texts = {name: value.strip() for name, value in texts.items()}
    assert set(image_to_json(image)) <= set(texts)
    assert texts["size"] == "2.0 KiB (2048 bytes)"
    assert texts["os"] == "x" * 500
    assert (texts["members"], texts["drift"], texts["age"]) == ("m accepted", "none", "22 days ago")
    assert (texts["key"], texts["role"], texts["project name"]) == ("a", "current", "mine")
    assert "  managed     no\n" in format_image(Entry(LiveImage("x")), NOW, None)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_others_wrote_commands_nothing(text: str) -> None:
    """In the text of a table and of an image, JSON, YAML and CSV; the machine formats keep the value, CSV escapes it."""
    image = LiveImage("x", name=text, owner=text, tags=frozenset({text}), properties={"p": text, f"n{text}": "v"})
    entry = Entry(image, text, (MemberState(text, text),), (text,))
    columns = tuple(COLUMNS.values())
    assert list(find_commands(escape_commands(format_listing([entry], columns, NOW, 80)))) == []
    assert list(find_commands(escape_commands(format_image(entry, NOW, 80)))) == []
    document = entry_to_json(entry)
    written = escape_commands(format_json([document]))
    assert list(find_commands(written)) == []
    assert json.loads(written) == [document]
    written = escape_commands(format_yaml([document]))
    assert list(find_commands(written)) == []
    assert yaml.safe_load(written) == [document]
    assert list(find_commands(format_csv([select_cells(entry, columns)], list(COLUMNS)))) == []


@pytest.mark.parametrize(
    "text", ["null", "yes", "1e3", "0o17", "24.04", "2026-11-27", "~", "", " a", "a: b", "- a", "#", "é"]
)
def test_a_text_in_yaml_stays_a_text(text: str) -> None:
    """For readers of YAML 1.1 and 1.2: what is not plainly a word is in quotes."""
    written = format_yaml({"a": text, text: "b"})
    assert yaml.safe_load(written) == {"a": text, text: "b"}
    assert f"a: {text}\n" not in written


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "＝1+1")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_of_csv_is_no_formula(text: str) -> None:
    """Also after blanks, which spreadsheets ignore; in the values and in the names of columns."""
    entry = Entry(LiveImage("x", name=text, properties={text: "v"}))
    columns = choose_columns("name,size", ())
    written = format_csv([select_cells(entry, columns)], ["name", "size"])
    assert written.startswith('"name","size"\r\n"\'')
    assert format_csv([{text: "v"}], [text]).startswith("\"'")


def test_csv_is_rfc_4180() -> None:
    """CRLF, doubled quotes, one line an image; numbers are bare; no value is an empty cell."""
    rows = [Entry(LiveImage("1", name='a "b", c', size=7, tags=frozenset({"x", "y"}))), Entry(LiveImage("2"))]
    columns = choose_columns("id,name,size,tags,hidden", ())
    written = format_csv([select_cells(entry, columns) for entry in rows], [column.name for column in columns])
    assert written == (
        '"id","name","size","tags","hidden"\r\n"1","a ""b"", c",7,"x y","false"\r\n"2","","","","false"\r\n'
    )
    assert list(csv.reader(io.StringIO(written)))[1] == ["1", 'a "b", c', "7", "x y", "false"]
    plain = choose_columns(None, PLAIN)
    assert len(format_csv([select_cells(entry, plain) for entry in rows], PLAIN).split("\r\n")) == 4
