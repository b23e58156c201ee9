"""Steps of a plan on a store that loses updates and answers."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import pytest

from imagesync import Performer, execute
from imagesync.backends.base import ImportFields, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ChecksumMismatch, Conflict, Forbidden, Unavailable
from imagesync.execution.deletions import Waiting
from imagesync.execution.performer import make_update_fields
from imagesync.model.catalog import Checksum, Role, Status, Visibility
from imagesync.model.image import COPY, IMPORT_TASK, LiveImage
from imagesync.model.plan import (
    Action,
    Deactivate,
    Delete,
    FieldChange,
    Plan,
    Reactivate,
    Reason,
    Reliance,
    Step,
    Update,
)
from imagesync.model.record import Record, read
from imagesync.model.report import Advance, Outcome, Performed, Report
from tests.pipeline import planned
from tests.unit.execution.helpers import FaultyStore, UpdateFault, apply, want_image
from tests.unit.execution.test_writes import change_by_hand
from tests.unit.factories import TARGET


def perform(store: FaultyStore, action: Action) -> Performed:
    """Carry out one step."""
    return Performer(store, Plan("base", TARGET))(Step("s", action, Reason.REMOVED), lambda amount: None)


def test_an_update_that_is_lost_is_sent_again(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    image_id = store.create_image(name="n").id
    store.updates = [UpdateFault.NONE, UpdateFault.LOST]
    change = FieldChange(("name",), "n", "m", Reason.DRIFT)
    perform(store, Update("a", image_id, (change,), Record("base", "a", Role.CURRENT)))
    assert store.images(image_id)[0].name == "m"


def test_a_released_image_loses_all_imagesync_properties(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    assert apply(store, want_image(tmp_path, b"\0data", properties={"p": "1"})).succeeded
    (image,) = store.images()
    perform(store, Update("x", image.id, (), None))
    assert store.images(image.id)[0].properties == {"p": "1"}


@pytest.mark.parametrize("change", [{"hidden": True}, {"visibility": "shared"}, {"name": "theirs"}])
def test_an_old_build_stays_if_the_new_one_is_not_as_it_was_published(tmp_path: Path, change: UpdateFields) -> None:
    """Another user changed the new build between its publication and the retirement of the old one."""
    store = FaultyStore(tmp_path / "store")
    apply(store, want_image(tmp_path, b"\0one"))
    (old,) = store.images()
    wanted = want_image(tmp_path, b"\0two")
    plan = planned(store, wanted)
    performer = Performer(store, plan)

    def perform_all(step: Step, advance: Advance) -> Performed:
        if isinstance(step.action, Update):
            super(FaultyStore, store).update_image(performer.ids["x"], **change)
        return performer(step, advance)

    perform_all.delete = performer.delete  # type: ignore[attr-defined]
    report = execute(plan, perform_all, jobs=1, notify=lambda _: None, cancelled=threading.Event())  # type: ignore[arg-type]
    (failed,) = (result for result in report.results if result.outcome is Outcome.FAILED)
    assert "another user or run changed image" in failed.error
    assert store.images(old.id)[0] == old


@pytest.mark.parametrize("is_right", [True, False])
def test_data_is_verified_before_anything_is_written(tmp_path: Path, is_right: bool) -> None:
    """An image in another project is published only if it holds the declared data."""
    store = FaultyStore(tmp_path / "store")
    apply(store, want_image(tmp_path, b"\0data"))
    (image,) = store.images()
    digest = Checksum("sha256", hashlib.sha256(b"\0data" if is_right else b"other").hexdigest())
    change = FieldChange(("visibility",), "private", "public", Reason.DRIFT)
    update = Update("x", image.id, (change,), Record("base", "x", Role.CURRENT), (digest,))
    if is_right:
        perform(store, update)
        assert store.images(image.id)[0].visibility is Visibility.PUBLIC
    else:
        with pytest.raises(ChecksumMismatch):
            perform(store, update)
        assert store.images(image.id)[0] == image


class ChangedWhileRead(FaultyStore):
    """A store in which another user protects an image during the download of its data."""

    def download(self, image_id: str) -> Iterator[bytes]:
        yield from super().download(image_id)
        super(FaultyStore, self).update_image(image_id, protected=True)


def test_a_change_during_the_download_is_detected_before_anything_is_written(tmp_path: Path) -> None:
    """The download may take an hour, so the image is read again after it."""
    store = ChangedWhileRead(tmp_path / "store")
    apply(store, want_image(tmp_path, b"\0data"))
    (image,) = store.images()
    relies = (Reliance(image.id, "x", {"protected": False}),)
    digest = Checksum("sha256", hashlib.sha256(b"\0data").hexdigest())
    change = FieldChange(("visibility",), "private", "public", Reason.DRIFT)
    update = Update("x", image.id, (change,), Record("base", "x", Role.CURRENT), (digest,))
    store.calls.clear()
    with pytest.raises(Conflict, match="protected is True, it was False; nothing more was written to it"):
        Performer(store, Plan("base", TARGET, relies=relies))(Step("s", update, Reason.DRIFT), lambda _amount: None)
    assert "update" not in store.calls
    assert store.images(image.id)[0].visibility is Visibility.PRIVATE


def test_an_image_changes_its_status_and_back(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    assert apply(store, want_image(tmp_path, b"\0data")).succeeded
    (image,) = store.images()
    perform(store, Deactivate("x", image.id))
    assert store.images(image.id)[0].status is Status.DEACTIVATED
    perform(store, Reactivate("x", image.id))
    assert store.images(image.id)[0].status is Status.ACTIVE


def test_field_changes_are_the_arguments_of_an_update() -> None:
    """References are resolved, properties without a value are removed; members and stores have their own requests."""
    changes = [(("name",), "n"), (("properties", "p"), "$x"), (("properties", "q"), None), (("members",), ("m",))]
    made = tuple(FieldChange(path, None, after, Reason.DRIFT) for path, after in (*changes, (("stores",), ("s",))))
    assert make_update_fields(made, lambda text: text.replace("$x", "id")) == {
        "name": "n",
        "properties": {"p": "id", "q": None},
    }


class DiesAfterSharing(Local):
    """A store that adds a member; then the run dies."""

    is_dying = False

    def add_member(self, image_id: str, project: str) -> None:
        super().add_member(image_id, project)
        if self.is_dying:
            raise Unavailable("the process was killed")


def test_a_member_that_a_killed_run_added_is_known_to_the_next_manifest(tmp_path: Path) -> None:
    """The record names the member before it is added.

    Otherwise the image would stay shared with an undeclared project.
    """
    service = DiesAfterSharing(Store(tmp_path / "store"), "dying")

    def share(*projects: str) -> Report:
        members = frozenset(name * 32 for name in projects)
        return apply(service, want_image(tmp_path, b"\0data", visibility=Visibility.SHARED, members=members))

    assert share("a", "b").succeeded
    service.is_dying = True
    assert not share("b", "c").succeeded
    service.is_dying = False
    assert share("d").succeeded
    (image,) = service.images()
    assert [member.project for member in service.members(image.id)] == ["d" * 32]


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.PUBLIC, Visibility.COMMUNITY])
def test_an_image_that_is_no_longer_shared_has_no_members(tmp_path: Path, visibility: Visibility) -> None:
    """Members that other users added are removed too: later no request could remove or list them."""
    store = FaultyStore(tmp_path / "store")
    member, other = "a" * 32, "b" * 32
    assert apply(store, want_image(tmp_path, b"\0data", visibility=Visibility.SHARED, members={member})).succeeded
    (image,) = store.images()
    plan = planned(store, want_image(tmp_path, b"\0data", visibility=visibility))
    store.add_member(image.id, other)  # the plan does not know this member
    carry_out = Performer(store, plan)
    assert execute(plan, carry_out, jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    assert apply(store, want_image(tmp_path, b"\0data", visibility=Visibility.SHARED)).succeeded
    assert store.members(image.id) == []


def test_images_in_other_projects_are_listed_with_the_others_before_they_are_deleted(tmp_path: Path) -> None:
    """None of them costs a request of its own, and images of further projects are not read."""
    store = FaultyStore(tmp_path / "store")
    images = []
    for owner in ("e" * 32, "f" * 32, store.identity().project_id):
        marks = {"imagesync_catalog": "base", "imagesync_role": "retired", "imagesync_rev_3": "earlier"}
        image = store.create_image(owner=owner, properties=marks)
        images.append(change_by_hand(store, image.id, {"imagesync_id": image.id}))
    relies = tuple(Reliance(image.id, "a", {"owner": image.owner}) for image in images)
    deletes = [Delete("a", image.id) for image in images]
    outcomes = Performer(store, Plan("base", TARGET, relies=relies)).delete(deletes, 1, Waiting())
    assert outcomes == {image.id: Performed(image.id) for image in images}
    assert store.images() == []
    assert store.calls == ["update"] * 3 + ["delete"] * 3


class Copying(FaultyStore):
    """A store that offers two stores: an image is in one until it is copied; a copy is running for ``busy`` reads."""

    folder, busy, refuses = Path(), 0, False
    stores: tuple[str, ...] = ("fast",)

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        running = {IMPORT_TASK: "t"} if self.busy else {}
        self.busy = max(0, self.busy - 1)
        return [replace(one, stores=self.stores, service=running) for one in super().images(image_id)]

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        assert not self.busy, "a running copy undoes what is written meanwhile"
        return super().update_image(image, **attrs)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        assert (method, options) == (COPY, {"stores": ["slow"]})
        self.calls.append("copy")
        if self.refuses:
            raise Forbidden("for admins")
        self.stores = ("fast", "slow")


def copy_to_slow(store: Copying, reason: Reason) -> tuple[bool, list[str], dict[str, str]]:
    """Copy an image; return whether it succeeded, the write calls, and the fields that the record then names."""
    assert apply(store, want_image(store.folder, b"\0data")).succeeded
    (image,) = store.images()
    store.calls.clear()
    record = read(image)
    assert record is not None
    managed = replace(record.managed, fields={**record.managed.fields, "stores": "12345678"})
    change = FieldChange(("stores",), ("fast",), ("fast", "slow"), reason)
    store.busy = 2
    has_succeeded = True
    try:
        perform(store, Update("x", image.id, (change,), replace(record, managed=managed)))
    except Forbidden:
        has_succeeded = False
    left = read(store.images()[0])
    assert left is not None
    return has_succeeded, [call for call in store.calls if call != "read"], dict(left.managed.fields)


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("reason", [Reason.MANIFEST_CHANGED, Reason.DRIFT])
def test_the_record_names_stores_only_after_the_copy(tmp_path: Path, refuses: bool, reason: Reason) -> None:
    """After a failed copy the next plan must not take them for drift. A running copy is waited for."""
    store = Copying(tmp_path / "store")
    store.folder, store.refuses = tmp_path, refuses
    has_succeeded, calls, fields = copy_to_slow(store, reason)
    assert has_succeeded is not refuses
    assert ("stores" in fields) is (not refuses or reason is Reason.DRIFT)
    assert calls[calls.index("copy") :] == ["copy"] + ["update"] * (not refuses and reason is not Reason.DRIFT)
