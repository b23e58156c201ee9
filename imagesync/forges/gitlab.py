"""GitLab, also an own server: https://docs.gitlab.com/api. Network."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from imagesync.errors import ForgeError
from imagesync.forges.archive import MAX_MEMBER_BYTES
from imagesync.forges.base import LABEL, PLAN_FILE, Comment, Issue, Merged, Outdated, Request, need_name
from imagesync.forges.environment import Runner
from imagesync.forges.fields import find, find_list, find_number, find_text
from imagesync.forges.wire import Client
from imagesync.retry import Pace
from imagesync.text import make_printable

COMMENTS_PER_PAGE: Final = 20
"""A comment of GitLab may have 1,000,000 characters."""
_WRITE: Final = "GITLAB_TOKEN needs the scope api, and the role Reporter in this project"
_READ: Final = "GITLAB_TOKEN needs the scope read_api or api, and the role Developer in this project"
BY_HAND: Final = "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
"""What to do if there is no reviewed plan."""


class GitLab:
    """The client; see ``Forge``. CI_JOB_TOKEN may not write comments, so a token of the project is needed."""

    name = "GitLab"
    noun = "merge request"
    max_chars = 1_000_000

    def __init__(self, runner: Runner, pace: Pace | None = None) -> None:
        self._runner = runner
        self._project = f"/projects/{quote(runner.project, safe='')}"
        headers = {"PRIVATE-TOKEN": runner.token}
        self._client = Client(self.name, runner, headers, pace)

    def find_author(self) -> str:
        """The user of the token; a token of a project has its own."""
        return need_name(find_text(self._client.get("/user", _READ), "username"), self.name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def make_commit_url(self, sha: str) -> str:
        """The page of a commit."""
        return f"{self._runner.web}/-/commit/{sha}" if self._runner.web else ""

    def find_request(self, number: int | None) -> Request | Outdated:
        """The merge request with this number, or of this pipeline."""
        runner = self._runner
        if found := number or runner.request:
            return Request(found, runner.head or runner.sha, runner.run_url)
        message = "CI_MERGE_REQUEST_IID is not set, so this pipeline is of no merge request"
        raise ForgeError(message, "run the job in merge request pipelines, or pass --number N")

    def list_comments(self, request: int) -> Iterator[Comment]:
        """All comments of a merge request, the oldest first, without the notes of GitLab itself."""
        path, query = f"{self._project}/merge_requests/{request}/notes", {"sort": "asc", "order_by": "created_at"}
        found = self._client.list(path, _WRITE, query, size=COMMENTS_PER_PAGE)
        return (_read_comment(note) for note in found if find(note, "system") is not True)

    def add_comment(self, request: int, text: str) -> Comment:
        """Write a new comment."""
        path = f"{self._project}/merge_requests/{request}/notes"
        return _read_comment(self._client.send("POST", path, _WRITE, {"body": text}))

    def replace_comment(self, request: int, comment: int, text: str) -> None:
        """Replace the text of a comment."""
        path = f"{self._project}/merge_requests/{request}/notes/{comment}"
        self._client.send("PUT", path, _WRITE, {"body": text})

    def list_issues(self) -> Iterator[Issue]:
        """All open issues with the label."""
        query = {"state": "opened", "labels": LABEL, "scope": "all"}
        return map(_read_issue, self._client.list(f"{self._project}/issues", _WRITE, query, size=COMMENTS_PER_PAGE))

    def open_issue(self, title: str, text: str) -> Issue:
        """Open an issue with the label, which GitLab makes if it does not exist."""
        body = {"title": title, "description": text, "labels": LABEL}
        return _read_issue(self._client.send("POST", f"{self._project}/issues", _WRITE, body))

    def replace_issue(self, issue: int, text: str) -> None:
        """Replace the description of an issue."""
        self._client.send("PUT", f"{self._project}/issues/{issue}", _WRITE, {"description": text})

    def comment_issue(self, issue: int, text: str) -> None:
        """Add a comment to an issue."""
        self._client.send("POST", f"{self._project}/issues/{issue}/notes", _WRITE, {"body": text})

    def close_issue(self, issue: int) -> None:
        """Close an issue."""
        self._client.send("PUT", f"{self._project}/issues/{issue}", _WRITE, {"state_event": "close"})

    def find_merged(self) -> Merged:
        """The merge request whose merge made exactly the commit of this job, on the branch of this job."""
        sha, branch = self._runner.sha, self._runner.branch
        path = f"{self._project}/repository/commits/{sha}/merge_requests"
        found = [one for one in self._client.list(path, _READ) if _is_merged(one, sha, branch)]
        where = f"commit {sha[:12]} of branch {make_printable(branch)}"
        if len(found) != 1:
            raise ForgeError(
                f"{where} was not made by the merge of {'a' if not found else 'one'} merge request", BY_HAND
            )
        merged = found[0]
        number, project = find_number(merged, "iid"), find_number(merged, "target_project_id")
        if find_number(merged, "source_project_id") != project:
            raise ForgeError(f"merge request {number} is of a fork, whose plans are not used", BY_HAND)
        return Merged(number, find_text(merged, "sha"), project)

    def read_plan(self, merged: Merged, artifact: str) -> bytes:
        """The plan of the newest successful job of this name, in a pipeline for the last commit of the merge request."""
        where = f"merge request {merged.number}, job {make_printable(artifact)}"
        path = f"{self._project}/merge_requests/{merged.number}/pipelines"
        pipelines = [
            one for one in self._client.list(path, _READ) if find_number(one, "project_id") == merged.project_id
        ]
        for pipeline in sorted(pipelines, key=lambda one: find_number(one, "id"), reverse=True):
            if self._is_for(pipeline, merged) and (job := self._find_job(find_number(pipeline, "id"), artifact)):
                return self._download(job, where)
        message = f"{where}: no pipeline for commit {merged.sha[:12]} has such a job that succeeded"
        raise ForgeError(message, BY_HAND)

    def _is_for(self, pipeline: object, merged: Merged) -> bool:
        """Whether a pipeline is for the last commit of a merge request.

        The pipeline of a merged result is for a commit that GitLab made, which has that commit as a parent.
        """
        ref, sha = find_text(pipeline, "ref"), find_text(pipeline, "sha")
        if ref == f"refs/merge-requests/{merged.number}/head":
            return sha == merged.sha
        if ref not in (f"refs/merge-requests/{merged.number}/{kind}" for kind in ("merge", "train")):
            return False
        commit = self._client.get(f"{self._project}/repository/commits/{quote(sha, safe='')}", _READ)
        return merged.sha in find_list(commit, "parent_ids")

    def _find_job(self, pipeline: int, name: str) -> int:
        """The id of the newest successful job of this name; 0 if there is none."""
        found = self._client.list(f"{self._project}/pipelines/{pipeline}/jobs", _READ)
        same = [one for one in found if find_text(one, "name") == name and find_text(one, "status") == "success"]
        return max((find_number(one, "id") for one in same), default=0)

    def _download(self, job: int, where: str) -> bytes:
        try:
            path = f"{self._project}/jobs/{job}/artifacts/{PLAN_FILE}"
            return self._client.download(path, _READ, max_bytes=MAX_MEMBER_BYTES)
        except ForgeError as error:
            if error.status == 404:
                raise ForgeError(f"{where}: its artifact {PLAN_FILE} has expired or does not exist", BY_HAND) from error
            raise


def _is_merged(found: object, sha: str, branch: str) -> bool:
    """Whether a merge request was merged into a branch as this commit.

    Without a merge commit, it is the squashed commit, or the last commit of the merge request (a fast-forward).
    """
    made = next((text for name in _MADE if (text := find_text(found, name))), "")
    return find_text(found, "state") == "merged" and find_text(found, "target_branch") == branch and made == sha


_MADE: Final = ("merge_commit_sha", "squash_commit_sha", "sha")
"""The commits that a merge may have made, the last one of the branch first."""


def _read_comment(found: Any) -> Comment:
    return Comment(find_number(found, "id"), find_text(found, "author", "username"), find_text(found, "body"))


def _read_issue(found: Any) -> Issue:
    author, text = find_text(found, "author", "username"), find_text(found, "description")
    return Issue(find_number(found, "iid"), author, text, LABEL in find_list(found, "labels"))
