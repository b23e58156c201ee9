"""The limits of a plan."""

from dataclasses import replace

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Fingerprint, OnExpire
from imagesync.model.image import Capabilities, Usage
from imagesync.model.plan import Create, Reason, Update, find_image_id
from imagesync.model.policy import Limit, OnRemove, OnReplace, Policy
from imagesync.planning.live_checks import find_false_claims
from imagesync.planning.permissions import find_exceeded_limits
from imagesync.planning.planner import make_plan
from imagesync.planning.policy import check
from tests.unit.factories import candidate, catalog, digest, inventory, live, plan, plan_input, retired, spec


def test_policy_refuses_too_many_removals_in_one_sentence() -> None:
    """Number, limit and way out."""
    keep = [spec(f"k{number}") for number in range(5)]
    found = inventory(*map(live, keep), *(live(spec(f"g{number}")) for number in range(5)))
    made = plan(catalog(*keep), found)
    (sentence,) = check(made, Policy())
    assert sentence == "would remove 5 of 10 live images (50 %), the limit is 30 %; pass --max-delete 5 to allow"


def test_an_empty_catalog_is_refused_whatever_the_limits_say() -> None:
    """A catalog that names none of the keys it owns needs --destroy."""
    made = plan(catalog(), inventory(live(spec("a"))), Policy())
    assert "--destroy" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


@pytest.mark.parametrize("limit", [Limit(0), Limit(0, percent=False)])
def test_destroy_lifts_the_limit_of_removals_and_no_other(limit: Limit) -> None:
    """Some of the images go, or all of them; an update is limited as before."""
    found = inventory(*(live(spec(f"k{number}")) for number in range(6)))
    policy = Policy(max_delete=limit, max_update=limit, allow_destroy=True)
    for kept in range(6):
        made = plan(catalog(*(spec(f"k{number}") for number in range(kept))), found, policy)
        assert (len(made.removed), check(made, policy)) == (6 - kept, ())
        assert "would remove" in check(made, replace(policy, allow_destroy=False))[0] or not kept
    changed = plan(catalog(*(spec(f"k{number}", min_ram=1) for number in range(6))), found, policy)
    assert "would update 6 of 6" in check(changed, policy)[0]


@pytest.mark.parametrize(
    ("limit", "keys", "is_refused"),
    [(Limit(25), 4, False), (Limit(24), 4, True), (Limit(0), 3, False), (Limit(0, percent=False), 3, True)],
)
def test_a_limit_in_per_cent_counts_from_four_keys_up(limit: Limit, keys: int, is_refused: bool) -> None:
    """Rounded down; one as a number always counts."""
    names = "abcd"[:keys]
    made = plan(catalog(*(spec(key) for key in names[1:])), inventory(*(live(spec(key)) for key in names)))
    assert bool(check(made, Policy(max_delete=limit))) == is_refused


EXPIRED = "2026-11-01"


@pytest.mark.parametrize("on_expire", OnExpire)
def test_an_expiry_counts_as_a_removal(on_expire: OnExpire) -> None:
    """Whatever it does. A plan once deleted ten of ten images, all of them expired, under a limit of one."""
    keys = [f"k{number}" for number in range(10)]
    wanted = [spec(key, expires=EXPIRED if key < "k5" else None, on_expire=on_expire) for key in keys]
    made = plan(catalog(*wanted), inventory(*(live(spec(key)) for key in keys)))
    assert made.removed == ("k0", "k1", "k2", "k3", "k4")
    (sentence,) = check(made, Policy(max_delete=Limit(1, percent=False)))
    assert sentence == "would remove 5 of 10 live images (50 %), the limit is 1; pass --max-delete 5 to allow"


@pytest.mark.parametrize("on_remove", OnRemove)
@pytest.mark.parametrize("hidden", ["old", "new"])
def test_of_two_current_images_either_counts(on_remove: OnRemove, hidden: str) -> None:
    """As a broken run leaves them: the newer one is hidden, say, and users have the older one. One key, counted once."""
    two = [
        live(spec("a"), name, generation=number, hidden=name == hidden) for number, name in enumerate(("old", "new"), 1)
    ]
    policy = Policy(on_remove=on_remove, max_delete=Limit(0, percent=False))
    found = inventory(*two, live(spec("b")))
    made = plan(catalog(spec("b")), found, policy)
    assert made.removed == ("a",)
    assert "would remove 1 of 2 live images" in check(made, policy)[0]
    assert find_false_claims(made, found) == ()
    assert find_false_claims(replace(made, removed=()), found) != ()
    (sentence,) = find_exceeded_limits(made, found, policy)
    assert "would remove 1 of 2 live images" in sentence


@pytest.mark.parametrize("on_expire", [OnExpire.HIDE, OnExpire.DEACTIVATE])
@pytest.mark.parametrize("ready", ["new content", "staged", "retired"])
def test_an_expiry_counts_also_where_another_build_is_wanted(on_expire: OnExpire, ready: str) -> None:
    """On that day upstream has moved, too. Nothing is made or published, what is current is taken away and counted."""
    keys = [f"k{number}" for number in range(5)]
    wanted = [spec(key, "b", expires=EXPIRED, on_expire=on_expire) for key in keys]
    images = [live(spec(key, "a"), f"old-{key}", generation=2) for key in keys]
    images += [candidate(spec(key, "b"), f"cand-{key}") for key in keys if ready == "staged"]
    images += [retired(spec(key, "b"), f"ret-{key}") for key in keys if ready == "retired"]
    made = plan(catalog(*wanted), inventory(*images))
    assert made.removed == tuple(keys)
    assert {find_image_id(step.action) for step in made.steps} == {f"old-{key}" for key in keys}
    assert {step.reason for step in made.steps} == {Reason.EXPIRED}
    assert "every live image of catalog base (5) would be removed" in check(made, Policy())[0]
    assert "k0: it has expired (2026-11-01): no image is made, published or adopted" in made.notes


@pytest.mark.parametrize("on_expire", [OnExpire.HIDE, OnExpire.DEACTIVATE])
@pytest.mark.parametrize("content", ["a", "b"])
def test_what_has_expired_is_not_adopted(on_expire: OnExpire, content: str) -> None:
    """Adoption would take an image that is in use away from users."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    wanted = spec("a", content, adopt="foreign", expires=EXPIRED, on_expire=on_expire)
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert made.steps == ()
    assert any(note.startswith("a: ") and "expire" in note for note in made.notes)


def test_what_somebody_else_made_is_not_deleted_by_the_run_that_replaces_it() -> None:
    """``keep: 0``: it retires first, so that there is a run in which it can be brought back; it counts as changed."""
    foreign = replace(live(spec("a"), "foreign"), properties={}, disk_format="qcow2")
    wanted = spec("a", "b", adopt="foreign", on_replace=OnReplace(keep=0))
    made = plan(catalog(wanted), inventory(foreign=(foreign,)))
    assert [type(step.action) for step in made.steps] == [Create, Update]
    assert made.changed == ("a",)
    assert [one.image_id for one in made.kept] == ["foreign"]
    assert check(made, Policy(max_update=Limit(0, percent=False)))


@pytest.mark.parametrize(("min_ram", "changed"), [(None, ()), (5, ("a",))])
def test_an_adoption_counts_if_it_changes_the_image(min_ram: int | None, changed: tuple[str, ...]) -> None:
    """To note what is managed is no change."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    made = plan(catalog(spec("a", adopt="foreign", min_ram=min_ram)), inventory(foreign=(foreign,)))
    assert [step.reason for step in made.steps] == [Reason.ADOPT]
    assert made.changed == changed
    assert find_false_claims(made, inventory(foreign=(foreign,))) == ()


def test_a_catalog_whose_last_images_expire_needs_destroy() -> None:
    """However few they are."""
    made = plan(catalog(spec("a", expires=EXPIRED, on_expire=OnExpire.DELETE)), inventory(live(spec("a"))))
    assert "every live image of catalog base (1) would be removed" in check(made, Policy())[0]
    assert not check(made, Policy(allow_destroy=True))


def test_images_that_were_removed_before_do_not_dilute_a_limit() -> None:
    """Twenty hidden ones of the past let an emptied manifest hide every live image without --destroy."""
    past = [live(spec(f"p{number}"), hidden=True) for number in range(20)]
    found = inventory(*past, *(live(spec(f"k{number}")) for number in range(3)))
    policy = Policy(on_remove=OnRemove.HIDE)
    made = plan(catalog(), found, policy)
    assert (made.owned, made.removed) == (3, ("k0", "k1", "k2"))
    assert "--destroy" in check(made, policy)[0]
    kept = plan(catalog(spec("k0"), spec("k1"), spec("k2")), found, policy)
    assert (kept.steps, kept.owned) == ((), 3)


def test_an_image_that_expired_before_counts_no_more() -> None:
    """It is hidden already: neither live nor removed by this plan."""
    hidden = live(spec("a", hidden=True), hidden=True)
    wanted = [spec("a", expires=EXPIRED), spec("b")]
    made = plan(catalog(*wanted), inventory(hidden, live(spec("b"))))
    assert (made.owned, made.removed) == (1, ())


def test_the_clean_up_of_superseded_builds_does_not_count() -> None:
    """Not as a removal, and not as a change of its key."""
    keys = "abcd"
    old = [retired(spec(key), f"old-{key}") for key in keys]
    wanted = [spec(key, on_replace=OnReplace(keep=0)) for key in keys]
    made = plan(catalog(*wanted), inventory(*map(live, wanted), *old))
    assert len(made.steps) == 4
    assert (made.removed, made.changed) == ((), ())
    assert check(made, Policy(max_delete=Limit(0), max_update=Limit(0))) == ()


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
def test_a_format_that_the_service_does_not_take_is_refused(name: str) -> None:
    """Before anything is uploaded; a service that tells no formats is believed to take any."""
    known = Capabilities(disk_formats=frozenset({"raw", "iso"}), container_formats=frozenset({"bare"}))
    wanted = catalog(spec("a", **{name: "other"}))
    with pytest.raises(PlanRefused) as caught:
        make_plan(plan_input(wanted, inventory(), able=known))
    takes = {"disk_format": "iso, raw", "container_format": "bare"}[name]
    assert str(caught.value) == f"images.a.{name}: this service does not take other; it takes {takes}"
    assert make_plan(plan_input(wanted, inventory(), able=Capabilities())).steps
    assert make_plan(plan_input(catalog(spec("a")), inventory(), able=known)).steps


@pytest.mark.parametrize(
    ("name", "usage", "limit", "is_refused"),
    [
        ("image_count_total", 7, 9, False),
        ("image_count_total", 8, 9, True),
        ("image_count_total", 0, 0, True),
        ("image_count_total", 9, -1, False),
        ("image_size_total", 6, 134, False),
        ("image_size_total", 7, 134, True),
        ("image_size_total", 0, 0, True),
        ("image_size_total", 99, -1, False),
    ],
)
def test_a_quota_may_be_used_up_to_its_limit(name: str, usage: int, limit: int, is_refused: bool) -> None:
    """By two images of 64 MiB each; 0 permits none, -1 is no limit."""
    able = Capabilities(usage={name: Usage(usage, limit)})
    images = [spec(key, fingerprint=Fingerprint((digest("a"),), size=64 * 2**20)) for key in "ab"]
    given = plan_input(catalog(*images), inventory(), able=able)
    if is_refused:
        with pytest.raises(PlanRefused, match=f"{name}.; raise the quota or remove images first"):
            make_plan(given)
    else:
        assert len(make_plan(given).steps) == 2
