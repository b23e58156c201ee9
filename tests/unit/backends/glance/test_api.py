"""Answers that a real Glance does not give: proxies, broken services, hostile ones. A loopback server of the test's own.

Each test says what the server answers, request by request; the last answer is repeated.
"""

import gzip
import io
import itertools
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from keystoneauth1 import exceptions
from keystoneauth1.noauth import NoAuth
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session
from urllib3 import HTTPResponse

from imagesync.backends.base import Backend
from imagesync.backends.glance.api import MAX_RESPONSE_VALUES, Answer, Api, Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.body import Body
from imagesync.backends.glance.connect import connect
from imagesync.backends.glance.response_limits import MAX_RESPONSE_BYTES, UnfitAnswer
from imagesync.backends.wire import NOT_IMAGE_API
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    ImagesyncError,
    InUse,
    LeaseLost,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    Unavailable,
    UsageError,
)
from imagesync.model.catalog import Compression, FileSource, Fingerprint, Transfer
from imagesync.model.image import Filter, LiveImage
from imagesync.retry import Pace
from imagesync.sources import open_source
from tests.fault.scripted import IMAGE_ID, RESET, Say, Server, image, listening
from tests.fault.scripted_backend import OpenScripted


def refused(kind: type[Exception], ask: Callable[[], object]) -> str:
    """The text of the error of exactly this kind: one line."""
    with pytest.raises(kind) as caught:
        ask()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_service_without_authentication_needs_only_an_endpoint(open_scripted: OpenScripted) -> None:
    """No identity service, no project, no token."""
    service = open_scripted([Say()])
    assert service.backend.images(IMAGE_ID)[0].id == IMAGE_ID
    assert service.server.queries == [f"GET /image/v2/images/{IMAGE_ID}"]
    assert service.server.headers[0].get("X-Auth-Token", "notused") == "notused"
    identity = service.backend.identity()
    assert (identity.project_id, identity.region, identity.label) == ("", "r", "c")
    assert identity.location.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(("seconds", "queries"), [(60.0, 2), (0.5, 1)])
def test_within_a_time_limit_a_request_is_repeated_once_at_most(
    open_scripted: OpenScripted, seconds: float, queries: int
) -> None:
    """A heartbeat that is asked for again and again would be the last one; without a limit there are five tries."""
    service = open_scripted([Say(503)])
    refused(Unavailable, lambda: service.backend.with_time_limit(seconds).images(IMAGE_ID))
    assert len(service.server.queries) == queries
    refused(Unavailable, lambda: service.backend.images(IMAGE_ID))
    assert len(service.server.queries) == queries + 5


def test_images_without_an_owner_are_ours_where_there_are_no_projects(open_scripted: OpenScripted) -> None:
    """No filter by owner then; the mark is compared again."""
    marked = [image("a", imagesync_catalog="base"), image("b", imagesync_catalog="BASE"), image("c", owner="x")]
    service = open_scripted([Say(body={"images": marked})])
    assert [found.id for found in service.backend.inventory("base")] == ["a"]
    assert all("owner=" not in path for path in service.server.queries)


@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.inventory("base", ["ours"]),
        lambda backend: backend.find_named(["n"], "ours"),
        lambda backend: backend.leases("lease"),
        lambda backend: backend.find_images(Filter(owner="ours", name="n", catalog="base")),
    ],
    ids=["inventory", "names", "leases", "filter"],
)
def test_what_a_service_lists_beside_what_was_asked_for_is_left_out(
    open_scripted: OpenScripted, ask: Callable[[Glance], list[LiveImage]]
) -> None:
    """Its filters may ignore case and more, or be unknown to it: all is compared again, byte for byte."""
    right: dict[str, object] = {"owner": "ours", "name": "n", "imagesync_catalog": "base", "imagesync_lease": "lease"}
    wrong: list[dict[str, object]] = [
        {"owner": "theirs"},
        {"owner": None},
        {"owner": "OURS"},
        {"name": "N", "imagesync_catalog": "Base", "imagesync_lease": "Lease"},
        {"name": "other", "imagesync_catalog": "other", "imagesync_lease": "other"},
    ]
    listed = [image("right", **right), *(image(f"w{n}", **(right | one)) for n, one in enumerate(wrong))]
    service = open_scripted([Say(body={"images": listed})], project="ours")
    assert [found.id for found in ask(service.backend)] == ["right"]


@pytest.mark.parametrize(
    "body", [b"<html>Welcome</html>", b"", b"\xff\xfe", b"{", b"[" * 100_000, b"[]", b"3", b"null"]
)
def test_an_answer_that_is_no_image_is_one_line(open_scripted: OpenScripted, body: bytes) -> None:
    """A login page of a proxy, say."""
    kind = UnfitAnswer if body.startswith(b"[[") else BackendError
    text = refused(kind, lambda: open_scripted([Say(body=body)]).backend.images(IMAGE_ID))
    assert "image_endpoint_override" in text


@pytest.mark.parametrize("value", [b"0", b'{"a":0}', b"[0]", b'""'])
def test_an_answer_of_too_many_values_is_not_read(open_scripted: OpenScripted, value: bytes) -> None:
    """Two bytes may take two hundred in memory, of whatever kind they are."""
    body = b"[" + b",".join([value] * 1_000_002) + b"]"
    text = refused(UnfitAnswer, lambda: open_scripted([Say(body=body)]).backend.images(IMAGE_ID))
    assert "has more than 1000000 values" in text


def decode(body: bytes) -> object:
    """The document of a response."""
    return Api(Session(), "http://h/v2", "image service").decode(Answer(200, {}, body), "/x?secret")


@pytest.mark.parametrize(("value", "each"), [(b"0", 1), (b"[]", 2), (b"{}", 2), (b'{"":0}', 3)])
def test_each_kind_of_value_counts(value: bytes, each: int) -> None:
    """A list, an entry of it, an object and its members; as many as the limit are read."""
    size = (MAX_RESPONSE_VALUES - 1) // each + 1
    text = refused(UnfitAnswer, lambda: decode(b"[" + b",".join([value] * (size + 1)) + b"]"))
    assert text.startswith("image service at h: the response to /x has more than 1000000 values")
    if each == 1:
        assert len(json.dumps(decode(b"[" + b",".join([value] * size) + b"]"))) == 3 * size


@pytest.mark.parametrize("body", [b'{"name": "\\ud800"}', b'["\\uDC00 x"]', b"[" * 100_000])
def test_text_that_cannot_be_encoded_is_not_read(body: bytes) -> None:
    """Half of a character could not be written to a plan; a pair of halves is a character."""
    assert "nested too deep or has invalid text" in refused(UnfitAnswer, lambda: decode(body))
    assert decode(b'["\\ud83d\\ude00"]') == ["\U0001f600"]


def test_the_tail_of_a_response_is_kept_alone(open_scripted: OpenScripted) -> None:
    """The body is read to its end, and its size is known; an error is the service's own."""
    whole = b"x" * 70_000 + b"tail"
    api = open_scripted([Say(body=whole)]).backend._api
    assert api.read_tail("/images?x", 100_000) == (whole[-65_536:], len(whole))
    assert "GET /images: the response is larger" in refused(UnfitAnswer, lambda: api.read_tail("/images?x", 60_000))
    api = open_scripted([Say(404, b"no")]).backend._api
    assert "GET /images: HTTP 404: no" in refused(NotFound, lambda: api.read_tail("/images?x", 7))
    api = open_scripted([Say(body=whole, cut=100)]).backend._api
    assert "image service at 127.0.0.1" in refused(Unavailable, lambda: api.read_tail("/images", 100_000))


def test_an_error_page_in_another_encoding_is_shown_all_the_same(open_scripted: OpenScripted) -> None:
    """What is not UTF-8 in it is replaced."""
    text = refused(Forbidden, lambda: open_scripted([Say(403, b"not for \xfcs")]).backend.images(IMAGE_ID))
    assert "HTTP 403: not for \ufffds" in text


def test_the_library_logs_neither_token_nor_body(open_scripted: OpenScripted, caplog: pytest.LogCaptureFixture) -> None:
    """Its own lines would have both."""
    caplog.set_level("DEBUG")
    open_scripted([Say(body=image(p="S3CRET"))]).backend.update_image(IMAGE_ID, properties={"p": "S3CRET"})
    assert "HTTP 200" in caplog.text
    assert "S3CRET" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("keystoneauth")]


@pytest.mark.parametrize("body", [{}, {"images": None}, {"images": {}}, [], {"images": [3]}, {"images": [{"id": "x"}]}])
def test_a_listing_of_another_shape_is_one_line(open_scripted: OpenScripted, body: object) -> None:
    """Parsed once, at the border."""
    refused(BackendError, lambda: open_scripted([Say(body=body)]).backend.images())


def test_members_and_stores_of_another_shape(open_scripted: OpenScripted) -> None:
    """Members are needed, capabilities only help."""
    refused(BackendError, lambda: open_scripted([Say(body={"members": 3})]).backend.members("x"))
    refused(BackendError, lambda: open_scripted([Say(body={"members": [3]})]).backend.members("x"))
    assert open_scripted([Say(body=[3])]).backend.capabilities().stores == frozenset()


@pytest.mark.parametrize("status", ["deleted", "pending_delete"])
def test_an_image_in_the_middle_of_its_deletion_is_gone(open_scripted: OpenScripted, status: str) -> None:
    """A real Glance shows it so between its two transactions: with its name, and without its properties."""
    going = image("b", name="ubuntu", status=status)
    backend = open_scripted(lambda path: Say(body={"images": [image("a", name="ubuntu"), going]})).backend
    assert [found.id for found in backend.images()] == ["a"]
    assert [found.id for found in backend.find_named(["ubuntu"], "")] == ["a"]
    refused(NotFound, lambda: open_scripted([Say(body=going)]).backend.images("b"))


def test_an_answer_without_end_is_cut(open_scripted: OpenScripted) -> None:
    """Memory is bounded."""
    answers = [Say(body=b" " * (MAX_RESPONSE_BYTES + 2))]
    assert "larger than 16 MiB" in refused(UnfitAnswer, lambda: open_scripted(answers).backend.images(IMAGE_ID))


def test_pages_that_repeat_themselves_end(open_scripted: OpenScripted) -> None:
    """A marker seen twice: the listing would never end."""
    service = open_scripted([Say(body={"images": [image()], "next": "/v2/images?marker=x"})])
    assert "never ends" in refused(BackendError, service.backend.images)
    assert len(service.server.queries) <= 6


def test_an_empty_page_ends_a_listing(open_scripted: OpenScripted) -> None:
    """Whatever it says comes next."""
    service = open_scripted([Say(body={"images": [], "next": "/v2/images?marker=x"})])
    assert service.backend.images() == []
    assert len(service.server.queries) == 2


@pytest.mark.parametrize("link", ["/v2/images", "/image/v2/images", "http://elsewhere.invalid/x/v2/images"])
def test_the_next_page_is_asked_from_the_same_service(open_scripted: OpenScripted, link: str) -> None:
    """Whatever prefix or host a proxy puts into the link: the token is sent nowhere else."""

    def pages(path: str) -> Say:
        if "marker=m" in path:
            return Say(body={"images": [image("b")]})
        return Say(body={"images": [image("a")], "next": f"{link}?marker=m&path=/v2/x"})

    service = open_scripted(pages)
    assert [found.id for found in service.backend.images()] == ["a", "b"]
    assert service.server.queries[-1] == "GET /image/v2/images?marker=m&path=/v2/x"


def test_a_listing_whose_marker_vanished_begins_again(open_scripted: OpenScripted) -> None:
    """400 on a later page: the image it begins after was deleted meanwhile."""
    vanished = []

    def pages(path: str) -> Say:
        if "marker=gone" in path:
            vanished.append(path)
            return Say(400, b"<html>No image found with ID gone</html>")
        if vanished or "os_hidden=true" in path:
            return Say(body={"images": [image("b")]})
        return Say(body={"images": [image("a")], "next": "/v2/images?marker=gone"})

    service = open_scripted(pages)
    assert [found.id for found in service.backend.images()] == ["b"]
    assert len(vanished) == 1


def test_a_listing_whose_markers_always_vanish_gives_up(open_scripted: OpenScripted) -> None:
    """Bounded, and not mistaken for a bad question."""
    first = Say(body={"images": [image("a")], "next": "/v2/images?marker=gone"})
    service = open_scripted(lambda path: Say(400, b"No image found") if "marker" in path else first)
    assert "the image list changed during each of 5 attempts" in refused(Unavailable, service.backend.images)


@pytest.mark.parametrize("failure", [Say(500, b"oops"), Say(502, b""), Say(503), Say(504), Say(429), RESET, Say(cut=5)])
def test_a_read_is_repeated(open_scripted: OpenScripted, failure: Say) -> None:
    """Errors that the next try may not have, also an interrupted response."""
    service = open_scripted([failure, failure, Say()])
    assert service.backend.images(IMAGE_ID)[0].id == IMAGE_ID
    assert service.waits == [1.0, 2.0]


def test_tries_are_bounded(open_scripted: OpenScripted) -> None:
    """Five, then the service's own words."""
    service = open_scripted([Say(503, b"<html><body>maintenance until noon</body></html>")])
    assert "maintenance until noon" in refused(Unavailable, lambda: service.backend.images(IMAGE_ID))
    assert (len(service.server.queries), service.waits) == (5, [1.0, 2.0, 4.0, 8.0])


def test_the_service_says_how_long_to_wait(open_scripted: OpenScripted) -> None:
    """Retry-After; a wait that is too long ends the tries."""
    service = open_scripted([Say(429, headers={"Retry-After": "17"}), Say()])
    service.backend.images(IMAGE_ID)
    assert service.waits == [17.0]
    service = open_scripted([Say(503, headers={"Retry-After": "3600"}), Say()])
    refused(Unavailable, lambda: service.backend.images(IMAGE_ID))
    assert service.waits == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418])
def test_a_refusal_is_not_repeated(open_scripted: OpenScripted, status: int) -> None:
    """It would be the same again; a 401 is tried once more with a new token."""
    service = open_scripted([Say(status, b"no")])
    with pytest.raises(BackendError):
        service.backend.images(IMAGE_ID)
    assert (len(service.server.queries), service.waits) == (2 if status == 401 else 1, [])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(open_scripted: OpenScripted, status: int) -> None:
    """Another host would get the token, another method the wrong request."""
    service = open_scripted([Say(status, b"", {"Location": "http://elsewhere.invalid/v2/images"})])
    for ask in (service.backend.images, lambda: service.backend.upload("x", [b"x"], 1)):
        assert "redirect" in refused(BackendError, ask)


@pytest.mark.parametrize("failure", [Say(500, b""), Say(503, b""), RESET])
def test_a_patch_is_never_repeated_blindly(open_scripted: OpenScripted, failure: Say) -> None:
    """Whether it was carried out is for the caller to see."""
    service = open_scripted([failure, Say()])
    refused(Unavailable, lambda: service.backend.update_image(IMAGE_ID, name="n"))
    assert service.server.queries == [f"PATCH /image/v2/images/{IMAGE_ID}"]


def test_a_patch_that_was_turned_away_is_repeated(open_scripted: OpenScripted) -> None:
    """429 says that nothing was done."""
    service = open_scripted([Say(429, b""), Say(body=image(name="n"))])
    assert service.backend.update_image(IMAGE_ID, name="n").name == "n"


@pytest.mark.parametrize(("absent", "version"), [(False, "v2.1"), (True, "v2.0")])
def test_only_the_older_form_of_a_patch_refuses_a_property_that_exists(
    open_scripted: OpenScripted, *, absent: bool, version: str
) -> None:
    """The first claim of an image must fail if another run has claimed it: the media type decides that."""
    service = open_scripted([Say(body=image(p="1"))])
    service.backend.update_image(IMAGE_ID, properties={"p": "1"}, absent=absent)
    (headers,) = service.server.headers
    assert headers["Content-Type"] == f"application/openstack-images-{version}-json-patch"


@pytest.mark.parametrize("failure", [RESET, Say(502, b"")])
def test_a_deletion_whose_answer_was_lost_is_done(open_scripted: OpenScripted, failure: Say) -> None:
    """404 to the second request: the first did it. 404 to the first is NotFound."""
    service = open_scripted([failure, Say(404, b"gone")])
    service.backend.delete_image(IMAGE_ID)
    refused(NotFound, lambda: open_scripted([Say(404, b"gone")]).backend.delete_image(IMAGE_ID))
    refused(NotFound, lambda: open_scripted([Say(429, b""), Say(404, b"gone")]).backend.delete_image(IMAGE_ID))


def test_a_loser_of_racing_deletions_finds_nothing(open_scripted: OpenScripted) -> None:
    """400 "transition from deleted to deleted": it was deleted."""
    service = open_scripted([Say(400, b"transition from deleted to deleted"), Say(404, b"No image found")])
    assert "No image found" in refused(NotFound, lambda: service.backend.delete_image(IMAGE_ID))


def test_an_image_in_use_differs_from_other_conflicts(open_scripted: OpenScripted) -> None:
    """409 of a DELETE is an outcome of its own."""
    text = refused(InUse, lambda: open_scripted([Say(409, b"Image is in use")]).backend.delete_image(IMAGE_ID))
    assert "Image is in use" in text


def test_a_create_whose_answer_was_lost_meets_its_own_record(open_scripted: OpenScripted) -> None:
    """The id is that of this run, made a moment ago; the nonce identifies a chosen one."""
    ours = {"imagesync_managed": '{"n":"1"}'}
    service = open_scripted([RESET, Say(409, b"already exists"), Say(body=image("x", **ours))])
    assert service.backend.create_image(name="n").id == "x"
    service = open_scripted([Say(503, b""), Say(409, b"already exists"), Say(body=image("x", **ours))])
    assert service.backend.create_image(id="x", properties=ours).id == "x"
    service = open_scripted([Say(503, b""), Say(409, b"already exists"), Say(body=image("x", imagesync_managed="{}"))])
    refused(Conflict, lambda: service.backend.create_image(id="x", properties=ours))
    service = open_scripted([Say(503, b""), Say(409, b"already exists"), Say(body=image("x", p="1"))])
    refused(Conflict, lambda: service.backend.create_image(id="x", properties={"p": "1"}))  # any user may have made it


def test_the_same_id_is_sent_again(open_scripted: OpenScripted) -> None:
    """Else a lost answer would leave two records."""
    service = open_scripted([Say(503, b""), RESET, Say(201, image())])
    service.backend.create_image(name="n")
    first, *repeated = [json.loads(body)["id"] for body in service.server.bodies]
    assert repeated == [first, first]


class NumberedTokens(BaseAuthPlugin):
    """An authentication whose tokens are 0, 1, 2, …; the first two requests get their tokens at the same moment."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self._begin, self._meet = threading.Barrier(2, timeout=30), threading.Barrier(2, timeout=0.5)
        self._begun = threading.Semaphore(2)

    def get_token(self, session: Session, **_: object) -> str:
        """The present one."""
        token = str(self.number)
        if self._begun.acquire(blocking=False):
            self._begin.wait()
        elif token == "0":
            with suppress(threading.BrokenBarrierError):  # only one at a time may look whether its token is old
                self._meet.wait()
        return token

    def invalidate(self) -> bool:
        """The next one is another."""
        self.number += 1
        return True


def test_two_threads_whose_token_has_expired_log_in_once() -> None:
    """The second one would make the first one's new token useless, and so on."""
    tokens = NumberedTokens()
    server = Server(lambda _: Say() if server.headers[-1]["X-Auth-Token"] == "1" else Say(401, b"no"))
    with listening(server) as address, ThreadPoolExecutor(2) as pool:
        session = Session(auth=tokens)
        api = Api(session, address, "image service")
        answers = list(pool.map(api.get, ("/v2/images/a", "/v2/images/b")))
        session.session.close()
    assert answers == [image(), image()]
    assert tokens.number == 1


class FailingTokens(BaseAuthPlugin):
    """An authentication that fails with these errors, one after the other, and then has a token."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self._errors = list(errors)

    def get_token(self, session: Session, **_: object) -> str:
        """An error or the token."""
        if self._errors:
            raise self._errors.pop(0)
        return "t"


@pytest.mark.parametrize("busy", [1, 2])
def test_a_write_without_a_token_was_not_sent(busy: int) -> None:
    """A busy identity service is asked again, also for a PATCH, which is sent once."""
    waits: list[float] = []
    server = Server([Say()])
    with listening(server) as address:
        session = Session(auth=FailingTokens(*[exceptions.ServiceUnavailable()] * busy))
        api = Api(session, address, "image service", pace=Pace(sleep=waits.append, random=lambda: 1.0))
        assert api.send("PATCH", "/x", [], repeat=False) == image()
        session.session.close()
    assert (len(server.queries), waits) == (1, [1.0, 2.0][:busy])
    assert server.headers[0]["X-Auth-Token"] == "t"


@pytest.mark.parametrize("error", [AttributeError, IndexError, KeyError, TypeError])
def test_a_token_of_another_shape_is_one_line(error: type[Exception]) -> None:
    """The library raises errors of many types."""
    api = Api(Session(auth=FailingTokens(error("x"))), "http://127.0.0.1:1", "image service")
    text = refused(BackendError, lambda: api.get("/x"))
    assert text.startswith("identity service: its response has no valid token; correct auth_url")


def test_the_log_says_why_a_request_is_repeated(open_scripted: OpenScripted, caplog: pytest.LogCaptureFixture) -> None:
    """A status, a lost response, or no connection; without the query."""
    caplog.set_level("INFO", "imagesync.retry")
    service = open_scripted([Say(502, b""), RESET, Say(body={"images": []})])
    service.backend._api.get("/images?limit=1")
    assert [record.getMessage() for record in caplog.records] == [
        "GET /images: HTTP 502; trying again in 1.0 s",
        "GET /images: no response; trying again in 2.0 s",
    ]
    caplog.clear()
    api = Api(Session(auth=NoAuth()), "http://127.0.0.1:1", "s", pace=Pace(2, sleep=lambda _: None, random=lambda: 1.0))
    refused(Unavailable, lambda: api.get("/x?y"))
    assert [record.getMessage() for record in caplog.records] == ["GET /x: no connection; trying again in 1.0 s"]


def test_data_is_sent_once(open_scripted: OpenScripted) -> None:
    """Neither 401 nor 503 nor a lost connection makes the HTTP layers send consumed bytes again."""
    for failure, kind in ((Say(401, b""), Unauthorized), (Say(503, b""), Unavailable), (Say(413, b""), QuotaExceeded)):
        service = open_scripted([failure, Say()])
        refused(kind, lambda service=service: service.backend.upload(IMAGE_ID, iter([b"x"]), 1))  # type: ignore[misc]
        assert [
            requests for requests in service.server.queries if requests.startswith("PUT")
        ] == service.server.queries[:1]
        assert service.waits == []


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthorized), (409, Conflict), (413, QuotaExceeded), (503, Unavailable)]
)
@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZ])
def test_a_refused_upload_leaves_no_thread_of_its_source(
    open_scripted: OpenScripted, tmp_path: Path, status: int, kind: type[BackendError], compression: Compression
) -> None:
    """The service answers without reading: whatever was read, unpacked and hashed ahead ends, also with full queues."""
    data = bytes(range(256)) * 2**17
    (tmp_path / "x").write_bytes(gzip.compress(data, 1) if compression is Compression.GZ else data)
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(compression))
    service = open_scripted([Say(status, b"no"), Say(body=image(status="queued"))])
    with (
        pytest.raises((kind, Unavailable)),  # the answer may be lost where the connection is closed on the body
        open_source(source, Fingerprint(), disk_format="raw") as stream,
    ):
        service.backend.upload(IMAGE_ID, stream, stream.size)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("imagesync-")] == []


def test_a_connection_with_a_refused_body_is_not_used_again(open_scripted: OpenScripted) -> None:
    """The service would take the unread rest of the body for the next request."""
    service = open_scripted([Say(413, b"over quota"), Say()])
    assert "over quot" in refused(QuotaExceeded, lambda: service.backend.upload(IMAGE_ID, [b"x" * 100], 100))
    assert service.backend.update_image(IMAGE_ID, name="n").id == IMAGE_ID
    service = open_scripted([Say(401, b"no"), Say(), Say(413, b""), Say()])
    assert service.backend.update_image(IMAGE_ID, name="n").id == IMAGE_ID
    refused(QuotaExceeded, lambda: service.backend.create_image(name="n"))
    assert service.backend.update_image(IMAGE_ID, name="n").id == IMAGE_ID
    assert service.waits == []


def test_a_connection_lost_during_an_upload_reports_the_state_of_the_record(open_scripted: OpenScripted) -> None:
    """It is Unavailable, with the state that the service shows; a deleted record is NotFound."""
    service = open_scripted([RESET, Say(body=image(status="queued"))])
    assert "queued" in refused(Unavailable, lambda: service.backend.upload(IMAGE_ID, [b"x"], 1))
    service = open_scripted([RESET, Say(404, b"gone")])
    refused(NotFound, lambda: service.backend.upload(IMAGE_ID, [b"x"], 1))


def test_an_upload_answered_before_its_end_is_no_success(open_scripted: OpenScripted) -> None:
    """A service that says 204 without having read the data keeps less than it was sent."""
    service = open_scripted([Say(204, b""), Say(body=image(status="active"))])
    chunks = (b"x" * 2**20 for _ in range(64))
    assert "before it had received all data" in refused(
        Unavailable, lambda: service.backend.upload(IMAGE_ID, chunks, None)
    )


class EarlyService(Session):
    """A session whose service responds after the first chunk of a body, or before it."""

    def __init__(self, chunks: int, status: int) -> None:
        super().__init__(auth=NoAuth())
        self._chunks, self._status = chunks, status

    def request(self, *_: object, data: Iterable[bytes] = (), **_given: object) -> requests.Response:
        """The response, when so many chunks were taken."""
        list(itertools.islice(data, self._chunks))
        answer = requests.Response()
        answer.status_code = self._status
        answer.raw = HTTPResponse(io.BytesIO(), status=self._status, preload_content=False)
        return answer


@pytest.mark.parametrize("size", [6, None])
@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
def test_a_success_before_the_last_byte_of_the_body_is_no_success(size: int | None, chunks: int) -> None:
    """Whether the size was announced or not: the image would be a part of the file."""
    body, api = Body([b"abc", b"def"], size), Api(EarlyService(chunks, 204), "http://h/v2", "image service")
    if chunks == 3:
        api.upload("/images/a/file", body, size, {})
    else:
        text = refused(Unavailable, lambda: api.upload("/images/a/file", body, size, {}))
        assert "responded before it had received all data" in text


def test_a_download_that_breaks_off_is_no_shorter_file(open_scripted: OpenScripted) -> None:
    """The declared length is not reached."""
    service = open_scripted([Say(body=b"x" * 1000, cut=500)])
    refused(Unavailable, lambda: list(service.backend.download(IMAGE_ID)))


def test_a_probe_that_publishes_is_taken_back(open_scripted: OpenScripted) -> None:
    """A service that overlooks a missing property has made the image public."""
    service = open_scripted([Say(), Say()])
    assert service.backend.can_publish(IMAGE_ID)
    assert service.server.queries == [f"PATCH /image/v2/images/{IMAGE_ID}"] * 2


def test_no_secret_of_a_page_reaches_a_message(open_scripted: OpenScripted) -> None:
    """Signed URLs and tokens in what a proxy answers."""
    body = b"cannot GET https://u:pw@store/x?X-Signature=abc with gAAAAAB" + b"k" * 80
    text = refused(BackendError, lambda: open_scripted([Say(418, body)]).backend.images(IMAGE_ID))
    assert "https://store/x" in text
    assert not any(secret in text for secret in ("pw", "abc", "kkk"))


def test_a_service_that_does_not_respond_is_one_line(open_scripted: OpenScripted) -> None:
    """No server listens: five tries, the address and the reason; a PATCH too, for it was never sent."""
    service = open_scripted([Say()])
    with listening(Server([Say()])) as address:
        pass
    connection = service.backend._connection
    waits: list[float] = []
    backend = Glance(replace(connection, url=f"{address}/v2"), Pace(sleep=waits.append))
    for ask in (backend.images, lambda: backend.update_image("x", name="n")):
        text = refused(Unavailable, ask)
        assert "Connection refused" in text
        assert address.removeprefix("http://") in text
    assert len(waits) >= 8


def test_tls_to_a_plain_service_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt scheme."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with listening(Server([Say()])) as address:
        auth = f"{{auth_url: '{address.replace('http:', 'https:')}/v3', username: a, password: b, project_name: c}}"
        (tmp_path / "clouds.yaml").write_text(f"clouds: {{c: {{auth: {auth}}}}}\n")
        message = refused(UsageError, lambda: connect("c", Pace(tries=1)))
        assert "the address begins with https://, but the server uses plain HTTP" in message


@pytest.mark.parametrize("path", ["", "/v3"])
def test_an_identity_service_that_is_busy_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As long as it asks, whether it is asked for its versions or for a token; then it is one line."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    waits: list[float] = []
    with listening(Server([Say(503, b"", {"Retry-After": "7", "Connection": "close"})])) as address:
        auth = f"{{auth_url: '{address}{path}', username: a, password: b, project_name: c}}"
        (tmp_path / "clouds.yaml").write_text(f"clouds: {{c: {{auth: {auth}}}}}\n")
        assert "503" in refused(Unavailable, lambda: connect("c", Pace(tries=3, sleep=waits.append)))
    assert waits == [7.0, 7.0]


@pytest.mark.parametrize("answer", [Say(404, b"no"), Say(200, b"<html>"), Say(500, b""), Say(403, b""), Say(200, {})])
def test_an_address_without_an_identity_service_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Say
) -> None:
    """Whatever answers there."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with listening(Server([answer])) as address:
        for path in ("", "/v3"):
            auth = f"{{auth_url: '{address}{path}', username: a, password: sesame, project_name: c}}"
            (tmp_path / "clouds.yaml").write_text(f"clouds: {{c: {{auth: {auth}}}}}\n")
            with pytest.raises(Exception) as caught:
                connect("c", Pace(tries=1))
            assert type(caught.value).__module__ == "imagesync.errors"
            assert "\n" not in str(caught.value)
            assert "sesame" not in str(caught.value)


WRITES: dict[str, Callable[[Backend], object]] = {
    "create": lambda backend: backend.create_image(id=IMAGE_ID),
    "update": lambda backend: backend.update_image(IMAGE_ID, name="n"),
    "delete": lambda backend: backend.delete_image(IMAGE_ID),
    "reactivate": lambda backend: backend.reactivate(IMAGE_ID),
    "deactivate": lambda backend: backend.deactivate(IMAGE_ID),
    "share": lambda backend: backend.add_member(IMAGE_ID, "p"),
    "unshare": lambda backend: backend.remove_member(IMAGE_ID, "p"),
    "upload": lambda backend: backend.upload(IMAGE_ID, [b"x"], 1),
    "stage": lambda backend: backend.stage(IMAGE_ID, [b"x"], 1),
    "import": lambda backend: backend.import_image(IMAGE_ID, "web-download", uri="http://h/x"),
    "may publish": lambda backend: backend.can_publish(IMAGE_ID),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_without_the_lease_nothing_is_written(open_scripted: OpenScripted, write: Callable[[Backend], object]) -> None:
    """Lost since the caller asked, while a new token was fetched, say. What only reads continues."""
    service = open_scripted([Say()])

    def check() -> None:
        raise LeaseLost("the lease is lost")

    leased = service.backend.with_lease(check)
    refused(LeaseLost, lambda: write(leased))
    assert service.server.queries == []
    assert leased.images(IMAGE_ID)[0].id == IMAGE_ID


class LateTokens(BaseAuthPlugin):
    """An authentication that takes longer than the lease lasts."""

    has_lasted = False

    def get_token(self, session: Session, **_: object) -> str:
        """A token, late."""
        self.has_lasted = True
        return "late"


REQUESTS: dict[str, Callable[[Api], object]] = {
    "POST": lambda api: api.send("POST", "/images", {}),
    "PATCH": lambda api: api.send("PATCH", "/images/a", [], repeat=False),
    "DELETE": lambda api: api.delete("/images/a"),
    "PUT": lambda api: api.upload("/images/a/file", Body([b"x"], 1), 1, {}),
}


@pytest.mark.parametrize("send", REQUESTS.values(), ids=REQUESTS)
def test_a_lease_that_is_lost_while_a_token_is_fetched_is_noticed(send: Callable[[Api], object]) -> None:
    """Nothing that may take long comes between the check and the request."""
    tokens = LateTokens()

    def check() -> None:
        if tokens.has_lasted:
            raise LeaseLost("the lease is lost")

    server = Server([Say()])
    with listening(server) as address:
        session = Session(auth=tokens)
        api = Api(session, address, "image service", check_lease=check)
        refused(LeaseLost, lambda: send(api))
        session.session.close()
    assert server.queries == []


@pytest.mark.parametrize("write", ["create", "delete", "reactivate", "deactivate", "share", "unshare"])
@pytest.mark.parametrize(
    ("first", "kind"),
    [(Say(503), Unavailable), (RESET, Unavailable), (Say(429), LeaseLost)],
    ids=["503", "reset", "429"],
)
def test_no_write_is_repeated_without_the_lease(
    open_scripted: OpenScripted, write: str, first: Say, kind: type[ImagesyncError]
) -> None:
    """Between two tries up to a minute passes. Of a first one that may have been carried out the run must know."""
    service = open_scripted([first])

    def check() -> None:
        if service.server.queries:
            raise LeaseLost("the lease is lost")

    refused(kind, lambda: WRITES[write](service.backend.with_lease(check)))
    assert len([requests for requests in service.server.queries if not requests.startswith("GET")]) == 1


class Recorder(Session):
    """A session that records what it is asked to send; each response has the status and the body."""

    def __init__(self, status: int = 200, body: bytes = b"{}") -> None:
        super().__init__(auth=NoAuth())
        self._status, self._body = status, body
        self.calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def get_auth_headers(self, *_: object, **__: object) -> dict[str, str]:
        """A token."""
        return {"X-Auth-Token": "t"}

    def request(self, *words: object, **options: Any) -> requests.Response:
        """The response, after the whole body was taken."""
        self.calls.append((words, options))
        if not isinstance(options["data"], bytes | None):
            b"".join(options["data"])
        answer = requests.Response()
        answer.status_code = self._status
        answer.raw = HTTPResponse(io.BytesIO(self._body), status=self._status, preload_content=False)
        return answer


ONE_REQUEST = {
    "stream": True,
    "authenticated": False,
    "redirect": False,
    "raise_exc": False,
    "connect_retries": 0,
    "status_code_retries": 0,
    "log": False,
}
TOKEN = {"Accept": "application/json", "X-Auth-Token": "t"}


def test_each_option_of_a_request() -> None:
    """The library must neither log it, nor repeat it, nor follow a redirect; each kind has its own limits of time."""
    session, body = Recorder(), Body([b"abc"], 3)
    api = Api(session, "http://h/v2", "s", read_timeout=7.0, timeouts=Timeouts(listing=8.0, storing=9.0))
    api.get("/a")
    api.send("POST", "/b", {"x": 1})
    api.upload("/c", body, 3, {"x-image-meta-store": "fast"})
    list(api.download("/d"))
    octets = {"Content-Type": "application/octet-stream", "x-openstack-image-size": "3", "x-image-meta-store": "fast"}
    assert session.calls == [
        (("http://h/v2/a", "GET"), {"headers": TOKEN, "data": None, "timeout": (10.0, 7.0), **ONE_REQUEST}),
        (
            ("http://h/v2/b", "POST"),
            {
                "headers": {**TOKEN, "Content-Type": "application/json"},
                "data": b'{"x": 1}',
                "timeout": (10.0, 7.0),
                **ONE_REQUEST,
            },
        ),
        (
            ("http://h/v2/c", "PUT"),
            {"headers": {**TOKEN, **octets}, "data": body, "timeout": (300.0, 9.0), **ONE_REQUEST},
        ),
        (
            ("http://h/v2/d", "GET"),
            {
                "headers": {"X-Auth-Token": "t", "Accept": "*/*", "Accept-Encoding": "identity"},
                "data": None,
                "timeout": (10.0, 7.0),
                **ONE_REQUEST,
            },
        ),
    ]
    assert Timeouts() == Timeouts(listing=900.0, storing=3600.0)
    usual = Api(usual_session := Recorder(), "http://me:S3CRET@h:9/v2", "image service")
    assert (usual.name, usual.timeouts) == ("image service at h:9", Timeouts())
    usual.get("/a")
    assert usual_session.calls[0][1]["timeout"] == (10.0, 120.0)


@pytest.mark.parametrize("size", [0, 3, None])
def test_the_form_of_a_body(size: int | None) -> None:
    """Of an unknown length it is sent in chunks; an empty one would be of an unknown length for the library."""
    session, body = Recorder(204, b""), Body([b"abc"] if size != 0 else [], size)
    Api(session, "http://h/v2", "s").upload("/c", body, size, {})
    ((_, options),) = session.calls
    assert options["data"] == b"" if size == 0 else (options["data"] is body) is (size is not None)
    assert options["headers"].get("x-openstack-image-size") == (None if size is None else str(size))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (200, b"{", f"s at h: the response to /a is not JSON; {NOT_IMAGE_API}"),
        (403, b"no", "GET /a: HTTP 403: no"),
        (200, b'"\\ud800"', "s at h: the response to /a is JSON that is nested too deep or has invalid text; check"),
    ],
)
def test_the_message_about_a_response(status: int, body: bytes, text: str) -> None:
    """It has the path without the query, which may be a filter with names."""
    with pytest.raises(BackendError) as caught:
        Api(Recorder(status, body), "http://h/v2", "s").get("/a?name=S3CRET")
    assert str(caught.value).startswith(text)
    assert "S3CRET" not in str(caught.value)


def test_a_write_without_a_response_body_has_no_document() -> None:
    """Such as a status action."""
    assert Api(Recorder(204, b""), "http://h/v2", "s").send("POST", "/a") is None
    assert Api(Recorder(200, b"[3]"), "http://h/v2", "s").send("POST", "/a") == [3]


def test_a_body_that_was_not_taken_whole_is_named() -> None:
    """The message says what to check."""
    api = Api(EarlyService(1, 200), "http://h/v2", "s")
    assert refused(Unavailable, lambda: api.upload("/a/file?x", Body([b"abc", b"def"], 6), 6, {})) == (
        "PUT /a/file: the service responded before it had received all data; check the status of the image, then run apply "
        "again"
    )


def test_the_log_has_the_path_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    """A filter may have the name of a customer."""
    caplog.set_level("DEBUG")
    Api(Recorder(), "http://h/v2", "s").get("/images?name=S3CRET")
    own = [record.getMessage() for record in caplog.records if record.name == "imagesync.backends.glance.api"]
    assert own == ["GET /images: HTTP 200"]


class BusyRecorder(Recorder):
    """A session whose identity service is busy at the first request for a token."""

    tries = 0

    def get_auth_headers(self, *words: object, **options: object) -> dict[str, str]:
        self.tries += 1
        if self.tries == 1:
            raise exceptions.ServiceUnavailable("busy")
        return super().get_auth_headers(*words, **options)


def test_a_token_for_data_is_requested_again() -> None:
    """The data itself is sent once; without the second try, an upload would fail before it began."""
    for act in (
        lambda api: api.upload("/a/file", Body([b"abc"], 3), 3, {}),
        lambda api: list(api.download("/a/file")),
    ):
        session = BusyRecorder(200, b"x")
        act(Api(session, "http://h/v2", "s", pace=Pace(2, sleep=lambda _: None)))
        assert (session.tries, len(session.calls)) == (2, 1)
