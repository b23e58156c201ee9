"""The component for GitLab: its inputs, its scripts in a real shell, and who gets which secret."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import yaml

from tests.command import ROOT
from tests.pages import read_blocks
from tests.pipelines.gitlab.component import EXAMPLES, INPUT, SCRIPTS, list_jobs, list_lines, read_component

COMPONENT: Final = read_component()
JOBS: Final = list_jobs(COMPONENT.expand())
GUIDE: Final = (ROOT / "docs" / "gitlab.md").read_text(encoding="utf-8")
EMPTY: Final[Mapping[str, object]] = MappingProxyType({})
RECORDER: Final = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word" >> words; done
printf '%s\\n' END >> words
exit "$(cat code 2>/dev/null || echo 0)"
"""
"""Instead of imagesync: writes its arguments to a file, and exits with the code that a file has."""


def run_job(job: str, folder: Path, code: int = 0, inputs: Mapping[str, object] = EMPTY) -> tuple[int, list[list[str]]]:
    """Run the scripts of a job in one POSIX shell, as a runner does: the exit code, and the arguments of each command."""
    found = COMPONENT.expand(**inputs)[job]
    program = folder / "bin" / "imagesync"
    program.parent.mkdir(exist_ok=True)
    program.write_text(RECORDER)
    program.chmod(0o755)
    (folder / "code").write_text(str(code))
    (folder / "words").unlink(missing_ok=True)
    script = "\n".join(list_lines(found))
    env = {"PATH": f"{program.parent}:/usr/bin:/bin", **found["variables"]}
    done = subprocess.run(["/bin/sh", "-e", "-c", script], cwd=folder, env=env, capture_output=True, text=True)
    words = (folder / "words").read_text().splitlines() if (folder / "words").exists() else []
    return done.returncode, [one.split("\n") for one in "\n".join(words).removesuffix("\nEND").split("\nEND\n") if one]


def test_each_input_is_described_and_used() -> None:
    """An input without a default must be given; only the image is one."""
    inputs = COMPONENT.inputs
    assert [name for name, one in inputs.items() if not one.get("description", "").endswith((".", "…"))] == []
    assert [name for name, one in inputs.items() if "default" not in one] == ["image"]
    assert set(INPUT.findall(COMPONENT.body)) == inputs.keys()
    assert COMPONENT.body.count("$[[") == len(INPUT.findall(COMPONENT.body))


def test_the_guide_lists_each_input_with_its_default() -> None:
    """In the order of the component."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| .+ \|$", GUIDE, re.MULTILINE)
    defaults = {name: show_default(one) for name, one in COMPONENT.inputs.items()}
    assert [row for row in rows if row[0] in defaults] == list(defaults.items())


def show_default(one: dict[str, Any]) -> str:
    """The second column of the table."""
    default = one.get("default")
    return "required" if default is None else "empty" if default == "" else f"`{str(default).replace('True', 'true')}`"


def test_no_input_is_a_part_of_a_script() -> None:
    """A value that a script has as text could end the command and begin another one."""
    raw = yaml.safe_load(COMPONENT.body)
    lines = [line for job in raw.values() for line in list_lines(job)]
    assert len(lines) > 15
    assert [line for line in lines if "[[" in line] == []


@pytest.mark.parametrize("char", list("$\"'`\\;&|<>()\n{}!#~^%"))
def test_a_value_that_means_something_to_a_shell_or_to_gitlab_is_refused(char: str) -> None:
    """GitLab replaces ``$NAME`` in the values of variables, also with a secret."""
    for name, one in COMPONENT.inputs.items():
        if "regex" in one:
            valid = str(one.get("default") or "a")
            for text in (f"{valid}{char}", f"{char}{valid}", f"{valid}{char}{valid}", char):
                assert not re.fullmatch(one["regex"], text), (name, text)


def test_only_stages_have_no_pattern() -> None:
    """Every other input is one of a few values, or has a pattern. Stages are only compared with the names of stages."""
    free = [name for name, one in COMPONENT.inputs.items() if not {"regex", "options"} & one.keys()]
    assert free == ["drift", "check_stage", "apply_stage"]
    assert COMPONENT.inputs["drift"]["type"] == "boolean"


@pytest.mark.parametrize("name", ["path", "targets", "source_hosts", "name", "plan_timeout", "apply_timeout", "keep"])
def test_a_default_matches_its_pattern(name: str) -> None:
    """GitLab refuses a component whose own default does not."""
    one = COMPONENT.inputs[name]
    assert re.fullmatch(one["regex"], one["default"])


@pytest.mark.parametrize(
    ("name", "text", "is_valid"),
    [
        ("image", f"host:5000/a/b@sha256:{'0a' * 32}", True),
        ("image", "host/a:latest", False),
        ("path", "images/base.yaml", True),
        ("path", "-o", False),
        ("targets", "eu us-1", True),
        ("targets", "--all-targets", False),
        ("targets", "eu --destroy", False),
        ("source_hosts", "*.ubuntu.com mirror.example", True),
        ("source_hosts", "a  b", False),
        ("name", "imagesync-eu", True),
        ("name", "Eu", False),
        ("apply_timeout", "90 minutes", True),
        ("apply_timeout", "forever", False),
    ],
)
def test_a_pattern_accepts_what_the_guide_shows_and_no_option(name: str, text: str, is_valid: bool) -> None:
    """A value that begins with a dash would be an option."""
    assert bool(re.fullmatch(COMPONENT.inputs[name]["regex"], text)) is is_valid


def test_a_plan_gets_its_targets_and_hosts_as_separate_words(tmp_path: Path) -> None:
    """A path with spaces is one word, and a glob of hosts is for imagesync, not for the shell."""
    (tmp_path / "x.ubuntu.com").touch()
    (tmp_path / "plan.md").write_text("of another commit")
    inputs = {"path": "my images", "targets": "eu us", "source_hosts": "*.ubuntu.com mirror"}
    expected = (
        "plan|my images|--target|eu|--target|us|--source-hosts|*.ubuntu.com|--source-hosts|mirror"
        "|-o|plan.json|--also|markdown=plan.md|--also|junit=plan.xml"
    )
    assert run_job("imagesync-plan", tmp_path, inputs=inputs) == (0, [expected.split("|")])
    assert not (tmp_path / "plan.md").exists()


@pytest.mark.parametrize(
    ("targets", "words"), [("", []), ("all", ["--all-targets"]), ("eu", ["--target", "eu"])], ids=["none", "all", "one"]
)
@pytest.mark.parametrize("job", ["plan", "apply", "drift"])
def test_targets_select_the_same_in_each_job(tmp_path: Path, job: str, targets: str, words: list[str]) -> None:
    """What is planned, applied and checked for drift is the same set."""
    _, [found] = run_job(f"imagesync-{job}", tmp_path, inputs={"targets": targets})
    assert found[: 2 + len(words)] == [job, ".", *words]
    assert sum(word.startswith(("--target", "--all-targets")) for word in found) == len(words[:1])


@pytest.mark.parametrize("job", ["plan", "apply", "apply-by-hand", "drift"])
def test_no_file_of_the_checkout_becomes_a_result(tmp_path: Path, job: str) -> None:
    """A branch can have a file, or a folder, with the name of a result. If imagesync fails, it must not be kept."""
    names = ["report.json", "report.md", "report.xml", "plan.md", "plan.xml", "drift.md"]
    made = {
        "plan": ("plan.md", "plan.xml"),
        "apply": ("report.json", "report.md", "report.xml"),
        "apply-by-hand": ("report.json", "report.md", "report.xml"),
        "drift": ("drift.md",),
    }[job]
    for name in names:
        (tmp_path / name).mkdir()
    run_job(f"imagesync-{job}", tmp_path, 1)
    assert [name for name in names if (tmp_path / name).is_dir()] == [name for name in names if name not in made]


def test_an_apply_has_the_reviewed_plan_and_the_hosts(tmp_path: Path) -> None:
    """By hand, it has the saved plan, which says what the targets are."""
    inputs = {"targets": "eu", "source_hosts": "a.example"}
    _, [reviewed] = run_job("imagesync-apply", tmp_path, inputs=inputs)
    assert reviewed[:7] == ["apply", ".", "--target", "eu", "--source-hosts", "a.example", "--yes"]
    assert reviewed[7:9] == ["--reviewed", "reviewed.json"]
    _, [by_hand] = run_job("imagesync-apply-by-hand", tmp_path, inputs=inputs)
    assert by_hand[:5] == ["apply", "plan.json", "--source-hosts", "a.example", "--yes"]


@pytest.mark.parametrize(
    ("code", "report"),
    [(0, ["report", "issue", "drift.md", "--close"]), (2, ["report", "issue", "drift.md"]), (1, None)],
    ids=["no drift", "drift", "failed"],
)
def test_the_issue_depends_on_the_exit_code_of_the_check(tmp_path: Path, code: int, report: list[str] | None) -> None:
    """A check that failed neither opens an issue nor closes the open one: it found nothing out."""
    assert run_job("imagesync-drift", tmp_path, code)[0] == code
    ended, found = run_job("imagesync-issue", tmp_path)
    assert (ended, found) == ((0, [report]) if report else (1, []))


def test_drift_is_a_warning_and_a_failed_check_an_error() -> None:
    """A pipeline with drift has a warning, not a failure."""
    assert JOBS["imagesync-drift"]["allow_failure"] == {"exit_codes": 2}


def test_a_variable_of_the_wrong_type_is_refused_without_its_value(tmp_path: Path) -> None:
    """Its value is a clouds.yaml with passwords; imagesync would name it as the path that does not exist."""
    checks = {next(list_lines(JOBS[f"imagesync-{name}"])) for name in ("plan", "apply", "apply-by-hand", "drift")}
    [script] = checks
    env = {"PATH": "/usr/bin:/bin", **JOBS["imagesync-plan"]["variables"], "OS_CLIENT_CONFIG_FILE": "password: hunter2"}
    done = subprocess.run(["/bin/sh", "-e", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "variable of type File" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_no_job_has_both_secrets() -> None:
    """The token of GitLab and a clouds.yaml are variables of different environments."""
    environments = {name: job.get("environment", {}).get("name") for name, job in JOBS.items()}
    assert environments == {
        "imagesync-validate": None,
        "imagesync-plan": "imagesync/plan",
        "imagesync-comment": "imagesync/report",
        "imagesync-reviewed": "imagesync/report",
        "imagesync-apply": "imagesync/apply",
        "imagesync-apply-by-hand": "imagesync/apply",
        "imagesync-drift": "imagesync/plan",
        "imagesync-issue": "imagesync/report",
    }
    for name, job in JOBS.items():
        words = " ".join(list_lines(job, "script"))
        assert ("imagesync report" in words) == (environments[name] == "imagesync/report"), name
        assert ("imagesync apply" in words) == (environments[name] == "imagesync/apply"), name


def test_a_job_with_a_token_has_no_checkout() -> None:
    """It reads only the artifact of the job before it. ``empty`` also removes what an earlier job left."""
    with_token = [job for job in JOBS.values() if job.get("environment", {}).get("name") == "imagesync/report"]
    assert [job["variables"]["GIT_STRATEGY"] for job in with_token] == ["empty"] * 3
    assert all(job["before_script"] == [] for job in with_token)


def test_only_an_apply_is_a_deployment() -> None:
    """A job that reads has ``action: access``: it has the variables of the environment, and no deployment is recorded."""
    for name, job in JOBS.items():
        changes = name.startswith("imagesync-apply")
        assert job.get("environment", {"action": "access"}).get("action") == (None if changes else "access"), name
        assert job.get("resource_group") == ("imagesync" if changes else None), name
        assert job.get("timeout") == ("6 hours" if changes else "30 minutes"), name
        assert job["stage"] == ("deploy" if changes else "test"), name


def test_only_jobs_that_read_can_be_interrupted() -> None:
    """A newer pipeline of the branch cancels a plan, and never an apply or a report."""
    assert [name for name, job in JOBS.items() if job.get("interruptible")] == [
        "imagesync-validate",
        "imagesync-plan",
        "imagesync-drift",
    ]


def test_artifacts_are_for_members_and_expire() -> None:
    """A plan has names and addresses that the public must not see."""
    with_artifacts = {name: job["artifacts"] for name, job in JOBS.items() if "artifacts" in job}
    assert len(with_artifacts) == 6
    for name, one in with_artifacts.items():
        assert (one["access"], one["expire_in"]) == ("developer", "30 days"), name
        assert one.get("when") == (None if name == "imagesync-reviewed" else "always"), name


def test_the_name_is_a_part_of_every_name() -> None:
    """So the component can be included once for each target."""
    jobs = COMPONENT.expand(name="eu")
    assert all(name.removeprefix(".").startswith("eu") for name in jobs)
    text = str(jobs)
    assert "eu/apply" in text
    assert "'resource_group': 'eu'" in text
    assert "'imagesync-" not in text
    assert {need for job in jobs.values() for need in job.get("needs", ())} <= jobs.keys()


def test_the_reviewed_plan_is_of_the_job_with_that_name(tmp_path: Path) -> None:
    """Each include of the component uses its own plan."""
    _, [found] = run_job("eu-reviewed", tmp_path, inputs={"name": "eu"})
    assert found == ["report", "reviewed", "-o", "reviewed.json", "--artifact", "eu-plan"]
    assert "eu-plan" in COMPONENT.expand(name="eu")


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yml")), ids=lambda path: str(path.name))
def test_an_example_uses_inputs_that_exist(path: Path) -> None:
    """With values that the component accepts."""
    for include in yaml.safe_load(path.read_text(encoding="utf-8"))["include"]:
        for name, value in include["inputs"].items():
            one = COMPONENT.inputs[name]
            assert re.fullmatch(one.get("regex", ".*"), str(value)), (name, value)
            assert value in one.get("options", [value]), (name, value)


def test_the_guide_shows_the_examples() -> None:
    """A reader may copy either."""
    examples = [block.text for block in read_blocks(GUIDE) if block.kind == "yml"]
    assert examples == [
        (EXAMPLES / name).read_text(encoding="utf-8") for name in (".gitlab-ci.yml", "several-targets.yml")
    ]


def test_the_guide_counts_its_commands() -> None:
    """And the files to copy until the first comment."""
    blocks = read_blocks(GUIDE[: GUIDE.index("### 4. Merge")])
    assert sum(len(block.text.splitlines()) for block in blocks if block.kind == "sh") == 9
    assert [block.kind for block in blocks if block.kind != "sh"] == ["yaml", "yml"]
    assert "nine commands, and two files" in GUIDE


def test_the_guide_names_each_job_and_environment() -> None:
    """And no other one."""
    environments = {job["environment"]["name"] for job in JOBS.values() if "environment" in job}
    named = set(re.findall(r"`(imagesync[-/](?!eu|us)[a-z-]+)`", GUIDE))
    assert named == JOBS.keys() | environments


def test_scripts_are_for_any_posix_shell() -> None:
    """The shell of a small image has no more; the tests above run them in the one of this system."""
    for job in JOBS.values():
        for line in list_lines(job, *SCRIPTS):
            assert not re.search(r"\[\[|<<<|\bfunction\b|\$'|\bpipefail\b", line), line
