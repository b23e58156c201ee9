"""GitLab: which merge request a pipeline is about, and which plan its merge was reviewed with."""

import pytest

from imagesync.errors import ForgeError
from imagesync.forges.base import Comment, Issue, Merged, Request
from tests.forge import MERGE, SHA, ForgeDouble

JOB = "https://gitlab.example/acme/images/-/jobs/6"
OLD, RESULT = "0" * 40, "a" * 40
PLAN = '{"plan": 1}'


def read(double: ForgeDouble, artifact: str = "imagesync-plan", **env: str) -> bytes:
    """The plan of the merged merge request."""
    gitlab = double.open_gitlab(**env)
    return gitlab.read_plan(gitlab.find_merged(), artifact)


@pytest.fixture
def merged(double: ForgeDouble) -> ForgeDouble:
    """With merge request 4, merged as MERGE."""
    double.add_merge_request(4)
    double.merge_merge_request(4)
    return double


def test_the_token_writes_as_its_user(double: ForgeDouble) -> None:
    """A token of a project has its own."""
    assert double.open_gitlab().find_author() == "project_7_bot"
    double.add_fault("/user", 200, body='{"username": null}')
    with pytest.raises(ForgeError, match="GitLab did not name the user of the token; check the token"):
        double.open_gitlab().find_author()


def test_the_merge_request_is_that_of_the_pipeline(double: ForgeDouble) -> None:
    """For a merged result, CI_COMMIT_SHA is a commit that GitLab made."""
    assert double.open_gitlab(4).find_request(None) == Request(4, SHA, JOB)
    env = {"CI_COMMIT_SHA": RESULT, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": SHA}
    assert double.open_gitlab(4, **env).find_request(None) == Request(4, SHA, JOB)
    assert double.open_gitlab().find_request(9) == Request(9, MERGE, JOB)
    with pytest.raises(
        ForgeError, match="CI_MERGE_REQUEST_IID is not set, so this pipeline is of no merge request; run"
    ):
        double.open_gitlab().find_request(None)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ({"scopes": ["read_api"]}, "insufficient_scope: .*; GITLAB_TOKEN needs the scope api, and the role Reporter"),
        ({"role": 10}, "403 Forbidden; GITLAB_TOKEN needs the scope api, and the role Reporter"),
    ],
)
def test_a_missing_right_is_named(double: ForgeDouble, token: dict[str, object], message: str) -> None:
    """The scope, and the role."""
    double.add_merge_request(4)
    double.gitlab["tokens"]["glpat-project"].update(token)
    with pytest.raises(ForgeError, match=message):
        double.open_gitlab(4).add_comment(4, "x")


def test_notes_of_the_service_are_no_comments(double: ForgeDouble) -> None:
    """GitLab writes a note for each push."""
    double.add_merge_request(4)
    notes = [{"id": number, "request": 4, "author": "x", "body": "b", "system": number == 1} for number in (1, 2)]
    double.gitlab["notes"] = notes
    assert [one.id for one in double.open_gitlab(4).list_comments(4)] == [2]


def test_the_plan_of_the_merged_request_is_read(merged: ForgeDouble) -> None:
    """The job counts, whatever became of its pipeline."""
    merged.add_pipeline(9, 4, {"plan.json": PLAN}, status="failed")
    assert merged.open_gitlab().find_merged() == Merged(4, SHA, 7)
    assert read(merged).decode() == PLAN


@pytest.mark.parametrize(
    "made",
    [
        {"merge_commit_sha": MERGE, "squash_commit_sha": OLD},
        {"squash_commit_sha": MERGE},
        {"sha": MERGE},
    ],
    ids=["merge", "squash", "fast-forward"],
)
def test_each_kind_of_merge_is_recognized(double: ForgeDouble, made: dict[str, str]) -> None:
    """By the commit that the branch has then."""
    double.add_merge_request(4)
    double.merge_merge_request(4, **made)
    assert double.open_gitlab().find_merged().number == 4


@pytest.mark.parametrize(
    ("change", "env"),
    [
        ({"state": "opened"}, {}),
        ({"merge_commit_sha": OLD, "squash_commit_sha": MERGE}, {}),
        ({"merge_commit_sha": OLD, "sha": MERGE}, {}),
        ({"target_branch": "stable"}, {}),
        ({}, {"CI_COMMIT_BRANCH": "stable"}),
        ({}, {"CI_COMMIT_SHA": SHA}),
    ],
)
def test_a_commit_of_no_merge_has_no_reviewed_plan(
    merged: ForgeDouble, change: dict[str, object], env: dict[str, str]
) -> None:
    """A commit in the middle of a merge request is not its merge."""
    merged.add_pipeline(9, 4, {"plan.json": PLAN})
    merged.gitlab["merge_requests"][0].update(change)
    with pytest.raises(ForgeError, match="was not made by the merge of a merge request; plan again, let a person"):
        read(merged, **env)


def test_the_plan_of_a_fork_is_not_used(double: ForgeDouble) -> None:
    """Neither its merge request nor a pipeline of its project."""
    double.add_merge_request(4, source_project_id=99)
    double.merge_merge_request(4)
    double.add_pipeline(9, 4, {"plan.json": PLAN})
    with pytest.raises(ForgeError, match="merge request 4 is of a fork, whose plans are not used"):
        read(double)


@pytest.mark.parametrize(
    "pipeline",
    [
        {"project_id": 99},
        {"sha": OLD},
        {"ref": "new"},
        {"ref": "refs/merge-requests/44/head"},
        {"ref": "refs/merge-requests/4/merge", "sha": OLD},
    ],
)
def test_only_a_pipeline_for_the_last_commit_counts(merged: ForgeDouble, pipeline: dict[str, object]) -> None:
    """Of this merge request, in this project."""
    merged.gitlab["commits"] = [{"id": OLD, "parent_ids": [RESULT]}]
    merged.add_pipeline(9, 4, {"plan.json": PLAN}, **pipeline)
    with pytest.raises(
        ForgeError, match="merge request 4, job imagesync-plan: no pipeline for commit 1234567890ab has"
    ):
        read(merged)


@pytest.mark.parametrize("kind", ["merge", "train"])
def test_the_pipeline_of_a_merged_result_counts(merged: ForgeDouble, kind: str) -> None:
    """Its commit has the last commit of the merge request as a parent."""
    merged.gitlab["commits"] = [{"id": RESULT, "parent_ids": [OLD, SHA]}]
    merged.add_pipeline(9, 4, {"plan.json": PLAN}, ref=f"refs/merge-requests/4/{kind}", sha=RESULT)
    assert read(merged).decode() == PLAN


def test_the_newest_successful_job_counts(merged: ForgeDouble) -> None:
    """Of the name that was asked for."""
    merged.add_pipeline(9, 4, {"plan.json": "old"})
    merged.add_pipeline(10, 4, {"plan.json": PLAN})
    merged.add_pipeline(11, 4)
    merged.gitlab["jobs"] += [
        {"id": 3000, "pipeline": 11, "name": "imagesync-plan", "status": "failed", "files": {"plan.json": "failed"}},
        {"id": 3001, "pipeline": 11, "name": "imagesync-plan: [eu]", "status": "success", "files": {"plan.json": "eu"}},
    ]
    assert read(merged).decode() == PLAN
    assert read(merged, "imagesync-plan: [eu]") == b"eu"


def test_of_two_successful_jobs_the_newer_one_counts(merged: ForgeDouble) -> None:
    """The order of the list makes no difference."""
    merged.add_pipeline(9, 4)
    merged.gitlab["jobs"] += [
        {"id": number, "pipeline": 9, "name": "imagesync-plan", "status": "success", "files": {"plan.json": text}}
        for number, text in ((3000, "old"), (3002, PLAN), (3001, "older"))
    ]
    assert read(merged).decode() == PLAN


def test_a_file_that_is_stored_elsewhere_is_read_without_the_token(merged: ForgeDouble) -> None:
    """GitLab may redirect to an object store."""
    merged.add_pipeline(9, 4, {"plan.json": PLAN})
    merged.gitlab["jobs"][0]["is_elsewhere"] = True
    assert read(merged).decode() == PLAN
    assert [one["has_token"] for one in merged.state["requests"] if one["host"] == "store"] == [False]


def test_an_artifact_that_has_expired_is_an_error(merged: ForgeDouble) -> None:
    """GitLab answers 404 then."""
    merged.add_pipeline(9, 4, {})
    with pytest.raises(
        ForgeError, match=r"job imagesync-plan: its artifact plan\.json has expired or does not exist; plan"
    ):
        read(merged)


def test_each_list_asks_for_what_it_needs(merged: ForgeDouble) -> None:
    """The oldest comment first. Pages of long texts have fewer entries."""
    merged.add_pipeline(9, 4, {"plan.json": PLAN})
    gitlab = merged.open_gitlab()
    list(gitlab.list_comments(4))
    list(gitlab.list_issues())
    gitlab.read_plan(gitlab.find_merged(), "imagesync-plan")
    short, long = ({"per_page": size, "page": "1"} for size in ("100", "20"))
    found = [(one["path"].removeprefix("/gitlab/projects/7"), one["query"]) for one in merged.state["requests"]]
    assert found == [
        ("/merge_requests/4/notes", {"sort": "asc", "order_by": "created_at", **long}),
        ("/issues", {"state": "opened", "labels": "imagesync", "scope": "all", **long}),
        (f"/repository/commits/{MERGE}/merge_requests", short),
        ("/merge_requests/4/pipelines", short),
        ("/pipelines/9/jobs", short),
        ("/jobs/1009/artifacts/plan.json", {}),
    ]


def test_comments_and_issues_are_read_whole(double: ForgeDouble) -> None:
    """With author, text and label; what is missing is empty."""
    double.add_merge_request(4)
    comments = [{"id": 5, "author": {"username": "eve"}, "body": "one", "system": False}, {"id": 6, "author": None}]
    double.answer_json("notes", comments)
    gitlab = double.open_gitlab()
    assert list(gitlab.list_comments(4)) == [Comment(5, "eve", "one"), Comment(6, "", "")]
    issues = [
        {"iid": 7, "id": 70, "author": {"username": "eve"}, "description": "x", "labels": ["bug", "imagesync"]},
        {"iid": 8, "id": 80, "author": None, "description": None, "labels": ["imagesync-2"]},
    ]
    double.answer_json("/issues", issues)
    assert list(gitlab.list_issues()) == [Issue(7, "eve", "x", True), Issue(8, "", "", False)]


def test_the_page_of_a_commit(double: ForgeDouble) -> None:
    """Of the project; without its page there is none."""
    gitlab = double.open_gitlab()
    assert gitlab.make_commit_url(SHA) == f"https://gitlab.example/acme/images/-/commit/{SHA}"
    assert double.open_gitlab(CI_PROJECT_URL="").make_commit_url(SHA) == ""
    assert (gitlab.name, gitlab.noun, gitlab.max_chars) == ("GitLab", "merge request", 1_000_000)


def test_the_path_of_a_project_is_one_part_of_an_address(double: ForgeDouble) -> None:
    """GitLab takes it in the place of the number, if its slashes are quoted."""
    double.gitlab["project"] = "acme%2Fimages"
    double.add_merge_request(4)
    assert list(double.open_gitlab(CI_PROJECT_ID="acme/images").list_comments(4)) == []
    assert double.requests == ["GET /gitlab/projects/acme%2Fimages/merge_requests/4/notes"]


def test_the_newest_pipeline_counts_in_any_order_of_the_list(merged: ForgeDouble) -> None:
    """The API promises no order."""
    for number in (9, 12, 10):
        merged.add_pipeline(number, 4, {"plan.json": PLAN if number == 12 else "old"})
    ref = "refs/merge-requests/4/head"
    found = [{"id": number, "project_id": 7, "sha": SHA, "ref": ref} for number in (9, 12, 10)]
    merged.answer_json("4/pipelines", found)
    assert read(merged).decode() == PLAN


@pytest.mark.parametrize(
    ("status", "message"), [(403, "needs the scope read_api or api, and the role Developer"), (401, "check")]
)
def test_a_plan_that_may_not_be_read_has_not_expired(merged: ForgeDouble, status: int, message: str) -> None:
    """The hint is about the token."""
    merged.add_pipeline(9, 4, {"plan.json": PLAN})
    merged.add_fault("artifacts", status)
    with pytest.raises(ForgeError) as caught:
        read(merged)
    assert "expired" not in str(caught.value)
    assert message in str(caught.value)


def test_a_commit_of_two_requests_has_no_reviewed_plan(merged: ForgeDouble) -> None:
    """Which one was reviewed is unknown. The branch is printable."""
    merged.add_merge_request(5)
    merged.merge_merge_request(5)
    with pytest.raises(ForgeError, match="of branch main was not made by the merge of one merge request; plan again"):
        read(merged)
    with pytest.raises(ForgeError) as caught:
        read(merged, CI_COMMIT_BRANCH="x\x1b")
    assert str(caught.value) == (
        rf"commit {MERGE[:12]} of branch x\x1b was not made by the merge of a merge request; "
        "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
    )
