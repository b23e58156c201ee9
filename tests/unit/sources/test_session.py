"""What a request sends to a web server, and which answer it takes."""

import io
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from imagesync.errors import SourceError
from imagesync.sources import session as limits
from imagesync.sources.access import Deadline, PassingError, SourceAccess
from imagesync.sources.session import MAX_REDIRECTS, TIMEOUTS, WebSession
from imagesync.version import __version__
from tests.fault.mirror import File, Mirror, mirror


class Redirecting(WebSession):
    """A session whose first request is answered with a redirect, if a target is given; then it answers with ``status``.
    ``logins`` are those of the requests.
    """

    def __init__(self, target: str, status: int = 200) -> None:
        super().__init__(SourceAccess())
        self._target, self._status = target, status
        self.logins: list[tuple[str, str] | None] = []

    def __enter__(self) -> Self:
        return self

    def _send(
        self, method: str, place: str, url: str, headers: Mapping[str, str], login: tuple[str, str] | None
    ) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw = self._status, io.BytesIO()
        if self._target and not self.logins:
            answer.status_code = 302
            answer.headers["Location"] = self._target
        self.logins.append(login)
        return answer


@pytest.mark.parametrize(
    ("target", "is_sent"),
    [
        ("http://a.example/y", True),
        ("http://a.example:80/y", True),
        ("/y", True),
        ("https://a.example/y", True),
        ("https://a.example:443/y", True),
        ("http://b.example/y", False),
        ("https://b.example/y", False),
        ("//b.example/y", False),
        ("http://a.example:8080/y", False),
        ("https://a.example:8443/y", False),
    ],
)
def test_a_log_in_follows_a_redirect_to_the_same_server_only(target: str, is_sent: bool) -> None:
    """Or to TLS on the same host, both on their usual ports: to another host never, whatever the scheme."""
    with Redirecting(target) as session:
        session.ask("http://me:secret@a.example/x").close()
    assert session.logins == [("me", "secret"), ("me", "secret") if is_sent else None]


@pytest.mark.parametrize("target", ["http://a.example/y", "https://a.example:80/y"])
def test_a_log_in_does_not_leave_tls(target: str) -> None:
    """The way back to plain HTTP is another server."""
    with Redirecting(target) as session:
        session.ask("https://me:secret@a.example/x").close()
    assert session.logins == [("me", "secret"), None]


@pytest.mark.parametrize(
    ("status", "headers", "is_taken"),
    [
        (200, {}, True),
        (206, {}, False),
        (204, {}, False),
        (200, {"Range": "bytes=5-"}, True),
        (206, {"Range": "bytes=5-"}, True),
    ],
)
def test_a_part_is_taken_only_if_it_was_asked_for(status: int, headers: dict[str, str], is_taken: bool) -> None:
    """Of a whole file, a part would be its beginning or any other piece."""
    with Redirecting("", status) as session:
        if is_taken:
            assert session.ask("https://a.example/x", headers).status_code == status
            return
        with pytest.raises(SourceError, match=f"HTTP {status}"):
            session.ask("https://a.example/x", headers)


ADDRESSES = {
    "public.example": "91.189.91.124",
    "other.example": "91.189.91.125",
    "inside.example": "10.0.0.7",
    "link.example": "169.254.169.254",
    "named.corp": "10.0.0.8",
}


class Reaching(WebSession):
    """A session whose hosts have the addresses of ``ADDRESSES``. ``redirects_of``: host -> the target of its redirect.

    ``contacted``: the hosts that got a request. Connections are kept with ``is_kept``, and a proxy hides the addresses.
    """

    def __init__(self, redirects_of: Mapping[str, str], *, hosts: tuple[str, ...] = (), is_proxy: bool = False) -> None:
        super().__init__(SourceAccess(hosts))
        self._redirects_of, self._is_proxy = redirects_of, is_proxy
        self.contacted: list[str] = []

    def _send(self, method: str, place: str, url: str, headers: Mapping[str, str], login: Any) -> requests.Response:
        host = place.split("/")[2].partition(":")[0]
        if not self._is_proxy and host not in self.contacted:
            self._judge(host, ADDRESSES.get(host, host))
        self.contacted.append(host)
        answer = requests.Response()
        answer.status_code, answer.raw = 200, io.BytesIO()
        if target := self._redirects_of.get(host):
            answer.status_code = 302
            answer.headers["Location"] = target
        return answer


def ask_through(*hosts: str, named: tuple[str, ...] = (), is_proxy: bool = False) -> Reaching:
    """Ask the first host, which redirects to the next one, and so on."""
    pairs = zip(hosts, [f"http://{host}/x" for host in hosts[1:]], strict=False)
    session = Reaching(dict(pairs), hosts=named, is_proxy=is_proxy)
    session.ask(f"http://{hosts[0]}/x").close()
    return session


@pytest.mark.parametrize(
    "hosts",
    [
        ("public.example", "other.example"),
        ("inside.example",),
        ("inside.example", "public.example"),
        ("inside.example", "named.corp"),
        ("10.0.0.7", "10.0.0.8"),
        ("91.189.91.124", "other.example"),
    ],
)
def test_a_redirect_may_lead_to_public_servers_and_between_internal_ones(hosts: tuple[str, ...]) -> None:
    """The manifest names the first server; a public one may not choose an internal one."""
    assert ask_through(*hosts).contacted == list(hosts)


@pytest.mark.parametrize(
    "hosts",
    [
        ("public.example", "inside.example"),
        ("public.example", "other.example", "inside.example"),
        ("inside.example", "public.example", "named.corp"),
        ("public.example", "10.0.0.7"),
        ("public.example", "127.0.0.1"),
        ("91.189.91.124", "inside.example"),
    ],
)
def test_a_public_server_does_not_lead_to_an_internal_one(hosts: tuple[str, ...]) -> None:
    """However many redirects are between the two. The operator may name the internal host; it gets no request before."""
    with pytest.raises(SourceError, match=f"a redirect leads from a public server to {hosts[-1]}, which has a private"):
        ask_through(*hosts)
    assert ask_through(*hosts, named=("*",)).contacted == list(hosts)
    session = Reaching(dict(zip(hosts, [f"http://{host}/x" for host in hosts[1:]], strict=False)))
    with pytest.raises(SourceError):
        session.ask(f"http://{hosts[0]}/x")
    assert hosts[-1] not in session.contacted


def test_a_kept_connection_to_an_internal_server_is_not_used_for_a_redirect() -> None:
    """The manifest names that server, too; no new connection is opened, so its address is not seen again."""
    session = Reaching({"public.example": "http://inside.example/secret"})
    session.ask("http://inside.example/x").close()
    with pytest.raises(SourceError, match=r"a redirect leads from a public server to inside\.example"):
        session.ask("http://public.example/x")
    session.ask("http://inside.example/x").close()
    assert session.contacted == ["inside.example", "public.example", "inside.example"]


@pytest.mark.parametrize("hosts", [("link.example",), ("169.254.169.254",), ("inside.example", "link.example")])
@pytest.mark.parametrize("named", [(), ("*",)])
def test_a_link_local_address_is_never_contacted(hosts: tuple[str, ...], named: tuple[str, ...]) -> None:
    """It is that of a cloud's metadata service, which gives credentials; naming the host does not help."""
    with pytest.raises(SourceError, match="has a link-local address, which imagesync never contacts"):
        ask_through(*hosts, named=named)


def test_behind_a_proxy_the_addresses_in_urls_are_checked() -> None:
    """The proxy resolves the names, so a server counts as public."""
    assert ask_through("public.example", "inside.example", is_proxy=True).contacted[-1] == "inside.example"
    with pytest.raises(SourceError, match="a redirect leads from a public server to 10"):
        ask_through("public.example", "10.0.0.7", is_proxy=True)
    with pytest.raises(SourceError, match="link-local"):
        ask_through("169.254.169.254", is_proxy=True)


def test_only_named_hosts_are_contacted() -> None:
    """Neither directly nor by a redirect is another host; the message says which of both."""
    named = ("*.corp", "public.example")
    assert ask_through("public.example", "named.corp", named=named).contacted == ["public.example", "named.corp"]
    with pytest.raises(SourceError, match=r"^http://other.example/x: other.example is not named by --source-hosts"):
        ask_through("other.example", named=named)
    with pytest.raises(SourceError, match=r"^http://public.example/x: redirects to other.example, which is not named"):
        ask_through("public.example", "other.example", named=named)


class Chain(WebSession):
    """A session that answers each request with the next status and its Location."""

    def __init__(self, *answers: tuple[int, str | None]) -> None:
        super().__init__(SourceAccess())
        self._answers = list(answers)
        self.places: list[str] = []

    def _send(self, method: str, place: str, url: str, headers: Mapping[str, str], login: Any) -> requests.Response:
        self.places.append(place)
        answer = requests.Response()
        answer.raw = io.BytesIO()
        answer.status_code, target = self._answers.pop(0)
        if target is not None:
            answer.headers["Location"] = target
        return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    """Its URLs are kept for the last request only."""
    session = Chain((status, "/b"), (status, "http://b.example/c#part"), (200, "/no-redirect"), (200, None))
    session.ask("http://a.example/a").close()
    assert session.places == ["http://a.example/a", "http://a.example/b", "http://b.example/c"]
    assert session.redirects == ["http://a.example/b", "http://b.example/c"]
    session.ask("http://a.example/d").close()
    assert session.redirects == []


@pytest.mark.parametrize("answer", [(300, "/b"), (304, "/b"), (305, "/b"), (306, "/b"), (302, None), (204, "/b")])
def test_other_answers_are_not_redirects(answer: tuple[int, str | None]) -> None:
    """Nor is one without a target."""
    with pytest.raises(SourceError, match=f"HTTP {answer[0]}"):
        Chain(answer, (200, None)).ask("http://a.example/a")


@pytest.mark.parametrize("number", [0, 1, MAX_REDIRECTS - 1, MAX_REDIRECTS, MAX_REDIRECTS + 1])
def test_ten_redirects_are_followed(number: int) -> None:
    """Browsers and curl follow a similar number."""
    session = Chain(*[(302, f"/{index}") for index in range(number)], (200, None))
    if number <= 10:
        session.ask("http://a.example/a").close()
        assert len(session.places) == number + 1
    else:
        with pytest.raises(SourceError, match="redirected more than 10 times"):
            session.ask("http://a.example/a")
        assert len(session.places) == 11


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/b c", "http://a.example/b%20c"),
        ("b", "http://a.example/x/b"),
        ("../b?q=1#part", "http://a.example/b?q=1"),
        ("//b.example/c", "http://b.example/c"),
        ("/\xc3\xa4", "http://a.example/%C3%A4"),
        ("/%C3%A4", "http://a.example/%C3%A4"),
        ("https://b.example/c", "https://b.example/c"),
        ("ftp://b.example/c", None),
        ("file:///etc/passwd", None),
        ("http://me:it@b.example/c", None),
        ("http://me@b.example/c", None),
        ("http://[", None),
    ],
)
def test_the_target_of_a_redirect(target: str, place: str | None) -> None:
    """Relative, with characters that a URL does not have, or a URL that is refused."""
    session = Chain((302, target), (200, None))
    if place is None:
        with pytest.raises(SourceError, match="redirects to a URL that is not http or https"):
            session.ask("http://a.example/x/a")
        return
    session.ask("http://a.example/x/a").close()
    assert session.places[-1] == place


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507, 520, 599])
def test_a_status_that_may_pass(status: int) -> None:
    """Another try may succeed; the hint says so."""
    with pytest.raises(PassingError, match=f"HTTP {status}; try again later"):
        Chain((status, None)).ask("http://a.example/a")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 409, 410, 416, 418, 424, 426, 428, 430, 451, 499])
def test_a_status_that_stays(status: int) -> None:
    """Another try would return it again."""
    with pytest.raises(SourceError, match=f"HTTP {status}; correct the URL") as caught:
        Chain((status, None)).ask("http://a.example/a")
    assert type(caught.value) is SourceError


NETRC = """
machine a.example login netrc-a password secret-a
machine b.example login netrc-b password secret-b
machine empty.example login only-login
default login anonymous password me@here
"""


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("http://a.example/x", ("netrc-a", "secret-a")),
        ("http://A.example/x", ("netrc-a", "secret-a")),
        ("http://a.example:8080/x", ("netrc-a", "secret-a")),
        ("http://b.example/x", ("netrc-b", "secret-b")),
        ("http://c.example/x", None),
        ("http://default/x", None),
        ("http://sub.a.example/x", None),
        ("http://me:secret@a.example/x", ("me", "secret")),
        ("http://me:a%40b%3Ac@a.example/x", ("me", "a@b:c")),
        ("http://m%20e:a:b@a.example/x", ("m e", "a:b")),
        ("http://me@c.example/x", ("me", "")),
    ],
)
@pytest.mark.parametrize("place", ["named", "home"])
def test_a_log_in_is_that_of_the_url_or_of_exactly_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, login: tuple[str, str] | None, place: str
) -> None:
    """The default entry of a netrc file is for every host, so it is never sent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    path = tmp_path / ("my-netrc" if place == "named" else ".netrc")
    path.write_text(NETRC)
    path.chmod(0o600)
    if place == "named":
        monkeypatch.setenv("NETRC", str(path))
        (tmp_path / ".netrc").write_text(
            "machine a.example login other password other\nmachine c.example login x password y\n"
        )
    with Redirecting("") as session:
        session.ask(url).close()
    assert session.logins == [login]


@pytest.mark.parametrize("content", [b"nonsense line", b"\xff\xfe", None])
def test_an_unreadable_netrc_file_gives_no_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """As for curl."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if content is not None:
        (tmp_path / "netrc").write_bytes(content)
    with Redirecting("") as session:
        session.ask("http://a.example/x").close()
    assert session.logins == [None]


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def test_what_a_request_sends(web: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log-in of the URL in UTF-8, or none: the library would read the netrc file by itself."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("default login x password y\n")
    web.publish("/a", b"data")
    with WebSession(SourceAccess()) as session:
        session.ask(f"{web.address}/a").close()
        assert web.logins == []
        session.ask(web.address.replace("//", "//m%C3%A4:s@") + "/a").close()
        assert web.logins == ["Basic bcOkOnM="]
        assert session._session.headers["User-Agent"] == f"imagesync/{__version__}"
    web.publish("/moved", File(b"a page", 302, {"Location": "/a"}))
    with WebSession(SourceAccess()) as session:
        session.ask(f"{web.address}/moved").close()
    assert len(web.logins) == 1


def test_the_page_of_a_redirect_is_dropped() -> None:
    """The library would read it whole, of any size, before it returns."""
    answer = requests.Response()
    answer.status_code = 302
    answer.headers["Location"] = "/b"
    page = answer.raw = io.BytesIO(b"page")
    other = requests.Response()
    other.raw = body = io.BytesIO(b"data")
    other.status_code = 200
    for hook in WebSession(SourceAccess())._session.hooks["response"]:
        hook(answer)
        hook(other)
    assert page.closed
    assert answer.raw.read() == b""
    assert other.raw is body
    assert body.read() == b"data"


def raised(error: Exception, cause: Exception | None = None) -> Callable[..., Any]:
    """A request that raises an error."""

    def request(*_: object, **_given: object) -> Any:
        raise error from cause

    return request


def tls_error(reason: str) -> ssl.SSLError:
    """An error of OpenSSL."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


WRAPPED = MaxRetryError(None, "/x", HTTPError(tls_error("WRONG_VERSION_NUMBER")))  # type: ignore[arg-type]  # no pool
REFUSED = NewConnectionError(None, "refused")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (requests.exceptions.SSLError(WRAPPED), SourceError, "the server speaks plain HTTP; write http://"),
        (requests.exceptions.SSLError(tls_error("TLSV1_ALERT")), PassingError, "the TLS connection failed; try again"),
        (
            requests.exceptions.SSLError(ssl.SSLCertVerificationError("no")),
            SourceError,
            "the TLS certificate is not accepted; .*REQUESTS_CA_BUNDLE",
        ),
        (requests.ConnectTimeout(), PassingError, "no connection within 10 s; try again later"),
        (requests.ReadTimeout(), PassingError, "no response within 60 s; try again later"),
        (requests.exceptions.ProxyError(), PassingError, "no connection to the proxy; check the .*proxy"),
        (requests.ConnectionError(REFUSED), PassingError, "no connection; check the address and the network"),
        (requests.ConnectionError("\x15\x03\x01"), SourceError, "but the server requires TLS; write https://"),
        (requests.exceptions.InvalidURL(), SourceError, "cannot be fetched; correct the URL"),
        (requests.exceptions.ContentDecodingError(), SourceError, "cannot be fetched; correct the URL"),
        (ValueError("label too long"), SourceError, "cannot be fetched; correct the URL"),
        (SourceError("it is refused", "do that"), SourceError, "it is refused; do that"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_error_of_the_library_is_one_line(error: Exception, kind: type[SourceError], message: str) -> None:
    """With the URL, without its query and log-in, and with what to do."""
    with WebSession(SourceAccess()) as session:
        session._session.request = raised(error)  # type: ignore[method-assign]
        with pytest.raises(SourceError, match=f"^http://a.example/x: .*{message}") as caught:
            session.ask("http://me:S3CRET@a.example/x?sig=S3CRET")
    assert type(caught.value) is kind
    assert "S3CRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("left", "timeouts"), [(None, (10.0, 60.0)), (30.0, (10.0, 30.0)), (5.0, (5.0, 5.0))])
def test_the_timeouts_of_a_request_end_with_the_deadline(left: float | None, timeouts: tuple[float, float]) -> None:
    """Ten seconds for a connection and sixty for each read, but not more than is left."""
    assert TIMEOUTS == (10.0, 60.0)

    class Fixed(Deadline):
        """A deadline at which a time is always left."""

        def limit(self, seconds: float) -> float:
            return seconds if left is None else min(seconds, left)

    given: list[Any] = []

    def request(*_: object, **options: Any) -> requests.Response:
        given.append((options["timeout"], options["stream"], options["allow_redirects"], options["headers"]))
        answer = requests.Response()
        answer.status_code, answer.raw = 200, io.BytesIO()
        return answer

    with WebSession(SourceAccess(), Fixed()) as session:
        session._session.request = request  # type: ignore[method-assign]
        session.ask("http://a.example/x").close()
    assert given == [(timeouts, True, False, {"Accept-Encoding": "identity"})]


class RedirectingOften(Redirecting):
    """A session whose first requests are answered with these redirects, in order."""

    def __init__(self, *targets: str) -> None:
        super().__init__("")
        self._targets = targets

    def _send(
        self, method: str, place: str, url: str, headers: Mapping[str, str], login: tuple[str, str] | None
    ) -> requests.Response:
        answer = super()._send(method, place, url, headers, login)
        if len(self.logins) <= len(self._targets):
            answer.status_code = 302
            answer.headers["Location"] = self._targets[len(self.logins) - 1]
        return answer


@pytest.mark.parametrize(
    ("targets", "number"),
    [
        (("https://a.example/y", "https://a.example/z"), 3),
        (("https://a.example/y", "http://a.example/z"), 2),
        (("http://b.example/y", "http://a.example/z"), 1),
        (("http://a.example/y", "http://b.example/z", "http://a.example/x"), 2),
        (("http://b.example/y", "http://b.example/z", "http://b.example/z"), 1),
    ],
)
def test_a_log_in_is_lost_with_the_first_redirect_to_another_server(targets: tuple[str, ...], number: int) -> None:
    """It does not come back with the server, and it does not leave TLS."""
    with RedirectingOften(*targets) as session:
        session.ask("http://me:secret@a.example/x").close()
    login = ("me", "secret")
    assert session.logins == [login if index < number else None for index in range(len(targets) + 1)]
    assert session.redirects == list(targets)


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.TIMEOUTS == (10, 60)
    assert limits.MAX_REDIRECTS == 10
