"""A workflow file and an event -> its jobs, run for real in a shell. Runs processes and writes files.

It executes the steps of the files themselves as GitHub's runner does: bash with the same options, the same variables and files,
conditions, outputs, matrices and artifacts. Other actions have doubles: checkout clones a local repository, and the
artifacts are folders. What it does not know is a failure. It keeps each environment and each command line for the tests.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.pipelines.github import programs
from tests.pipelines.github.expressions import Contexts, ExpressionProblem, fill, is_met
from tests.pipelines.github.files import parse_yaml, read_yaml

MAX_SUMMARY: Final = 2**20
"""Bytes of the summary of one step, by GitHub's limit."""
PINNED_ACTION: Final = r"\w+/imagesync@[0-9a-f]{40}"
JOB_KEYS: Final = frozenset(
    ["name", "needs", "if", "runs-on", "timeout-minutes", "environment", "permissions", "outputs", "strategy", "steps"]
)
STEP_KEYS: Final = frozenset(["name", "id", "if", "uses", "with", "shell", "env", "run"])
ACTION_STEP_KEYS: Final = STEP_KEYS - {"uses", "with"}


@dataclass(frozen=True, slots=True)
class Event:
    """What starts a workflow. ``sha`` and ``ref``: what a checkout gets. ``has_secrets``: false for a fork."""

    name: str
    sha: str
    ref: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    has_secrets: bool = True


@dataclass(slots=True)
class StepRun:
    """One command that ran, with everything that a secret could be in: its environment, its command lines, its output."""

    name: str
    environment: dict[str, str]
    code: int
    log: str
    summary: str
    calls: list[programs.Started]
    trace: list[str]


@dataclass(slots=True)
class JobRun:
    """A job that has ended: ``success``, ``failure`` or ``skipped``."""

    name: str
    result: str
    outputs: dict[str, str]
    steps: list[StepRun]

    @property
    def log(self) -> str:
        """The output of all steps."""
        return "".join(step.log for step in self.steps)

    @property
    def summary(self) -> str:
        """The summary of all steps."""
        return "".join(step.summary for step in self.steps)


@dataclass(slots=True)
class WorkflowRun:
    """A run: its jobs by name. Jobs of a matrix have their value after a space."""

    id: int
    name: str
    jobs: dict[str, JobRun]

    @property
    def conclusion(self) -> str:
        """``success`` or ``failure``; skipped jobs do not matter."""
        return "failure" if any(job.result == "failure" for job in self.jobs.values()) else "success"

    @property
    def steps(self) -> Iterator[StepRun]:
        """The steps of all jobs."""
        return (step for job in self.jobs.values() for step in job.steps)


@dataclass(slots=True)
class Hosting:
    """Where workflows run: the repository, the copy of imagesync, the secrets of each environment, the API.

    ``make_token`` gives a job its token by its permissions. ``keep_artifact`` gets each upload: run, name, folder.
    """

    folder: Path
    repository: str
    clone_from: Path
    action: Path
    secrets: dict[str, dict[str, str]]
    variables: dict[str, str]
    make_token: Callable[[Mapping[str, str]], str]
    keep_artifact: Callable[[int, str, Path], None]
    approved: list[str] = field(default_factory=list)
    _runs: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, workflow: str, event: Event) -> WorkflowRun:
        """Run all jobs of a workflow, given as text, one after another."""
        document = parse_yaml(workflow)
        assert event.name in document["on"], f"{document['name']} does not run on {event.name}"
        return _Execution(self, document, event, next(self._runs)).run()

    def artifact(self, run: int, name: str) -> Path:
        """The folder of an artifact."""
        return self.folder / "artifacts" / str(run) / name


class _Execution:
    """One run of a workflow."""

    def __init__(self, site: Hosting, document: Mapping[str, Any], event: Event, number: int) -> None:
        self._site, self._document, self._event = site, document, event
        self._run = WorkflowRun(number, document["name"], {})
        self._results: dict[str, dict[str, Any]] = {}

    def run(self) -> WorkflowRun:
        for name, job in self._document["jobs"].items():
            assert set(job) <= JOB_KEYS, set(job) - JOB_KEYS
            self._run_job(name, job)
        return self._run

    def _run_job(self, name: str, job: Mapping[str, Any]) -> None:
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        values = {"github": self._github(""), "needs": {need: self._results[need] for need in needs}}
        results = [self._results[need]["result"] for need in needs]
        contexts = Contexts(values, failed=set(results) - {"success"} != set())
        if not is_met(job.get("if"), contexts):
            self._keep(name, [JobRun(name, "skipped", {}, [])])
            return
        runs = [
            _Job(self._site, self._event, self._run, job, {**values, "matrix": cell}).run(label)
            for label, cell in _list_cells(name, job, contexts)
        ]
        self._keep(name, runs)

    def _keep(self, name: str, runs: list[JobRun]) -> None:
        self._run.jobs |= {run.name: run for run in runs}
        worst = next((run.result for run in runs if run.result != "success"), "success")
        outputs = {key: value for run in runs for key, value in run.outputs.items()}
        self._results[name] = {"result": worst, "outputs": outputs}

    def _github(self, token: str) -> dict[str, Any]:
        return _describe(self._site, self._event, self._run, token)


def _list_cells(name: str, job: Mapping[str, Any], contexts: Contexts) -> list[tuple[str, dict[str, Any]]]:
    """The jobs of a matrix with one variable; one job without a matrix."""
    if "strategy" not in job:
        return [(name, {})]
    assert job["strategy"]["fail-fast"] is False
    ((variable, values),) = job["strategy"]["matrix"].items()
    return [(f"{name} {value}", {variable: value}) for value in fill(values, contexts)]


def _describe(site: Hosting, event: Event, run: WorkflowRun, token: str) -> dict[str, Any]:
    """The context ``github``."""
    return {
        "event_name": event.name,
        "event": event.payload,
        "repository": site.repository,
        "sha": event.sha,
        "ref": event.ref,
        "run_id": run.id,
        "token": token,
    }


class _Job:
    """One job: a new machine with its own folders, a token of its permissions, and the secrets of its environment."""

    def __init__(
        self, site: Hosting, event: Event, run: WorkflowRun, job: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        self._site, self._event, self._run, self._job = site, event, run, job
        self._folder = site.folder / "jobs" / f"{run.id}-{len(list((site.folder / 'jobs').glob('*')))}"
        self._temp, self._workspace = self._folder / "temp", self._folder / "work" / "repository"
        self._permissions = {**run_permissions(job)}
        self._token = site.make_token(self._permissions)
        self._values = {
            **values,
            "github": _describe(site, event, run, self._token),
            "runner": {"temp": str(self._temp)},
            "secrets": self._read_secrets(values),
            "steps": {},
        }
        self._exported: dict[str, str] = {}
        self._steps: list[StepRun] = []
        self._failed = False

    def _read_secrets(self, values: Mapping[str, Any]) -> dict[str, str]:
        if "environment" not in self._job or not self._event.has_secrets:
            return {}
        name = fill(self._job["environment"]["name"], Contexts(values))
        self._site.approved.append(name)
        return self._site.secrets[name]

    def run(self, name: str) -> JobRun:
        for folder in (self._temp, self._workspace, self._folder / "home"):
            folder.mkdir(parents=True)
        for step in self._job["steps"]:
            assert set(step) <= STEP_KEYS, set(step) - STEP_KEYS
            self._run_step(step)
        assert not (self._temp / "imagesync-settings").exists(), "the cloud settings were not deleted"
        outputs = {key: fill(value, self._contexts()) for key, value in self._job.get("outputs", {}).items()}
        return JobRun(name, "failure" if self._failed else "success", outputs, self._steps)

    def _contexts(self, **more: Any) -> Contexts:
        return Contexts({**self._values, **more}, failed=self._failed)

    def _run_step(self, step: Mapping[str, Any]) -> None:
        outputs: dict[str, str] = {}
        if is_met(step.get("if"), self._contexts()):
            inputs = {key: fill(value, self._contexts()) for key, value in step.get("with", {}).items()}
            outputs = self._use(step["uses"], inputs)
        if "id" in step:
            self._values["steps"][step["id"]] = {"outputs": outputs}

    def _use(self, uses: str, inputs: dict[str, Any]) -> dict[str, str]:
        if re.fullmatch(PINNED_ACTION, uses):
            return self._run_action({key: _to_input(value) for key, value in inputs.items()})
        doubles: dict[str, Callable[[dict[str, Any]], None]] = {
            "actions/checkout": self._check_out,
            "actions/upload-artifact": self._upload,
            "actions/download-artifact": self._download,
        }
        doubles[uses.partition("@")[0]](inputs)
        return {}

    def _check_out(self, inputs: dict[str, Any]) -> None:
        assert inputs == {"persist-credentials": False}
        assert self._permissions.get("contents") == "read"
        git = ("git", "-C", str(self._workspace))
        quiet = {"check": True, "capture_output": True}
        subprocess.run([*git, "init", "--quiet"], **quiet)  # type: ignore[call-overload]
        subprocess.run([*git, "fetch", "--quiet", str(self._site.clone_from), self._event.ref], **quiet)  # type: ignore[call-overload]
        subprocess.run([*git, "checkout", "--quiet", self._event.sha], **quiet)  # type: ignore[call-overload]

    def _upload(self, inputs: dict[str, Any]) -> None:
        assert set(inputs) == {"name", "path", "if-no-files-found"}
        target, source = self._site.artifact(self._run.id, inputs["name"]), Path(inputs["path"])
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.is_file():
            target.mkdir(parents=True)
            shutil.copy(source, target)
        found = target.is_dir() and any(target.iterdir())
        self._failed |= not found and inputs["if-no-files-found"] == "error"
        if found:
            self._site.keep_artifact(self._run.id, inputs["name"], target)

    def _download(self, inputs: dict[str, Any]) -> None:
        assert set(inputs) <= {"name", "pattern", "path", "run-id", "github-token"}
        run = self._run.id
        if "run-id" in inputs:
            assert inputs["github-token"] == self._token
            assert self._permissions.get("actions") == "read"
            run = inputs["run-id"]
        if "pattern" in inputs:
            for folder in sorted(self._site.artifact(run, "").glob(inputs["pattern"])):
                shutil.copytree(folder, Path(inputs["path"]) / folder.name)
            return
        source = self._site.artifact(run, inputs["name"])
        if source.is_dir():
            shutil.copytree(source, inputs["path"])
        else:
            self._failed = True

    def _run_action(self, given: dict[str, str]) -> dict[str, str]:
        action = read_yaml(self._site.action / "action.yml")
        unknown, missing = given.keys() - action["inputs"].keys(), []
        inputs = {name: given.get(name, one.get("default", "")) for name, one in action["inputs"].items()}
        missing = [name for name, one in action["inputs"].items() if one.get("required") and not inputs[name]]
        assert (unknown, missing) == (set(), [])
        steps: dict[str, Any] = {}
        failed = False
        for step in action["runs"]["steps"]:
            assert set(step) <= ACTION_STEP_KEYS, set(step) - ACTION_STEP_KEYS
            contexts = Contexts({**self._values, "inputs": inputs, "steps": steps}, failed=failed)
            outputs: dict[str, str] = {}
            if is_met(step.get("if"), contexts):
                done, outputs = self._run_shell(step, contexts)
                failed |= done.code != 0
            if "id" in step:
                steps[step["id"]] = {"outputs": outputs}
        self._failed |= failed
        contexts = Contexts({**self._values, "inputs": inputs, "steps": steps})
        values = {name: fill(one["value"], contexts) for name, one in action["outputs"].items()}
        return {name: value for name, value in values.items() if value is not None}

    def _run_shell(self, step: Mapping[str, Any], contexts: Contexts) -> tuple[StepRun, dict[str, str]]:
        assert step["shell"] == "bash"
        files = {name: self._temp / f"_{name.lower()}_{len(self._steps)}" for name in programs.FILE_COMMANDS}
        for path in files.values():
            path.touch()
        own = {name: _to_input(fill(value, contexts)) for name, value in step.get("env", {}).items()}
        env = {**self._environment(), **self._exported, **own, **{name: str(path) for name, path in files.items()}}
        done, calls, trace = programs.run_bash(step["run"], env, self._workspace, self._folder)
        summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        assert len(summary.encode()) <= MAX_SUMMARY
        assert files["GITHUB_PATH"].read_text() == ""
        self._exported |= programs.read_file_command(files["GITHUB_ENV"])
        ran = StepRun(step["name"], env, done.returncode, done.stdout + done.stderr, summary, calls, trace)
        self._steps.append(ran)
        return ran, programs.read_file_command(files["GITHUB_OUTPUT"])

    def _environment(self) -> dict[str, str]:
        """What GitHub's runner sets, as far as our files and the command use it."""
        event = self._folder / "event.json"
        programs.write_json(event, self._event.payload)
        return {
            **self._site.variables,
            "PATH": programs.make_path(self._folder),
            "HOME": str(self._folder / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self._site.action),
            "GITHUB_EVENT_NAME": self._event.name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": self._event.ref,
            "GITHUB_REF_NAME": self._event.ref.removeprefix("refs/heads/").removeprefix("refs/pull/"),
            "GITHUB_REPOSITORY": self._site.repository,
            "GITHUB_RUN_ID": str(self._run.id),
            "GITHUB_SHA": self._event.sha,
            "GITHUB_WORKSPACE": str(self._workspace),
            "RUNNER_TEMP": str(self._temp),
        }


def run_permissions(job: Mapping[str, Any]) -> dict[str, str]:
    """The permissions of a job's token."""
    found = job["permissions"]
    assert set(found.values()) <= {"read", "write"}
    return dict(found)


def _to_input(value: Any) -> str:
    """An input or a variable is always a text."""
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, bool):
        return str(value).lower()
    raise ExpressionProblem(f"{value!r} as an input")
