"""The environment variables of a job of GitHub Actions or GitLab CI -> what a client needs to know. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from imagesync.errors import UsageError
from imagesync.secrets import quote_value


class Kind(StrEnum):
    """A forge."""

    GITHUB = "github"
    GITLAB = "gitlab"


TOKEN_NAMES: Final = {Kind.GITHUB: "GITHUB_TOKEN", Kind.GITLAB: "GITLAB_TOKEN"}
"""The variables with the token."""
_SIGNS: Final = {Kind.GITHUB: "GITHUB_ACTIONS", Kind.GITLAB: "GITLAB_CI"}
"""Variables that are ``true`` in every job of this forge."""
_TOKEN_HINTS: Final = {
    Kind.GITHUB: "set it for this step only: env: GITHUB_TOKEN: ${{ github.token }}",
    Kind.GITLAB: "add a masked CI/CD variable with a project access token (scope api, role Reporter)",
}
_COMMIT_NAMES: Final = {
    Kind.GITHUB: ("GITHUB_SHA", "GITHUB_REF_NAME"),
    Kind.GITLAB: ("CI_COMMIT_SHA", "CI_COMMIT_BRANCH"),
}
"""The variables with the commit and the branch."""
_TOKEN: Final = re.compile(r"[!-~]{1,4096}")
_URL: Final = re.compile(r"https?://[A-Za-z0-9._~:/%@\[\]-]{1,2000}")
"""A URL that needs no quoting, in an address or in Markdown."""
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
_PROJECT: Final = re.compile(r"[A-Za-z0-9._/-]{1,500}")
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Runner:
    """What a job knows about its forge, its project and itself; a text that is not known is empty.

    ``api``: the address of the REST API. ``project``: OWNER/NAME on GitHub, the number or the path on GitLab; ``name``: its
    name for people; ``web``: its page. ``head``: the last commit of the request, if ``sha`` is a commit that the forge made to
    test the merge. ``event``: the file with the event of GitHub. ``attempt``: 1, and one more each time that a user starts
    the run of GitHub again. ``request``: the number of the merge request of GitLab.
    """

    kind: Kind
    token: str
    api: str
    project: str
    name: str
    web: str
    sha: str
    branch: str
    run_url: str
    head: str = ""
    event: str = ""
    attempt: int = 1
    request: int = 0
    ca_file: str = ""

    def __repr__(self) -> str:
        return f"Runner({self.kind}, {self.project})"  # never the token

    def check_commit(self) -> None:
        """UsageError if the commit and the branch of the job are not known."""
        for name, value in zip(_COMMIT_NAMES[self.kind], (self.sha, self.branch), strict=True):
            if not value:
                raise UsageError(f"{name} is not set", "run the command in a job for a commit of a branch")


def read_runner(variables: Mapping[str, str], kind: Kind | None = None) -> Runner:
    """The job with these environment variables; ``kind`` None: on the forge that they show. UsageError for what is missing."""
    kind = kind or _find_kind(variables)
    read = _read_github if kind is Kind.GITHUB else _read_gitlab
    return read(variables, _read_token(variables, kind))


def _find_kind(variables: Mapping[str, str]) -> Kind:
    found = [kind for kind, sign in _SIGNS.items() if variables.get(sign) == "true"]
    if len(found) == 1:
        return found[0]
    signs = " and ".join(_SIGNS.values())
    what = f"{signs} are both true" if found else f"neither of {signs} is true, so this job is not of GitHub or GitLab"
    raise UsageError(what, "pass --forge github or --forge gitlab, and set the variables that docs/results.md lists")


def _read_token(variables: Mapping[str, str], kind: Kind) -> str:
    name = TOKEN_NAMES[kind]
    token = variables.get(name, "").strip()
    if not token:
        raise UsageError(f"{name} is not set", _TOKEN_HINTS[kind])
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"{name} has characters that no token has", _TOKEN_HINTS[kind])
    return token


def _read_github(variables: Mapping[str, str], token: str) -> Runner:
    server = _read_url(variables, "GITHUB_SERVER_URL", "https://github.com")
    project = _read(variables, "GITHUB_REPOSITORY", _REPOSITORY, "OWNER/NAME")
    run = _read(variables, "GITHUB_RUN_ID", _NUMBER, "a number", default="0")
    return Runner(
        Kind.GITHUB,
        token,
        _read_url(variables, "GITHUB_API_URL", "https://api.github.com"),
        project,
        project,
        f"{server}/{project}",
        _read(variables, _COMMIT_NAMES[Kind.GITHUB][0], _SHA, "a commit", default=""),
        variables.get(_COMMIT_NAMES[Kind.GITHUB][1], ""),
        f"{server}/{project}/actions/runs/{run}" if run != "0" else "",
        event=variables.get("GITHUB_EVENT_PATH", ""),
        attempt=int(_read(variables, "GITHUB_RUN_ATTEMPT", _NUMBER, "a number", default="1")),
    )


def _read_gitlab(variables: Mapping[str, str], token: str) -> Runner:
    project = _read(variables, "CI_PROJECT_ID", _PROJECT, "the number or the path of a project")
    return Runner(
        Kind.GITLAB,
        token,
        _read_url(variables, "CI_API_V4_URL", "https://gitlab.com/api/v4"),
        project,
        _read(variables, "CI_PROJECT_PATH", _PROJECT, "the path of a project", default=project),
        _read_url(variables, "CI_PROJECT_URL", ""),
        _read(variables, _COMMIT_NAMES[Kind.GITLAB][0], _SHA, "a commit", default=""),
        variables.get(_COMMIT_NAMES[Kind.GITLAB][1], ""),
        _read_url(variables, "CI_JOB_URL", ""),
        head=_read(variables, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", _SHA, "a commit", default=""),
        request=int(_read(variables, "CI_MERGE_REQUEST_IID", _NUMBER, "a number", default="0")),
        ca_file=variables.get("CI_SERVER_TLS_CA_FILE", ""),
    )


def _read_url(variables: Mapping[str, str], name: str, default: str) -> str:
    return _read(variables, name, _URL, "an http or https address", default=default).rstrip("/")


def _read(
    variables: Mapping[str, str], name: str, form: re.Pattern[str], what: str, *, default: str | None = None
) -> str:
    """The value of a variable; UsageError if it has another form, or is empty and has no default."""
    text = variables.get(name, "")
    if not text and default is not None:
        return default
    if not form.fullmatch(text):
        wrong = f"{name} is {quote_value(text)}, not {what}" if text else f"{name} is not set"
        raise UsageError(wrong, f"set it to {what}")
    return text
