"""The hook of ``.pre-commit-hooks.yaml``, as ``pre-commit try-repo`` installs and runs it."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.command import ROOT
from tests.pages import DOCS
from tests.pipelines.gitlab.runner import find_tool

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(900)]
"""pre-commit installs imagesync with its dependencies once in each test."""

SHIPPED: Final = (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE", "imagesync", "schemas")
SOUND: Final = """version: 1
catalog: base
defaults: {disk_format: raw, container_format: bare}
images:
  web: {source: disk.raw}
"""


def git(folder: Path, *words: str) -> None:
    """Run git without the settings of the user."""
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env=environment(folder))


def environment(folder: Path) -> dict[str, str]:
    """Also for pre-commit, whose environments are in a folder of the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT", "PYTHONPATH"))}
    return {**kept, "GIT_CONFIG_GLOBAL": "/dev/null", "PRE_COMMIT_HOME": str(folder.parent / "home")}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what is shipped."""
    folder = tmp_path_factory.mktemp("hooks") / "repository"
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "x")
    return folder


@pytest.fixture
def project(hooks: Path, tmp_path: Path) -> Path:
    """A repository with a catalog in ``images``, beside YAML files that are not manifests."""
    folder = tmp_path / "project"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "disk.raw").write_bytes(b"\xeb\x3c\x90 disk".ljust(1 << 20, b"\0"))
    (folder / "images" / "catalog.yaml").write_text(SOUND)
    (folder / "other.yaml").write_text("a: b\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    return folder


def try_hook(hooks: Path, project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the hook as a developer of it does, from the root of the project."""
    git(project, "add", "--all")
    words = ["try-repo", str(hooks), "imagesync-validate", "--color", "never", *more]
    return subprocess.run(
        [find_tool("pre-commit"), *words], cwd=project, env=environment(hooks), capture_output=True, text=True
    )


def test_a_problem_is_shown_with_its_line(hooks: Path, project: Path) -> None:
    """The catalog is the whole repository here; hidden files such as ``.gitlab-ci.yml`` are not manifests."""
    shutil.rmtree(project / "images")
    (project / "catalog.yaml").write_text(SOUND.replace("disk.raw", "none.raw"))
    (project / ".gitlab-ci.yml").write_text("include: []\n")
    (project / "other.yaml").unlink()
    wrong = try_hook(hooks, project, "--all-files")
    assert wrong.returncode == 1, wrong.stdout
    assert "\ncatalog.yaml:5:9: images.web.source: none.raw: No such file or directory" in wrong.stdout
    assert "\n1 problem in the manifests" in wrong.stdout


def test_the_entry_of_the_guide_checks_the_whole_catalog_once(hooks: Path, project: Path) -> None:
    """Also if another file of the catalog has the problem. YAML files elsewhere do not start it."""
    [block] = re.findall(r"```yml\n(repos:.*?)```", (DOCS / "validate.md").read_text(), re.DOTALL)
    config = yaml.safe_load(block)
    config["repos"][0]["repo"] = str(hooks)
    config["repos"][0]["rev"] = "HEAD"
    path = project / ".pre-commit-config.yaml"
    path.write_text(yaml.safe_dump(config))

    def run(*files: str) -> subprocess.CompletedProcess[str]:
        git(project, "add", "--all")
        command = [find_tool("pre-commit"), "run", "--color", "never", "--files", *files]
        return subprocess.run(command, cwd=project, env=environment(hooks), capture_output=True, text=True)

    assert run("images/catalog.yaml").stdout.rstrip().endswith("Passed")
    (project / "images" / "more.yaml").write_text("images:\n  cache: {source: none.raw}\n")
    found = run("images/catalog.yaml")
    assert found.returncode == 1
    assert found.stdout.count("images/more.yaml:2:11: images.cache.source") == 1
    assert found.stdout.count("1 problem in the manifests") == 1
    assert run("other.yaml").stdout.rstrip().endswith("Skipped")
