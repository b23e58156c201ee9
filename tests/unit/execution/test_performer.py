"""Steps of a plan on a store that loses updates and answers."""

import hashlib
import threading
from pathlib import Path

import pytest

from imagesync import Performer, execute
from imagesync.backends.base import UpdateFields
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import ChecksumMismatch, Unavailable
from imagesync.execution.deletions import Waiting
from imagesync.execution.performer import Progress, make_update_fields
from imagesync.model.catalog import Checksum, Role, Status, Visibility
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
from imagesync.model.record import Record
from imagesync.model.report import Outcome, Performed, Report
from tests.pipeline import planned
from tests.unit.execution.helpers import FaultyStore, UpdateFault, apply, want_image
from tests.unit.execution.test_writes import change_by_hand
from tests.unit.factories import TARGET


def perform(store: FaultyStore, action: Action) -> Performed:
    """Carry out one step."""
    return Performer(store, Plan("base", TARGET))(Step("s", action, Reason.REMOVED), lambda sent, total: None)


def test_an_update_that_is_lost_is_sent_again(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    image_id = store.create_image(name="n").id
    store.updates = [UpdateFault.NONE, UpdateFault.LOST]
    change = FieldChange(("name",), "n", "m", Reason.DRIFT)
    perform(store, Update("a", image_id, (change,), Record("base", "a", Role.CURRENT)))
    assert store.images(image_id)[0].name == "m"


def test_an_image_that_is_let_go_loses_every_mark(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    assert apply(store, want_image(tmp_path, b"data", properties={"p": "1"})).succeeded
    (image,) = store.images()
    perform(store, Update("x", image.id, (), None))
    assert store.images(image.id)[0].properties == {"p": "1"}


@pytest.mark.parametrize("change", [{"hidden": True}, {"visibility": "shared"}, {"name": "theirs"}])
def test_an_old_build_stays_if_the_new_one_is_not_as_it_was_published(tmp_path: Path, change: UpdateFields) -> None:
    """Somebody changed the new build between its publication and the retirement of the old one."""
    store = FaultyStore(tmp_path / "store")
    apply(store, want_image(tmp_path, b"one"))
    (old,) = store.images()
    wanted = want_image(tmp_path, b"two")
    plan = planned(store, wanted)
    performer = Performer(store, plan)

    def perform_all(step: Step, progress: Progress) -> Performed:
        if isinstance(step.action, Update):
            super(FaultyStore, store).update_image(performer.ids["x"], **change)
        return performer(step, progress)

    perform_all.delete = performer.delete  # type: ignore[attr-defined]
    report = execute(plan, perform_all, jobs=1, notify=lambda _: None, cancelled=threading.Event())  # type: ignore[arg-type]
    (failed,) = (result for result in report.results if result.outcome is Outcome.FAILED)
    assert "changed by somebody else meanwhile" in failed.error
    assert store.images(old.id)[0] == old


@pytest.mark.parametrize("is_right", [True, False])
def test_data_that_is_to_be_verified_is_read_back_before_anything_is_written(tmp_path: Path, is_right: bool) -> None:
    """An image in another project is published only if it holds the declared data."""
    store = FaultyStore(tmp_path / "store")
    apply(store, want_image(tmp_path, b"data"))
    (image,) = store.images()
    digest = Checksum("sha256", hashlib.sha256(b"data" if is_right else b"other").hexdigest())
    change = FieldChange(("visibility",), "private", "public", Reason.DRIFT)
    update = Update("x", image.id, (change,), Record("base", "x", Role.CURRENT), (digest,))
    if is_right:
        perform(store, update)
        assert store.images(image.id)[0].visibility is Visibility.PUBLIC
    else:
        with pytest.raises(ChecksumMismatch):
            perform(store, update)
        assert store.images(image.id)[0] == image


def test_an_image_changes_its_status_and_back(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    assert apply(store, want_image(tmp_path, b"data")).succeeded
    (image,) = store.images()
    perform(store, Deactivate("x", image.id))
    assert store.images(image.id)[0].status is Status.DEACTIVATED
    perform(store, Reactivate("x", image.id))
    assert store.images(image.id)[0].status is Status.ACTIVE


def test_field_changes_are_the_arguments_of_an_update() -> None:
    """References are resolved, properties without a value removed; members and stores have requests of their own."""
    changes = [(("name",), "n"), (("properties", "p"), "$x"), (("properties", "q"), None), (("members",), ("m",))]
    made = tuple(FieldChange(path, None, after, Reason.DRIFT) for path, after in (*changes, (("stores",), ("s",))))
    assert make_update_fields(made, lambda text: text.replace("$x", "id")) == {
        "name": "n",
        "properties": {"p": "id", "q": None},
    }


class DiesAfterSharing(Local):
    """A store that takes a member, and nothing more of that run."""

    is_dying = False

    def add_member(self, image_id: str, project: str) -> None:
        super().add_member(image_id, project)
        if self.is_dying:
            raise Unavailable("the process was killed")


def test_a_member_that_a_killed_run_added_is_known_to_the_next_manifest(tmp_path: Path) -> None:
    """The record names it before it is added: an image stayed shared with a project that no manifest named any more."""
    service = DiesAfterSharing(Store(tmp_path / "store"), "dying")

    def share(*projects: str) -> Report:
        members = frozenset(name * 32 for name in projects)
        return apply(service, want_image(tmp_path, b"data", visibility=Visibility.SHARED, members=members))

    assert share("a", "b").succeeded
    service.is_dying = True
    assert not share("b", "c").succeeded
    service.is_dying = False
    assert share("d").succeeded
    (image,) = service.images()
    assert [member.project for member in service.members(image.id)] == ["d" * 32]


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.PUBLIC, Visibility.COMMUNITY])
def test_an_image_that_is_shared_no_more_has_no_members(tmp_path: Path, visibility: Visibility) -> None:
    """Those whom somebody else added neither: nobody could take them off afterwards, or see them."""
    store = FaultyStore(tmp_path / "store")
    member, other = "a" * 32, "b" * 32
    assert apply(store, want_image(tmp_path, b"data", visibility=Visibility.SHARED, members={member})).succeeded
    (image,) = store.images()
    plan = planned(store, want_image(tmp_path, b"data", visibility=visibility))
    store.add_member(image.id, other)  # the plan does not know of this one
    carry_out = Performer(store, plan)
    assert execute(plan, carry_out, jobs=1, notify=lambda _: None, cancelled=threading.Event()).succeeded
    assert apply(store, want_image(tmp_path, b"data", visibility=Visibility.SHARED)).succeeded
    assert store.members(image.id) == []


def test_images_in_other_projects_are_listed_with_the_others_before_they_are_deleted(tmp_path: Path) -> None:
    """None of them costs a request of its own, and no other project's images are looked at."""
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
