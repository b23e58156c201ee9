"""Names and images of others: what clashes, what may not be adopted."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Fingerprint, ImageSpec, KnownContent, Place, Role, Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reason
from imagesync.planning.clashes import (
    Questions,
    collect_questions,
    find_keys_without_image,
    find_shared_to_adopt,
    is_assigned,
)
from imagesync.planning.generations import group
from tests.unit.factories import PROJECT, candidate, catalog, digest, inventory, live, plan, retired, rewrite, spec
from tests.unit.planning.plans import kinds

OTHER = "f" * 32
BOUND_ELSEWHERE = {"imagesync_catalog": "other", "imagesync_id": "foreign"}


def test_a_name_held_by_a_foreign_image_is_a_clash() -> None:
    """The error has its id and both remedies."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    with pytest.raises(PlanRefused, match=r"image foreign, .*already has the name.*adopt: foreign.*another name"):
        plan(catalog(spec("a")), inventory(foreign=(foreign,)))


def test_a_clash_names_its_place_and_both_ways_out() -> None:
    """For an image of another catalog, also how to release it there."""
    places: dict[str, Any] = {"places": {"image": Place("m.yaml", 3, 5), "name": Place("m.yaml", 4, 7)}}
    foreign = replace(live(spec("a", name="n"), "foreign"), properties={})
    with pytest.raises(PlanRefused) as refused:
        plan(catalog(spec("a", name="n", **places)), inventory(foreign=(foreign,)))
    assert refused.value.refusals == (
        "m.yaml:4:7: images.a: image foreign, which is not managed by imagesync, already has the name 'n'; "
        "to manage it here, declare adopt: foreign; to keep both images, declare another name",
    )
    marked = replace(foreign, name="a", properties=BOUND_ELSEWHERE)
    with pytest.raises(PlanRefused) as refused:
        plan(catalog(spec("a", places={"image": Place("m.yaml", 3, 5)})), inventory(foreign=(marked,)))
    assert refused.value.refusals == (
        "m.yaml:3:5: images.a: image foreign, which belongs to catalog other, already has the name 'a'; to take it "
        "over, first remove its key from catalog other, with policy.on_remove: keep, and run apply there, then declare adopt: "
        "foreign; to keep both images, declare another name",
    )


def test_a_hidden_or_foreign_owned_namesake_is_no_clash() -> None:
    """Only visible images of the same project hold a name."""
    hidden = replace(live(spec("a"), "x", hidden=True), properties={})
    other = replace(live(spec("a"), "y", owner="else"), properties={})
    assert plan(catalog(spec("a")), inventory(foreign=(hidden, other))).steps


def test_a_hidden_image_does_not_clash() -> None:
    """An image that is declared hidden takes no visible name."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    made = plan(catalog(spec("a", hidden=True)), inventory(foreign=(foreign,)))
    assert kinds(made) == [("Create", "a", "new")]


@pytest.mark.parametrize(
    ("is_hidden", "wanted_hidden", "is_asked"),
    [(False, False, False), (True, False, True), (True, True, False), (False, True, False)],
)
def test_a_name_is_requested_before_it_is_taken(*, is_hidden: bool, wanted_hidden: bool, is_asked: bool) -> None:
    """A hidden owned image does not hold its name: another user may have taken it meanwhile."""
    found = inventory(live(spec("a", hidden=is_hidden)))
    requests = collect_questions(catalog(spec("a", hidden=wanted_hidden)), found, group(found.owned))
    assert requests.names == ({PROJECT: ("a",)} if is_asked else {})


@pytest.mark.parametrize(
    ("visibility", "recorded", "declared", "is_asked"),
    [
        (Visibility.SHARED, frozenset({"p1"}), False, True),
        (Visibility.SHARED, frozenset(), True, True),
        (Visibility.SHARED, frozenset(), False, False),
        (Visibility.PRIVATE, frozenset({"p1"}), True, False),
    ],
)
def test_members_are_asked_for_where_they_matter(
    visibility: Visibility, recorded: frozenset[str], declared: bool, is_asked: bool
) -> None:
    """Of shared images: members that the manifest declares, and members that it declared before and that must be removed."""
    image = live(spec("a", visibility=visibility, members=recorded))
    wanted = catalog(spec("a", visibility=Visibility.SHARED, members_declared=declared))
    requests = collect_questions(wanted, inventory(image), group((image,)))
    assert requests.members == (("id-a",) if is_asked else ())


@pytest.mark.parametrize(
    ("catalog_name", "key", "role", "owner", "is_it"),
    [
        ("base", "a", Role.CURRENT, OTHER, True),
        ("base", "a", Role.RETIRED, OTHER, False),
        ("base", "a", Role.STAGING, OTHER, False),
        ("base", "b", Role.CURRENT, OTHER, False),
        ("other", "a", Role.CURRENT, OTHER, False),
        ("base", "a", Role.CURRENT, "copied", False),
    ],
)
def test_a_build_in_an_undeclared_project_is_owned_only_as_it_was_published(
    catalog_name: str, key: str, role: Role, owner: str, is_it: bool
) -> None:
    """The current build of a key that lacks one, where its record says that we put it."""
    image = rewrite(live(spec(key, owner=OTHER), role=role, owner=owner), catalog=catalog_name)
    assert is_assigned(image, catalog(spec("a")), {"a"}) is is_it


def test_several_images_to_adopt_are_refused() -> None:
    """The service allows equal names: the manifest must name the id."""
    twins = tuple(replace(live(spec("a"), name), properties={}) for name in ("y", "x"))
    with pytest.raises(PlanRefused, match=r"2 images.*adopt: ID \(x, y\)"):
        plan(catalog(spec("a", adopt=True)), inventory(foreign=twins))


def test_an_image_of_another_catalog_is_not_adopted() -> None:
    """The error has both remedies."""
    foreign = replace(live(spec("a"), "foreign"), properties=BOUND_ELSEWHERE)
    with pytest.raises(PlanRefused, match=r"belongs to catalog other.*on_remove: keep.*remove adopt here"):
        plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(foreign,)))


@pytest.mark.parametrize("name", ["base", "other"])
def test_a_snapshot_is_adopted_by_its_id_only(name: str) -> None:
    """It carries a copied record, of this catalog or another; an image with the same name is a clash."""
    snapshot = replace(live(spec("a"), "source"), id="snapshot")
    snapshot = replace(snapshot, properties={**snapshot.properties, "imagesync_catalog": name})
    (step,) = plan(catalog(spec("a", adopt="snapshot")), inventory(foreign=(snapshot,))).steps
    assert (step.reason, step.id) == ("adopt", "update:a:snapshot")
    for adopt in (True, False):
        with pytest.raises(PlanRefused, match="image snapshot, which carries a copy of another image's record"):
            plan(catalog(spec("a", adopt=adopt)), inventory(foreign=(snapshot,)))


@pytest.mark.parametrize("adopt", ["foreign", True])
def test_an_image_of_another_project_is_not_adopted(adopt: str | bool) -> None:
    """Adoption by id is refused; adoption by name ignores it, and a new build is made."""
    wanted = spec("a", adopt=adopt)
    foreign = replace(live(spec("a"), "foreign", owner=OTHER), properties={})
    if adopt is not True:
        with pytest.raises(PlanRefused, match="has no foreign image foreign"):
            plan(catalog(wanted), inventory(foreign=(foreign,)))
    else:
        assert kinds(plan(catalog(wanted), inventory(foreign=(foreign,)))) == [("Create", "a", "new")]
    (step,) = plan(catalog(replace(wanted, owner=OTHER)), inventory(foreign=(foreign,))).steps
    assert step.reason is Reason.ADOPT


def test_a_hidden_image_is_adopted_by_its_id_only() -> None:
    """Users do not see a hidden image under its name."""
    hidden = replace(live(spec("a"), "foreign", hidden=True), properties={})
    assert kinds(plan(catalog(spec("a", adopt=True)), inventory(foreign=(hidden,)))) == [("Create", "a", "new")]
    assert kinds(plan(catalog(spec("a", adopt="foreign")), inventory(foreign=(hidden,)))) == [("Update", "a", "adopt")]


def test_an_image_adopted_by_id_is_not_adopted_by_name_too() -> None:
    """An image has only one key."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    wanted = catalog(spec("b", adopt="foreign"), spec("a", adopt=True))
    with pytest.raises(PlanRefused, match=r"images\.a: image foreign, .*already has the name 'a'"):
        plan(wanted, inventory(foreign=(foreign,)))


@pytest.mark.parametrize(
    ("attrs", "foreign", "sentence"),
    [
        ({}, {"name": "a"}, "already has the name 'a'"),
        ({"adopt": "gone"}, {"name": "a"}, "has no foreign image gone"),
        (
            {"adopt": "foreign"},
            {"name": "a", "properties": BOUND_ELSEWHERE},
            "image foreign belongs to catalog other",
        ),
        ({"source": KnownContent(digest("a"))}, {"name": "b"}, "no image exists, and no source"),
        ({"id": "foreign", "owner": None}, {"name": "b"}, "a foreign image has the id foreign"),
    ],
)
def test_what_another_project_puts_in_the_way_stops_its_key_only(
    attrs: dict[str, Any], foreign: dict[str, Any], sentence: str
) -> None:
    """The key and keys that refer to it are left as they are, with a note; in the session's project it is an error."""
    theirs = spec("a", **{"owner": OTHER, **attrs})
    ours, needing = spec("ours"), spec("needing", properties={"kernel_id": "${images.a.id}"})
    image = replace(live(spec("a"), "foreign", owner=OTHER), **{"properties": {}, **foreign})
    left_over = live(theirs, "left over", Role.STAGING, owner=OTHER, status=Status.QUEUED)
    found = plan(catalog(theirs, ours, needing), inventory(left_over, foreign=(image,)))
    assert [step.id for step in found.steps] == ["create:ours"]
    assert any(sentence in note and note.startswith("a: nothing is done for this key: ") for note in found.notes)
    mine = replace(theirs, owner=None)
    with pytest.raises(PlanRefused, match=sentence):
        plan(catalog(mine, ours), inventory(foreign=(replace(image, owner=PROJECT),)))


def test_a_protected_image_in_another_project_does_not_stop_the_plan() -> None:
    """Of a key that left the manifest: it stays, and a note says so; in the session's project it is an error."""
    protected = live(spec("old"), protected=True)
    wanted = catalog(spec("a"), owners={"old": OTHER})
    found = plan(wanted, inventory(live(spec("a"), min_ram=9), replace(protected, owner=OTHER)))
    assert [step.id for step in found.steps] == []
    assert any("would delete the protected image id-old" in note for note in found.notes)
    with pytest.raises(PlanRefused, match="would delete the protected image id-old"):
        plan(wanted, inventory(live(spec("a")), protected))


OURS = {
    "kept": (live(spec("a", name="old")),),
    "published again": (
        live(spec("a", "b", name="old"), "now", generation=2),
        retired(spec("a", name="old"), "earlier"),
    ),
    "made": (live(spec("a", "b", name="old")),),
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("taken", ["new", "other"])
def test_a_name_clashes_whatever_gets_it(name: str, taken: str) -> None:
    """An image that is kept and renamed, one that is published again, a new build."""
    foreign = tuple(replace(live(spec("z", name=taken), f"foreign-{number}"), properties={}) for number in range(2))
    wanted, found = catalog(spec("a", name="new")), inventory(*OURS[name], foreign=foreign)
    if taken == "other":
        assert plan(wanted, found).steps
        return
    with pytest.raises(PlanRefused) as refused:
        plan(wanted, found)
    assert ["foreign-0" in refused.value.refusals[0], "foreign-1" in refused.value.refusals[1]] == [True, True]
    assert len(refused.value.refusals) == 2


def test_a_key_that_is_left_takes_no_name() -> None:
    """Its rejected build is not published, so no name clashes."""
    foreign = (replace(live(spec("z", name="taken"), "foreign"), properties={}),)
    found = inventory(candidate(spec("a"), status=Status.DEACTIVATED), foreign=foreign)
    assert plan(catalog(spec("a", name="taken")), found).steps == ()


def test_the_members_of_every_image_to_adopt_are_read() -> None:
    """Of each key that declares members; only shared images have any."""
    shared: dict[str, Any] = {"visibility": Visibility.SHARED, "members": frozenset({"p"}), "members_declared": True}
    wanted = catalog(*(spec(key, adopt=True, **shared) for key in "abc"), spec("d", adopt=True), spec("e", **shared))
    foreign = tuple(
        replace(live(spec(key), f"id-{key}"), properties={}, visibility=visibility)
        for key in "abcde"
        for visibility in [Visibility.PRIVATE if key == "c" else Visibility.SHARED]
    )
    found = inventory(foreign=foreign)
    assert find_shared_to_adopt(wanted, found, group(())) == ("id-a", "id-b")
    ours = group([live(spec("a"))])
    assert find_shared_to_adopt(wanted, found, ours) == ("id-b",)


def requests_of(wanted: ImageSpec, *images: LiveImage, promoting: str = "") -> Questions:
    """What planning asks about one key."""
    return collect_questions(catalog(wanted), inventory(*images), group(images), frozenset({promoting} - {""}))


def test_names_are_asked_for_in_the_project_that_the_key_declares() -> None:
    """A name belongs to a project."""
    both = catalog(spec("a"), spec("b", owner=OTHER), spec("c", owner=OTHER, name="n"))
    assert collect_questions(both, inventory(), group(())).names == {OTHER: ("b", "n"), PROJECT: ("a",)}


@pytest.mark.parametrize("role", [None, Role.CURRENT, Role.STAGING, Role.RETIRED])
def test_an_image_to_adopt_and_a_pinned_id_are_asked_for_unless_the_catalog_has_them(role: Role | None) -> None:
    """A key with a current image adopts none; a pinned image that the catalog owns is listed already."""
    images = [live(spec("a"), "pinned", role)] if role else []
    assert requests_of(spec("a", adopt="their"), *images).ids == (() if role is Role.CURRENT else ("their",))
    assert requests_of(spec("a", adopt=True), *images).ids == ()
    assert requests_of(spec("a", id="pinned"), *images).ids == (() if role else ("pinned",))
    assert requests_of(spec("a", id="free"), *images).ids == ("free",)


SHARING: dict[str, Any] = {"visibility": Visibility.SHARED, "members": frozenset({"p"}), "members_declared": True}


@pytest.mark.parametrize("declared", [True, False])
def test_members_are_asked_for_of_images_that_become_current(*, declared: bool) -> None:
    """A candidate, an earlier build with the declared content, and every retired one if a rollback may choose it; of an
    image that a new build replaces also without declared members, because they are lost with it.
    """
    sharing = SHARING if declared else {"visibility": Visibility.SHARED}
    wanted, other = spec("a", "b", **sharing), spec("a", "c", **sharing)
    staged = candidate(wanted, "staged", visibility=Visibility.SHARED)
    old, oldest = retired(wanted, "old"), retired(other, "oldest")
    current = live(spec("a", "a", **sharing), "now", generation=4)
    found = {name for name in ("now", "staged") if declared}
    assert set(requests_of(wanted, current, staged, old).members) == found
    assert set(requests_of(wanted, current, old, oldest).members) == {name for name in ("now", "old") if declared}
    every = {name for name in ("now", "old", "oldest") if declared}
    assert set(requests_of(wanted, current, old, oldest, promoting="a").members) == every
    assert set(requests_of(wanted, current, oldest).members) == {"now"}
    assert set(requests_of(wanted, current, oldest, promoting="b").members) == {"now"}
    assert set(requests_of(replace(wanted, fingerprint=current_content()), current, oldest).members) == (
        {"now"} if declared else set()
    )


def current_content() -> Fingerprint:
    """The content of the current image of these tests."""
    return Fingerprint((digest("a"),), size=4096)


def test_keys_without_an_image_are_those_that_get_none() -> None:
    """A key that adopts an image gets one."""
    wanted = catalog(spec("a"), spec("b"), spec("c", adopt=True), spec("d", adopt="x"), spec("e"))
    groups = group([live(spec("a")), candidate(spec("b")), live(spec("c"))])
    assert find_keys_without_image(wanted, groups) == {"b", "e"}


def test_an_image_of_the_catalog_is_no_foreign_one() -> None:
    """A listing may show it among the foreign images too: it is neither adopted nor a clash."""
    ours = live(spec("b", name="a"), "ours")
    for adopt in (None, True):
        made = plan(catalog(spec("a", adopt=adopt), spec("b", name="other")), inventory(ours, foreign=(ours,)))
        assert kinds(made)[0] == ("Create", "a", "new")


@pytest.mark.parametrize("owner", [None, PROJECT])
def test_a_problem_in_the_session_s_own_project_is_an_error_also_if_the_manifest_names_it(owner: str | None) -> None:
    """Only another project's images must not stop the other keys."""
    foreign = replace(live(spec("a"), "foreign"), properties={})
    with pytest.raises(PlanRefused, match="already has the name 'a'"):
        plan(catalog(spec("a", owner=owner)), inventory(foreign=(foreign,)))
