"""Operations of a Backend -> the requests that are sent, and how often."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagesync import uptime
from imagesync.backends.glance.backend import Glance
from imagesync.errors import BackendError, Conflict, Forbidden, InUse, InvalidRequest, NotFound, Unavailable, UsageError
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
    with pytest.raises(error):
        open_scripted([answer]).backend.delete_image(IMAGE_ID)


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
    (found,) = Glance(connection).times().values()
    assert timedelta(seconds=100) <= found - issued < timedelta(seconds=160)


def test_a_project_is_found_by_name_only_with_an_identity_service(open_scripted: OpenScripted) -> None:
    """Else the manifest must have its id."""
    with pytest.raises(UsageError, match=r"project 'p': this cloud has no identity service .*; write the project's id"):
        open_scripted([Say()]).backend.project_id("p", "D")
