"""What must never be taken for removed: keys outside a target, files that could not be read."""

from pathlib import Path

import pytest

from imagesync.errors import ManifestError, UsageError
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.model.catalog import Catalog
from imagesync.planning.context import in_scope

HEAD = "version: 1\ncatalog: base\ndefaults: {source: none}\n"
MANY_A, MANY_B = (", ".join(f"{letter}{number}: x" for number in range(100)) for letter in "ab")
TARGETED = HEAD + "targets: {eu: {cloud: c, only: [ubuntu-*]}}\nimages: {ubuntu-22: {}, ubuntu-24: {}, debian-12: {}}\n"


def wanted(folder: Path, text: str, *only: str) -> Catalog:
    """The catalogue of one file for the target eu."""
    file = folder / "catalogue.yaml"
    file.write_text(text, encoding="utf-8")
    return resolve(load(file), target="eu", only=only)


@pytest.mark.parametrize("only", [(), ("*",), ("ubuntu-*",), ("*-2?",), ("ubuntu-24",)])
def test_only_never_widens_what_the_target_has(tmp_path: Path, only: tuple[str, ...]) -> None:
    """A key outside the target's ``only`` is out of scope whatever ``--only`` says: it is not taken for removed."""
    catalog = wanted(tmp_path, TARGETED, *only)
    assert not in_scope(catalog, "debian-12")
    assert not in_scope(catalog, "debian-11")
    assert "debian-12" in catalog.keys


@pytest.mark.parametrize(("target", "asked"), [("ubuntu-?", "*"), ("ubuntu-?", "ubuntu-*"), ("*-24", "ubuntu-*")])
def test_patterns_that_overlap_give_no_more_than_both(tmp_path: Path, target: str, asked: str) -> None:
    """A ``*`` is not covered by a ``?``, and where two patterns merely overlap only named keys are meant."""
    text = HEAD + f"targets: {{eu: {{cloud: c, only: ['{target}']}}}}\nimages: {{ubuntu-2: {{}}, ubuntu-24: {{}}}}\n"
    catalog = wanted(tmp_path, text, asked)
    assert not in_scope(catalog, "ubuntu-18")
    assert not in_scope(catalog, "debian-12")


def test_only_narrows_what_the_target_has(tmp_path: Path) -> None:
    """Of ``--only`` and the target's ``only`` the narrower decides, for removed keys too."""
    catalog = wanted(tmp_path, TARGETED, "ubuntu-2*")
    assert in_scope(catalog, "ubuntu-20")
    assert not in_scope(catalog, "ubuntu-18")


@pytest.mark.parametrize("only", [("debian-*",), ("nosuch",), ("ubuntu-24", "ubunt-22")])
def test_an_only_that_matches_no_image_of_the_target_is_refused(tmp_path: Path, only: tuple[str, ...]) -> None:
    """A mistyped pattern must not look like a wish for nothing."""
    with pytest.raises(UsageError, match="no such key"):
        wanted(tmp_path, TARGETED, *only)


def test_a_link_to_a_folder_outside_is_refused(tmp_path: Path) -> None:
    """Its images would silently be missing, and a missing image looks removed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "outside")
    with pytest.raises(ManifestError, match="leads out of the catalogue's folder"):
        load(tmp_path / "set")


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """A manifest that is gone is no manifest without images."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ManifestError, match=r"b\.yaml"):
        load(tmp_path)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """.github and .gitlab-ci.yml are not manifests."""
    (tmp_path / "a.yaml").write_text(HEAD + "images: {}\n", encoding="utf-8")
    (tmp_path / ".gitlab-ci.yml").write_text("stages: []\n", encoding="utf-8")
    assert list(load(tmp_path).folders) == [str(tmp_path / "a.yaml")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "images: missing"),
        ("images: {a: {on_replace: {unset: [properties.imagesync_key]}}}", "this name is reserved"),
        ("images: {a: {on_replace: {set: {properties: {imagesync_key: x}}}}}", "this name is reserved"),
        (
            "values: {s: no}\nimages: {a: {source: {url: 'https://h/x', checksum: '${s}'}}}",
            "source.checksum: 'no' is not ALGO",
        ),
        (f"images: {{a: {{properties: {{x: {'é' * 40_000}}}}}}}", "80000 bytes long, the limit is 65535"),
        (
            f"profiles: {{p: {{properties: {{{MANY_A}}}}}}}\nimages: {{a: {{profiles: [p], properties: {{{MANY_B}}}}}}}",
            "200 properties, the limit is 122",
        ),
    ],
)
def test_what_would_lose_our_mark_or_end_in_a_traceback_is_a_diagnostic(
    tmp_path: Path, text: str, expected: str
) -> None:
    """One line with the place, before anything is planned."""
    file = tmp_path / "catalogue.yaml"
    file.write_text(HEAD + text + "\n", encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        resolve(load(file))
    assert expected in str(caught.value)
