"""Answers of the image service that lie, never end, or lead to another host: each is accepted or ends with one clear
line, in limited memory and time."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from imagesync.backends.glance.api import Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.backends.wire import capabilities_from_wire
from imagesync.errors import BackendError, ImagesyncError, Unavailable
from imagesync.inventory import take_inventory
from imagesync.manifest.export import export_manifest
from imagesync.model.catalog import Catalog
from imagesync.model.listing import Entry
from imagesync.model.policy import Policy
from imagesync.planning.clock import read_clocks
from imagesync.planning.context import PlanInput
from imagesync.planning.planner import make_plan
from imagesync.render.columns import USUAL, choose_columns
from imagesync.render.listing import format_listing, image_to_json
from imagesync.render.text import format_plan
from imagesync.retry import Pace
from imagesync.text import format_json
from tests import bombs
from tests.fault.scripted import IMAGE_ID, Say, Server, drip, dripping, endless, image, listening, raw_service
from tests.fault.scripted_backend import OpenScripted
from tests.trials import note

ONE_LINE = "one line"
NESTED = json.loads("[" * 400 + "]" * 400)
ODD: list[object] = [
    None,
    [],
    {},
    [3],
    {"a": NESTED},
    7,
    -1,
    10**4000,
    1.5,
    True,
    "x\x1b[2J\u009b\u202e",
    "y" * 2**17,
    "\ud800",
]
FIELDS = [
    *("id", "name", "status", "visibility", "owner", "disk_format", "container_format", "min_disk", "min_ram"),
    *("protected", "os_hidden", "tags", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
    *("created_at", "updated_at", "file", "schema", "self", "direct_url", "locations", "stores", "kernel_id"),
    *(f"imagesync_{name}" for name in ("catalog", "key", "role", "digest", "spec", "managed", "lease")),
]


def verdict(ask: Callable[[], object]) -> str:
    """The answer is accepted, or one printable line of an error of imagesync; anything else fails the test."""
    output = "fine"
    try:
        ask()
    except ImagesyncError as error:
        output = str(error)
    assert output.isprintable()
    assert len(output) < 1000
    return output


def ways(backend: Glance) -> dict[str, Callable[[], object]]:
    """A call for each kind of request that carries the token."""
    return {
        "list": backend.images,
        "show": lambda: backend.images(IMAGE_ID),
        "create": lambda: backend.create_image(name="n"),
        "update": lambda: backend.update_image(IMAGE_ID, name="n"),
        "upload": lambda: backend.upload(IMAGE_ID, [b"x"], 1),
        "upload of unknown length": lambda: backend.upload(IMAGE_ID, iter([b"x"]), None),
        "stage": lambda: backend.stage(IMAGE_ID, [b"x"], 1),
        "delete": lambda: backend.delete_image(IMAGE_ID),
        "deactivate": lambda: backend.deactivate(IMAGE_ID),
        "reactivate": lambda: backend.reactivate(IMAGE_ID),
        "members": lambda: backend.members(IMAGE_ID),
        "share": lambda: backend.add_member(IMAGE_ID, "p"),
        "unshare": lambda: backend.remove_member(IMAGE_ID, "p"),
        "import": lambda: backend.import_image(IMAGE_ID, "web-download", uri="http://h/x"),
        "tasks": lambda: backend.import_tasks(IMAGE_ID),
        "capabilities": backend.capabilities,
        "download": lambda: list(backend.download(IMAGE_ID)),
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_token_follows_no_redirect_of_any_method(open_scripted: OpenScripted, status: int) -> None:
    """No redirect is followed: another host receives nothing, and neither does another path of the same host."""
    other = Server([Say()])
    with listening(other) as address:
        for place, name in ((f"{address}/v2/images", "another host"), ("/elsewhere", "the same host")):
            service = open_scripted([Say(status, b"", {"Location": place})])
            for way, ask in ways(service.backend).items():
                service.server.queries.clear()
                assert "redirect" in verdict(ask), way
                assert not any("elsewhere" in requests for requests in service.server.queries), way
                note(f"redirect to {name}, on each kind of request", f"{ONE_LINE}, not followed")
    assert other.queries == []


def test_an_endless_body_behind_a_redirect_is_not_read(open_scripted: OpenScripted) -> None:
    """The HTTP library would read it before it returns the address of the redirect."""
    service = open_scripted([Say(302, b"x" * 2**27, {"Location": "http://[", "Content-Length": str(2**40)})])
    with pytest.raises(BackendError, match="redirect"):
        service.backend.images(IMAGE_ID)


@pytest.mark.parametrize("field", FIELDS)
def test_any_value_in_any_field_of_an_image_is_accepted_or_refused_in_one_line(
    open_scripted: OpenScripted, field: str
) -> None:
    """The image is read, listed, planned, shown and exported. A field of a wrong type is named, and a text is shown
    without its escapes."""
    marked = image(imagesync_catalog="base", imagesync_key="a", imagesync_role="current", imagesync_managed="{}")
    for value in ODD:
        backend = open_scripted([Say(body={"images": [{**marked, field: value}]})]).backend

        def look(backend: Glance = backend) -> None:
            images = backend.images()
            entries = [Entry(image) for image in images]
            listed = format_listing(entries, choose_columns(None, USUAL), datetime.now(UTC), 80)
            output = listed + format_json([image_to_json(one) for one in images])
            catalog = Catalog("base", (), frozenset())
            inventory = take_inventory(backend, catalog)
            target, clock = backend.identity(), read_clocks(datetime.now(UTC), {})
            plan = make_plan(
                PlanInput(catalog, inventory, policy=Policy(), capabilities=None, target=target, clock=clock)
            )
            output += format_plan(plan) + export_manifest("base", images, {}, project="", read_only=frozenset()).text
            assert all(line.isprintable() for line in output.split("\n"))

        note(
            "wrong type or damaged text in a field of an image",
            ONE_LINE if verdict(look) != "fine" else "shown safely",
        )


def test_any_value_in_members_tasks_stores_schemas_and_quotas_does_no_harm(open_scripted: OpenScripted) -> None:
    """A wrong answer about members is refused in one line, because members are needed. Wrong answers that only explain
    or help are ignored."""
    display: object = None
    asking = ways(open_scripted(lambda path: Say(body=display)).backend)
    for value in ODD:
        shapes: list[object] = [value, [value], {"members": value, "tasks": value, "stores": value, "usage": value}]
        shapes += [{name: [value, {name: value}] for name in ("members", "tasks", "stores")}]
        shapes += [{"members": [{"member_id": value}]}, {"members": [{"member_id": "p", "status": value}]}]
        shapes += [{"tasks": [dict.fromkeys(("id", "status", "message", "created_at", "updated_at"), value)]}]
        shapes += [{"properties": value}, {"properties": {"disk_format": value, "os_hidden": {"enum": value}}}]
        shapes += [{"import-methods": {"value": value}}, {"stores": [{"id": value, "read-only": value}]}]
        shapes += [{"usage": {"image_count_total": value}}, {"usage": {"q": {"usage": value, "limit": value}}}]
        for shape in shapes:
            display = shape
            for way in ("members", "tasks"):
                output = verdict(asking[way])
                note(
                    "wrong type in members, tasks, stores, schemas, quotas",
                    "ignored" if output == "fine" else ONE_LINE,
                )
            capabilities_from_wire(shape, shape, shape, shape)


ANSWERS = {
    "html": Say(body=b"<html>Welcome</html>"),
    "empty": Say(body=b""),
    "a number": Say(body=b"3"),
    "nested": Say(body=b'{"images": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "half a character": Say(
        body=b'{"images": [{"id": "x", "status": "active", "visibility": "private", "name": "\\ud800"}]}'
    ),
    "an enormous number": Say(body=b'{"images": [' + b"9" * 100_000 + b"]}"),
    "utf-16": Say(body='{"images": 3}'.encode("utf-16")),
    "a gzip bomb": Say(body=bombs.gzip_bomb, headers={"Content-Encoding": "gzip"}),
    "a bomb in a bomb": Say(body=bombs.nested_bomb, headers={"Content-Encoding": "gzip, gzip"}),
    "a zstd bomb": Say(body=bombs.zstd_bomb, headers={"Content-Encoding": "zstd"}),
    "a deflate bomb": Say(body=bombs.deflate_bomb, headers={"Content-Encoding": "deflate"}),
    "a million values": Say(body=b'{"images": [' + b"[]," * 2**20 + b"[]]}"),
    "an unknown encoding": Say(body=b"\x00\x01", headers={"Content-Encoding": "enigma"}),
    "a length too long": Say(body=b'{"images": []}', headers={"Content-Length": "99"}, cut=14),
    "a length too short": Say(body=b'{"images": []}', headers={"Content-Length": "7"}),
    "a length below nothing": Say(headers={"Content-Length": "-5"}),
    "no gzip": Say(body=b"plain", headers={"Content-Encoding": "gzip"}),
    "a long header": Say(headers={"X-Long": "x" * 2**20}),
    "many headers": Say(headers={f"X-{number}": "x" for number in range(1000)}),
    "a length that is none": Say(headers={"Content-Length": "many"}),
    "wait for ever": Say(429, b"", {"Retry-After": "9" * 5000}),
    "wait until a day that is none": Say(503, b"", {"Retry-After": "Wed, 99 Foo 99999 07:28:00 +99999999"}),
    "wait a superscript": Say(503, b"", {"Retry-After": "\u00b2"}),
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("way", ["list", "create", "update", "delete"])
def test_an_answer_that_makes_no_sense_is_one_line(open_scripted: OpenScripted, kind: str, way: str) -> None:
    """For every method; the answer to a DELETE is not read."""
    output = verdict(ways(open_scripted([ANSWERS[kind]]).backend)[way])
    assert way == "delete" or output != "fine"
    note(
        "response that is not JSON, too large, packed, or of a false length",
        "ignored" if output == "fine" else ONE_LINE,
    )


def pages(follow: Callable[[int], str], found: Callable[[int], str]) -> Callable[[str], Say]:
    """A listing whose page n has one image and leads to ``follow(n)``."""

    def answer(path: str) -> Say:
        number = int((re.findall(r"marker=(\d+)", path) or ["0"])[0])
        body = {"images": [image(found(number))], "next": f"/v2/images?marker={follow(number)}"}
        return Say(body=body)

    return answer


LOOPS = {
    "itself": pages(lambda n: "1", lambda n: f"i{n}"),
    "a circle of two": pages(lambda n: str(1 + n % 2), lambda n: f"i{n}"),
    "fresh links to the same": pages(lambda n: str(n + 1), lambda n: "same"),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_listing_that_never_ends_is_one_line(open_scripted: OpenScripted, kind: str) -> None:
    """It is recognized by a link that was seen before, or by a page without new images."""
    service = open_scripted(LOOPS[kind])
    assert "never ends" in verdict(service.backend.images)
    assert len(service.server.queries) < 12
    note("listing whose pages form a circle", ONE_LINE)


def test_a_listing_without_end_is_one_line(open_scripted: OpenScripted) -> None:
    """Each page has new images, so the time limit of the whole listing ends it."""
    service = open_scripted(pages(lambda n: str(n + 1), lambda n: f"i{n}"), timeouts=Timeouts(listing=0.5))
    assert "takes longer than 0 s" in verdict(service.backend.images)
    note("listing that never ends", ONE_LINE)


@pytest.mark.parametrize("item", [None, 3, "x", [], True])
def test_a_page_with_other_values_than_images_is_one_line(open_scripted: OpenScripted, item: object) -> None:
    """There is no traceback."""
    assert "not a JSON object" in verdict(open_scripted([Say(body={"images": [item]})]).backend.images)


def test_the_next_page_is_requested_from_the_same_service(open_scripted: OpenScripted) -> None:
    """``next`` names another host, which gets no request and no token."""
    other = Server([Say()])
    with listening(other) as address:
        first = Say(body={"images": [image("one")], "next": f"{address}/v2/images?marker=one"})
        service = open_scripted(lambda path: Say(body={"images": []}) if "marker" in path else first)
        assert [found.id for found in service.backend.images()] == ["one"]
    assert other.queries == []
    note("listing that continues at another host", "the rest was requested from the same service")


WATCHED = r"""
import json, re, sys
from imagesync.backends.glance.api import Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.errors import ImagesyncError
told = "fine"
try:
    Glance(connect("c")).images()
except ImagesyncError as error:
    told = str(error)
peak = re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]
print(json.dumps([told, int(peak) // 1024]))
"""


def fresh_pages() -> Callable[[str], Say]:
    """A listing without end: every page has a thousand new images."""
    numbers = count()

    def answer(path: str) -> Say:
        number = next(numbers)
        found = [image(f"{number}-{index}", name="n" * 100) for index in range(1000)]
        return Say(body={"images": found, "next": f"/v2/images?marker={number}"})

    return answer


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("fresh", "has more than 100000 images"),
        ("a zstd bomb", "larger than 16 MiB"),
        pytest.param("a bomb in a bomb", "larger than 16 MiB", marks=pytest.mark.exhaustive),
        pytest.param("a million values", "more than 1000000 values", marks=pytest.mark.exhaustive),
    ],
)
def test_memory_is_bounded(open_scripted: OpenScripted, kind: str, words: str) -> None:
    """The peak memory of a separate process, in MiB, while the two passes of a listing run at the same time."""
    open_scripted(fresh_pages() if kind == "fresh" else [ANSWERS[kind]])
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    output, peak = json.loads(done.stdout)
    assert words in output
    assert peak < 300
    note("listing of fresh images without end" if kind == "fresh" else "bomb", f"{ONE_LINE}, below 300 MiB")


def continuing(connection: socket.socket) -> None:
    """An endless sequence of ``100 Continue``."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def chunks(connection: socket.socket) -> None:
    """A chunked body that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b" " * 2**16 + b"\r\n")


def silent(connection: socket.socket) -> None:
    """Sends nothing until the other side closes the connection."""
    connection.recv(1)


def saying(data: bytes) -> Callable[[socket.socket], None]:
    """Sends some bytes and closes the connection."""
    return lambda connection: connection.sendall(data)


RAW: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "body that drips": (dripping, "no complete response within 1 s"),
    "head that drips": (drip(b"HTTP/1.1 200 OK\r\n", b"a"), "no connection: .*1"),
    "error page that drips": (
        drip(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 60000\r\n\r\nno", b"o"),
        "HTTP 400: no",
    ),
    "100 Continue without end": (continuing, "no connection"),
    "body that never ends": (endless, "larger than 16 MiB"),
    "chunks that never end": (chunks, "larger than 16 MiB"),
    "connection that says nothing": (silent, "no connection"),
    "answer of HTTP/0.9": (saying(b"<html>hello</html>" * 100), "no connection"),
    "garbage instead of HTTP": (saying(os.urandom(4096)), "no connection"),
    "an alert of TLS": (saying(b"\x15\x03\x01\x00\x02\x02\x28"), "the server requires TLS"),
    "status that does not exist": (saying(b"HTTP/1.1 banana\r\n\r\n"), "no connection"),
    "connection closed at once": (saying(b""), "no connection"),
    "thousands of headers": (saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n"), "no connection"),
    "status 102 as the answer": (saying(b"HTTP/1.1 102 Processing\r\n\r\n"), "HTTP 102"),
}


def test_a_proxy_whose_answer_drips_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs also apply through a proxy."""
    with raw_service(drip(b"HTTP/1.1 200 OK\r\n", b"a")) as address:
        endpoint = "http://images.example/image"
        entry = {"auth_type": "none", "auth": {"endpoint": endpoint}, "region_name": "r", "api_timeout": 1}
        (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"c": entry}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("no_proxy", "")
        backend = Glance(connect("c"), Pace(tries=1))
        assert "no connection" in verdict(lambda: backend.images(IMAGE_ID))
        backend.close()
    note("proxy whose answer drips", ONE_LINE)


@pytest.mark.parametrize("kind", RAW)
def test_an_answer_that_is_not_quite_http_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The whole head of an answer must arrive within the time-out of the client's settings, even if its bytes arrive
    one by one."""
    answer, words = RAW[kind]
    with raw_service(answer) as address:
        entry = {"auth_type": "none", "auth": {"endpoint": f"{address}/image"}, "region_name": "r", "api_timeout": 1}
        (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"c": entry}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        backend = Glance(connect("c"), Pace(tries=1))
        with pytest.raises(BackendError, match=words) as caught:
            backend.images(IMAGE_ID)
        backend.close()
    assert str(caught.value).isprintable()
    assert isinstance(caught.value, Unavailable) or words in str(caught.value)
    note(kind, ONE_LINE)
