"""The checks of ``doctor`` on a cloud: which follow after a failure, what is requested, and what the operator reads."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from keystoneauth1.session import Session

from imagesync.backends.glance.checkup import SECONDS, TLS_SECONDS, Examination, examine_cloud
from imagesync.model.diagnosis import Check, Grade
from tests.fault.scripted import RESET, Say
from tests.fault.scripted_cloud import PROJECT, CloudServer, cloud_of, write_clouds
from tests.fleet.certificates import Authority

OK, WARNING, PROBLEM = Grade.OK, Grade.WARNING, Grade.PROBLEM
DOCUMENTS = ("/info/import", "/info/stores", "/info/usage", "/schemas/image")
BUSY, REDIRECT = Say(503, b"busy"), Say(302, b"", {"Location": "http://elsewhere.invalid/"})
NO_IDENTITY = ["settings", "credentials", "region", "image address"]
WITH_IDENTITY = ["settings", "identity address", "credentials", "roles", "token", "region", "image address"]
SERVICE = ["API version", "list images", "clock"]
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def images(**other: Say) -> Callable[[str], Say]:
    """An image service without images; ``other`` answers requests for its ``versions``, the ``list`` and ``info``."""

    def answer(path: str) -> Say:
        place = path.partition("?")[0]
        if place.endswith("/versions"):
            return other.get("versions", Say(body={"versions": [{"id": "v2.17"}]}))
        if place.endswith("/v2/images"):
            return other.get("list", Say(body={"images": []}))
        return other.get("info", Say(body={}))

    return answer


class CheckedClouds:
    """Clouds in a folder, and what ``doctor`` finds out about the cloud ``c``."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.closed: list[object] = []
        self._open: list[Examination] = []

    @contextmanager
    def examine(self, **cloud: Any) -> Iterator[tuple[Examination, CloudServer]]:
        """The checks of a cloud with these services and settings."""
        with cloud_of(self.folder, self._monkeypatch, **{"images": images(), **cloud}) as server:
            yield self.look(), server

    @contextmanager
    def examine_alone(self, **cloud: Any) -> Iterator[tuple[Examination, CloudServer]]:
        """As ``examine``, for an image service without an identity service."""
        settings = {"images": images(), **cloud}
        context, service = settings.pop("context", None), settings.pop("images")
        with cloud_of(self.folder, self._monkeypatch, images=service, context=context) as server:
            own = {"auth_type": "none", "auth": {"endpoint": server.address}, "region_name": "r", **settings}
            write_clouds(self.folder / "clouds.yaml", c=own)
            yield self.look(), server

    def look(self, name: str | None = "c", file: str | None = None) -> Examination:
        """The checks of a cloud; its connections are closed at the end of the test."""
        found = examine_cloud(name, file)
        self._open.append(found)
        return found

    def close(self) -> None:
        """Close what is open."""
        for found in self._open:
            if found.glance is not None:
                found.glance.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CheckedClouds]:
    """A folder for clouds; it records which sessions are closed."""
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
    made = CheckedClouds(tmp_path, monkeypatch)
    close = requests.Session.close

    def record(session: requests.Session) -> None:
        made.closed.append(session)
        close(session)

    monkeypatch.setattr(requests.Session, "close", record)
    monkeypatch.delattr(Session, "__del__")  # it closes a session that is no longer used
    yield made
    made.close()


def names(found: Examination) -> list[str]:
    """The names of the checks."""
    return [check.name for check in found.checks]


def only(found: Examination, name: str) -> Check:
    """The check with this name."""
    (check,) = [check for check in found.checks if check.name == name]
    return check


def ask(server: CloudServer) -> list[str]:
    """The requests to the image service."""
    return [query for query in server.queries if "/identity" not in query]


def test_a_service_without_an_identity_service(place: CheckedClouds) -> None:
    """No user, no roles, and no more requests than needed, each one once."""
    with place.examine_alone() as (found, server):
        assert names(found) == [*NO_IDENTITY, *SERVICE]
        assert {check.grade for check in found.checks} == {OK}
        assert {check.fix for check in found.checks} == {""}
        assert (found.roles, found.is_listing_allowed, found.able is not None) == (None, True, True)
        assert found.glance is not None
        assert only(found, "settings").found == f"cloud c, from {place.folder / 'clouds.yaml'}"
        assert only(found, "credentials").found.startswith("no identity service (auth_type none)")
        assert only(found, "region").found == f"region r, image service at {server.address}/v2"
        assert only(found, "image address").found == f"{server.address}/v2 (this host, without TLS)"
        assert only(found, "API version").found.startswith("2.17 ")
        assert only(found, "list images").found == "allowed"
        assert only(found, "clock").found.endswith("from that of the image service")
        assert server.queries[:2] == ["GET /versions", "GET /v2/images?limit=1"]
        assert sorted(server.queries[2:]) == [f"GET /v2{path}" for path in DOCUMENTS]
        assert place.closed == []


def test_a_cloud_with_an_identity_service(place: CheckedClouds) -> None:
    """The token shows the user, the project and the roles; the service catalog, the regions."""
    with place.examine() as (found, server):
        assert names(found) == [*WITH_IDENTITY, *SERVICE]
        assert {check.grade for check in found.checks if check.name != "clock"} == {OK}
        assert (found.roles, found.is_listing_allowed) == (("member", "reader"), True)
        address = f"{server.address}/identity/v3"
        assert only(found, "identity address").found == f"{address} (this host, without TLS)"
        assert only(found, "credentials").found == f"user u, project our project ({PROJECT})"
        assert only(found, "roles").found == "member, reader"
        assert only(found, "token").found == "expires at 2099-01-01 00:00 UTC; imagesync renews it"
        address = f"{server.address}/west/public/v2"
        assert only(found, "region").found == f"region west, image service at {address}; other regions: east"
        clock = only(found, "clock")
        assert (clock.grade, clock.found.endswith("ahead of that of the identity service")) == (WARNING, True)
        assert ask(server)[:2] == ["GET /west/public/versions", "GET /west/public/v2/images?limit=1"]
        assert sum("auth/tokens" in query for query in server.queries) == 1


def test_the_settings_of_the_environment_have_no_file(place: CheckedClouds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the option replaces the user's; without a cloud, the variables are the settings."""
    with place.examine_alone() as (_, server):
        other = write_clouds(place.folder / "other.yaml", d={"auth_type": "none", "auth": {"endpoint": server.address}})
        monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
        assert only(place.look("d", str(other)), "settings").found == f"cloud d, from {other}"
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(place.folder / "none.yaml"))
        write_clouds(place.folder / "none.yaml")
        monkeypatch.setenv("OS_AUTH_TYPE", "none")
        monkeypatch.setenv("OS_ENDPOINT", server.address)
        found = place.look(None)
        assert only(found, "settings").found == "cloud envvars, from OS_* variables"
        assert only(found, "region").found.startswith("no region name, image service at ")


def test_settings_that_are_wrong_end_the_checks(place: CheckedClouds) -> None:
    """There is nothing to send a request to."""
    with cloud_of(place.folder, place._monkeypatch, images=images()) as server:
        found = place.look("d")
        (check,) = found.checks
        assert (check.name, check.grade) == ("settings", PROBLEM)
        assert check.found == f"cloud d is not defined in {place.folder / 'clouds.yaml'}"
        assert "these clouds: c" in check.fix
        assert (found.glance, server.queries) == (None, [])


@pytest.mark.parametrize(
    ("login", "text", "fix"),
    [
        (Say(401, {"error": {"message": "no", "code": 401}}), "rejected the credentials", "check the user"),
        (BUSY, "HTTP 503", "try again later"),
        (Say(404, b""), "HTTP 404", "check auth_url"),
    ],
)
def test_credentials_that_are_refused_end_the_checks(place: CheckedClouds, login: Say, text: str, fix: str) -> None:
    """The request is not repeated, and the image service gets none."""
    with place.examine(login=login) as (found, server):
        assert names(found) == ["settings", "identity address", "credentials"]
        assert [check.grade for check in found.checks] == [OK, OK, PROBLEM]
        assert text in found.checks[-1].found
        assert fix in found.checks[-1].fix
        assert (found.glance, found.roles, found.able, found.is_listing_allowed) == (None, None, None, False)
        assert ask(server) == []
        assert sum("auth/tokens" in query for query in server.queries) == 1


def test_a_region_without_an_image_service_ends_the_checks(place: CheckedClouds) -> None:
    """What the token shows is checked all the same."""
    with place.examine(region_name="north") as (found, server):
        assert names(found) == ["settings", "identity address", "credentials", "roles", "token", "region"]
        assert found.checks[-1].grade is PROBLEM
        assert "no image endpoint found" in found.checks[-1].found
        assert "select one: region_name: east" in found.checks[-1].fix
        assert (found.glance, ask(server)) == (None, [])


@pytest.mark.parametrize("answer", [BUSY, RESET], ids=["busy", "reset"])
@pytest.mark.parametrize(
    ("request_name", "before", "requests_sent"),
    [("versions", [], 1), ("list", SERVICE[:1], 2), ("info", SERVICE, 6)],
)
def test_a_service_without_a_response_gets_no_further_request(
    place: CheckedClouds, request_name: str, before: list[str], requests_sent: int, answer: Say
) -> None:
    """Its connections are closed; no request is repeated."""
    with place.examine_alone(images=images(**{request_name: answer})) as (found, server):
        assert names(found) == [*NO_IDENTITY, *before, "image service"]
        assert found.checks[-1].grade is PROBLEM
        assert "image service at 127.0.0.1" in found.checks[-1].found or "HTTP 503" in found.checks[-1].found
        assert found.checks[-1].fix
        assert (found.glance, found.able) == (None, None)
        assert found.is_listing_allowed == ("list images" in before)
        assert len(set(server.queries)) == len(server.queries)
        assert min(requests_sent, 3) <= len(server.queries) <= requests_sent
        assert len(place.closed) == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (REDIRECT, "redirect"),
        (Say(404, b"no"), "HTTP 404: no"),
        (Say(403, b"no"), "HTTP 403: no"),
        (Say(401, b""), "HTTP 401"),
        (Say(body=b"<html>"), "JSON"),
    ],
    ids=["redirect", "404", "403", "401", "page"],
)
def test_a_service_whose_version_is_unknown_is_still_checked(place: CheckedClouds, answer: Say, text: str) -> None:
    """A proxy may hide the list of versions; that is a warning."""
    with place.examine_alone(images=images(versions=answer)) as (found, _):
        assert names(found) == [*NO_IDENTITY, *SERVICE]
        check = only(found, "API version")
        assert (check.grade, check.fix) == (WARNING, "ask the cloud's operator; 2.7 is needed")
        assert check.found.startswith("unknown: ")
        assert text in check.found
        assert found.able is not None
        assert found.glance is not None


DEFAULT_FIX = "check the user, the project and the image endpoint of this cloud"
POLICY = b"You are not authorized to complete get_images action."


@pytest.mark.parametrize(
    ("has_identity", "answer", "fix"),
    [
        (False, Say(401, b""), "this service requires a token: set auth_type and auth of this cloud"),
        (True, Say(401, b""), "check that the user, the secret and the project of this cloud are still valid"),
        (False, Say(403, b"no"), DEFAULT_FIX),
        (True, Say(404, b"no"), DEFAULT_FIX),
        (False, Say(403, POLICY), "requires the role member, and this user does not have it"),
        (True, Say(403, POLICY), "use a user with the role member in that project"),
        (True, REDIRECT, "and the image endpoint"),
    ],
)
def test_a_refused_list_ends_the_checks(place: CheckedClouds, has_identity: bool, answer: Say, fix: str) -> None:
    """The connection stays open for the checks of rights; what the service offers is not requested."""
    examine = place.examine if has_identity else place.examine_alone
    with examine(images=images(list=answer)) as (found, server):
        assert names(found) == [*(WITH_IDENTITY if has_identity else NO_IDENTITY), *SERVICE[:2]]
        check = only(found, "list images")
        assert (check.grade, fix in check.fix) == (PROBLEM, True)
        assert f"HTTP {answer.status}" in check.found
        assert (found.is_listing_allowed, found.able) == (False, None)
        assert found.glance is not None
        assert not [query for query in server.queries if "/info/" in query or "/schemas/" in query]


def test_a_service_that_does_not_say_what_it_offers(place: CheckedClouds) -> None:
    """Other checks continue without it."""
    with place.examine_alone(images=images(info=REDIRECT)) as (found, _):
        assert names(found) == [*NO_IDENTITY, *SERVICE, "capabilities"]
        assert found.checks[-1].grade is PROBLEM
        assert "redirect" in found.checks[-1].found
        assert "and the image endpoint" in found.checks[-1].fix
        assert found.glance is not None
        assert (found.able, found.is_listing_allowed) == (None, True)
    with place.examine_alone(images=images(info=Say(404, b""))) as (found, _):
        assert names(found) == [*NO_IDENTITY, *SERVICE]
        assert found.able is not None


@pytest.mark.parametrize(("own", "limit"), [(None, SECONDS), (7, 7.0), (90, SECONDS)])
def test_each_request_has_a_time_limit(place: CheckedClouds, own: int | None, limit: float) -> None:
    """A shorter one of the settings counts."""
    with place.examine(api_timeout=own) as (found, _):
        assert found.glance is not None
        connection = found.glance._connection
        assert connection.read_timeout == limit
        assert connection.session.timeout == (own or SECONDS)


@pytest.mark.parametrize("request_name", ["versions", "list", "info"])
def test_a_silent_service_is_left_in_time(place: CheckedClouds, request_name: str) -> None:
    """It would answer later."""
    ended = threading.Event()

    def wait() -> bytes:
        ended.wait(8)
        return b"{}"

    slow = {"images": images(**{request_name: Say(body=wait)}), "api_timeout": 0.3, "imagesync_settling_time": 60}
    with place.examine_alone(**slow) as (found, _):
        ended.set()
        assert (names(found)[-1], found.checks[-1].grade) == ("image service", PROBLEM)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ({"user": {"id": "u1", "name": "a\x1b[2J", "domain": {"id": "d"}}}, "user a\\x1b[2J, project our project ("),
        ({"user": {"id": "u1", "name": None, "domain": {"id": "d"}}}, "user u1, project our project ("),
        ({"project": {"id": "q\n", "name": "b\x1b", "domain": {"id": "d"}}}, "user u, project b\\x1b (q"),
        ({"project": {"id": "q", "name": None, "domain": {"id": "d"}}}, "user u, project q (q)"),
        ({"project": None}, "user u, project none."),
    ],
)
def test_the_user_and_the_project_of_the_token_are_shown(
    place: CheckedClouds, token: dict[str, Any], text: str
) -> None:
    """A name that is missing is replaced by the id; a character that controls the terminal is escaped."""
    with place.examine(token=token) as (found, _):
        check = only(found, "credentials")
        assert f"{check.found}.".startswith(text)
        assert check.found.isprintable()


@pytest.mark.parametrize("roles", [[], None])
def test_a_token_without_a_role_is_a_problem(place: CheckedClouds, roles: list[Any] | None) -> None:
    """It is not a service without identity: the roles are known, and there are none."""
    with place.examine(token={"roles": roles}) as (found, _):
        check = only(found, "roles")
        assert (check.grade, check.found) == (PROBLEM, "the token has no role in this project")
        assert check.fix == "ask an administrator of the cloud for the role member in this project"
        assert found.roles == ()
        assert names(found) == [*WITH_IDENTITY, *SERVICE]
    with place.examine(token={"roles": [{"id": "2", "name": "b\x1b"}, {"id": "1", "name": "a"}]}) as (found, _):
        assert only(found, "roles").found == "a, b\\x1b"


@pytest.mark.parametrize(("is_token", "grade"), [(False, OK), (True, WARNING)])
def test_only_a_token_of_the_settings_cannot_be_renewed(place: CheckedClouds, is_token: bool, grade: Grade) -> None:
    """The kind of the log-in decides."""
    soon = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%S.000000Z}"
    with cloud_of(place.folder, place._monkeypatch, token={"expires_at": soon}, images=images()) as server:
        if is_token:
            auth = {"auth_url": f"{server.address}/identity/v3", "token": "t", "project_id": PROJECT}
            own = {"auth_type": "v3token", "auth": auth, "region_name": "west"}
            write_clouds(place.folder / "clouds.yaml", c=own)
        assert only(place.look(), "token").grade is grade


def test_a_region_that_the_service_catalog_does_not_have(place: CheckedClouds) -> None:
    """An endpoint of the settings hides that; the regions of the catalog are listed."""
    address = "http://127.0.0.1:1"
    with place.examine(region_name="north", image_endpoint_override=address) as (found, _):
        here, absent = [check for check in found.checks if check.name == "region"]
        assert (here.grade, absent.grade) == (OK, WARNING)
        assert here.found == f"region north, image service at {address}/v2; other regions: east, west"
        assert absent.found == "the service catalog has no region north; it has east, west"
        assert absent.fix == "check region_name, or image_endpoint_override, of this cloud"


def test_the_regions_of_the_service_catalog_are_escaped(place: CheckedClouds) -> None:
    """They are text of a service."""
    endpoints = [
        {"id": name, "interface": "public", "region": name, "region_id": name, "url": "http://127.0.0.1:1/"}
        for name in ("a\x1b", "b\x1b")
    ]
    catalog = [{"type": "image", "name": "glance", "id": "i", "endpoints": endpoints}]
    with place.examine(token={"catalog": catalog}, region_name="a\x1b") as (found, _):
        assert only(found, "region").found == (
            "region a\\x1b, image service at http://127.0.0.1:1/v2; other regions: b\\x1b"
        )
    with place.examine(token={"catalog": catalog}, region_name="c\x1b", image_endpoint_override="http://h") as (
        found,
        _,
    ):
        text = "the service catalog has no region c\\x1b; it has a\\x1b, b\\x1b"
        assert found.checks[-3].found == text


@pytest.mark.parametrize(
    ("date", "ending"),
    [
        (timedelta(), "s from that of the image service"),
        (timedelta(hours=-1), "ahead of that of the image service"),
        (timedelta(hours=1), "behind that of the image service"),
        ("soon", "no service shows its time; only this host's clock is used"),
        ("", "no service shows its time; only this host's clock is used"),
    ],
)
@pytest.mark.parametrize("zone", ["GMT", "-0000", ""])
def test_the_clock_of_the_image_service(place: CheckedClouds, date: timedelta | str, ending: str, zone: str) -> None:
    """By the header Date of the list, also without a time zone; what is not a date is left out."""
    header = date if isinstance(date, str) else f"{datetime.now(UTC) + date:%a, %d %b %Y %H:%M:%S} {zone}"
    listed = Say(body={"images": []}, headers={"Date": header})
    with place.examine_alone(images=images(list=listed)) as (found, _):
        check = only(found, "clock")
        assert check.found.endswith(ending)
        assert check.grade is (WARNING if "that of the image" in ending and "s from" not in ending else OK)
        assert names(found) == [*NO_IDENTITY, *SERVICE]
        assert found.able is not None


def test_the_clock_of_the_identity_service(place: CheckedClouds) -> None:
    """The service that differs more is named."""
    issued = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000000Z}"
    date = f"{datetime.now(UTC) + timedelta(hours=1):%a, %d %b %Y %H:%M:%S} GMT"
    listed = Say(body={"images": []}, headers={"Date": date})
    with place.examine(token={"issued_at": issued}, images=images(list=listed)) as (found, _):
        assert only(found, "clock").found.endswith("minutes behind that of the image service")


@pytest.mark.parametrize(
    ("url", "found_text"),
    [
        ("http://me:secret@127.0.0.2:9/x?secret=1", "http://127.0.0.2:9/x/v2 has no TLS"),
        ("images", None),
        ("http:///x", None),
        ("https://127.0.0.1:99999", None),
    ],
)
def test_an_address_that_is_not_encrypted(place: CheckedClouds, url: str, found_text: str | None) -> None:
    """A warning; an address without a host or with a wrong port is the error of the first request."""
    with place.examine(image_endpoint_override=url) as (found, _):
        checks = [check for check in found.checks if check.name == "image address"]
        if found_text is None:
            assert checks == []
        else:
            (check,) = checks
            assert check.grade is WARNING
            assert check.found.startswith(found_text)
            assert not [check for check in found.checks if "secret" in check.found]
        assert (names(found)[-1], found.glance) == ("image service", None)


def test_an_address_that_is_not_valid_is_one_problem(place: CheckedClouds) -> None:
    """Of the log-in, or of the region: no request can be sent there."""
    auth = {"auth_url": "http://[::1/v3", "username": "u", "password": "p", "project_name": "p"}
    with place.examine(auth=auth) as (found, server):
        assert names(found) == ["settings", "credentials"]
        assert (found.checks[-1].grade, "Invalid IPv6 URL" in found.checks[-1].found) == (PROBLEM, True)
    with place.examine(image_endpoint_override="http://[x]/v2") as (found, server):
        assert names(found) == [*WITH_IDENTITY[:-1]]
        assert found.checks[-1].grade is PROBLEM
        assert found.checks[-1].fix == "correct image_endpoint_override of this cloud in clouds.yaml"
        assert (found.glance, ask(server)) == (None, [])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority ``ca.pem``, and the certificates ``month``, ``week`` and ``expired`` of this host."""
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    for name, days in (("month", 30), ("week", 7), ("expired", -1)):
        authority.issue("scheduler", name=name, days=days)
    return authority.folder


def serve_with(certificates: Path, name: str) -> ssl.SSLContext:
    """The settings of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem")
    return context


@pytest.mark.parametrize(
    ("name", "grade", "text", "fix"),
    [
        ("month", OK, "TLS, certificate valid until 20", ""),
        ("week", WARNING, "TLS, certificate valid until 20", "renew"),
        ("expired", PROBLEM, "not trusted: certificate has expired", "renew it, or correct the clock"),
    ],
)
def test_the_certificate_of_an_image_service(
    place: CheckedClouds, certificates: Path, name: str, grade: Grade, text: str, fix: str
) -> None:
    """It is read from the server; a bad one is also the error of the first request."""
    settings = {"context": serve_with(certificates, name), "cacert": str(certificates / "ca.pem")}
    with place.examine_alone(**settings) as (found, server):
        check = only(found, "image address")
        assert (check.grade, fix in check.fix) == (grade, True)
        assert check.found.startswith(f"{server.address}/v2")
        assert text in check.found
        assert names(found) == [*NO_IDENTITY, *(["image service"] if grade is PROBLEM else SERVICE)]


def test_the_certificate_of_an_identity_service(place: CheckedClouds, certificates: Path) -> None:
    """It is checked before the log-in."""
    context = serve_with(certificates, "week")
    with place.examine(context=context, cacert=str(certificates / "ca.pem")) as (found, _):
        assert names(found) == [*WITH_IDENTITY, *SERVICE]
        for name in ("identity address", "image address"):
            assert only(found, name).grade is WARNING
            assert "renew" in only(found, name).fix
    with place.examine(context=context) as (found, server):
        assert names(found) == ["settings", "identity address", "credentials"]
        assert [check.grade for check in found.checks] == [OK, PROBLEM, PROBLEM]
        assert "set cacert of this cloud" in found.checks[1].fix
        assert server.queries == []


@pytest.mark.parametrize(
    ("cacert", "bundles", "is_trusted"),
    [
        (None, {}, False),
        ("ca.pem", {}, True),
        (None, {"REQUESTS_CA_BUNDLE": "ca.pem"}, True),
        (None, {"CURL_CA_BUNDLE": "ca.pem"}, True),
        (None, {"REQUESTS_CA_BUNDLE": "other/ca.pem", "CURL_CA_BUNDLE": "ca.pem"}, False),
        ("other/ca.pem", {"REQUESTS_CA_BUNDLE": "ca.pem", "CURL_CA_BUNDLE": "ca.pem"}, False),
    ],
)
def test_whose_certificates_are_trusted(
    place: CheckedClouds,
    certificates: Path,
    monkeypatch: pytest.MonkeyPatch,
    cacert: str | None,
    bundles: dict[str, str],
    is_trusted: bool,
) -> None:
    """Those that the requests trust: ``cacert`` of the cloud, else the two variables, else those of the system."""
    Authority(certificates / "other")
    for name, file in bundles.items():
        monkeypatch.setenv(name, str(certificates / file))
    settings = {"cacert": str(certificates / cacert)} if cacert else {}
    with place.examine_alone(context=serve_with(certificates, "month"), **settings) as (found, _):
        check = only(found, "image address")
        assert check.grade is (OK if is_trusted else PROBLEM)
        assert ("not trusted" in check.found, "set cacert" in check.fix) == (not is_trusted, not is_trusted)
        assert ("image service" in names(found)) == (not is_trusted)


def test_the_certificates_of_the_http_library_are_trusted_by_default(
    place: CheckedClouds, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of the system: the requests do not trust them either."""
    monkeypatch.setattr("requests.utils.DEFAULT_CA_BUNDLE_PATH", str(certificates / "ca.pem"))
    with place.examine_alone(context=serve_with(certificates, "month")) as (found, _):
        assert only(found, "image address").grade is OK


def test_a_certificate_of_another_host_is_not_trusted(place: CheckedClouds, certificates: Path) -> None:
    """The remedy is another address."""
    with place.examine_alone(context=serve_with(certificates, "month")) as (_, server):
        address = server.address.replace("127.0.0.1", "0.0.0.0")
        own = {"auth_type": "none", "auth": {"endpoint": address}, "cacert": str(certificates / "ca.pem")}
        write_clouds(place.folder / "clouds.yaml", c=own)
        check = only(place.look(), "image address")
        assert (check.grade, check.fix) == (PROBLEM, "write the host name that the certificate has into the address")


@pytest.mark.parametrize("settings", [{"verify": False}, {"insecure": True}])
def test_a_certificate_that_is_not_verified_is_a_warning(
    place: CheckedClouds, certificates: Path, settings: dict[str, bool]
) -> None:
    """Another host of the network may be the service."""
    with place.examine_alone(context=serve_with(certificates, "expired"), **settings) as (found, server):
        check = only(found, "image address")
        assert (check.grade, check.found) == (
            WARNING,
            f"{server.address}/v2: its certificate is not verified (verify: false)",
        )
        assert check.fix == "remove verify: false, and set cacert if the authority is private"
        assert names(found) == [*NO_IDENTITY, *SERVICE]


def test_a_certificate_that_cannot_be_read_is_no_check(place: CheckedClouds, certificates: Path) -> None:
    """The error of the connection is that of the first request."""
    with place.examine_alone() as (_, server):
        for url in (server.address.replace("http:", "https:"), "https://127.0.0.1:1"):
            own = {"auth_type": "none", "auth": {"endpoint": url}, "region_name": "r"}
            write_clouds(place.folder / "clouds.yaml", c=own)
            assert names(place.look()) == [*NO_IDENTITY[:-1], "image service"]


@pytest.mark.parametrize(
    ("url", "address"),
    [("https://127.0.0.1", ("127.0.0.1", 443)), ("https://[::1]:9292/x", ("::1", 9292))],
)
def test_where_a_certificate_is_read(
    place: CheckedClouds, monkeypatch: pytest.MonkeyPatch, url: str, address: tuple[str, int]
) -> None:
    """At the port of the address, in a limited time."""
    calls: list[object] = []

    def refuse(*words: object) -> socket.socket:
        calls.append(words)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with place.examine_alone(auth={"endpoint": url}):
        assert calls == [(address, TLS_SECONDS)]
