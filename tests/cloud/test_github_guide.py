"""docs/github.md, word for word: from nothing to a plan comment and an apply, with the real cloud and the double of GitHub."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cloud.configuration import SETTLING_TIME
from tests.cloud.service import Cloud
from tests.command import ROOT
from tests.forge import ForgeDouble
from tests.pages import read_blocks
from tests.pipelines.github import programs
from tests.pipelines.github.files import EXAMPLES
from tests.pipelines.github.repository import SECRET, Repository

GUIDE: Final = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
SITES: Final = (
    "https://cloud.debian.org/images/cloud/trixie/latest",
    "https://cloud-images.ubuntu.com/noble/current",
)
"""Where the images of the guide are; a server on loopback has small ones of the same names."""


@pytest.fixture
def forge() -> Iterator[ForgeDouble]:
    """The API of GitHub."""
    with ForgeDouble() as double:
        yield double


@pytest.fixture
def images(tmp_path: Path) -> Iterator[str]:
    """The address of a server with the two images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("debian-13-genericcloud-amd64.qcow2", "noble-server-cloudimg-amd64.img"):
        shutil.copy(ROOT / "examples" / "quickstart" / "tiny.qcow2", folder / name)
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class GuideReader:
    """Types the commands of the guide in a home folder that has a clone of imagesync."""

    def __init__(self, cloud: Cloud, folder: Path, images: str) -> None:
        self.state, self.home, self._images, self._cloud = folder / "state", folder / "home", images, cloud
        self.state.mkdir()
        shutil.copytree(EXAMPLES, self.home / "imagesync" / EXAMPLES.relative_to(ROOT))
        self._env = {
            "PATH": f"{self._make_programs(folder)}:/usr/bin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "GUIDE_STATE": str(self.state),
            "OS_AUTH_URL": cloud.auth_url,
            "OS_TOKEN": cloud.token("alice"),
        }
        (self.home / ".gitconfig").write_text("[user]\nname = A\nemail = a@example.com\n[init]\ndefaultBranch = main\n")
        self._bash("cd imagesync && git init -q && git add . && git commit -qm A", self.home)

    def _make_programs(self, folder: Path) -> Path:
        path = programs.make_path(folder).partition(":")[0]
        made = Path(path)
        (made / "launcher").rename(made / "imagesync")
        for name in ("gh", "openstack"):
            (made / name).write_text(
                f'#!/bin/bash\nexec {made}/python3 -m tests.pipelines.github.guide_programs {name} "$@"\n'
            )
            (made / name).chmod(0o755)
        return made

    def _bash(self, script: str, folder: Path) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=self._env,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"

    def follow(self) -> None:
        """Each block of the guide in order, until the pull request is there."""
        is_new = True
        for block in read_blocks(GUIDE):
            if block.kind == "yaml":
                (self.home / "images" / "images" / "catalog.yaml").write_text(block.text)
            elif block.kind == "yml":
                self._write_accounts(block.text)
            elif block.kind == "sh":
                self._bash(self._replace(block.text), self.home if is_new else self.home / "images")
                is_new = False

    def _replace(self, text: str) -> str:
        for site in SITES:
            text = text.replace(site, self._images)
        return text

    def _write_accounts(self, text: str) -> None:
        for name in ("plan", "apply"):
            settings = yaml.safe_load(text)
            cloud = settings["clouds"]["prod"]
            made = json.loads((self.state / f"imagesync-{name}.json").read_text())
            assert set(made) < set(cloud["auth"])
            cloud["auth"].update(made, auth_url=self._cloud.auth_url)
            cloud["imagesync_settling_time"] = SETTLING_TIME
            (self.home / f"{name}.yaml").write_text(json.dumps(settings))

    def notes(self) -> list[dict[str, Any]]:
        """What gh got."""
        return [json.loads(line) for line in (self.state / "gh.jsonl").read_text().splitlines()]

    def secrets(self) -> dict[str, dict[str, str]]:
        """The secrets of each environment."""
        found = (self.state / "secrets").iterdir()
        return {folder.name: {SECRET: (folder / SECRET).read_text()} for folder in found}


@pytest.mark.timeout(900)  # it starts the command some twenty times
def test_the_guide_leads_to_a_comment_and_an_apply(
    cloud: Cloud, forge: ForgeDouble, images: str, tmp_path: Path
) -> None:
    """Its commands, files, secrets and settings; then the workflows that it pushed, run for the pull request and the merge."""
    reader = GuideReader(cloud, tmp_path, images)
    reader.follow()
    assert [path.name for path in reader.home.glob("*.yaml")] == []
    repository = tmp_path / "repository"
    subprocess.run(["git", "clone", "--quiet", reader.state / "origin.git", repository], check=True)
    subprocess.run(["git", "-C", repository, "branch", "--quiet", "first-images", "origin/first-images"], check=True)
    project = Repository(repository, tmp_path / "runs", forge, reader.secrets())
    project.hidden = [
        json.loads(path.read_text())["application_credential_secret"] for path in reader.state.glob("*.json")
    ]
    assert len(project.hidden) == 2
    assert not {secret for secret in project.hidden if secret in project.git("log", "--patch", "--all")}

    project.open_pull(1, "first-images")
    run = project.run_pull(1)
    assert run.conclusion == "success"
    (comment,) = project.comments(1)
    assert "2 to create" in comment
    project.merge(1)
    assert project.run_main("imagesync-merge", "push").conclusion == "success"
    found = [image["imagesync_key"] for image in cloud.http("alice").images()]
    assert sorted(found) == ["debian-13", "ubuntu-24.04"]
    assert project.run_main("imagesync-nightly", "schedule").conclusion == "success"
    check_settings(reader.notes())


def check_settings(notes: list[dict[str, Any]]) -> None:
    """Only main gets the account that writes, a person approves, and the rules of the branch are strict."""
    by_path = {note["path"].rpartition("/")[2]: note for note in notes}
    for name in ("imagesync-apply", "imagesync-approved"):
        assert "deployment_branch_policy[protected_branches]=true" in by_path[name]["fields"]
    assert by_path["imagesync-approved"]["fields"][-4:] == ["-F", "reviewers[][type]=User", "-F", "reviewers[][id]=1"]
    assert by_path["imagesync-plan"]["fields"] == []
    rules = by_path["protection"]["input"]
    assert rules["required_status_checks"]["strict"] is True
    jobs = yaml.safe_load((EXAMPLES / "imagesync-pull-request.yml").read_text())["jobs"]
    assert {check["context"] for check in rules["required_status_checks"]["checks"]} < set(jobs)
    assert notes[-1] == {"path": "pull request"}
