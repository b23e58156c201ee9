"""A repository on the double of GitHub, whose workflows run in a shell against the real cloud. Runs git, writes files."""

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.cloud.configuration import SETTLING_TIME
from tests.cloud.service import Cloud
from tests.command import ROOT
from tests.forge import ForgeDouble
from tests.pipelines.github.files import make_repository
from tests.pipelines.github.runner import Event, Hosting, WorkflowRun

REPOSITORY: Final = "acme/images"
FORK: Final = "stranger/images"
SECRET: Final = "IMAGESYNC_CLOUDS"
IDENTITY: Final = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def write_settings(cloud: Cloud, target: str, account: Mapping[str, str]) -> str:
    """The text of clouds.yaml with one cloud, for the secret of an environment."""
    settings = {
        "auth_type": "v3applicationcredential",
        "auth": {"auth_url": cloud.auth_url, **account},
        "region_name": "RegionOne",
        "imagesync_settling_time": SETTLING_TIME,
    }
    return json.dumps({"clouds": {target: settings}}, indent=1)


def make_project(
    folder: Path, cloud: Cloud, forge: ForgeDouble, accounts: Mapping[str, tuple[str, dict[str, str]]]
) -> "Repository":
    """A new repository with the workflows. ``accounts``: for each environment the target and its application credential."""
    secrets = {name: {SECRET: write_settings(cloud, *account)} for name, account in accounts.items()}
    project = Repository(folder / "repository", folder, forge, secrets)
    project.hidden = [account["application_credential_secret"] for _, account in accounts.values()]
    make_repository(project.folder)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit_all()
    return project


class Repository:
    """A repository, its pull requests, and the runs of its workflows.

    ``secrets``: those of each environment; ``hidden``: texts of them that no output may have.
    """

    def __init__(
        self, repository: Path, folder: Path, forge: ForgeDouble, secrets: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.folder, self._forge = repository, forge
        self._tokens: list[str] = []
        self.hidden: list[str] = []
        variables = {
            "GITHUB_API_URL": f"{forge.url}/github",
            "GITHUB_SERVER_URL": "https://github.example",
            "LANG": "C.UTF-8",
        }
        kept = {name: dict(values) for name, values in secrets.items()}
        self.hosting = Hosting(
            folder, REPOSITORY, repository, ROOT, kept, variables, self._make_token, self._keep_artifact
        )

    def _make_token(self, permissions: Mapping[str, str]) -> str:
        token = f"ghs_job{len(self._tokens)}"
        self._tokens.append(token)
        user = {"login": "github-actions[bot]", "is_app": True, "permissions": dict(permissions)}
        self._forge.github["tokens"][token] = user
        return token

    def _keep_artifact(self, run: int, name: str, folder: Path) -> None:
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self._forge.add_artifact(run, files, name)

    def git(self, *words: str) -> str:
        """The output of a git command."""
        done = subprocess.run(
            ["git", *IDENTITY, "-C", str(self.folder), *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit_all(self) -> str:
        """Commit the present files."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change")
        return self.head()

    def head(self, ref: str = "HEAD") -> str:
        """The commit of a ref."""
        return self.git("rev-parse", ref)

    def commit(self, files: Mapping[str, bytes | str], branch: str) -> str:
        """Commit files on a branch, which begins at main if it is new; None of them is removed."""
        exists = self.git("branch", "--list", branch)
        self.git("checkout", "--quiet", *(() if exists else ("-b",)), branch, *(() if exists else ("main",)))
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        commit = self.commit_all()
        self.git("checkout", "--quiet", "main")
        return commit

    def open_pull(self, number: int, branch: str, repository: str = REPOSITORY) -> None:
        """Open a pull request of a branch. That of a fork is a branch here, too: only its name is elsewhere."""
        self._forge.add_pull(number, branch=branch, sha=self.head(branch), repo=repository)

    def pull(self, number: int) -> dict[str, Any]:
        """What the double knows about a pull request."""
        found: dict[str, Any] = next(one for one in self._forge.github["pulls"] if one["number"] == number)
        return found

    def run_pull(self, number: int, workflow: str = "imagesync-pull-request", user: str = "alice") -> WorkflowRun:
        """The workflow of a pull request, on the commit that tests its merge."""
        pull = self.pull(number)
        pull["sha"] = self.head(pull["branch"])
        self.git("checkout", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "Test merge", pull["branch"])
        tested = self.head()
        self.git("update-ref", f"refs/pull/{number}/merge", tested)
        self.git("checkout", "--quiet", "main")
        head = {"ref": pull["branch"], "sha": pull["sha"], "repo": {"full_name": pull["repo"]}}
        payload = {"pull_request": {"number": number, "head": head, "user": {"login": user}}}
        has_secrets = pull["repo"] == REPOSITORY and user != "dependabot[bot]"
        event = Event("pull_request", tested, f"refs/pull/{number}/merge", payload, has_secrets)
        run = self._run(workflow, event)
        conclusion = run.conclusion
        self._forge.add_run(run.id, head_sha=pull["sha"], conclusion=conclusion, repo=pull["repo"])
        return run

    def run_fork_comment(self, number: int, of: WorkflowRun) -> WorkflowRun:
        """The workflow that GitHub starts after the one of the pull request."""
        pull = self.pull(number)
        owner = pull["repo"].partition("/")[0]
        payload = {
            "workflow_run": {
                "id": of.id,
                "event": "pull_request",
                "conclusion": of.conclusion,
                "head_branch": pull["branch"],
                "head_sha": pull["sha"],
                "head_repository": {"full_name": pull["repo"], "owner": {"login": owner}},
            }
        }
        return self._run("imagesync-fork-comment", Event("workflow_run", self.head("main"), "refs/heads/main", payload))

    def merge(self, number: int) -> None:
        """Merge a pull request into main."""
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge {number}", self.pull(number)["branch"])
        self._forge.merge_pull(number, self.head("main"))

    def run_main(self, workflow: str, event: str) -> WorkflowRun:
        """A workflow of the branch main: push, schedule or workflow_dispatch."""
        return self._run(workflow, Event(event, self.head("main"), "refs/heads/main"))

    def _run(self, workflow: str, event: Event) -> WorkflowRun:
        run = self.hosting.run(self.git("show", f"{event.sha}:.github/workflows/{workflow}.yml"), event)
        self.check_secrets(run)
        return run

    def comments(self, number: int) -> list[str]:
        """The comments of a pull request or an issue."""
        return [one["body"] for one in self._forge.github["comments"] if one["request"] == number]

    def issues(self) -> list[dict[str, Any]]:
        """All issues."""
        found: list[dict[str, Any]] = self._forge.github["issues"]
        return found

    def check_secrets(self, run: WorkflowRun) -> None:
        """No secret is in an output, a summary, a command line, an artifact, a comment, or the environment of a plan."""
        hidden = [*self.hidden, *self._tokens]
        for step in run.steps:
            assert_without(hidden, step.log + step.summary, step.name)
            assert_without(hidden, "\n".join(step.trace), f"command lines of {step.name}")
            for call in step.calls:
                assert_without(hidden, "\n".join(call.arguments), f"arguments of {step.name}")
                has_token = call.arguments[0] == "report"
                rest = {
                    key: value for key, value in call.environment.items() if not (has_token and key == "GITHUB_TOKEN")
                }
                assert_without(hidden, str(rest), f"environment of imagesync {call.arguments[0]}")
            if step.name != "Run imagesync":
                assert_without(hidden, str(step.environment), f"environment of {step.name}")
        for path in (self.hosting.folder / "artifacts").rglob("*"):
            if path.is_file():
                assert_without(hidden, path.read_text(), str(path))
        texts = [one["body"] for kind in ("comments", "issues") for one in self._forge.github[kind]]
        assert_without(hidden, "\n".join(texts), "comments and issues")


def assert_without(hidden: list[str], text: str, where: str) -> None:
    """None of these texts is in a text, also not in base64."""
    forms = [form for one in hidden for form in (one, base64.b64encode(one.encode()).decode())]
    assert [one for one in forms if one in text] == [], where
