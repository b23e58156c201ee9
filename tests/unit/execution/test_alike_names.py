"""What HTTP 500 means for an update that changes a name into an alike one, on a store with the rules of MariaDB."""

from pathlib import Path
from typing import Unpack

import pytest

from imagesync.backends.base import UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import BackendError, Unavailable
from imagesync.execution.alike_names import explain_failure
from imagesync.execution.writes import Writes
from imagesync.model.alike import drop_alike_tags, explain_alike_properties, explain_alike_tags
from imagesync.model.image import LiveImage
from imagesync.model.record import PREFIX

FAULT = Unavailable("PATCH /images/id: HTTP 500: no reason given", "try again later", status=500)


class LikeMariaDb(Local):
    """Answers 500 as Glance does on MariaDB, and then saves nothing, or everything except the tags."""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        (live,) = self.images(image if isinstance(image, str) else image.id)
        written = [name for name, value in attrs.get("properties", {}).items() if value is not None]
        if any(explain_alike_properties(live.properties, written)):
            raise FAULT
        leaving = live.tags - set(attrs.get("tags", live.tags))
        alike_to_new = leaving and drop_alike_tags(live.tags, attrs["tags"]) != tuple(sorted(attrs["tags"]))
        if alike_to_new or (leaving and any(explain_alike_tags(live.tags))):
            without_tags = UpdateFields(**{name: value for name, value in attrs.items() if name != "tags"})  # type: ignore[typeddict-item]
            super().update_image(live, **without_tags)
            raise FAULT
        return super().update_image(image, **attrs)


@pytest.fixture
def store(tmp_path: Path) -> LikeMariaDb:
    return LikeMariaDb(Store(tmp_path / "store"), "like MariaDB")


def test_an_alike_property_is_explained_in_one_line(store: LikeMariaDb) -> None:
    """Both names, the reason and what to do; only the guard of the image changes."""
    image = store.create_image(name="n", properties={"Foo": "1"})
    with pytest.raises(BackendError) as caught:
        Writes(store).update(image, {"properties": {"Foo": None, "foo": "1"}})
    assert str(caught.value) == (
        f"image {image.id}: property 'foo' differs from 'Foo', which the image has, only in case, accents or trailing "
        "spaces; a service on MariaDB or MySQL rejects this update (HTTP 500); keep 'Foo', choose another name, or make the "
        "change together with a new build"
    )
    properties = store.images(image.id)[0].properties
    assert {name for name in properties if not name.startswith(PREFIX)} == {"Foo"}


def test_a_tag_changes_its_case_in_two_requests(store: LikeMariaDb) -> None:
    """The other changes of the update are saved too."""
    image = store.create_image(name="n", tags=["A", "x"])
    changed = Writes(store).update(image, {"name": "m", "tags": ["a", "x", "y"]})
    assert changed.name == "m"
    assert changed.tags == {"a", "x", "y"}


def test_two_alike_tags_that_cannot_be_removed_are_explained_in_one_line(store: LikeMariaDb) -> None:
    """Both tags, the reason and what to do."""
    image = store.create_image(name="n", tags=["A", "a"])
    with pytest.raises(BackendError, match=f"image {image.id}: tags 'A' and 'a' differ only in case.*; leave both"):
        Writes(store).update(image, {"tags": ["A"]})


@pytest.mark.parametrize(
    ("attrs", "error", "hint"),
    [
        ({"name": "m"}, FAULT, "try again later"),
        ({"properties": {"gone": None, "imagesync_key": "a"}}, FAULT, "try again later"),
        ({"properties": {"foo": "1"}}, Unavailable("no answer", "later"), "later"),
        ({"properties": {"foo": "1"}}, Unavailable("HTTP 503", "later", status=503), "later"),
    ],
)
def test_any_other_failure_is_not_changed(attrs: UpdateFields, error: Unavailable, hint: str) -> None:
    """Alike names do not explain it."""
    image = LiveImage("id", properties={"Foo": "1", "gone": "1"})
    assert explain_failure(image, attrs, error) is error
    assert error.hint == hint


def test_a_name_that_the_image_may_once_have_had_is_mentioned() -> None:
    """MariaDB keeps the row of a removed property, and no request shows it."""
    found = explain_failure(LiveImage("id"), {"properties": {"foo": "1"}}, FAULT)
    assert isinstance(found, Unavailable)
    assert str(found) == (
        "PATCH /images/id: HTTP 500: no reason given; try again later; if it repeats, the image may once have had 'foo' "
        "with other case, accents or trailing spaces, and MariaDB and MySQL keep removed names: choose another name, or "
        "make a new build"
    )


def test_what_is_not_sent_explains_no_failure() -> None:
    """Alike tags that the update leaves as they are; and a new error keeps the status of the answer."""
    image = LiveImage("id", tags=frozenset({"A", "a"}))
    assert explain_failure(image, {"name": "m"}, FAULT) is FAULT
    found = explain_failure(image, {"properties": {"foo": "1"}}, FAULT)
    assert isinstance(found, Unavailable)
    assert found.status == 500
    assert "'foo' with other case" in found.hint
    assert str(explain_failure(image, {"tags": ("A",)}, FAULT)).startswith("image id: tags 'A' and 'a' differ")
