"""What is declared and would do nothing is a problem, unless it is inherited and acts for another image."""

from pathlib import Path

import pytest

from imagesync.manifest.effects import can_match_field
from tests.unit.manifest.one_file import SHA256, problems, wanted

ID = "22475f0b415543bbbcc9f0117fb3ca8b"
MEMBERS = "members: has an effect only on a shared image; declare visibility: shared, or remove members"
EXPIRE = "on_expire: has an effect only with expires; declare expires: YYYY-MM-DD, or remove on_expire"
STATUS = "status: a record without data (source: none) stays queued; remove status, or give the image a source"
AFTER = (
    "on_replace.delete_after: has an effect only on kept builds, and keep is 0; "
    "declare keep: 1 or more, or remove delete_after"
)

ALL_FIELDS = (
    "there are container_format, disk_format, hidden, members, min_disk, min_ram, name, owner, protected, status, tags, "
    "visibility and properties.NAME"
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (f"members: [{ID}]", MEMBERS),
        (f"visibility: private, members: [{ID}]", MEMBERS),
        ("visibility: community, members: [{project: demo}]", MEMBERS),
        ("on_expire: delete", EXPIRE),
        ("source: none, status: deactivated", STATUS),
        ("source: none, status: active", STATUS),
        (
            "source: none, min_disk: auto",
            "min_disk: auto takes the size from the data, and source: none has none; "
            "write a number of GB, or give the image a source",
        ),
        ("on_replace: {keep: 0, delete_after: 9d}", AFTER),
        (
            "source: {url: 'http://h/x.img', max_ratio: 9}",
            "source.max_ratio: has an effect only on data that imagesync unpacks; "
            "declare source.compression, or remove max_ratio",
        ),
        (
            "on_replace: {set: {properties: {p: x}}, unset: [properties.q, properties.p]}",
            "on_replace.unset[1]: on_replace.set gives the property 'p' a value; keep one of them",
        ),
        ("ignore: [tags, propertys.x]", "ignore[1]: 'propertys.x' matches no field; did you mean properties.x?"),
        ("ignore: [hiden]", "ignore[0]: 'hiden' matches no field; did you mean hidden?"),
        ("ignore: [Tags]", "ignore[0]: 'Tags' matches no field; did you mean tags?"),
        ("ignore: [os_hidden]", "ignore[0]: 'os_hidden' matches no field; did you mean hidden?"),
        ("ignore: [properties]", "ignore[0]: 'properties' matches no field; did you mean properties.*?"),
        ("ignore: ['property.*']", "ignore[0]: 'property.*' matches no field; did you mean properties.*?"),
        (
            "ignore: [os_distro], properties: {os_distro: x}",
            "ignore[0]: 'os_distro' matches no field; did you mean properties.os_distro?",
        ),
        ("ignore: [hiden.os_distro]", "ignore[0]: 'hiden.os_distro' matches no field; did you mean hidden?"),
        *(
            (f"ignore: [{name}]", f"ignore[0]: '{name}' matches no field; {ALL_FIELDS}")
            for name in ("source", "id", "on_replace", "expires", "stores")
        ),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_a_problem(tmp_path: Path, fields: str, expected: str) -> None:
    """Validate, plan and apply would all say that the image is as declared."""
    (problem,) = problems(tmp_path, f"images: {{a: {{{fields}}}}}")
    assert problem.partition(": ")[2] == f"images.a.{expected}"


@pytest.mark.parametrize(
    "fields",
    [
        f"visibility: shared, members: [{ID}]",
        "members: []",
        "expires: 2036-01-01, on_expire: delete",
        "expires: 2036-01-01",
        "status: deactivated",
        "min_disk: auto",
        "on_replace: {keep: 1, delete_after: 9d}",
        "source: {url: 'http://h/x.img.gz', max_ratio: 9}",
        f"source: {{checksum: {SHA256}}}, min_disk: auto",
        "ignore: [tags, 'properties.*', '*', 'min_*', 'prop*', '*hw_*', properties.x]",
    ],
)
def test_what_acts_is_none(tmp_path: Path, fields: str) -> None:
    """Beside what it needs; an empty list of members wants nothing."""
    wanted(tmp_path, f"images: {{a: {{{fields}}}}}")


def test_an_inherited_value_may_be_meant_for_others(tmp_path: Path) -> None:
    """As soon as it acts for one of the images that take it; for none of them it is one problem."""
    text = "defaults: {on_expire: delete}\nimages: {a: {expires: 2036-01-01}, b: {}}"
    wanted(tmp_path, text)
    found = problems(tmp_path, text.replace("expires: 2036-01-01", ""))
    assert found == [f"3:12: images.a.{EXPIRE}".replace("on_expire:", "on_expire (and 1 more):", 1)]
    aliased = "images: {a: {expires: 2036-01-01, on_expire: &e delete}, b: {on_expire: *e}}"
    assert [one.partition(": ")[2] for one in problems(tmp_path, aliased)] == [f"images.b.{EXPIRE}"]
    policy = "policy: {on_replace: {delete_after: 9d}}\nimages: {a: {on_replace: {keep: 0}}, b: {}}"
    wanted(tmp_path, policy)
    assert len(problems(tmp_path, policy.replace("b: {}", "b: {on_replace: {keep: 0}}"))) == 1


def test_inherited_members_are_for_images_that_say_what_they_are(tmp_path: Path) -> None:
    """One that says nothing was forgotten; one that says public is not shared on purpose."""
    shared = f"defaults: {{members: [{ID}]}}\nimages: {{a: {{visibility: shared}}, b: {{OTHER}}}}"
    wanted(tmp_path, shared.replace("OTHER", "visibility: public"))
    (problem,) = problems(tmp_path, shared.replace("OTHER", ""))
    assert "images.b.members" in problem
    inherited = "defaults: {status: active}\nimages: {a: {}, b: {source: none}}"
    assert "images.b.status" in problems(tmp_path, inherited)[0]


def test_only_what_a_target_has_is_judged_for_it(tmp_path: Path) -> None:
    """What differs there counts."""
    targets = "targets: {t: {store: s, images: {a: {visibility: shared}}}, u: {store: v, only: [b]}}"
    text = f"{targets}\nimages: {{a: {{members: [{ID}]}}, b: {{}}}}"
    wanted(tmp_path, text, target="t")
    wanted(tmp_path, text, target="u")
    assert len(problems(tmp_path, text)) == 1


@pytest.mark.parametrize(
    "pattern", ["*", "?*", "properties.x", "prop*", "p*x", "*.x", "[p]roperties.*", "properties?x", "min_*"]
)
def test_globs_that_can_match(pattern: str) -> None:
    """A field, or a property of some name."""
    assert can_match_field(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["", "properties", "properties.", "propertie*x.y".replace("*", ""), "q*", "Properties.x", "tag", "tags.x"],
)
def test_globs_that_cannot_match(pattern: str) -> None:
    """Whatever properties an image has."""
    assert not can_match_field(pattern)


@pytest.mark.parametrize("pattern", ["a_b", "*-x", "ub?ntu", "[a-c]x", "[!a]*", "A.9"])
def test_a_glob_that_a_key_can_match_is_none(tmp_path: Path, pattern: str) -> None:
    """All characters of keys and of globs."""
    text = f"targets: {{t: {{store: s, only: [a, '{pattern}']}}}}\nimages: {{a: {{}}}}"
    assert "matches no key" not in "".join(problems(tmp_path, text, target="t"))


def test_a_name_in_ignore_that_is_like_a_property_is_noted(tmp_path: Path) -> None:
    """It may be for a property that others set; with what may have been meant."""
    text = "images: {ubuntu: {properties: {hw_disk_bus: x}, ignore: [properties.hw_disk_buss, properties.p]}}"
    assert wanted(tmp_path, text).warnings == (
        "ubuntu: ignore names properties.hw_disk_buss, which the image does not declare; did you mean "
        "properties.hw_disk_bus?",
    )


@pytest.mark.parametrize("pattern", ["properties.hw_disk_bu[sz]", "properties.hw_disk_bu?", "properties.hw_disk_bu*"])
def test_a_glob_in_ignore_is_not_taken_for_a_wrong_name(tmp_path: Path, pattern: str) -> None:
    """Nor is a name that is only a little like one: it may be for a property that others set."""
    text = f"images: {{a: {{properties: {{hw_disk_bus: x}}, ignore: ['{pattern}', properties.hw_cdrom_bus]}}}}"
    assert wanted(tmp_path, text).warnings == ()


def test_each_property_that_is_set_and_removed_is_a_problem(tmp_path: Path) -> None:
    """At its place in the list."""
    fields = "{set: {properties: {p: x, q: y}}, unset: [properties.q, properties.r, properties.p]}"
    found = problems(tmp_path, f"images: {{a: {{on_replace: {fields}}}}}")
    message = "on_replace.set gives the property '{}' a value; keep one of them"
    assert [one.partition(": images.a.on_replace.")[2] for one in found] == [
        f"unset[0]: {message.format('q')}",
        f"unset[2]: {message.format('p')}",
    ]


@pytest.mark.parametrize("pattern", ["", " ubuntu", "ubuntu 24", "a,b", "ünicode", "a/b"])
def test_a_glob_that_no_key_can_match_is_a_problem(tmp_path: Path, pattern: str) -> None:
    """Of a target's ``only``, whatever images there are."""
    (problem,) = problems(
        tmp_path, f"targets: {{t: {{cloud: c, only: [a, '{pattern}']}}}}\nimages: {{a: {{}}}}", target="t"
    )
    assert problem.startswith(
        f"3:35: targets.t.only[1]: '{pattern}' matches no key: a key has letters, digits and . _ -; write"
    )
