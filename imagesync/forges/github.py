"""GitHub, also an own server: https://docs.github.com/rest. Network, and reads the file of the event."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from imagesync.errors import ForgeError
from imagesync.forges.archive import MAX_ARCHIVE_BYTES, read_member
from imagesync.forges.base import LABEL, PLAN_FILE, Comment, Issue, Merged, Outdated, Request, need_name
from imagesync.forges.environment import Runner
from imagesync.forges.fields import find, find_list, find_number, find_text
from imagesync.forges.wire import Client
from imagesync.retry import Pace
from imagesync.text import make_printable

ACTIONS_USER: Final = "github-actions[bot]"
"""The user of GITHUB_TOKEN in a job of GitHub Actions."""
MAX_EVENT_BYTES: Final = 32 * 2**20
MAX_RUNS: Final = 50
"""The newest runs for one commit that are searched for an artifact."""
VERSION: Final = "2022-11-28"
"""The version of the API."""
_COMMENTS: Final = "give the job the permission pull-requests: write; for a pull request of a fork, comment from a workflow_run workflow"
_PULLS: Final = "give the job the permission pull-requests: read"
_ISSUES: Final = "give the job the permission issues: write"
_CONTENTS: Final = "give the job the permission contents: read"
_ARTIFACTS: Final = "give the job the permission actions: read"
_USER: Final = "check the token"
BY_HAND: Final = "plan again, let a person approve that plan, and apply it: imagesync apply PLAN.json"
"""What to do if there is no reviewed plan."""


class GitHub:
    """The client; see ``Forge``. GITHUB_TOKEN has the permissions of the job."""

    name = "GitHub"
    noun = "pull request"
    max_chars = 65_536

    def __init__(self, runner: Runner, pace: Pace | None = None) -> None:
        self._runner = runner
        self._repository = f"/repos/{runner.project}"
        headers = {
            "Authorization": f"Bearer {runner.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": VERSION,
        }
        self._client = Client(self.name, runner, headers, pace)

    def find_author(self) -> str:
        """The user of the token. A token of GitHub Actions has none that it may read (HTTP 403)."""
        try:
            found = self._client.get("/user", _USER)
        except ForgeError as error:
            if error.status == 403:
                return ACTIONS_USER
            raise
        return need_name(find_text(found, "login"), self.name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def make_commit_url(self, sha: str) -> str:
        """The page of a commit."""
        return f"{self._runner.web}/commit/{sha}"

    def find_request(self, number: int | None) -> Request | Outdated:
        """The pull request with this number, of the event, or of the run that a ``workflow_run`` event is about."""
        if number is not None:
            return Request(number, self._runner.sha, self._runner.run_url)
        event = _read_event(self._runner.event)
        if found := find_number(event, "pull_request", "number"):
            head = find(event, "pull_request", "head")
            sha = find_text(head, "sha") or self._runner.sha
            return Request(found, sha, self._runner.run_url, is_fork=self._is_elsewhere(head))
        if run := find(event, "workflow_run"):
            return self._find_request_of_run(run)
        message = "the event of this run is about no pull request"
        raise ForgeError(message, "run the job on pull_request or workflow_run, or pass --number N")

    def _is_elsewhere(self, head: object) -> bool:
        """Whether the head of a pull request is in another repository, or in one that was deleted."""
        return find_text(head, "repo", "full_name") != self._runner.project

    def _find_request_of_run(self, run: Mapping[str, Any]) -> Request | Outdated:
        """The open pull request whose head is exactly the commit, branch and repository of a run.

        The event names no pull request for a run of a fork, and an artifact of the run could name any.
        """
        if (event := find_text(run, "event")) != "pull_request":
            return Outdated(f"the run was started by {make_printable(event)}, not by a pull request")
        home, sha = find_text(run, "head_repository", "full_name"), find_text(run, "head_sha")
        owner, branch = find_text(run, "head_repository", "owner", "login"), find_text(run, "head_branch")
        if not (home and sha and owner and branch):
            raise ForgeError("the workflow_run event names no commit of a branch", "pass --number N")
        query = {"head": f"{owner}:{branch}", "state": "all"}
        pulls = [
            pull
            for pull in self._client.list(f"{self._repository}/pulls", _PULLS, query)
            if find_text(pull, "head", "repo", "full_name") == home and find_text(pull, "head", "ref") == branch
        ]
        live = [p for p in pulls if find_text(p, "state") == "open" and find_text(p, "head", "sha") == sha]
        where = make_printable(f"{owner}:{branch}")
        if len(live) == 1:
            page = f"{self._runner.web}/actions/runs/{find_number(run, 'id')}"
            return Request(find_number(live[0], "number"), sha, page, is_fork=home != self._runner.project)
        if live:
            numbers = ", ".join(str(find_number(pull, "number")) for pull in live)
            raise ForgeError(f"{where} is the head of several pull requests: {numbers}", "pass --number N")
        if pulls:
            return Outdated(f"{where} no longer has an open pull request with the last commit {sha[:12]}")
        hint = "start this workflow only after runs of the event pull_request, or pass --number N"
        raise ForgeError(f"no pull request has the head {where}", hint)

    def list_comments(self, request: int) -> Iterator[Comment]:
        """All comments of a pull request, the oldest first."""
        return map(_read_comment, self._client.list(f"{self._repository}/issues/{request}/comments", _COMMENTS))

    def add_comment(self, request: int, text: str) -> Comment:
        """Write a new comment."""
        path = f"{self._repository}/issues/{request}/comments"
        return _read_comment(self._client.send("POST", path, _COMMENTS, {"body": text}))

    def replace_comment(self, request: int, comment: int, text: str) -> None:  # noqa: ARG002 - GitLab needs it
        """Replace the text of a comment."""
        self._client.send("PATCH", f"{self._repository}/issues/comments/{comment}", _COMMENTS, {"body": text})

    def list_issues(self) -> Iterator[Issue]:
        """All open issues with the label; pull requests, which the API lists too, are left out."""
        query = {"state": "open", "labels": LABEL}
        found = self._client.list(f"{self._repository}/issues", _ISSUES, query)
        return (_read_issue(issue) for issue in found if find(issue, "pull_request") is None)

    def open_issue(self, title: str, text: str) -> Issue:
        """Open an issue with the label, which GitHub makes if it does not exist."""
        body = {"title": title, "body": text, "labels": [LABEL]}
        return _read_issue(self._client.send("POST", f"{self._repository}/issues", _ISSUES, body))

    def replace_issue(self, issue: int, text: str) -> None:
        """Replace the description of an issue."""
        self._client.send("PATCH", f"{self._repository}/issues/{issue}", _ISSUES, {"body": text})

    def comment_issue(self, issue: int, text: str) -> None:
        """Add a comment to an issue."""
        self._client.send("POST", f"{self._repository}/issues/{issue}/comments", _ISSUES, {"body": text})

    def close_issue(self, issue: int) -> None:
        """Close an issue."""
        self._client.send("PATCH", f"{self._repository}/issues/{issue}", _ISSUES, {"state": "closed"})

    def find_merged(self) -> Merged:
        """The pull request whose merge made exactly the commit of this job, on the branch of this job."""
        self._check_attempt()
        sha, branch = self._runner.sha, self._runner.branch
        found = [
            pull
            for pull in self._client.list(f"{self._repository}/commits/{sha}/pulls", _PULLS)
            if find_text(pull, "merged_at")
            and find_text(pull, "merge_commit_sha") == sha
            and find_text(pull, "base", "ref") == branch
            and find_text(pull, "base", "repo", "full_name") == self._runner.project
        ]
        where = f"commit {sha[:12]} of branch {make_printable(branch)}"
        if len(found) != 1:
            raise ForgeError(
                f"{where} was not made by the merge of {'a' if not found else 'one'} pull request", BY_HAND
            )
        pull = found[0]
        number = find_number(pull, "number")
        if self._is_elsewhere(find(pull, "head")):
            raise ForgeError(f"pull request {number} is of a fork, whose plans are not used", BY_HAND)
        return Merged(number, find_text(pull, "head", "sha"), find_number(pull, "base", "repo", "id"))

    def _check_attempt(self) -> None:
        """ForgeError if this run was started again after a newer commit, which may have reverted this one.

        The old plan has the change that the revert undid, so a comparison of the plans would not refuse it.
        """
        sha, branch = self._runner.sha, self._runner.branch
        if self._runner.attempt == 1:
            return
        found = self._client.get(f"{self._repository}/git/ref/heads/{quote(branch)}", _CONTENTS)
        if (newest := find_text(found, "object", "sha")) != sha:
            where = f"this run for commit {sha[:12]} was started again, and branch {make_printable(branch)}"
            message = f"{where} has the newer commit {make_printable(newest[:12])}"
            raise ForgeError(message, f"start the run of the newest commit again, or {BY_HAND}")

    def read_plan(self, merged: Merged, artifact: str) -> bytes:
        """The plan in the newest artifact of this name, of a successful run for the last commit of the pull request."""
        where = f"pull request {merged.number}, artifact {make_printable(artifact)}"
        for run in self._list_runs(merged.sha)[:MAX_RUNS]:
            if (found := self._find_artifact(run, artifact)) is None:
                continue
            if find(found, "expired"):
                raise ForgeError(f"{where}: it has expired", BY_HAND)
            path = f"{self._repository}/actions/artifacts/{find_number(found, 'id')}/zip"
            archive = self._client.download(path, _ARTIFACTS, max_bytes=MAX_ARCHIVE_BYTES)
            return read_member(archive, PLAN_FILE, where)
        message = f"{where}: no successful run of pull_request has it for commit {merged.sha[:12]}"
        raise ForgeError(message, BY_HAND)

    def _list_runs(self, sha: str) -> list[int]:
        """Successful runs of pull requests for a commit of this repository, the newest first."""
        query = {"head_sha": sha, "event": "pull_request", "status": "success"}
        found = [
            find_number(run, "id")
            for run in self._client.list(f"{self._repository}/actions/runs", _ARTIFACTS, query, name="workflow_runs")
            if find_text(run, "head_sha") == sha
            and find_text(run, "event") == "pull_request"
            and find_text(run, "conclusion") == "success"
            and find_text(run, "head_repository", "full_name") == self._runner.project
        ]
        return sorted(found, reverse=True)

    def _find_artifact(self, run: int, name: str) -> Any:
        """The newest artifact of this name of a run; None if it has none."""
        path = f"{self._repository}/actions/runs/{run}/artifacts"
        found = self._client.list(path, _ARTIFACTS, {"name": name}, name="artifacts")
        same = [one for one in found if find_text(one, "name") == name]
        return max(same, key=lambda one: find_number(one, "id"), default=None)


def _read_event(path: str) -> Any:
    """The event that started the run; None if the job has none."""
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return json.loads(file.read(MAX_EVENT_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ForgeError("the file that GITHUB_EVENT_PATH names cannot be read as JSON", "pass --number N") from error


def _read_comment(found: object) -> Comment:
    return Comment(find_number(found, "id"), find_text(found, "user", "login"), find_text(found, "body"))


def _read_issue(found: object) -> Issue:
    has_label = any(find_text(label, "name") == LABEL for label in find_list(found, "labels"))
    return Issue(find_number(found, "number"), find_text(found, "user", "login"), find_text(found, "body"), has_label)
