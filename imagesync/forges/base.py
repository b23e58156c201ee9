"""What the commands need from GitHub or GitLab, in words that both share. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from imagesync.errors import ForgeError

LABEL: Final = "imagesync"
"""The label of the issues that imagesync opens."""
PLAN_ARTIFACT: Final = "imagesync-plan"
"""The usual name of the artifact, or of the job, with the plan of a request."""
PLAN_FILE: Final = "plan.json"
"""The name of the saved plan in an artifact."""


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request or merge request that a comment is for.

    ``sha``: the commit that the comment is about; ``run_url``: the page of the run that made it. ``is_fork``: the code
    of that run came from another repository.
    """

    number: int
    sha: str
    run_url: str
    is_fork: bool = False


@dataclass(frozen=True, slots=True)
class Outdated:
    """Why no request needs a comment of this run; a sentence without a period."""

    reason: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of a request. ``author``: the name of its user, as ``find_author`` returns it."""

    id: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. ``text``: its description."""

    number: int
    author: str
    text: str
    has_label: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """The request that a commit merged. ``sha``: its last commit; ``project_id``: of the project that it was merged into."""

    number: int
    sha: str
    project_id: int


def need_name(name: str, forge: str) -> str:
    """The name of a user; ForgeError for an empty one, which the comments of deleted users have."""
    if not name:
        raise ForgeError(f"{forge} did not name the user of the token", "check the token, or pass --author NAME")
    return name


class Forge(Protocol):
    """A client of GitHub or GitLab for one project. Each method raises ForgeError with what to do."""

    name: str
    noun: str
    """What the forge calls a request: ``pull request``."""
    max_chars: int
    """The longest comment or description, in characters."""

    def find_author(self) -> str:
        """The name of the user that the token writes as."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

    def find_request(self, number: int | None) -> Request | Outdated:
        """The request of this job, or the one with this number."""
        ...

    def make_commit_url(self, sha: str) -> str:
        """The page of a commit."""
        ...

    def list_comments(self, request: int) -> Iterator[Comment]:
        """All comments of a request, the oldest first."""
        ...

    def add_comment(self, request: int, text: str) -> Comment:
        """Write a new comment; it is returned as the forge has it."""
        ...

    def replace_comment(self, request: int, comment: int, text: str) -> None:
        """Replace the text of a comment."""
        ...

    def list_issues(self) -> Iterator[Issue]:
        """All open issues with the label of imagesync."""
        ...

    def open_issue(self, title: str, text: str) -> Issue:
        """Open an issue with the label of imagesync; it is returned as the forge has it."""
        ...

    def replace_issue(self, issue: int, text: str) -> None:
        """Replace the description of an issue."""
        ...

    def comment_issue(self, issue: int, text: str) -> None:
        """Add a comment to an issue."""
        ...

    def close_issue(self, issue: int) -> None:
        """Close an issue."""
        ...

    def find_merged(self) -> Merged:
        """The request that the commit of this job merged into the branch of this job."""
        ...

    def read_plan(self, merged: Merged, artifact: str) -> bytes:
        """The file ``plan.json`` of the newest artifact of this name for the last commit of a request."""
        ...
