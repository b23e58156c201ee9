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
