"""Paths of the command line: no link in a relative path leads out of the working directory."""

import os
from pathlib import Path

import pytest

from imagesync.errors import UsageError
from imagesync.paths import check_way, find_place_problem, find_way_out, is_among_files, is_within


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: ``images/``, ``inside -> images``, ``out -> ../else``, and ``else/`` beside it."""
    for name in ("checkout/images", "checkout/.git", "else/deep", "other"):
        (tmp_path / name).mkdir(parents=True)
    here = tmp_path / "checkout"
    (here / "inside").symlink_to("images")
    (here / "out").symlink_to("../else")
    (here / "config").symlink_to(".git/config")
    (tmp_path / "other" / "link").symlink_to("../else")
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize(
    "path", [".", "images", "inside", "inside/new", "missing", "..", "../other", "images/../images"]
)
def test_paths_inside_and_parents_that_the_user_wrote_are_allowed(checkout: Path, path: str) -> None:
    """Links that stay inside, and ``..`` in the path itself, are allowed."""
    assert find_way_out(path) is None
    check_way(path)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("out", "else"),
        ("out/new", "else/new"),
        ("out/../other", "other"),
        ("../other/link", "else"),
        ("images/../out", "else"),
        ("config", "checkout/.git/config"),
    ],
)
def test_a_link_that_leads_out_is_refused(checkout: Path, path: str, real: str) -> None:
    """The message has the path, where it leads, and what to use instead; ``.git`` may have the user's token."""
    assert find_way_out(path) == str(checkout.parent / real)
    with pytest.raises(UsageError) as caught:
        check_way(path, option="--allow-outside")
    expected = (
        f"{path}: a link leads to {checkout.parent / real}, which is outside the working directory or in .git; "
        f"if you trust the link, use the absolute path {checkout / path}, or pass --allow-outside"
    )
    assert str(caught.value) == expected
    check_way(path, is_allowed=True)


@pytest.mark.parametrize("path", ["out", "inside", "config"])
def test_an_absolute_path_is_the_user_s_choice(checkout: Path, path: str) -> None:
    """git-sync and Nix work with links."""
    assert find_way_out(checkout / path) is None


def test_the_working_directory_itself_may_be_reached_by_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its real path counts."""
    (tmp_path / "real" / "images").mkdir(parents=True)
    (tmp_path / "current").symlink_to("real")
    monkeypatch.chdir(tmp_path / "current")
    assert find_way_out("images") is None
    assert find_way_out("..") is None


def test_the_path_to_paste_is_quoted(checkout: Path) -> None:
    """A name with a space, a quote or a control character cannot become a command or move the cursor."""
    name = "a b\x1b'"
    os.symlink("../else", name)
    with pytest.raises(UsageError) as caught:
        check_way(name)
    assert str(caught.value).isprintable()
    assert f"$'{checkout}/a b\\x1b\\''" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "folder", "within", "among"),
    [
        ("/a/b", "/a", True, True),
        ("/a", "/a", True, True),
        ("/ab", "/a", False, False),
        ("/b", "/", True, True),
        ("/a/.git/config", "/a", True, False),
        ("/a/b/.GIT", "/a", True, False),
        ("/.git/b", "/.git", True, True),
        ("/a/.github/b", "/a", True, True),
    ],
)
def test_what_is_within_a_folder(path: str, folder: str, within: bool, among: bool) -> None:
    assert is_within(path, folder) is within
    assert is_among_files(path, folder) is among


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("images/a.yaml", None),
        (".", None),
        ("inside/a.qcow2", None),
        ("missing", None),
        ("out/a.qcow2", "lies outside the catalog's folder"),
        ("../other/a.qcow2", "lies outside the catalog's folder"),
        ("..", "lies outside the catalog's folder"),
        ("../checkout2", "lies outside the catalog's folder"),
        ("/etc/shadow", "lies outside the catalog's folder"),
        (".git/config", "lies in .git, which may hold credentials"),
        ("config", "lies in .git, which may hold credentials"),
    ],
)
def test_a_manifest_names_only_files_of_its_folder(checkout: Path, path: str, problem: str | None) -> None:
    """Also by way of links, and whatever the folder's own path is: a pull request chooses these paths."""
    (checkout.parent / "current").symlink_to("checkout")
    for folder in (checkout, checkout.parent / "current"):
        assert find_place_problem(os.path.join(folder, path), str(folder)) == problem


def test_only_an_option_that_exists_is_named(checkout: Path) -> None:
    """Some commands have none."""
    with pytest.raises(UsageError) as caught:
        check_way("out")
    assert str(caught.value).endswith(f"use the absolute path {checkout}/out")


def test_where_a_link_leads_is_shown_without_commands(checkout: Path) -> None:
    """The message has the whole place, and both ways out."""
    (checkout.parent / "a\x1b").mkdir()
    os.symlink("../a\x1b", "odd")
    with pytest.raises(UsageError) as caught:
        check_way("odd", option="--allow-x")
    assert str(caught.value) == (
        f"odd: a link leads to {checkout.parent}/a\\x1b, which is outside the working directory or in .git; "
        f"if you trust the link, use the absolute path {checkout}/odd, or pass --allow-x"
    )
    check_way("odd", option="--allow-x", is_allowed=True)
