"""The linters of workflows and actions find nothing in the files of this repository, and each finds what is broken in a copy."""

import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.npm import find_node, prepare_packages
from tests.pip import prepare_programs
from tests.pipelines.github.files import list_steps, make_repository, read_yaml

pytestmark = pytest.mark.pipelines

HERE: Final = Path(__file__).parent
REQUIREMENTS: Final = HERE / "requirements.txt"
OPTIONAL_CHECKS: Final = (
    "add-default-case",
    "avoid-nullary-conditions",
    "deprecate-which",
    "quote-safe-variables",
    "require-double-brackets",
)
"""Of shellcheck. The others ask for a style (braces, no short forms), or report variables of the environment."""


class Linters(NamedTuple):
    """The folder of the linters' programs, and the one of the npm packages."""

    programs: Path
    packages: Path

    def run(self, *words: str | Path, folder: Path) -> str:
        """What a linter prints, empty if it is content."""
        env = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(folder), "NO_COLOR": "1"}
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="session")
def linters() -> Linters:
    """The pinned linters; a failure to install them is a failure."""
    return Linters(prepare_programs(REQUIREMENTS), prepare_packages(HERE))


def find_workflows(repository: Path) -> Sequence[Path]:
    """The workflows of a repository."""
    return sorted((repository / ".github" / "workflows").iterdir())


def run_actionlint(linters: Linters, repository: Path) -> str:
    """Syntax, expressions, contexts and types of the workflows."""
    return linters.run(linters.programs / "actionlint", *find_workflows(repository), folder=repository)


def run_zizmor(linters: Linters, repository: Path) -> str:
    """Security of workflows and action, by its strictest persona. One finding is ignored, with its reason beside it."""
    options = ("--offline", "--persona", "auditor", "--strict-collection", "--quiet")
    return linters.run(linters.programs / "zizmor", *options, repository, folder=repository)


def run_schema(name: str, linters: Linters, repository: Path) -> str:
    """The JSON Schema of workflows (also with a time limit for each job), or of actions."""
    paths = [repository / "action.yml"] if name == "vendor.github-actions" else find_workflows(repository)
    return linters.run(linters.programs / "check-jsonschema", "--builtin-schema", name, *paths, folder=repository)


def run_shellcheck(linters: Linters, repository: Path) -> str:
    """The scripts of the action and its ``run`` blocks; no workflow has one (``test_rules``)."""
    scripts = sorted((repository / "action").iterdir())
    for number, step in enumerate(list_steps(read_yaml(repository / "action.yml"))):
        scripts.append(repository / f"run-{number}.sh")
        scripts[-1].write_text(f"#!/bin/bash\n{step['run']}\n")
    options = ("--external-sources", f"--enable={','.join(OPTIONAL_CHECKS)}")
    return linters.run(linters.programs / "shellcheck", *options, *scripts, folder=repository)


def run_parser(linters: Linters, repository: Path) -> str:
    """The parser of GitHub's own editor extension."""
    node = find_node(linters.packages)
    program = (node, "--import", HERE / "json_modules.mjs", HERE / "parse.mjs")
    done = subprocess.run(
        [*program, linters.packages, *find_workflows(repository)], check=True, capture_output=True, text=True
    )
    return done.stdout


class Flaw(NamedTuple):
    """A change of one file, and a word of what the linter then says."""

    file: str
    old: str
    new: str
    finding: str


Lint = Callable[[Linters, Path], str]
MERGE: Final = ".github/workflows/imagesync-merge.yml"
PLAN: Final = ".github/workflows/imagesync-pull-request.yml"
LINTS: Final[dict[str, Lint]] = {
    "actionlint": run_actionlint,
    "zizmor": run_zizmor,
    "workflow schema": partial(run_schema, "vendor.github-workflows"),
    "time limits": partial(run_schema, "custom.github-workflows-require-timeout"),
    "action schema": partial(run_schema, "vendor.github-actions"),
    "shellcheck": run_shellcheck,
    "GitHub's parser": run_parser,
}
DEFECTS: Final[dict[str, list[Flaw]]] = {
    "actionlint": [
        Flaw(PLAN, "steps.plan.outputs.folder", "steps.plans.outputs.folder", "plans"),
        Flaw(MERGE, "queue: max", "queue: most", "queue"),
    ],
    "zizmor": [
        Flaw(PLAN, "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        Flaw(PLAN, "persist-credentials: false", "persist-credentials: true", "artipacked"),
        Flaw(MERGE, "@9c091bb21b7c1c1d1991bb908d89e4e9dddfe3e0", "@v7", "unpinned-uses"),
        Flaw(MERGE, "permissions: {}\n", "permissions: write-all\n", "excessive-permissions"),
        Flaw("action.yml", 'run: rm -rf "$RUNNER_TEMP', "run: echo '${{ inputs.path }}' \"$RUNNER_TEMP", "template"),
    ],
    "workflow schema": [Flaw(MERGE, "    runs-on:", "    run-on:", "run-on")],
    "time limits": [Flaw(MERGE, "    timeout-minutes: 180\n", "", "timeout")],
    "action schema": [Flaw("action.yml", "      shell: bash\n", "", "runs")],
    "shellcheck": [
        Flaw("action/run.sh", '"${options[@]}"', "${options[@]}", "SC2068"),
        Flaw("action.yml", 'rm -rf "$RUNNER_TEMP/imagesync-settings"', "rm -rf $RUNNER_TEMP/x", "SC2086"),
    ],
    "GitHub's parser": [Flaw(MERGE, "steps.apply.outputs", "stages.apply.outputs", "stages")],
}


@pytest.mark.parametrize("name", LINTS)
def test_a_linter_finds_nothing(name: str, linters: Linters, tmp_path: Path) -> None:
    """After the replacement of the guide."""
    assert LINTS[name](linters, make_repository(tmp_path)) == ""


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        pytest.param(name, defect, id=f"{name}: {defect.finding}")
        for name, defects in DEFECTS.items()
        for defect in defects
    ],
)
def test_a_linter_finds_a_defect(name: str, defect: Flaw, linters: Linters, tmp_path: Path) -> None:
    """One change of one file: the linter names it."""
    file = make_repository(tmp_path) / defect.file
    text = file.read_text()
    assert defect.old in text
    file.write_text(text.replace(defect.old, defect.new))
    assert defect.finding in LINTS[name](linters, tmp_path)


def test_each_linter_has_a_defect() -> None:
    """A linter that cannot fail is none."""
    assert LINTS.keys() == DEFECTS.keys()
