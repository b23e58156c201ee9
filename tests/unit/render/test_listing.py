"""Images as JSON in the service's names, as a table, as one image's fields, as YAML and as CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest
import yaml

from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.listing import Entry
from imagesync.model.record import read as read_record
from imagesync.render.columns import COLUMNS, PLAIN, USUAL, Cell, choose_columns
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
from tests.unit.factories import NOW, PROJECT, candidate, live, retired, rewrite, spec

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


FULL = LiveImage(
    "i",
    name="n",
    status=Status.ACTIVE,
    visibility=Visibility.SHARED,
    owner="o",
    disk_format="raw",
    container_format="bare",
    min_disk=1,
    min_ram=2,
    protected=True,
    hidden=True,
    tags=frozenset({"b", "a"}),
    properties={"p": "1", "checksum": "other", "os_glance_x": "other", "kernel_id": "k"},
    size=3,
    virtual_size=4,
    checksum="c",
    os_hash_algo="sha512",
    os_hash_value="v",
    created_at="2026-11-01T00:00:00Z",
    updated_at="2026-11-02T00:00:00Z",
    file="/f",
    schema="/s",
    self="/i",
    direct_url="rbd://x",
    locations='[{"url": "u"}]',
    stores=("s1", "s2"),
    service={"os_glance_x": "y"},
    nulls=frozenset({"kernel_id", "ramdisk_id", "size"}),
)


def test_each_field_of_an_image_has_the_name_and_the_form_of_the_service() -> None:
    """A property does not replace a field; a null of the service does not replace a value."""
    members = {"i": [MemberState("p1", "accepted"), MemberState("p2", "pending")], "j": [MemberState("p3", "pending")]}
    assert image_to_json(FULL, members) == {
        "checksum": "c",
        "container_format": "bare",
        "created_at": "2026-11-01T00:00:00Z",
        "direct_url": "rbd://x",
        "disk_format": "raw",
        "file": "/f",
        "id": "i",
        "kernel_id": "k",
        "locations": [{"url": "u"}],
        "members": [{"project": "p1", "status": "accepted"}, {"project": "p2", "status": "pending"}],
        "min_disk": 1,
        "min_ram": 2,
        "name": "n",
        "os_glance_x": "y",
        "os_hash_algo": "sha512",
        "os_hash_value": "v",
        "os_hidden": True,
        "owner": "o",
        "p": "1",
        "protected": True,
        "ramdisk_id": None,
        "schema": "/s",
        "self": "/i",
        "size": 3,
        "status": "active",
        "stores": "s1,s2",
        "tags": ["a", "b"],
        "updated_at": "2026-11-02T00:00:00Z",
        "virtual_size": 4,
        "visibility": "shared",
    }


def test_a_field_without_a_value_is_null_only_if_the_service_says_so() -> None:
    """Sizes of 0 are values, unless the service returned null."""
    bare = {"id": "i", "os_hidden": False, "protected": False, "status": "queued", "tags": [], "visibility": "private"}
    assert image_to_json(LiveImage("i")) == {**bare, "min_disk": 0, "min_ram": 0}
    nulls = ("owner", "min_disk", "size", "kernel_id", "created_at", "stores")
    assert image_to_json(LiveImage("i", nulls=frozenset(nulls))) == {**bare, "min_ram": 0, **dict.fromkeys(nulls)}
    assert image_to_json(LiveImage("i", size=0, min_disk=0))["size"] == 0


def test_what_imagesync_adds_for_an_image_without_a_record() -> None:
    """Nothing is known; compared without drift is another value than not compared."""
    unknown = ("catalog", "key", "role", "generation", "retired_at", "source", "project")
    for drift, written in ((None, None), ((), []), (("name", "tags"), ["name", "tags"])):
        found = entry_to_json(Entry(LiveImage("i"), drift=drift))
        assert found[ADDED] == {**dict.fromkeys(unknown), "has_copied_record": False, "drift": written}
        assert "members" not in found
    assert entry_to_json(Entry(LiveImage("i"), members=()))["members"] == []


def test_the_source_of_a_build_is_in_its_json() -> None:
    """As its record has it."""
    record = read_record(live(spec("a")))
    assert record is not None
    image = rewrite(live(spec("a")), managed=replace(record.managed, origin="https://m.example/a.img"))
    added = entry_to_json(Entry(image))[ADDED]
    assert isinstance(added, dict)
    assert (added["source"], added["generation"], added["retired_at"]) == ("https://m.example/a.img", 1, None)


def make_every_standing() -> list[Entry]:
    """An entry or two of each standing, not in their order; three drifted."""
    images = [
        live(spec("z"), role=Role.DELETING),
        LiveImage("f"),
        live(spec("a")),
        live(spec("b"), size=2**20),
        retired(spec("b"), "r"),
        retired(spec("b"), "r2"),
        candidate(spec("c")),
        replace(live(spec("b")), id="snap"),
        LiveImage("f2", size=7),
    ]
    return [Entry(image, drift=("name",) if at in (2, 3, 4) else None) for at, image in enumerate(images)]


def test_the_last_line_counts_images_by_what_they_are() -> None:
    """In the order of a listing, with the bytes of all, and those that drifted."""
    text = format_listing(make_every_standing(), choose_columns("id", ()), NOW, None)
    assert text.splitlines() == [
        *("ID", "id-z", "f", "id-a", "id-b", "r", "r2", "cand", "snap", "f2"),
        "",
        "9 images: 2 current, 1 candidate, 2 retired, 1 to delete, 1 with a copied record, 2 not managed; 1.0 MiB. "
        "3 images drifted.",
    ]


def test_a_narrow_table_says_what_it_leaves_out() -> None:
    """In the order of the columns, and how to see it; both sentences are wrapped."""
    lines = format_listing(make_every_standing(), TABLE, NOW, 40).splitlines()
    assert lines[lines.index("") + 1 :] == [
        "9 images: 2 current, 1 candidate, 2",
        "  retired, 1 to delete, 1 with a copied",
        "  record, 2 not managed; 1.0 MiB. 3",
        "  images drifted.",
        "Not shown in 40 columns: status,",
        "  visibility, size, age, project. Choose",
        "  columns with --columns.",
    ]


def read_values(text: str) -> list[str]:
    """The lines of a text with one space between words, without the digests of a record."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if not line.startswith(("imagesync_digest", "imagesync_spec", "imagesync_managed"))]


def test_the_whole_text_about_an_image() -> None:
    """First what identifies it, then what its record means, then the other fields; each part below its title."""
    image = retired(spec("a", properties={"os": "linux", "hw": "2"}, tags=frozenset("ba")), "r", 2, days=3)
    members = (MemberState("p1", "accepted"), MemberState("p2", "pending"))
    entry = Entry(replace(image, service={"os_glance_x": "y"}), "Mine", members, ("name", "tags"))
    assert read_values(format_image(entry, NOW, None)) == [
        *("name a", "id r", "status active", "visibility private", "owner project-1", "size 4.0 KiB (4096 bytes)"),
        *("project name Mine", "catalog base", "key a", "role retired", "generation 2", "age 22 days ago"),
        *("drift name, tags", "members p1 accepted, p2 pending", "container_format bare"),
        *("created_at 2026-11-01T00:00:00Z", "disk_format raw", "min_disk 0", "min_ram 0", "os_hidden true"),
        *("protected false", "tags a, b", "", "Properties:", "os linux", "hw 2", "", "Properties of the service:"),
        *("os_glance_x y", "", "Record of imagesync:", "imagesync_id r", "imagesync_catalog base", "imagesync_key a"),
        *("imagesync_role retired", "imagesync_rev_1 an-earlier-run"),
    ]


def test_the_text_about_an_image_with_the_record_of_another() -> None:
    """It says whose record that is. An image without anything has few lines, and no empty parts."""
    image = replace(live(spec("b")), id="snap", created_at="", locations='[{"url": "é"}]', virtual_size=1024)
    assert read_values(format_image(Entry(image, members=(), drift=None), NOW, None))[:17] == [
        *("name b", "id snap", "status active", "visibility private", "owner project-1", "size 4.0 KiB (4096 bytes)"),
        *("managed no: it carries a copy of the record of base/b", "members none", "container_format bare"),
        *("disk_format raw", 'locations [{"url": "é"}]', "min_disk 0", "min_ram 0", "os_hidden false"),
        *("protected false", "tags (none)", "virtual_size 1.0 KiB (1024 bytes)"),
    ]
    assert format_image(Entry(LiveImage("x", size=1023)), NOW, None).splitlines() == [
        "  name        (none)",
        "  id          x",
        "  status      queued",
        "  visibility  private",
        "  owner       (none)",
        "  size        1023 bytes",
        "  managed     no",
        "  min_disk    0",
        "  min_ram     0",
        "  os_hidden   false",
        "  protected   false",
        "  tags        (none)",
    ]


def test_a_long_name_of_a_property_moves_only_its_own_value() -> None:
    """A value that is too long for its line continues below, with an indent."""
    image = LiveImage("x", properties={"p" * 40: "v", "q": "word " * 12})
    lines = format_image(Entry(image), NOW, 60).splitlines()
    assert f"  {'name':<32}  (none)" in lines
    assert f"  {'p' * 40}  v" in lines
    assert lines[-2].startswith(f"  {'q':<32}  word word")
    assert lines[-1].startswith("      word word")
    assert max(map(len, lines)) <= 60


def test_each_kind_of_cell_in_csv() -> None:
    """Switches as words, numbers bare, also 0, lists with spaces; nothing is an empty text."""
    row: dict[str, Cell] = {
        "a": True,
        "b": False,
        "c": 0,
        "d": -1,
        "e": None,
        "f": ["x", "y"],
        "g": [],
        "h": "",
        "i": "1",
    }
    assert format_csv([row, {**row, "a": "-1"}], list(row)) == (
        '"a","b","c","d","e","f","g","h","i"\r\n"true","false",0,-1,"","x y","","","1"\r\n'
        '"\'-1","false",0,-1,"","x y","","","1"\r\n'
    )
    assert format_csv([row], ["c", "a"]) == '"c","a"\r\n0,"true"\r\n'
    assert format_csv([{"a": "x\x1b"}], ["a"]).splitlines()[1] == '"x\\x1b"'


def test_yaml_is_in_the_order_of_the_json_and_on_one_line_a_value() -> None:
    """Texts that are plainly words have no quotes; all others do, with escapes."""
    document = {"b": ["x y", "é", "1"], "a": {"long": "word " * 100 + "end", "n": 1, "none": None, "no": False}}
    assert format_yaml(document) == (
        f'b:\n- x y\n- "\\xE9"\n- "1"\na:\n  long: {"word " * 100}end\n  n: 1\n  none: null\n  \'no\': false\n'
    )


def test_a_cell_that_begins_with_a_tab_is_no_formula() -> None:
    """Nor one that begins with a line end; some spreadsheets drop both."""
    for text in ("\tx", "\rx"):
        assert format_csv([{"a": text}], ["a"]).splitlines()[1].startswith("\"'")
    assert format_csv([{"a": "x=1"}], ["a"]).splitlines()[1] == '"x=1"'


def test_no_value_of_an_image_commands_a_terminal() -> None:
    """Names and values of properties, and the name of the project."""
    odd = "a\x1b[2J\u202eb"
    image = LiveImage("x", name=odd, tags=frozenset({odd}), properties={odd: odd}, service={"os_glance_x": odd})
    text = format_image(Entry(image, odd, (MemberState(odd, odd),), (odd,)), NOW, None)
    assert text.replace("\n", "").isprintable()
    assert text.count("a\\x1b[2J\\u202eb") == 9
