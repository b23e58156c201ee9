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
    remove_login,
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


NO_HTTP = "use http or https, or path for a local file"
NO_URL = "is not a URL, which begins with http:// or https://"
WHOLE = "write the whole address"
FORM = "write http://HOST/PATH or https://HOST/PATH"
MANY = "x" * 99


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        *(
            (f"{scheme}:x", f"{scheme} is not http or https", NO_HTTP)
            for scheme in (
                *("file", "ftp", "ftps", "sftp", "ssh", "s3", "gs", "swift", "rsync", "nfs", "oci", "docker", "data"),
                "FTP",
            )
        ),
        ("weird://h/x", "the scheme is not http or https", NO_HTTP),
        ("weird:x", f"'weird:x' {NO_URL}", WHOLE),
        ("h/x", f"'h/x' {NO_URL}", WHOLE),
        ("m.example:80/x", f"'m.example:80/x' {NO_URL}", "write https://m.example:80/x"),
        ("m.example/x?sig=1", f"this {NO_URL}", WHOLE),
        ("me@m.example/x", f"this {NO_URL}", WHOLE),
        ("ghp_" + "a1B2c3D4" * 4, f"this {NO_URL}", WHOLE),
        (f"m.example/{'x' * 110}", f"'m.example/{'x' * 68}… {NO_URL}", f"write https://m.example/{'x' * 110}"),
        (f"m.example/{'x' * 111}", f"'m.example/{'x' * 68}… {NO_URL}", WHOLE),
        ("http://h/a b", "holds a space (character 11)", "write it percent-encoded: http://h/a%20b"),
        ("http://h/a\\b ü", "holds a backslash (character 11)", "write it percent-encoded: http://h/a%5Cb%20ü"),
        ("http://h/a\tb", "holds a control character (character 11)", "write it percent-encoded: http://h/a%09b"),
        ("http://h/x ", "holds a space (character 11)", "remove the characters before or after the URL"),
        ("http://h/a b?q", "holds a space (character 11)", "write it percent-encoded: %20"),
        ("http://u@h/a b", "holds a space (character 13)", "write it percent-encoded: %20"),
        (f"http://h/{'ghp_' + 'a1B2c3D4' * 4} b", "holds a space (character 46)", "write it percent-encoded: %20"),
        (f"http://h/{MANY} {'y' * 8}", "holds a space (character 109)", f"write it percent-encoded: http://h/{MANY}%20{'y' * 8}"),
        (f"http://h/{MANY} {'y' * 10}", "holds a space (character 109)", "write it percent-encoded: %20"),
        (
            "http://h/x#y",
            "holds a #: the text after it is never sent to a server",
            "remove it, or write %23 for the character",
        ),
        ("http://h:0/x", "the port 0 is not valid", "use a port from 1 to 65535"),
        ("http://h:65536/x", "the port 65536 is not valid", "use a port from 1 to 65535"),
        (
            "http://clоud/x",
            "the host has letters that are not ASCII and may look like others",
            "write its ASCII form: xn--…",
        ),
        *(
            (url, "the log-in before @ has a character that must be encoded", "percent-encode it (@ is %40)")
            for url in ("http://a:b%zz@m/x", "http://ü:b@m/x", "http://a@b@m/x")
        ),
        ("http://", "is not a URL", FORM),
        ("http://1.2.3/x", "1.2.3 is not a host", FORM),
        ("http://-a/x", "-a is not a host", FORM),
        (f"http://{'a' * 64}/x", f"{'a' * 64} is not a host", FORM),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_url_and_what_to_write(url: str, message: str, hint: str) -> None:
    """Of an address that may hold a secret no part is repeated; a long one is not written out."""
    assert find_url_problem(url) == (message, hint)


@pytest.mark.parametrize(
    ("host", "is_fine"),
    [
        ("a" * 63, True),
        ("a" * 64, False),
        (".".join(["a" * 49] * 5) + "abcd", True),
        (".".join(["a" * 49] * 5) + "abcde", False),
        ("h:1", True),
        ("h:65535", True),
        ("a.1b", True),
        ("a.1", False),
    ],
)
def test_limits_of_a_host_are_those_of_the_dns(host: str, *, is_fine: bool) -> None:
    """63 characters of a part, 253 of the whole name; a number at the end makes an address."""
    assert (find_url_problem(f"http://{host}/x") is None) is is_fine


def test_a_request_is_sent_without_the_log_in() -> None:
    """And with the query."""
    assert remove_login("https://me:p@ss@h:1/x?y=a@b#z") == "https://h:1/x?y=a@b"
    assert remove_login("https://h/x@y?z") == "https://h/x@y?z"


def test_hosts_are_compared_without_case() -> None:
    """Of the URL and of the glob; any of the globs may name it."""
    assert is_host_named("M.example", ["x", "M.EXAMPLE"])
    assert is_host_named("m.example", ["M.*"])
