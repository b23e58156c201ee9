"""Two states of one image -> field changes."""

from imagesync.model.plan import FieldChange, ImageState, Reason
from imagesync.planning.diff import compare


def paths(before: ImageState, after: ImageState) -> list[tuple[tuple[str, ...], object, object]]:
    """Path, before and after of each change."""
    return [(one.path, one.before, one.after) for one in compare(before, after, lambda _: Reason.DRIFT)]


def test_equal_states_have_no_changes() -> None:
    """Whatever the order of names."""
    before = ImageState({"name": "a", "min_ram": 1}, {"p": "1"}, ("t",), ("m",))
    assert paths(before, ImageState({"min_ram": 1, "name": "a"}, {"p": "1"}, ("t",), ("m",))) == []


def test_a_name_that_one_side_lacks_changes_from_or_to_none() -> None:
    """In the order of paths; dots in a property's name stay in it."""
    before = ImageState({"min_ram": 1}, {"a.b": "1"})
    after = ImageState({"name": "x"}, {"c": "2"})
    assert paths(before, after) == [
        (("min_ram",), 1, None),
        (("name",), None, "x"),
        (("properties", "a.b"), "1", None),
        (("properties", "c"), None, "2"),
    ]


def test_tags_and_members_change_as_whole_sets() -> None:
    """One change each, whatever the number of items."""
    before, after = ImageState(tags=("a", "b"), members=("m",)), ImageState(tags=("b", "c", "d"))
    assert paths(before, after) == [(("members",), ("m",), ()), (("tags",), ("a", "b"), ("b", "c", "d"))]


def test_a_number_is_no_truth_value() -> None:
    """1 and True, 0 and False are equal for Python, which must not hide a change of the other values."""
    assert paths(ImageState({"min_ram": 0, "hidden": False}), ImageState({"min_ram": 1, "hidden": True})) == [
        (("hidden",), False, True),
        (("min_ram",), 0, 1),
    ]


def test_the_reason_is_asked_for_each_path() -> None:
    """By the path that the change has."""
    made = compare(
        ImageState({"name": "a"}, {"p": "1"}),
        ImageState({"name": "b"}, {"p": "2"}),
        lambda path: Reason.DRIFT if path == ("properties", "p") else Reason.EXPIRED,
    )
    assert made == (
        FieldChange(("name",), "a", "b", Reason.EXPIRED),
        FieldChange(("properties", "p"), "1", "2", Reason.DRIFT),
    )
