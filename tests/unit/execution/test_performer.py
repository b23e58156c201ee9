"""Steps of a plan on a store that loses updates and answers."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

import pytest

from imagesync.backends.base import ImportFields, UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ChecksumMismatch, Conflict, Forbidden, ImagesyncError, LeaseLost, Unavailable
from imagesync.execution.deletions import Waiting
from imagesync.execution.executor import execute
from imagesync.execution.performer import Performer, make_update_fields
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
    Value,
)
from imagesync.model.record import Managed, Record, read
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


WRITES = (
    *("create_image", "update_image", "delete_image", "deactivate", "reactivate", "upload", "stage", "import_image"),
    *("add_member", "remove_member"),
)


class Recording(Local):
    """A store that notes every request that writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "recording")
        self.written: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in WRITES:
            return found

        def write(*args: Any, **attrs: Any) -> Any:
            self.written.append(name)
            return found(*args, **attrs)

        return write


OURS, NEW, KEPT = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
RECORD = Record("base", "x", Role.CURRENT)
LEAVING = Record("base", "x", Role.RETIRED)
OLD_MEMBER, NEW_MEMBER = "a" * 32, "b" * 32
STEPS: dict[str, tuple[Action, Reason]] = {
    "an update": (Update("x", OURS, (FieldChange(("name",), "n", "m", Reason.DRIFT),), RECORD), Reason.DRIFT),
    "only the record": (Update("x", OURS, (), RECORD), Reason.MANIFEST_CHANGED),
    "a retirement": (
        Update("x", OURS, (FieldChange(("hidden",), False, True, Reason.SUPERSEDED),), LEAVING),
        Reason.SUPERSEDED,
    ),
    "a release": (Update("x", OURS, (), None), Reason.REMOVED),
    "a member is added": (
        Update("x", OURS, (FieldChange(("members",), (OLD_MEMBER,), (OLD_MEMBER, NEW_MEMBER), Reason.DRIFT),), RECORD),
        Reason.DRIFT,
    ),
    "a member is removed": (
        Update("x", OURS, (FieldChange(("members",), (OLD_MEMBER,), (), Reason.DRIFT),), RECORD),
        Reason.DRIFT,
    ),
    "no longer shared": (
        Update("x", OURS, (FieldChange(("visibility",), "shared", "private", Reason.DRIFT),), RECORD),
        Reason.DRIFT,
    ),
    "a deactivation": (Deactivate("x", OURS), Reason.EXPIRED),
    "a reactivation": (Reactivate("x", OURS), Reason.MANIFEST_CHANGED),
    "a deletion": (Delete("x", OURS), Reason.REMOVED),
}


def make_shared_image(store: Recording, status: Status) -> LiveImage:
    """An owned image with data and one member."""
    marks = {"imagesync_catalog": "base", "imagesync_id": OURS, "imagesync_role": "current", "imagesync_rev_1": "one"}
    store.create_image(
        id=OURS, name="n", visibility="shared", disk_format="raw", container_format="bare", properties=marks
    )
    store.upload(OURS, iter([b"data"]), 4)
    store.add_member(OURS, OLD_MEMBER)
    if status is Status.DEACTIVATED:
        store.deactivate(OURS)
    store.written.clear()
    return store.images(OURS)[0]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("obstacle", ["none", "lease lost", "changed", "other owner"])
def test_no_step_writes_without_the_lease_or_to_an_image_that_the_plan_does_not_know(
    tmp_path: Path, name: str, obstacle: str
) -> None:
    """Each kind of step: with nothing in the way it writes; else the image, its status and its members stay."""
    action, reason = STEPS[name]
    store = Recording(tmp_path / "store")
    image = make_shared_image(store, Status.DEACTIVATED if isinstance(action, Reactivate) else Status.ACTIVE)
    values: dict[str, Value] = {"name": "n", "owner": image.owner, "protected": False}
    differing: dict[str, dict[str, Value]] = {"changed": {"protected": True}, "other owner": {"owner": "f" * 32}}
    values |= differing.get(obstacle, {})

    def check_lease() -> None:
        if obstacle == "lease lost":
            raise LeaseLost("the lease is lost")

    plan = Plan("base", TARGET, relies=(Reliance(OURS, "x", values),))
    performer = Performer(store, plan, check_lease=check_lease)
    error: ImagesyncError | None = None
    try:
        if isinstance(action, Delete):
            outcome = performer.delete([action], 1, Waiting())[OURS]
            error = outcome if isinstance(outcome, ImagesyncError) else None
        else:
            performer(Step("s", action, reason), lambda _amount: None)
    except ImagesyncError as failure:
        error = failure
    if obstacle == "none":
        assert error is None
        assert store.written
        return
    assert isinstance(error, LeaseLost if obstacle == "lease lost" else Conflict)
    assert store.written == []
    assert (store.images(OURS), [each.project for each in store.members(OURS)]) == ([image], [OLD_MEMBER])


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ((), (NEW_MEMBER,), [OLD_MEMBER, NEW_MEMBER]),
        ((OLD_MEMBER,), (NEW_MEMBER,), [NEW_MEMBER]),
        ((OLD_MEMBER,), (OLD_MEMBER, NEW_MEMBER), [OLD_MEMBER, NEW_MEMBER]),
    ],
)
def test_members_are_added_and_removed_as_the_change_says(
    tmp_path: Path, before: tuple[str, ...], after: tuple[str, ...], left: list[str]
) -> None:
    """A member that the change does not name stays. One that is removed is removed before the record is written, and one
    that is added is added after it, so a killed run leaves no member that no record names.
    """
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    change = FieldChange(("members",), before, after, Reason.DRIFT)
    Performer(store, Plan("base", TARGET))(
        Step("s", Update("x", OURS, (change,), RECORD), Reason.DRIFT), lambda _amount: None
    )
    assert sorted(each.project for each in store.members(OURS)) == left
    removed = ["remove_member"] * len({*before} - {*after})
    assert store.written == [*removed, "update_image", "add_member"]


@pytest.mark.parametrize("visibility", ["shared", "public", "community"])
def test_only_an_image_that_was_shared_loses_its_members(tmp_path: Path, visibility: str) -> None:
    """When its visibility changes from another value, no member is touched: only shared images have any."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    change = FieldChange(("visibility",), visibility, "private", Reason.DRIFT)
    Performer(store, Plan("base", TARGET))(
        Step("s", Update("x", OURS, (change,), RECORD), Reason.DRIFT), lambda _amount: None
    )
    removed = ["remove_member"] if visibility == "shared" else []
    assert store.written == [*removed, "update_image"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("since", [None, "2026-01-01T00:00:00+00:00"])
def test_only_a_retirement_gets_the_time_of_the_run(tmp_path: Path, role: Role, since: str | None) -> None:
    """A build that retired earlier keeps its time; a build in another role has none."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    record = replace(RECORD, role=role, managed=Managed(retired=since))
    now = datetime(2026, 11, 27, 3, 4, 5, 678, tzinfo=UTC)
    performer = Performer(store, Plan("base", TARGET), now=lambda: now)
    performer(Step("s", Update("x", OURS, (), record), Reason.SUPERSEDED), lambda _amount: None)
    left = read(store.images(OURS)[0])
    if role is Role.LEASE:
        return
    assert left is not None
    assert left.managed.retired == (since or ("2026-11-27T03:04:05+00:00" if role is Role.RETIRED else None))


@pytest.mark.parametrize("reason", [Reason.SUPERSEDED, Reason.DUPLICATE])
@pytest.mark.parametrize(("successor", "is_refused"), [(None, False), (OURS, False), (NEW, True), (KEPT, False)])
def test_a_build_retires_only_if_its_successor_is_as_the_plan_knows_it(
    tmp_path: Path, reason: Reason, successor: str | None, *, is_refused: bool
) -> None:
    """Without a successor, or if the plan names the image itself, there is nothing to compare."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    for image_id in (NEW, KEPT):
        store.create_image(id=image_id, name=image_id)
    relies = (Reliance(NEW, "x", {"hidden": True}), Reliance(KEPT, "x", {"hidden": False}))
    plan = Plan("base", TARGET, relies=relies, ids={"x": successor} if successor else {})
    step = Step("s", STEPS["a retirement"][0], reason)
    if is_refused:
        with pytest.raises(Conflict, match=f"image {NEW}"):
            Performer(store, plan)(step, lambda _amount: None)
        assert not store.images(OURS)[0].hidden
        return
    Performer(store, plan)(step, lambda _amount: None)
    assert store.images(OURS)[0].hidden


def test_a_retired_build_gets_a_new_key_whatever_happens_to_the_current_image(tmp_path: Path) -> None:
    """Another step may write the new key into the current image at the same moment."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    store.create_image(id=NEW, name=NEW)
    plan = Plan("base", TARGET, relies=(Reliance(NEW, "x", {"hidden": True}),), ids={"x": NEW})
    record = replace(RECORD, role=Role.RETIRED, key="x")
    Performer(store, plan)(Step("s", Update("x", OURS, (), record), Reason.MOVED), lambda _amount: None)
    assert store.images(OURS)[0].properties["imagesync_key"] == "x"


class ChangedStore(Recording):
    """A store in which another user renames the image during the first ``moment``."""

    moment = ""

    def remove_member(self, image_id: str, project: str) -> None:
        super().remove_member(image_id, project)
        self._rename("remove_member")

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        self._rename("import_image")

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, stores=("fast", "slow")) for one in super().images(image_id)]

    def _rename(self, moment: str) -> None:
        if moment == self.moment:
            super().update_image(OURS, name="theirs")


@pytest.mark.parametrize(
    ("moment", "change"),
    [
        ("remove_member", FieldChange(("members",), (OLD_MEMBER,), (), Reason.DRIFT)),
        ("remove_member", FieldChange(("visibility",), "shared", "private", Reason.DRIFT)),
        ("", FieldChange(("members",), (OLD_MEMBER,), (), Reason.DRIFT)),
    ],
)
def test_a_change_by_hand_while_members_are_removed_stops_the_update(
    tmp_path: Path, moment: str, change: FieldChange
) -> None:
    """No guard stops these requests, so the image is read and compared again before it is updated."""
    store = ChangedStore(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    store.moment = moment
    plan = Plan("base", TARGET, relies=(Reliance(OURS, "x", {"name": "n"}),))
    step = Step("s", Update("x", OURS, (change,), RECORD), Reason.DRIFT)
    if not moment:
        Performer(store, plan)(step, lambda _amount: None)
        return
    with pytest.raises(Conflict, match="name is 'theirs', it was 'n'"):
        Performer(store, plan)(step, lambda _amount: None)
    image = store.images(OURS)[0]
    assert (image.name, image.visibility, image.properties["imagesync_rev_1"]) == ("theirs", Visibility.SHARED, "one")


class CopiedByHand(Copying):
    """A store in which another user renames the image while it is copied."""

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        super().import_image(image_id, method, **options)
        Local.update_image(self, image_id, name="theirs")


def test_a_change_by_hand_during_a_copy_is_detected_before_the_record_names_the_stores(tmp_path: Path) -> None:
    """A copy may take an hour."""
    store = CopiedByHand(tmp_path / "store")
    store.folder = tmp_path
    with pytest.raises(Conflict, match="name is 'theirs'"):
        copy_to_slow(store, Reason.MANIFEST_CHANGED)
    left = read(store.images()[0])
    assert left is not None
    assert "stores" not in left.managed.fields


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("role", [Role.STAGING, Role.RETIRED, Role.CURRENT])
def test_data_is_verified_whatever_users_see_of_the_image(tmp_path: Path, role: Role, *, hidden: bool) -> None:
    """A candidate or a retired build is hidden until the update that publishes it: it is verified before."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    store.update_image(OURS, hidden=hidden, properties={"imagesync_role": role.value})
    store.written.clear()
    update = Update(
        "x", OURS, (FieldChange(("hidden",), hidden, False, Reason.STAGED),), RECORD, (Checksum("md5", "0" * 32),)
    )
    with pytest.raises(ChecksumMismatch):
        Performer(store, Plan("base", TARGET))(Step("s", update, Reason.STAGED), lambda _amount: None)
    assert store.written == []


@pytest.mark.parametrize("role", [Role.RETIRED, Role.CURRENT])
@pytest.mark.parametrize("visibility", ["public", "community", "shared"])
@pytest.mark.parametrize("path", ["visibility", "name"])
@pytest.mark.parametrize("key", ["x", "y"])
def test_the_right_to_publish_is_checked_only_if_the_old_build_of_the_key_becomes_public(
    tmp_path: Path, role: Role, visibility: str, path: str, key: str
) -> None:
    """Before a candidate is published: later the old build could not retire. Other keys need no right."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    ids: list[str] = []

    def can_publish(image_id: str) -> bool:
        ids.append(image_id)
        return False

    store.can_publish = can_publish  # type: ignore[method-assign]
    change = FieldChange((path,), "private", visibility, Reason.SUPERSEDED)
    old = Step("old", Update(key, NEW, (change,), replace(RECORD, key=key, role=role)), Reason.SUPERSEDED)
    step = Step("s", Update("x", OURS, (), RECORD), Reason.STAGED)
    is_needed = (role, visibility, path, key) == (Role.RETIRED, "public", "visibility", "x")
    error = None
    try:
        Performer(store, Plan("base", TARGET, (step, old)))(step, lambda _amount: None)
    except Forbidden as failure:
        error = failure
    assert (bool(error), bool(ids), bool(store.written)) == (is_needed, is_needed, not is_needed)


@pytest.mark.parametrize(("owner", "listed"), [("f" * 32, 2), (None, 1)])
def test_images_to_delete_are_listed_in_the_own_project_and_in_those_of_their_owners(
    tmp_path: Path, owner: str | None, listed: int
) -> None:
    """Each project once, whatever images the plan relies on."""
    store = Recording(tmp_path / "store")
    make_shared_image(store, Status.ACTIVE)
    project, seen = store.identity().project_id, list[tuple[str, ...]]()
    read_inventory = store.inventory

    def inventory(catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        seen.append(tuple(owners))
        return read_inventory(catalog, owners)

    store.inventory = inventory  # type: ignore[method-assign]
    relies = (Reliance(NEW, "x", {"owner": "e" * 32}), Reliance(KEPT, "x", {"owner": owner}))
    deletes = [Delete("x", OURS), Delete("x", KEPT)]
    outcomes = Performer(store, Plan("base", TARGET, relies=relies)).delete(deletes, 1, Waiting())
    assert outcomes[OURS] == Performed(OURS)
    assert {len(set(owners) - {""}) for owners in seen} == {listed}
    assert all(project in owners and "e" * 32 not in owners for owners in seen)
