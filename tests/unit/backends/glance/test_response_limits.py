"""Redirects of services: which of them are followed."""

import io

import pytest
import requests
from urllib3 import HTTPResponse

from imagesync.backends.glance.response_limits import guard_answer
from imagesync.errors import BackendError


def make_redirect(
    url: str, target: str, *, token: str = "", method: str = "GET", status: int = 302
) -> requests.Response:
    """The response to a request, before its body is read."""
    answer = requests.Response()
    answer.status_code, answer.url = status, url
    answer.headers["Location"] = target
    answer.request = requests.Request(method, url, headers={"X-Auth-Token": token} if token else {}).prepare()
    answer.raw = HTTPResponse(io.BytesIO(b"moved"), preload_content=False)
    return answer


@pytest.mark.parametrize(
    ("url", "target", "is_followed"),
    [
        ("https://h/identity", "https://h/identity/v3", True),
        ("https://h/identity", "/identity/v3", True),
        ("http://h/identity", "https://h/identity/v3", True),
        ("http://h/identity", "http://h/identity/v3", True),
        ("https://h/identity", "http://h/identity/v3", False),
        ("https://h/identity", "ftp://h/identity/v3", False),
        ("https://h/identity", "https://other/identity/v3", False),
        ("https://h/identity", "https://[", False),
    ],
)
def test_only_a_redirect_to_the_same_host_and_not_to_plain_http_is_followed(
    url: str, target: str, is_followed: bool
) -> None:
    """The library sends the password to the address that the identity service returns."""
    answer = make_redirect(url, target)
    if is_followed:
        guard_answer(answer)
        assert answer.raw.read() == b"moved"
        return
    with pytest.raises(BackendError, match="which imagesync does not follow"):
        guard_answer(answer)


@pytest.mark.parametrize("changed", [{"token": "t"}, {"method": "POST"}])
@pytest.mark.parametrize("status", [301, 302, 303, 305, 307, 308])
def test_a_request_with_credentials_is_never_redirected(changed: dict[str, str], status: int) -> None:
    """It has a token, or a body with a password; it is not redirected even on the same host."""
    answer = make_redirect("https://h/identity", "https://h/identity/v3", status=status, **changed)
    with pytest.raises(BackendError, match="which imagesync does not follow"):
        guard_answer(answer)
