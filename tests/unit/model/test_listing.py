"""Which images a listing has, in which order, and which one a word names."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import UsageError
from imagesync.model.catalog import Role, Visibility
from imagesync.model.image import Filter, LiveImage
from imagesync.model.listing import Entry, Selection, Standing, collect_words, find_named_image, sort_entries
from tests.unit.factories import candidate, live, retired, rewrite, spec

FOREIGN = LiveImage("foreign", name="web", owner="p2", tags=frozenset({"t", "u"}), visibility=Visibility.COMMUNITY)
WEB, DB = spec("web", name="web"), spec("db", name="Data base")
IMAGES = {
    "current": live(WEB, "current", tags=frozenset({"t"})),
    "candidate": candidate(WEB, "candidate"),
    "retired": retired(WEB, "retired"),
    "deleting": live(WEB, "deleting", Role.DELETING),
    "copy": replace(live(WEB, "x"), id="copy"),
    "other": live(DB, "other", visibility=Visibility.PUBLIC),
    "foreign": FOREIGN,
}


@pytest.mark.parametrize(
    ("attrs", "selected"),
    [
        ({}, set(IMAGES)),
        ({"keys": ["w*"]}, {"current", "candidate", "retired", "deleting"}),
        ({"keys": ["W*"]}, set()),
        ({"keys": ["web", "db"], "roles": [Standing.CURRENT]}, {"current", "other"}),
        ({"roles": [Standing.CANDIDATE, Standing.RETIRED]}, {"candidate", "retired"}),
        ({"roles": [Standing.DELETING]}, {"deleting"}),
        ({"catalogs": ["base"], "names": ["Data*"]}, {"other"}),
        ({"catalogs": ["Base"]}, set()),
        ({"names": ["web"], "unmanaged": True}, {"copy", "foreign"}),
        ({"names": ["web", "Data base"], "tags": ["t"]}, {"current", "foreign"}),
        ({"tags": ["t", "u"]}, {"foreign"}),
        ({"visibilities": [Visibility.PUBLIC, Visibility.COMMUNITY]}, {"other", "foreign"}),
        ({"owners": ["p2"]}, {"foreign"}),
        ({"owners": ["p2", "p3"], "names": ["other"]}, set()),
        ({"owners": ["p3", "p2"]}, {"foreign"}),
        ({"keys": ["web"], "owners": ["p2"]}, set()),
    ],
)
def test_an_image_must_match_every_option(attrs: dict[str, Any], selected: set[str]) -> None:
    """Of several values of one option one is enough, except tags. A copied record is none."""
    wanted = Selection(**attrs)
    assert {name for name, image in IMAGES.items() if wanted.is_match(image)} == selected
    assert wanted.is_empty is (not attrs)


@pytest.mark.parametrize(
    ("attrs", "made"),
    [
        ({}, Filter()),
        ({"names": ["a"], "keys": ["b"]}, Filter(name="a", key="b")),
        ({"names": ["a*"], "keys": ["b?"]}, Filter()),
        ({"names": ["a", "b"], "catalogs": ["a", "b"]}, Filter()),
        ({"tags": ["a", "b"], "catalogs": ["c"]}, Filter(tags=frozenset({"a", "b"}), catalog="c")),
        ({"roles": [Standing.CANDIDATE]}, Filter(role="staging")),
        ({"roles": [Standing.CURRENT]}, Filter()),
        ({"roles": [Standing.RETIRED, Standing.CANDIDATE]}, Filter()),
        ({"visibilities": [Visibility.PUBLIC]}, Filter(visibility=Visibility.PUBLIC)),
        ({"visibilities": [Visibility.PUBLIC, Visibility.SHARED]}, Filter()),
        ({"unmanaged": True}, Filter()),
        ({"owners": ["p"]}, Filter(owner="p")),
        ({"owners": ["p", "q"]}, Filter()),
    ],
)
def test_the_service_applies_what_it_can(attrs: dict[str, Any], made: Filter) -> None:
    """No globs, no alternatives; not ``current``, because an image with an unreadable role counts as current."""
    wanted = Selection(**attrs)
    assert wanted.make_filter() == made
    assert all(made.is_match(image) for image in IMAGES.values() if wanted.is_match(image))


def test_a_record_without_a_readable_role_is_listed_as_current() -> None:
    """The service would not find it by its role."""
    image = live(WEB)
    odd = replace(image, properties={**image.properties, "imagesync_role": "?"})
    assert Selection(roles=[Standing.CURRENT]).is_match(odd)


@pytest.mark.parametrize("attrs", [{"keys": ["a"]}, {"catalogs": ["a"]}, {"roles": [Standing.CURRENT]}])
def test_unmanaged_images_have_no_key(attrs: dict[str, Any]) -> None:
    """The options contradict each other."""
    with pytest.raises(UsageError, match=r"--unmanaged and --.* exclude each other"):
        Selection(unmanaged=True, **attrs)


def test_builds_of_a_key_are_together_and_foreign_images_last() -> None:
    """By the name of the current build: a candidate has a temporary name, a retired build may be renamed."""
    renamed = replace(retired(WEB, "oldest", days=30), name="a (old)")
    later = retired(WEB, "later", days=3)
    images = [*IMAGES.values(), renamed, later]
    order = [entry.image.id for entry in sort_entries(map(Entry, reversed(images)))]
    builds = ["current", "candidate", "retired", "later", "oldest", "deleting"]
    assert order == ["other", *builds, "copy", "foreign"]


def _managed(image: LiveImage) -> Any:
    record = Entry(image).record
    assert record is not None
    return record.managed


def test_the_number_of_the_retirement_counts_before_its_time() -> None:
    """Clocks may be wrong."""
    first, second = retired(WEB, "first", days=0), retired(WEB, "second", days=9)
    images = [
        rewrite(image, managed=replace(_managed(image), retirement=number))
        for number, image in enumerate((first, second), 1)
    ]
    assert [entry.image.id for entry in sort_entries(map(Entry, images))] == ["second", "first"]


def test_a_word_is_an_id_a_key_or_a_name() -> None:
    """A key is its current build; the others are only mentioned."""
    every = list(IMAGES.values())
    assert [image.id for image in find_named_image(every, "retired").images] == ["retired"]
    assert [image.id for image in find_named_image(every, "db").images] == ["other"]
    assert [image.id for image in find_named_image(every, "Data base").images] == ["other"]
    assert find_named_image(every, "data base").images == ()


def test_a_key_means_its_current_build() -> None:
    """Another image with that name makes the word ambiguous."""
    builds = [IMAGES[name] for name in ("retired", "current", "candidate")]
    found = find_named_image(builds, "web")
    assert [image.id for image in found.images] == ["current"]
    assert [image.id for image in found.others] == ["retired", "candidate"]
    assert {image.id for image in find_named_image([*builds, FOREIGN], "web").images} == {"current", "foreign"}
    assert {image.id for image in find_named_image([IMAGES["retired"], IMAGES["candidate"]], "web").images} == {
        "retired",
        "candidate",
    }


def test_words_for_suggestions_are_names_and_keys() -> None:
    """Each once, without images that have no name."""
    assert list(collect_words([IMAGES["other"], IMAGES["current"], LiveImage("n")])) == ["Data base", "db", "web"]


def test_names_are_sorted_without_case_and_equal_ones_with_it() -> None:
    """Then by id."""
    images = [LiveImage(f"{number}", name=name) for number, name in enumerate(["b", "B", "a", "C", "b", None, "A"])]
    assert [entry.image.id for entry in sort_entries(map(Entry, images))] == ["5", "6", "2", "1", "0", "4", "3"]


def test_the_newest_of_several_candidates_is_listed_first() -> None:
    """By the number of its build, not by its id."""
    builds = [
        rewrite(image, managed=replace(_managed(image), generation=number))
        for number, image in ((number, candidate(WEB, f"c{number}")) for number in (1, 3, 2))
    ]
    assert [entry.image.id for entry in sort_entries(map(Entry, builds))] == ["c3", "c2", "c1"]


def test_builds_of_a_key_in_another_project_or_catalog_are_apart() -> None:
    """Each under the name of the current build of its own."""
    ours, theirs = retired(WEB, "ours"), retired(WEB, "theirs")
    theirs = replace(theirs, owner="p9", name="a")
    elsewhere = replace(rewrite(retired(WEB, "elsewhere"), catalog="other"), name="b")
    entries = map(Entry, (live(WEB, "current"), replace(ours, name="z"), theirs, elsewhere))
    assert [entry.image.id for entry in sort_entries(entries)] == ["theirs", "elsewhere", "current", "ours"]


def test_a_copy_has_the_catalog_and_key_that_its_record_names() -> None:
    """A property that looks like a part of a record makes no copy."""
    copy = Entry(IMAGES["copy"])
    assert (copy.standing, copy.catalog, copy.key, copy.record) == (Standing.COPIED, "base", "web", None)
    part = Entry(LiveImage("i", properties={"imagesync_key": "web", "imagesync_role": "current"}))
    assert (part.standing, part.catalog, part.key, part.record) == (Standing.FOREIGN, None, None, None)
    assert Entry(rewrite(live(WEB), role=Role.LEASE)).standing is Standing.FOREIGN


def test_the_first_option_that_unmanaged_excludes_is_named() -> None:
    """In the order of the help."""
    with pytest.raises(UsageError) as refused:
        Selection(unmanaged=True, catalogs=["a"], roles=[Standing.CURRENT])
    assert str(refused.value) == (
        "--unmanaged and --catalog exclude each other: an image that no catalog owns has no key or role; "
        "pass one of them"
    )


@pytest.mark.parametrize("glob", ["a*", "a?", "[a]b"])
def test_a_glob_is_not_left_to_the_service(glob: str) -> None:
    """It knows none; nor several words."""
    assert Selection(names=[glob], keys=[glob]).make_filter() == Filter()
    assert Selection(names=["a", "b"], keys=["a", "b"]).make_filter() == Filter()
