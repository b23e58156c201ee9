"""A plan as text: what the reader sees of names and places that others chose."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Auto, Checksum, Fingerprint, OnExpire, Role, Status, UrlSource, Visibility
from imagesync.model.plan import Plan
from imagesync.model.policy import OnRemove, OnReplace, Policy
from imagesync.render.notes import group_notes
from imagesync.render.style import Detail
from imagesync.render.text import format_plan
from tests.unit.factories import NOW, catalog, digest, inventory, live, plan, retired, rewrite, spec


@pytest.mark.parametrize(
    ("url", "display"),
    [
        ("https://user:S3CRET@m.example:8443/x/a.img?sig=S3CRET", ("from a.img", "host        m.example:8443")),
        ("https://m.example?sig=S3CRET", ("from m.example", "host        m.example")),
    ],
)
@pytest.mark.parametrize("detail", Detail)
def test_of_a_url_the_plan_shows_no_secret(url: str, display: tuple[str, ...], detail: Detail) -> None:
    """The log-in and the query may be secrets, also that of a URL without a path."""
    made = plan(catalog(spec("a", source=UrlSource((url,), Checksum("sha256", "a" * 64)))), inventory())
    text = format_plan(made, detail=detail)
    assert "S3CRET" not in text
    if detail is Detail.USUAL:
        assert all(part in text for part in display)


def test_every_mirror_is_shown() -> None:
    """Any of them may be the one that gives the data; one host is named once."""
    urls = ("https://m.example/1", "https://m.example/2", "http://10.0.0.5:8080/x")
    made = plan(catalog(spec("a", source=UrlSource(urls))), inventory())
    assert "host        m.example, 10.0.0.5:8080" in format_plan(made)
    assert all(url in format_plan(made, detail=Detail.WHOLE) for url in urls)


def test_a_name_that_moves_the_cursor_is_shown_with_escapes() -> None:
    """The reader sees which characters they are."""
    before = spec("a")
    text = format_plan(plan(catalog(replace(before, name="b")), inventory(live(before, name="x\x1b[2J\u202ey"))))
    assert "name  x\\x1b[2J\\u202ey → b" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_digest_that_a_build_replaces_is_shown_even_if_it_was_only_declared() -> None:
    """Content that was taken on trust has a digest, too; digests are shown whole, with all details."""
    image = rewrite(live(spec("a", "a")), digests=(), declared=(digest("a"),))
    made = plan(catalog(spec("a", "b")), inventory(image))
    assert f"content    {digest('a')} → {digest('b')}" in format_plan(made, detail=Detail.WHOLE)
    assert "sha256" not in format_plan(made)


@pytest.mark.parametrize(("number", "words"), [(0, ""), (1, "1 image carries a copy"), (2, "2 images carry a copy")])
def test_copies_of_records_are_counted_in_one_line(number: int, words: str) -> None:
    """Not by id: those are for -v."""
    ours = live(spec("a"))
    copies = tuple(replace(ours, id=f"snapshot-{index}") for index in range(number))
    output = format_plan(plan(catalog(spec("a")), inventory(ours, copies=copies)))
    assert output.count("copy of another image's record") == (number > 0)
    assert words in output
    assert "snapshot-" not in output


def test_the_fate_of_an_old_build_is_below_the_new_one() -> None:
    """One row for the key; the old build has none of its own."""
    made = plan(catalog(spec("a", "b")), inventory(live(spec("a", "a"))))
    first, below = format_plan(made).splitlines()[2:4]
    assert first == "  ± a  replace  4.0 KiB from a.raw  new build"
    assert below == "      old build  hidden, kept without limit (keep 1)"
    assert "superseded" not in format_plan(made)
    assert "old build  id-a hidden, kept" in format_plan(made, detail=Detail.WHOLE)


@pytest.mark.parametrize(
    ("wanted", "contents"),
    [
        ((Checksum("sha256", "b" * 64),), [f"sha256:{'a' * 64} → sha256:{'b' * 64}"]),
        ((Checksum("sha512", "b" * 128),), [f"sha512:{'b' * 128}"]),
        (
            (Checksum("sha512", "b" * 128), Checksum("sha256", "b" * 64)),
            [f"sha512:{'b' * 128}", f"sha256:{'a' * 64} → sha256:{'b' * 64}"],
        ),
    ],
)
def test_only_digests_of_one_algorithm_are_shown_as_an_exchange(
    wanted: tuple[Checksum, ...], contents: list[str]
) -> None:
    """The record of the build that is replaced may have none in that of the new one."""
    made = plan(catalog(spec("a", fingerprint=Fingerprint(wanted, size=2**20))), inventory(live(spec("a"), "old")))
    lines = format_plan(made, detail=Detail.WHOLE).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("      content")] == contents


FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "Debian 12"}, "+ a create Debian 12, 4.0 KiB from a.raw"),
    "public": ({"visibility": Visibility.PUBLIC}, "! visibility public"),
    "community": ({"visibility": Visibility.COMMUNITY}, "! visibility community"),
    "private": ({}, "visibility private"),
    "protected": ({"protected": True}, "! visibility private, protected"),
    "hidden": ({"hidden": True}, "visibility private, hidden"),
    "deactivated": ({"status": Status.DEACTIVATED}, "visibility private, deactivated"),
    "formats": ({"disk_format": "qcow2"}, "format qcow2 in bare"),
    "sizes": ({"min_disk": 7, "min_ram": 512}, "format raw in bare, min_disk 7 GB, min_ram 512 MB"),
    "auto": ({"min_disk": Auto.AUTO}, "format raw in bare, min_disk auto"),
    "tags": ({"tags": frozenset("yx")}, "tags x, y"),
    "properties": ({"properties": {"os_distro": "debian"}}, "properties.os_distro debian"),
    "members": (
        {"visibility": Visibility.SHARED, "members": frozenset({"m" * 32})},
        f"members + {'m' * 32}",
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_of_a_new_image_the_plan_shows_what_users_get_to_see(name: str) -> None:
    """Public and protected are marked; what a new image has by default is not shown, except for its visibility."""
    attrs, expected = FIELDS[name]
    lines = [
        " ".join(line.split()) for line in format_plan(plan(catalog(spec("a", **attrs)), inventory())).splitlines()
    ]
    assert expected in lines
    assert "protected" in name or not any("protected" in line for line in lines)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"name": "b"}, "name a → b"),
        ({"visibility": Visibility.PUBLIC}, "! visibility private → public"),
        ({"protected": True}, "! protected false → true"),
        ({"min_ram": 64}, "min_ram 0 → 64"),
        ({"tags": frozenset("x")}, "tags + x"),
        ({"properties": {"p": "1"}}, "properties.p (none) → 1"),
    ],
)
@pytest.mark.parametrize("content", ["a", "b"])
def test_a_new_build_shows_the_changes_that_an_update_would_show(
    content: str, attrs: dict[str, Any], expected: str
) -> None:
    """A replacement that renames, opens or protects the image shows all three."""
    text = format_plan(plan(catalog(spec("a", content, **attrs)), inventory(live(spec("a")))))
    assert ("replace" in text) is (content == "b")
    assert expected in [" ".join(line.split()) for line in text.splitlines()]


def test_a_promoted_build_shows_its_changes() -> None:
    """An earlier build that becomes current again, and public."""
    wanted = spec("a", "b", visibility=Visibility.PUBLIC)
    text = format_plan(plan(catalog(wanted), inventory(live(spec("a")), retired(spec("a", "b"), "old"))))
    assert "    ! visibility  private → public" in text


def test_an_image_that_users_lose_is_last() -> None:
    """Whatever its key is; with its name and id."""
    gone = live(spec("a", name="Old one"), "id-gone")
    text = format_plan(plan(catalog(spec("b"), spec("c")), inventory(gone)))
    rows = [line for line in text.splitlines() if line[:3].strip() in tuple("+-") or line.startswith("  - ")]
    assert rows[-1] == "  - a  delete  Old one, 4.0 KiB  not in the manifest"
    assert "      image  id-gone" in text


def test_each_deleted_build_of_a_key_is_named() -> None:
    """A removed key may have many images: the rows of two of them were equal."""
    current, old = live(spec("a"), "now", generation=3), retired(spec("a", "b"), "old", 2)
    older = retired(spec("a", "c"), "older", 1)
    lines = format_plan(plan(catalog(spec("b")), inventory(current, old))).splitlines()
    assert "  - a  delete  4.0 KiB  not in the manifest" in lines
    assert "  - a  delete  retired build 2, 4.0 KiB  not in the manifest" in lines
    folded = format_plan(plan(catalog(spec("b")), inventory(current, old, older)))
    assert "delete (not in the manifest) of 3 images: a, a (retired build 2), a (retired build 1)" in folded


@pytest.mark.parametrize(("expires", "display"), [("2026-12-23", True), ("2026-12-24", False), ("2026-11-24", True)])
def test_an_image_that_expires_soon_is_announced(expires: str, *, display: bool) -> None:
    """Within thirty days of the reader's clock; a plan itself holds no clock."""
    made = plan(catalog(spec("a", expires=expires, on_expire=OnExpire.HIDE)), inventory(live(spec("a"))))
    assert made.expires == {"a": expires}
    assert (f"  a  {expires} (" in format_plan(made, now=NOW)) is display
    assert "Expiring" not in format_plan(made)
    assert f"  a  {expires} (" in format_plan(made, now=NOW, detail=Detail.WHOLE)


def test_an_expired_image_that_is_not_there_is_not_unchanged() -> None:
    """No image of the key matches the manifest."""
    wanted = catalog(spec("a", expires="2020-01-01", on_expire=OnExpire.HIDE), spec("b"))
    made = plan(wanted, inventory(live(spec("b"))))
    assert (made.steps, made.unchanged, made.expires) == ((), 1, {})
    assert format_plan(made).endswith("No changes. 1 image matches the manifest.")


def test_the_summary_is_the_place_and_the_counts() -> None:
    """Two lines, whatever changes."""
    made = plan(catalog(spec("a", "b"), spec("b")), inventory(live(spec("a"))))
    lines = format_plan(made, detail=Detail.SUMMARY).splitlines()
    assert lines == [
        format_plan(made).splitlines()[0],
        "Plan: 1 to create, 1 to replace; 0 unchanged. 8.0 KiB to upload.",
    ]


@pytest.mark.parametrize(("number", "lines"), [(2, 2), (3, 1)])
def test_the_same_note_on_several_images_is_one(number: int, lines: int) -> None:
    """With their keys; all of them, with all details."""
    keys = [f"k{index}" for index in range(number)]
    wanted = [spec(key, members=frozenset({"m" * 32}), visibility=Visibility.SHARED) for key in keys]
    old = [live(spec(key, "b")) for key in keys]
    made = plan(catalog(*wanted), inventory(*old))
    notes = [line for line in format_plan(made).splitlines() if line.startswith("Note: ")]
    assert len(notes) == lines
    assert all(key in " ".join(notes) for key in keys)
    whole = format_plan(made, detail=Detail.WHOLE).splitlines()
    assert len([line for line in whole if line.startswith("Note: ")]) == number


def test_a_promoted_build_shows_how_it_differs_from_the_one_that_it_supersedes() -> None:
    """It is public and protected already, hidden as it was: for the users of the key both are new."""
    wanted = spec("a", "b", name="B", visibility=Visibility.PUBLIC, protected=True)
    old = [retired(wanted, "old"), retired(replace(wanted, visibility=Visibility.SHARED), "older", 0, days=9)]
    output = _read_lines(plan(catalog(wanted), inventory(live(spec("a"), generation=2), *old)))
    assert {"! visibility private → public", "! protected false → true", "name a → B"} <= set(output)
    output = _read_lines(plan(catalog(wanted), inventory(*old)))
    assert {"! visibility (none) → public", "! protected (none) → true"} <= set(output)


@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        (Status.ACTIVE, Status.DEACTIVATED, ["status active → deactivated"]),
        (Status.DEACTIVATED, None, ["status deactivated → active"]),
        (Status.ACTIVE, None, []),
        (Status.DEACTIVATED, Status.DEACTIVATED, []),
    ],
)
def test_a_new_build_shows_whether_users_can_boot_from_it(
    before: Status, wanted: Status | None, expected: list[str]
) -> None:
    """The build that it replaces says how it was before."""
    made = plan(catalog(spec("a", "b", status=wanted)), inventory(live(spec("a"), status=before)))
    assert [line for line in _read_lines(made) if line.startswith("status")] == expected


@pytest.mark.parametrize("number", [1, 12])
def test_released_images_are_distinguished_from_other_removed_ones(number: int) -> None:
    """One or many: they stay, and lose our mark."""
    found = inventory(*(live(spec(f"k{index}")) for index in range(number)))
    output = _read_lines(plan(catalog(policy=Policy(OnRemove.KEEP)), found))
    assert output.count("released: the image stays, and no catalog owns it") == 1


def test_every_image_whose_old_build_is_deleted_is_named() -> None:
    """However many there are beside others whose old builds stay, and how long their names are; each old build counts."""
    keys = [f"{number:02}-{'x' * 37}" for number in range(20)]
    gone = keys[::2]
    wanted = [spec(key, "b", on_replace=OnReplace(keep=0 if key in gone else 2)) for key in keys]
    found = [live(spec(key), f"now-{key}") for key in keys]
    found += [retired(spec(key, "c"), f"old-{key}") for key in gone]
    text = format_plan(plan(catalog(*wanted), inventory(*found)), width=80)
    part = next(part for part in text.split("\n  ± ") if "2 old builds  deleted" in part)
    assert [key for key in keys if key in part] == gone


def test_a_tag_with_a_comma_is_one_tag() -> None:
    """It is not printed as two tags."""
    wanted = spec("a", tags=frozenset({"x, - y", "z"}))
    assert 'tags "x, - y", z' in _read_lines(plan(catalog(wanted), inventory()))
    assert 'tags + "x, - y", + z' in _read_lines(plan(catalog(wanted), inventory(live(spec("a")))))


def test_the_common_lines_of_new_images_are_not_those_of_remade_ones() -> None:
    """One is made again because an earlier run did not finish it: it is listed above, too, and differs."""
    keys = [f"k{number}" for number in range(7)]
    wanted = [spec(key, properties={"p": key}, visibility=Visibility.PUBLIC) for key in keys]
    unfinished = live(wanted[0], "left", Role.STAGING, status=Status.QUEUED, size=None)
    output = _read_lines(
        plan(catalog(replace(wanted[0], visibility=Visibility.PRIVATE), *wanted[1:]), inventory(unfinished))
    )
    heads = [line for line in output if line.startswith("+ create of 6 images")]
    assert heads == ["+ create of 6 images: k1, k2, k3, k4, k5, k6"]


@pytest.mark.parametrize("found", [False, True])
def test_long_values_that_differ_where_they_are_cut_are_not_taken_for_the_same(*, found: bool) -> None:
    """Six images, three of them with another end of the value: two groups, new or changed."""
    keys = [f"k{number}" for number in range(6)]
    ends = {key: "x" * 100 + "ab"[key > "k2"] for key in keys}
    wanted = [spec(key, properties={"p": ends[key]}) for key in keys]
    live_images = [live(spec(key, properties={"p": "y"})) for key in keys] if found else []
    text = format_plan(plan(catalog(*wanted), inventory(*live_images)))
    assert text.count("of 3 images: k0, k1, k2\n") == text.count("of 3 images: k3, k4, k5\n") == 1


def _read_lines(made: Plan) -> list[str]:
    """The lines of a plan without what is only for the eye."""
    return [" ".join(line.split()) for line in format_plan(made, now=NOW, width=80).splitlines()]


@pytest.mark.parametrize(("number", "lines"), [(9, 9), (10, 1)])
def test_many_notes_that_differ_in_an_id_and_a_digest_are_one(number: int, lines: int) -> None:
    """Each image is named; the ids and digests are shown with all details."""
    notes = [
        f"k{index}: image 00000000-0000-4000-8000-{index:012} is adopted without verification: its content is assumed "
        f"to be sha256:{index:064x}"
        for index in range(number)
    ]
    found = group_notes(notes, whole=False)
    assert len(found) == lines
    if lines == 1:
        keys = ", ".join(f"k{index}" for index in range(number))
        assert found == [f"{keys}: image … is adopted without verification: its content is assumed to be …"]
    assert group_notes(notes, whole=True) == notes


@pytest.mark.parametrize("number", [1, 5, 6, 40])
def test_every_image_that_is_adopted_is_named_with_its_id(number: int) -> None:
    """Also where many share their lines: the id says which image is meant."""
    keys = [spec(f"k{index}", adopt=True, min_ram=7) for index in range(number)]
    found = tuple(replace(live(one, f"image-{one.key}"), properties={}) for one in map(spec, (one.key for one in keys)))
    text = format_plan(plan(catalog(*keys), inventory(foreign=found)), width=80)
    assert f"{number} to update" in text
    for one in keys:
        assert f"image-{one.key}" in text.replace("(", " ").replace(")", " ").replace(",", " ").split()
