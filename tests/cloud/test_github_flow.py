"""The workflows of examples/pipelines/github and action.yml, step by step in a shell, against the real cloud."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.forge import ForgeDouble
from tests.pipelines.github.guide_programs import create_credential
from tests.pipelines.github.repository import FORK, Repository, make_project
from tests.pipelines.github.runner import WorkflowRun

DATA: Final = b"\0data of an image" * 64


@pytest.fixture
def forge() -> Iterator[ForgeDouble]:
    """The API of GitHub."""
    with ForgeDouble() as double:
        yield double


@pytest.fixture
def project(cloud: Cloud, forge: ForgeDouble, tmp_path: Path) -> Repository:
    """A repository without manifests. Plans have an account with the role reader, applies one with the role member."""
    reader = ("prod", create_credential(cloud.auth_url, cloud.token("alice"), "plan", "reader"))
    member = ("prod", create_credential(cloud.auth_url, cloud.token("alice"), "apply"))
    accounts = {"imagesync-plan": reader, "imagesync-apply": member, "imagesync-approved": member}
    return make_project(tmp_path, cloud, forge, accounts)


def write_catalog(**images: dict[str, Any]) -> dict[str, bytes | str]:
    """The files of a catalog with these images."""
    manifest = {
        "version": 1,
        "catalog": "base",
        "default_target": "prod",
        "targets": {"prod": {"cloud": "prod"}},
        "defaults": {"disk_format": "raw", "container_format": "bare", "source": "disk.raw"},
        "images": images,
    }
    return {"images/catalog.yaml": yaml.safe_dump(manifest), "images/disk.raw": DATA}


def live(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """The visible images of the catalog, by key."""
    found = cloud.http("alice").images()
    return {image["imagesync_key"]: image for image in found if "imagesync_key" in image and not image["os_hidden"]}


def results(run: WorkflowRun) -> dict[str, str]:
    """What became of each job."""
    return {name: job.result for name, job in run.jobs.items()}


def merge_reviewed(project: Repository, number: int, branch: str, files: dict[str, bytes | str]) -> WorkflowRun:
    """A pull request that is planned, merged and applied; the run of the merge."""
    project.commit(files, branch)
    project.open_pull(number, branch)
    assert project.run_pull(number).conclusion == "success"
    project.merge(number)
    return project.run_main("imagesync-merge", "push")


@pytest.mark.timeout(900)  # it starts the command some thirty times
def test_from_a_pull_request_to_a_rollback(project: Repository, cloud: Cloud, forge: ForgeDouble) -> None:
    """Plan, comment, merge, apply of what was reviewed, drift of another user, issue, its end, and a rollback by revert."""
    project.commit(write_catalog(web={"name": "Web", "min_ram": 512}, db={"name": "Database"}), "first")
    project.open_pull(1, "first")
    run = project.run_pull(1)
    assert results(run) == {"validate": "success", "plan": "success", "comment": "success", "fork": "skipped"}
    (comment,) = project.comments(1)
    assert comment.startswith("<!-- imagesync base prod -->\n")
    assert "2 to create" in comment
    assert "2 to create" in run.jobs["plan"].summary
    assert live(cloud) == {}

    project.commit(write_catalog(web={"name": "Web", "min_ram": 1024}, db={"name": "Database"}), "first")
    assert project.run_pull(1).conclusion == "success"
    (updated,) = project.comments(1)
    assert updated != comment

    project.merge(1)
    merged = project.run_main("imagesync-merge", "push")
    assert results(merged) == {"apply": "success"}
    assert "2 created" in merged.jobs["apply"].summary
    assert {key: image["min_ram"] for key, image in live(cloud).items()} == {"web": 1024, "db": 0}

    again = project.run_main("imagesync-by-hand", "workflow_dispatch")
    assert results(again) == {"plan": "success", "apply": "skipped"}
    assert "No changes" in again.jobs["plan"].summary

    quiet = project.run_main("imagesync-nightly", "schedule")
    assert results(quiet) == {"drift": "success", "issue": "success"}
    assert project.issues() == []

    patch = cloud.http("alice").patch
    patch(live(cloud)["web"]["id"], {"op": "replace", "path": "/min_ram", "value": 64}).raise_for_status()
    for _ in range(2):
        assert results(project.run_main("imagesync-nightly", "schedule")) == {"drift": "success", "issue": "success"}
        (issue,) = project.issues()
        assert issue["state"] == "open"
        assert "min_ram" in issue["body"]

    by_hand = project.run_main("imagesync-by-hand", "workflow_dispatch")
    assert results(by_hand) == {"plan": "success", "apply": "success"}
    assert live(cloud)["web"]["min_ram"] == 1024
    project.run_main("imagesync-nightly", "schedule")
    assert [issue["state"] for issue in project.issues()] == ["closed"]

    back = write_catalog(web={"name": "Web", "min_ram": 512}, db={"name": "Database"})
    assert results(merge_reviewed(project, 2, "revert", back)) == {"apply": "success"}
    assert {key: image["min_ram"] for key, image in live(cloud).items()} == {"web": 512, "db": 0}


def test_a_pull_request_of_a_fork_gets_no_secret(project: Repository, cloud: Cloud) -> None:
    """Its plan is made against an empty store. The workflow of the base repository comments it; a merge needs a person."""
    project.commit(write_catalog(web={"name": "[x](http://evil.example) @all"}), "theirs")
    project.open_pull(1, "theirs", FORK)
    run = project.run_pull(1, user="stranger")
    assert results(run) == {"validate": "success", "plan": "skipped", "comment": "skipped", "fork": "success"}
    assert [step.name for step in run.steps if "application_credential" in str(step.environment)] == []
    assert project.comments(1) == []
    comment = project.run_fork_comment(1, run)
    assert results(comment) == {"comment": "success"}
    (text,) = project.comments(1)
    assert "1 to create" in text
    assert "A run of a fork made this plan" in text
    assert "`[x](http://evil.example`) `@all`" in text
    project.merge(1)
    merged = project.run_main("imagesync-merge", "push")
    assert results(merged) == {"apply": "failure"}
    assert "of a fork" in merged.jobs["apply"].log
    assert "**Nothing was applied,** because there is no reviewed plan" in merged.jobs["apply"].summary
    assert live(cloud) == {}
    assert results(project.run_main("imagesync-by-hand", "workflow_dispatch"))["apply"] == "success"
    assert list(live(cloud)) == ["web"]


def test_a_branch_pull_request_starts_no_comment_of_forks(project: Repository) -> None:
    """The workflow of forks has nothing to do for it."""
    project.commit(write_catalog(web={}), "ours")
    project.open_pull(1, "ours")
    run = project.run_pull(1)
    assert results(project.run_fork_comment(1, run)) == {"comment": "skipped"}
    dependabot = project.run_pull(1, user="dependabot[bot]")
    assert results(dependabot)["plan"] == "skipped"


def test_a_merge_whose_plan_was_not_reviewed_is_refused(project: Repository, cloud: Cloud) -> None:
    """Another user changes an image between the review and the merge: nothing is written, and a person approves a new plan."""
    web = {"min_ram": 512}
    assert results(merge_reviewed(project, 1, "first", write_catalog(web=web))) == {"apply": "success"}
    project.commit(write_catalog(web=web, db={}), "second")
    project.open_pull(2, "second")
    assert project.run_pull(2).conclusion == "success"
    image = live(cloud)["web"]["id"]
    cloud.http("alice").patch(image, {"op": "replace", "path": "/min_ram", "value": 64}).raise_for_status()
    project.merge(2)
    before = cloud.http("alice").images()
    refused = project.run_main("imagesync-merge", "push")
    assert results(refused) == {"apply": "failure"}
    assert "min_ram" in refused.jobs["apply"].log
    assert cloud.http("alice").images() == before
    assert "is not in the reviewed plan" in refused.jobs["apply"].summary
    assert results(project.run_main("imagesync-by-hand", "workflow_dispatch")) == {
        "plan": "success",
        "apply": "success",
    }
    assert {key: image["min_ram"] for key, image in live(cloud).items()} == {"web": 512, "db": 0}


def test_a_failed_plan_is_commented(project: Repository) -> None:
    """The comment has the errors of the manifests; the annotations are in the log of validate."""
    files = write_catalog(web={"min_ram": -1})
    project.commit(files, "wrong")
    project.open_pull(1, "wrong")
    run = project.run_pull(1)
    assert results(run) == {"validate": "failure", "plan": "failure", "comment": "success", "fork": "skipped"}
    (comment,) = project.comments(1)
    assert "min_ram" in comment
    assert "::error file=images/catalog.yaml,line=" in run.jobs["validate"].log


def test_the_account_of_plans_cannot_write(project: Repository, cloud: Cloud) -> None:
    """An apply with the secret of the plan is refused by the cloud, and leaves nothing."""
    project.hosting.secrets["imagesync-apply"] = project.hosting.secrets["imagesync-plan"]
    merged = merge_reviewed(project, 1, "first", write_catalog(web={}))
    assert results(merged) == {"apply": "failure"}
    assert cloud.http("alice").everything() == []


def test_each_target_has_its_own_job_and_account(cloud: Cloud, forge: ForgeDouble, tmp_path: Path) -> None:
    """The matrix: a plan, a comment and an apply of each target, and one report. A target that fails stops no other."""
    users = {"eu": "alice", "us": "bob"}
    accounts = {}
    for target, user in users.items():
        accounts[f"imagesync-plan-{target}"] = (
            target,
            create_credential(cloud.auth_url, cloud.token(user), "plan", "reader"),
        )
        accounts[f"imagesync-apply-{target}"] = (target, create_credential(cloud.auth_url, cloud.token(user), "apply"))
    project = make_project(tmp_path, cloud, forge, accounts)
    files = write_catalog(web={})
    manifest = yaml.safe_load(files["images/catalog.yaml"])
    del manifest["default_target"]
    manifest["targets"] = {target: {"cloud": target} for target in users}
    files["images/catalog.yaml"] = yaml.safe_dump(manifest)
    project.commit(files, "both")
    project.open_pull(1, "both")
    run = project.run_pull(1, "imagesync-targets-pull-request")
    assert set(results(run).values()) == {"success"}
    assert {"plan eu", "plan us", "comment eu", "comment us"} < set(run.jobs)
    assert sorted(text.partition("\n")[0] for text in project.comments(1)) == [
        "<!-- imagesync base eu -->",
        "<!-- imagesync base us -->",
    ]
    project.merge(1)
    project.hosting.secrets["imagesync-apply-us"] = project.hosting.secrets["imagesync-plan-us"]
    merged = project.run_main("imagesync-targets-merge", "push")
    assert results(merged) == {
        "targets": "success",
        "apply eu": "success",
        "apply us": "failure",
        "report": "failure",
    }
    assert "eu" in merged.jobs["report"].summary
    assert "imagesync-report-us has no report" in merged.jobs["report"].summary
    assert list(live(cloud)) == ["web"]
