"""``imagesync.render.targets``: names and places are text of a manifest."""

from imagesync.model.catalog import Target
from imagesync.model.listing import TargetList
from imagesync.render.targets import format_targets, targets_to_json


def test_texts_are_printable() -> None:
    """The JSON has the names as they are."""
    odd = "x\x1b[2J\u202e##y"
    found = TargetList(odd, ((Target(odd, cloud=odd), 1), (Target("b", store=odd), 2)), default="b")
    text = format_targets(found, "/x")
    assert text.replace("\n", "").isprintable()
    assert "##" not in text
    assert targets_to_json(found)["targets"][0]["name"] == odd


def test_one_target_is_one_target() -> None:
    """The heading counts."""
    assert (
        format_targets(TargetList("a", ((Target("b", cloud="c"), 0),)), "/x").splitlines()[0] == "Catalog a: 1 target"
    )


def test_a_store_below_the_folder_is_shown_without_it() -> None:
    """The JSON has the whole path."""
    found = TargetList("a", ((Target("b", store="/x/y/z"), 1), (Target("c", store="/xy"), 1)))
    assert [line.split()[2] for line in format_targets(found, "/x").splitlines()[3:]] == ["y/z", "/xy"]
    assert targets_to_json(found)["targets"][0]["store"] == "/x/y/z"


def test_the_whole_table_and_its_json() -> None:
    """In the order of the manifest; numbers are aligned to the right, and one target is the default."""
    targets = (
        (Target("lab", store="/srv/lab"), 0),
        (Target("eu-central", cloud="alice"), 1200),
        (Target("us", cloud="bob"), 7),
    )
    found = TargetList("base", targets, default="eu-central")
    assert format_targets(found, "/srv").splitlines() == [
        "Catalog base: 3 targets",
        "",
        "TARGET      PLACE        IMAGES",
        "lab         store lab         0",
        "eu-central  cloud alice    1200  default",
        "us          cloud bob         7",
    ]
    assert targets_to_json(found) == {
        "catalog": "base",
        "default": "eu-central",
        "targets": [
            {"name": "lab", "cloud": None, "store": "/srv/lab", "images": 0},
            {"name": "eu-central", "cloud": "alice", "store": None, "images": 1200},
            {"name": "us", "cloud": "bob", "store": None, "images": 7},
        ],
    }


def test_a_narrow_terminal_wraps_only_the_places() -> None:
    """No name is cut."""
    found = TargetList("base", ((Target("lab", store="/a place with many words"), 3),))
    lines = format_targets(found, "/x", 30).splitlines()
    assert max(map(len, lines)) <= 30
    assert lines[3].split()[:1] == ["lab"]
    assert " ".join(line[5:22].strip() for line in lines[3:]) == "store /a place with many words"


def test_a_catalog_without_targets_is_a_sentence() -> None:
    """It says how to name a place; the JSON has an empty list and no default."""
    found = TargetList("b\x1b", ())
    assert format_targets(found, "/x") == "Catalog b\\x1b has no targets; name a place with --cloud or --store."
    assert targets_to_json(found) == {"catalog": "b\x1b", "default": None, "targets": []}
