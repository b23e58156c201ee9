"""URLs: which are refused, what is shown, which host is used; every parser reads the accepted ones alike."""

from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from imagesync.model.urls import (
    find_url_problem,
    has_secret,
    identify_url,
    is_host_named,
    read_host,
    read_origin,
    redact_host,
    redact_url,
)

GOOD = [
    "https://cloud-images.ubuntu.com/noble/current/noble.img",
    "http://10.0.0.5:8080/x",
    "HTTPS://Mirror.Example/x?a=b&c=%2F@d",
    "https://me:p%40ss@mirror.example/disk",
    "https://[2001:db8::1]:8443/disk",
    "https://a_b.example/ü/{x}",
    "http://localhost",
    "https://mirror.example:443?x",
]
ODD = [
    "http://EVIL\\@cloud-images.ubuntu.com/x",
    "http://evil.example\\.cloud-images.ubuntu.com/x",
    "http://a@b@evil.example/x",
    "http://mirror.example/a\\..\\b",
    "http://mirror.example#@evil.example/x",
    "http://mirror.example/x#part",
    "http://mirror.example\t.evil.example/x",
    "http://mirror.example\u2028/x",
    "http://mirror.example /x",
    " http://mirror.example/x",
    "http:/mirror.example/x",
    "http:mirror.example/x",
    "http:///x",
    "http://",
    "http://:80/x",
    "http://mirror.example:0/x",
    "http://mirror.example:65536/x",
    "http://mirror.example:8x/x",
    "http://127.1/x",
    "http://2130706433/x",
    "http://0x7f000001/x",
    "http://0177.0.0.1/x",
    "http://127.0.0.1./x",
    "http://1.2.3.4.5/x",
    "http://256.1.1.1/x",
    "http://[::1/x",
    "http://[fe80::1%25eth0]/x",
    "http://[127.0.0.1]/x",
    "http://mirror..example/x",
    "http://-mirror.example/x",
    "http://clоud-images.ubuntu.com/x",
    "http://mirror%2eexample/x",
    "http://a:b%zz@mirror.example/x",
    "http://a b@mirror.example/x",
    "http://" + "a." * 130 + "example/x",
    "ftp://mirror.example/x",
    "file:///etc/passwd",
    "//mirror.example/x",
    "mirror.example/x",
    "",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_plain_url_is_accepted(url: str) -> None:
    """All parsers find the same host in it."""
    assert find_url_problem(url) is None
    hosts = {read_host(url), (urlsplit(url).hostname or "").lower(), (parse_url(url).host or "").strip("[]").lower()}
    prepared = requests.Request("GET", url).prepare().url or ""
    assert hosts | {(urlsplit(prepared).hostname or "").lower()} == {read_host(url)}


@pytest.mark.parametrize("url", ODD)
def test_a_url_that_parsers_read_differently_is_refused(url: str) -> None:
    """With a message and what to do."""
    problem = find_url_problem(url)
    assert problem is not None
    assert all(problem)
    assert all(text.isprintable() for text in problem)


@given(st.text(st.sampled_from("ab.:/@\\?#[]%0x1-_ \t~é{}<>^|;=&"), max_size=24).map("http://".__add__))
def test_an_accepted_url_has_one_host(url: str) -> None:
    """Every library connects to the host that is shown."""
    if find_url_problem(url) is not None:
        return
    prepared = requests.Request("GET", url).prepare().url or ""
    sent = parse_url(prepared)
    assert (sent.host or "").strip("[]").lower() == read_host(url) == (parse_url(url).host or "").strip("[]").lower()
    assert read_host(url) in redact_host(url).lower()
    assert (sent.port or 80) == read_origin(url)[2]


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://m.example/x", False),
        ("https://m.example/x?", True),
        ("https://m.example/x?a", True),
        ("https://me@m.example/x", True),
        ("https://me:it@m.example/x", True),
        ("https://m.example/a@b", False),
    ],
)
def test_a_log_in_or_a_query_is_a_secret(url: str, secret: bool) -> None:
    """No hash of it is made."""
    assert has_secret(url) is secret
    assert (identify_url(url) is None) is secret
    assert has_secret(redact_url(url)) is False


@pytest.mark.parametrize(
    ("host", "globs", "named"),
    [
        ("mirror.example", ["mirror.example"], True),
        ("Mirror.Example", ["mirror.example"], True),
        ("mirror.example", ["*.example"], True),
        ("example", ["*.example"], False),
        ("mirror.example.evil", ["*.example"], False),
        ("evil-example", ["*.example"], False),
        ("mirror.example", [], False),
    ],
)
def test_a_glob_matches_whole_hosts(host: str, globs: list[str], named: bool) -> None:
    """Case is ignored."""
    assert is_host_named(host, globs) is named


@pytest.mark.parametrize(
    ("url", "display", "host"),
    [
        ("https://user:S3CRET@m.example:8443/a/b.img?sig=S3CRET#S3CRET", "https://m.example:8443/a/b.img", "m.example:8443"),
        ("http://m.example?sig=S3CRET", "http://m.example", "m.example"),
        ("https://user:S3@CRET@m.example/a", "https://m.example/a", "m.example"),
        ("https://m.example/a", "https://m.example/a", "m.example"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]/a", "[2001:db8::1]"),
    ],
)  # fmt: skip
def test_a_redacted_url_has_no_log_in_query_or_fragment(url: str, display: str, host: str) -> None:
    """Any of them may be a secret."""
    assert redact_url(url) == display
    assert redact_host(url) == host


@pytest.mark.parametrize(
    ("url", "port"), [("https://h/x", 443), ("http://h/x", 80), ("https://h:80/x", 80), ("http://h:443/x", 443)]
)
def test_the_port_of_a_url_is_that_of_its_scheme_unless_it_names_one(url: str, port: int) -> None:
    """A redirect to another port leads to another server."""
    assert read_origin(url) == (url.partition(":")[0], "h", port)


@given(
    st.text("aZ0._-~!$&'()*+,;=:%/?#@[] \\\tü", max_size=20),
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", ""]),
)
def test_a_usual_url_is_shown_as_the_grammar_says(rest: str, scheme: str) -> None:
    """The fast path gives the same result as the slow one."""
    url = scheme + rest
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    assert redact_url(url) == urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    assert has_secret(url) == ("@" in parts.netloc or "?" in url)
