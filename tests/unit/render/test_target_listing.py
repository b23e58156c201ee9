"""The images of several targets as text, JSON and CSV."""

from imagesync.errors import Diagnostic, ImagesyncError, ManifestError, Unavailable
from imagesync.model.image import Identity, LiveImage
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render.columns import choose_columns
from imagesync.render.target_listing import format_target_csv, format_target_listings, listings_to_json
from tests.unit.factories import NOW

HERE = Identity("store", "/lab", "id", label="lab")


def test_a_target_that_cannot_be_listed_has_no_list_of_images() -> None:
    """An empty list is that of a target without images."""
    image = LiveImage("i1", name="a")
    found: dict[str, PlaceListing | ImagesyncError] = {
        "eu": PlaceListing((Entry(image),), HERE),
        "us": PlaceListing((), HERE),
        "lab": Unavailable("no answer", "try again later"),
    }
    document = listings_to_json("base", found, lambda entry: {"id": entry.image.id})
    assert document["catalog"] == "base"
    eu, us, lab = document["targets"]
    assert eu == {"target": "eu", "problems": [], "images": [{"id": "i1"}]}
    assert us == {"target": "us", "problems": [], "images": []}
    assert (lab["target"], lab["images"]) == ("lab", None)
    (problem,) = lab["problems"]
    assert (problem["message"], problem["hint"]) == ("no answer", "try again later")


EU = Identity("glance", "https://eu.example", "id", "images", label="alice")
TWO: dict[str, PlaceListing | ImagesyncError] = {
    "eu": PlaceListing((Entry(LiveImage("i1", name="a")), Entry(LiveImage("i2", name="=b"))), EU),
    "lost": Unavailable("no answer"),
    "l\x1bab": PlaceListing((), HERE),
    "us": PlaceListing((Entry(LiveImage("i3", name="c")),), HERE),
}
COLUMNS = choose_columns("name,id", ())


def test_each_target_that_was_listed_has_a_heading_and_a_table() -> None:
    """In the order of the manifest; why one could not be listed is elsewhere."""
    assert format_target_listings(TWO, COLUMNS, NOW, None) == (
        "Target eu (cloud alice, project images)\nNAME  ID\na     i1\n=b    i2\n\n2 images: 2 not managed; 0 B.\n\n"
        "Target l\\x1bab (store lab)\nNo images.\n\n"
        "Target us (store lab)\nNAME  ID\nc     i3\n\n1 image: 1 not managed; 0 B."
    )
    assert format_target_listings({"lost": TWO["lost"]}, COLUMNS, NOW, None) == ""
    assert format_target_listings({}, COLUMNS, NOW, None) == ""


def test_headings_and_tables_are_as_wide_as_the_terminal() -> None:
    """Both are wrapped, the heading with an indent."""
    lines = format_target_listings(TWO, COLUMNS, NOW, 24).splitlines()
    assert lines[:3] == ["Target eu (cloud alice,", "  project images)", "NAME  ID"]
    assert max(map(len, lines)) <= 24


def test_the_csv_of_several_targets_begins_with_their_names() -> None:
    """One heading for all, and a line for each image of each target that was listed; a name is not a formula, either."""
    assert format_target_csv(TWO, COLUMNS) == (
        '"target","name","id"\r\n"eu","a","i1"\r\n"eu","\'=b","i2"\r\n"us","c","i3"\r\n'
    )
    assert format_target_csv({"=x": TWO["us"]}, COLUMNS).splitlines()[1] == '"\'=x","c","i3"'
    assert format_target_csv({}, COLUMNS) == '"target","name","id"\r\n'


def test_the_json_has_every_problem_and_every_image_of_a_target() -> None:
    """In their order."""
    failed = ManifestError([Diagnostic("a.yaml", 3, 5, "images.a", "x", "y"), Diagnostic("b.yaml", 1, 1, "", "z")])
    eu, lost = listings_to_json("base", {"eu": TWO["eu"], "lost": failed}, lambda entry: {"id": entry.image.id})[
        "targets"
    ]
    assert eu == {"target": "eu", "problems": [], "images": [{"id": "i1"}, {"id": "i2"}]}
    assert [(one["file"], one["line"], one["message"]) for one in lost["problems"]] == [
        ("a.yaml", 3, "x"),
        ("b.yaml", 1, "z"),
    ]
