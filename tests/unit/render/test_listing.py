"""Images as JSON in the service's names, and as a table."""

from dataclasses import replace

from imagesync.model.catalog import Visibility
from imagesync.model.image import MemberState
from imagesync.render.listing import format_listing, image_to_json
from tests.unit.factories import PROJECT, live, spec


def test_json_has_the_fields_of_the_service() -> None:
    """Properties are beside fields; members only if they are known."""
    image = live(spec("a", properties={"os": "linux"}), hidden=True, visibility=Visibility.SHARED)
    found = image_to_json(image, {image.id: [MemberState("p2", "pending")]})
    assert (found["id"], found["os_hidden"], found["visibility"], found["os"]) == ("id-a", True, "shared", "linux")
    assert found["members"] == [{"project": "p2", "status": "pending"}]
    assert list(found) == sorted(found)
    assert "members" not in image_to_json(image)


def test_the_table_is_sorted_by_name_and_says_whose_an_image_is() -> None:
    """A column is as wide as its widest cell."""
    owned, foreign = live(spec("b")), live(spec("a"), properties={}, hidden=True, size=None)
    lines = [line.split() for line in format_listing([owned, foreign]).splitlines()]
    assert lines == [
        ["ID", "NAME", "STATUS", "VISIBILITY", "SIZE", "CATALOG/KEY", "OWNER"],
        ["id-a", "a", "active", "hidden", "private", PROJECT],
        ["id-b", "b", "active", "private", "4.0", "KiB", "base/b", "current", PROJECT],
    ]


def test_what_others_wrote_cannot_move_the_cursor_of_a_listing() -> None:
    """Names, owners and members."""
    image = live(spec("a"), name="x\x1b[2J", owner="\u202ep")
    output = format_listing([image], {image.id: [MemberState("m\x07", "accepted")]})
    assert all(line.isprintable() for line in output.splitlines())
    assert "x\\x1b[2J" in output
    assert "m\\x07 accepted" in output


def test_a_snapshot_is_not_listed_as_an_image_of_the_catalog() -> None:
    """It carries the record of another image."""
    snapshot = replace(live(spec("b")), id="snapshot")
    assert "(a copy of the record of base/b)" in format_listing([snapshot])
    assert "base/b current" not in format_listing([snapshot])
