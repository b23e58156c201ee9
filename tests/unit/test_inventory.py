"""The live images of a catalog, read while other users are active."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import Bug, Forbidden, ManifestError, NotFound, Unavailable, UsageError
from imagesync.inventory import MAX_READS, identify_owners, read_members, take_inventory, take_inventory_for_plan
from imagesync.model.catalog import Catalog, Member, NamedProject, Place, Role, Visibility
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Deactivate, Delete, Plan, Reason, Reliance
from imagesync.model.record import Managed, Record, hash_value
from imagesync.planning.planner import make_plan
from imagesync.planning.steps import make_step
from tests.pipeline import planned
from tests.unit.execution.helpers import apply, want_image
from tests.unit.factories import TARGET, catalog, plan_input, spec

OTHER = "e" * 32
MEMBER = "f" * 32


class Lagging(Local):
    """A store whose first ``late`` listings lack an image that another run has just made; ``listings`` counts them."""

    late = listings = 0

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        self.listings += 1
        found = super().inventory(catalog, owners)
        return [] if self.listings <= self.late else found


@pytest.mark.parametrize("late", range(MAX_READS))
def test_an_owned_image_that_is_made_during_the_inventory_is_not_taken_for_a_foreign_one(
    tmp_path: Path, late: int
) -> None:
    """It was not listed, but is found by its name: the inventory is read again."""
    store = Lagging(Store(tmp_path / "store"), "lagging")
    wanted = want_image(tmp_path, b"\0data")
    assert apply(store, wanted).succeeded
    store.late, store.listings = late, 0
    found = take_inventory(store, wanted)
    assert ([image.name for image in found.owned], found.foreign) == (["x"], ())
    assert store.listings == late + 1


def test_the_inventory_is_read_a_few_times_only(tmp_path: Path) -> None:
    """The last result counts."""
    store = Lagging(Store(tmp_path / "store"), "lagging")
    wanted = want_image(tmp_path, b"\0data")
    assert apply(store, wanted).succeeded
    store.late, store.listings = 99, 0
    found = take_inventory(store, wanted)
    assert (found.owned, [image.name for image in found.foreign], store.listings) == ((), ["x"], MAX_READS)


class Vanishing(Local):
    """A store that deletes an image when its members are requested, so many times; then it exists again."""

    vanished = 0

    def members(self, image_id: str) -> list[MemberState]:
        if self.vanished:
            self.vanished -= 1
            raise NotFound(f"there is no image {image_id}")
        return super().members(image_id)


@pytest.mark.parametrize("vanished", range(MAX_READS + 1))
def test_the_inventory_is_read_again_if_an_image_disappears_before_its_members_are_requested(
    tmp_path: Path, vanished: int
) -> None:
    """A few times; then it is an error."""
    store = Vanishing(Store(tmp_path / "store"), "vanishing")
    shared: dict[str, Any] = {"visibility": Visibility.SHARED, "members": frozenset({MEMBER}), "members_declared": True}
    wanted = want_image(tmp_path, b"\0data", **shared)
    assert apply(store, wanted).succeeded
    store.vanished = vanished
    if vanished < MAX_READS:
        (members,) = take_inventory(store, wanted).members.values()
        assert [member.project for member in members] == [MEMBER]
    else:
        with pytest.raises(NotFound):
            take_inventory(store, wanted)


@pytest.mark.parametrize(
    ("key", "role", "owner", "is_mentioned"),
    [
        ("a", Role.CURRENT, OTHER, True),
        ("a", Role.RETIRED, OTHER, False),
        ("b", Role.CURRENT, OTHER, False),
        ("a", Role.CURRENT, MEMBER, False),
    ],
)
def test_only_a_build_that_imagesync_made_in_another_project_is_mentioned(
    tmp_path: Path, key: str, role: Role, owner: str, is_mentioned: bool
) -> None:
    """Other users may copy the catalog's marker, or have a catalog of that name."""
    store, image_id = Local(Store(tmp_path / "store"), "store"), "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"
    record = Record("base", key, role, managed=Managed(fields={"owner": hash_value(owner)}))
    store.create_image(id=image_id, owner=OTHER, properties=record.properties(image_id))
    found = take_inventory(store, catalog(spec("a")))
    assert [image.id for image in found.misplaced] == ([image_id] if is_mentioned else [])


def test_members_are_requested_only_of_images_that_are_shared_now(tmp_path: Path) -> None:
    """A plan relied on them. The service refuses the request for any other image, and then the plan is stale anyway."""
    store = Local(Store(tmp_path / "store"), "store")

    def want(*members: str) -> Catalog:
        return want_image(
            tmp_path, b"\0data", visibility=Visibility.SHARED, members=frozenset(members), members_declared=True
        )

    assert apply(store, want(MEMBER)).succeeded
    plan = planned(store, want(OTHER))
    assert any("members" in each.values for each in plan.relies)
    (image,) = store.images()
    assert take_inventory_for_plan(store, plan).members == {image.id: (MemberState(MEMBER),)}
    store.update_image(image.id, visibility="private")
    assert take_inventory_for_plan(store, plan).members == {}


class Named(Local):
    """A store with an identity service that knows two projects; ``queries`` lists the requests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "named")
        self.queries: list[str] = []

    def project_id(self, name: str, domain: str) -> str:
        self.queries.append(f"{domain}/{name}")
        if name == "own":
            return self.identity().project_id
        return {"other": OTHER}[name]


def test_owners_by_name_are_requested_once(tmp_path: Path) -> None:
    """Those of images, and of keys that are outside ``only`` or removed. An owner with an id costs no request."""
    backend, other = Named(tmp_path / "store"), NamedProject("other", "Default")
    wanted = catalog(spec("a", owner=other), spec("b", owner=other), spec("c", owner="d" * 32), spec("d"))
    wanted = replace(wanted, owners={"x": other, "y": "c" * 32})
    found = identify_owners(backend, wanted)
    assert [one.owner_id for one in found.images] == [OTHER, OTHER, "d" * 32, None]
    assert found.owner_ids == {"x": OTHER, "y": "c" * 32}
    assert backend.queries == ["Default/other"]
    assert identify_owners(backend, found) == found
    assert backend.queries == ["Default/other"]


def test_a_project_whose_id_is_unknown_is_an_error(tmp_path: Path) -> None:
    """A plan with a name instead of an id would use the session's project."""
    named = NamedProject("other", "Default")
    with pytest.raises(Bug):
        take_inventory(Named(tmp_path / "store"), catalog(spec("a", owner=named)))
    with pytest.raises(Bug):
        take_inventory(Named(tmp_path / "store"), replace(catalog(), owners={"a": named}))


@pytest.mark.parametrize("owner", [None, "own", NamedProject("own", "Default")])
def test_two_names_of_one_project_are_one_project(tmp_path: Path, owner: Member | None) -> None:
    """Two visible images of one name in it are a mistake, whether it is given by name or id."""
    backend = Named(tmp_path / "store")
    project = backend.identity().project_id
    one, two = spec("a", name="N", owner=project), spec("b", name="N", owner=project if owner == "own" else owner)
    with pytest.raises(ManifestError, match=r"images\.b\.name: images\.a in the same project has the name 'N' too"):
        identify_owners(backend, catalog(one, replace(two, places={"image": Place("m.yaml", 3, 5)})))
    identify_owners(backend, catalog(one, replace(two, hidden=True)))
    identify_owners(backend, catalog(one, replace(two, owner=OTHER)))


def test_a_project_that_cannot_be_found_is_named_with_its_place(tmp_path: Path) -> None:
    """A store knows no project names."""
    wanted = spec("a", owner=NamedProject("p", "Default"), places={"image": Place("m.yaml", 3, 5)})
    with pytest.raises(
        UsageError, match=r"m\.yaml:3:5: images\.a\.owner: project 'p' of domain 'Default': a local store"
    ):
        identify_owners(Local(Store(tmp_path / "store"), "x"), catalog(wanted))
    removed = replace(catalog(), owners={"b": NamedProject("p", "Default")})
    with pytest.raises(UsageError, match="owner of b: project 'p'"):
        identify_owners(Local(Store(tmp_path / "store"), "x"), removed)


class Asked(Local):
    """A store that notes which single images, names and members are requested; ``gone``: images that it does not have."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Store(folder), "ids")
        self.ids: list[str] = []
        self.names: list[tuple[str, tuple[str, ...]]] = []

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        if image_id is not None:
            self.ids.append(image_id)
        return super().images(image_id)

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        self.names.append((owner, tuple(names)))
        return super().find_named(names, owner)


def make_id(letter: str) -> str:
    """An image id."""
    return f"{letter * 8}-0000-4000-8000-000000000000"


def test_the_images_of_a_plan_are_those_that_it_names_relies_on_touches_or_wrote(tmp_path: Path) -> None:
    """Each is requested once; owned images are listed already, and deleted ones are not requested."""
    store = Asked(tmp_path / "store")
    marks = Record("base", "a", Role.CURRENT).properties(make_id("a"))
    store.create_image(id=make_id("a"), properties=marks)
    for letter in "bcde":
        store.create_image(id=make_id(letter), name=letter)
    plan = Plan(
        "base",
        TARGET,
        (
            make_step(Deactivate("x", make_id("b")), Reason.EXPIRED),
            make_step(Delete("x", make_id("f")), Reason.REMOVED),
        ),
        relies=(Reliance(make_id("c"), "y", {}), Reliance(make_id("a"), "a", {})),
        ids={"z": make_id("d"), "a": make_id("a")},
    )
    found = take_inventory_for_plan(store, plan, written=[make_id("e"), make_id("a")], deleted=[make_id("f")])
    assert sorted(store.ids) == [make_id(letter) for letter in "bcde"]
    assert [image.id for image in found.owned] == [make_id("a")]
    assert [image.id for image in found.foreign] == [make_id(letter) for letter in "bcde"]
    store.ids.clear()
    take_inventory_for_plan(store, plan)
    assert sorted(store.ids) == [make_id(letter) for letter in "bcdf"]


def test_names_that_a_plan_takes_are_requested_in_the_projects_of_their_keys(tmp_path: Path) -> None:
    """A name in another project is another name."""
    store = Asked(tmp_path / "store")
    made = make_plan(plan_input(catalog(spec("a"), spec("b", owner=OTHER), spec("c", name="n")), Inventory("p")))
    own = store.identity().project_id
    take_inventory_for_plan(store, replace(made, owners={"b": OTHER}))
    assert sorted(store.names) == sorted([(own, ("a", "n")), (OTHER, ("b",))])


def test_members_of_shared_images_to_adopt_are_read(tmp_path: Path) -> None:
    """Only of keys that declare members: the plan compares them."""
    store = Asked(tmp_path / "store")
    for name in ("a", "b"):
        store.create_image(id=make_id(name), name=name, visibility="shared")
        store.add_member(make_id(name), MEMBER)
    sharing: dict[str, Any] = {"visibility": Visibility.SHARED, "adopt": True}
    wanted = catalog(spec("a", members=frozenset({OTHER}), members_declared=True, **sharing), spec("b", **sharing))
    assert take_inventory(store, wanted).members == {make_id("a"): (MemberState(MEMBER),)}


def test_an_unknown_project_is_named_where_it_is_written_first(tmp_path: Path) -> None:
    """One request for each project, and one error."""
    project = NamedProject("p", "Default")
    wanted = [
        spec(key, owner=project, places={"image": Place("m.yaml", line, 5)}) for key, line in (("a", 3), ("b", 9))
    ]
    with pytest.raises(UsageError, match=r"^m\.yaml:3:5: images\.a\.owner: project 'p'"):
        identify_owners(Local(Store(tmp_path / "store"), "x"), catalog(*wanted))


class WithStrays(Asked):
    """A store that notes the search for builds in other projects, which could not read all of them."""

    searched = 0

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:
        self.searched += 1
        missing += ["region two", "region one"]
        return super().find_strays(catalog, missing)


def test_builds_in_other_projects_are_searched_only_for_keys_without_an_image(tmp_path: Path) -> None:
    """What could not be read is a note of the plan. A build that the listing has is not mentioned twice."""
    store = WithStrays(tmp_path / "store")
    for letter, key, owner in (("a", "a", None), ("b", "b", OTHER)):
        fields = {"owner": hash_value(owner)} if owner else {}
        record = Record("base", key, Role.CURRENT, managed=Managed(fields=fields))
        owned: dict[str, Any] = {"owner": owner} if owner else {}
        store.create_image(id=make_id(letter), properties=record.properties(make_id(letter)), **owned)
    found = take_inventory(store, catalog(spec("a")))
    assert (store.searched, found.notes, found.misplaced) == (0, (), ())
    found = take_inventory(store, catalog(spec("a"), spec("b"), spec("c", owner=OTHER)))
    assert store.searched == 1
    assert [image.id for image in found.misplaced] == [make_id("b")]
    (note,) = found.notes
    assert "(region one and 1 more)" in note


def test_a_listing_is_sorted_into_owned_copied_and_misplaced_images(tmp_path: Path) -> None:
    """A copy has the record of another image; a misplaced image is in the project of another key."""
    store = Asked(tmp_path / "store")
    for letter, names, key, owner in (("a", "a", "a", None), ("b", "a", "a", None), ("c", "c", "a", OTHER)):
        marks = Record("base", key, Role.CURRENT).properties(make_id(names))
        fields: dict[str, Any] = {"owner": owner} if owner else {}
        store.create_image(id=make_id(letter), properties=marks, **fields)
    found = take_inventory(store, catalog(spec("a"), spec("x", owner=OTHER)))
    parts = (found.owned, found.copies, found.misplaced)
    assert [[image.id for image in part] for part in parts] == [[make_id("a")], [make_id("b")], [make_id("c")]]


def test_an_image_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    """The plan says what is missing."""
    store = Asked(tmp_path / "store")
    assert take_inventory(store, catalog(spec("a", adopt=make_id("9")))).foreign == ()
    assert store.ids == [make_id("9")]


class Guarded(Local):
    """A store that refuses to list the members of some images, or no longer has these images."""

    errors: Mapping[str, Exception] = MappingProxyType({})
    ids: tuple[str, ...] = ()

    def members(self, image_id: str) -> list[MemberState]:
        self.ids += (image_id,)
        if image_id in self.errors:
            raise self.errors[image_id]
        return super().members(image_id)


def test_members_that_cannot_be_listed_are_left_out(tmp_path: Path) -> None:
    """Only shared images have members; any other error ends the command."""
    store = Guarded(Store(tmp_path / "store"), "guarded")
    visibilities = {"a": "shared", "b": "shared", "c": "shared", "d": "private", "e": "community", "f": "public"}
    for letter, visibility in visibilities.items():
        store.create_image(id=make_id(letter), visibility=visibility)
    store.add_member(make_id("a"), MEMBER)
    store.errors = {make_id("b"): Forbidden("no"), make_id("c"): NotFound("gone")}
    images = store.images()
    assert read_members(store, images, 2) == {make_id("a"): (MemberState(MEMBER),)}
    assert sorted(store.ids) == [make_id(letter) for letter in "abc"]
    store.errors = {make_id("b"): Unavailable("no answer")}
    with pytest.raises(Unavailable):
        read_members(store, images, 2)


def test_members_are_requested_where_a_plan_relies_on_them(tmp_path: Path) -> None:
    """Of shared images only; other values of an image need none."""
    store = Guarded(Store(tmp_path / "store"), "guarded")
    for letter, visibility in {"a": "shared", "b": "shared", "c": "private", "d": "shared"}.items():
        store.create_image(id=make_id(letter), visibility=visibility)
    store.add_member(make_id("a"), MEMBER)
    store.add_member(make_id("d"), OTHER)
    relies = (
        Reliance(make_id("a"), "a", {"members": (MEMBER,)}),
        Reliance(make_id("b"), "b", {"visibility": "shared", "tags": ()}),
        Reliance(make_id("c"), "c", {"members": ()}),
        Reliance(make_id("d"), "d", {"members": ()}),
    )
    found = take_inventory_for_plan(store, Plan("base", TARGET, relies=relies))
    assert found.members == {make_id("a"): (MemberState(MEMBER),), make_id("d"): (MemberState(OTHER),)}
    assert sorted(store.ids) == [make_id("a"), make_id("d")]


def test_a_note_names_the_first_of_what_could_not_be_read(tmp_path: Path) -> None:
    """The whole sentence, in the order of names."""
    store = WithStrays(tmp_path / "store")
    assert take_inventory(store, catalog(spec("a"))).notes == (
        "not all images of other projects with this catalog's marker could be read (region one and 1 more); "
        "this plan may not mention a build in another project",
    )
    assert MAX_READS == 3
