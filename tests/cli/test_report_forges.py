"""``imagesync report comment``, ``issue`` and ``reviewed`` against doubles of GitHub and GitLab."""

import json
import os
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import ROOT, Result, minimal_environment
from tests.forge import MERGE, SHA, ForgeDouble, make_pull_event, make_run_event
from tests.forging import fit_digest
from tests.forked import run
from tests.markdown_pages import OURS, PARSERS, read_page
from tests.samples import spell
from tests.waiting import wait_until

MANIFEST = """\
version: 1
catalog: base
targets: {eu: {store: eu}, us: {store: us}}
default_target: eu
defaults: {disk_format: raw, container_format: bare}
images: {a: {source: a.raw}, b: {source: a.raw}}
"""
COMMIT = f"Commit [`1234567890ab`](https://github.example/acme/images/commit/{SHA})"
RUN_5 = f"{COMMIT}, [run](https://github.example/acme/images/actions/runs/5)"
RUN_8 = f"{COMMIT}, [run](https://github.example/acme/images/actions/runs/8)"
FORGED = (
    "[approved](https://evil.example/a)",
    "![x](https://evil.example/b.png)",
    "<img src=https://evil.example/c> <!-- imagesync base us -->",
    "@team fixes #12 https://evil.example/d",
    "/merge\n/approve",
    "</code></details>**approved**",
    "```\n# approved\n```",
    "| a | b |\n|---|---|\n| approved | @team |",
)
TOKENS = ("ghs_actions", "glpat-project")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest, its plan as JSON and Markdown, the plans of two targets, and drift."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "m.yaml").write_text(MANIFEST)
    (folder / "a.raw").write_bytes(spell("a") * 1000)
    run("plan", "m.yaml", "-o", "plan.json", "--also", "markdown=plan.md", folder=folder)
    run("plan", "m.yaml", "--all-targets", "-o", "plans.json", "--also", "markdown=plans.md", folder=folder)
    run("apply", "m.yaml", "--yes", folder=folder)
    run("drift", "m.yaml", "--also", "markdown=drift.md", folder=folder)
    return folder


class ForgeJob:
    """A job of a pipeline, in a folder of its own, with the double of its forge."""

    def __init__(self, folder: Path, double: ForgeDouble) -> None:
        self.folder, self.double = folder, double
        self.env: dict[str, str] = {}

    def begin_github(self, event: object = None, **more: str) -> None:
        """A job of GitHub Actions."""
        (self.folder / "event.json").write_text(json.dumps(event))
        self.env = self.double.make_github_env(self.folder / "event.json", **more)

    def begin_gitlab(self, iid: int | None = None, **more: str) -> None:
        """A job of GitLab CI."""
        self.env = self.double.make_gitlab_env(iid, **more)

    def run(self, *words: str, code: int = 0) -> Result:
        """``imagesync report WORDS``; no output has a token."""
        done = run("report", *words, folder=self.folder, env=minimal_environment(**self.env), code=code)
        assert not any(token in done.output for token in TOKENS)
        return done

    @property
    def comments(self) -> list[str]:
        """The comments of GitHub."""
        return [one["body"] for one in self.double.github["comments"]]


@pytest.fixture
def job(made: Path, tmp_path: Path) -> Iterator[ForgeJob]:
    """With pull request 3 and merge request 4, and the files of ``made``."""
    for file in made.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with ForgeDouble() as double:
        double.add_pull(3)
        double.add_merge_request(4)
        yield ForgeJob(tmp_path, double)


def test_a_plan_becomes_the_comment_of_its_pull_request(job: ForgeJob) -> None:
    """Markdown and JSON make the same comment; the last line names the commit and the run."""
    job.begin_github(make_pull_event(3))
    assert job.run("comment", "plan.md").stdout == "Wrote a new comment to pull request 3 of acme/images.\n"
    markdown = (job.folder / "plan.md").read_text().strip()
    assert job.comments == [f"{markdown}\n\n<!-- imagesync run -->\n\n{RUN_5}"]
    assert (
        job.run("comment", "plan.json").stdout
        == "The comment of pull request 3 of acme/images has this text already.\n"
    )
    job.env["GITHUB_RUN_ID"] = "8"
    assert job.run("comment", "plan.md").stdout == "Updated the comment of pull request 3 of acme/images.\n"
    assert job.comments[0].endswith(RUN_8)
    assert len(job.double.writes) == 2


def test_a_plan_becomes_the_comment_of_its_merge_request(job: ForgeJob) -> None:
    """The same on GitLab. The name of the project is for people."""
    job.begin_gitlab(4, CI_PROJECT_PATH="acme/images")
    assert job.run("comment", "plan.json").stdout == "Wrote a new comment to merge request 4 of acme/images.\n"
    (note,) = job.double.gitlab["notes"]
    page = f"https://gitlab.example/acme/images/-/commit/{SHA}"
    last = f"Commit [`1234567890ab`]({page}), [run](https://gitlab.example/acme/images/-/jobs/6)"
    assert note["body"] == f"{(job.folder / 'plan.md').read_text().strip()}\n\n<!-- imagesync run -->\n\n{last}"


def test_each_target_and_a_run_of_several_have_their_comments(job: ForgeJob) -> None:
    """By their markers."""
    job.begin_github(make_pull_event(3))
    job.run("comment", "plan.json")
    job.run("comment", "plans.json")
    assert [text.partition("\n")[0] for text in job.comments] == [
        "<!-- imagesync base eu -->",
        "<!-- imagesync base * -->",
    ]
    assert job.comments[1].startswith((job.folder / "plans.md").read_text().strip())
    assert "has this text already" in job.run("comment", "plans.md").stdout


def test_after_the_run_of_a_fork_its_plan_is_rendered_here(job: ForgeJob) -> None:
    """The comment is that of the pull request of the fork, and says who wrote the plan."""
    job.double.add_pull(7, repo="fork/images")
    job.begin_github(make_run_event(repo="fork/images"))
    assert job.run("comment", "plan.json").stdout == "Wrote a new comment to pull request 7 of acme/images.\n"
    warning = "A run of a fork made this plan: its author controls what the plan says."
    assert job.comments[0].endswith(f"<!-- imagesync run -->\n\n{warning}\n\n{RUN_8}")


def test_no_text_of_a_forged_plan_becomes_markdown(job: ForgeJob) -> None:
    """A link, a mention, an image or HTML would be one of the forger. All of it is code."""
    job.begin_github(make_run_event())
    document = json.loads((job.folder / "plan.json").read_text())
    document["notes"] = [*FORGED, "\n\n".join(FORGED)]
    for step in document["steps"]:
        step["document"]["properties"] = {f"p{at}": text for at, text in enumerate(FORGED)}
        step["document"]["fields"]["name"] = "\n\n".join(FORGED)
    (job.folder / "plan.json").write_text(fit_digest(document))
    job.run("comment", "plan.json")
    assert all(text in job.comments[0] for text in ("evil.example", "@team", "#12"))
    assert not any(line.lstrip().startswith("/") for line in job.comments[0].splitlines())  # a quick action of GitLab
    for parser in PARSERS:
        page = read_page(job.comments[0].partition("<!-- imagesync run -->")[0], parser)
        assert page.tags <= OURS
        assert not any(text in page.loose for text in ("evil", "@team", "#12"))
        assert page.comments == [" imagesync base eu "]


@pytest.mark.parametrize("name", ["plan.json", "PLAN.JSON"])
def test_markdown_in_the_file_of_a_plan_is_not_posted(job: ForgeJob, name: str) -> None:
    """The name of the file decides, which the job chooses; the content is that of the fork."""
    job.begin_github(make_run_event())
    (job.folder / name).write_bytes((job.folder / "plan.md").read_bytes())
    assert f"{name} is not a saved plan" in job.run("comment", name, code=64).stderr
    assert job.comments == []


def test_an_altered_plan_is_not_posted(job: ForgeJob) -> None:
    """Its digest does not fit."""
    job.begin_github(make_pull_event(3))
    text = (job.folder / "plan.json").read_text()
    (job.folder / "plan.json").write_text(text.replace('"unchanged": 0', '"unchanged": 1'))
    assert "was altered after it was made" in job.run("comment", "plan.json", code=64).stderr
    assert job.double.writes == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello",
        "\n<!-- imagesync base eu -->\n",
        "<!-- imagesync base -->\n",
        "<!-- imagesync base eu --> x",
        "\xff",
    ],
)
def test_markdown_without_the_marker_is_refused(job: ForgeJob, text: str) -> None:
    """Another run could not find it again."""
    job.begin_github(make_pull_event(3))
    (job.folder / "x.md").write_bytes(text.encode("latin-1"))
    for command in ("comment", "issue"):
        message = "imagesync: x.md does not begin with the marker <!-- imagesync CATALOG TARGET -->; name a file that"
        assert job.run(command, "x.md", code=64).stderr.startswith(message)
    assert job.double.writes == []


def test_an_issue_is_made_of_markdown_only(job: ForgeJob) -> None:
    """The message names no saved plan, which only a comment can be made of."""
    job.begin_github(make_pull_event(3))
    (job.folder / "plan.json").write_text("{}")
    done = job.run("issue", "plan.json", code=64).stderr
    assert done.endswith("name a file that imagesync wrote with --also markdown=FILE.md\n")


def test_a_text_that_the_forge_does_not_take_is_refused(job: ForgeJob) -> None:
    """With the option that makes a shorter one. The last line needs room, too."""
    job.begin_github(make_pull_event(3))
    marker = "<!-- imagesync base eu -->\n"
    (job.folder / "x.md").write_text(marker + "é" * (65_536 - len(marker) - 100))
    message = "x.md has more than 65,3"
    done = job.run("comment", "x.md", code=64).stderr
    assert message in done
    assert done.endswith("characters, the limit of GitHub; write it with --max-bytes 60000\n")
    (job.folder / "x.md").write_text(marker + "é" * 60_000)
    job.run("comment", "x.md")
    assert len(job.comments[0]) < 65_536


def test_a_large_plan_is_cut_to_the_limit_of_the_forge(job: ForgeJob) -> None:
    """With its last line."""
    images = ", ".join(f"image-{number}: {{source: a.raw, properties: {{p{number}: x}}}}" for number in range(900))
    (job.folder / "m.yaml").write_text(MANIFEST.replace("a: {source: a.raw}, b: {source: a.raw}", images))
    run("plan", "m.yaml", "-o", "plan.json", folder=job.folder)
    job.begin_github(make_pull_event(3))
    job.run("comment", "plan.json")
    assert 60_000 < len(job.comments[0].encode()) <= 65_536
    assert "**Cut to 65," in job.comments[0]
    assert job.comments[0].endswith(RUN_5)
    job.begin_gitlab(4)
    job.run("comment", "plan.json")
    assert "**Cut to" not in job.double.gitlab["notes"][0]["body"]


def test_a_run_that_is_outdated_writes_nothing(job: ForgeJob) -> None:
    """It exits with 0, because a newer run comments."""
    job.begin_github(make_run_event(sha="0" * 40))
    done = job.run("comment", "plan.json")
    assert done.stdout == "No comment: acme:new no longer has an open pull request with the last commit 000000000000.\n"
    assert job.double.writes == []


def test_a_comment_of_another_user_with_the_marker_is_left(job: ForgeJob) -> None:
    """The own one is written beside it."""
    other = {"id": 1, "request": 3, "author": "eve", "body": (job.folder / "plan.md").read_text()}
    job.double.github["comments"].append(dict(other))
    job.begin_github(make_pull_event(3))
    job.run("comment", "plan.md")
    assert job.double.github["comments"][0] == other
    assert len(job.comments) == 2


def test_the_token_of_an_app_names_its_user(job: ForgeJob) -> None:
    """GitHub does not report it. Without the option, a second comment would be written by each run, so a warning says so."""
    permissions = {"pull-requests": "write"}
    job.double.github["tokens"]["ghs_app"] = {"login": "our app[bot]", "is_app": True, "permissions": permissions}
    job.begin_github(make_pull_event(3), GITHUB_TOKEN="ghs_app")
    warning = "imagesync: the token writes as our app[bot], not as github-actions[bot]; pass --author 'our app[bot]'\n"
    assert job.run("comment", "plan.md").stderr == warning
    assert "has this text already" in job.run("comment", "plan.md", "--author", "our app[bot]").stdout


def test_a_number_and_a_forge_are_for_other_pipelines(job: ForgeJob) -> None:
    """For example Jenkins. Both are needed there."""
    job.begin_github()
    del job.env["GITHUB_ACTIONS"]
    assert "pass --forge github or --forge gitlab" in job.run("comment", "plan.md", code=64).stderr
    assert "pass --number N" in job.run("comment", "plan.md", "--forge", "github", code=1).stderr
    job.run("comment", "plan.md", "--forge", "github", "--number", "3")
    assert len(job.comments) == 1


def test_without_a_token_no_request_is_sent(job: ForgeJob) -> None:
    """The message says where it is set."""
    for command in (["comment", "plan.md"], ["issue", "drift.md"], ["reviewed", "-o", "out.json"]):
        job.begin_github(make_pull_event(3), GITHUB_TOKEN="")
        assert job.run(*command, code=64).stderr.startswith("imagesync: GITHUB_TOKEN is not set; set it for this step")
        job.begin_gitlab(4, GITLAB_TOKEN="")
        assert job.run(*command, code=64).stderr.startswith("imagesync: GITLAB_TOKEN is not set; add a masked CI/CD")
    assert job.double.requests == []


def test_a_missing_permission_ends_with_1_and_its_name(job: ForgeJob) -> None:
    """Where, what, what to do."""
    job.double.github["tokens"]["ghs_actions"]["permissions"] = {"pull-requests": "read"}
    job.begin_github(make_pull_event(3))
    done = job.run("comment", "plan.md", code=1)
    url = f"{job.double.url}/github/repos/acme/images/issues/3/comments"
    assert done.stderr == (
        f"imagesync: GitHub: POST {url}: HTTP 403: Resource not accessible by integration; give the job the permission "
        "pull-requests: write; for a pull request of a fork, comment from a workflow_run workflow\n"
    )


def test_no_log_has_the_token(job: ForgeJob) -> None:
    """Neither -vv nor the log file; also not if the forge repeats it."""
    job.begin_github(make_pull_event(3))
    job.double.add_fault("GET .*comments", 503, body='{"message": "token ghs_actions is tired"}')
    done = job.run("comment", "plan.md", "-vv", "--log-file", "log.txt")
    log = (job.folder / "log.txt").read_text()
    assert "POST" in done.stderr
    assert "trying again in" in log
    assert not any(token in log for token in TOKENS)


def test_the_drift_becomes_one_issue(job: ForgeJob) -> None:
    """Opened, kept, and closed. Its title is plain text."""
    job.begin_github()
    assert job.run("issue", "drift.md").stdout == "Opened issue 4 of acme/images.\n"
    (issue,) = job.double.github["issues"]
    assert (issue["title"], issue["labels"]) == ("imagesync: drift of catalog base on eu", ["imagesync"])
    assert issue["body"].startswith("<!-- imagesync-drift base eu -->\n\nDrift of catalog base on target eu")
    job.env["GITHUB_RUN_ID"] = "9"
    assert job.run("issue", "drift.md").stdout == "The drift of issue 4 of acme/images has not changed.\n"
    text = (job.folder / "drift.md").read_text()
    (job.folder / "drift.md").write_text(text.replace("2 images checked", "3 images checked"))
    changed = "Updated issue 4 of acme/images, and added a comment, because the drift has changed.\n"
    assert job.run("issue", "drift.md").stdout == changed
    assert job.run("issue", "drift.md", "--close").stdout == "Closed issue 4 of acme/images.\n"
    nothing = "No issue of acme/images about this drift is open; nothing to do.\n"
    assert job.run("issue", "drift.md", "--close").stdout == nothing
    assert len(job.double.github["issues"]) == 1


def test_the_drift_becomes_one_issue_of_gitlab(job: ForgeJob) -> None:
    """In the same way."""
    job.begin_gitlab()
    assert job.run("issue", "drift.md").stdout == "Opened issue 1 of 7.\n"
    assert job.run("issue", "drift.md", "--close").stdout == "Closed issue 1 of 7.\n"


@pytest.mark.parametrize(
    ("marker", "title"),
    [
        ("<!-- imagesync base * -->", "imagesync: drift of catalog base"),
        ("<!-- imagesync base - -->", "imagesync: drift of catalog base"),
        ("<!-- imagesync base %2Fsrv%2Fstore -->", "imagesync: drift of catalog base on /srv/store"),
        ("<!-- imagesync base %40eve%20%2312 -->", "imagesync: drift of catalog base on %40eve%20%2312"),
    ],
)
def test_a_title_is_plain_text(job: ForgeJob, marker: str, title: str) -> None:
    """A name that the forge could read as a mention or a number stays encoded."""
    job.begin_github()
    (job.folder / "drift.md").write_text(f"{marker}\n\nDrift\n")
    job.run("issue", "drift.md")
    assert job.double.github["issues"][0]["title"] == title


def test_an_issue_without_the_label_is_a_warning(job: ForgeJob) -> None:
    """GitHub drops labels of users without the right to set them."""
    job.double.github["tokens"]["ghs_actions"]["drops_labels"] = True
    job.begin_github()
    assert "did not get the label imagesync, so the next run will not find it" in job.run("issue", "drift.md").stderr


def test_the_reviewed_plan_is_a_new_private_file(job: ForgeJob) -> None:
    """With the content of the artifact. A link at its path is replaced."""
    content = (job.folder / "plan.json").read_bytes()
    job.double.merge_pull(3)
    job.double.add_run(11, {"plan.json": content, "plan.md": b"x", "../evil": b"x"})
    (job.folder / "victim").write_text("kept")
    (job.folder / "reviewed.json").symlink_to("victim")
    job.begin_github()
    done = job.run("reviewed", "-o", "reviewed.json")
    assert done.stdout == "Wrote the plan of pull request 3, commit 1234567890ab, to reviewed.json.\n"
    written = job.folder / "reviewed.json"
    assert written.read_bytes() == content
    assert not written.is_symlink()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert (job.folder / "victim").read_text() == "kept"
    assert not (job.folder.parent / "evil").exists()
    assert run("show", "reviewed.json", folder=job.folder).stdout == run("show", "plan.json", folder=job.folder).stdout


def test_the_reviewed_plans_of_several_targets_come_from_gitlab(job: ForgeJob) -> None:
    """From a job of another name."""
    content = (job.folder / "plans.json").read_text()
    job.double.merge_merge_request(4)
    job.double.add_pipeline(9, 4, {"plan.json": content})
    job.double.gitlab["jobs"][0]["name"] = "imagesync-plan-all"
    job.begin_gitlab()
    assert "has such a job that succeeded; plan again" in job.run("reviewed", "-o", "out.json", code=1).stderr
    job.run("reviewed", "-o", "out.json", "--artifact", "imagesync-plan-all")
    assert (job.folder / "out.json").read_text() == content


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe{\x00}\x00", b"[1]", b'{"targets": []}', b"<!-- imagesync a b -->\n"]
)
def test_what_is_no_plan_is_not_written(job: ForgeJob, content: bytes) -> None:
    """Exit code 1: the plan must be made again."""
    job.double.merge_pull(3)
    job.double.add_run(11, {"plan.json": content})
    job.begin_github()
    done = job.run("reviewed", "-o", "out.json", code=1)
    assert done.stderr.startswith("imagesync: the plan of pull request 3 ")
    assert not (job.folder / "out.json").exists()


def test_without_a_reviewed_plan_nothing_is_written(job: ForgeJob) -> None:
    """No merge, no run, an artifact that has expired."""
    job.begin_github()
    assert (
        "was not made by the merge of a pull request; plan again" in job.run("reviewed", "-o", "o.json", code=1).stderr
    )
    job.double.merge_pull(3)
    assert "no successful run of pull_request has it" in job.run("reviewed", "-o", "o.json", code=1).stderr
    job.double.add_run(11, {"plan.json": (job.folder / "plan.json").read_bytes()})
    job.double.github["artifacts"][0]["expired"] = True
    assert "it has expired; plan again" in job.run("reviewed", "-o", "o.json", code=1).stderr
    assert not (job.folder / "o.json").exists()


def test_the_file_is_checked_before_any_request(job: ForgeJob) -> None:
    """It is never a manifest."""
    job.begin_github()
    assert "has the suffix of a manifest" in job.run("reviewed", "-o", "m.yaml", code=64).stderr
    assert "the folder no does not exist" in job.run("reviewed", "-o", "no/plan.json", code=1).stderr
    assert job.double.requests == []


def test_the_double_can_be_started_from_a_shell(tmp_path: Path) -> None:
    """It writes its port, and shows and takes its state."""
    command = [sys.executable, "-m", "tests.forge", "--port-file", str(tmp_path / "port")]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_until((tmp_path / "port").exists, bool, "the double listens")
        port = wait_until((tmp_path / "port").read_text, str.strip, "the port is written").strip()
        url = f"http://127.0.0.1:{port}/state"
        state: Any = json.loads(urllib.request.urlopen(url).read())
        state["github"]["repository"] = "other/images"
        urllib.request.urlopen(urllib.request.Request(url, json.dumps(state).encode(), method="PUT")).read()
        assert json.loads(urllib.request.urlopen(url).read())["github"]["repository"] == "other/images"
    finally:
        process.terminate()
        process.wait()


def test_nothing_is_reported_of_a_user_that_the_next_run_recognizes(job: ForgeJob) -> None:
    """Of a comment and of an issue: standard error is empty for each outcome."""
    job.begin_github(make_pull_event(3))
    for at, words in enumerate((("comment", "plan.md"), ("issue", "drift.md"))):
        for number in ("5", "5", "6"):
            job.env["GITHUB_RUN_ID"] = number
            done = job.run(*words)
            assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)
        assert len(job.double.github[("comments", "issues")[at]]) == 1
    for _ in range(2):
        assert job.run("issue", "drift.md", "--close").stderr == ""


def test_the_author_of_an_issue_is_compared_too(job: ForgeJob) -> None:
    """With the option, the issue of that user is found, kept and closed; the warning comes only with a new one."""
    token = {"login": "our app[bot]", "is_app": True, "permissions": {"issues": "write"}, "drops_labels": True}
    job.double.github["tokens"]["ghs_app"] = token
    job.begin_github(GITHUB_TOKEN="ghs_app")
    assert job.run("issue", "drift.md").stderr == (
        "imagesync: the token writes as our app[bot], not as github-actions[bot]; pass --author 'our app[bot]'\n"
        "imagesync: issue 4 of acme/images did not get the label imagesync, so the next run will not find it; "
        "add the label to it\n"
    )
    job.double.github["issues"][0]["labels"].append("imagesync")
    words = ("issue", "drift.md", "--author", "our app[bot]")
    assert job.run(*words).output == "The drift of issue 4 of acme/images has not changed.\n"
    assert job.run(*words, "--close").output == "Closed issue 4 of acme/images.\n"


def test_the_last_line_of_an_issue_names_the_commit_and_the_run(job: ForgeJob) -> None:
    """The commit is that of the job; so is that of the comment about a change."""
    job.begin_github()
    job.run("issue", "drift.md")
    page = f"https://github.example/acme/images/commit/{MERGE}"
    last = f"Commit [`{MERGE[:12]}`]({page}), [run](https://github.example/acme/images/actions/runs/5)"
    assert job.double.github["issues"][0]["body"].endswith(f"\n\n<!-- imagesync run -->\n\n{last}")


def test_the_line_about_a_reviewed_plan_has_the_words_of_the_forge(job: ForgeJob) -> None:
    """GitLab calls it a merge request. The plan is that of its last commit, and the path is printable."""
    job.double.merge_merge_request(4)
    job.double.add_pipeline(9, 4, {"plan.json": (job.folder / "plan.json").read_text()})
    job.begin_gitlab()
    done = job.run("reviewed", "-o", "o\x1b.json")
    assert done.output == "Wrote the plan of merge request 4, commit 1234567890ab, to o\\x1b.json.\n"


@pytest.mark.parametrize("name", ["plan.json", "plans.json"])
@pytest.mark.parametrize("change", ["altered", "not text", "nothing"])
def test_what_is_wrong_with_a_reviewed_plan_is_one_line(job: ForgeJob, name: str, change: str) -> None:
    """With the remedy of a saved plan, and the exit code of a failure."""
    content = (job.folder / name).read_bytes()
    assert content.count(b'"name": "a"') > 0
    content = {
        "altered": content.replace(b'"name": "a"', b'"name": "e"'),
        "not text": b"\xff" + content,
        "nothing": b"",
    }[change]
    job.double.merge_pull(3)
    job.double.add_run(11, {"plan.json": content})
    job.begin_github()
    why = "was altered after it was made: its digest does not match its content"
    assert job.run("reviewed", "-o", "out.json", code=1).stderr == (
        f"imagesync: the plan of pull request 3 {why if change == 'altered' else 'is not a saved plan'}; "
        "make a new plan: imagesync plan PATH -o plan.json\n"
    )
    assert not (job.folder / "out.json").exists()


def test_a_reviewed_plan_needs_the_commit_of_the_job(job: ForgeJob) -> None:
    """No request is sent without it."""
    job.double.merge_pull(3)
    job.begin_github(GITHUB_SHA="")
    assert job.run("reviewed", "-o", "out.json", code=64).stderr == (
        "imagesync: GITHUB_SHA is not set; run the command in a job for a commit of a branch\n"
    )
    assert job.double.requests == []
