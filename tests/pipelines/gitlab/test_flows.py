"""The flows of the component for real: gitlab-ci-local, the real image service, and the double of GitLab."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.forge import ForgeDouble
from tests.pages import DOCS, read_blocks
from tests.pipelines.gitlab.runner import HOST, PROJECT_ID, Pipeline, Project

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(900)]
"""A flow has up to seven pipelines, each with several processes."""

TOKEN: Final = "glpat-project"
READER: Final = "reader"
PUBLISHER: Final = "operator"
DISK: Final = b"\xeb\x3c\x90 disk".ljust(1 << 20, b"\0")


def catalog(**images: dict[str, Any]) -> str:
    """A manifest with one target, the cloud ``prod``."""
    whole = {
        "version": 1,
        "catalog": "base",
        "targets": {"prod": {"cloud": "prod"}},
        "default_target": "prod",
        "defaults": {"disk_format": "raw", "container_format": "bare"},
        "images": {name: {"source": "disk.raw", **fields} for name, fields in images.items()},
    }
    return json.dumps(whole, indent=1)


class Shop:
    """A project with its CI/CD variables, the double of its GitLab, and the cloud."""

    def __init__(self, folder: Path, cloud: Cloud, forge: ForgeDouble) -> None:
        self.cloud, self.forge, self.project = cloud, forge, Project(folder)
        self.forge.gitlab["project"] = int(PROJECT_ID)
        self.project.set_variables(
            {
                "OS_CLIENT_CONFIG_FILE": {
                    "type": "file",
                    "values": {
                        "imagesync/plan": self._clouds(READER),
                        "imagesync/apply": self._clouds(PUBLISHER),
                    },
                },
                "GITLAB_TOKEN": {"values": {"imagesync/report": TOKEN}},
            }
        )
        self.project.commit({"images/disk.raw": DISK})
        self._pipelines = 0

    def _clouds(self, user: str) -> str:
        cloud = yaml.safe_load(self.cloud.clouds_yaml.read_text())["clouds"][user]
        return yaml.safe_dump({"clouds": {"prod": cloud}})

    def run(self, event: str, sha: str, *jobs: str, **variables: str) -> Pipeline:
        """Run a pipeline; the secrets must not be in its log."""
        env = {"CI_API_V4_URL": f"{self.forge.url}/gitlab", "CI_COMMIT_SHA": sha, "GITLAB_CI": "true", **variables}
        pipeline = self.project.run(event, jobs, **env)
        assert TOKEN not in pipeline.log
        assert "secret-of-the-tests" not in pipeline.log
        return pipeline

    def propose(self, iid: int, files: dict[str, str | bytes | None]) -> tuple[str, Pipeline]:
        """A push of these files to the branch of a merge request: the commit, and the pipeline."""
        sha = self.project.commit(files)
        return sha, self.push(iid, sha)

    def push(self, iid: int, sha: str) -> Pipeline:
        """The pipeline of a merge request with this last commit. GitLab keeps its plan."""
        self.forge.gitlab["merge_requests"] = [one for one in self.forge.gitlab["merge_requests"] if one["iid"] != iid]
        self.forge.add_merge_request(iid, sha=sha)
        pipeline = self.run("merge request", sha, CI_MERGE_REQUEST_IID=str(iid))
        self._pipelines += 1
        if pipeline.jobs["imagesync-plan"] == "PASS":
            kept = {"plan.json": self.project.read_artifact("imagesync-plan", "plan.json").decode()}
            self.forge.add_pipeline(self._pipelines, iid, kept, sha=sha)
        return pipeline

    def merge(self, iid: int) -> Pipeline:
        """Merge the merge request as a new commit, and run the pipeline of the default branch."""
        sha = self.project.commit()
        self.forge.merge_merge_request(iid, merge_commit_sha=sha)
        return self.run("push", sha)

    def list_comments(self, iid: int) -> list[str]:
        """The comments of a merge request."""
        return [note["body"] for note in self.forge.gitlab["notes"] if note["request"] == iid]

    def live(self) -> dict[str, dict[str, Any]]:
        """The visible images of the catalog, by name."""
        return {one["name"]: one for one in self.cloud.http(PUBLISHER).images() if one.get("imagesync_catalog")}


@pytest.fixture
def shop(tmp_path: Path, cloud: Cloud) -> Iterator[Shop]:
    """The project, while the double listens."""
    with ForgeDouble() as forge:
        yield Shop(tmp_path, cloud, forge)


def test_a_plan_is_commented_by_a_reader_and_applied_on_the_merge(shop: Shop) -> None:
    """The second push replaces the comment, and the merge applies what the comment shows. No job has two secrets."""
    shop.propose(7, {"images/catalog.yaml": catalog(web={})})
    shop.cloud.forget_requests()
    _, pipeline = shop.propose(7, {"images/catalog.yaml": catalog(web={"min_ram": 512}, database={})})
    assert pipeline.jobs == {"imagesync-validate": "PASS", "imagesync-plan": "PASS", "imagesync-comment": "PASS"}
    assert {one.method for one in shop.cloud.requests()} == {"GET"}
    [comment] = shop.list_comments(7)
    assert comment.startswith("<!-- imagesync base prod -->")
    assert "2 to create" in comment
    assert shop.live() == {}
    merged = shop.merge(7)
    assert merged.jobs == {"imagesync-validate": "PASS", "imagesync-reviewed": "PASS", "imagesync-apply": "PASS"}
    assert {name: one["min_ram"] for name, one in shop.live().items()} == {"web": 512, "database": 0}
    assert shop.project.read_secrets() == {
        ("validate", "nobody", "none"),
        ("plan", READER, "none"),
        ("report", "nobody", TOKEN),
        ("apply", PUBLISHER, "none"),
    }


def test_a_plan_that_fails_is_commented_too(shop: Shop) -> None:
    """The comment of the last push would else be about other manifests."""
    wrong = catalog(web={}, database={"source": {"url": "http://127.0.0.1:9/x", "checksum": f"sha256:{'0' * 64}"}})
    _, pipeline = shop.propose(7, {"images/catalog.yaml": wrong})
    assert pipeline.jobs == {"imagesync-validate": "PASS", "imagesync-plan": "FAIL", "imagesync-comment": "PASS"}
    [comment] = shop.list_comments(7)
    assert "http://127.0.0.1:9/x" in comment


def test_what_was_not_reviewed_is_applied_by_hand_only(shop: Shop) -> None:
    """Another user changes an image between the review and the merge. A person reads a new plan, and applies it."""
    shop.propose(7, {"images/catalog.yaml": catalog(web={"min_ram": 512})})
    assert shop.merge(7).jobs["imagesync-apply"] == "PASS"
    shop.propose(8, {"images/catalog.yaml": catalog(web={"min_ram": 1024})})
    web = shop.live()["web"]
    change = {"op": "replace", "path": "/min_ram", "value": 64}
    shop.cloud.http(PUBLISHER).patch(web["id"], change).raise_for_status()
    refused = shop.merge(8)
    assert refused.jobs == {"imagesync-validate": "PASS", "imagesync-reviewed": "PASS", "imagesync-apply": "FAIL"}
    assert "differs from the reviewed plan in min_ram" in refused.log
    assert shop.live()["web"]["min_ram"] == 64
    sha = shop.project.commit()
    planned = shop.run("by hand", sha)
    assert planned.jobs == {"imagesync-validate": "PASS", "imagesync-plan": "PASS"}
    assert shop.live()["web"]["min_ram"] == 64
    assert shop.run("by hand", sha, "imagesync-apply-by-hand").jobs == {"imagesync-apply-by-hand": "PASS"}
    assert shop.live()["web"]["min_ram"] == 1024


def test_a_push_without_a_merge_request_applies_nothing(shop: Shop) -> None:
    """There is no reviewed plan for it."""
    pipeline = shop.run("push", shop.project.commit({"images/catalog.yaml": catalog(web={})}))
    assert pipeline.jobs["imagesync-reviewed"] == "FAIL"
    assert "imagesync-apply" not in pipeline.jobs
    assert shop.live() == {}


def test_drift_has_one_issue_until_it_is_gone(shop: Shop) -> None:
    """Two nights with drift have one issue. A check that failed changes nothing."""
    shop.propose(7, {"images/catalog.yaml": catalog(web={"min_ram": 512})})
    shop.merge(7)
    sha = shop.project.commit()
    assert shop.run("schedule", sha).jobs == {"imagesync-drift": "PASS", "imagesync-issue": "PASS"}
    assert shop.forge.gitlab["issues"] == []
    set_ram(shop, 64)
    assert shop.run("schedule", sha).jobs == {"imagesync-drift": "WARN", "imagesync-issue": "PASS"}
    assert shop.run("schedule", sha).jobs == {"imagesync-drift": "WARN", "imagesync-issue": "PASS"}
    [issue] = shop.forge.gitlab["issues"]
    assert issue["state"] == "opened"
    assert "min_ram" in issue["description"]
    shop.project.commit({"images/catalog.yaml": "a: ["})
    assert shop.run("schedule", sha).jobs == {"imagesync-drift": "FAIL", "imagesync-issue": "FAIL"}
    assert shop.forge.gitlab["issues"] == [issue]
    shop.project.commit({"images/catalog.yaml": catalog(web={"min_ram": 512})})
    set_ram(shop, 512)
    assert shop.run("schedule", sha).jobs == {"imagesync-drift": "PASS", "imagesync-issue": "PASS"}
    assert [one["state"] for one in shop.forge.gitlab["issues"]] == ["closed"]


def set_ram(shop: Shop, value: int) -> None:
    """What another user changes."""
    change = {"op": "replace", "path": "/min_ram", "value": value}
    shop.cloud.http(PUBLISHER).patch(shop.live()["web"]["id"], change).raise_for_status()


def test_the_guide_word_for_word(shop: Shop, tmp_path: Path) -> None:
    """Its commands and files, from an empty project to images that are applied, and a night without drift."""
    page = (DOCS / "gitlab.md").read_text(encoding="utf-8")
    page = page[page.index("### 3.") : page.index("## Inputs")]
    make_origin(shop.project, tmp_path / "origin")
    address = f"url.file://{tmp_path / 'origin'}.insteadOf"
    found_at = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": address,
        "GIT_CONFIG_VALUE_0": f"{HOST}/infrastructure/images.git",
    }
    folder = tmp_path / "typed"
    folder.mkdir()
    for block in read_blocks(page):
        if block.kind == "sh":
            subprocess.run(["sh", "-e", "-c", block.text], cwd=folder, env={**shop.project.env, **found_at}, check=True)
            folder = tmp_path / "typed" / "images"
        elif block.kind == "yaml":
            (folder / block.text.splitlines()[0].removeprefix("# ")).write_text(block.text)
        elif block.kind == "yml":
            (folder / ".gitlab-ci.yml").write_text(block.text)
    shop.project.folder = folder
    sha = shop.project.git(folder, "rev-parse", "HEAD")
    assert shop.project.git(tmp_path / "origin", "rev-parse", "first-images") == sha
    pipeline = shop.push(7, sha)
    assert set(pipeline.jobs.values()) == {"PASS"}
    assert "2 to create" in shop.list_comments(7)[0]
    shop.project.git(folder, "switch", "--quiet", "main")
    shop.project.git(folder, "merge", "--quiet", "--no-ff", "first-images")
    assert set(shop.merge(7).jobs.values()) == {"PASS"}
    assert shop.live().keys() == {"Web", "Database"}
    assert set(shop.run("schedule", sha).jobs.values()) == {"PASS"}


def make_origin(project: Project, folder: Path) -> None:
    """What GitLab creates: a project with a README on its default branch."""
    start = folder.with_name("start")
    start.mkdir()
    (start / "README.md").write_text("# Images\n")
    project.git(start, "init", "--quiet")
    project.git(start, "add", ".")
    project.git(start, "commit", "--quiet", "--message", "Initial commit")
    project.git(start, "clone", "--quiet", "--bare", ".", str(folder))
    project.git(folder, "config", "receive.advertisePushOptions", "true")
