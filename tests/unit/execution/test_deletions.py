"""Deletions in two phases: a marked image that is unchanged is deleted; one that a user changed meanwhile stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagesync.errors import Conflict, Forbidden, ImagesyncError, InUse, NotFound
from imagesync.execution import deletions as limits
from imagesync.execution.deletions import BATCH, Deletions, Outcomes, Waiting
from imagesync.execution.writes import Writes
from imagesync.model.catalog import Role
from imagesync.model.image import LiveImage
from imagesync.model.plan import Delete, Reliance
from imagesync.model.record import ROLE
from imagesync.model.report import Outcome, Performed
from tests.unit.execution.helpers import FaultyStore, UpdateFault
from tests.unit.execution.test_writes import change_by_hand, stored

RELIED = ("name", "owner", "hidden", "protected", f"properties.{ROLE}")


class Settling(FaultyStore):
    """A store whose writes settle after a while; ``between`` is called when the wait begins."""

    between: Callable[[], None] | None = None
    listings = 0
    seconds = 1.0

    def settling_time(self) -> float:
        if self.between:
            self.between()
        return self.seconds

    def inventory(self, catalog: str, owners: object = ()) -> list[LiveImage]:
        self.listings += 1
        return super().inventory(catalog)


@pytest.fixture
def store(tmp_path: Path) -> Settling:
    return Settling(tmp_path / "store")


def owned(store: Settling, name: str = "n", *, protected: bool = False) -> LiveImage:
    """A retired image of the catalog."""
    marks = {"imagesync_catalog": "base", ROLE: "retired", "imagesync_rev_3": "earlier"}
    image = store.create_image(name=name, protected=protected, properties=marks)
    image = change_by_hand(store, image.id, {"imagesync_id": image.id})
    store.calls.clear()
    return image


def rely(image: LiveImage) -> Reliance:
    """The values that a plan relied on."""
    values = {"name": image.name, "owner": image.owner, "hidden": image.hidden, "protected": image.protected}
    return Reliance(
        image.id, "a", {**values, **{f"properties.{name}": text for name, text in image.properties.items()}}
    )


def delete(store: Settling, *images: LiveImage, cancelled: Callable[[], bool] = lambda: False) -> Outcomes:
    """Delete the images with a clock that does not really wait."""
    now = [0.0]
    writes = Writes(store, [rely(image) for image in images], nonce="mine")
    waiting = Waiting(cancelled, sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), clock=lambda: now[0])
    deletes = [Delete("a", image.id, 1, unprotect=image.protected) for image in images]
    return Deletions(store, writes, "base", [], 2).delete(deletes, waiting)


def error_of(outcomes: Outcomes, image: LiveImage) -> ImagesyncError:
    """The error of a deletion."""
    found = outcomes[image.id]
    assert isinstance(found, ImagesyncError)
    return found


def test_images_are_marked_and_then_deleted(store: Settling) -> None:
    """Two requests for each, and two listings for all; the mark also removes the protection."""
    images = [owned(store, str(number), protected=number == 1) for number in range(4)]
    store.calls.clear()
    assert delete(store, *images) == {image.id: Performed(image.id) for image in images}
    assert store.images() == []
    assert sorted(store.calls) == ["delete"] * 4 + ["update"] * 4
    assert store.listings == 2


def test_many_images_are_marked_and_deleted_in_batches(store: Settling) -> None:
    """The listing is still recent when the last image of its batch is marked or deleted."""
    images = [owned(store, str(number)) for number in range(BATCH + 1)]
    assert len(delete(store, *images)) == BATCH + 1
    assert store.listings == 4


@pytest.mark.parametrize(
    "change",
    [
        {"imagesync_catalog": None},
        {"imagesync_id": None},
        {"imagesync_rev_3": None, "imagesync_rev_4": "another"},
        {ROLE: "current"},
    ],
    ids=["disowned", "unbound", "written by another run", "current again"],
)
def test_an_image_that_was_changed_before_is_not_touched(store: Settling, change: dict[str, str | None]) -> None:
    image = owned(store)
    writes = Writes(store, [rely(image)])
    changed = change_by_hand(store, image.id, change)
    outcomes = Deletions(store, writes, "base", [], 1).delete([Delete("a", image.id)])
    assert "another user or run changed image" in str(error_of(outcomes, image))
    assert stored(store, image) == changed


def test_an_image_that_was_renamed_between_listing_and_mark_is_restored(store: Settling) -> None:
    """The answer to the mark shows the new name; the run undoes its own change."""
    image = owned(store)

    class Renamed(Settling):
        def update_image(self, image: LiveImage | str, **attrs: Any) -> LiveImage:
            if not self.sent:
                super(FaultyStore, self).update_image(image, name="theirs", protected=True)
            return super().update_image(image, **attrs)

    store.__class__ = Renamed
    assert "name is 'theirs', it was 'n'" in str(error_of(delete(store, image), image))
    left = stored(store, image)
    assert (left.name, left.hidden, left.protected, left.properties[ROLE]) == ("theirs", False, True, "retired")


@pytest.mark.parametrize("change", [{ROLE: "current"}, {"imagesync_catalog": "other"}, {"imagesync_id": "x"}])
def test_an_image_that_was_changed_after_the_mark_is_not_deleted(
    store: Settling, change: dict[str, str | None]
) -> None:
    """The listing after the wait shows it."""
    image = owned(store)
    store.between = lambda: (change_by_hand(store, image.id, change), None)[1]
    assert "it is hidden, and not deleted" in str(error_of(delete(store, image), image))
    assert stored(store, image).hidden


def test_an_image_that_no_longer_exists_counts_as_deleted(store: Settling) -> None:
    """It disappears before the mark, or between mark and deletion."""
    image, other = owned(store), owned(store, "m")
    super(FaultyStore, store).delete_image(image)
    store.between = lambda: super(FaultyStore, store).delete_image(other)
    assert delete(store, image, other) == {image.id: Performed(image.id), other.id: Performed(other.id)}


def test_an_image_in_use_stays_hidden_and_marked(store: Settling) -> None:
    """Each run tries again to delete it; no run makes it visible."""

    class Occupied(Settling):
        def delete_image(self, image: LiveImage | str) -> None:
            raise InUse("a server was booted from it")

    image = owned(store)
    store.__class__ = Occupied
    outcome = delete(store, image)[image.id]
    assert isinstance(outcome, Performed)
    assert (outcome.outcome, "a server was booted from it" in outcome.remark) == (Outcome.DEFERRED, True)
    left = stored(store, image)
    assert (left.hidden, left.properties[ROLE]) == (True, Role.DELETING.value)


def test_one_failure_leaves_the_others_alone(store: Settling) -> None:
    first, second = owned(store), owned(store, "m")
    store.updates = [UpdateFault.REFUSED]
    outcomes = Deletions(store, Writes(store), "base", [], 1).delete([Delete("a", first.id), Delete("b", second.id)])
    assert isinstance(outcomes[first.id], Forbidden)
    assert outcomes[second.id] == Performed(second.id)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_run_that_is_stopped_while_it_waits_deletes_nothing(store: Settling, seconds: float) -> None:
    """The next run deletes the marked images, also on a backend without a wait."""
    store.seconds = seconds
    image = owned(store)
    stopped: list[bool] = []
    store.between = lambda: stopped.append(True)
    outcome = delete(store, image, cancelled=lambda: bool(stopped))[image.id]
    assert isinstance(outcome, Performed)
    assert outcome.outcome is Outcome.DEFERRED
    assert "delete" not in store.calls


def test_a_run_that_was_stopped_marks_nothing(store: Settling) -> None:
    image = owned(store)
    assert delete(store, image, cancelled=lambda: True) == {}
    assert stored(store, image) == image


def test_a_lost_lease_deletes_nothing(store: Settling) -> None:
    """It is lost during the wait: the mark stays, and the next run deletes the image."""
    image = owned(store)
    lost: list[bool] = []

    def check() -> None:
        if lost:
            raise Conflict("the lease is lost")

    store.between = lambda: lost.append(True)
    outcomes = Deletions(store, Writes(store, check_lease=check), "base", [], 1).delete([Delete("a", image.id)])
    assert "the lease is lost" in str(error_of(outcomes, image))
    assert stored(store, image).properties[ROLE] == Role.DELETING.value
    assert delete(store, stored(store, image)) == {image.id: Performed(image.id)}
    with pytest.raises(NotFound):
        stored(store, image)


def test_each_image_of_many_batches_is_marked_and_deleted_once(store: Settling) -> None:
    """Two full batches and a partial one."""
    images = [owned(store, str(number)) for number in range(2 * BATCH + 1)]
    store.calls.clear()
    assert delete(store, *images) == {image.id: Performed(image.id) for image in images}
    assert sorted(store.calls) == ["delete"] * len(images) + ["update"] * len(images)
    assert store.listings == 6


def test_a_stopped_run_reports_the_outcome_of_each_image(store: Settling) -> None:
    """One was changed before; two are marked and left to the next run."""
    changed, *marked = [owned(store, str(number)) for number in range(3)]
    stopped: list[bool] = []
    store.between = lambda: stopped.append(True)
    writes = Writes(store, [rely(image) for image in (changed, *marked)])
    change_by_hand(store, changed.id, {ROLE: "current"})
    deletes = [Delete("a", image.id) for image in (changed, *marked)]
    outcomes = Deletions(store, writes, "base", [], 2).delete(deletes, Waiting(lambda: bool(stopped)))
    assert isinstance(outcomes.pop(changed.id), Conflict)
    assert {name: one.outcome for name, one in outcomes.items() if isinstance(one, Performed)} == {
        image.id: Outcome.DEFERRED for image in marked
    }


@pytest.mark.parametrize(("seconds", "pauses"), [(0.0, []), (0.1, [0.1]), (0.5, [0.2, 0.2, 0.1])])
def test_the_marks_settle_before_anything_is_deleted(store: Settling, seconds: float, pauses: list[float]) -> None:
    """The wait is a series of short pauses, after each of which the run may be stopped; it is not longer than
    necessary."""
    for stop_after in (None, *range(1, len(pauses))):
        image, now, slept = owned(store), [50.0], list[float]()
        store.seconds = seconds

        def sleep(pause: float, now: list[float] = now, slept: list[float] = slept) -> None:
            slept.append(round(pause, 6))
            now[0] += pause

        waiting = Waiting(lambda slept=slept, end=stop_after: len(slept) == end, sleep, lambda now=now: now[0])  # type: ignore[misc]
        outcome = Deletions(store, Writes(store), "base", [], 1).delete([Delete("a", image.id)], waiting)[image.id]
        assert isinstance(outcome, Performed)
        assert outcome.outcome is (Outcome.DONE if stop_after is None else Outcome.DEFERRED)
        assert slept == pauses[: stop_after or len(pauses)]


def test_a_deleted_image_is_not_checked_at_the_end(store: Settling) -> None:
    """It would be reported as deleted by another user. One that is only marked is checked."""
    gone, kept = owned(store), owned(store)
    writes = Writes(store, [rely(gone), rely(kept)], nonce="mine")
    waiting = Waiting(sleep=lambda _seconds: None, clock=iter(range(1000)).__next__)
    change_by_hand(store, kept.id, {ROLE: "current"})
    Deletions(store, writes, "base", [], 2).delete([Delete("a", image.id, 1) for image in (gone, kept)], waiting)
    assert store.images() == [stored(store, kept)]
    assert writes.list_left() == []


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.BATCH == 40
    assert limits.MAX_PAUSE == 0.2
