"""``imagesync.cli.origins``: names from manifests that may be wrong."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.origins import MAX_HEAD_BYTES, Origin, make_origin, read_head


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_CLOUD", raising=False)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("catalog: base\ndefault_target: lab\nimages: [", ("base", "lab")),
        ("catalog: 'base'  # the first\n", ("base", "")),
        ('catalog: "base"\n', ("base", "")),
        ("  catalog: base\n", ("", "")),
        ("# catalog: base\n", ("", "")),
        ("catalog: <!-- x -->\n", ("", "")),
        ("\x00\xff", ("", "")),
    ],
)
def test_names_are_found_in_a_manifest_that_does_not_load(tmp_path: Path, text: str, names: tuple[str, str]) -> None:
    """Only at the start of a line, and only plain names."""
    (tmp_path / "x.yaml").write_bytes(text.encode("latin-1"))
    assert Origin(tmp_path / "x.yaml").guess() == names
    assert Origin(tmp_path).guess() == names


def test_the_names_of_a_folder_may_be_in_different_files(tmp_path: Path) -> None:
    """The first file by name counts."""
    (tmp_path / "a.yaml").write_text("default_target: lab\n")
    (tmp_path / "b.yaml").write_text("catalog: base\n")
    (tmp_path / "c.yaml").write_text("catalog: other\n")
    assert Origin(tmp_path).guess() == ("base", "lab")


def test_a_given_target_counts_before_the_environment_and_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the selection of the target."""
    (tmp_path / "a.yaml").write_text("default_target: lab\n")
    monkeypatch.setenv("OS_CLOUD", "west")
    assert Origin(tmp_path).guess() == ("", "west")
    assert make_origin(tmp_path, None, None, None).guess() == ("", "west")
    for given in ((("eu"), None, None), (None, "eu", None), (None, None, Path("eu"))):
        assert make_origin(tmp_path, *given).guess() == ("", "eu")


def test_without_a_manifest_there_are_no_names(tmp_path: Path) -> None:
    """A path that does not exist, an empty folder, a saved plan."""
    assert Origin(tmp_path / "x").guess() == ("", "")
    assert Origin(tmp_path).guess() == ("", "")


def test_only_the_head_of_a_regular_file_is_read(tmp_path: Path) -> None:
    """A pipe would block the command, and a link could lead to a secret."""
    (tmp_path / "x").write_text("catalog")
    assert read_head(tmp_path / "x", 3) == "cat"
    os.mkfifo(tmp_path / "pipe")
    assert read_head(tmp_path / "pipe", 3) == ""
    (tmp_path / "link").symlink_to("x")
    with pytest.raises(OSError, match="symbolic"):
        read_head(tmp_path / "link", 3)


@pytest.mark.parametrize(
    "text",
    [
        "targets:\n  lab: {cloud: eu}\n  prod: {cloud: west, only: [x]}\nimages: [",
        "targets:\n  lab:\n    cloud: eu\n  prod:\n    only: [x]\n    cloud: 'west'  # the first\nimages:\n  x: {cloud: eu}\n",
        'targets:\n  "lab": {"cloud": "eu"}\n\n# of the west\n  prod: {only: [x], cloud: "west"}\n',
        "targets:\n  lab: {store: west}\n  prod: {store: stores/west}\n",
    ],
)
def test_a_cloud_or_a_store_has_the_name_of_its_target(tmp_path: Path, text: str) -> None:
    """As after a success: the same comment, and the same labels of metrics."""
    (tmp_path / "x.yaml").write_text(text)
    given = (None, None, tmp_path / "stores/west") if "stores" in text else (None, "west", None)
    assert make_origin(tmp_path, *given).guess() == ("", "prod")
    assert make_origin(tmp_path, "lab", None, None).guess() == ("", "lab")
    assert make_origin(tmp_path, None, "east", None).guess() == ("", "east")


def test_a_store_is_not_taken_for_a_cloud_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a cloud is not taken for a store, also if the working directory has a folder of that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text("targets:\n  prod: {cloud: west}\n  lab: {store: east}\n")
    assert make_origin(tmp_path, None, None, Path("west")).guess() == ("", "west")
    assert make_origin(tmp_path, None, None, Path("east")).guess() == ("", "lab")
    assert make_origin(tmp_path, None, "east", None).guess() == ("", "east")
    assert make_origin(tmp_path, None, "west", None).guess() == ("", "prod")
    monkeypatch.setenv("OS_CLOUD", "west")
    assert make_origin(tmp_path, None, None, Path("east")).guess() == ("", "lab")


def test_names_that_are_known_are_not_searched(tmp_path: Path) -> None:
    """The manifest was read; its target may have no name."""
    (tmp_path / "x.yaml").write_text("catalog: other\ndefault_target: other\ntargets:\n  prod: {cloud: west}\n")
    assert Origin(tmp_path, "west", catalog="base", target="lab").guess() == ("base", "lab")
    assert Origin(tmp_path, "west", catalog="base").guess() == ("base", "west")


@pytest.mark.parametrize("word", ["https://me:sesame@host/", "https://host/?token=sesame"])
def test_a_word_that_looks_like_a_secret_is_no_name(tmp_path: Path, word: str) -> None:
    """It was given to the wrong option."""
    for given in ((word, None, None), (None, word, None)):
        assert make_origin(tmp_path, *given).guess() == ("", "")


def test_of_several_targets_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the options, the environment or the manifest select; the catalog is that which is known, or is searched."""
    (tmp_path / "a.yaml").write_text("catalog: base\ndefault_target: lab\n")
    monkeypatch.setenv("OS_CLOUD", "west")
    origin = make_origin(tmp_path, "eu", None, None, is_several=True)
    assert origin.guess() == ("base", "")
    assert replace(origin, catalog="other").guess() == ("other", "")
    assert Origin(tmp_path / "none", is_several=True).guess() == ("", "")


def test_a_known_target_counts_before_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place without a name of a target is named by its cloud or store, also by that of the environment."""
    assert Origin(tmp_path, "west", catalog="base", target="lab").guess() == ("base", "lab")
    monkeypatch.setenv("OS_CLOUD", "east")
    assert Origin(tmp_path, catalog="base", target="lab").guess() == ("base", "lab")
    assert Origin(tmp_path, catalog="base").guess() == ("base", "east")
    assert Origin(tmp_path, "west", catalog="base").guess() == ("base", "west")
    assert Origin(tmp_path).guess() == ("", "east")


def test_an_origin_has_what_the_options_select() -> None:
    """Without a path it is the working directory. A cloud counts before a store."""
    assert make_origin(None, None, None, None) == Origin(Path())
    assert make_origin(Path("x"), "eu", None, None) == Origin(Path("x"), target="eu")
    assert make_origin(Path("x"), None, "west", None) == Origin(Path("x"), "west")
    assert make_origin(Path("x"), None, None, Path("s")) == Origin(Path("x"), store="s")
    assert make_origin(Path("x"), None, "west", Path("s"), is_several=True) == Origin(
        Path("x"), "west", is_several=True
    )


def test_a_store_is_relative_to_the_folder_of_its_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is relative to the working directory; the first target that names it counts, in any file."""
    (tmp_path / "c" / "sub").mkdir(parents=True)
    (tmp_path / "c" / "a.yaml").write_text("targets:\n  one: {cloud: store}\n  two: {store: other}\n")
    (tmp_path / "c" / "b.yaml").write_text("targets:\n  three: {store: ./sub/../store}\n  four: {store: store}\n")
    monkeypatch.chdir(tmp_path)
    assert make_origin(Path("c"), None, None, Path("c/store")).guess() == ("", "three")
    assert make_origin(Path("c"), None, None, Path("c/other/")).guess() == ("", "two")
    assert make_origin(Path("c"), None, "store", None).guess() == ("", "one")
    assert make_origin(Path("c"), None, None, Path("other")).guess() == ("", "other")


@pytest.mark.parametrize(
    ("name", "found"), [("a" * 64, "a" * 64), ("a" * 65, "a" * 64), ("A.b_c-1", "A.b_c-1"), (".a", ""), ("1", "1")]
)
def test_a_name_has_a_form_and_a_limit(tmp_path: Path, name: str, found: str) -> None:
    """That of a catalog; what is longer would be no name of one."""
    (tmp_path / "a.yaml").write_text(f"catalog:\t {name}\ndefault_target: '{name}'\n")
    assert Origin(tmp_path).guess() == (found, found)


def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    """As one that was removed meanwhile, or a pipe."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to("none")
    (tmp_path / "c.yaml").write_text("catalog: base\ntargets:\n  prod: {cloud: west}\n")
    assert make_origin(tmp_path, None, "west", None).guess() == ("base", "prod")


def test_only_the_beginning_of_a_manifest_is_searched(tmp_path: Path) -> None:
    """Its first MiB."""
    line = "catalog: base\n"
    for number, found in ((MAX_HEAD_BYTES - len(line), "base"), (MAX_HEAD_BYTES, "")):
        (tmp_path / "a.yaml").write_text("#".ljust(number - 1, "x") + "\n" + line)
        assert Origin(tmp_path).guess() == (found, "")
    assert MAX_HEAD_BYTES == 2**20
