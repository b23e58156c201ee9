"""A definition to an ImageSpec."""

import re
from pathlib import Path

import pytest

from imagesync.model.catalog import (
    Compression,
    FileSource,
    ImageSpec,
    Member,
    Method,
    NamedProject,
    OnExpire,
    Signature,
    Status,
    Transfer,
    UrlSource,
    Visibility,
    is_project_id,
)
from imagesync.model.policy import OnReplace
from imagesync.schemas import load_schema
from tests.unit.manifest.one_file import problems, wanted


def test_a_superseded_image_may_get_other_fields(tmp_path: Path) -> None:
    """``on_replace.set`` takes the service's own fields, properties and tags."""
    text = "images: {a: {on_replace: {set: {visibility: private, protected: false, min_ram: 1, tags: [old], properties: {x: 1}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace.set_fields == (("min_ram", 1), ("protected", False), ("visibility", "private"))
    assert (spec.on_replace.set_tags, spec.on_replace.set_properties) == (("old",), (("x", "1"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "images: {a: {expires: 2027-02-30}}",
            "3:14: images.a.expires: '2027-02-30' is not a date of the calendar; write YYYY-MM-DD",
        ),
    ],
)
def test_a_mistake_is_one_line_with_place_and_way_out(tmp_path: Path, text: str, expected: str) -> None:
    """FILE:LINE:COLUMN: where: what; hint."""
    assert problems(tmp_path, text) == [expected]


def test_a_member_by_name_is_of_the_default_domain_unless_it_has_another(tmp_path: Path) -> None:
    """Its name is Default; the id of that domain differs from cloud to cloud."""
    members = "[{project: p}, {project: q, domain: D}]"
    (spec,) = wanted(tmp_path, f"images: {{a: {{visibility: shared, members: {members}}}}}").images
    assert spec.members == {NamedProject("p", "Default"), NamedProject("q", "D")}


def test_days_are_written_in_days_or_weeks(tmp_path: Path) -> None:
    """``delete_after: 2w`` is 14 days."""
    text = "images: {a: {on_replace: {delete_after: 2w}}, b: {on_replace: {delete_after: 90d}}, c: {}}"
    assert [spec.on_replace.delete_after for spec in wanted(tmp_path, text).images] == [14, 90, None]


def test_an_image_is_called_like_its_key_unless_it_has_a_name(tmp_path: Path) -> None:
    """The key is always there."""
    assert [spec.name for spec in wanted(tmp_path, "images: {a: {}, b: {name: x}}").images] == ["a", "x"]


ID, UUID = "22475f0b415543bbbcc9f0117fb3ca8b", "22475f0b-4155-43bb-bcc9-f0117fb3ca8b"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (ID, ID),
        (UUID, UUID),
        ("{id: bob}", "bob"),
        ("{project: demo}", NamedProject("demo", "Default")),
        ("{project: demo, domain: ops}", NamedProject("demo", "ops")),
        ("'${team}'", ID),
        ("{project: '${name}'}", NamedProject("demo", "Default")),
    ],
)
def test_a_project_by_its_id_or_its_name(tmp_path: Path, written: str, meant: Member) -> None:
    """As owner, as member, and as owner of a removed key."""
    text = (
        f"values: {{team: {ID}, name: demo}}\nimages: {{a: {{owner: {written}, visibility: shared, members: [{written}]}}}}\n"
        f"removed: {{b: {{owner: {written}}}}}"
    )
    found = wanted(tmp_path, text)
    assert [found.images[0].owner, *found.images[0].members, *found.owners.values()] == [meant] * 3


def suggest(name: str) -> str:
    """What a message says of a bare word."""
    return (
        f"'{name}' is not a project id (32 hexadecimal digits in lower case, or a UUID); for a name write {{project: {name}}}, "
        f"and its domain if that is not Default; for an id of another form {{id: {name}}}"
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("bob", suggest("bob")),
        (
            ID.upper(),
            "(32 characters, not shown: looks like a secret) is not a project id (32 hexadecimal digits in lower case, or a "
            "UUID); write it in lower case",
        ),
        (f"{ID}0", suggest("VALUE").replace("'VALUE'", "(33 characters, not shown: looks like a secret)")),
        ("'${team}'", suggest("demo")),
        ("{project: a, id: b}", "project and id exclude each other"),
        ("{domain: a}", "domain needs project beside it"),
        ("{}", "an empty mapping"),
        ("{name: a}", "unknown key; known here: domain, id, project"),
        ("{project: ''}", "empty"),
    ],
)
def test_a_bare_word_is_no_project(tmp_path: Path, written: str, expected: str) -> None:
    """The service takes any word: the image would belong to, or be shared with, no project."""
    for text in (f"owner: {written}", f"visibility: shared, members: [{written}]"):
        (problem,) = problems(tmp_path, f"values: {{team: demo}}\nimages: {{a: {{{text}}}}}")
        assert problem.endswith(f": {expected}")
        assert problem.startswith("4:")
    (problem,) = problems(tmp_path, f"values: {{team: demo}}\nimages: {{}}\nremoved: {{b: {{owner: {written}}}}}")
    assert problem.endswith(f": {expected}")


def test_ids_have_one_form() -> None:
    """For the schema, which editors read, and for export."""
    (rule, *_), texts = load_schema("manifest")["$defs"]["project"]["anyOf"], (ID, UUID, ID.upper(), ID[1:], "bob", "")
    assert [bool(re.search(rule["pattern"], text)) for text in texts] == list(map(is_project_id, texts))
    assert [is_project_id(text) for text in texts] == [True, True, False, False, False, False]


@pytest.mark.parametrize("written", ["Ubuntu", "'true'", "yes", "6a1b8b0e"])
def test_an_image_is_adopted_by_its_id(tmp_path: Path, written: str) -> None:
    """A name, or a truth in quotes, is none."""
    (problem,) = problems(tmp_path, f"images: {{a: {{adopt: {written}}}}}")
    assert "is not true, false or an image's id (a UUID)" in problem


@pytest.mark.parametrize(("written", "meant"), [("true", True), ("false", False), (UUID, UUID), (None, False)])
def test_what_is_adopted_is_an_id_or_a_truth(tmp_path: Path, written: str | None, meant: bool | str) -> None:
    """``true`` is the image that has the wanted name."""
    (spec,) = wanted(tmp_path, f"images: {{a: {{{f'adopt: {written}' if written else ''}}}}}").images
    assert spec.adopt == meant
    assert type(spec.adopt) is type(meant)


@pytest.mark.parametrize(("written", "meant"), [("z", ("z",)), ("[z, b, y]", ("z", "b", "y"))])
def test_former_keys_keep_their_order(tmp_path: Path, written: str, meant: tuple[str, ...]) -> None:
    """The last one comes first."""
    (spec,) = wanted(tmp_path, f"images: {{a: {{moved: {{from: {written}}}}}}}").images
    assert spec.moved_from == meant


EVERYTHING = """
images:
  a:
    name: n
    source:
      url: [https://x.example/a.raw.xz, https://y.example/a.raw.xz]
      checksum_url: https://x.example/SHA256SUMS
      checksum_entry: entry
      signature: {url: https://x.example/SHA256SUMS.gpg, keyring: keys.asc}
      method: web-download
      compression: none
      stores: [fast, slow, fast]
      verify: none
      inspect: none
      max_size: 5000
    id: 6a1b8b0e-0b5e-4f7e-9d6e-00000000000a
    owner: {project: p, domain: d}
    disk_format: qcow2
    container_format: ovf
    visibility: shared
    min_disk: 3
    min_ram: 5
    status: deactivated
    protected: true
    hidden: false
    tags: [u, t]
    members: [0123456789abcdef0123456789abcdef, {id: k}]
    properties: {q: "2", p: "1"}
    ignore: [min_ram, properties.z]
    expires: 2027-02-03
    on_expire: hide
    on_replace:
      keep: 4
      delete_after: 2w
      hide: false
      deactivate: true
      rename: "{name} old"
      set: {visibility: private, protected: false, min_disk: 7, min_ram: 8, tags: [y, x], properties: {s: "4", r: "3"}}
      unset: [properties.p]
"""


def test_every_field_of_a_manifest_is_a_value(tmp_path: Path) -> None:
    """The whole image, with nothing left out and nothing added."""
    (spec,) = wanted(tmp_path, EVERYTHING).images
    transfer = Transfer(method=Method.WEB_DOWNLOAD, stores=("fast", "slow"), verify=False, inspect=False, max_size=5000)
    source = UrlSource(
        ("https://x.example/a.raw.xz", "https://y.example/a.raw.xz"),
        checksum_url="https://x.example/SHA256SUMS",
        signature=Signature("https://x.example/SHA256SUMS.gpg", f"{tmp_path}/keys.asc", "keys.asc"),
        transfer=transfer,
    )
    on_replace = OnReplace(
        keep=4,
        delete_after=14,
        hide=False,
        deactivate=True,
        rename="{name} old",
        set_fields=(("min_disk", 7), ("min_ram", 8), ("protected", False), ("visibility", "private")),
        set_properties=(("r", "3"), ("s", "4")),
        set_tags=("x", "y"),
        unset=("properties.p",),
    )
    assert spec == ImageSpec(
        key="a",
        name="n",
        source=source,
        id="6a1b8b0e-0b5e-4f7e-9d6e-00000000000a",
        owner=NamedProject("p", "d"),
        disk_format="qcow2",
        container_format="ovf",
        visibility=Visibility.SHARED,
        min_disk=3,
        min_ram=5,
        status=Status.DEACTIVATED,
        protected=True,
        hidden=False,
        tags=frozenset({"t", "u"}),
        members=frozenset({"0123456789abcdef" * 2, "k"}),
        members_declared=True,
        properties={"p": "1", "q": "2"},
        ignore=("min_ram", "properties.z"),
        expires="2027-02-03",
        on_expire=OnExpire.HIDE,
        on_replace=on_replace,
    )
    assert isinstance(spec.source, UrlSource)
    assert spec.source.checksum_entry == "entry"
    assert list(spec.properties) == ["p", "q"]
    lines = {name: place.line for name, place in spec.places.items()}
    # two lines of head come before the text, which begins with an empty one
    assert lines == {
        "image": 5,
        "name": 6,
        "source": 7,
        "url": 8,
        "checksum_url": 9,
        "id": 18,
        "disk_format": 20,
        "container_format": 21,
        "min_disk": 23,
        "min_ram": 24,
        "tags": 28,
        "properties": 30,
        "properties.p": 30,
        "properties.q": 30,
    }


def test_an_image_of_which_nothing_is_said_has_nothing_declared(tmp_path: Path) -> None:
    """Its name is its key."""
    (spec,) = wanted(tmp_path, "images: {a: {}}").images
    assert spec == ImageSpec("a", "a")
    assert {name: place.line for name, place in spec.places.items()} == {"image": 3, "source": 3}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("keep: 3", OnReplace(keep=3)),
        ("keep: 0", OnReplace(keep=0)),
        ("delete_after: 9d", OnReplace(delete_after=9)),
        ("hide: false", OnReplace(hide=False)),
        ("hide: true", OnReplace()),
        ("deactivate: false", OnReplace()),
        ("deactivate: true", OnReplace(deactivate=True)),
        ("rename: false", OnReplace()),
        ("set: {tags: [b, a]}", OnReplace(set_tags=("a", "b"))),
        ("unset: [properties.p]", OnReplace(unset=("properties.p",))),
    ],
)
def test_what_is_not_said_of_a_superseded_image_is_as_usual(tmp_path: Path, written: str, expected: OnReplace) -> None:
    """One build is kept, hidden."""
    text = f"images: {{a: {{properties: {{p: x}}, on_replace: {{{written}}}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.on_replace == expected


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a.raw", "a.raw"),
        ("file:a%20b.raw", "a b.raw"),
        ("file:///images/a%20b.raw", "/images/a b.raw"),
        ("a%20b.raw", "a%20b.raw"),
        ("sub/file:a.raw", "sub/file:a.raw"),
    ],
)
def test_a_file_in_the_short_form(tmp_path: Path, written: str, path: str) -> None:
    """Only a file: address has escaped characters."""
    (spec,) = wanted(tmp_path, f'images: {{a: {{source: "{written}"}}}}', allow_outside=True).images
    assert isinstance(spec.source, FileSource)
    assert spec.source.path == str(tmp_path / path)


@pytest.mark.parametrize("suffix", ["", ".raw", ".gz", ".xz", ".bz2", ".zst", ".XZ", ".xz.raw"])
@pytest.mark.parametrize("container", ["bare", "compressed"])
@pytest.mark.parametrize("kind", ["path: ", "url: https://x.example/"])
def test_packing_by_the_name_of_a_source(tmp_path: Path, kind: str, container: str, suffix: str) -> None:
    """Unless what is stored is packed, too; declared packing wins."""
    known = {".gz": Compression.GZ, ".xz": Compression.XZ, ".bz2": Compression.BZ2, ".zst": Compression.ZST}
    text = f"images: {{a: {{container_format: {container}, source: {{{kind}x{suffix}}}}}}}"
    (spec,) = wanted(tmp_path, text).images
    assert spec.source.transfer is not None
    expected = known.get(suffix.lower(), Compression.NONE) if container == "bare" else Compression.NONE
    assert spec.source.transfer == Transfer(expected)


@pytest.mark.parametrize(
    ("text", "is_declared"), [("", False), ("members: []", True), (f"members: [{'e' * 32}]", True)]
)
def test_an_empty_list_of_members_is_declared(tmp_path: Path, text: str, is_declared: bool) -> None:
    """It ends the sharing; without the field, the members of an image stay as they are."""
    (spec,) = wanted(tmp_path, f"images: {{a: {{visibility: shared, {text}}}}}").images
    assert spec.members_declared is is_declared
