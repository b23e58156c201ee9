"""A project of GitLab in a folder, whose pipelines gitlab-ci-local runs. Runs git and Node.js; installs them first.

The project includes the component by its address, as users do: git finds the project of the component in a folder
(``insteadOf``). The image of the jobs is not used: they run in a shell, with the present ``imagesync`` in PATH.
"""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.command import ROOT
from tests.npm import find_node, prepare_packages
from tests.pip import prepare_programs
from tests.pipelines.gitlab.component import EXAMPLES

_PROGRAM: Final = """#!/bin/sh
user=$(sed -n 's/ *username: //p' "${{OS_CLIENT_CONFIG_FILE:-/dev/null}}")
echo "$1 ${{user:-nobody}} ${{GITLAB_TOKEN:-none}}" >> {secrets}
PYTHONPATH={root} exec {python} -P -m imagesync "$@"
"""
"""Runs the present imagesync, and notes which secrets each command has."""
HERE: Final = Path(__file__).parent
HOST: Final = "https://gitlab.example.com"
PROJECT_ID: Final = "1217"
_END: Final = re.compile(r"^ (PASS|FAIL|WARN) +([a-z][\w-]*)", re.MULTILINE)
_QUIET: Final = (
    "CI_PIPELINE_SOURCE,CI_PROJECT_ID,CI_COMMIT_SHA,CI_API_V4_URL,CI_PROJECT_URL,CI_COMMIT_BRANCH,CI_JOB_URL,GITLAB_CI"
)
EVENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "merge request": {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_PROJECT_ID": PROJECT_ID},
    "merge request of a fork": {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_PROJECT_ID": "1"},
    "merge train": {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_PROJECT_ID": PROJECT_ID,
        "CI_MERGE_REQUEST_EVENT_TYPE": "merge_train",
    },
    "push": {"CI_PIPELINE_SOURCE": "push"},
    "by hand": {"CI_PIPELINE_SOURCE": "web"},
    "schedule": {"CI_PIPELINE_SOURCE": "schedule"},
}
"""The variables of each kind of pipeline that the component distinguishes."""


def find_tool(name: str) -> str:
    """The program check-jsonschema, pre-commit or shellcheck; all are installed on first use."""
    return str(prepare_programs(HERE / "requirements.txt") / name)


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that has ended: each job with ``PASS``, ``WARN`` or ``FAIL``, and the whole log."""

    jobs: Mapping[str, str]
    log: str


class Project:
    """A repository with the shipped example as its ``.gitlab-ci.yml``, and a folder for the files of the runner."""

    def __init__(self, folder: Path, example: str = ".gitlab-ci.yml", **inputs: object) -> None:
        self.folder, self._home, self._secrets = folder / "images", folder / "home", folder / "secrets"
        self.folder.mkdir()
        (self._home / ".gitlab-ci-local").mkdir(parents=True)
        (folder / "bin").mkdir()
        self._write_program(folder / "bin" / "imagesync")
        component = folder / "component"
        shutil.copytree(ROOT / "templates", component / "templates")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CI", "GIT"))},
            "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        }
        (folder / "gitconfig").write_text(
            f'[url "file://{component}"]\n  insteadOf = {HOST}/infrastructure/imagesync.git\n'
            "[user]\n  name = x\n  email = x@example.com\n[init]\n  defaultBranch = main\n"
        )
        self._commit(component)
        self.git(component, "tag", "0.1.0")
        self._write_example(example, inputs)
        self._commit(self.folder)
        self.git(self.folder, "remote", "add", "origin", f"{HOST}/infrastructure/images.git")

    def _write_program(self, path: Path) -> None:
        path.write_text(_PROGRAM.format(secrets=self._secrets, root=ROOT, python=sys.executable))
        path.chmod(0o755)

    def _write_example(self, example: str, inputs: Mapping[str, object]) -> None:
        text = (EXAMPLES / example).read_text(encoding="utf-8")
        if inputs:
            document = yaml.safe_load(text)
            document["include"][0]["inputs"] |= inputs
            text = yaml.safe_dump(document)
        (self.folder / ".gitlab-ci.yml").write_text(text)

    def read_secrets(self) -> set[tuple[str, ...]]:
        """Of each command: its name, the user of its clouds.yaml, and its token of GitLab."""
        return {tuple(line.split()) for line in self._secrets.read_text().splitlines()}

    def git(self, folder: Path, *words: str) -> str:
        """Run git with the settings of the project: its output."""
        done = subprocess.run(["git", *words], cwd=folder, env=self.env, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _commit(self, folder: Path) -> str:
        if not (folder / ".git").exists():
            self.git(folder, "init", "--quiet")
        self.git(folder, "add", ".")
        self.git(folder, "commit", "--quiet", "--allow-empty", "--message", "x")
        return self.git(folder, "rev-parse", "HEAD")

    def commit(self, files: Mapping[str, str | bytes | None] | None = None) -> str:
        """Write files (None: delete it), and commit everything: the id of the commit."""
        for name, content in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self._commit(self.folder)

    def set_variables(self, variables: Mapping[str, Any]) -> None:
        """The CI/CD variables of the project, in the form of gitlab-ci-local: also of one environment, and of type file."""
        where = f"{HOST.removeprefix('https://')}/infrastructure/images.git"
        (self._home / ".gitlab-ci-local" / "variables.yml").write_text(
            yaml.safe_dump({"project": {where: dict(variables)}})
        )

    def run(self, event: str, jobs: Iterable[str] = (), **variables: str) -> Pipeline:
        """Run a pipeline, or only some of its jobs, and then read how they ended."""
        shutil.rmtree(self.folder / ".gitlab-ci-local", ignore_errors=True) if not jobs else None
        done = self._call(event, variables, "--shell-isolation", "--no-artifacts-to-source", *jobs)
        ended = {name: word for word, name in _END.findall(done.stdout)}
        assert ended, done.stdout + done.stderr
        return Pipeline(ended, done.stdout + done.stderr)

    def list_jobs(self, event: str, **variables: str) -> dict[str, dict[str, str]]:
        """The jobs of a pipeline, each with ``when``, ``environment`` and ``needs``."""
        rows = self._call(event, variables, "--list-csv", check=True).stdout
        table = rows[rows.index("name;") :]
        return {row["name"]: row for row in csv.DictReader(io.StringIO(table), delimiter=";")}

    def preview(self) -> str:
        """The configuration after includes, inputs and ``extends``."""
        return self._call("push", {}, "--preview", check=True).stdout

    def read_artifact(self, job: str, name: str) -> bytes:
        """A file that a job of the last pipeline kept."""
        return (self.folder / ".gitlab-ci-local" / "artifacts" / job / name).read_bytes()

    def _call(
        self, event: str, variables: Mapping[str, str], *words: str, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        packages = prepare_packages(HERE)
        program = packages / "node_modules/gitlab-ci-local/dist/index.js"
        pairs: Sequence[str] = [
            f"{name}={value}" for name, value in {"CI_PROJECT_ID": PROJECT_ID, **EVENTS[event], **variables}.items()
        ]
        options = [
            "--home",
            str(self._home),
            "--no-color",
            "--ignore-predefined-vars",
            _QUIET,
            "--force-shell-executor",
        ]
        options += [word for pair in pairs for word in ("--variable", pair)]
        command = [str(find_node(packages)), str(program), *options, *words]
        return subprocess.run(command, cwd=self.folder, env=self.env, check=check, capture_output=True, text=True)
