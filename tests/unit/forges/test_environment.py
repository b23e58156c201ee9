"""The variables of a job: which forge, which project, and what is missing."""

import pytest

from imagesync.errors import UsageError
from imagesync.forges.environment import Kind, Runner, read_runner

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


OTHER_SHA = "a" * 64


def test_all_that_a_job_of_github_knows() -> None:
    """Each value is that of its own variable."""
    own = {
        "GITHUB_API_URL": "http://git.example/api",
        "GITHUB_SERVER_URL": "https://git.example/",
        "GITHUB_SHA": OTHER_SHA,
        "GITHUB_REF_NAME": "release/1",
        "GITHUB_RUN_ID": "12",
        "GITHUB_RUN_ATTEMPT": "3",
        "GITHUB_EVENT_PATH": "/event.json",
    }
    page = "https://git.example/acme/images"
    assert read_runner({**GITHUB, **own}) == Runner(
        Kind.GITHUB,
        "ghs_secret",
        "http://git.example/api",
        "acme/images",
        "acme/images",
        page,
        OTHER_SHA,
        "release/1",
        f"{page}/actions/runs/12",
        event="/event.json",
        attempt=3,
    )
    plain = Runner(
        Kind.GITHUB,
        "ghs_secret",
        "https://api.github.com",
        "acme/images",
        "acme/images",
        "https://github.com/acme/images",
        "",
        "",
        "",
    )
    assert read_runner(GITHUB) == plain
    assert (plain.head, plain.event, plain.attempt, plain.request, plain.ca_file) == ("", "", 1, 0, "")


def test_all_that_a_job_of_gitlab_knows() -> None:
    """Each value is that of its own variable. Without a path, the name is the number."""
    own = {
        "CI_API_V4_URL": "https://gl.example/api/v4/",
        "CI_PROJECT_PATH": "acme/sub/images",
        "CI_PROJECT_URL": "https://gl.example/acme/sub/images/",
        "CI_COMMIT_SHA": SHA,
        "CI_COMMIT_BRANCH": "main",
        "CI_JOB_URL": "https://gl.example/job/6",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": OTHER_SHA,
        "CI_MERGE_REQUEST_IID": "4",
        "CI_SERVER_TLS_CA_FILE": "/ca.pem",
    }
    assert read_runner({**GITLAB, **own}) == Runner(
        Kind.GITLAB,
        "glpat-secret",
        "https://gl.example/api/v4",
        "7",
        "acme/sub/images",
        "https://gl.example/acme/sub/images",
        SHA,
        "main",
        "https://gl.example/job/6",
        OTHER_SHA,
        "",
        1,
        4,
        "/ca.pem",
    )
    plain = Runner(Kind.GITLAB, "glpat-secret", "https://gitlab.com/api/v4", "7", "7", "", "", "", "")
    assert read_runner(GITLAB) == plain


@pytest.mark.parametrize(
    ("variables", "name", "values"),
    [
        (GITHUB, "GITHUB_TOKEN", ["a b", "x" * 4097, "\x7f"]),
        (
            GITHUB,
            "GITHUB_REPOSITORY",
            ["acme", "acme/", "/images", "a/b/c", f"{'a' * 101}/b", f"a/{'b' * 101}", "a/b\n"],
        ),
        (GITHUB, "GITHUB_SHA", ["a" * 39, "a" * 41, "a" * 63, "a" * 65, "A" * 40, "g" * 40]),
        (GITHUB, "GITHUB_RUN_ID", ["0", "01", "-1", "1" * 19, "1 "]),
        (GITHUB, "GITHUB_RUN_ATTEMPT", ["0", "x"]),
        (GITHUB, "GITHUB_API_URL", ["https://", "https://x y", "https://x?y", "https://x#y", "https://" + "x" * 2001]),
        (GITLAB, "CI_PROJECT_ID", ["a b", "a?b", "a" * 501]),
        (GITLAB, "CI_PROJECT_PATH", ["a b"]),
        (GITLAB, "CI_PROJECT_URL", ["x"]),
        (GITLAB, "CI_JOB_URL", ["javascript:x"]),
        (GITLAB, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", ["main"]),
        (GITLAB, "CI_COMMIT_SHA", ["main"]),
    ],
)
def test_a_value_of_another_form_is_refused(variables: dict[str, str], name: str, values: list[str]) -> None:
    """It would become a part of an address, or of Markdown."""
    for value in values:
        with pytest.raises(UsageError) as caught:
            read_runner({**variables, name: value})
        assert caught.value.message.startswith(f"{name} "), value


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        (GITHUB, "GITHUB_TOKEN", "x" * 4096),
        (GITHUB, "GITHUB_REPOSITORY", f"{'a' * 100}/{'b' * 100}"),
        (GITHUB, "GITHUB_SHA", "0" * 40),
        (GITHUB, "GITHUB_RUN_ID", "9" * 18),
        (GITLAB, "CI_PROJECT_ID", "a/b-c_d." + "e" * 492),
        (GITLAB, "CI_JOB_URL", "http://[::1]:80/~x/%20@y"),
    ],
)
def test_the_longest_values_are_accepted(variables: dict[str, str], name: str, value: str) -> None:
    """And each character that such a value may have."""
    read_runner({**variables, name: value})


def test_each_part_of_the_commit_is_needed() -> None:
    """The message has the name of the variable of this forge."""
    names = {
        Kind.GITHUB: (GITHUB, "GITHUB_SHA", "GITHUB_REF_NAME"),
        Kind.GITLAB: (GITLAB, "CI_COMMIT_SHA", "CI_COMMIT_BRANCH"),
    }
    for variables, commit, branch in names.values():
        whole = {**variables, commit: SHA, branch: "main"}
        read_runner(whole).check_commit()
        for missing in (commit, branch):
            with pytest.raises(UsageError) as caught:
                read_runner({**whole, missing: ""}).check_commit()
            assert str(caught.value) == f"{missing} is not set; run the command in a job for a commit of a branch"


def test_the_text_of_a_runner_has_its_forge_and_its_project() -> None:
    """And nothing else."""
    assert repr(read_runner(GITHUB)) == "Runner(github, acme/images)"
    assert repr(read_runner({**GITLAB, "CI_PROJECT_PATH": "x/y"})) == "Runner(gitlab, 7)"
