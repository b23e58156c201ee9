"""Requests to a forge: further tries, limits, redirects, and where the token is sent."""

import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProxyError

from imagesync.errors import ForgeError
from imagesync.forges.environment import read_runner
from imagesync.forges.wire import MAX_DOWNLOAD_SECONDS, MAX_RESPONSE_BYTES, Client, Limits
from imagesync.retry import Pace
from imagesync.version import __version__
from tests.forge import ForgeDouble

USER = "/repos/acme/images/issues"
QUERY = {"state": "open", "labels": "x"}
ISSUE = {"title": "t", "body": "b", "labels": list[str]()}
HINT = "ask for the permission"


def make_client(double: ForgeDouble, pace: Pace, limits: Limits = Limits(max_bytes=2**20), /, **env: str) -> Client:
    """A client of GitHub; it is closed with the double."""
    runner = read_runner(double.make_github_env(**env))
    headers = {"Authorization": f"Bearer {runner.token}", "X-GitHub-Api-Version": "2022-11-28"}
    return double.keep(Client("GitHub", runner, headers, pace, limits))


@pytest.fixture
def client(double: ForgeDouble, pace: Pace) -> Client:
    """The usual one."""
    return make_client(double, pace)


def fail(client: Client, method: str = "GET") -> ForgeError:
    """The error of a request for issues."""
    with pytest.raises(ForgeError) as caught:
        _ = client.get(USER, HINT, QUERY) if method == "GET" else client.send(method, USER, HINT, ISSUE)
    return caught.value


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(double: ForgeDouble, client: Client, waits: list[float], status: int) -> None:
    """Not earlier than the forge asks."""
    double.add_fault("issues", status, headers={"Retry-After": "7"})
    double.add_fault("issues", status)
    assert client.get(USER, HINT, QUERY) == []
    assert waits == [7.0, 2.0]


def test_tries_are_limited(double: ForgeDouble, client: Client, waits: list[float]) -> None:
    """In number, and in time: a forge that asks for an hour gets no further request."""
    double.add_fault("issues", 503, times=9, body='{"message": "down"}')
    error = fail(client)
    assert str(error).endswith("/repos/acme/images/issues: HTTP 503: down; try again later")
    assert (error.status, len(double.requests), len(waits)) == (503, 5, 4)
    double.state["faults"].clear()
    double.add_fault("issues", 503, headers={"Retry-After": "3600"})
    fail(client)
    assert len(double.requests) == 6


def test_a_lost_answer_is_asked_for_again(double: ForgeDouble, client: Client) -> None:
    """A request that reads changes nothing."""
    double.add_fault("issues", 0, cut=True)
    assert client.get(USER, HINT, QUERY) == []


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 0, "cut": True}], ids=["502", "cut"])
def test_a_write_that_may_have_been_done_is_not_repeated(
    double: ForgeDouble, client: Client, fault: dict[str, int]
) -> None:
    """A second one would be a second comment. The user runs the command again, which looks first."""
    double.add_fault("POST", **fault)
    assert "; run the command again: it finds what the forge may have written" in str(fail(client, "POST"))
    assert double.writes == ["POST /github/repos/acme/images/issues"]


def test_a_write_that_a_limit_refused_is_repeated(double: ForgeDouble, client: Client, waits: list[float]) -> None:
    """It was not done: by Retry-After, by the time of GitHub's limit, and after a minute without a time."""
    end = str(int(time.time()) + 20)
    double.add_fault("POST", 429, headers={"Retry-After": "3"})
    double.add_fault("POST", 403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": end})
    client.send("POST", USER, HINT, ISSUE)
    assert len(double.github["issues"]) == 1
    assert waits[0] == 3.0
    assert 15 < waits[1] <= 20
    waits.clear()
    double.add_fault("POST", 403, body='{"message": "You have exceeded a secondary rate limit. Please wait."}')
    client.send("POST", USER, HINT, ISSUE)
    assert waits == [60.0]


def test_a_limit_that_lasts_is_an_error_with_its_time(double: ForgeDouble, client: Client) -> None:
    """It is not a missing permission."""
    end = str(int(time.time()) + 3000)
    double.add_fault("issues", 403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": end})
    assert "the rate limit is reached; try again in " in str(fail(client))
    double.add_fault("issues", 403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400})
    assert str(fail(client)).endswith(HINT)


@pytest.mark.parametrize(("status", "hint"), [(401, "check the token"), (403, HINT), (404, HINT), (422, HINT)])
def test_a_refusal_names_the_request_and_the_permission(
    double: ForgeDouble, client: Client, status: int, hint: str
) -> None:
    """And the text of the forge."""
    double.add_fault(
        "issues", status, body='{"message": "No", "errors": [{"message": "too\\nlong"}, {"code": "c"}, 4]}'
    )
    error = fail(client)
    assert str(error) == f"GitHub: GET {double.url}/github{USER}: HTTP {status}: No: too long: c; {hint}"
    assert len(double.requests) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"message": "\\u001b[31m::add-mask::x\\u202e"}', r": \x1b[31m::add-mask::x\u202e"),
        ('{"message": "bad ghs_actions here"}', ": bad … here"),
        ('{"message": {"note": ["is too long"]}}', ': {"note": ["is too long"]}'),
        ('{"error": "insufficient_scope", "error_description": "more"}', ": insufficient_scope: more"),
        ("<html>", ""),
        ('["x"]', ""),
        ("[" * 100_000, ""),
        ('{"message": "' + "x" * 70_000 + '"}', ""),
    ],
)
def test_the_text_of_a_forge_is_one_printable_line(double: ForgeDouble, client: Client, body: str, text: str) -> None:
    """Without the token, and not longer than a line."""
    double.add_fault("issues", 400, body=body)
    assert str(fail(client)).endswith(f"HTTP 400{text}; {HINT}")


def test_a_long_text_is_cut(double: ForgeDouble, client: Client) -> None:
    """After 300 characters."""
    double.add_fault("issues", 400, body='{"message": "' + "a b " * 1000 + '"}')
    assert len(str(fail(client))) < 500


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_request_with_a_token_is_redirected(double: ForgeDouble, client: Client, status: int, method: str) -> None:
    """Not to another host, nor to the same one."""
    for place in (double.elsewhere, f"{double.url}/github{USER}"):
        double.add_fault("issues", status, headers={"Location": place})
        message = f"the forge returned a redirect (HTTP {status}); check the address of the API"
        assert message in str(fail(client, method))
    assert [one["host"] for one in double.state["requests"]] == ["api", "api"]


def test_a_download_from_another_host_gets_no_token(double: ForgeDouble, client: Client) -> None:
    """GitHub stores artifacts elsewhere."""
    double.add_run(1, {"plan.json": b"{}"})
    assert client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000).startswith(b"PK")
    assert [(one["host"], one["has_token"]) for one in double.state["requests"]] == [("api", True), ("store", False)]


def test_the_body_of_a_redirect_is_not_read(double: ForgeDouble, client: Client) -> None:
    """It could be of any size. This one never arrives."""
    double.add_run(1, {"plan.json": b"{}"})
    double.add_fault(
        "zip", 302, headers={"Location": f"{double.elsewhere}/github/1", "Content-Length": "1000"}, body=""
    )
    assert client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000).startswith(b"PK")
    assert len(double.requests) == 1


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/x", "redirects to an address that is not https"),
        ("file:///etc/passwd", "redirects to no address"),
        ("", "redirects to no address"),
        ("http://[", "redirects to no address"),
    ],
)
def test_a_download_is_from_a_web_server(double: ForgeDouble, client: Client, location: str, message: str) -> None:
    """Not from a file of the runner."""
    double.add_run(1, {"plan.json": b"{}"})
    double.add_fault("zip", 302, headers={"Location": location}, times=9)
    with pytest.raises(ForgeError) as caught:
        client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000)
    assert message in str(caught.value)


def test_from_https_no_download_is_plain(double: ForgeDouble, pace: Pace) -> None:
    """The API decides: a redirect to http:// would let others change the plan."""
    client = make_client(double, pace, GITHUB_API_URL="https://api.example")
    with pytest.raises(ForgeError, match="redirects to an address that is not https"):
        client.check_place("http://127.0.0.1/x", "GitHub")
    client.check_place("https://127.0.0.1/x", "GitHub")


def test_redirects_of_a_download_are_counted(double: ForgeDouble, client: Client) -> None:
    """A loop ends."""
    double.add_fault("zip", 302, headers={"Location": f"{double.url}/github/repos/acme/images/x/zip"}, times=99)
    with pytest.raises(ForgeError, match="redirect"):
        client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000)
    assert len(double.requests) == 4
    assert [one["has_token"] for one in double.state["requests"]] == [True, False, False, False]


def test_responses_have_a_limit(double: ForgeDouble, pace: Pace, client: Client) -> None:
    """Of JSON, and of files."""
    double.add_fault("issues", 200, body="[" + "1," * 2**20 + "1]")
    assert "the response is larger than 1 MiB, the limit" in str(fail(client))
    double.add_run(1, {"plan.json": bytes(range(256)) * 10})
    with pytest.raises(ForgeError, match="larger than 0 MiB"):
        client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=10)


def test_what_is_no_json_is_an_error(double: ForgeDouble, client: Client) -> None:
    """For example the page of a proxy."""
    double.add_fault("issues", 200, body="<html>")
    assert "the response is not JSON; check the address of the API" in str(fail(client))
    double.add_fault("issues", 200, body="[" * 100_000)
    assert "the response is not JSON" in str(fail(client))


@pytest.mark.parametrize("body", ["{}", "null", '"x"', ""])
def test_what_is_no_list_is_an_error(double: ForgeDouble, client: Client, body: str) -> None:
    """As an empty list, it would hide the comment that exists, and a second one would be written."""
    double.add_fault("issues", 200, body=body)
    with pytest.raises(ForgeError, match="the response is not a list"):
        list(client.list(USER, HINT, QUERY))


def test_lists_have_a_limit(double: ForgeDouble, client: Client) -> None:
    """A forge that always has a next page does not keep a run for ever."""
    link = {"Link": f'<{double.elsewhere}/evil>; rel="next"'}
    double.add_fault("issues", 200, times=10_001, body="[" + ",".join(["1"] * 500) + "]", headers=link)
    with pytest.raises(ForgeError, match="more than 10,000 entries"):
        list(client.list(USER, HINT, QUERY))
    assert {one["host"] for one in double.state["requests"]} == {"api"}


def test_empty_pages_have_a_limit_too(double: ForgeDouble, client: Client) -> None:
    """They never reach the limit of entries."""
    double.add_fault("issues", 200, times=10_001, body="[]", headers={"Link": f'<{double.elsewhere}/x>; rel="next"'})
    with pytest.raises(ForgeError, match="the list has 20 empty pages and no end"):
        list(client.list(USER, HINT, QUERY))
    assert len(double.state["requests"]) == 20


def test_a_login_of_netrc_does_not_replace_the_token(
    double: ForgeDouble, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP library reads that file for each host."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    double.add_run(1, {"plan.json": b"{}"})
    assert client.get(USER, HINT, QUERY) == []
    client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000)
    assert [one["has_token"] for one in double.state["requests"]] == [True, True, False]


def test_responses_have_a_time(double: ForgeDouble, pace: Pace, waits: list[float]) -> None:
    """For the head, for a further piece, and for the whole body. Each is tried again."""
    client = make_client(double, pace, Limits(read=0.2))
    double.add_fault("issues", 200, stall=True, times=5)
    assert str(fail(client)).endswith(": no response within 0 s; try again later")
    double.add_fault("issues", 200, headers={"Content-Length": "1000"}, body="[", times=5)
    assert str(fail(client)).endswith(": the connection was lost; try again later")
    assert len(waits) == 8
    late = make_client(double, pace, Limits(body=0))
    assert str(fail(late)).endswith(": no complete response within 0 s; try again later")


def test_a_write_that_was_never_sent_is_tried_again(double: ForgeDouble, pace: Pace, waits: list[float]) -> None:
    """Without a connection, nothing was written; the hint is about the network."""
    client = make_client(double, pace, GITHUB_API_URL="http://127.0.0.1:1")
    assert "no connection; check its address" in str(fail(client, "POST"))
    assert len(waits) == 4


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"GITHUB_API_URL": "http://127.0.0.1:1"}, "no connection; check its address, the network, and the *_proxy"),
        ({"GITHUB_API_URL": "https://127.0.0.1:PORT"}, "the TLS connection failed; try again later"),
    ],
)
def test_a_server_that_cannot_be_reached_is_an_error(
    double: ForgeDouble, pace: Pace, env: dict[str, str], message: str
) -> None:
    """After the tries."""
    env = {name: value.replace("PORT", str(double.port)) for name, value in env.items()}
    assert message in str(fail(make_client(double, pace, **env)))


def test_a_file_of_authorities_that_does_not_exist_is_an_error(double: ForgeDouble, pace: Pace) -> None:
    """It is not ignored, because the certificate would be checked with others."""
    runner = read_runner(
        {**double.make_gitlab_env(), "CI_API_V4_URL": "https://127.0.0.1:1", "CI_SERVER_TLS_CA_FILE": "/no"}
    )
    client = double.keep(Client("GitLab", runner, {"PRIVATE-TOKEN": "x"}, pace))
    assert "the request cannot be sent; check its address, and REQUESTS_CA_BUNDLE and CI_SERVER" in str(fail(client))


def test_the_usual_limits() -> None:
    """Bytes of a response; seconds for a connection, for a piece, for a whole response, and for a file."""
    assert Limits() == Limits(max_bytes=MAX_RESPONSE_BYTES, connect=10.0, read=30.0, body=60.0)
    assert (MAX_RESPONSE_BYTES, MAX_DOWNLOAD_SECONDS) == (128 * 2**20, 300.0)


def test_a_request_has_its_query_and_its_body(double: ForgeDouble, client: Client) -> None:
    """Pages are added to the query of a list; its entries come in order from all pages."""
    for number in range(5):
        double.github["issues"].append({"number": number, **ISSUE, "state": "open", "author": "x", "labels": ["x"]})
    assert [one["number"] for one in client.list(USER, HINT, QUERY, size=2)] == [4, 3, 2, 1, 0]
    queries = [one["query"] for one in double.state["requests"]]
    assert queries == [{**QUERY, "per_page": "2", "page": str(page)} for page in (1, 2, 3)]
    double.answer_json("issues", {"entries": [7], "other": [8]})
    assert list(client.list(USER, HINT, QUERY, name="entries")) == [7]
    assert double.state["requests"][-1]["query"] == {**QUERY, "per_page": "100", "page": "1"}
    double.answer_json("issues", {"other": [8]})
    with pytest.raises(ForgeError, match="the response is not a list"):
        list(client.list(USER, HINT, QUERY, name="entries"))


def test_an_empty_answer_is_none(double: ForgeDouble, client: Client) -> None:
    """Each status of success counts."""
    for status in (200, 201, 204, 299):
        double.add_fault("issues", status, body="")
        assert client.get(USER, HINT, QUERY) is None


@pytest.mark.parametrize("status", [300, 304, 400, 499, 501, 505])
def test_any_other_status_is_an_error_at_once(
    double: ForgeDouble, client: Client, waits: list[float], status: int
) -> None:
    """With its number, and it is in the error."""
    double.add_fault("issues", status, body="")
    error = fail(client)
    assert (str(error).endswith(f"{USER}: HTTP {status}; {HINT}"), error.status, waits) == (True, status, [])


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_write_that_changes_nothing_more_is_repeated(double: ForgeDouble, client: Client, method: str) -> None:
    """The same text replaces the text again."""
    double.add_fault(method, 502)
    double.add_fault(method, 200, body='{"x": 1}')
    assert client.send(method, f"{USER}/1", HINT, {"body": "b"}) == {"x": 1}
    assert len(double.requests) == 2


def test_a_limit_without_a_time_is_waited_for_as_any_failure(
    double: ForgeDouble, client: Client, waits: list[float]
) -> None:
    """It was not done, so also a POST is repeated. HTTP 403 without a time is a missing permission."""
    double.add_fault("POST", 429)
    client.send("POST", USER, HINT, ISSUE)
    assert (len(double.github["issues"]), len(waits)) == (1, 1)
    double.add_fault("POST", 403)
    assert str(fail(client, "POST")).endswith(f"HTTP 403; {HINT}")
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "4"}, 4.0),
        ({"Retry-After": "4", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}, 4.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, 1.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "5"}, None),
        ({"x-ratelimit-reset": "5"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1" * 12}, None),
    ],
    ids=str,
)
def test_the_time_of_a_limit_is_that_of_the_response(
    double: ForgeDouble, client: Client, waits: list[float], headers: dict[str, str], seconds: float | None
) -> None:
    """Retry-After first; a time that is over is a second; without a time, HTTP 403 is not a limit."""
    double.add_fault("issues", 403, headers=headers)
    if seconds is None:
        assert str(fail(client)).endswith(HINT)
        assert waits == []
    else:
        assert client.get(USER, HINT, QUERY) == []
        assert waits == [seconds]


def test_a_secondary_limit_has_the_time_of_the_response_if_there_is_one(
    double: ForgeDouble, client: Client, waits: list[float]
) -> None:
    """Else a minute."""
    body = '{"message": "You have exceeded a secondary rate limit."}'
    for headers in ({"Retry-After": "9"}, dict[str, str]()):
        double.add_fault("issues", 429, body=body, headers=headers)
        assert client.get(USER, HINT, QUERY) == []
    assert waits == [9.0, 60.0]


def test_a_login_in_the_text_of_a_forge_is_hidden(double: ForgeDouble, client: Client) -> None:
    """And the token, wherever it is."""
    double.add_fault("issues", 400, body='{"message": "no https://me:pw1@x/ or ghs_actions/ghs_actions"}')
    text = str(fail(client))
    assert "pw1" not in text
    assert "ghs_actions" not in text
    assert text.endswith(f"…/…; {HINT}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_secret_of_a_query_is_not_in_a_message(double: ForgeDouble, client: Client, method: str) -> None:
    """The address is that without its query; a body is not there, either."""
    double.add_fault("issues", 422, body="{}")
    assert str(fail(client, method)) == f"GitHub: {method} {double.url}/github{USER}: HTTP 422; {HINT}"


def test_entries_between_empty_pages_begin_the_count_again(double: ForgeDouble, client: Client) -> None:
    """Only empty pages in a row have no end."""
    link = {"Link": f'<{double.elsewhere}/x>; rel="next"'}
    for body, times in (("[]", 19), ("[1]", 1), ("[]", 19), ("[2]", 1)):
        double.add_fault("issues", 200, times=times, body=body, headers=link)
    double.answer_json("issues", [3])
    assert list(client.list(USER, HINT, QUERY)) == [1, 2, 3]


def test_a_list_may_have_as_many_entries_as_the_limit(double: ForgeDouble, client: Client) -> None:
    """If it ends there; else there is no further request."""
    link = {"Link": f'<{double.elsewhere}/x>; rel="next"'}
    double.add_fault("issues", 200, body="[" + ",".join(["1"] * 9_999) + "]", headers=link)
    double.answer_json("issues", [2])
    assert len(list(client.list(USER, HINT, QUERY))) == 10_000
    before = len(double.requests)
    double.add_fault("issues", 200, body="[" + ",".join(["1"] * 10_000) + "]", headers=link)
    with pytest.raises(ForgeError) as caught:
        list(client.list(USER, HINT, QUERY))
    where = f"GitHub: GET {double.url}/github{USER}"
    assert str(caught.value) == f"{where}: the list has more than 10,000 entries; remove some of them"
    assert len(double.requests) == before + 1


def test_a_download_may_be_as_large_as_its_limit(double: ForgeDouble, client: Client) -> None:
    """One byte more is an error. A failure that passes is tried again, and other failures have their hint."""
    double.add_fault("zip", 503)
    double.add_fault("zip", 200, body="x" * 100)
    path = "/repos/acme/images/actions/artifacts/1/zip"
    assert client.download(path, HINT, max_bytes=100) == b"x" * 100
    double.add_fault("zip", 200, body="x" * 101)
    with pytest.raises(ForgeError, match="larger than 0 MiB, the limit"):
        client.download(path, HINT, max_bytes=100)
    double.add_fault("zip", 410, body='{"message": "Gone"}')
    with pytest.raises(ForgeError) as caught:
        client.download(path, HINT, max_bytes=100)
    assert str(caught.value) == f"GitHub: GET {double.url}/github{path}: HTTP 410: Gone; {HINT}"


def test_three_redirects_of_a_download_are_followed(double: ForgeDouble, client: Client) -> None:
    """A relative address is one of the server that named it."""
    first = {"Location": f"{double.url}/github/repos/acme/images/x/zip"}
    double.add_fault("zip", 302, headers=first, times=2)
    double.add_fault("zip", 307, headers={"Location": "/github/repos/acme/images/y/zip"})
    double.add_fault("y/zip", 200, body="end")
    assert client.download("/repos/acme/images/actions/artifacts/1/zip", HINT, max_bytes=1000) == b"end"


def fail_with(error: Exception, given: list[dict[str, Any]]) -> Callable[..., Any]:
    """A request of the HTTP library that raises an error, and notes how it was called."""

    def request(method: str, url: str, **more: Any) -> Any:
        given.append({"method": method, "url": url, **more})
        raise error

    return request


def wrap(cause: Exception) -> requests.ConnectionError:
    """The error of the library around another one."""
    return requests.ConnectionError(MaxRetryError(None, "/x", cause))  # type: ignore[arg-type]  # no pool


AGAIN = "try again later"
NETWORK = "check its address, the network, and the *_proxy variables"
AUTHORITY = "set REQUESTS_CA_BUNDLE to a file with the authority of its certificate"
SETTINGS = "check its address, and REQUESTS_CA_BUNDLE and CI_SERVER_TLS_CA_FILE if they are set"


@pytest.mark.parametrize(
    ("error", "text", "hint", "reads", "writes"),
    [
        (requests.exceptions.SSLError(ssl.SSLError(1, "x")), "the TLS connection failed", AGAIN, 5, 1),
        (
            requests.exceptions.SSLError(MaxRetryError(None, "/x", ssl.SSLCertVerificationError("x"))),  # type: ignore[arg-type]
            "the TLS certificate is not accepted",
            AUTHORITY,
            1,
            1,
        ),
        (requests.ReadTimeout(), "no response within 30 s", AGAIN, 5, 1),
        (wrap(NewConnectionError(None, "refused")), "no connection", NETWORK, 5, 5),  # type: ignore[arg-type]
        (wrap(ConnectTimeoutError("late")), "no connection", NETWORK, 5, 5),
        (wrap(ProxyError("proxy", OSError("x"))), "no connection", NETWORK, 5, 5),
        (requests.ConnectionError(ConnectionResetError()), "no connection", NETWORK, 5, 1),
        (requests.exceptions.InvalidURL("x"), "the request cannot be sent", SETTINGS, 1, 1),
        (ValueError("x"), "the request cannot be sent", SETTINGS, 1, 1),
        (OSError("x"), "the request cannot be sent", SETTINGS, 1, 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_of_the_library_is_one_line_with_a_hint(
    double: ForgeDouble, pace: Pace, error: Exception, text: str, hint: str, reads: int, writes: int
) -> None:
    """A read is tried again if it may pass; a write only if it was not sent."""
    for method, tries in (("GET", reads), ("POST", writes)):
        client, given = make_client(double, pace, Limits()), list[dict[str, Any]]()
        client._session.request = fail_with(error, given)  # type: ignore[method-assign]
        found, is_done = fail(client, method), method == "POST" and reads > writes
        expected = "run the command again: it finds what the forge may have written" if is_done else hint
        assert str(found) == f"GitHub: {method} {double.url}/github{USER}: {text}; {expected}"
        assert len(given) == tries


def test_each_request_has_its_limits_and_its_authority(double: ForgeDouble, pace: Pace) -> None:
    """The body is read later, no redirect is followed, and the certificate is checked; by the file of the job, if it has one."""
    runner = read_runner({**double.make_gitlab_env(), "CI_SERVER_TLS_CA_FILE": "/ca.pem"})
    own = double.keep(Client("GitLab", runner, {"PRIVATE-TOKEN": "x"}, pace))
    found = []
    for client in (make_client(double, pace, Limits(connect=3.0, read=4.0)), own):
        given = list[dict[str, Any]]()
        client._session.request = fail_with(ValueError("x"), given)  # type: ignore[method-assign]
        fail(client)
        fail(client, "POST")
        found += given
    rules = [(one["stream"], one["allow_redirects"], one["timeout"], one["verify"]) for one in found]
    assert rules == [(True, False, (3.0, 4.0), True)] * 2 + [(True, False, (10.0, 30.0), "/ca.pem")] * 2
    query, body = found[:2]
    assert (query["method"], query["params"], query["data"]) == ("GET", QUERY, None)
    assert (body["method"], body["params"], json.loads(body["data"])) == ("POST", None, ISSUE)
    token = {"Authorization": "Bearer ghs_actions", "X-GitHub-Api-Version": "2022-11-28", "Accept-Encoding": "identity"}
    assert query["headers"] == token
    assert body["headers"] == {**token, "Content-Type": "application/json"}
    assert own._session.headers["User-Agent"] == f"imagesync/{__version__}"


def test_a_limit_whose_time_is_over_and_that_stays_has_a_second(double: ForgeDouble, client: Client) -> None:
    """The clocks differ; a negative time would help no user."""
    double.add_fault("issues", 403, times=9, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"})
    assert str(fail(client)).endswith("HTTP 403; the rate limit is reached; try again in 1 s")
    assert len(double.requests) == 5


class ClosableAnswer:
    """A response of the HTTP library, which remembers that it was closed, and whether its body was read."""

    def __init__(self, status: int, body: bytes = b"", target: str = "") -> None:
        self.status_code, self.url, self.links = status, "https://api.example/x", dict[str, Any]()
        self.headers = {"X-Imagesync-Location": target} if target else {}
        self.raw, self._body, self.is_read, self.is_closed = self, body, False, False

    def read1(self, _size: int, *, decode_content: bool) -> bytes:
        """The body, once."""
        assert decode_content
        self.is_read, body, self._body = True, self._body, b""
        return body

    def close(self) -> None:
        """End the response."""
        self.is_closed = True

    def __enter__(self) -> "ClosableAnswer":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def answer_with(client: Client, *answers: ClosableAnswer) -> list[dict[str, Any]]:
    """Let the HTTP library return these responses, one after another; how it is called."""
    waiting, given = list(answers), list[dict[str, Any]]()

    def request(method: str, url: str, **more: Any) -> Any:
        given.append({"method": method, "url": url, **more})
        return waiting.pop(0)

    client._session.request = request  # type: ignore[method-assign,assignment]
    return given


@pytest.mark.parametrize(
    ("answer", "is_error"),
    [
        (ClosableAnswer(200, b"[1]"), False),
        (ClosableAnswer(204), False),
        (ClosableAnswer(404, b'{"message": "no"}'), True),
        (ClosableAnswer(302, target="https://b.example"), True),
        (ClosableAnswer(200, b"<html>"), True),
    ],
    ids=["list", "empty", "refusal", "redirect", "no JSON"],
)
def test_each_response_is_closed(client: Client, answer: ClosableAnswer, *, is_error: bool) -> None:
    """Also after an error: its connection would stay open as long as the command runs."""
    answer_with(client, answer)
    if is_error:
        fail(client)
    else:
        client.get(USER, HINT)
    assert answer.is_closed


def test_each_response_of_a_download_is_closed(client: Client) -> None:
    """Those of redirects without reading them."""
    answers = [
        ClosableAnswer(302, b"x", "https://b.example/y"),
        ClosableAnswer(307, b"x", "https://c.example/y"),
        ClosableAnswer(200, b"data"),
    ]
    answer_with(client, *answers)
    assert client.download("/x", HINT, max_bytes=4) == b"data"
    assert [(one.is_closed, one.is_read) for one in answers] == [(True, False), (True, False), (True, True)]


def test_a_server_of_files_is_checked_by_the_usual_authorities(double: ForgeDouble, pace: Pace) -> None:
    """Not by the file of the job, which is for the forge. It gets neither the token nor a query."""
    runner = read_runner({**double.make_gitlab_env(), "CI_SERVER_TLS_CA_FILE": "/ca.pem"})
    client = double.keep(Client("GitLab", runner, {"PRIVATE-TOKEN": "x"}, pace))
    given = answer_with(client, ClosableAnswer(302, target="https://b.example/y?sig=1"), ClosableAnswer(200, b"data"))
    assert client.download("/x", HINT, max_bytes=4) == b"data"
    first, second = given
    assert (first["url"], first["verify"]) == (f"{double.url}/gitlab/x", "/ca.pem")
    assert first["headers"] == {"PRIVATE-TOKEN": "x", "Accept-Encoding": "identity"}
    assert (second["method"], second["url"], second["verify"]) == ("GET", "https://b.example/y?sig=1", True)
    assert second["headers"] == {"Accept-Encoding": "identity"}
    assert (second["allow_redirects"], second["stream"], second["timeout"]) == (False, True, (10.0, 30.0))
    assert not {"params", "data"} & second.keys()
