"""URLs: mirrors in order, transfers that are interrupted or slow, documents, and responses that are not an image."""

import contextlib
import gzip
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagesync.deadlines import TooSlow
from imagesync.errors import SourceError
from imagesync.model.catalog import Fingerprint, UrlSource
from imagesync.sources import open_source
from imagesync.sources import web as limits
from imagesync.sources.access import Deadline, PassingError, SourceAccess
from imagesync.sources.web import (
    CHUNK,
    SMALL_BYTES,
    Document,
    Download,
    check_source,
    fetch,
    fetch_redirects,
    open_document,
    open_url,
)
from tests.fault.mirror import File, Mirror, mirror
from tests.silent import full_server
from tests.unit.sources.packed import DATA, sha256
from tests.unit.sources.scripted_web import LASTING, PASSING, Reply, ScriptedSession


class TwoPathHandler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """One answer."""
        self.send_response(404 if self.path.startswith("/missing") else 302 if self.path == "/loop" else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/loop")
        self.send_header("Content-Length", str(len(DATA) + (self.path == "/short")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client has read enough
            self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def two_paths() -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), TwoPathHandler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_mirrors_are_tried_in_order(two_paths: str) -> None:
    """The second serves when the first does not."""
    source = UrlSource((f"{two_paths}/missing", f"{two_paths}/image"))
    with open_source(source, sha256(DATA), disk_format="raw") as stream:
        assert stream.size == len(DATA)
        assert b"".join(stream) == DATA


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/missing", "HTTP 404"),
        ("/loop", "redirected more than 10 times"),
        ("/short", "was lost|ended after"),
    ],
)
def test_a_bad_answer_is_one_line_without_the_query(two_paths: str, path: str, message: str) -> None:
    """A signed URL's query never shows."""
    source = UrlSource((f"{two_paths}{path}" + ("?sig=secret" if path == "/missing" else ""),))
    with (
        pytest.raises(SourceError, match=message) as caught,
        open_source(source, Fingerprint(), disk_format="raw", pauses=(0.0,) * 5) as got,
    ):
        list(got)
    assert "secret" not in str(caught.value)


WHOLE = b"0123456789" * 100
TAG = {"ETag": '"one"'}
A, B, C = "http://a.example/a", "http://b.example/b", "http://c.example/c"


def first(taken: int, **headers: str) -> Reply:
    """A response that ends after some bytes of the file."""
    size = {"Content-Length": str(len(WHOLE))}
    return Reply([WHOLE[:taken]], headers={**size, **headers}, error=OSError("reset"))


def rest(start: int, total: int | str = len(WHOLE), *, error: Exception | None = None, end: int | None = None) -> Reply:
    """The file from an offset."""
    placed = {"Content-Range": f"bytes {start}-{len(WHOLE) - 1}/{total}"}
    return Reply([WHOLE[start:end]], 206, placed, error)


def download(session: ScriptedSession, *urls: str, verified: bool = False, tries: int = 5) -> Download:
    """The file at some mirrors; a broken transfer is continued at once, and ``tries`` times in a row."""
    return Download(session, urls or (A,), (0.0,) * tries, verified=verified, access=SourceAccess())


def read(session: ScriptedSession, *urls: str, verified: bool = False, tries: int = 5) -> bytes:
    """All bytes of such a file; every reply of the session is used."""
    data = b"".join(download(session, *urls, verified=verified, tries=tries).read_blocks())
    assert session.replies == []
    return data


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("taken", [1, 400, len(WHOLE) - 1])
def test_a_broken_transfer_is_continued_at_its_last_byte(taken: int, verified: bool) -> None:
    """With the condition that the file is still the same version."""
    session = ScriptedSession(first(taken, **TAG), rest(taken))
    assert read(session, verified=verified) == WHOLE
    assert session.requests == ["/a", f"/a {taken}-"]
    assert session.conditions == [None, '"one"']


def test_a_transfer_may_break_many_times_and_each_byte_is_read_once() -> None:
    """Every part begins where the last one ended."""
    session = ScriptedSession(
        first(100), rest(100, end=300, error=OSError()), rest(300, end=301, error=OSError()), rest(301)
    )
    assert read(session) == WHOLE
    assert session.requests == ["/a", "/a 100-", "/a 300-", "/a 301-"]


def test_a_response_that_ends_too_early_is_continued() -> None:
    """Even if the connection reports no error; without an announced size, its end is the end of the file."""
    early = Reply([WHOLE[:400]], headers={"Content-Length": str(len(WHOLE))})
    session = ScriptedSession(early, rest(400))
    assert read(session) == WHOLE
    assert read(ScriptedSession(Reply([WHOLE[:400]]))) == WHOLE[:400]
    assert read(ScriptedSession(Reply([WHOLE], headers={"Content-Length": str(len(WHOLE))}))) == WHOLE


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": '"x"', "Last-Modified": "then"}, '"x"'),
        ({"ETag": 'W/"x"', "Last-Modified": "then"}, "then"),
        ({"ETag": 'W/"x"'}, None),
        ({"Last-Modified": "then"}, "then"),
        ({}, None),
    ],
)
def test_the_version_of_a_file_is_a_strong_tag_or_its_time(headers: dict[str, str], condition: str | None) -> None:
    """A part of another version must not be sent (RFC 9110, 13.1.5)."""
    session = ScriptedSession(first(400, **headers), rest(400))
    assert read(session) == WHOLE
    assert session.conditions == [None, condition]


@pytest.mark.parametrize(("start", "is_taken"), [(399, True), (400, True), (401, False), (0, True)])
@pytest.mark.parametrize("verified", [True, False])
def test_a_part_is_put_where_it_belongs(start: int, is_taken: bool, verified: bool) -> None:
    """What is known of it is skipped; a part that begins later leaves a gap, and is requested again."""
    session = ScriptedSession(first(400, **TAG), rest(start), *([] if is_taken else [rest(400)]))
    assert read(session, verified=verified) == WHOLE
    assert session.requests == ["/a", "/a 400-", *([] if is_taken else ["/a 400-"])]


@pytest.mark.parametrize("missing", [1, 2, 599])
@pytest.mark.parametrize("verified", [True, False])
def test_a_part_that_ends_too_early_is_not_the_end_of_the_file(missing: int, verified: bool) -> None:
    """Even if only its last byte is missing and the server says nothing of an error."""
    end = len(WHOLE) - missing
    assert read(ScriptedSession(first(400), rest(400, end=end), rest(end)), verified=verified) == WHOLE
    with pytest.raises(SourceError, match=f"ended after {end} of {len(WHOLE)} bytes"):
        read(ScriptedSession(first(400), rest(400, end=end)), verified=verified, tries=1)


def test_known_bytes_are_skipped_over_several_blocks() -> None:
    """A whole response arrives in blocks of a MiB; the known part may be longer than one."""
    data = bytes(range(250)) * (5 * CHUNK // 500)
    size = {"Content-Length": str(len(data)), **TAG}
    for taken in (CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5):
        broken = Reply([data[:taken]], headers=size, error=OSError())
        session = ScriptedSession(broken, Reply([data[: CHUNK + 7], data[CHUNK + 7 :]], headers=size))
        assert read(session) == data


@pytest.mark.parametrize("placed", ["", "bytes 400-999", "bytes */1000", "items 400-999/1000", "bytes 400-999/1000x"])
def test_a_part_that_does_not_say_where_it_begins_is_not_used(placed: str) -> None:
    """It is requested again."""
    session = ScriptedSession(first(400), Reply([WHOLE[400:]], 206, {"Content-Range": placed}), rest(400))
    assert read(session) == WHOLE


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("total", [len(WHOLE) - 1, len(WHOLE) + 1])
def test_a_part_of_a_file_of_another_size_is_refused(total: int, verified: bool) -> None:
    """The file changed; an unknown total is accepted."""
    other = rest(400, total)
    session = ScriptedSession(first(400), other)
    with pytest.raises(SourceError, match="the file changed while it was read"):
        read(session, verified=verified)
    assert other.body.is_closed
    assert read(ScriptedSession(first(400), rest(400, "*"))) == WHOLE
    unsized = Reply([WHOLE[:400]], error=OSError())
    assert read(ScriptedSession(unsized, rest(400, total))) == WHOLE


@pytest.mark.parametrize(
    ("before", "after", "verified", "error"),
    [
        ({}, {}, True, ""),
        ({"ETag": '"x"'}, {"ETag": '"y"'}, True, ""),
        ({"ETag": '"x"'}, {"ETag": '"x"'}, False, ""),
        ({"ETag": '"x"'}, {"ETag": '"y"'}, False, "the file changed while it was read"),
        ({"ETag": '"x"'}, {}, False, "the file changed while it was read"),
        ({}, {}, False, r"the connection was lost \(read 400 of 1000 bytes\)"),
        ({}, {"ETag": '"x"'}, False, r"the connection was lost \(read 400 of 1000 bytes\)"),
    ],
)
def test_a_whole_response_continues_a_transfer_only_if_it_is_the_same_file(
    before: dict[str, str], after: dict[str, str], verified: bool, error: str
) -> None:
    """Of the same version, or verified by a digest later: two halves of two builds are not an image."""
    again = Reply([WHOLE], headers=after)
    session = ScriptedSession(first(400, **before), again)
    if not error:
        assert read(session, verified=verified) == WHOLE
        return
    with pytest.raises(SourceError, match=error):
        read(session, verified=verified)
    assert again.body.is_closed
    assert session.replies == []


def test_only_verified_data_is_continued_from_another_mirror() -> None:
    """The mirror itself gets two more tries first, and the next mirror does not know the version of its file."""
    session = ScriptedSession(first(400, **TAG), PASSING, PASSING, PASSING, rest(400))
    assert read(session, A, B, C, verified=True) == WHOLE
    assert session.requests == ["/a", "/a 400-", "/a 400-", "/b 400-", "/c 400-"]
    assert session.conditions == [None, '"one"', '"one"', None, None]
    session = ScriptedSession(first(400, **TAG), *[PASSING] * 5)
    with pytest.raises(SourceError, match=r"no connection \(read 400 of 1000 bytes\)"):
        read(session, A, B, C)
    assert session.requests == ["/a"] + ["/a 400-"] * 5


def test_the_next_mirror_after_the_last_is_the_first() -> None:
    """Whichever one the transfer began at."""
    session = ScriptedSession(LASTING, first(400), PASSING, PASSING, rest(400))
    assert read(session, A, B, verified=True) == WHOLE
    assert session.requests == ["/a", "/b", "/b 400-", "/b 400-", "/a 400-"]


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_a_transfer_that_always_breaks_is_given_up(tries: int) -> None:
    """After so many tries without a MiB in between, whether a response begins or not."""
    for failure in (PASSING, None):
        replies = [failure or rest(400, end=400, error=OSError()) for _ in range(tries)]
        session = ScriptedSession(first(400), *replies)
        with pytest.raises(SourceError, match=r"\(read 400 of 1000 bytes\)"):
            read(session, tries=tries)
        assert session.replies == []


@pytest.mark.parametrize(("step", "is_read"), [(CHUNK, True), (CHUNK + 1, True), (CHUNK - 1, False)])
def test_each_mebibyte_gives_new_tries(step: int, is_read: bool) -> None:
    """A slow but steady transfer of a large file may break any number of times."""
    total = 4 * step
    parts = [
        Reply([bytes(step)], 206, {"Content-Range": f"bytes {start}-{total - 1}/{total}"}, OSError())
        for start in range(step, total, step)
    ]
    parts[-1].body._error = None
    session = ScriptedSession(Reply([bytes(step)], headers={"Content-Length": str(total)}, error=OSError()), *parts)
    if is_read:
        assert read(session, tries=1) == bytes(total)
        return
    with pytest.raises(SourceError, match=f"read {2 * step} of {total} bytes"):
        read(session, tries=1)


def test_an_error_that_will_not_pass_ends_a_broken_transfer() -> None:
    """For example 404: the file no longer exists."""
    session = ScriptedSession(first(400), LASTING, rest(400))
    with pytest.raises(SourceError, match="no such host"):
        read(session)
    assert len(session.replies) == 1


def slow(taken: int, **headers: str) -> Reply:
    """A response that is too slow after some bytes."""
    reply = first(taken, **headers)
    reply.body._error = TooSlow("less than 64 KiB/s for 60 s")
    return reply


def test_a_slow_mirror_is_left_for_the_next_one_if_the_data_is_verified() -> None:
    """Each mirror may be slow once; unverified data is never joined from two servers."""
    session = ScriptedSession(slow(400), LASTING, rest(400))
    assert read(session, A, B, C, verified=True) == WHOLE
    assert session.requests == ["/a", "/b 400-", "/c 400-"]
    slow_again = rest(400, end=500, error=TooSlow("again"))
    session = ScriptedSession(slow(400), slow_again)
    with pytest.raises(SourceError, match=r"again \(read 500 bytes\); name a faster mirror, or pass --min-source-rate"):
        read(session, A, B, verified=True)
    for urls in ((A, B), (A,)):
        session = ScriptedSession(slow(400))
        with pytest.raises(SourceError, match=r"less than 64 KiB/s for 60 s \(read 400 bytes\)"):
            read(session, *urls)
        assert session.requests == ["/a"]


def test_a_mirror_that_failed_is_not_asked_for_the_rest_of_a_slow_transfer_again() -> None:
    """Each one gets one turn, and a response with the whole file is read from where the slow one ended."""
    session = ScriptedSession(slow(400), LASTING, Reply([WHOLE]))
    assert read(session, A, B, C, verified=True) == WHOLE
    session = ScriptedSession(slow(400), LASTING, rest(400, end=500, error=TooSlow("again")))
    with pytest.raises(SourceError, match=r"again \(read 500 bytes\)"):
        read(session, A, B, C, verified=True)
    assert session.requests == ["/a", "/b 400-", "/c 400-"]


def test_a_broken_transfer_is_continued_after_the_given_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the shortest to the longest; a MiB in between starts them again."""
    pauses: list[float | None] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, seconds=None: pauses.append(seconds))
    session = ScriptedSession(first(400), *[PASSING] * 3)
    opened = Download(session, (A,), (1.0, 2.0, 4.0), verified=True, access=SourceAccess(min_rate=0))
    with pytest.raises(SourceError, match="read 400"):
        list(opened.read_blocks())
    assert [seconds for seconds in pauses if seconds] == [1.0, 2.0, 4.0]


def test_an_abandoned_transfer_is_cut_and_asks_for_nothing_more() -> None:
    """The upload was refused: the source must not hold up the end."""
    for reply in (first(400), slow(400)):
        session = ScriptedSession(reply, rest(400))
        opened = download(session, A, B, verified=True)
        blocks = opened.read_blocks()
        assert next(blocks) == WHOLE[:400]
        opened.abandon()
        assert reply.body.is_shut
        with pytest.raises(SourceError, match="read 400"):
            next(blocks)
        assert session.requests == ["/a"]


@pytest.mark.parametrize(
    ("replies", "requests"),
    [
        ([LASTING, PASSING], ["/a", "/b"] * 3),
        ([PASSING, LASTING], ["/a", "/b"] * 3),
        ([LASTING, LASTING], ["/a", "/b"]),
    ],
)
def test_the_mirrors_are_tried_three_times_while_one_may_recover(
    replies: list[SourceError], requests: list[str]
) -> None:
    """An error that stays is asked for once."""
    session = ScriptedSession(*replies * 3)
    with pytest.raises(SourceError) as caught:
        download(session, A, B)
    assert session.requests == requests
    assert caught.value is replies[-1]


def test_a_download_that_is_no_longer_needed_tries_no_further_mirror() -> None:
    """The caller has given up."""
    session = ScriptedSession(PASSING, Reply([WHOLE]))
    with pytest.raises(SourceError):
        Download(session, (A, B), (0.0,) * 3, verified=True, access=SourceAccess(), is_wanted=lambda: False)
    assert session.requests == ["/a"]


def test_the_pauses_between_tries_are_those_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is overloaded is not asked at once."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(SourceError):
        Download(ScriptedSession(*[PASSING] * 3), (A,), (0.0, 1.5, 2.5, 9.0), verified=True, access=SourceAccess())
    assert pauses == [0.0, 1.5, 2.5]
    pauses.clear()
    with pytest.raises(SourceError):
        Document(ScriptedSession(*[PASSING] * 2), A, Deadline(), 10, (0.5, 1.5)).begin()
    assert pauses == [0.5, 1.5]
    pauses.clear()
    with pytest.raises(SourceError, match="took more than 60 s"):
        Document(ScriptedSession(), A, Deadline(0.0), 10, (0.5,)).begin()
    assert pauses == []


@pytest.mark.parametrize(
    ("length", "size"),
    [("1000", 1000), ("0", 0), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("", None), ("-1", None), ("1e3", None)],
)
def test_an_announced_size_is_a_number(length: str, size: int | None) -> None:
    """Anything else counts as unknown."""
    assert download(ScriptedSession(Reply(headers={"Content-Length": length}))).size == size


@pytest.mark.parametrize("coding", ["br", "deflate", " BR ", "compress", "identity", "gzip", ""])
def test_data_that_was_packed_on_the_way_is_refused_if_it_does_not_show_it(coding: str) -> None:
    """It would be stored as it came; gzip shows that it is packed."""
    reply = Reply([WHOLE], headers={"Content-Encoding": coding})
    if coding.strip().lower() in ("identity", "gzip", ""):
        assert read(ScriptedSession(reply)) == WHOLE
        return
    with pytest.raises(SourceError, match=rf"/a: the server packed the data \({coding.strip().lower()}\)"):
        download(ScriptedSession(reply))
    assert reply.body.is_closed


def document(session: ScriptedSession, *, max_bytes: int = 10 * 2**20, tries: int = 3) -> Document:
    """A document that is requested at most ``tries`` times."""
    return Document(session, A, Deadline(), max_bytes, (0.0,) * tries)


def read_document(found: Document) -> bytes:
    """All bytes of a document."""
    found.begin()
    return found.read_all()


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1, 3 * SMALL_BYTES])
@pytest.mark.parametrize("piece", [2**16, 2**20, 65_537])
def test_a_document_is_read_whole(size: int, piece: int) -> None:
    """``is_long`` says that it has more than the first MiB."""
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    pieces = [data[start : start + piece] for start in range(0, size, piece)]
    found = document(ScriptedSession(Reply(pieces)))
    found.begin()
    assert found.is_long is (size > SMALL_BYTES)
    assert found.read_all() == data


@pytest.mark.parametrize("limit", [10, SMALL_BYTES, SMALL_BYTES + 10, 3 * SMALL_BYTES])
@pytest.mark.parametrize("more", [-1, 0, 1, 2**21])
def test_a_document_has_a_largest_size(limit: int, more: int) -> None:
    """Exactly the limit is allowed. A much larger one is not read to its end."""
    reply = Reply([bytes(2**16)] * ((limit + more) // 2**16) + [bytes((limit + more) % 2**16)])
    found = document(ScriptedSession(reply), max_bytes=limit)
    found.begin()
    if more <= 0:
        assert len(found.read_all()) == limit + more
        return
    with pytest.raises(SourceError, match=r"/a: larger than \d+ MiB, the limit"):
        found.read_all()
    if more > 2**20 and limit >= SMALL_BYTES:
        assert len(reply.body._pieces) > 5


@pytest.mark.parametrize("taken", [0, 1000, SMALL_BYTES + 100])
@pytest.mark.parametrize("tries", [2, 3])
def test_a_document_that_breaks_off_is_read_again_from_its_beginning(taken: int, tries: int) -> None:
    """What is returned is one whole response; the number of tries is bounded, and the broken connection closed."""
    data = b"x" * (2 * SMALL_BYTES)
    broken = [Reply([b"y" * taken] * bool(taken), error=OSError()) for _ in range(tries)]
    found = document(ScriptedSession(*broken[1:], Reply([data])), tries=tries)
    found.begin()
    assert found.read_all() == data
    session = ScriptedSession(*broken, Reply([data]))
    for one in broken:
        one.__post_init__()
    found = document(session, tries=tries)
    with pytest.raises(PassingError, match="/a: the connection was lost"):
        read_document(found)
    assert len(session.replies) == 1
    found.close()
    assert all(one.body.is_closed for one in broken)


def test_a_lasting_error_of_a_document_is_not_tried_again() -> None:
    """404, for example."""
    session = ScriptedSession(Reply(status=404), Reply([WHOLE]))
    with pytest.raises(SourceError, match="HTTP 404"):
        document(session).begin()
    assert len(session.replies) == 1


def test_a_document_that_never_ends_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small its pieces are."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    endless = Reply()
    monkeypatch.setattr(endless.body, "read1", lambda _, decode_content: b"x")
    with pytest.raises(SourceError, match="took more than 60 s"):
        Document(ScriptedSession(endless), A, Deadline(50.0), 2**20, (0.0,)).begin()


@pytest.fixture
def web() -> Iterator[Mirror]:
    """A web server on loopback."""
    with mirror() as found:
        yield found


def ask(web: Mirror, *paths: str, disk_format: str = "", pauses: Sequence[float] = (0.0, 0.0)) -> int | None:
    """The reported size."""
    return check_source([web.address + path for path in paths], SourceAccess(), disk_format=disk_format, pauses=pauses)


@pytest.mark.parametrize(
    ("statuses", "requests", "kind"),
    [
        ([404], 1, SourceError),
        ([503], 2, PassingError),
        ([503, 404], 4, PassingError),
        ([404, 503], 4, PassingError),
        ([404, 410], 2, SourceError),
    ],
)
def test_a_check_is_repeated_while_a_mirror_may_recover(
    web: Mirror, statuses: list[int], requests: int, kind: type[SourceError]
) -> None:
    """The error is one that may pass if there is one: another run may find the file."""
    for status in statuses:
        web.publish(f"/{status}", File(b"", status))
    with pytest.raises(SourceError) as caught:
        ask(web, *(f"/{status}" for status in statuses))
    assert type(caught.value) is kind
    assert len(web.queries) == requests
    assert ("HTTP 503" in str(caught.value)) is (kind is PassingError)


def test_a_check_reads_the_first_bytes_only(web: Mirror) -> None:
    """From the first mirror that responds; the whole if a server sends no ranges, and then it is not read."""
    web.publish("/a", bytes(10_000))
    assert ask(web, "/missing", "/a", "/other") == 10_000
    assert web.queries == ["GET /missing from 0 to 4095", "GET /a from 0 to 4095"]
    web.queries.clear()
    for status in (400, 403, 405, 416, 501):
        web.publish(f"/{status}", File(bytes(10_000), head=status))
        assert ask(web, f"/{status}") == 10_000
        assert web.queries[-1] == f"GET /{status}"
    web.publish("/404", File(b"", head=404))
    with pytest.raises(SourceError, match="HTTP 404"):
        ask(web, "/404")
    web.publish("/plain", File(bytes(10_000), ranges=False))
    assert ask(web, "/plain") == 10_000
    web.publish("/unknown", File(b"x", ranges=False, announced=0))
    assert ask(web, "/unknown") is None


@pytest.mark.parametrize("ranges", [True, False])
def test_a_page_instead_of_an_image_is_found_before_an_apply(web: Mirror, ranges: bool) -> None:
    """It is not found if the format is not known, because a list of digests may be a page."""
    web.publish("/login", File(b"<!DOCTYPE html>" + bytes(9000), ranges=ranges))
    with pytest.raises(SourceError, match="/login: the data is an HTML page, not raw") as caught:
        ask(web, "/login", disk_format="raw")
    assert not isinstance(caught.value, PassingError)
    assert len(web.queries) == 1
    assert ask(web, "/login") == 9015


def test_the_redirects_of_urls_are_found_without_reading_them(web: Mirror) -> None:
    """A URL that fails has none."""
    web.publish("/latest", File(b"", 302, {"Location": "/next"}))
    web.publish("/next", File(b"", 302, {"Location": "/real"}))
    web.publish("/real", DATA)
    urls = [f"{web.address}/{name}" for name in ("latest", "real", "missing")]
    found = fetch_redirects(urls, SourceAccess())
    assert found == {urls[0]: [f"{web.address}/next", urls[1]], urls[1]: [], urls[2]: []}
    assert "GET /real from 0 to 4095" in web.queries


def test_a_document_is_fetched_within_its_limits(web: Mirror) -> None:
    """Its size, its time, its number of tries, and the hosts that are allowed."""
    url = web.publish("/SUMS", b"x" * 2**20)
    assert fetch(url, SourceAccess(), max_bytes=2**20) == b"x" * 2**20
    for access, deadline, limit in (
        (SourceAccess(), Deadline(), 2**20 - 1),
        (SourceAccess(), Deadline(time.monotonic() - 1), 2**20),
        (SourceAccess(("h.example",)), Deadline(), 2**20),
    ):
        with pytest.raises(SourceError):
            fetch(url, access, deadline, max_bytes=limit)
    with pytest.raises(PassingError):
        fetch(web.publish("/down", File(b"", 503)), SourceAccess(), pauses=(0.0,))
    assert web.queries == ["GET /SUMS", "GET /SUMS", "GET /down"]
    with open_document(url, SourceAccess(), max_bytes=2**20) as opened:
        assert opened.read_all() == b"x" * 2**20


def test_a_document_that_was_packed_on_the_way_is_unpacked(web: Mirror) -> None:
    """A list of digests is text; a limit counts what was unpacked."""
    url = web.publish("/SUMS", File(gzip.compress(b"x" * 2**21), headers={"Content-Encoding": "gzip"}))
    assert fetch(url, SourceAccess()) == b"x" * 2**21
    with pytest.raises(SourceError, match="larger than"):
        fetch(url, SourceAccess(), max_bytes=2**21 - 1)


def test_checks_and_redirects_end_at_the_deadline(web: Mirror) -> None:
    """No request is sent after it."""
    url, over = web.publish("/a", DATA), Deadline(time.monotonic() - 1)
    with pytest.raises(SourceError, match="took more than 60 s"):
        check_source([url], SourceAccess(), over, pauses=(1.0,))
    assert fetch_redirects([url], SourceAccess(), over) == {url: []}
    assert web.queries == []


def test_a_transfer_is_opened_under_the_rules_of_the_run(web: Mirror) -> None:
    """A host that is not allowed gets no request; without rules, every host is allowed."""
    url = web.publish("/a", DATA)
    with (
        pytest.raises(SourceError, match="not named by --source-hosts"),
        open_url([url], verified=True, access=SourceAccess(("h.example",))),
    ):
        pass
    assert web.queries == []
    with open_url([url], verified=True) as opened:
        assert b"".join(opened.read_blocks()) == DATA


def test_a_server_that_accepts_no_connection_is_left_when_the_check_fails() -> None:
    """Nothing else could end the wait for it."""

    def check() -> None:
        raise LookupError("the lease is lost")

    with full_server() as address, pytest.raises(LookupError), open_url([f"{address}/a"], verified=True, check=check):
        pass


def test_the_limits_are_those_that_were_decided() -> None:
    """The other tests take them from the code."""
    assert limits.CHUNK == 1_048_576
    assert limits.PAUSES == (0, 1, 2, 4, 8)
    assert limits.MAX_DOCUMENT_BYTES == 16_777_216
    assert limits.SMALL_BYTES == 1_048_576
