"""The variables of a job: which forge, which project, and what is missing."""

import pytest

from imagesync.errors import UsageError
from imagesync.forges.environment import Kind, read_runner

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_TOKEN": "ghs_secret", "GITHUB_REPOSITORY": "acme/images"}
GITLAB = {"GITLAB_CI": "true", "GITLAB_TOKEN": "glpat-secret", "CI_PROJECT_ID": "7"}
SHA = "1234567890abcdef1234567890abcdef12345678"


def test_the_forge_is_that_of_the_job() -> None:
    """Each sets a variable of its own."""
    assert read_runner(GITHUB).kind is Kind.GITHUB
    assert read_runner(GITLAB).kind is Kind.GITLAB


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "neither of GITHUB_ACTIONS and GITLAB_CI is true, so this job is not of GitHub or GitLab; pass --forge"),
        ({**GITHUB, **GITLAB}, "GITHUB_ACTIONS and GITLAB_CI are both true; pass --forge"),
        ({**GITHUB, "GITHUB_ACTIONS": "1"}, "neither of GITHUB_ACTIONS and GITLAB_CI is true"),
    ],
)
def test_another_job_names_the_forge(variables: dict[str, str], message: str) -> None:
    """With an option."""
    with pytest.raises(UsageError) as caught:
        read_runner(variables)
    assert str(caught.value).startswith(message)


def test_a_named_forge_is_used() -> None:
    """Also if the job is of the other one."""
    assert read_runner({**GITHUB, **GITLAB}, Kind.GITLAB).project == "7"
    assert read_runner({**GITLAB, **GITHUB}, Kind.GITHUB).project == "acme/images"


@pytest.mark.parametrize(
    ("variables", "name", "value", "message"),
    [
        (
            GITHUB,
            "GITHUB_TOKEN",
            "",
            "GITHUB_TOKEN is not set; set it for this step only: env: GITHUB_TOKEN: ${{ github",
        ),
        (GITHUB, "GITHUB_TOKEN", " \n", "GITHUB_TOKEN is not set"),
        (GITHUB, "GITHUB_TOKEN", "ghs_a\nX-Evil: 1", "GITHUB_TOKEN has characters that no token has"),
        (
            GITLAB,
            "GITLAB_TOKEN",
            "",
            "GITLAB_TOKEN is not set; add a masked CI/CD variable with a project access token",
        ),
        (GITLAB, "GITLAB_TOKEN", "glpat-ä", "GITLAB_TOKEN has characters that no token has"),
        (GITHUB, "GITHUB_REPOSITORY", "", "GITHUB_REPOSITORY is not set; set it to OWNER/NAME"),
        (GITHUB, "GITHUB_REPOSITORY", "acme/../x", "GITHUB_REPOSITORY is 'acme/../x', not OWNER/NAME"),
        (GITHUB, "GITHUB_SHA", "main", "GITHUB_SHA is 'main', not a commit"),
        (GITHUB, "GITHUB_RUN_ID", "5/../6", "GITHUB_RUN_ID is '5/../6', not a number"),
        (GITHUB, "GITHUB_API_URL", "ftp://x", "GITHUB_API_URL is 'ftp://x', not an http or https address"),
        (GITHUB, "GITHUB_SERVER_URL", "https://x/)[y](", "GITHUB_SERVER_URL is"),
        (GITLAB, "CI_PROJECT_ID", "", "CI_PROJECT_ID is not set"),
        (GITLAB, "CI_API_V4_URL", "gitlab.example", "CI_API_V4_URL is 'gitlab.example', not an http or https address"),
        (GITLAB, "CI_MERGE_REQUEST_IID", "0", "CI_MERGE_REQUEST_IID is '0', not a number"),
    ],
)
def test_what_is_missing_or_wrong_is_named(variables: dict[str, str], name: str, value: str, message: str) -> None:
    """With what to do. A token is never shown."""
    with pytest.raises(UsageError) as caught:
        read_runner({**variables, name: value})
    assert str(caught.value).startswith(message)
    if name.endswith("_TOKEN"):
        assert value.strip() == "" or value not in str(caught.value)


def test_a_token_is_in_no_text_of_the_runner() -> None:
    """A traceback may have it. The line break at the end of a file is removed."""
    for variables, token in ((GITHUB, "ghs_secret"), (GITLAB, "glpat-secret")):
        runner = read_runner({name: f"{value}\n" if value == token else value for name, value in variables.items()})
        assert runner.token == token
        assert token not in repr(runner)


def test_own_servers_have_their_addresses() -> None:
    """Without a slash at the end."""
    own = {"GITHUB_API_URL": "https://git.corp.example/api/v3/", "GITHUB_SERVER_URL": "https://git.corp.example"}
    runner = read_runner({**GITHUB, **own, "GITHUB_RUN_ID": "9"})
    assert runner.api == "https://git.corp.example/api/v3"
    assert runner.run_url == "https://git.corp.example/acme/images/actions/runs/9"
    assert read_runner(GITHUB).api == "https://api.github.com"
    assert (
        read_runner({**GITLAB, "CI_API_V4_URL": "https://gl.example:8443/api/v4"}).api
        == "https://gl.example:8443/api/v4"
    )
    assert read_runner(GITLAB).api == "https://gitlab.com/api/v4"


def test_a_job_without_a_commit_or_a_branch_is_found_where_it_matters() -> None:
    """A comment needs neither."""
    assert read_runner(GITHUB).sha == ""
    with pytest.raises(UsageError, match="GITHUB_SHA is not set"):
        read_runner(GITHUB).check_commit()
    with pytest.raises(UsageError, match="CI_COMMIT_BRANCH is not set"):
        read_runner({**GITLAB, "CI_COMMIT_SHA": SHA}).check_commit()
    read_runner({**GITHUB, "GITHUB_SHA": SHA, "GITHUB_REF_NAME": "main"}).check_commit()
