"""Operations of a Backend -> the requests that are sent, and how often."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from imagesync import uptime
from imagesync.backends.base import CreateFields
from imagesync.backends.glance.api import Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.errors import BackendError, Conflict, Forbidden, InUse, InvalidRequest, NotFound, Unavailable, UsageError
from imagesync.model.image import Capabilities, Filter, LiveImage, Usage
from imagesync.retry import Pace
from tests.fault.scripted import IMAGE_ID, RESET, Say, image
from tests.fault.scripted_backend import OpenScripted, ScriptedBackend

PATH = f"/image/v2/images/{IMAGE_ID}"
NO_BODY = Say(204, b"")


def sent(service: ScriptedBackend) -> list[tuple[str, Any]]:
    """The requests, each with its JSON."""
    bodies = [json.loads(body) if body else None for body in service.server.bodies]
    return list(zip(service.server.queries, bodies, strict=True))


OPERATIONS: dict[str, tuple[Callable[[Glance], object], Say, str, object]] = {
    "reactivate": (lambda b: b.reactivate(IMAGE_ID), NO_BODY, f"POST {PATH}/actions/reactivate", None),
    "deactivate": (lambda b: b.deactivate(IMAGE_ID), NO_BODY, f"POST {PATH}/actions/deactivate", None),
    "delete": (lambda b: b.delete_image(IMAGE_ID), NO_BODY, f"DELETE {PATH}", None),
    "share": (lambda b: b.add_member(IMAGE_ID, "p/q"), Say(200, {}), f"POST {PATH}/members", {"member": "p/q"}),
    "unshare": (lambda b: b.remove_member(IMAGE_ID, "p/q"), NO_BODY, f"DELETE {PATH}/members/p%2Fq", None),
    "fetch": (
        lambda b: b.import_image(IMAGE_ID, "web-download", uri="http://h/x", stores=("a", "b")),
        Say(202, b""),
        f"POST {PATH}/import",
        {"method": {"name": "web-download", "uri": "http://h/x"}, "stores": ["a", "b"]},
    ),
    "use staged data": (
        lambda b: b.import_image(IMAGE_ID, "glance-direct"),
        Say(202, b""),
        f"POST {PATH}/import",
        {"method": {"name": "glance-direct"}},
    ),
    "copy": (
        lambda b: b.import_image(IMAGE_ID, "copy-image", all_stores=True, stores=("a",)),
        Say(202, b""),
        f"POST {PATH}/import",
        {"method": {"name": "copy-image"}, "all_stores": True},
    ),
    "image": (lambda b: b.images(IMAGE_ID), Say(), f"GET {PATH}", None),
    "update": (
        lambda b: b.update_image(IMAGE_ID, name="n"),
        Say(),
        f"PATCH {PATH}",
        [{"op": "replace", "path": "/name", "value": "n"}],
    ),
    "no update": (lambda b: b.update_image(IMAGE_ID), Say(), f"GET {PATH}", None),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_one_request(open_scripted: OpenScripted, name: str) -> None:
    """With this path and body; a JSON patch has a media type of its own."""
    operate, answer, query, body = OPERATIONS[name]
    service = open_scripted([answer])
    operate(service.backend)
    assert sent(service) == [(query, body)]
    (headers,) = service.server.headers
    json_type = "application/openstack-images-v2.1-json-patch" if query.startswith("PATCH") else "application/json"
    assert headers.get("Content-Type") == (None if body is None else json_type)
    assert headers["Accept"] == "application/json"


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("failure", [Say(503, b""), RESET], ids=["503", "reset"])
def test_only_what_is_safe_to_repeat_is_repeated(open_scripted: OpenScripted, name: str, failure: Say) -> None:
    """An update or an import whose response was lost is for the caller: the second one would do something else."""
    operate, answer, _, _ = OPERATIONS[name]
    service = open_scripted([failure, answer])
    if name in ("fetch", "use staged data", "copy", "update"):
        with pytest.raises(Unavailable):
            operate(service.backend)
        assert len(service.server.queries) == 1
    else:
        operate(service.backend)
        assert len(service.server.queries) == 2


@pytest.mark.parametrize(("store", "header"), [(None, None), ("fast", "fast")])
@pytest.mark.parametrize("size", [4, None, 0])
def test_data_is_sent_to_its_place(
    open_scripted: OpenScripted, store: str | None, header: str | None, size: int | None
) -> None:
    """With its size, if that is known, and with the service's store, if one is declared."""
    data = b"data" if size != 0 else b""
    uploaded, staged = (open_scripted([Say(204, b"", {"Connection": "close"})]) for _ in range(2))
    uploaded.backend.upload(IMAGE_ID, [data], size, store=store)
    staged.backend.stage(IMAGE_ID, [data], size)
    assert (uploaded.server.queries[0], staged.server.queries[0]) == (f"PUT {PATH}/file", f"PUT {PATH}/stage")
    assert uploaded.server.headers[0].get("x-image-meta-store") == header
    assert "x-image-meta-store" not in staged.server.headers[0]
    for headers in (uploaded.server.headers[0], staged.server.headers[0]):
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers.get("x-openstack-image-size") == (None if size is None else str(size))
        assert headers.get("Content-Length") == (None if size is None else str(size))
        assert headers.get("Transfer-Encoding") == ("chunked" if size is None else None)


def test_an_error_of_the_data_is_raised_as_itself(open_scripted: OpenScripted) -> None:
    """Not as an error of the connection. The service must not take the beginning for the whole."""
    error = ValueError("the source is wrong")

    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise error

    for size in (100, None):
        with pytest.raises(ValueError, match="the source is wrong") as caught:
            open_scripted([NO_BODY]).backend.upload(IMAGE_ID, chunks(), size)
        assert caught.value is error


@pytest.mark.parametrize(("answer", "error"), [(Say(409, b"in use"), InUse), (Say(404, b"no"), NotFound)])
def test_a_deletion_that_is_refused(open_scripted: OpenScripted, answer: Say, error: type[Exception]) -> None:
    """409 means that the image is in use."""
    with pytest.raises(error) as caught:
        open_scripted([answer]).backend.delete_image(IMAGE_ID)
    if isinstance(caught.value, InUse):
        assert caught.value.message.endswith("HTTP 409: in use")
        assert caught.value.hint == "the image was not deleted; delete the servers or volumes that use it"


def test_a_deletion_with_400_of_an_image_that_exists_is_an_error(open_scripted: OpenScripted) -> None:
    """Of one that does not, it is NotFound."""
    with pytest.raises(InvalidRequest, match="odd"):
        open_scripted([Say(400, b"odd"), Say()]).backend.delete_image(IMAGE_ID)
    with pytest.raises(NotFound):
        open_scripted([Say(400, b"odd"), Say(body=image(status="deleted"))]).backend.delete_image(IMAGE_ID)


@pytest.mark.parametrize("status", [409, 404, 403])
def test_members_may_be_there_or_not(open_scripted: OpenScripted, status: int) -> None:
    """409 of a new one and 404 of one to remove are what is wanted; anything else is an error."""
    service = open_scripted([Say(status, b"no")])
    for operate, wanted in ((service.backend.add_member, 409), (service.backend.remove_member, 404)):
        if status == wanted:
            operate(IMAGE_ID, "p")
        else:
            with pytest.raises(BackendError):
                operate(IMAGE_ID, "p")


def test_members_are_sorted(open_scripted: OpenScripted) -> None:
    """By project; a document without a list is an error."""
    listed = [{"member_id": name, "status": "pending"} for name in ("b", "c", "a")]
    backend = open_scripted([Say(body={"members": listed})]).backend
    assert [member.project for member in backend.members(IMAGE_ID)] == ["a", "b", "c"]
    documents: list[object] = [{}, [], {"members": None}]
    for document in documents:
        with pytest.raises(BackendError, match=f"image {IMAGE_ID}: the service returned no list of members"):
            open_scripted([Say(body=document)]).backend.members(IMAGE_ID)


@pytest.mark.parametrize("status", [403, 404])
def test_a_service_without_tasks_has_none(open_scripted: OpenScripted, status: int) -> None:
    """Older services, and those that show them to administrators only; a busy one is an error."""
    service = open_scripted([Say(status, b"no")])
    assert service.backend.import_tasks(IMAGE_ID) == []
    assert service.server.queries == [f"GET {PATH}/tasks"]
    with pytest.raises(Unavailable):
        open_scripted([Say(503, b"")]).backend.import_tasks(IMAGE_ID)


@pytest.mark.parametrize("image_id", ["", ".", ".."])
def test_an_id_that_is_no_path_segment_is_not_found(open_scripted: OpenScripted, image_id: str) -> None:
    """It would be the path of another resource; a slash is sent as a part of the id."""
    service = open_scripted([Say()])
    for operate in (service.backend.images, service.backend.delete_image, service.backend.deactivate):
        with pytest.raises(NotFound, match="does not exist; pass the id of an image"):
            operate(image_id)
    assert service.server.queries == []
    service.backend.images("a/../b?c#d")
    assert service.server.queries == ["GET /image/v2/images/a%2F..%2Fb%3Fc%23d"]


@pytest.mark.parametrize(
    ("answers", "can", "queries"),
    [([Say(409, b"no")], True, 1), ([Say(403, b"no")], False, 1), ([Say(), Say()], True, 2)],
)
def test_whether_a_user_may_publish_is_asked_without_publishing(
    open_scripted: OpenScripted, answers: list[Say], can: bool, queries: int
) -> None:
    """A service that publishes the image all the same is asked at once to make it private."""
    service = open_scripted(answers)
    assert service.backend.can_publish(IMAGE_ID) is can
    bodies = [body for _, body in sent(service)]
    assert len(bodies) == queries
    assert bodies[0] == [
        {"op": "replace", "path": "/visibility", "value": "public"},
        {"op": "remove", "path": "/imagesync_no_such_property"},
    ]
    if queries == 2:
        assert bodies[1] == [{"op": "replace", "path": "/visibility", "value": "private"}]


def test_a_refusal_names_the_role_that_the_user_lacks(open_scripted: OpenScripted) -> None:
    """As far as the roles are known."""
    service = open_scripted([Say(403, b"You are not authorized to complete publicize_image action.")])
    backend = Glance(replace(service.backend._connection, roles=("member",)))
    with pytest.raises(Forbidden, match="requires the role admin, and this user has only member"):
        backend.update_image(IMAGE_ID, visibility="public")


FIRST, SECOND = {"imagesync_a": "1"}, {"imagesync_b": "2"}


@pytest.mark.parametrize(
    ("is_chosen", "wanted", "is_own"),
    [
        (True, {**FIRST, **SECOND, "other": "3"}, True),
        (True, {**FIRST, "other": "another"}, True),
        (True, {**FIRST, "imagesync_b": "3"}, False),
        (True, {"imagesync_a": "3", **SECOND}, False),
        (True, {**FIRST, "imagesync_c": "3"}, False),
        (True, {"other": "3"}, False),
        (True, None, False),
        (False, {"imagesync_a": "3"}, True),
        (False, None, True),
    ],
)
def test_a_record_with_the_id_of_a_create_is_recognized(
    open_scripted: OpenScripted, is_chosen: bool, wanted: dict[str, str] | None, is_own: bool
) -> None:
    """If this call chose the id, or if all of its imagesync properties are those of the record."""
    service = open_scripted([Say(409, b"exists"), Say(body=image(**FIRST, **SECOND, other="3"))])
    attrs: CreateFields = {"name": "n"}
    if wanted is not None:
        attrs["properties"] = wanted
    if is_chosen:
        attrs["id"] = IMAGE_ID
    if is_own:
        assert service.backend.create_image(**attrs).properties["imagesync_a"] == "1"
    else:
        with pytest.raises(Conflict, match="POST /images: HTTP 409: exist"):
            service.backend.create_image(**attrs)
    create, read = service.server.queries
    sent_id = json.loads(service.server.bodies[0])["id"]
    assert (create, read) == ("POST /image/v2/images", f"GET /image/v2/images/{sent_id}")
    assert (sent_id == IMAGE_ID) == is_chosen


def test_an_image_that_is_being_deleted_does_not_exist(open_scripted: OpenScripted) -> None:
    """The plan was made before."""
    with pytest.raises(NotFound) as caught:
        open_scripted([Say(body=image(status="deleted"))]).backend.images(IMAGE_ID)
    assert caught.value.message == f"image {IMAGE_ID} is being deleted"
    assert caught.value.hint == "make the plan again: imagesync plan PATH"


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_an_image_or_its_id(open_scripted: OpenScripted, operation: str) -> None:
    """Both name the image."""
    service = open_scripted([Say()])
    (live,) = service.backend.images(IMAGE_ID)
    for named in (live, IMAGE_ID):
        if operation == "update":
            assert service.backend.update_image(named, name="n") == live
        else:
            service.backend.delete_image(named)
    assert set(service.server.queries[1:]) == {f"{'PATCH' if operation == 'update' else 'DELETE'} {PATH}"}


TIMEOUTS = Timeouts(listing=11.0, storing=12.0)


@pytest.mark.parametrize(
    ("read_timeout", "pace", "seconds", "limits"),
    [
        (120.0, Pace(5, 60.0), 10.0, (10.0, 2, 10.0)),
        (7.0, Pace(1, 3.0), 10.0, (7.0, 1, 3.0)),
        (120.0, None, 10.0, (10.0, 2, 10.0)),
    ],
)
def test_a_time_limit_never_makes_a_service_more_patient(
    open_scripted: OpenScripted,
    read_timeout: float,
    pace: Pace | None,
    seconds: float,
    limits: tuple[float, int, float],
) -> None:
    """For one request, for the tries and for the waiting; other limits and the lease stay."""
    calls: list[str] = []
    service = open_scripted([NO_BODY])
    connection = replace(service.backend._connection, read_timeout=read_timeout, settling_time=7.5, connected=1.0)
    whole = Glance(connection, pace, timeouts=TIMEOUTS, check_lease=lambda: calls.append("lease"))
    limited = whole.with_time_limit(seconds)
    used = limited._pace
    assert used is not None
    assert (limited._connection.read_timeout, used.tries, used.longest) == limits
    assert (whole._connection.read_timeout, whole._pace) == (read_timeout, pace)
    assert (limited._api._timeout[1], limited._api._pace) == (limits[0], used)
    assert whole._api._timeout[1] == read_timeout
    assert limited._api.timeouts == whole._api.timeouts == TIMEOUTS
    assert limited.settling_time() == 7.5
    limited.reactivate(IMAGE_ID)
    assert calls == ["lease"]


def test_a_service_with_a_lease_is_the_same_service(open_scripted: OpenScripted) -> None:
    """The lease is checked before each write, and only then."""
    calls: list[str] = []
    service = open_scripted(lambda path: Say() if "actions" not in path else NO_BODY)
    pace = Pace(3)
    leased = Glance(service.backend._connection, pace, timeouts=TIMEOUTS).with_lease(lambda: calls.append("lease"))
    assert (leased._api._pace, leased._api.timeouts, leased._timeouts) == (pace, TIMEOUTS, TIMEOUTS)
    leased.images(IMAGE_ID)
    assert calls == []
    leased.reactivate(IMAGE_ID)
    assert calls == ["lease"]


def test_the_status_of_an_image_whose_upload_failed_is_a_part_of_the_error(open_scripted: OpenScripted) -> None:
    """A service that rejects the data may close the connection without a reason."""
    service = open_scripted([RESET, Say(body=image(status="killed"))])
    with pytest.raises(Unavailable) as caught:
        service.backend.upload(IMAGE_ID, [b"x"], 1)
    assert caught.value.message.startswith(f"upload of image {IMAGE_ID} (its status is now killed): ")
    assert caught.value.hint
    assert service.server.queries == [f"PUT {PATH}/file", f"GET {PATH}"]


def with_identity(service: ScriptedBackend, project: str, name: str) -> Glance:
    """A service of the same server with an identity service, and a session of this project."""
    connection = service.backend._connection
    address = connection.url.removesuffix("/image/v2")
    identity = replace(connection.identity, project_id=project, project_name=name)
    return Glance(replace(connection, identity=identity, identity_url=f"{address}/identity/v3"), Pace(1))


def test_a_project_is_found_by_its_name(open_scripted: OpenScripted) -> None:
    """In the identity service, which an error names."""
    listed = {"projects": [{"id": "p9"}], "domains": [{"id": "d9"}]}
    service = open_scripted([Say(body=listed)])
    assert with_identity(service, "p", "n").project_id("x", "D") == "p9"
    assert service.server.queries == [
        "GET /identity/v3/domains?name=D",
        "GET /identity/v3/projects?name=x&domain_id=d9",
    ]
    with pytest.raises(Unavailable, match="GET /domains: HTTP 503"):
        with_identity(open_scripted([Say(503, b"")]), "p", "n").project_id("x", "D")
    with pytest.raises(BackendError, match="identity service at 127"):
        with_identity(open_scripted([Say(body=b"<html>")]), "p", "n").project_id("x", "D")


@pytest.mark.parametrize(
    ("name", "ids", "names", "has_request"),
    [
        ("n", {"p"}, {"p": "n"}, False),
        ("n", set(), {"p": "n"}, False),
        ("n", {"p", "q"}, {"p": "n", "q": "Q"}, True),
        ("n", {"q"}, {"p": "n", "q": "Q"}, True),
        ("", {"p"}, {"p": "P"}, True),
    ],
)
def test_names_of_projects(
    open_scripted: OpenScripted, name: str, ids: set[str], names: dict[str, str], has_request: bool
) -> None:
    """That of the session is known; without an identity service it is the only one."""
    listed = {"projects": [{"id": "p", "name": "P"}, {"id": "q", "name": "Q"}, {"id": "r", "name": "R"}]}
    service = open_scripted([Say(body=listed)])
    backend = with_identity(service, "p", name)
    assert backend.project_names(ids) == names
    assert service.server.queries == ["GET /identity/v3/auth/projects"] * has_request
    alone = Glance(replace(backend._connection, identity_url=None))
    assert alone.project_names(ids) == ({"p": "n"} if name else {})


def test_an_id_that_the_caller_chose_is_not_taken_from_another_record(open_scripted: OpenScripted) -> None:
    """One of another project, or a deleted one, cannot be read."""
    service = open_scripted([Say(409, b"exists"), Say(404, b"no")])
    with pytest.raises(Conflict, match=r"HTTP 409: .*; the id belongs to another project or to a deleted image"):
        service.backend.create_image(id="x", properties={"imagesync_managed": "n"})


@pytest.mark.parametrize("status", [403, 404])
def test_what_a_service_offers_is_read_once(open_scripted: OpenScripted, status: int) -> None:
    """A document that it does not offer, or not to this user, is left out; a backend with a lease knows it, too."""
    service = open_scripted(lambda path: Say(status, b"") if "usage" in path else Say(body={}))
    able = service.backend.capabilities()
    assert service.backend.capabilities() is able
    assert service.backend.with_lease(lambda: None).capabilities() is able
    assert sorted(service.server.queries) == [
        f"GET /image/v2{path}" for path in ("/info/import", "/info/stores", "/info/usage", "/schemas/image")
    ]


def test_two_threads_read_once_what_a_service_offers(open_scripted: OpenScripted) -> None:
    """The second one waits for the first."""
    begun, more = threading.Event(), threading.Event()

    def wait() -> bytes:
        more.wait(0.3)
        return b"{}"

    def answer(path: str) -> Say:
        begun.set()
        if len(service.server.queries) > 4:
            more.set()
        return Say(body=wait)

    service = open_scripted(answer)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.backend.capabilities)
        assert begun.wait(30)
        second = pool.submit(service.backend.capabilities)
        assert second.result(30) is first.result(30)
    assert len(service.server.queries) == 4


class CountedTokens(BaseAuthPlugin):
    """An authentication that counts how often its token is dropped."""

    dropped = 0

    def get_token(self, session: Session, **_: object) -> str:
        """The token."""
        return f"t{self.dropped}"

    def invalidate(self) -> bool:
        """The next one is another."""
        self.dropped += 1
        return True


def test_the_token_and_the_connections_end_when_they_should(
    open_scripted: OpenScripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewed token is sent with the next request; the end of the block closes the connections."""
    service, ends = open_scripted([Say()]), list[object]()
    session = Session(auth=CountedTokens())
    with Glance(replace(service.backend._connection, session=session)) as backend:
        backend.images(IMAGE_ID)
        backend.renew()
        backend.images(IMAGE_ID)
        monkeypatch.setattr(requests.Session, "close", lambda closed: ends.append(closed))
        assert ends == []
    assert ends == [session.session]
    monkeypatch.undo()
    session.session.close()
    assert [headers["X-Auth-Token"] for headers in service.server.headers] == ["t0", "t1"]


def test_what_a_busy_service_offers_is_unknown(open_scripted: OpenScripted) -> None:
    """It is an error, not a service that offers nothing: the plan would be another one."""
    with pytest.raises(Unavailable):
        open_scripted(lambda path: Say(503, b"") if "stores" in path else Say(body={})).backend.capabilities()


def test_the_time_of_the_identity_service_continues(
    open_scripted: OpenScripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moment of the log-in, by a clock that counts sleep; without a log-in there is none."""
    service = open_scripted([Say()])
    assert service.backend.times() == {}
    issued = datetime(2024, 5, 7, tzinfo=UTC)
    connection = replace(service.backend._connection, issued=issued, connected=uptime.read_uptime() - 100)
    ((name, found),) = Glance(connection).times().items()
    assert name == "the identity service"
    assert timedelta(seconds=100) <= found - issued < timedelta(seconds=160)


def test_a_project_is_found_by_name_only_with_an_identity_service(open_scripted: OpenScripted) -> None:
    """Else the manifest must have its id."""
    with pytest.raises(UsageError, match=r"project 'p': this cloud has no identity service .*; write the project's id"):
        open_scripted([Say()]).backend.project_id("p", "D")


def test_each_document_of_a_service_has_its_place(open_scripted: OpenScripted) -> None:
    """They are read in parallel; none is taken for another."""
    schema = {"properties": {"disk_format": {"enum": ["raw"]}, "os_hidden": {}, "size": {"readOnly": True}}}
    documents = {
        "/schemas/image": schema,
        "/info/import": {"import-methods": {"value": ["web-download"]}},
        "/info/stores": {"stores": [{"id": "fast"}]},
        "/info/usage": {"usage": {"image_count_total": {"usage": 1, "limit": 2}}},
    }
    service = open_scripted(lambda path: Say(body=documents[path.removeprefix("/image/v2")]))
    assert service.backend.capabilities() == Capabilities(
        disk_formats=frozenset({"raw"}),
        read_only=frozenset({"size"}),
        import_methods=frozenset({"web-download"}),
        stores=frozenset({"fast"}),
        usage={"image_count_total": Usage(1, 2)},
        hidden=True,
        hash_is_final=True,
    )


LISTINGS: dict[str, tuple[Callable[..., list[LiveImage]], bool]] = {
    "all": (lambda backend, missing: backend.list_images(missing), True),
    "filter": (lambda backend, missing: backend.find_images(Filter(), missing=missing), True),
    "strays": (lambda backend, missing: backend.find_strays("base", missing), True),
    "whole": (lambda backend, missing: backend.images(), False),
    "strict filter": (lambda backend, missing: backend.find_images(Filter()), False),
    "owned": (lambda backend, missing: backend.inventory("base"), False),
    "leases": (lambda backend, missing: backend.leases(None), False),
    "names": (lambda backend, missing: backend.find_named(["n"], "p"), False),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_record_that_cannot_be_read_is_an_error_or_a_sentence(open_scripted: OpenScripted, name: str) -> None:
    """A caller that takes sentences gets the other images, too."""
    marks = {"imagesync_catalog": "base", "imagesync_role": "lease"}
    listed = [image("good", owner="p", name="n", **marks), image("bad", owner="p", name="n", size=-1, **marks)]
    operate, is_sentence = LISTINGS[name]
    backend = open_scripted([Say(body={"images": listed})], project="p").backend
    missing: list[str] = []
    if is_sentence:
        assert [found.id for found in operate(backend, missing)] == ["good"]
        assert set(missing) == {"image bad: the service returned size -1; it must be 0 to 9223372036854775807"}
    else:
        with pytest.raises(BackendError, match="image bad: the service returned size -1"):
            operate(backend, missing)
        assert missing == []


def test_the_project_of_the_session_is_the_usual_owner(open_scripted: OpenScripted) -> None:
    """Of the inventory and of the leases; other owners are found if they are named."""
    listed = [
        image(owner, owner=owner, imagesync_catalog="c", imagesync_lease="c", imagesync_role="lease", os_hidden=True)
        for owner in ("p", "q", "r")
    ]
    backend = open_scripted([Say(body={"images": listed})], project="p").backend
    assert [found.id for found in backend.inventory("c")] == ["p"]
    assert [found.id for found in backend.inventory("c", ["q", "r"])] == ["q", "r"]
    assert [found.id for found in backend.leases("c")] == [found.id for found in backend.leases(None)] == ["p"]
    assert backend.identity().project_id == "p"


def test_a_download_is_the_data(open_scripted: OpenScripted) -> None:
    """As it is stored: the service must not compress it."""
    data = bytes(range(256)) * 9000
    service = open_scripted([Say(body=data)])
    assert b"".join(service.backend.download(IMAGE_ID)) == data
    assert service.server.queries == [f"GET {PATH}/file"]
    (headers,) = service.server.headers
    assert (headers["Accept"], headers["Accept-Encoding"]) == ("*/*", "identity")
    with pytest.raises(Conflict) as caught:
        list(open_scripted([NO_BODY]).backend.download(IMAGE_ID))
    assert str(caught.value) == (
        f"GET /images/{IMAGE_ID}/file: the image is queued and has no data; run apply to upload its data"
    )


@pytest.mark.parametrize("error", [Unavailable, BackendError])
def test_the_connections_end_after_an_error_too(
    open_scripted: OpenScripted, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The error passes."""
    service, ends = open_scripted([Say()]), list[object]()
    with monkeypatch.context() as patched:
        patched.setattr(requests.Session, "close", lambda closed: ends.append(closed))
        with pytest.raises(error), service.backend:
            raise error("x")
    assert len(ends) == 1


def test_the_hint_about_an_id_in_use(open_scripted: OpenScripted) -> None:
    """The service's own message comes first."""
    with pytest.raises(Conflict) as caught:
        open_scripted([Say(409, b"exists\n"), Say(404, b"no")]).backend.create_image(id="x")
    assert str(caught.value) == (
        "POST /images: HTTP 409: exists; the id belongs to another project or to a deleted image, and cannot be used again: "
        "choose another id"
    )
