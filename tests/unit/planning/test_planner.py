"""The planner: desired against live, by hand-made values."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

from imagesync.model.catalog import OnExpire, Role, Status
from imagesync.model.image import LiveImage
from imagesync.model.plan import Update
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy
from imagesync.model.record import read
from imagesync.planfile.writer import encode_plan, format_document
from imagesync.planning.policy import check
from imagesync.render.text import format_plan
from tests.unit.factories import NOW, candidate, catalog, inventory, live, plan, retired, spec
from tests.unit.planning.plans import changes, kinds


def test_a_new_key_is_created() -> None:
    """A declared image that does not exist is created; the plan relies on its absence."""
    made = plan(catalog(spec("a")), inventory())
    assert kinds(made) == [("Create", "a", "new")]
    assert made.absent == ("a",)


def test_an_image_as_wanted_needs_no_step() -> None:
    """After a successful apply the next plan is empty."""
    wanted = spec("a", tags=frozenset({"t"}), properties={"os_distro": "ubuntu"}, min_ram=512)
    made = plan(catalog(wanted), inventory(live(wanted)))
    assert not made.steps
    assert made.unchanged == 1


def test_keys_outside_only_are_left_alone() -> None:
    """Keys outside ``only`` are neither changed nor removed."""
    found = inventory(live(spec("a")), live(spec("b")), live(spec("c")))
    wanted = catalog(spec("a", min_ram=1), keys=frozenset({"a", "b"}), only=("a",))
    assert kinds(plan(wanted, found)) == [("Update", "a", "manifest-changed")]


def test_drift_only_restores_and_nothing_else() -> None:
    """Creates, promotions, removals, deletions and changes of the manifest wait; the record stays as it is."""
    due, once = spec("due", expires=NOW.date().isoformat(), on_expire=OnExpire.DELETE), OnReplace(keep=0)
    found = inventory(
        live(spec("a", min_ram=1), min_ram=7),
        *(live(spec("surplus", on_replace=once)), retired(spec("surplus", "b"), "old")),
        *(live(spec("staged")), candidate(spec("staged", "b"))),
        *(live(spec("back", "b"), generation=2), retired(spec("back"), "earlier")),
        *(live(spec("left")), candidate(spec("left", "c"), "unwanted")),
        *(live(due), live(spec("gone")), retired(spec("gone", "b"), "older")),
        live(spec("off", status=Status.ACTIVE)),
    )
    wanted = catalog(
        *(spec("a", min_ram=1, min_disk=3), spec("new"), spec("surplus", on_replace=once), spec("staged", "b")),
        *(spec("back"), spec("left"), due, spec("off", status=Status.DEACTIVATED)),
    )
    made = plan(wanted, found, Policy(drift_only=True))
    assert kinds(made) == [("Update", "a", "drift")]
    assert changes(made) == {"min_ram": (7, 1)}
    (update,) = (step.action for step in made.steps)
    assert isinstance(update, Update)
    assert update.record == read(found.owned[0])
    plain = plan(wanted, found, Policy(allow_destroy=True))
    assert {key for _, key, _ in kinds(plain)} == {
        "a",
        "back",
        "due",
        "gone",
        "left",
        "new",
        "off",
        "staged",
        "surplus",
    }


def test_the_same_input_gives_the_same_bytes() -> None:
    """The order of images on either side does not show in the plan."""
    specs = [spec("a", "b"), spec("b", min_ram=1), spec("c")]
    images = [live(spec("a", "a")), live(spec("b")), live(spec("d"))]
    policy = Policy(allow_destroy=True)
    plans = {
        format_document(encode_plan(plan(catalog(*one), inventory(*two), policy), tool="test", folder="/"))
        for one in permutations(specs)
        for two in permutations(images)
    }
    assert len(plans) == 1


def test_plans_a_second_apart_are_equal() -> None:
    """A plan contains no age and no day of the reader's clock."""
    wanted = spec("a", "b", on_replace=OnReplace(keep=5, delete_after=90))
    found = inventory(live(spec("a"), "old", generation=2), retired(spec("a", "c"), "r"), candidate(wanted))
    first, second = (plan(catalog(wanted), found, now=NOW + timedelta(seconds=n)) for n in (0, 1))
    assert first == second
    midnight = plan(catalog(wanted), found, now=NOW + timedelta(days=1))
    assert first == midnight
    assert format_plan(first, now=NOW) != format_plan(first, now=NOW + timedelta(days=1))


def test_what_a_killed_run_left_does_not_count_against_the_limits() -> None:
    """A key that has a staged build alone is made, not updated, nor removed: the next plain apply continues."""
    wanted = [spec(f"k{number}", min_ram=7) for number in range(5)]
    owned = [live(spec(one.key), f"i{one.key}") for one in wanted]
    left = live(spec("new"), "s", Role.STAGING, hidden=True, name="new (staging)")
    made = plan(catalog(*wanted, spec("new")), inventory(*owned, left))
    assert (len(made.changed), made.owned, check(made, Policy())) == (5, 5, ())
    emptied = plan(catalog(), inventory(*owned, left))
    assert len(emptied.removed) == 5
    assert "--destroy" in check(emptied, Policy(max_delete=Limit(99, percent=False)))[0]


class CountedImages(tuple[LiveImage, ...]):
    """Images that count how often all of them are read."""

    passes = 0

    def __iter__(self) -> Iterator[LiveImage]:
        type(self).passes += 1
        return super().__iter__()


def test_all_images_are_read_a_fixed_number_of_times() -> None:
    """Not once for each key: time is in proportion to the catalog, with steps and without."""
    passes = []
    for number in (10, 40):
        wanted = [spec(f"k{index:02}") for index in range(number)]
        there = inventory(*(live(one) for one in wanted))
        CountedImages.passes = 0
        for min_ram in (None, 1):
            given = replace(there, owned=CountedImages(there.owned), foreign=CountedImages())
            made = plan(catalog(*(replace(one, min_ram=min_ram) for one in wanted)), given)
            assert len(made.steps) == (number if min_ram else 0)
        passes.append(CountedImages.passes)
    assert passes[0] == passes[1] > 0


def test_an_expired_image_is_deleted_whatever_happens_to_removed_ones() -> None:
    """``on_expire`` says so. A new key with its name is not taken for the same image."""
    due = spec("due", name="n", expires=NOW.date().isoformat(), on_expire=OnExpire.DELETE)
    found = inventory(live(due), live(spec("gone", "c")), live(spec("stays")), notes=("a note of the listing",))
    made = plan(catalog(due, spec("new", name="n"), spec("stays")), found, Policy(on_remove=OnRemove.KEEP))
    assert kinds(made) == [
        ("Update", "gone", "removed"),
        ("Create", "new", "new"),
        ("Delete", "due", "expired"),
    ]
    assert made.notes == ("a note of the listing",)
