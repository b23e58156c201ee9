"""URLs on servers that interrupt, lie and change: the bytes are complete and right, or one line says why not."""

import gzip
import hashlib
import http.server
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd

from imagesync.errors import SourceError
from imagesync.model.catalog import Checksum, Fingerprint, Method, Transfer, UrlSource
from imagesync.model.plan import Create
from imagesync.sources import SourceAccess, SourceChecks, open_source
from imagesync.sources.access import Deadline, PassingError
from imagesync.sources.web import check_source, fetch
from tests.fault.mirror import File, Mirror, mirror
from tests.fault.scripted import Say, Server, drip, dripping, endless, listening, raw_service
from tests.trials import note
from tests.unit.factories import catalog, inventory, plan, spec
from tests.waiting import wait_until

DATA = bytes(range(251)) * 20_000
NO_PAUSE = (0.0,) * 5
NOW = (0.0,)
"""The pauses of a check that is not repeated."""
ONE_LINE = "one line"
ANY = SourceAccess()
TAG = {"ETag": '"one"'}


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def read(*urls: str, digest: bool = True, access: SourceAccess = ANY) -> bytes:
    """The bytes from these mirrors, verified if ``digest`` is given."""
    digests = (Checksum("sha256", hashlib.sha256(DATA).hexdigest()),) if digest else ()
    source, fingerprint = UrlSource(urls), Fingerprint(digests)
    with open_source(source, fingerprint, disk_format="raw", pauses=NO_PAUSE, access=access) as stream:
        return b"".join(stream)


def one_header(connection: socket.socket) -> None:
    """A header line without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 2**16)


def test_a_broken_connection_continues_where_it_broke(web: Mirror) -> None:
    """A range request for the same version of the file continues it. No byte is fetched twice."""
    url = web.publish("/disk", File(DATA, cuts=[3_000_000, 1_200_000], headers=TAG))
    assert read(url, digest=False) == DATA
    starts = [int(line.rpartition(" ")[2]) for line in web.queries[1:]]
    assert len(starts) == 2
    assert 0 < starts[0] <= 3_000_000
    assert starts[0] < starts[1] <= 4_200_000


def test_a_server_without_ranges_is_read_again_up_to_the_break(web: Mirror) -> None:
    """Known bytes are skipped, and the digest is that of the whole file."""
    assert read(web.publish("/disk", File(DATA, cuts=[2_000_000], ranges=False))) == DATA
    assert len(web.queries) == 2


def test_another_mirror_continues_where_one_failed(web: Mirror) -> None:
    """The first mirror fails, and the digest is that of the whole file."""
    first = web.publish("/a", File(DATA, cuts=[1_500_000, 0, 0, 0, 0]))
    assert read(first, web.publish("/b", DATA)) == DATA
    assert web.queries[-1].startswith("GET /b from ")


def test_another_mirror_gets_no_version_of_the_first(web: Mirror) -> None:
    """The second mirror has its own tag for the same file, and would send the whole file again."""
    first = web.publish("/a", File(DATA, cuts=[1_500_000, 0, 0, 0, 0], headers=TAG))
    assert read(first, web.publish("/b", File(DATA, headers={"ETag": '"other"'}))) == DATA
    assert (web.queries[-1].startswith("GET /b from "), web.answered[-1]) == (True, 206)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"ETag": 'W/"one"'}, "the connection was lost"),
        ({"ETag": "one"}, "the connection was lost"),
        ({"ETag": 'W/"one"', "Last-Modified": "Mon, 23 Nov 2026 12:00:00 GMT"}, ""),
    ],
)
def test_a_weak_tag_is_not_a_version(web: Mirror, headers: dict[str, str], message: str) -> None:
    """RFC 9110, 8.8.1: files with the same weak tag may have different bytes. The time of the last change is a version,
    if the server reports it."""
    url = web.publish("/disk", File(DATA, cuts=[2_000_000], headers=headers, ranges=bool(not message)))
    if message:
        with pytest.raises(SourceError, match=message):
            read(url, digest=False)
    else:
        assert read(url, digest=False) == DATA


def part_of(data: bytes, start: int, total: int) -> Say:
    """A part of a file from an offset, with the header of a server."""
    return Say(206, data[start:], {**TAG, "Content-Range": f"bytes {start}-{len(data) - 1}/{total}"})


@pytest.mark.parametrize("digest", [True, False])
def test_a_part_that_begins_elsewhere_is_not_the_rest(digest: bool) -> None:
    """The server sends the whole file as a part. Known bytes are skipped."""
    server = Server([Say(200, DATA, TAG, cut=3_000_000), part_of(DATA, 0, len(DATA))])
    with listening(server) as address:
        assert read(f"{address}/disk", digest=digest) == DATA
    assert len(server.queries) == 2


@pytest.mark.parametrize("digest", [True, False])
@pytest.mark.parametrize("shift", [-1000, 1000, None])
def test_any_part_is_put_where_it_belongs(digest: bool, shift: int | None) -> None:
    """The part begins earlier or later than requested, or has no offset. Without a check, the data would have the right
    length and wrong bytes."""

    def answer(_path: str) -> Say:
        if len(server.queries) == 1:
            return Say(200, DATA, TAG, cut=3_000_000)
        start = int(server.headers[-1]["Range"].strip("bytes=-"))
        part = part_of(DATA, max(start + (shift or 0), 0), len(DATA))
        return part if shift is not None else Say(206, DATA[start:], TAG)

    server = Server(answer)
    with listening(server) as address:
        if shift == -1000:
            assert read(f"{address}/disk", digest=digest) == DATA
        else:
            with pytest.raises(SourceError, match="the server sent another part of the file than requested"):
                read(f"{address}/disk", digest=digest)


def test_a_part_of_a_file_of_another_size_is_not_used() -> None:
    """The file was replaced, although its tag is the same."""
    other = DATA + b"more"

    def answer(_path: str) -> Say:
        if len(server.queries) == 1:
            return Say(200, DATA, TAG, cut=3_000_000)
        return part_of(other, int(server.headers[-1]["Range"].strip("bytes=-")), len(other))

    server = Server(answer)
    with listening(server) as address, pytest.raises(SourceError, match="the file changed while it was read"):
        read(f"{address}/disk", digest=False)
    assert len(server.queries) == 2


def test_a_file_that_changes_while_it_is_read_is_an_error(web: Mirror) -> None:
    """Halves of two builds are not an image."""
    url = web.publish("/disk", File(DATA, cuts=[2_000_000], tags=['"one"', '"two"']))
    with pytest.raises(SourceError, match="changed while it was read"):
        read(url, digest=False)


def test_a_connection_that_always_breaks_is_given_up(web: Mirror) -> None:
    """After a limited number of tries, with one line."""
    with pytest.raises(SourceError, match=r"was lost \(read \d+ of \d+ bytes\); try again later"):
        read(web.publish("/disk", File(DATA, cuts=[10] * 50, headers=TAG)))
    assert len(web.queries) <= 7


@pytest.mark.parametrize("announced", [len(DATA) + 10, len(DATA) - 10])
def test_a_wrong_length_is_found(web: Mirror, announced: int) -> None:
    """The server sends more or less than announced. The image is never published."""
    with pytest.raises(SourceError):
        read(web.publish("/disk", File(DATA, announced=announced)))


def test_redirects_are_followed_and_circles_are_an_error(web: Mirror) -> None:
    """Publishers often redirect to a mirror."""
    target = web.publish("/real", DATA)
    assert read(web.publish("/latest", File(b"", 302, {"Location": target}))) == DATA
    circle = web.publish("/circle", File(b"", 302, {"Location": "/circle"}))
    with pytest.raises(SourceError, match="redirected more than 10 times"):
        read(circle)


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://h/", "http://[", "//", "http://me:it@127.0.0.1/"]
)
def test_a_redirect_to_another_scheme_is_one_line(web: Mirror, place: str) -> None:
    """A mirror must not make imagesync read a local file."""
    with pytest.raises(
        SourceError, match=r"redirects to a URL that is not http|cannot be fetched|redirected more than"
    ):
        fetch(web.publish("/SUMS", File(b"", 302, {"Location": place})), ANY, pauses=NO_PAUSE[:1])
    note("source redirected to file:// and the like", ONE_LINE)


def test_the_page_of_a_redirect_is_not_read(web: Mirror) -> None:
    """The HTTP library would read the whole page before it follows the redirect."""
    target, taken = web.publish("/real", DATA), [0]

    def redirect(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: {2**26}\r\n\r\n".encode())
        while taken[0] < 2**26:
            taken[0] += connection.send(bytes(2**16))

    with raw_service(redirect) as server:
        assert read(f"{server}/latest") == DATA
    assert taken[0] < 2**25  # what the buffers of the kernel accepted
    note("source redirected with a page that never ends", "followed, the page not read")


def test_a_list_that_unpacks_without_end_is_given_up(web: Mirror) -> None:
    """``Content-Encoding`` turns few bytes into many; the unpacked bytes count."""
    for kind, packed in (("gzip", gzip.compress(bytes(2**27))), ("zstd", zstd.compress(bytes(2**27)))):
        with pytest.raises(SourceError, match="larger than 16 MiB"):
            fetch(web.publish("/SUMS", File(packed, headers={"Content-Encoding": kind})), ANY)
    note("checksum list that unpacks to hundreds of MiB", ONE_LINE)


@pytest.mark.parametrize(
    ("kind", "answer", "words"),
    [
        ("checksum list that drips", dripping, "took more than 60 s"),
        ("checksum list that never ends", endless, "larger than 16 MiB|took more than 60 s"),
        ("source with a header that never ends", one_header, "no connection"),
    ],
)
def test_a_list_without_end_is_one_line(kind: str, answer: Callable[[socket.socket], None], words: str) -> None:
    """In limited time, even if the bytes arrive slowly."""
    with raw_service(answer) as address, pytest.raises(SourceError, match=words):
        fetch(f"{address}/SUMS", ANY, Deadline(time.monotonic() + 0.3), pauses=NO_PAUSE[:1])
    note(kind, ONE_LINE)


@pytest.mark.parametrize("head", [b"Content-Length: 60000\r\n", b""])
def test_a_source_that_drips_is_given_up(head: bytes) -> None:
    """One byte now and then is too slow for a download, whether the size is known or not."""
    answer = drip(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", b"a")
    with raw_service(answer) as address, pytest.raises(SourceError, match="less than 64 KiB/s"):
        read(f"{address}/disk", access=SourceAccess(rate_seconds=0.4))
    note("source that drips", ONE_LINE)


def test_a_page_instead_of_an_image_is_refused(web: Mirror) -> None:
    """The first bytes decide. A server may send right data and call everything a page."""
    page, label = b"<!DOCTYPE html><html>log in</html>", {"Content-Type": "text/html; charset=utf-8"}
    for file in (File(page, headers=label), File(page)):
        with pytest.raises(SourceError, match=r"the data is an HTML page, not raw; .* it may require a log-in"):
            read(web.publish("/disk", file), digest=False)
    assert read(web.publish("/labeled", File(DATA, headers=label)), digest=False) == DATA


@pytest.mark.parametrize("coding", ["br", "deflate", "BR ", "compress"])
def test_data_that_a_server_packs_unrequested_is_refused(web: Mirror, coding: str) -> None:
    """Such data does not show that it is packed, and would be stored packed."""
    with pytest.raises(SourceError, match=r"the server packed the data \(\w+\), which was not requested"):
        read(web.publish("/disk", File(DATA, headers={"Content-Encoding": coding})), digest=False)
    assert read(web.publish("/plain", File(DATA, headers={"Content-Encoding": "identity"})), digest=False) == DATA


def test_credentials_come_from_netrc(web: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with curl -n; no output shows them."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    assert read(web.publish("/disk", File(DATA, login="Basic bWU6c2VjcmV0"))) == DATA
    with pytest.raises(SourceError, match="HTTP 401") as caught:
        read(web.publish("/other", File(DATA, login="Basic other")))
    assert "secret" not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(web: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy gets the whole URL."""
    monkeypatch.setenv("http_proxy", web.address)
    monkeypatch.setenv("no_proxy", "")
    web.publish("http://images.example/disk", DATA)
    assert read("http://images.example/disk") == DATA


def test_an_untrusted_certificate_is_one_line(tmp_path: Path) -> None:
    """The line says what to do."""
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run(["openssl", "req", *options, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # quiet
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}/disk"
        with pytest.raises(SourceError, match=r"TLS certificate is not accepted; .*REQUESTS_CA_BUNDLE"):
            read(url)
        with pytest.raises(SourceError, match="TLS certificate is not accepted") as caught:
            check_source([url], ANY)
        assert not isinstance(caught.value, PassingError)
        server.shutdown()


@pytest.mark.parametrize("answer", [b"", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_a_handshake_that_fails_may_succeed_later(answer: bytes) -> None:
    """The server closes the connection, or sends an alert; neither is a statement about its certificate."""
    with (
        raw_service(lambda connection: connection.sendall(answer)) as address,
        pytest.raises(PassingError, match=r"TLS connection failed|no connection"),
    ):
        check_source([f"{address.replace('http', 'https')}/disk"], ANY, pauses=NOW)


def test_a_list_has_a_limited_size(web: Mirror) -> None:
    """A checksum list never has 16 MiB."""
    assert fetch(web.publish("/SUMS", b"text"), ANY) == b"text"
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        fetch(web.publish("/disk", bytes(17 * 2**20)), ANY)


def test_a_temporary_failure_is_retried(web: Mirror) -> None:
    """503, and then the file."""
    url = web.publish("/SUMS", File(b"text", cuts=[0]))
    with pytest.raises(SourceError):
        fetch(web.publish("/down", File(b"", 503)), ANY, pauses=NO_PAUSE)
    assert web.queries.count("GET /down") == len(NO_PAUSE)
    assert fetch(url, ANY, pauses=NO_PAUSE) == b"text"


@pytest.mark.parametrize("cut", [1000, 2**20 + 100, 3 * 2**20])
def test_an_interrupted_list_is_read_again(web: Mirror, cut: int) -> None:
    """From its beginning: the result is one complete answer."""
    data = bytes(index % 251 for index in range(4 * 2**20))
    url = web.publish("/SUMS", File(data, cuts=[cut, cut]))
    assert fetch(url, ANY, pauses=(0.0, 0.0, 0.0)) == data
    assert web.queries == ["GET /SUMS"] * 3
    url = web.publish("/again", File(data, cuts=[cut, cut]))
    with pytest.raises(SourceError, match="the connection was lost"):
        fetch(url, ANY, pauses=(0.0, 0.0))


def test_a_size_is_found_without_reading_the_file(web: Mirror) -> None:
    """By a request for the first bytes; if a server supports no ranges, by a request for the whole file, which is not
    read."""
    assert check_source([web.publish("/a", DATA)], ANY) == len(DATA)
    assert web.queries == ["GET /a from 0 to 4095"]
    for status in (400, 403, 405, 416, 501):
        assert check_source([web.publish(f"/{status}", File(DATA, head=status))], ANY, pauses=NOW) == len(DATA)
    assert check_source([web.publish("/b", File(DATA, ranges=False))], ANY) == len(DATA)
    assert (
        check_source([web.publish("/c", File(DATA, ranges=False, announced=0))], ANY) is None
    )  # it does not prove that the file exists
    assert check_source([f"{web.address}/missing", f"{web.address}/a"], ANY) == len(DATA)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_permanent_failure_is_not_retried(web: Mirror, status: int) -> None:
    """The file does not exist."""
    with pytest.raises(SourceError, match=f"HTTP {status}; correct the URL") as caught:
        check_source([web.publish("/a", File(b"", status))], ANY)
    assert not isinstance(caught.value, PassingError)
    assert len(web.queries) == 1 + (status == 403)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507, 520])
def test_a_temporary_failure_of_one_mirror_is_retried(web: Mirror, status: int) -> None:
    """Also if another mirror has an answer that does not change."""
    urls = [f"{web.address}/missing", web.publish("/a", File(b"", status))]
    with pytest.raises(PassingError, match=f"HTTP {status}; try again later"):
        check_source(urls, ANY, pauses=(0.0, 0.0))
    assert [line.split()[1] for line in web.queries] == ["/missing", "/a"] * 2


def test_no_connection_is_a_temporary_failure() -> None:
    """The network may be down."""
    with pytest.raises(PassingError, match="no connection"):
        check_source(["http://127.0.0.1:9/a"], ANY, pauses=NOW)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("label", ["text/html", "application/octet-stream"])
@pytest.mark.parametrize("page", [b"<!DOCTYPE html><p>Log in", b"\n<!-- x --> <HTML>" + b"x" * 9000])
def test_a_page_is_not_an_image(web: Mirror, page: bytes, label: str, ranges: bool) -> None:
    """The bytes decide, not the Content-Type: an image that the server calls a page is an image."""
    url = web.publish("/a", File(page, headers={"Content-Type": label}, ranges=ranges))
    with pytest.raises(SourceError, match="/a: the data is an HTML page, not qcow2; correct the URL") as caught:
        check_source([url], ANY, disk_format="qcow2")
    assert not isinstance(caught.value, PassingError)
    assert check_source([url], ANY) == len(page)
    assert check_source([web.publish("/b", File(DATA, headers={"Content-Type": label}, ranges=ranges))], ANY) == len(
        DATA
    )


def test_a_plan_has_the_sizes_of_its_urls(web: Mirror) -> None:
    """Each URL is requested once in a run. A URL that does not work is an error of its key, and the other key is
    planned."""
    good = spec("good", source=UrlSource((web.publish("/disk", DATA),)), fingerprint=Fingerprint())
    lost = spec("lost", source=UrlSource((f"{web.address}/missing",)), fingerprint=Fingerprint())
    wanted, sizes = catalog(good, lost), SourceChecks()
    assert sizes.learn(plan(wanted, inventory()), jobs=2)
    assert not sizes.learn(plan(wanted, inventory()), jobs=2)
    made = plan(sizes.fill_in(wanted), inventory())
    known = {item.action.key: item.action.fingerprint.size for item in made.steps if isinstance(item.action, Create)}
    assert known == {"good": len(DATA)}
    assert [(error.key, error.problem.message) for error in made.errors] == [
        ("lost", f"{web.address}/missing: HTTP 404")
    ]


def test_no_source_is_checked_unless_requested(web: Mirror) -> None:
    """With ``--no-source-check``, and for data that the service fetches by itself."""
    url = web.publish("/disk", DATA)
    one = spec("one", source=UrlSource((url,)), fingerprint=Fingerprint())
    assert not SourceChecks(SourceAccess(asks_sources=False)).learn(plan(catalog(one), inventory()), jobs=2)
    fetched = spec("one", source=UrlSource((url,), transfer=Transfer(method=Method.WEB_DOWNLOAD)))
    assert not SourceChecks().learn(plan(catalog(fetched), inventory()), jobs=2)
    assert web.queries == []


def test_an_abandoned_stream_does_not_wait_for_its_second_answer() -> None:
    """After a broken connection, the second answer may need long."""
    is_closed, is_asked_again = threading.Event(), threading.Event()
    waited, head = list[bool](), b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(DATA))

    def answer(connection: socket.socket) -> None:
        if not answered:
            answered.append(True)
            connection.sendall(head + DATA)
            return
        is_asked_again.set()
        waited.append(is_closed.wait(20))

    answered: list[bool] = []
    with raw_service(answer) as address:
        source = UrlSource((f"{address}/a.raw",))
        with open_source(source, Fingerprint(), disk_format=None, access=ANY, pauses=NO_PAUSE) as stream:
            chunks = iter(stream)
            next(chunks)
            assert is_asked_again.wait(20)
        is_closed.set()
        wait_until(lambda: waited, lambda found: found[:1] == [True], "the server learns that the stream is closed")
