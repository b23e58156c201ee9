"""The pipelines for GitLab, checked by gitlab-ci-local, the JSON Schema of GitLab, and ShellCheck."""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.pipelines.gitlab.component import TEMPLATE, list_jobs, list_lines, read_component
from tests.pipelines.gitlab.runner import Project, find_tool

pytestmark = pytest.mark.pipelines

READ: Final = ("imagesync-validate", "imagesync-plan")
EXPECTED: Final = {
    "merge request": (*READ, "imagesync-comment"),
    "merge request of a fork": ("imagesync-validate",),
    "merge train": ("imagesync-validate",),
    "push": ("imagesync-validate", "imagesync-reviewed", "imagesync-apply"),
    "by hand": (*READ, "imagesync-apply-by-hand"),
    "schedule": ("imagesync-drift", "imagesync-issue"),
}
"""The jobs of each kind of pipeline."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The shipped example."""
    return Project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("event", EXPECTED)
def test_each_pipeline_has_its_jobs(project: Project, event: str) -> None:
    """A fork gets no job that needs a secret, and a merge train makes no second plan."""
    assert tuple(project.list_jobs(event)) == EXPECTED[event]


def test_a_push_to_another_branch_has_no_pipeline(project: Project) -> None:
    """A branch with a merge request has the pipeline of the merge request, and no second one."""
    assert project.list_jobs("push", CI_COMMIT_BRANCH="feature") == {}
    assert project.list_jobs("by hand", CI_COMMIT_BRANCH="feature") == {}


@pytest.mark.parametrize(
    ("on_merge", "jobs"),
    [("manual", (*READ, "imagesync-apply-by-hand")), ("nothing", ("imagesync-validate",))],
    ids=["manual", "nothing"],
)
def test_what_a_merge_does_is_an_input(tmp_path: Path, on_merge: str, jobs: tuple[str, ...]) -> None:
    """Without an apply of its own, a pipeline waits for a person, or only validates."""
    project = Project(tmp_path, on_merge=on_merge, drift=False)
    assert tuple(project.list_jobs("push")) == jobs
    assert project.list_jobs("schedule") == {}


def test_several_targets_have_their_own_jobs(tmp_path: Path) -> None:
    """The second example."""
    found = tuple(Project(tmp_path, "several-targets.yml").list_jobs("merge request"))
    words = ("validate", "plan", "comment")
    assert found == tuple(f"imagesync-{target}-{word}" for target in ("eu", "us") for word in words)


def test_a_copy_of_the_component_does_the_same(tmp_path: Path, project: Project) -> None:
    """For a server that cannot have the project of the component."""
    copied = Project(tmp_path)
    example = (copied.folder / ".gitlab-ci.yml").read_text()
    local = re.sub(r"component: \S+", "local: imagesync.yml", example)
    assert local != example
    copied.commit({".gitlab-ci.yml": local, "imagesync.yml": TEMPLATE.read_text()})
    assert copied.preview() == project.preview()


def test_only_an_apply_by_hand_waits_for_a_person(project: Project) -> None:
    """It is not skipped: the pipeline is blocked until then. A comment follows a plan that failed, too."""
    found = {name: row for event in EXPECTED for name, row in project.list_jobs(event).items()}
    assert [name for name, row in found.items() if row["when"] == "manual"] == ["imagesync-apply-by-hand"]
    assert [name for name, row in found.items() if row["when"] == "always"] == ["imagesync-comment", "imagesync-issue"]


def test_the_schema_of_gitlab_finds_nothing_wrong(tmp_path: Path, project: Project) -> None:
    """In the whole configuration, and in each document of the component."""
    component = read_component()
    for name, text in {"whole": project.preview(), "head": component.head, "body": component.body}.items():
        path = tmp_path / f"{name}.yml"
        path.write_text(text)
        check = [find_tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(path)]
        done = subprocess.run(check, capture_output=True, text=True)
        assert (done.returncode, name) == (0, name), done.stdout + done.stderr


def test_the_schema_of_gitlab_finds_a_mistake(tmp_path: Path) -> None:
    """Or the test above would pass with any text."""
    path = tmp_path / "wrong.yml"
    path.write_text(TEMPLATE.read_text().split("\n---\n")[1].replace("interruptible: true", "interruptible: 5", 1))
    check = [find_tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", str(path)]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1


def test_shellcheck_finds_nothing_wrong(tmp_path: Path) -> None:
    """In the scripts of each job, as one script for a POSIX shell."""
    for name, job in list_jobs(read_component().expand()).items():
        path = tmp_path / f"{name}.sh"
        variables = "".join(f"export {name}=\n" for name in [*job["variables"], "CI_ENVIRONMENT_NAME"])
        path.write_text(f"#!/bin/sh\n{variables}set -e\n" + "\n".join(list_lines(job)))
    done = subprocess.run(
        [find_tool("shellcheck"), "--enable=all", "--exclude=SC2250,SC2312", *map(str, sorted(tmp_path.glob("*.sh")))],
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""
