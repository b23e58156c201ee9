"""Paths from the root of a repository."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from imagesync.cli.repository import find_repository, name_from_root
from imagesync.errors import Diagnostic


def make_folders(root: Path, *repositories: str) -> Path:
    """The folder ``work/repo/sub/images``; those that are named are repositories."""
    images = root / "work/repo/sub/images"
    images.mkdir(parents=True)
    for name in repositories:
        (root / name / ".git").mkdir()
    return images


@pytest.mark.parametrize(
    ("repositories", "environment", "expected"),
    [
        pytest.param(["work/repo"], {}, "work/repo", id="above"),
        pytest.param(["work", "work/repo/sub"], {}, "work/repo/sub", id="innermost"),
        pytest.param([], {}, "work/repo/sub/images", id="none"),
        pytest.param([], {"GITHUB_WORKSPACE": "work/repo"}, "work/repo", id="checkout without git"),
        pytest.param(["work/repo"], {"GITHUB_WORKSPACE": "work"}, "work/repo", id="checkout in a folder"),
        pytest.param(["work/repo", "work/repo/sub"], {"CI_PROJECT_DIR": "work/repo"}, "work/repo", id="submodule"),
        pytest.param(
            ["work", "work/repo"], {"GITHUB_WORKSPACE": "work/repo"}, "work/repo", id="not above the checkout"
        ),
        pytest.param(
            ["work/repo"], {"GITHUB_WORKSPACE": "elsewhere", "CI_PROJECT_DIR": ""}, "work/repo", id="elsewhere"
        ),
    ],
)
def test_the_root_is_that_of_the_annotated_repository(
    tmp_path: Path, repositories: list[str], environment: Mapping[str, str], expected: str
) -> None:
    """Variables of the CI system win over a folder outside of the checkout, and a repository over its submodule."""
    here = make_folders(tmp_path, *repositories)
    given = {name: str(tmp_path / value) if value else "" for name, value in environment.items()}
    assert find_repository(here, given) == tmp_path / expected


def test_a_submodule_has_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    """Worktrees, too."""
    here = make_folders(tmp_path)
    (here.parent / ".git").write_text("gitdir: ../.git/modules/sub\n")
    assert find_repository(here, {}) == here.parent


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("a.yaml", "sub/images/a.yaml"),
        ("./x/../a.yaml", "sub/images/a.yaml"),
        ("../../b.yaml", "b.yaml"),
        ("../../..", "ROOT/work"),
        ("ROOT/work/repo/c.yaml", "c.yaml"),
        ("ROOT/d.yaml", "ROOT/d.yaml"),
        ("ROOT/link/repo/e.yaml", "e.yaml"),
        ("outside/f.yaml", "sub/images/outside/f.yaml"),
    ],
)
def test_a_path_is_relative_to_the_root(tmp_path: Path, file: str, expected: str) -> None:
    """A path outside of it is absolute. A link is named by its own path if this is inside."""
    here = make_folders(tmp_path, "work/repo")
    (tmp_path / "link").symlink_to("work")
    (here / "outside").symlink_to(tmp_path)
    problem = Diagnostic(file.replace("ROOT", str(tmp_path)), 1, 1, "", "empty")
    (found,) = name_from_root([problem], here, tmp_path / "work/repo")
    assert found.file == expected.replace("ROOT", str(tmp_path))
    assert (found.line, found.message) == (1, "empty")
