"""``init``: what it writes, what it refuses, and the commands after it."""

import re
import stat
from pathlib import Path

import pytest
import yaml

from tests.command import Result
from tests.forked import run

FILES = {"catalog.yaml", "manifest.schema.json", ".gitignore"}


def names_of(folder: Path) -> set[str]:
    """Everything in a folder."""
    return {path.name for path in folder.iterdir()}


def list_next(result: Result) -> list[str]:
    """The commands that a run proposes, without their comments."""
    return re.findall(r"^  (imagesync .*?) +#", result.stdout, re.MULTILINE)


def test_a_new_catalog_is_valid_and_applies_as_it_is(tmp_path: Path) -> None:
    """On its local store, also with --strict; a second apply changes nothing."""
    folder = tmp_path / "web-images"
    folder.mkdir()
    done = run("init", folder=folder)
    assert list_next(done) == ["imagesync add FILE", "imagesync apply"]
    assert names_of(folder) == FILES
    assert "Catalog web-images on target lab: 0 images" in run("validate", "--strict", folder=folder).stdout
    for _ in range(2):
        assert "No changes." in run("apply", "--yes", folder=folder).stdout
    assert names_of(folder) == {*FILES, "lab-store"}


def test_editors_find_the_schema(tmp_path: Path) -> None:
    """The first line names the file that is written beside it: that of the command schema."""
    run("init", folder=tmp_path)
    first = (tmp_path / "catalog.yaml").read_text().splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (tmp_path / named).read_text() == run("schema", folder=tmp_path).stdout


def test_the_comments_are_right(tmp_path: Path) -> None:
    """Each commented field is valid where it is."""
    run("init", folder=tmp_path)
    path = tmp_path / "catalog.yaml"
    text = re.sub(r"^( *)# (?=(prod|defaults|  visibility|  properties):)", r"\1", path.read_text(), flags=re.MULTILINE)
    path.write_text(text)
    assert {"defaults", "targets"} <= set(yaml.safe_load(text))
    assert run("validate", folder=tmp_path).stdout.count("no problems") == 2


def test_a_folder_is_created(tmp_path: Path) -> None:
    """With its parents; the proposed commands name it, and work."""
    done = run("init", "a/my images", "--catalog", "base", folder=tmp_path)
    assert list_next(done) == ["imagesync add FILE 'a/my images'", "imagesync apply 'a/my images'"]
    assert "Catalog base" in run("apply", "a/my images", "--yes", folder=tmp_path).stdout
    assert stat.S_IMODE((tmp_path / "a/my images/catalog.yaml").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("is_link", [False, True])
def test_nothing_is_overwritten(tmp_path: Path, name: str, is_link: bool) -> None:
    """Neither a file, nor the target of a link, which may not exist: nothing at all is written."""
    place = tmp_path / "images" / name
    place.parent.mkdir()
    if is_link:
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("mine")
    done = run("init", "images", folder=tmp_path, code=1)
    assert done.stderr.startswith(f"imagesync: {name} is in the way; nothing was written; ")
    assert names_of(place.parent) == {name}
    assert place.is_symlink() or place.read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_all_files_in_the_way_are_named(tmp_path: Path) -> None:
    """With the command to add an image, because a catalog exists."""
    run("init", folder=tmp_path)
    (tmp_path / "more.yaml").write_text("version: 1\n")
    assert run("init", folder=tmp_path, code=1).stderr == (
        "imagesync: catalog.yaml, .gitignore, manifest.schema.json, more.yaml are in the way; nothing was written; "
        "to add an image to this catalog: imagesync add FILE; or use another folder\n"
    )


def test_a_catalog_inside_of_another_is_refused(tmp_path: Path) -> None:
    """Both would be one catalog, which has two names."""
    run("init", folder=tmp_path)
    output = run("init", "more/images", folder=tmp_path, code=1).stderr
    assert "has a catalog, and all manifests below a folder are one catalog; use a folder outside of it" in output
    assert names_of(tmp_path) == FILES


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("init", "file"), 64, "file is not a folder; pass the path of a folder"),
        (("init", "file/below"), 64, "file/below cannot be created: Not a directory"),
        (("init", "way/out"), 64, "way/out: a link leads to"),
        (("init", "--catalog", "no name"), 64, "--catalog no name: not a valid name"),
        (("init", "--clouds-file", "x"), 64, "--clouds-file has no effect without --from-cloud"),
        (("init", "--from-cloud", "none"), 64, "cloud none is not defined"),
    ],
)
def test_wrong_words_write_nothing(tmp_path: Path, words: tuple[str, ...], code: int, text: str) -> None:
    """One line with the remedy."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "file").write_text("")
    (here / "way").symlink_to(tmp_path)
    done = run(*words, folder=here, code=code)
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (names_of(here), names_of(tmp_path)) == ({"file", "way"}, {"here"})


def test_the_name_of_the_folder_may_give_no_name(tmp_path: Path) -> None:
    """The catalog gets a usual one."""
    run("init", "目录", folder=tmp_path)
    assert "catalog: images\n" in (tmp_path / "目录/catalog.yaml").read_text()
