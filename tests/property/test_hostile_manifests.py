"""Any text as a manifest leads quickly to a catalog or to diagnostics of one printable line each."""

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesync.errors import ImagesyncError, ManifestError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.schemas import load_schema
from tests.trials import note


def list_keys(part: object) -> set[str]:
    """Every key of the schema, at any depth."""
    if isinstance(part, list):
        return {key for item in part for key in list_keys(item)}
    if not isinstance(part, dict):
        return set()
    known = part.get("properties")
    own = set(known) if isinstance(known, dict) else set()
    return own | {key for item in part.values() for key in list_keys(item)}


FIELDS = [*sorted(list_keys(load_schema("manifest")["$defs"])), "<<"]
SECTIONS = sorted(load_schema("manifest")["properties"])
WORDS = [
    *("qcow2", "raw", "bare", "public", "shared", "auto", "none", "null", "~", "true", "no", "1", "-1", "0x1f", "1e9"),
    *(
        "99999999999999999999",
        "${a}",
        "${images.a.id}",
        "$$",
        "${",
        "sha256:" + "a" * 64,
        "../x",
        "/etc/passwd",
        "a\x07b",
    ),
    *("https://h/x", "http://[", "ftp://h/x", "90d", "2027-01-01", "2027-13-45", "a/b", "\u202e", "\U0001f600", "\x9b"),
]
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=12),
    st.integers(-(2**70), 2**70).map(str),
    st.text(string.printable, max_size=8),
)
names = st.one_of(
    st.sampled_from([*FIELDS, *SECTIONS, "a", "b", "A", "imagesync_x", "os_glance_y"]), st.text(max_size=5)
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=25,
)


def write_yaml(value: object) -> str:
    """YAML of a tree, with plain scalars if possible, as people write them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_yaml(key)}: {write_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_yaml, value)) + "]"
    text = str(value)
    if text.isascii() and text and all(char.isalnum() or char in "._/-~" for char in text):
        return text
    return (
        '"'
        + "".join(f"\\U{ord(char):08x}" if not 32 <= ord(char) < 127 or char in '"\\' else char for char in text)
        + '"'
    )


def load_all(folder: Path, content: bytes) -> None:
    """Load and resolve for every target; any result except a catalog or printable diagnostics fails."""
    file = folder / "catalog.yaml"
    file.write_bytes(content)
    problem: ImagesyncError | None = None
    try:
        manifest = load(file)
        for target in (None, *manifest.targets):
            resolve(manifest, target=target, values={"a": "b"})
    except ImagesyncError as error:
        problem = error
    lines = str(problem).splitlines() if problem else ["fine"]
    assert lines
    assert all(line.isprintable() and len(line) < 3000 for line in lines)
    assert not isinstance(problem, ManifestError) or len(lines) == len(problem.diagnostics) + 1
    note("a manifest made at random", "a catalog, or printable diagnostics")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples."""
    return tmp_path_factory.mktemp("hostile")


@settings(max_examples=200, deadline=5000)
@given(tree=st.dictionaries(st.sampled_from([*SECTIONS, "x"]), trees, max_size=6))
def test_any_tree_leads_to_a_catalog_or_diagnostics(folder: Path, tree: dict[str, object]) -> None:
    """It has wrong types, names and values anywhere. There is never a traceback or a control character in the output."""
    tree.setdefault("version", "1")
    tree.setdefault("images", {"a": {}})
    load_all(folder, write_yaml(tree).encode())


@settings(max_examples=200, deadline=5000)
@given(image=st.dictionaries(st.sampled_from(FIELDS), trees, max_size=6))
def test_any_image_leads_to_a_catalog_or_diagnostics(folder: Path, image: dict[str, object]) -> None:
    """The same, one level deeper, in the fields of an image."""
    load_all(
        folder, write_yaml({"version": "1", "catalog": "c", "images": {"a": image, "b": {"source": "none"}}}).encode()
    )


@settings(max_examples=200, deadline=5000)
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_lead_to_diagnostics(folder: Path, content: bytes) -> None:
    """These are other encodings, NULs, surrogates, and any text."""
    load_all(folder, content)


@pytest.mark.parametrize(
    "content",
    [
        b"version: 1\nimages: " + b"[" * 1_000_000,
        b"version: 1\nimages: " + b"{a: " * 100_000,
        b"version: 1\nimages: &a [*a]",
        b"version: 1\nimages: {a: &a {properties: *a}}",
        b"version: 1\nimages: {a: {<<: [x]}}",
        b"version: 1\nimages: {? [a] : b}",
        b"version: 1\nimages: {a: {min_ram: " + b"9" * 100_000 + b"}}",
        b"\xff\xfev\x00e\x00r\x00",
        b"version: 1\nimages: {a: {name: \x00}}",
        b"%YAML 9.9\n---\nversion: 1",
        b"version: 1\nimages: {a: {name: 'x\xed\xa0\x80'}}",
        b'version: 1\ncatalog: c\nimages: {a: {name: "\\ud800"}}',
        b"- " * 10_000,
        b"? " * 10_000,
        b"--- " * 1_000,
        b"&a " * 1_000 + b"x",
        b"version: 1\nimages:\n" + b"".join(b"  k%d: {}\n" % number for number in range(3)) + b"  k1: {}\n",
    ],
)
def test_known_hostile_texts_lead_to_diagnostics(folder: Path, content: bytes) -> None:
    """These are the files of the corpus."""
    file = folder / "catalog.yaml"
    file.write_bytes(content)
    with pytest.raises(ImagesyncError) as caught:
        resolve(load(file))
    assert all(line.isprintable() for line in str(caught.value).splitlines())
