"""``imagesync report merge``: the reports of the jobs of a pipeline become one."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagesync.schemas import load_schema
from tests.forked import run
from tests.samples import spell

MANIFEST = """\
version: 1
catalog: base
targets: {eu: {store: eu}, us: {store: us, only: [a]}, lab: {store: lab}}
defaults: {disk_format: raw, container_format: bare}
images: {a: {source: a.raw}, b: {source: b.raw}}
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of two jobs that ended well, of one that failed, and of a run of all targets."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "m.yaml").write_text(MANIFEST)
    for name in "ab":
        (folder / f"{name}.raw").write_bytes(spell(name) * 2500)
    for target in ("eu", "us"):
        run("apply", "m.yaml", "--target", target, "--yes", "-o", f"{target}.json", folder=folder)
    document = read(folder / "eu.json")
    document["target"]["name"], document["succeeded"] = "lab", False
    document["results"][1].update(outcome="failed", error="HTTP 409", image_id=None)
    write(folder / "lab.json", document)
    run("apply", "m.yaml", "--all-targets", "--yes", "-o", "all.json", folder=folder)
    return folder


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text())


def write(path: Path, document: object) -> None:
    """A JSON file."""
    path.write_text(json.dumps(document))


def merge(folder: Path, *words: str, code: int = 0) -> Any:
    """``imagesync report merge WORDS``."""
    return run("report", "merge", *words, folder=folder, code=code)


def test_reports_of_all_jobs_become_one(jobs: Path) -> None:
    """It is one file of the schema ``run``, which can be merged again."""
    assert merge(jobs, "eu.json", "us.json", "-o", "merged.json").stdout == (
        "eu:\n  Steps: 2 done. 9.8 KiB uploaded.\nus:\n  Steps: 1 done. 4.9 KiB uploaded.\n2 targets: 2 done.\n"
    )
    merged = read(jobs / "merged.json")
    jsonschema.validate(merged, load_schema("run"))
    assert [one["report"] for one in merged["targets"]] == [read(jobs / "eu.json"), read(jobs / "us.json")]
    done = merge(jobs, "merged.json", "lab.json", code=1)
    assert done.stdout.endswith("3 targets: 2 done, 1 failed (lab).\n")


def test_the_report_of_a_run_of_all_targets_is_merged_too(jobs: Path) -> None:
    """It is printed as it is."""
    assert merge(jobs, "all.json", "--format", "json").stdout == (jobs / "all.json").read_text()


def test_all_formats_have_every_target_and_the_failure(jobs: Path) -> None:
    """In one call. The exit code is that of a failed run."""
    also = [word for form in ("markdown", "html", "junit", "json") for word in ("--also", f"{form}=out.{form}")]
    done = merge(jobs, "eu.json", "us.json", "lab.json", *also, code=1)
    assert "lab:\n  failed      create:b: HTTP 409\n  Steps: 1 done, 1 failed. 4.9 KiB uploaded.\n" in done.stdout
    texts = {form: (jobs / f"out.{form}").read_text() for form in ("markdown", "html", "junit", "json")}
    assert texts["markdown"].startswith("<!-- imagesync base * -->\n")
    assert "- `lab`: b: create failed: HTTP 409" in texts["markdown"]
    assert "<b>lab</b>: b: create failed: HTTP 409" in texts["html"]
    assert '<failure message="HTTP 409" type="failure">HTTP 409</failure>' in texts["junit"]
    assert [one["outcome"] for one in json.loads(texts["json"])["targets"]] == ["done", "done", "failed"]


def test_a_merge_of_good_reports_can_be_quiet(jobs: Path) -> None:
    """A failure is printed nevertheless."""
    assert merge(jobs, "eu.json", "-q").stdout == ""
    assert "1 failed (lab)" in merge(jobs, "lab.json", "-q", code=1).stdout


def test_an_interrupted_run_has_its_own_exit_code(jobs: Path) -> None:
    """Also beside one that failed."""
    document = read(jobs / "us.json")
    document.update(interrupted=True, succeeded=False)
    write(jobs / "stopped.json", document)
    assert merge(jobs, "stopped.json", "lab.json", code=130).stdout.endswith("1 failed (lab), 1 interrupted (us).\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eu.json", "gone.json"], "gone.json cannot be read: No such file or directory; check the path"),
        (["eu.json", "m.yaml"], "m.yaml is not a report of imagesync; name a file that apply --out FILE.json"),
        (["eu.json", "all.json"], "target eu is in eu.json and in all.json; name each report once"),
        (["eu.json", "-o", "eu.json"], "eu.json is read by this command and is not overwritten; name another file"),
        (["us.json", "eu.json", "-o", "eu.json"], "eu.json is read by this command and is not overwritten"),
        (["us.json", "eu.json", "--also", "json=./eu.json"], "eu.json is read by this command and is not overwritten"),
        ([], "Missing argument 'FILE'"),
        (["eu.json", "--metrics", "x.prom"], "No such option: --metrics"),
    ],
)
def test_what_cannot_be_merged_is_a_usage_error(jobs: Path, words: list[str], message: str) -> None:
    """Nothing is printed, and no file changes."""
    before = (jobs / "eu.json").read_bytes()
    done = merge(jobs, *words, code=64)
    assert message in done.stderr
    assert done.stdout == ""
    assert (jobs / "eu.json").read_bytes() == before


def test_each_file_that_cannot_be_read_is_named(jobs: Path) -> None:
    """A pipeline with two failed jobs needs both names."""
    done = merge(jobs, "gone.json", "eu.json", "lost.json", code=64)
    assert done.stderr.count("cannot be read: No such file or directory") == 2


def test_an_error_is_written_in_each_format(jobs: Path) -> None:
    """A bot replaces its comment by it: the catalog is known from a report that can be read."""
    done = merge(jobs, "eu.json", "gone.json", "--format", "json", "--also", "markdown=error.md", code=64)
    assert [one["message"] for one in json.loads(done.stdout)["errors"]] == [
        "gone.json cannot be read: No such file or directory"
    ]
    text = (jobs / "error.md").read_text()
    assert text.startswith("<!-- imagesync base * -->\n\nimagesync report failed for catalog base on several targets\n")
    assert "`gone.json` cannot be read" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing command; see --help"),
        (("mrege",), "No such command 'mrege'; did you mean merge? See --help"),
        (("zzz",), "No such command 'zzz'; see --help"),
        (("merge",), "Missing argument 'FILE'; see --help"),
        (("reviewed",), "Missing option '--out' / '-o'; see --help"),
        (
            ("comment", "plan.md", "--number", "0"),
            "Invalid value for '--number': Input should be greater than or equal to 1; see --help",
        ),
        (
            ("comment", "plan.md", "--forge", "x"),
            "Invalid value for '--forge': 'x' is not one of 'github', 'gitlab'; see --help",
        ),
        (("comment", "a.md", "--number", "1", "--number", "2"), "--number is given 2 times; pass it once"),
    ],
)
def test_a_wrong_command_line_of_the_group_is_explained(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """As that of a command without a group."""
    assert run("report", *words, folder=tmp_path, code=64).stderr == f"imagesync: {message}\n"


def test_an_error_of_a_member_names_the_group(tmp_path: Path) -> None:
    """As before the group had other members."""
    done = run("report", "merge", "no.json", "--format", "json", folder=tmp_path, code=64)
    assert json.loads(done.stdout)["command"] == "report"
    done = run("report", "merge", "no.json", "--format", "json", "--also", "x", folder=tmp_path, code=64)
    assert json.loads(done.stdout)["command"] == "report"
