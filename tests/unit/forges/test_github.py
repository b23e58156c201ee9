"""GitHub: which pull request a run is about, and which plan its merge was reviewed with."""

from typing import Any

import pytest

from imagesync.errors import ForgeError
from imagesync.forges.base import Comment, Issue, Merged, Outdated, Request
from imagesync.forges.github import MAX_RUNS
from tests.forge import MERGE, SHA, ForgeDouble, make_pull_event, make_run_event

RUN_5, RUN_8 = (f"https://github.example/acme/images/actions/runs/{run}" for run in (5, 8))
OLD = "0" * 40
PLAN = b'{"plan": 1}'


def find(double: ForgeDouble, event: object, number: int | None = None) -> Request | Outdated:
    """The pull request of a job with this event."""
    return double.open_github(event).find_request(number)


def read(double: ForgeDouble, artifact: str = "imagesync-plan", **env: str) -> bytes:
    """The plan of the merged pull request."""
    github = double.open_github(**env)
    return github.read_plan(github.find_merged(), artifact)


@pytest.fixture
def merged(double: ForgeDouble) -> ForgeDouble:
    """With pull request 3, merged as MERGE."""
    double.add_pull(3)
    double.merge_pull(3)
    return double


def test_the_token_of_a_job_writes_as_its_bot(double: ForgeDouble) -> None:
    """It may not read its own user: HTTP 403."""
    assert double.open_github().find_author() == "github-actions[bot]"


def test_another_token_writes_as_its_user(double: ForgeDouble) -> None:
    """The name is that of the API."""
    double.github["tokens"]["ghp_x"] = {"login": "robot", "is_app": False, "permissions": {}}
    assert double.open_github(GITHUB_TOKEN="ghp_x").find_author() == "robot"


@pytest.mark.parametrize(("status", "body"), [(200, "{}"), (200, '{"login": ""}'), (200, '{"login": 3}'), (401, "{}")])
def test_an_unknown_user_is_an_error(double: ForgeDouble, status: int, body: str) -> None:
    """Comments of deleted users have no author: an empty name would match them."""
    double.add_fault("/user", status, body=body)
    with pytest.raises(ForgeError, match="check the token"):
        double.open_github().find_author()


def test_the_event_names_the_pull_request_and_its_commit(double: ForgeDouble) -> None:
    """GITHUB_SHA is a commit that GitHub made to test the merge."""
    assert find(double, make_pull_event(3)) == Request(3, SHA, RUN_5)
    assert find(double, make_pull_event(3, repo="fork/images")) == Request(3, SHA, RUN_5, is_fork=True)
    assert find(double, {"pull_request": {"number": 3}}) == Request(3, MERGE, RUN_5, is_fork=True)


def test_a_number_is_used_as_it_is(double: ForgeDouble) -> None:
    """Without any event."""
    assert find(double, None, 12) == Request(12, MERGE, RUN_5)
    assert double.requests == []


@pytest.mark.parametrize("event", [None, {}, [], {"pull_request": {"number": "3"}}, {"pull_request": {"number": True}}])
def test_an_event_without_a_pull_request_is_an_error(double: ForgeDouble, event: Any) -> None:
    """With what to do."""
    with pytest.raises(
        ForgeError, match="is about no pull request; run the job on pull_request or workflow_run, or pass"
    ):
        find(double, event)


def test_an_event_that_cannot_be_read_is_an_error(double: ForgeDouble) -> None:
    """It names the variable."""
    github = double.open_github(GITHUB_EVENT_PATH="/nowhere/event.json")
    with pytest.raises(ForgeError, match="GITHUB_EVENT_PATH names cannot be read"):
        github.find_request(None)


def test_after_a_run_its_pull_request_is_found(double: ForgeDouble) -> None:
    """The page is that of the run that made the plan."""
    double.add_pull(3)
    assert find(double, make_run_event()) == Request(3, SHA, RUN_8)


def test_after_a_run_of_a_fork_its_own_pull_request_is_found(double: ForgeDouble) -> None:
    """Not that of a branch with the same name, or of another repository of the same owner."""
    double.add_pull(3)
    double.add_pull(4, repo="other/images")
    double.add_pull(5, repo="fork/images")
    double.add_pull(6, repo="fork/images-2")
    assert find(double, make_run_event(repo="fork/images")) == Request(5, SHA, RUN_8, is_fork=True)
    assert find(double, make_run_event(repo="fork/images-2")) == Request(6, SHA, RUN_8, is_fork=True)


def test_a_branch_with_the_same_commit_is_another_pull_request(double: ForgeDouble) -> None:
    """Also if the server does not filter by the branch."""
    double.add_pull(3, branch="other")
    home = {"full_name": "acme/images"}
    double.answer_json("/pulls", [{"number": 3, "state": "open", "head": {"ref": "other", "sha": SHA, "repo": home}}])
    with pytest.raises(ForgeError, match="no pull request has the head acme:new"):
        find(double, make_run_event())


def test_a_commit_that_is_not_the_last_one_gets_no_comment(double: ForgeDouble) -> None:
    """A newer run comments. A fork cannot choose another pull request by its commit."""
    double.add_pull(5, repo="fork/images")
    double.add_pull(6, branch="victim")
    found = find(double, make_run_event(repo="fork/images", sha=OLD))
    assert found == Outdated("fork:new no longer has an open pull request with the last commit 000000000000")


def test_a_closed_pull_request_gets_no_comment(merged: ForgeDouble) -> None:
    """It may have been merged while the run was running."""
    assert find(merged, make_run_event()) == Outdated(
        "acme:new no longer has an open pull request with the last commit 1234567890ab"
    )


def test_of_several_pull_requests_of_one_branch_the_user_chooses(double: ForgeDouble) -> None:
    """The run could be of either."""
    double.add_pull(3)
    double.add_pull(4, base="stable")
    with pytest.raises(ForgeError, match="acme:new is the head of several pull requests: 4, 3; pass --number N"):
        find(double, make_run_event())


def test_a_run_without_a_pull_request_is_an_error_only_if_it_should_have_one(double: ForgeDouble) -> None:
    """A push to a branch starts the same workflow."""
    assert find(double, make_run_event(event="push")) == Outdated("the run was started by push, not by a pull request")
    with pytest.raises(ForgeError, match="no pull request has the head acme:new; start this workflow only after"):
        find(double, make_run_event())
    event = make_run_event()
    event["workflow_run"]["head_repository"] = None
    with pytest.raises(ForgeError, match="names no commit of a branch"):
        find(double, event)


def test_all_pages_of_pull_requests_are_read(double: ForgeDouble) -> None:
    """A branch may have had many."""
    double.add_pull(3)
    for number in range(4, 260):
        double.add_pull(number, state="closed", sha=OLD)
    assert find(double, make_run_event()) == Request(3, SHA, RUN_8)


def test_a_missing_permission_is_named(double: ForgeDouble) -> None:
    """For each request of a job."""
    double.add_pull(3)
    double.github["tokens"]["ghs_actions"]["permissions"] = {"contents": "read"}
    github = double.open_github(make_run_event())
    with pytest.raises(ForgeError, match="give the job the permission pull-requests: read"):
        github.find_request(None)
    with pytest.raises(
        ForgeError, match="give the job the permission pull-requests: write; for a pull request of a fork"
    ):
        list(github.list_comments(3))
    with pytest.raises(ForgeError, match="give the job the permission issues: write"):
        list(github.list_issues())
    with pytest.raises(ForgeError, match="give the job the permission actions: read"):
        github.read_plan(Merged(3, SHA, 1), "x")


def test_pull_requests_are_no_issues(double: ForgeDouble) -> None:
    """GitHub lists both."""
    plain = {"state": "open", "title": "t", "body": "b", "author": "x", "labels": ["imagesync"]}
    double.github["issues"] = [{"number": 1, **plain}, {"number": 2, "is_pull": True, **plain}]
    assert [one.number for one in double.open_github().list_issues()] == [1]


def test_the_plan_of_the_merged_pull_request_is_read(merged: ForgeDouble) -> None:
    """Of its last commit, which is not the merge commit."""
    merged.add_run(9, {"plan.json": PLAN})
    assert merged.open_github().find_merged() == Merged(3, SHA, 1)
    assert read(merged) == PLAN


@pytest.mark.parametrize(
    ("change", "env"),
    [
        ({"merged_at": None}, {}),
        ({"merge_commit_sha": OLD}, {}),
        ({"base": "stable"}, {}),
        ({}, {"GITHUB_REF_NAME": "stable"}),
        ({}, {"GITHUB_SHA": SHA}),
    ],
)
def test_a_commit_of_no_merge_has_no_reviewed_plan(
    merged: ForgeDouble, change: dict[str, object], env: dict[str, str]
) -> None:
    """An open pull request may have the commit, and one may be merged into another branch."""
    merged.add_run(9, {"plan.json": PLAN})
    merged.github["pulls"][0].update({**change, "commits": [MERGE]})
    with pytest.raises(ForgeError, match="was not made by the merge of a pull request; plan again, let a person"):
        read(merged, **env)


def test_a_run_that_is_started_again_is_for_the_newest_commit(merged: ForgeDouble) -> None:
    """A newer merge may have reverted the change: its old plan would permit it a second time."""
    merged.add_run(9, {"plan.json": PLAN})
    merged.github["branches"]["main"] = MERGE
    assert read(merged, GITHUB_RUN_ATTEMPT="2") == PLAN
    merged.github["branches"]["main"] = OLD
    assert read(merged, GITHUB_RUN_ATTEMPT="1") == PLAN
    with pytest.raises(ForgeError, match="was started again, and branch main has the newer commit 000000000000; start"):
        read(merged, GITHUB_RUN_ATTEMPT="2")


def test_a_branch_that_cannot_be_read_stops_a_run_that_is_started_again(merged: ForgeDouble) -> None:
    """It was deleted, or the token may not read it."""
    merged.add_run(9, {"plan.json": PLAN})
    with pytest.raises(ForgeError, match="give the job the permission contents: read"):
        read(merged, GITHUB_RUN_ATTEMPT="2")


def test_a_commit_of_two_pull_requests_has_no_reviewed_plan(merged: ForgeDouble) -> None:
    """Which one was reviewed is unknown."""
    merged.add_pull(4)
    merged.merge_pull(4)
    with pytest.raises(ForgeError, match="was not made by the merge of one pull request"):
        read(merged)


@pytest.mark.parametrize("repo", ["fork/images", None])
def test_the_plan_of_a_fork_is_not_used(double: ForgeDouble, repo: str | None) -> None:
    """Its run had no cloud, and its code wrote the file."""
    double.add_pull(3, repo=repo)
    double.merge_pull(3)
    double.add_run(9, {"plan.json": PLAN}, repo=repo)
    with pytest.raises(ForgeError, match="pull request 3 is of a fork, whose plans are not used; plan again"):
        read(double)


@pytest.mark.parametrize(
    "run",
    [
        {"repo": "fork/images"},
        {"repo": None},
        {"conclusion": "failure"},
        {"conclusion": None},
        {"event": "push"},
        {"event": "pull_request_target"},
        {"head_sha": OLD},
    ],
)
def test_only_a_successful_run_of_the_pull_request_counts(merged: ForgeDouble, run: dict[str, object]) -> None:
    """Not one of a fork with the same commit, and no other event. The answer is checked, not only the question."""
    merged.add_run(9, {"plan.json": PLAN}, **run)
    with pytest.raises(
        ForgeError, match="artifact imagesync-plan: no successful run of pull_request has it for commit 12"
    ):
        read(merged)
    found = {"id": 9, "head_sha": SHA, "event": "pull_request", "conclusion": "success", **run}
    home = found.pop("repo", "acme/images")
    found["head_repository"] = home and {"full_name": home}
    merged.answer_json("actions/runs", {"workflow_runs": [found]})
    with pytest.raises(ForgeError, match="no successful run"):
        read(merged)


def test_a_pull_request_of_another_repository_was_not_merged_here(merged: ForgeDouble) -> None:
    """The repositories of a fork network share commits, so the list may have a pull request of another one."""
    merged.add_run(9, {"plan.json": PLAN})
    pull = {
        "number": 3,
        "merged_at": "2026-01-01T00:00:00Z",
        "merge_commit_sha": MERGE,
        "head": {"sha": SHA, "repo": {"full_name": "acme/images"}},
        "base": {"ref": "main", "repo": {"id": 1, "full_name": "acme/images"}},
    }
    merged.answer_json(f"commits/{MERGE}/pulls", [pull])
    assert read(merged) == PLAN
    merged.answer_json(f"commits/{MERGE}/pulls", [{**pull, "base": {"ref": "main", "repo": {"full_name": "a/other"}}}])
    with pytest.raises(ForgeError, match="was not made by the merge of a pull request"):
        read(merged)


def test_the_newest_run_counts_in_any_order_of_the_list(merged: ForgeDouble) -> None:
    """The API promises no order."""
    runs = [{"id": number, "head_sha": SHA, "event": "pull_request", "conclusion": "success"} for number in (9, 12, 10)]
    for number in (9, 12, 10):
        merged.add_run(number, {"plan.json": PLAN if number == 12 else b"old"})
    found = [{**run, "head_repository": {"full_name": "acme/images"}} for run in runs]
    merged.answer_json("actions/runs", {"workflow_runs": found})
    assert read(merged) == PLAN


def test_the_newest_plan_is_read(merged: ForgeDouble) -> None:
    """Of the newest run that has one, and there of the last try."""
    merged.add_run(9, {"plan.json": b"old"})
    merged.add_run(12, {"plan.json": b"first try"})
    merged.add_artifact(12, {"plan.json": PLAN})
    merged.add_artifact(12, {"plan.json": b"other"}, "imagesync-plan-eu")
    merged.add_run(13)
    assert read(merged) == PLAN
    assert read(merged, "imagesync-plan-eu") == b"other"
    with pytest.raises(ForgeError, match="artifact imagesync-plan-us: no successful run"):
        read(merged, "imagesync-plan-us")


def test_a_server_that_does_not_filter_by_name_is_understood(merged: ForgeDouble) -> None:
    """Older servers ignore the parameter."""
    merged.add_run(9)
    entries = [{"id": 1, "name": "coverage", "expired": False}, {"id": 2, "name": "imagesync-plan-x", "expired": False}]
    merged.answer_json("runs/9/artifacts", {"artifacts": entries})
    with pytest.raises(ForgeError, match="no successful run of pull_request has it"):
        read(merged)


def test_an_artifact_that_has_expired_is_an_error(merged: ForgeDouble) -> None:
    """An older one is not used instead."""
    merged.add_run(9, {"plan.json": PLAN})
    merged.add_run(10)
    merged.add_artifact(10, {"plan.json": PLAN}, expired=True)
    with pytest.raises(ForgeError, match="pull request 3, artifact imagesync-plan: it has expired; plan again"):
        read(merged)


def test_an_artifact_without_a_plan_is_an_error(merged: ForgeDouble) -> None:
    """The message names it."""
    merged.add_run(9, {"plan.md": b"x"})
    with pytest.raises(ForgeError, match=r"pull request 3, artifact imagesync-plan has no file plan\.json"):
        read(merged)


def test_each_list_asks_for_what_it_needs(merged: ForgeDouble) -> None:
    """All pages of a hundred entries; the server filters and sorts as far as it can."""
    merged.add_run(9, {"plan.json": PLAN})
    github = merged.open_github(make_run_event())
    github.find_request(None)
    list(github.list_comments(3))
    list(github.list_issues())
    github.read_plan(github.find_merged(), "imagesync-plan")
    page = {"per_page": "100", "page": "1"}
    repository = "/github/repos/acme/images"
    found = [(one["path"].removeprefix(repository), one["query"]) for one in merged.state["requests"]]
    assert found[:-1] == [
        ("/pulls", {"head": "acme:new", "state": "all", **page}),
        ("/issues/3/comments", page),
        ("/issues", {"state": "open", "labels": "imagesync", **page}),
        (f"/commits/{MERGE}/pulls", page),
        ("/actions/runs", {"head_sha": SHA, "event": "pull_request", "status": "success", **page}),
        ("/actions/runs/9/artifacts", {"name": "imagesync-plan", **page}),
        ("/actions/artifacts/1/zip", {}),
    ]


def test_comments_and_issues_are_read_whole(double: ForgeDouble) -> None:
    """With author, text and label; a deleted user has an empty name, and a missing text is empty."""
    comments = [{"id": 5, "user": {"login": "eve"}, "body": "one"}, {"id": 6, "user": None, "body": None}]
    double.answer_json("issues/3/comments", comments)
    github = double.open_github()
    assert list(github.list_comments(3)) == [Comment(5, "eve", "one"), Comment(6, "", "")]
    issues = [
        {"number": 7, "user": {"login": "eve"}, "body": "x", "labels": [{"name": "bug"}, {"name": "imagesync"}]},
        {"number": 8, "user": None, "body": None, "labels": [{"name": "imagesync-2"}, "imagesync"]},
    ]
    double.answer_json("/issues", issues)
    assert list(github.list_issues()) == [Issue(7, "eve", "x", True), Issue(8, "", "", False)]


def test_the_page_of_a_commit(double: ForgeDouble) -> None:
    """On the server of the job."""
    github = double.open_github()
    assert github.make_commit_url(SHA) == f"https://github.example/acme/images/commit/{SHA}"
    assert (github.name, github.noun, github.max_chars) == ("GitHub", "pull request", 65_536)


def test_the_branch_of_a_run_that_is_started_again_may_have_any_name(merged: ForgeDouble) -> None:
    """It is quoted in the address, and printable in the message."""
    merged.github["pulls"][0]["base"] = "a#b?c/ü"
    merged.answer_json("git/ref", {"object": {"sha": "\x1b" + OLD}})
    with pytest.raises(ForgeError) as caught:
        merged.open_github(GITHUB_RUN_ATTEMPT="2", GITHUB_REF_NAME="a#b?c/ü").find_merged()
    assert merged.requests[-1].endswith("/git/ref/heads/a#b?c/ü")
    assert str(caught.value) == (
        f"this run for commit {MERGE[:12]} was started again, and branch a#b?c/ü has the newer commit "
        r"\x1b00000000000; start the run of the newest commit again, or "
        "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
    )


def test_only_the_newest_runs_are_searched(merged: ForgeDouble) -> None:
    """A commit may have many, and each is a request."""
    for number in range(100, 100 + MAX_RUNS):
        merged.add_run(number)
    merged.add_run(99, {"plan.json": PLAN})
    merged.add_run(98, {"plan.json": b"older"})
    with pytest.raises(ForgeError) as caught:
        read(merged)
    assert str(caught.value) == (
        "pull request 3, artifact imagesync-plan: no successful run of pull_request has it for commit 1234567890ab; "
        "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
    )
    assert sum("/artifacts" in one for one in merged.requests) == MAX_RUNS
    merged.github["runs"] = [one for one in merged.github["runs"] if one["id"] != 100]
    assert read(merged) == PLAN


def test_a_commit_that_was_not_merged_is_named(merged: ForgeDouble) -> None:
    """By its first digits, with its branch."""
    with pytest.raises(ForgeError) as caught:
        merged.open_github(GITHUB_REF_NAME="x\x1b").find_merged()
    assert str(caught.value) == (
        rf"commit {MERGE[:12]} of branch x\x1b was not made by the merge of a pull request; "
        "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
    )


def test_the_event_of_another_run_is_printable(double: ForgeDouble) -> None:
    """And so is the branch of a fork, whose name another user chose."""
    found = find(double, make_run_event(event="a\x1b"))
    assert found == Outdated(r"the run was started by a\x1b, not by a pull request")
    with pytest.raises(ForgeError, match=r"has the head fork:\\x1b;"):
        find(double, make_run_event(branch="\x1b", repo="fork/images"))


@pytest.mark.parametrize("name", ["head_sha", "head_branch", "head_repository"])
def test_a_run_without_a_part_of_its_commit_is_an_error(double: ForgeDouble, name: str) -> None:
    """Nothing is asked then."""
    event = make_run_event()
    event["workflow_run"][name] = None
    with pytest.raises(ForgeError, match="the workflow_run event names no commit of a branch; pass --number N"):
        find(double, event)
    assert double.requests == []
