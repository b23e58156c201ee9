"""What a catalog needs from its target, and whether the target has it."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import FileSource, Method, NamedProject, Transfer, UrlSource, Visibility
from imagesync.model.diagnosis import Grade, Needs
from imagesync.model.image import Capabilities, Usage
from imagesync.planning.needs import find_needs, judge_offer, judge_quotas, judge_rights
from tests.unit.factories import PROJECT, catalog, live, spec


def grades(checks: Any) -> dict[str, Grade]:
    """The grade of each check by name."""
    return {check.name: check.grade for check in checks}


def test_what_a_catalog_needs() -> None:
    """By visibility, owner, method and store; sizes of local files of keys without an image."""
    fetched = UrlSource(("https://h/x",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    sent = FileSource("/images/big", "big", transfer=Transfer(stores=("fast",)))
    wanted = catalog(
        spec("done"),
        spec("fetched", source=fetched, visibility=Visibility.PUBLIC),
        spec("sent", source=sent, visibility=Visibility.SHARED),
        spec("theirs", owner="other"),
    )
    sizes = {"/images/big": 7, "/images/done.raw": 100}
    assert find_needs(wanted, PROJECT, [live(spec("done"))], sizes.get) == Needs(
        public=("fetched",),
        shared=("sent",),
        elsewhere=("theirs",),
        methods={"web-download": ("fetched",)},
        stores={"fast": ("sent",)},
        lacking=("fetched", "sent", "theirs"),
        known_bytes=7,
    )
    assert find_needs(wanted, PROJECT, None, sizes.get).lacking is None


ALL = Needs(public=("p",), shared=("s",), elsewhere=("o",))


@pytest.mark.parametrize(
    ("roles", "write", "publish"),
    [
        ({"admin"}, Grade.OK, Grade.OK),
        ({"admin", "member", "reader"}, Grade.OK, Grade.OK),
        ({"member", "reader"}, Grade.OK, Grade.WARNING),
        ({"reader"}, Grade.PROBLEM, Grade.WARNING),
        ({"reader", "image_writer"}, Grade.WARNING, Grade.WARNING),
        (set(), Grade.PROBLEM, Grade.WARNING),
        (None, Grade.WARNING, Grade.WARNING),
    ],
)
def test_rights_follow_from_the_default_policy(roles: set[str] | None, write: Grade, publish: Grade) -> None:
    """A role with another name may have any permission, and the policy may be another one: it is unknown then."""
    found = grades(judge_rights(roles, ALL))
    assert found == {"write images": write, "share": write, "publish": publish, "other projects": publish}
    texts = [check.found for check in judge_rights(roles, ALL) if check.grade is not Grade.OK]
    assert all("requires the role" in text for text in texts)
    assert ("needed for p" in " ".join(texts)) == (publish is not Grade.OK)


def test_rights_that_the_catalog_does_not_need_are_no_warning() -> None:
    """A member may manage private images."""
    checks = list(judge_rights({"member"}, Needs()))
    assert {check.grade for check in checks} == {Grade.OK}
    assert [check.found for check in checks if check.name == "publish"] == [
        "not needed: the catalog has no public image"
    ]


def test_methods_and_stores_that_the_service_does_not_offer_are_problems() -> None:
    """The keys that need them are named."""
    able = Capabilities(import_methods=frozenset({"glance-direct"}), stores=frozenset({"fast"}))
    needs = Needs(methods={"web-download": ("a", "b")}, stores={"slow": ("c",)})
    methods, stores = judge_offer(able, needs)
    assert (methods.grade, stores.grade) == (Grade.PROBLEM, Grade.PROBLEM)
    assert "web-download is missing (needed for a, b)" in methods.found
    assert "slow is missing (needed for c)" in stores.found
    enough = Needs(methods={"glance-direct": ("a",)}, stores={"fast": ("c",)})
    assert {check.grade for check in judge_offer(able, enough)} == {Grade.OK}


@pytest.mark.parametrize(
    ("used", "limit", "lacking", "has_lease", "grade"),
    [
        (0, 3, 2, False, Grade.OK),
        (0, 2, 2, False, Grade.PROBLEM),
        (0, 2, 2, True, Grade.OK),
        (2, 2, 0, True, Grade.WARNING),
        (9, -1, 2, True, Grade.OK),
    ],
)
def test_the_number_of_images(used: int, limit: int, lacking: int, *, has_lease: bool, grade: Grade) -> None:
    """The record of the lease counts as an image. A full quota has no room for a new build."""
    needs = Needs(lacking=tuple("abc"[:lacking]))
    usage = {"image_count_total": Usage(used, limit)}
    assert grades(judge_quotas(usage, needs, has_lease=has_lease)) == {"quota: images": grade}


def test_sizes_are_compared_in_mebibytes() -> None:
    """Rounded up; the staging area counts only if a key uses it; a quota of another name is only shown."""
    usage = {"image_size_total": Usage(1, 3), "image_stage_total": Usage(0, 1), "other": Usage(5, 5)}
    needs = Needs(lacking=("a",), known_bytes=2 * 2**20)
    assert set(grades(judge_quotas(usage, needs, has_lease=True)).values()) == {Grade.OK}
    more = replace(needs, known_bytes=2 * 2**20 + 1, methods={"glance-direct": ("a",)})
    assert grades(judge_quotas(usage, more, has_lease=True)) == {
        "quota: size": Grade.PROBLEM,
        "quota: staging": Grade.PROBLEM,
        "other": Grade.OK,
    }


@pytest.mark.parametrize(
    ("limit", "grade", "text"),
    [
        (-1, Grade.OK, "0 images used, no limit"),
        (0, Grade.PROBLEM, "0 of 0 images used; the next apply needs at least 2 more"),
        (1, Grade.PROBLEM, "0 of 1 images used; the next apply needs at least 2 more"),
        (2, Grade.OK, "0 of 2 images used; the next apply needs at least 2 more"),
    ],
)
def test_only_a_negative_limit_is_none(limit: int, grade: Grade, text: str) -> None:
    """A project with a quota of 0 may have no image at all."""
    (check,) = judge_quotas({"image_count_total": Usage(0, limit)}, Needs(lacking=("a",)), has_lease=False)
    assert (check.grade, check.found) == (grade, text)


def test_a_service_without_quotas() -> None:
    """Nothing to compare."""
    assert grades(judge_quotas({}, Needs(lacking=("a",)), has_lease=False)) == {"quotas": Grade.OK}


def test_what_only_seems_to_be_needed() -> None:
    """An upload needs no method. An image to adopt exists, and ``owner`` may name the session's own project."""
    staged = UrlSource(("https://h/x",), transfer=Transfer(method=Method.GLANCE_DIRECT, stores=("fast", "slow")))
    wanted = catalog(spec("staged", source=staged), spec("taken", adopt=True), spec("ours", owner=PROJECT))
    needs = find_needs(wanted, PROJECT, [], {"/images/taken.raw": 5, "/images/ours.raw": 3}.get)
    assert needs == Needs(
        methods={"glance-direct": ("staged",)},
        stores={"fast": ("staged",), "slow": ("staged",)},
        lacking=("ours", "staged"),
        known_bytes=3,
    )


def test_the_whole_text_of_each_check_of_a_role() -> None:
    """The weakest role that is sufficient is named. The roles of Keystone permit no more than their names say."""
    needs = Needs(public=("p",), elsewhere=("o", "q"))
    assert [check.found for check in judge_rights({"member", "admin"}, needs)] == [
        "the default policy allows it to the role member",
        "the default policy allows it to the role admin (needed for p)",
        "not needed: the catalog has no shared image",
        "the default policy allows it to the role admin (needed for o, q)",
    ]
    ask = "ask an administrator of the cloud for the role, or use another user"
    policy = "the service may have another policy, which no API shows: an apply will show it"
    for role in ("manager", "service", "reader"):
        checks = [(check.grade, check.found, check.fix) for check in judge_rights({role, "reader"}, needs)]
        names = " and ".join(sorted({role, "reader"}))
        member = f"the default policy requires the role member, and this user has {names}"
        admin = f"the default policy requires the role admin (needed for p), and this user has {names}; {policy}"
        assert checks[:2] == [(Grade.PROBLEM, member, ask), (Grade.WARNING, admin, ask)]
    (first, *_) = judge_rights(None, needs)
    assert first.found == "unknown without a token: the default policy requires the role member; an apply will show it"


def test_the_first_of_several_methods_that_are_missing_is_named() -> None:
    """With all that the service offers, and what to change."""
    able = Capabilities(import_methods=frozenset({"x", "copy-image"}))
    needs = Needs(methods={"glance-direct": ("a",), "web-download": ("b",)}, stores={"fast": ("c",)})
    assert [(check.found, check.fix) for check in judge_offer(able, needs)] == [
        (
            "copy-image, x; glance-direct is missing (needed for a)",
            "change source.method of these keys, or ask the cloud's operator for glance-direct",
        ),
        (
            "the service reports none; fast is missing (needed for c)",
            "change source.stores of these keys, or ask the cloud's operator for fast",
        ),
    ]


@pytest.mark.parametrize(
    ("name", "quota", "needs", "text"),
    [
        ("image_count_total", Usage(3, 3), Needs(lacking=()), "3 of 3 images used; there is no room for a new build"),
        (
            "image_count_uploading",
            Usage(0, 1),
            Needs(lacking=("a", "b", "c")),
            "0 of 1 images used; the next apply needs at least 1 more",
        ),
        ("image_stage_total", Usage(1, 1), Needs(lacking=("a",), known_bytes=2**21), "1 of 1 MiB used"),
        (
            "image_stage_total",
            Usage(1, 2),
            Needs(lacking=("a",), known_bytes=2**21, methods={"glance-direct": ("a",)}),
            "1 of 2 MiB used; the next apply needs at least 2 more",
        ),
        ("image_size_total", Usage(2, 2), Needs(lacking=()), "2 of 2 MiB used"),
    ],
)
def test_the_whole_text_about_a_quota(name: str, quota: Usage, needs: Needs, text: str) -> None:
    """The record of the lease is made only beside other images, and images are sent one after the other."""
    (check,) = judge_quotas({name: quota}, needs, has_lease=False)
    assert check.found == text


def test_a_project_whose_name_is_not_resolved_is_another_one() -> None:
    """The session finds the name of its own project by itself."""
    wanted = catalog(
        spec("named", owner=NamedProject("x", "D")), spec("ours", owner=PROJECT), spec("theirs", owner="y")
    )
    assert find_needs(wanted, PROJECT, None, lambda _path: 1).elsewhere == ("named", "theirs")
