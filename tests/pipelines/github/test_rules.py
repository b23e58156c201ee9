"""Rules for the workflows and the action that no linter has to be installed for. Reads the files."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.pipelines.github.files import ACTION, EXAMPLES, PLACEHOLDER, list_steps, list_workflows, read_yaml

WORKFLOWS: Final = list_workflows()
USES: Final = re.compile(r"uses: (?P<action>[\w./-]+)@(?P<commit>\w+)(?: # (?P<version>v\d+\.\d+\.\d+))?$")
CHECKOUT: Final = "actions/checkout@"


def by_name(path: Path) -> str:
    """The id of a parameter."""
    return path.stem


def read_uses() -> list[re.Match[str]]:
    """Each line with ``uses``; AssertionError for one that is not pinned."""
    lines = [line.strip(" -") for path in WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line]
    found = [USES.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, found, strict=True) if match is None] == []
    return [match for match in found if match]


def test_every_action_is_pinned_by_a_commit_with_its_version() -> None:
    """One commit for each action in all files; imagesync itself is the placeholder that the guide replaces."""
    pins = {(use["action"], use["commit"], use["version"]) for use in read_uses()}
    ours = {pin for pin in pins if f"{pin[0]}@{pin[1]}" == PLACEHOLDER}
    assert len(ours) == 1
    others = pins - ours
    assert [pin for pin in sorted(others) if not re.fullmatch("[0-9a-f]{40}", pin[1]) or not pin[2]] == []
    assert len({action for action, _, _ in others}) == len(others) > 2


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_each_job_has_only_the_permissions_that_it_names(path: Path) -> None:
    """The workflow gives none, each job names its own, no job writes contents, and each has a time limit."""
    workflow = read_yaml(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"].get("contents", "read") == "read", name
        assert 0 < job["timeout-minutes"] <= 180, name


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_no_workflow_runs_code_of_a_pull_request_with_secrets(path: Path) -> None:
    """No pull_request_target; a job that may write to the pull request or to issues has no checkout and no secret."""
    workflow = read_yaml(path)
    assert "pull_request_target" not in workflow["on"]
    for name, job in workflow["jobs"].items():
        writes = "write" in job["permissions"].values()
        uses = [step["uses"] for step in job["steps"]]
        assert not (writes and any(use.startswith(CHECKOUT) for use in uses)), name
        assert not (writes and "secrets." in str(job)), name
        assert ("secrets." in str(job)) == ("environment" in job), name


@pytest.mark.parametrize("path", WORKFLOWS, ids=by_name)
def test_the_token_of_a_checkout_is_not_kept(path: Path) -> None:
    """Otherwise .git/config holds it, which later steps can read."""
    checkouts = [step for step in list_steps(read_yaml(path)) if step["uses"].startswith(CHECKOUT)]
    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") is not False] == []


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=by_name)
def test_no_input_is_code(path: Path) -> None:
    """Workflows run no shell, and a ``run`` of the action has no expression: no text of a branch or an input is shell."""
    runs = [step["run"] for step in list_steps(read_yaml(path)) if "run" in step]
    assert bool(runs) == (path == ACTION)
    assert [run for run in runs if "${{" in run] == []


def test_secrets_are_given_to_one_input_only() -> None:
    """``clouds``, which the action writes to a private file."""
    given = [
        (name, value)
        for path in WORKFLOWS
        for step in list_steps(read_yaml(path))
        for name, value in step.get("with", {}).items()
        if "secrets." in str(value)
    ]
    assert set(given) == {("clouds", "${{ secrets.IMAGESYNC_CLOUDS }}")}


def test_a_merge_is_never_cancelled_and_old_plans_are() -> None:
    """By the concurrency of each workflow; two merges of one repository never run at the same time."""
    groups: dict[str, Any] = {path.stem: read_yaml(path)["concurrency"] for path in WORKFLOWS}
    merges = [group for name, group in groups.items() if "merge" in name]
    plans = [group for name, group in groups.items() if "pull-request" in name]
    assert [(one["cancel-in-progress"], one["queue"], one["group"]) for one in merges] == [
        (False, "max", "imagesync-merge")
    ] * 2
    assert [one["cancel-in-progress"] for one in plans] == [True] * 2
    assert all("github.event.pull_request.number" in one["group"] for one in plans)
    assert {path.stem for path in EXAMPLES.iterdir()} == set(groups)
