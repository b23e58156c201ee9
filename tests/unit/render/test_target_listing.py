"""The images of several targets as JSON."""

from imagesync.errors import ImagesyncError, Unavailable
from imagesync.model.image import Identity, LiveImage
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render.target_listing import listings_to_json

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
