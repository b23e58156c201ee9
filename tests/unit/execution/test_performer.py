"""Steps of a plan on a store that loses updates and answers."""

from pathlib import Path

import pytest

from imagesync import Performer
from imagesync.errors import Forbidden, InUse, NotFound
from imagesync.execution.performer import make_update_fields
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Action, Deactivate, Delete, FieldChange, Plan, Reactivate, Reason, Step, Update
from imagesync.model.report import Outcome, Performed
from tests.unit.execution.helpers import FaultyStore, UpdateFault, apply, want_image
from tests.unit.factories import TARGET


class Occupied(FaultyStore):
    """A store in which an image is in use."""

    def delete_image(self, image: LiveImage | str) -> None:
        raise InUse("a server was booted from it")


def perform(store: FaultyStore, action: Action) -> Performed:
    """Carry out one step."""
    return Performer(store, Plan("base", TARGET))(Step("s", action, Reason.REMOVED), lambda sent, total: None)


def add_protected(store: FaultyStore) -> str:
    """The id of a protected image."""
    return store.create_image(name="n", protected=True).id


@pytest.mark.parametrize("fault", [UpdateFault.NONE, UpdateFault.NO_ANSWER])
def test_a_protected_image_is_deleted_in_two_requests(tmp_path: Path, fault: UpdateFault) -> None:
    """The deletion itself shows whether the protection is off."""
    store = FaultyStore(tmp_path / "store")
    image_id = add_protected(store)
    store.updates = [fault]
    assert perform(store, Delete("a", image_id, 1, unprotect=True)).outcome is Outcome.DONE
    assert store.calls == ["update", "delete"]
    with pytest.raises(NotFound):
        store.images(image_id)


def test_an_image_that_stays_protected_is_not_deleted(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    image_id = add_protected(store)
    store.updates = [UpdateFault.LOST]
    with pytest.raises(Forbidden):
        perform(store, Delete("a", image_id, 1, unprotect=True))
    assert store.images(image_id)[0].protected


@pytest.mark.parametrize("fault", [UpdateFault.NONE, UpdateFault.LOST, UpdateFault.NO_ANSWER])
def test_an_image_in_use_is_protected_again(tmp_path: Path, fault: UpdateFault) -> None:
    """Whatever becomes of the first update that does it."""
    store = Occupied(tmp_path / "store")
    image_id = add_protected(store)
    store.updates = [UpdateFault.NONE, fault]
    assert perform(store, Delete("a", image_id, 1, unprotect=True)).outcome is Outcome.DEFERRED
    assert store.images(image_id)[0].protected


def test_an_update_that_is_lost_is_sent_again(tmp_path: Path) -> None:
    store = FaultyStore(tmp_path / "store")
    image_id = store.create_image(name="n").id
    store.updates = [UpdateFault.LOST]
    perform(store, Update("a", image_id, (FieldChange(("name",), "n", "m", Reason.DRIFT),), None))
    assert store.images(image_id)[0].name == "m"


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
