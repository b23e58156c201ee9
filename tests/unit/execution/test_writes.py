"""Writes: every PATCH moves the guard, and only a read of the image shows what was saved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import pytest

from imagesync.backends.base import UpdateFields
from imagesync.errors import BackendError, Conflict, Forbidden, LeaseLost, Unavailable
from imagesync.execution import writes as limits
from imagesync.execution.changes import find_altered, find_changes, find_unmet
from imagesync.execution.writes import MAX_WRITES, Writes, check_status, select_lacking
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reliance
from imagesync.model.record import read_revisions
from tests.unit.execution.helpers import FaultyStore, UpdateFault

ATTRS: UpdateFields = {"name": "new", "hidden": True, "tags": ["t"], "properties": {"a": "1", "b": "2"}}
IMAGE = LiveImage(
    "id", name="n", visibility=Visibility.PUBLIC, tags=frozenset({"x"}), properties={"a": "1", "old": "o"}
)
GUARD = "imagesync_rev_7"


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(tmp_path / "store")


def active(store: FaultyStore, **properties: str) -> LiveImage:
    """An active image that has none of ``ATTRS``, with a guard and a marker."""
    marks = {GUARD: "earlier", "imagesync_catalog": "base", **properties}
    image = store.create_image(name="old", disk_format="raw", container_format="bare", properties=marks)
    marked = change_by_hand(store, image.id, {"imagesync_id": image.id})
    store.upload(image.id, [b"data"], 4)
    store.calls.clear()
    store.sent.clear()
    return replace(marked, status=Status.ACTIVE)


def change_by_hand(store: FaultyStore, image_id: str, properties: dict[str, str | None]) -> LiveImage:
    """A change by another user, without guard and fault."""
    return super(FaultyStore, store).update_image(image_id, properties=properties)


def stored(store: FaultyStore, image: LiveImage) -> LiveImage:
    """The image as it is now, without a fault."""
    return super(FaultyStore, store).images(image.id)[0]


def guards(image: LiveImage) -> list[tuple[int, str]]:
    """Number and nonce of each guard."""
    return [(revision.number, revision.nonce) for revision in read_revisions(image)]


def test_an_update_costs_one_request_and_moves_the_guard(store: FaultyStore) -> None:
    image = active(store)
    made = Writes(store, nonce="mine").update(image, ATTRS)
    assert select_lacking(made, ATTRS) == {}
    assert guards(stored(store, image)) == [(8, "mine")]
    assert store.calls == ["update"]


def test_an_update_without_differences_writes_nothing(store: FaultyStore) -> None:
    image = active(store)
    assert Writes(store).update(image, {"name": "old", "properties": {"imagesync_catalog": "base"}}) == image
    assert store.calls == []


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({GUARD: None, "imagesync_rev_8": "another run"}, "another run wrote to it"),
        ({GUARD: None}, "another run wrote to it"),
        ({"imagesync_catalog": None}, "it lost its marker: imagesync_catalog removed"),
        ({"imagesync_id": None}, "it lost its marker: imagesync_id removed"),
    ],
    ids=["another run wrote", "no guard", "disowned", "unbound"],
)
def test_an_update_after_a_write_of_another_run_saves_nothing(
    store: FaultyStore, change: dict[str, str | None], texts: str
) -> None:
    """Between the read and the PATCH another run wrote, or a user removed the marker: the service refuses the whole
    update."""
    image = active(store)
    changed = change_by_hand(store, image.id, change)
    with pytest.raises(
        Conflict, match=f"another user or run changed image .*: {texts}; this run's change was not made"
    ):
        Writes(store).update(image, ATTRS)
    assert stored(store, image) == changed
    assert store.calls == ["update", "read"]


def test_an_update_that_arrives_late_is_refused(store: FaultyStore) -> None:
    """Two runs read the same guard: whichever PATCH arrives second saves nothing."""
    image = active(store)
    Writes(store, nonce="first").update(image, {"name": "first"})
    with pytest.raises(Conflict):
        Writes(store, nonce="second").update(image, {"name": "second"})
    assert (stored(store, image).name, guards(stored(store, image))) == ("first", [(8, "first")])


def test_several_guards_become_one(store: FaultyStore) -> None:
    """Overlapping writes inside a service left two."""
    image = active(store, imagesync_rev_9="another")
    Writes(store, nonce="mine").update(image, ATTRS)
    assert guards(stored(store, image)) == [(10, "mine")]


class Overlapped(FaultyStore):
    """A service in which the update of another run is saved together with each update of this run."""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        changed = super().update_image(image, **attrs)
        return change_by_hand(self, changed.id, {"imagesync_rev_9": "another"})


def test_a_second_guard_of_another_run_is_a_conflict(tmp_path: Path) -> None:
    """Both updates were saved, and the values may be of either run."""
    store = Overlapped(tmp_path / "store")
    image = active(store)
    with pytest.raises(Conflict, match="another run wrote to it"):
        Writes(store, nonce="mine").update(image, ATTRS)


def test_an_image_without_a_guard_is_claimed_first(store: FaultyStore) -> None:
    """If two runs do so at once, the second one is refused."""
    image = replace(stored(store, active(store)))
    bare = change_by_hand(store, image.id, {GUARD: None, "imagesync_catalog": None, "imagesync_id": None})
    Writes(store, nonce="mine").update(bare, ATTRS)
    assert guards(stored(store, image)) == [(2, "mine")]
    with pytest.raises(Conflict):
        Writes(store, nonce="other").update(bare, {"name": "other"})
    assert stored(store, image).name == "new"


@pytest.mark.parametrize("fault", [UpdateFault.LOST, UpdateFault.NOT_RECEIVED])
def test_an_update_that_was_not_saved_is_sent_again(store: FaultyStore, fault: UpdateFault) -> None:
    store.updates = [fault] * (MAX_WRITES - 1)
    image = active(store)
    assert select_lacking(Writes(store, nonce="mine").update(image, ATTRS), ATTRS) == {}
    assert store.calls.count("update") == MAX_WRITES
    assert guards(stored(store, image)) == [(7 + MAX_WRITES, "mine")]


def test_an_update_whose_answer_is_lost_is_not_sent_again(store: FaultyStore) -> None:
    """A read of the image shows that it was saved."""
    store.updates = [UpdateFault.NO_ANSWER]
    Writes(store).update(active(store), ATTRS)
    assert store.calls == ["update", "read"]


def test_after_lost_updates_the_last_one_is_read_back_too(store: FaultyStore) -> None:
    """Two lost updates, then one that is saved: done, whether its answer arrives or not."""
    for last in (UpdateFault.NONE, UpdateFault.NO_ANSWER):
        image = active(store)
        store.updates = [UpdateFault.LOST, UpdateFault.LOST, last]
        assert Writes(store).update(image, ATTRS).name == "new"


def test_values_that_an_image_already_has_are_not_sent(store: FaultyStore) -> None:
    """Only the marker, which the update requires, and the guard are."""
    image = active(store)
    known = super(FaultyStore, store).update_image(image.id, hidden=True, tags=["t"], properties={"a": "1"})
    Writes(store, nonce="mine").update(known, ATTRS)
    marks = {"imagesync_catalog": "base", "imagesync_id": image.id}
    properties = {"b": "2", **marks, GUARD: None, "imagesync_rev_8": "mine"}
    required = [GUARD, "imagesync_catalog", "imagesync_id"]
    assert store.sent == [{"name": "new", "properties": properties, "required": required}]


def test_an_update_that_the_service_never_keeps_is_an_error_that_names_the_fields(store: FaultyStore) -> None:
    image = active(store)
    store.updates = [UpdateFault.LOST] * MAX_WRITES
    with pytest.raises(BackendError, match="did not keep the update of name, hidden, tags, a, b; run apply again"):
        Writes(store).update(image, ATTRS)
    assert store.calls.count("update") == MAX_WRITES


@pytest.mark.parametrize("place", range(MAX_WRITES))
def test_an_unsaved_update_without_an_answer_may_still_arrive(store: FaultyStore, place: int) -> None:
    """The error is Unavailable, whichever of the writes got no answer."""
    image = active(store)
    store.updates = [UpdateFault.LOST] * MAX_WRITES
    store.updates[place] = UpdateFault.NOT_RECEIVED
    with pytest.raises(Unavailable):
        Writes(store).update(image, ATTRS)


@pytest.mark.parametrize("length", [65_535, 65_536])
def test_a_value_that_the_database_cannot_hold_is_not_sent(store: FaultyStore, length: int) -> None:
    """The database may cut it; the limit is in bytes."""
    image, value = active(store), "ä" * (length // 2) + "x" * (length % 2)
    before = len(store.sent)
    if length <= 65_535:
        assert Writes(store).update(image, {"properties": {"long": value}}).properties["long"] == value
        return
    with pytest.raises(
        BackendError, match=r"property long would have 65536 bytes; the limit is 65535; nothing was written"
    ):
        Writes(store).update(image, {"properties": {"long": value}})
    assert len(store.sent) == before


def test_a_refused_update_is_not_sent_again(store: FaultyStore) -> None:
    image = active(store)
    store.updates = [UpdateFault.REFUSED]
    with pytest.raises(Forbidden):
        Writes(store).update(image, ATTRS)
    assert store.calls == ["update"]


def test_a_failed_read_ends_the_writes(store: FaultyStore) -> None:
    """Nothing is sent again while it is unknown what was saved."""
    image = active(store)
    store.updates, store.reads = [UpdateFault.NO_ANSWER], [UpdateFault.NO_ANSWER]
    with pytest.raises(Unavailable, match="read"):
        Writes(store).update(image, ATTRS)
    assert store.calls == ["update", "read"]


def test_a_run_without_its_lease_writes_nothing(store: FaultyStore) -> None:
    """Not even the retry of a write."""

    def lose() -> None:
        raise LeaseLost("the lease is lost")

    image = active(store)
    writes = Writes(store, check_lease=lose)
    with pytest.raises(LeaseLost):
        writes.update(image, ATTRS)
    with pytest.raises(LeaseLost):
        writes.change_status(image.id, Status.DEACTIVATED)
    with pytest.raises(LeaseLost):
        writes.renew(image)
    with pytest.raises(LeaseLost):
        writes.change_members(image.id, {"p1"}, {"p2"})
    with pytest.raises(LeaseLost):
        writes.disown(image)
    assert "update" not in store.calls
    assert stored(store, image).status is Status.ACTIVE


def test_a_released_image_keeps_all_other_properties(store: FaultyStore) -> None:
    for fault in (UpdateFault.NONE, UpdateFault.NO_ANSWER, UpdateFault.NOT_RECEIVED):
        image = active(store, theirs="1")
        store.updates = [fault]
        Writes(store).disown(image)
        assert stored(store, image).properties == {"theirs": "1"}


def test_an_image_that_another_run_wrote_to_is_not_released(store: FaultyStore) -> None:
    image = active(store)
    changed = change_by_hand(store, image.id, {GUARD: None, "imagesync_rev_8": "another"})
    with pytest.raises(Conflict):
        Writes(store).disown(image)
    assert stored(store, image) == changed


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("name", "new", "name is 'old', it was 'new'"),
        ("owner", "somebody", "it was 'somebody'"),
        ("hidden", True, "hidden is False, it was True"),
        ("tags", ("x",), "tags is none, it was x"),
        ("properties.imagesync_role", "current", "imagesync_role removed; nothing more"),
        ("properties.imagesync_rev_6", "n", "another run wrote to it"),
    ],
)
def test_an_image_that_is_not_as_the_plan_relied_on_is_a_conflict(
    store: FaultyStore, path: str, value: object, text: str
) -> None:
    """Before anything is written to it; values that the plan did not rely on do not count."""
    image = active(store)
    writes = Writes(store, [Reliance(image.id, "a", {path: value})])  # type: ignore[dict-item]
    with pytest.raises(Conflict, match="another user or run changed image") as caught:
        writes.read_unchanged(image.id)
    assert text in str(caught.value)
    assert Writes(store, [Reliance(image.id, "a", {"status": "active"})]).read_unchanged(image.id).name == "old"


def test_after_a_write_an_image_must_stay_as_the_run_left_it(store: FaultyStore) -> None:
    """The values that the plan relied on were changed by the run itself."""
    image = active(store)
    writes = Writes(store, [Reliance(image.id, "a", {"name": "old"})])
    writes.update(image, {"name": "new"})
    assert writes.read_unchanged(image.id).name == "new"
    change_by_hand(store, image.id, {"theirs": "1"})  # an added property: not a change of what the run left
    assert writes.read_unchanged(image.id).properties["theirs"] == "1"
    changes: list[tuple[dict[str, str | None], str]] = [
        ({"imagesync_key": "b"}, r"properties\.imagesync_key is 'b', it was not set"),
        ({"imagesync_rev_9": "another", "imagesync_key": None}, "another run wrote to it"),
        ({"imagesync_rev_9": None, "imagesync_id": None}, "it lost its marker: imagesync_id removed"),
    ]
    for change, text in changes:
        change_by_hand(store, image.id, change)
        with pytest.raises(Conflict, match=text):
            writes.read_unchanged(image.id)


@pytest.mark.parametrize(
    ("updates", "expected"),
    [([], False), ([UpdateFault.LOST], False), ([UpdateFault.NO_ANSWER], True), ([UpdateFault.NOT_RECEIVED], True)],
)
def test_a_write_without_an_answer_makes_the_run_contested(
    store: FaultyStore, updates: list[UpdateFault], *, expected: bool
) -> None:
    """The final listing then waits until a read is final."""
    image, writes = active(store), Writes(store)
    store.updates = updates
    writes.update(image, ATTRS)
    assert writes.is_contested is expected


def test_a_later_listing_checks_every_write(store: FaultyStore) -> None:
    """A deleted image and a changed one are reported, an unchanged one is not."""
    one, two, three = (replace(IMAGE, id=name) for name in ("one", "two", "three"))
    listed = {"one": one, "two": replace(two, name="m", tags=frozenset(), protected=True)}
    assert find_altered([one, two, three], listed) == [
        "another user or run changed image two, which this run wrote: name is 'm', it was 'n'; protected is True, it was "
        "False; tags is none, it was x",
        "image three, which this run wrote, was deleted or lost its marker",
    ]


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("name", {"name": "m"}),
        ("owner", {"owner": "other"}),
        ("status", {"status": Status.DEACTIVATED}),
        ("visibility", {"visibility": Visibility.PRIVATE}),
        ("hidden", {"hidden": True}),
        ("protected", {"protected": True}),
        ("min_disk", {"min_disk": 7}),
        ("min_ram", {"min_ram": 7}),
        ("tags", {"tags": frozenset()}),
        ("properties.a", {"properties": {**IMAGE.properties, "a": "2"}}),
        ("properties.a", {"properties": {"old": "o"}}),
    ],
)
def test_each_change_by_other_users_is_reported(path: str, changed: dict[str, Any]) -> None:
    """During the write, or in the listing at the end of the run."""
    found = replace(IMAGE, **changed)
    (change,) = find_changes(IMAGE, found)
    assert change.startswith(f"{path} is ")
    assert find_changes(IMAGE, found, (path,)) == []
    assert find_altered([IMAGE], {IMAGE.id: found}) == [
        f"another user or run changed image {IMAGE.id}, which this run wrote: {change}"
    ]


@pytest.mark.parametrize("name", ["updated_at", "size", "stores", "checksum", "virtual_size"])
def test_fields_that_the_service_itself_changes_are_ignored(name: str) -> None:
    assert find_changes(IMAGE, replace(IMAGE, **{name: None})) == []  # type: ignore[arg-type]


def test_members_are_not_checked_by_a_read_of_the_image() -> None:
    """They need a request of their own; the next plan reads them."""
    assert find_unmet({"members": ("p",), "name": "n"}, IMAGE) == []


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
def test_only_the_differences_of_an_update_are_sent(attrs: UpdateFields, lacking: UpdateFields) -> None:
    """Tags are one set; a property to remove is a difference as long as it exists."""
    assert select_lacking(IMAGE, attrs) == lacking


def test_a_saved_update_without_an_answer_is_done_although_the_retry_is_refused(tmp_path: Path) -> None:
    """The first PATCH arrives after its read-back; the second one is refused because of the first."""
    store = LateStore(tmp_path / "store")
    image = active(store)
    store.is_late = True
    assert Writes(store).update(image, {"min_ram": 7}).min_ram == stored(store, image).min_ram == 7


def test_a_refusal_after_an_unsaved_update_without_an_answer_is_an_error(tmp_path: Path) -> None:
    """The image does not have the requested values."""
    store = FaultyStore(tmp_path / "store")
    image = active(store)
    store.updates = [UpdateFault.NOT_RECEIVED, UpdateFault.REFUSED]
    with pytest.raises(Forbidden):
        Writes(store).update(image, {"min_ram": 7})


class LateStore(FaultyStore):
    """A store in which the first update gets no answer, and is saved only when the second one arrives, which is
    refused."""

    waiting: UpdateFields | None = None
    is_late = False

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        if not self.is_late:
            return super().update_image(image, **attrs)
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
def test_a_changed_status_is_done_with_any_answer(tmp_path: Path, answered: bool) -> None:
    store = StatusFaultStore(tmp_path / "store")
    store.lost, store.answered = False, answered
    writes, image = Writes(store), active(store)
    writes.change_status(image.id, Status.DEACTIVATED)
    assert stored(store, image).status is Status.DEACTIVATED
    writes.change_status(image.id, Status.ACTIVE)
    assert stored(store, image).status is Status.ACTIVE


@pytest.mark.parametrize(("answered", "message"), [(True, "is active, not deactivated"), (False, "no answer")])
def test_a_status_that_was_not_changed_is_an_error(tmp_path: Path, answered: bool, message: str) -> None:
    store = StatusFaultStore(tmp_path / "store")
    store.answered = answered
    with pytest.raises(BackendError, match=message):
        Writes(store).change_status(active(store).id, Status.DEACTIVATED)


def test_a_status_is_checked_on_an_image_that_was_read_already() -> None:
    check_status(LiveImage("id", status=Status.ACTIVE), Status.ACTIVE)
    with pytest.raises(BackendError, match="image id is active, not deactivated, after the change; run apply again"):
        check_status(LiveImage("id", status=Status.ACTIVE), Status.DEACTIVATED)


class ChangedByHand(FaultyStore):
    """A store in which another user changes an image, without a guard, just before the first update or status
    change."""

    change: UpdateFields = {}  # noqa: RUF012 - replaced, never changed

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        self.change_it(image if isinstance(image, str) else image.id)
        return super().update_image(image, **attrs)

    def deactivate(self, image_id: str) -> None:
        self.change_it(image_id)
        super().deactivate(image_id)

    def remove_member(self, image_id: str, project: str) -> None:
        self.change_it(image_id)
        super().remove_member(image_id, project)

    def change_it(self, image_id: str) -> None:
        """Once."""
        change, self.change = self.change, {}
        if change:
            super(FaultyStore, self).update_image(image_id, **change)


@pytest.fixture
def by_hand(tmp_path: Path) -> ChangedByHand:
    return ChangedByHand(tmp_path / "by hand")


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({"min_ram": 7}, "min_ram is 7, it was 0"),
        ({"protected": True}, "protected is True, it was False"),
        ({"properties": {"imagesync_key": "other"}}, "properties.imagesync_key is 'other'"),
    ],
)
def test_a_change_that_no_guard_stops_is_detected_and_the_run_undoes_its_own(
    by_hand: ChangedByHand, change: UpdateFields, texts: str
) -> None:
    """Another user changes a field that this run does not send: that change stays, and all fields that this run sent
    are restored."""
    image = active(by_hand)
    by_hand.change = change
    writes = Writes(by_hand, nonce="mine")
    with pytest.raises(Conflict, match="another user or run changed image") as caught:
        writes.update(image, ATTRS)
    assert texts in str(caught.value)
    assert "this run's own change was undone" in str(caught.value)
    left = stored(by_hand, image)
    assert (left.name, left.hidden, left.tags, left.properties.get("a")) == ("old", False, frozenset(), None)
    assert find_changes(image, left, ["properties.imagesync_rev_7", "properties.imagesync_rev_9"]) != []
    assert guards(left) == [(9, "mine")]
    assert writes.list_left() == []


def unclaimed(store: FaultyStore) -> LiveImage:
    """An image that no run has written to."""
    image = active(store)
    return change_by_hand(store, image.id, {GUARD: None, "imagesync_catalog": None, "imagesync_id": None})


@pytest.mark.parametrize("change", [{"min_ram": 7}, {"protected": True}, {"properties": {"imagesync_key": "other"}}])
def test_a_change_just_before_an_image_is_claimed_is_detected(by_hand: ChangedByHand, change: UpdateFields) -> None:
    """The answer to the claim already shows it; it is compared with the image that was read before."""
    image = unclaimed(by_hand)
    by_hand.change = change
    with pytest.raises(Conflict, match="another user or run changed image"):
        Writes(by_hand, nonce="mine").update(image, ATTRS)
    left = stored(by_hand, image)
    assert (left.name, left.hidden, left.tags) == ("old", False, frozenset())


@pytest.mark.parametrize(
    "others", [{"imagesync_rev_1": "other"}, {"imagesync_rev_2": "other"}, {"imagesync_rev_1": None}]
)
def test_a_claim_without_an_answer_counts_only_if_its_guard_is_the_only_one(
    store: FaultyStore, others: dict[str, str | None]
) -> None:
    """If there is another run's guard, alone or as a second one, that run writes to the image."""
    image = unclaimed(store)

    class Claimed(FaultyStore):
        def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
            found = super().update_image(image, **attrs)
            if not attrs.get("absent"):
                return found
            change_by_hand(self, found.id, others)
            raise Unavailable("no answer")

    store.__class__ = Claimed
    with pytest.raises((Conflict, Unavailable)):
        Writes(store, nonce="mine").update(image, ATTRS)
    assert (stored(store, image).name, len(store.sent)) == ("old", 1)


def test_a_change_that_cannot_be_undone_is_in_the_error(by_hand: ChangedByHand) -> None:
    image = active(by_hand)
    by_hand.change = {"min_ram": 7}
    by_hand.updates = [UpdateFault.NONE, UpdateFault.REFUSED]
    with pytest.raises(Conflict, match="this run's own change could not be undone: refused"):
        Writes(by_hand).update(image, ATTRS)


def test_an_update_without_an_answer_is_not_retried_on_an_image_that_was_disowned(
    store: FaultyStore,
) -> None:
    """The read after the lost answer shows it: a retry would not require the marker that was removed."""
    image = active(store)

    class Disowned(FaultyStore):
        def images(self, image_id: str | None = None) -> list[LiveImage]:
            if self.sent:
                change_by_hand(self, image.id, {"imagesync_catalog": None})
            return super().images(image_id)

    store.__class__ = Disowned
    store.updates = [UpdateFault.NOT_RECEIVED]
    with pytest.raises(Conflict, match=r"it lost its marker: imagesync_catalog removed; .* was not made"):
        Writes(store).update(image, ATTRS)
    assert (stored(store, image).name, len(store.sent)) == ("old", 1)


def test_a_status_change_of_an_image_that_was_disowned_meanwhile_is_an_error(by_hand: ChangedByHand) -> None:
    """No guard stops the request; the error names the new status."""
    image = active(by_hand)
    by_hand.change = {"properties": {"imagesync_catalog": None}}
    with pytest.raises(Conflict, match=r"lost its marker.*it is deactivated now, it was active"):
        Writes(by_hand).change_status(image.id, Status.DEACTIVATED)


def test_no_further_member_of_an_image_that_was_disowned_meanwhile_is_changed(by_hand: ChangedByHand) -> None:
    """Only the request that was already sent takes effect."""
    image = active(by_hand)
    super(FaultyStore, by_hand).update_image(image.id, visibility="shared")
    by_hand.add_member(image.id, "p1")
    by_hand.change = {"properties": {"imagesync_catalog": None}}
    writes = Writes(by_hand, [Reliance(image.id, "a", {"properties.imagesync_catalog": "base"})])
    with pytest.raises(Conflict, match="lost its marker"):
        writes.change_members(image.id, removed={"p1"}, added={"p2"})
    assert [member.project for member in by_hand.members(image.id)] == []


def test_a_text_names_few_removed_properties_and_no_long_values() -> None:
    """All properties of the record are named as a whole."""
    marks = {f"imagesync_{name}": "x" for name in ("catalog", "id", "key", "role", "digest", "managed")}
    image = replace(IMAGE, properties=marks)
    assert find_changes(image, replace(image, properties={})) == [
        "it lost its marker: its imagesync properties removed"
    ]
    assert find_changes(image, replace(image, properties={**marks, "imagesync_digest": "y"})) == [
        "properties.imagesync_digest has changed"
    ]
    assert find_changes(image, replace(image, properties={**marks, "imagesync_role": "y"})) == [
        "properties.imagesync_role is 'y', it was 'x'"
    ]


class Silent(FaultyStore):
    """A store that carries out changes of status and members, and does not answer."""

    def deactivate(self, image_id: str) -> None:
        super().deactivate(image_id)
        raise Unavailable("no answer")

    def add_member(self, image_id: str, project: str) -> None:
        super().add_member(image_id, project)
        raise Unavailable("no answer")


@pytest.mark.parametrize("change", ["status", "members"])
def test_other_requests_without_an_answer_leave_the_run_unsettled_too(tmp_path: Path, change: str) -> None:
    """They may arrive during the next run."""
    store = Silent(tmp_path / "store")
    image, writes = active(store), Writes(store)
    writes.leave(image)
    if change == "status":
        writes.change_status(image.id, Status.DEACTIVATED)
    else:
        with pytest.raises(Unavailable):
            writes.change_members(image.id, (), ["p" * 32])
    assert writes.is_unanswered


CHANGES: dict[str, UpdateFields] = {
    "name": {"name": "new"},
    "hidden": {"hidden": True},
    "protected": {"protected": True},
    "min_disk": {"min_disk": 3},
    "min_ram": {"min_ram": 5},
    "visibility": {"visibility": "community"},
    "more tags": {"tags": ("t", "u")},
    "no tags": {"tags": ()},
    "a property": {"properties": {"p": "1"}},
    "another value": {"properties": {"q": "2"}},
    "no property": {"properties": {"q": None}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_this_run_sent_is_undone_if_another_user_changed_the_image(by_hand: ChangedByHand, name: str) -> None:
    """Each field, tag and property has its earlier value again, and the other user's change stays."""
    image = active(by_hand, q="1")
    image = super(FaultyStore, by_hand).update_image(image.id, tags=["t"])
    by_hand.change = {"properties": {"imagesync_key": "theirs"}}
    with pytest.raises(Conflict, match="this run's own change was undone"):
        Writes(by_hand, nonce="mine").update(image, CHANGES[name])
    left = stored(by_hand, image)
    without = {key: value for key, value in left.properties.items() if not key.startswith("imagesync_")}
    assert without == {"q": "1"}
    assert left.properties["imagesync_key"] == "theirs"
    fields = ("name", "hidden", "protected", "min_disk", "min_ram", "visibility", "tags")
    assert [getattr(left, field) for field in fields] == [getattr(image, field) for field in fields]


@pytest.mark.parametrize("ignored", [(), ("status",), ("status", "min_ram")])
@pytest.mark.parametrize("path", ["status", "min_ram"])
def test_only_values_that_may_change_are_not_compared(
    by_hand: ChangedByHand, ignored: tuple[str, ...], path: str
) -> None:
    """For example the status while the service fills the image."""
    image = active(by_hand)
    before = replace(image, **({"status": Status.QUEUED} if path == "status" else {"min_ram": 3}))
    if path in ignored:
        assert Writes(by_hand).update(before, {"name": "new"}, ignored=ignored).name == "new"
        return
    with pytest.raises(Conflict, match=f"{path} is"):
        Writes(by_hand).update(before, {"name": "new"}, ignored=ignored)


@pytest.mark.parametrize("lost", range(MAX_WRITES + 1))
def test_a_guard_is_moved_although_the_service_loses_the_update(store: FaultyStore, lost: int) -> None:
    """The image already has all values: only its guard shows that the update was saved. At most three are sent."""
    image = active(store)
    store.updates = [UpdateFault.LOST] * lost
    if lost == MAX_WRITES:
        with pytest.raises(BackendError, match="did not keep the update of its guard"):
            Writes(store, nonce="mine").renew(image)
    else:
        Writes(store, nonce="mine").renew(image)
        assert [nonce for _, nonce in guards(stored(store, image))] == ["mine"]
    assert len(store.sent) == min(lost + 1, MAX_WRITES) == min(lost + 1, 3)


class Busy(FaultyStore):
    """A store that refuses every update with 409 and changes nothing."""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        self.sent.append(attrs)
        raise Conflict("busy")


@pytest.mark.parametrize("kind", ["update", "renew", "disown", "claim"])
def test_a_conflict_is_an_error_at_once_although_the_guard_is_as_it_was(tmp_path: Path, kind: str) -> None:
    """The service names a conflict: repeating the request could undo what another user does now."""
    store = Busy(tmp_path / "store")
    made = active(store)
    if kind == "claim":
        made = change_by_hand(store, made.id, {GUARD: None})
    writes = Writes(store, nonce="mine")

    def update(image: LiveImage) -> LiveImage:
        return writes.update(image, ATTRS)

    kinds: dict[str, Callable[[LiveImage], object]] = {"disown": writes.disown, "renew": writes.renew}
    write = kinds.get(kind, update)
    with pytest.raises(Conflict, match="this run's change was not made"):
        write(made)
    assert len(store.sent) == 1
    assert writes.is_contested
    assert not writes.is_unanswered
    assert writes.list_left() == []


def test_an_image_that_another_run_wrote_to_during_a_lost_request_is_not_released(store: FaultyStore) -> None:
    """A retry would require only names that are still there, and remove the other run's record."""
    image = active(store)

    class WrittenMeanwhile(FaultyStore):
        def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
            if not self.sent:
                change_by_hand(self, image if isinstance(image, str) else image.id, {"imagesync_rev_8": "other"})
            return super().update_image(image, **attrs)

    store.__class__ = WrittenMeanwhile
    store.updates = [UpdateFault.NOT_RECEIVED]
    with pytest.raises(Conflict, match="another run wrote to it"):
        Writes(store).disown(image)
    assert len(store.sent) == 1
    assert stored(store, image).properties["imagesync_catalog"] == "base"


def test_an_image_that_left_the_catalog_is_not_checked_at_the_end(store: FaultyStore) -> None:
    """Neither one that was released or deleted, nor one whose change an error has reported; all others are."""
    images = [active(store) for _ in range(4)]
    released, forgotten, reported, kept = images
    writes = Writes(store)
    for image in images:
        writes.update(image, {"name": "new"})
    writes.disown(stored(store, released))
    writes.forget(forgotten.id)
    change_by_hand(store, reported.id, {"imagesync_key": "theirs"})
    with pytest.raises(Conflict):
        writes.read_unchanged(reported.id)
    assert [image.id for image in writes.list_left()] == [kept.id]
    assert writes.find_left(released.id) is writes.find_left(forgotten.id) is None
    assert writes.find_left(reported.id) is not None


def test_a_request_without_an_answer_is_not_forgotten_after_a_conflict(store: FaultyStore) -> None:
    """It may still arrive, whatever the next request met."""
    first, second, third = active(store), active(store), active(store)
    writes = Writes(store)
    store.updates = [UpdateFault.NO_ANSWER]
    writes.update(first, {"name": "new"})
    assert (writes.is_unanswered, writes.is_contested) == (True, True)
    change_by_hand(store, second.id, {GUARD: None, "imagesync_rev_8": "other"})
    with pytest.raises(Conflict):
        writes.update(second, {"name": "new"})
    writes.update(third, {"name": "new"})
    assert (writes.is_unanswered, writes.is_contested) == (True, True)


@pytest.mark.parametrize("status", [Status.DEACTIVATED, Status.ACTIVE])
@pytest.mark.parametrize("relied", [{"min_ram": 9}, {"owner": "f" * 32}, {"properties.imagesync_catalog": "other"}])
def test_the_status_of_an_image_that_the_plan_does_not_know_is_not_changed(
    store: FaultyStore, status: Status, relied: dict[str, Any]
) -> None:
    """It is read and compared before the request, which has no guard."""
    image = active(store)
    if status is Status.ACTIVE:
        store.deactivate(image.id)
    before = stored(store, image)
    with pytest.raises(Conflict, match="nothing more was written to it"):
        Writes(store, [Reliance(image.id, "a", relied)]).change_status(image.id, status)
    assert stored(store, image) == before


def test_a_changed_status_is_part_of_how_the_run_left_the_image(store: FaultyStore) -> None:
    """A later step or the final check compares with it."""
    image, writes = active(store), Writes(store)
    writes.change_status(image.id, Status.DEACTIVATED)
    assert [each.status for each in writes.list_left()] == [Status.DEACTIVATED]
    assert writes.read_unchanged(image.id).status is Status.DEACTIVATED
    store.reactivate(image.id)
    with pytest.raises(Conflict, match="status is 'active'"):
        writes.read_unchanged(image.id)


def test_without_the_lease_no_image_is_claimed(store: FaultyStore) -> None:
    """The claim is the first write to an image that no run has written to."""
    image = unclaimed(store)

    def check_lease() -> None:
        raise LeaseLost("the lease is lost")

    store.sent.clear()
    with pytest.raises(LeaseLost):
        Writes(store, check_lease=check_lease).update(image, ATTRS)
    assert store.sent == []


def test_a_claim_that_did_not_arrive_is_reported_as_unanswered(store: FaultyStore) -> None:
    """No other run wrote to the image."""
    image = unclaimed(store)
    store.updates = [UpdateFault.NOT_RECEIVED]
    writes = Writes(store)
    with pytest.raises(Unavailable, match="no answer"):
        writes.update(image, ATTRS)
    assert writes.is_unanswered
    assert stored(store, image) == image


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.MAX_WRITES == 3
