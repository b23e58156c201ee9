"""Writes: the image as it is read back says what was saved, whatever the service answered."""

from pathlib import Path
from typing import Unpack

import pytest

from imagesync.backends.base import UpdateFields
from imagesync.errors import BackendError, Conflict, Forbidden, Unavailable
from imagesync.execution.writes import MAX_WRITES, Writes, check_status, select_lacking
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage
from tests.unit.execution.helpers import FaultyStore, UpdateFault

ATTRS: UpdateFields = {"name": "new", "hidden": True, "tags": ["t"], "properties": {"a": "1", "b": "2"}}
IMAGE = LiveImage(
    "id", name="n", visibility=Visibility.PUBLIC, tags=frozenset({"x"}), properties={"a": "1", "old": "o"}
)


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(tmp_path / "store")


def active(store: FaultyStore) -> str:
    """The id of an active image that lacks all of ``ATTRS``."""
    image = store.create_image(name="old", disk_format="raw", container_format="bare")
    store.upload(image.id, [b"data"], 4)
    store.calls.clear()
    return image.id


def test_an_update_that_is_saved_costs_one_write_and_one_read(store: FaultyStore) -> None:
    image = Writes(store).update(active(store), ATTRS)
    assert select_lacking(image, ATTRS) == {}
    assert store.calls == ["update", "read"]


@pytest.mark.parametrize("fault", [UpdateFault.LOST, UpdateFault.NOT_RECEIVED])
def test_an_update_that_was_not_saved_is_sent_again(store: FaultyStore, fault: UpdateFault) -> None:
    store.updates = [fault] * (MAX_WRITES - 1)
    assert select_lacking(Writes(store).update(active(store), ATTRS), ATTRS) == {}
    assert store.calls == ["update", "read"] * MAX_WRITES


def test_an_update_whose_answer_is_lost_is_not_sent_again(store: FaultyStore) -> None:
    """The image is read and shows that it was saved."""
    store.updates = [UpdateFault.NO_ANSWER]
    Writes(store).update(active(store), ATTRS)
    assert store.calls == ["update", "read"]


def test_the_last_write_is_read_back_too(store: FaultyStore) -> None:
    """Two lost updates, then one that is saved: done, whether its answer arrives or not."""
    for last in (UpdateFault.NONE, UpdateFault.NO_ANSWER):
        store.updates = [UpdateFault.LOST, UpdateFault.LOST, last]
        assert Writes(store).update(active(store), ATTRS).name == "new"


def test_only_what_is_lacking_is_sent_again(store: FaultyStore) -> None:
    image_id = active(store)
    store.update_image(image_id, name="new", properties={"a": "1"})
    store.sent.clear()
    store.updates = [UpdateFault.LOST]
    Writes(store).update(image_id, ATTRS)
    assert store.sent == [ATTRS, {"hidden": True, "tags": ["t"], "properties": {"b": "2"}}]


def test_what_a_known_image_has_is_not_sent(store: FaultyStore) -> None:
    image_id = active(store)
    known = store.update_image(image_id, hidden=True, tags=["t"], properties={"a": "1"})
    store.sent.clear()
    Writes(store).update(image_id, ATTRS, known=known)
    assert store.sent == [{"name": "new", "properties": {"b": "2"}}]


def test_an_update_that_the_service_never_keeps_is_an_error_that_names_what_is_lacking(store: FaultyStore) -> None:
    store.updates = [UpdateFault.LOST] * MAX_WRITES
    with pytest.raises(BackendError, match="did not keep the update of name, hidden, tags, a, b; run apply again"):
        Writes(store).update(active(store), ATTRS)
    assert store.calls == ["update", "read"] * MAX_WRITES


@pytest.mark.parametrize("place", range(MAX_WRITES))
def test_an_update_that_is_lacking_in_the_end_and_got_no_answer_may_still_arrive(
    store: FaultyStore, place: int
) -> None:
    """Unavailable says so, whichever of the writes got no answer."""
    store.updates = [UpdateFault.LOST] * MAX_WRITES
    store.updates[place] = UpdateFault.NOT_RECEIVED
    with pytest.raises(Unavailable):
        Writes(store).update(active(store), ATTRS)


def test_a_refused_update_is_not_sent_again(store: FaultyStore) -> None:
    store.updates = [UpdateFault.REFUSED]
    with pytest.raises(Forbidden):
        Writes(store).update(active(store), ATTRS)
    assert store.calls == ["update"]


def test_a_failed_read_ends_the_writes(store: FaultyStore) -> None:
    """Nothing is sent again as long as nobody knows what was saved."""
    store.reads = [UpdateFault.NO_ANSWER]
    with pytest.raises(Unavailable, match="read"):
        Writes(store).update(active(store), ATTRS)
    assert store.calls == ["update", "read"]


def test_an_unprotected_image_is_not_read_back(store: FaultyStore) -> None:
    """The deletion that follows shows whether it was saved, also if the answer is lost."""
    image_id = active(store)
    store.update_image(image_id, protected=True)
    store.calls.clear()
    store.updates = [UpdateFault.NO_ANSWER]
    Writes(store).unprotect(image_id)
    assert store.calls == ["update"]
    store.delete_image(image_id)


@pytest.mark.parametrize(
    ("attrs", "lacking"),
    [
        ({}, {}),
        ({"name": "n", "visibility": "public", "tags": ["x"], "properties": {"a": "1", "gone": None}}, {}),
        ({"name": "m", "visibility": "public"}, {"name": "m"}),
        ({"visibility": "private", "min_disk": 0}, {"visibility": "private"}),
        ({"tags": ["x", "y"]}, {"tags": ["x", "y"]}),
        ({"tags": []}, {"tags": []}),
        ({"properties": {"a": "2", "old": None}}, {"properties": {"a": "2", "old": None}}),
    ],
)
def test_what_an_image_lacks(attrs: UpdateFields, lacking: UpdateFields) -> None:
    """Tags are one set; a property that is to be removed is lacking as long as it is there."""
    assert select_lacking(IMAGE, attrs) == lacking


def test_an_update_without_an_answer_that_was_saved_is_done_although_the_repeat_is_refused(tmp_path: Path) -> None:
    """The first PATCH arrives after its read-back; the second one meets what it changed, and is refused."""
    store = LateStore(tmp_path / "store")
    image = Writes(store).update(image_id := active(store), {"min_ram": 7})
    assert image.min_ram == store.images(image_id)[0].min_ram == 7


def test_a_refusal_after_an_update_without_an_answer_that_was_not_saved_is_an_error(tmp_path: Path) -> None:
    """The image does not have what was wanted."""
    store = FaultyStore(tmp_path / "store")
    image_id = active(store)
    store.updates = [UpdateFault.NOT_RECEIVED, UpdateFault.REFUSED]
    with pytest.raises(Forbidden):
        Writes(store).update(image_id, {"min_ram": 7})


class LateStore(FaultyStore):
    """A store in which the first update gets no answer, and is saved only when the second one comes, which is refused."""

    waiting: UpdateFields | None = None

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        if self.waiting is None:
            self.waiting = attrs
            raise Unavailable("no answer")
        super().update_image(image, **self.waiting)
        raise Conflict("the image is busy")


class StatusFaultStore(FaultyStore):
    """A store in which changes of the status fail."""

    lost, answered = True, True

    def deactivate(self, image_id: str) -> None:
        if not self.lost:
            super().deactivate(image_id)
        if not self.answered:
            raise Unavailable("no answer")


@pytest.mark.parametrize("answered", [True, False])
def test_a_status_that_was_changed_is_done_whatever_the_answer(tmp_path: Path, answered: bool) -> None:
    store = StatusFaultStore(tmp_path / "store")
    store.lost, store.answered = False, answered
    Writes(store).change_status(image_id := active(store), Status.DEACTIVATED)
    assert store.images(image_id)[0].status is Status.DEACTIVATED
    Writes(store).change_status(image_id, Status.ACTIVE)
    assert store.images(image_id)[0].status is Status.ACTIVE


@pytest.mark.parametrize(("answered", "message"), [(True, "is active, not deactivated"), (False, "no answer")])
def test_a_status_that_was_not_changed_is_an_error(tmp_path: Path, answered: bool, message: str) -> None:
    store = StatusFaultStore(tmp_path / "store")
    store.answered = answered
    with pytest.raises(BackendError, match=message):
        Writes(store).change_status(active(store), Status.DEACTIVATED)


def test_a_status_is_checked_on_an_image_that_was_read_already() -> None:
    check_status(LiveImage("id", status=Status.ACTIVE), Status.ACTIVE)
    with pytest.raises(BackendError, match="image id is active, not deactivated, after the change; run apply again"):
        check_status(LiveImage("id", status=Status.ACTIVE), Status.DEACTIVATED)
