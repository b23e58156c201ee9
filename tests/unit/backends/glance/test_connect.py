"""Settings of a cloud -> addresses of its services, time limits and the settling time."""

import json
import logging
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.session import Session
from openstack.config import OpenStackConfig, loader, vendors

from imagesync.backends.glance import open_glance
from imagesync.backends.glance.connect import (
    CONNECTIONS,
    LOGIN_PACE,
    LOGIN_TIMEOUT,
    MAX_SETTLING_TIME,
    OR_VARIABLES,
    READ_TIMEOUT,
    SETTLING_TIME,
    WHERE,
    Connection,
    add_version,
    connect,
    list_clouds,
    prepare,
    public_address,
    read_settings,
    strip_version,
)
from imagesync.deadlines import _Pool, _SecurePool
from imagesync.errors import BackendError, ImagesyncError, Unauthorized, UndefinedCloud, UsageError
from imagesync.retry import Pace
from imagesync.version import __version__
from tests.fault.scripted import Say
from tests.fault.scripted_cloud import cloud_of, write_clouds


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://h:9292",
        "http://h:9292/",
        "http://h:9292/v2",
        "http://h:9292/v2.17/",
        "http://h:9292/v1",
        "http://h:9292/v2/94d2588abdbf4f1b82023c3d6afce4c3",
        "http://h:9292/v2/AUTH_94d2588abdbf4f1b82023c3d6afce4c3",
    ],
)
def test_an_endpoint_gets_exactly_one_version(endpoint: str) -> None:
    """The version of the service catalog is replaced, without a request for the versions."""
    assert add_version(endpoint) == "http://h:9292/v2"


def test_a_path_before_the_version_is_kept() -> None:
    """Many clouds have all services on one host."""
    assert add_version("https://h/image") == "https://h/image/v2"
    assert add_version("https://h/v1/image/v2/") == "https://h/v1/image/v2"
    assert strip_version("https://h/identity/v3") == "https://h/identity"


def test_an_address_is_shown_without_secrets() -> None:
    """Plan files contain it."""
    assert public_address("https://u:p@h:5000/v3/?x=1") == "https://h:5000/v3"


@pytest.mark.parametrize(
    ("settings", "expected"), [("", 2.5), ("imagesync_settling_time: 0", 0.0), ("imagesync_settling_time: '7.5'", 7.5)]
)
def test_the_settling_time_is_a_setting_of_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, expected: float
) -> None:
    """Seconds between the marker for deletion on an image and its deletion."""
    use_cloud(tmp_path, monkeypatch, settings)
    with open_glance("c") as backend:
        assert backend.settling_time() == expected


@pytest.mark.parametrize("value", ["-1", "61", "soon", "nan", "[]"])
def test_an_invalid_settling_time_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    use_cloud(tmp_path, monkeypatch, f"imagesync_settling_time: {value}")
    with pytest.raises(
        UsageError, match=r"cloud c: imagesync_settling_time is .*; it must be 0 to 60 seconds; correct it in clouds"
    ):
        open_glance("c")


@pytest.mark.parametrize(("own", "expected"), [(None, LOGIN_TIMEOUT), (7.0, 7.0)])
def test_requests_to_the_identity_service_have_a_time_limit(own: float | None, expected: float) -> None:
    """The library has none; the cloud's ``api_timeout`` has precedence."""
    session = Session(timeout=own)
    prepare(session)
    assert session.timeout == expected


def use_cloud(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    """A clouds.yaml with one cloud, ``c``, that has no identity service."""
    lines = [
        "clouds:",
        "  c:",
        "    auth_type: none",
        "    region_name: r",
        "    auth: {endpoint: 'http://images.example'}",
    ]
    (folder / "clouds.yaml").write_text("\n".join([*lines, f"    {settings}", ""]))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(folder / "clouds.yaml"))


CLOUD = {"auth_type": "none", "auth": {"endpoint": "http://images.example"}, "region_name": "r"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose files the library reads first.

    The library stores the working directory when it is imported, so a test that only changes it cannot fail.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    former, *others = loader.CONFIG_SEARCH_PATH
    monkeypatch.setattr(loader, "CONFIG_SEARCH_PATH", [str(tmp_path), *others])
    for name in ("CONFIG_FILES", "SECURE_FILES", "VENDOR_FILES"):
        paths = [Path(path) for path in getattr(loader, name)]
        moved = [str(tmp_path / path.name if str(path.parent) == former else path) for path in paths]
        monkeypatch.setattr(loader, name, moved)
    return tmp_path


@pytest.mark.parametrize("name", ["clouds.yaml", "clouds.yml", "clouds.json"])
def test_a_cloud_of_the_working_directory_is_not_used(checkout: Path, name: str) -> None:
    """An attacker may have added the file to a checkout, to get the credentials; the user may pass it."""
    write_clouds(checkout / name, unheard_of=CLOUD)
    assert OpenStackConfig().get_cloud_names() == ["unheard_of"]
    with pytest.raises(UsageError, match=f"pass --clouds-file {name} if you trust it; imagesync does not read it"):
        connect("unheard_of")
    assert "unheard_of" not in list_clouds()
    assert connect("unheard_of", clouds_file=name).url == "http://images.example/v2"


def test_secrets_and_vendors_of_the_working_directory_are_not_used(checkout: Path) -> None:
    """A vendor file may contain an address, to which the user's password would be sent."""
    password = {"auth_url": "http://identity.example", "username": "u", "project_name": "p"}
    clouds = write_clouds(
        checkout / "my-clouds.yaml", c={"auth": password}, v={"profile": "evil", "auth": {"username": "u"}}
    )
    for name in ("secure.yaml", "secure.json"):
        write_clouds(checkout / name, c={"auth": {"password": "theirs"}})
    with pytest.raises(UsageError, match=r"cloud c in my-clouds.yaml: password is missing; write password below auth"):
        connect("c", clouds_file="my-clouds.yaml")
    profile = {"public-clouds": {"evil": {"auth": {"auth_url": "http://evil.example"}}}}
    (checkout / "clouds-public.yaml").write_text(json.dumps(profile))
    with pytest.raises(UsageError, match="Couldn't find the vendor profile evil"):
        connect("v", clouds_file=str(clouds))


@pytest.mark.parametrize("variable", ["OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"])
@pytest.mark.parametrize(("kind", "why"), [("missing", "does not exist"), ("folder", "is a folder, not a file")])
def test_a_named_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, kind: str, why: str
) -> None:
    """The library would ignore it and use other clouds."""
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv(variable, str(tmp_path / kind))
    with pytest.raises(
        UsageError, match=f"{variable}: .*/{kind} {why}; correct the variable, or run: unset {variable}"
    ):
        connect("c")
    assert list_clouds() == []


def test_the_file_that_the_user_passes_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it does not exist, or if the environment names another one, that is an error."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    with pytest.raises(UsageError, match=r"--clouds-file: file /none.yaml does not exist; correct the path"):
        connect("c", clouds_file="/none.yaml")
    with pytest.raises(UsageError, match=r"--clouds-file: file /etc is a folder, not a file; correct the path"):
        connect("c", clouds_file="/etc")
    path = write_clouds(tmp_path / "mine.yaml", c=CLOUD)
    other = write_clouds(tmp_path / "other.yaml", c={**CLOUD, "auth": {"endpoint": "http://other.example"}})
    assert connect("c", clouds_file=str(path)).url == "http://images.example/v2"
    with open_glance("c", str(path)) as backend:
        assert backend.identity().location == "http://images.example/v2"
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(other))
    with pytest.raises(UsageError, match="OS_CLIENT_CONFIG_FILE is set to a file other than --clouds-file"):
        connect("c", clouds_file=str(path))
    assert list_clouds() == ["c"]
    assert connect("c").url == "http://other.example/v2"


def test_a_cloud_that_is_not_defined_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message lists the clouds of the file."""
    path = write_clouds(tmp_path / "clouds.yaml", b=CLOUD, a=CLOUD)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    with pytest.raises(UsageError) as caught:
        connect("c")
    assert (
        str(caught.value)
        == f"cloud c is not defined in {path}; correct the name, or add the cloud; {path} has these clouds: a, b"
    )
    assert list_clouds() == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clouds:\n\tc: {}", "the file with clouds is not valid YAML: .*; indent with spaces, not with tabs"),
        ("clouds: [", "the file with clouds is not valid YAML: .*; correct the file"),
        ("clouds: {c: text}", "its settings are not a mapping; write auth, region_name"),
        ("clouds: {c: {region_name: }}", "cloud c in .*: region_name is empty; write the name of a region, or remove"),
        ("clouds: {c: {auth_type: passwort, auth: {}}}", "auth_type passwort does not exist; write password instead"),
    ],
)
def test_a_file_of_another_shape_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """The library raises errors of many types."""
    (tmp_path / "clouds.yaml").write_text(text)
    path = str(tmp_path / "clouds.yaml")
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    with pytest.raises(UsageError, match=message) as passed:
        connect("c", clouds_file=path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", path)
    with pytest.raises(UsageError, match=message) as caught:
        connect("c")
    assert "\n" not in str(caught.value)
    assert str(passed.value) == str(caught.value)


LOGGERS = ("openstack", "keystoneauth")


class TwoAtOnce:
    """A filter of a logger. It lets the thread ``b`` read its settings while ``a`` reads its own, and end after it."""

    def __init__(self) -> None:
        self.a_reads, self.b_reads, self.a_ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, record: logging.LogRecord) -> bool:
        """A library logs a warning in the middle of the settings."""
        if record.threadName == "a":
            self.a_reads.set()
            assert self.b_reads.wait(30)
        elif record.threadName == "b":
            self.b_reads.set()
            assert self.a_ended.wait(30)
        return True


def test_two_targets_that_connect_at_once_have_their_own_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each error names its own file, and the process has the filters for warnings that it had before."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    both, logger, found = TwoAtOnce(), logging.getLogger("openstack.config"), dict[str, str]()
    names = [str(tmp_path / f"{name}.yaml") for name in ("a", "b")]
    for name in names:
        Path(name).write_text("clouds: [")

    def read(name: str) -> None:
        with pytest.raises(UsageError) as caught:
            connect("c", clouds_file=name)
        found[name] = str(caught.value)

    connect("c", clouds_file=str(write_clouds(tmp_path / "clouds.yaml", c=CLOUD)))
    warnings.filterwarnings("ignore", message="a later filter")
    filters, handlers = list(warnings.filters), [list(logging.getLogger(name).handlers) for name in LOGGERS]
    a, b = (threading.Thread(target=read, args=(path,), name=Path(path).stem) for path in names)
    monkeypatch.setattr(logger, "filters", [both])
    a.start()
    assert both.a_reads.wait(30)
    b.start()
    a.join(30)
    both.a_ended.set()
    b.join(30)
    for path in names:
        assert found[path].startswith("the file with clouds is not valid YAML: ")
        assert [name for name in names if name in found[path]] == [path]
    assert list(warnings.filters) == filters
    assert [logging.getLogger(name).handlers for name in LOGGERS] == handlers


class SlowTable(dict[str, Any]):
    """A table that another thread reads while it has only one entry."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.searched = threading.Event(), threading.Event()

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if not self.begun.is_set():
            self.begun.set()
            self.searched.wait(0.5)

    def __contains__(self, name: object) -> bool:
        self.searched.set()
        return super().__contains__(name)


def test_two_targets_that_connect_at_once_both_have_their_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library fills its table of profiles at the first use; a part of it has not the address of each vendor."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    names = vendors.profiles()
    login = {"username": "u", "password": "x", "project_name": "p", "user_domain_name": "d", "project_domain_name": "d"}
    clouds = {name: {"profile": name, "auth": login, "region_name": "r"} for name in (names[0], names[-1])}
    path = str(write_clouds(tmp_path / "clouds.yaml", **clouds))
    table = SlowTable()
    monkeypatch.setattr(vendors, "_VENDOR_DEFAULTS", table)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(read_settings, names[0], path)
        assert table.begun.wait(30)
        second = pool.submit(read_settings, names[-1], path)
        for settings in (first.result(30), second.result(30)):
            assert settings.region.config["profile"] == settings.cloud
            assert "auth_url" in settings.region.config["auth"]


def open_connection() -> Connection:
    """The connection to the cloud ``c``."""
    return connect("c", Pace(tries=1))


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ({}, "west/public"),
        ({"region_name": "east"}, "east/public"),
        ({"interface": "internal"}, "west/internal"),
        ({"region_name": "east", "interface": "internal"}, "east/internal"),
    ],
)
def test_a_connection_to_the_image_service_of_a_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], endpoint: str
) -> None:
    """Its address, project and region are those of the token and of the settings."""
    with cloud_of(tmp_path, monkeypatch, **settings) as server:
        address = server.address
        found = open_connection()
        assert found.url == f"{address}/{endpoint}/v2"
        assert found.identity_url == f"{address}/identity/v3"
        identity = found.identity
        assert (identity.kind, identity.location) == ("glance", f"{address}/identity/v3")
        assert (identity.project_id, identity.project_name) == ("p" * 32, "our project")
        assert (identity.region, identity.label) == (endpoint.partition("/")[0], "c")
        assert found.issued == datetime(2024, 5, 7, 12, 34, 56, tzinfo=UTC)
        assert found.roles == ("member", "reader")
        assert (found.read_timeout, found.settling_time) == (READ_TIMEOUT, 2.5)
        assert sum("auth/tokens" in query for query in server.queries) == 1
        assert not any(query.partition(" ")[2].startswith(f"/{endpoint}") for query in server.queries)


class FakeKeyring:
    """A keyring without any secret."""

    def get_password(self, _service: str, _name: str) -> None:
        """Nothing is stored."""

    def set_password(self, _service: str, _name: str, _secret: str) -> None:
        """Nothing is stored."""


@pytest.mark.parametrize("is_cached", [True, False])
def test_a_token_that_may_be_an_old_one_shows_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    """With ``cache.auth``, the library may return the token of an earlier process."""
    monkeypatch.setattr("openstack.config.cloud_region.keyring", FakeKeyring())
    with cloud_of(tmp_path, monkeypatch):
        path = tmp_path / "clouds.yaml"
        path.write_text(json.dumps({**json.loads(path.read_text()), "cache": {"auth": is_cached}}))
        assert (open_connection().issued is None) == is_cached


def test_settings_of_the_cloud_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of the settings replaces that of the service catalog, and is a part of the target's identity."""
    settings: dict[str, Any] = {
        "api_timeout": 7,
        "image_endpoint_override": "http://me:S3CRET@images.example/v2?x=S3CRET",
    }
    with cloud_of(tmp_path, monkeypatch, **settings) as server:
        found = open_connection()
        assert (found.read_timeout, found.session.timeout) == (7.0, 7.0)
        assert found.url.startswith("http://me:S3CRET@images.example")
        location = f"{server.address}/identity/v3, image endpoint http://images.example/v2"
        assert found.identity.location == location


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"region_name": "north"},
            r"no image endpoint found \(interface public, region north\); it has one in east, west",
        ),
        ({"interface": "admin"}, r"no image endpoint found \(interface admin, region west\)"),
        ({"region_name": None}, r"cloud c: its image service is in several regions \(east, west\)"),
    ],
)
def test_a_cloud_without_the_image_endpoint_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    """The message lists the regions that have one."""
    with cloud_of(tmp_path, monkeypatch, **settings), pytest.raises(UsageError, match=message):
        open_connection()


@pytest.mark.parametrize(
    ("cloud", "clouds", "hint"),
    [
        ("labb", ["lab", "prod"], "did you mean lab? CLOUDS_YAML has these clouds: lab, prod"),
        ("x", ["prod", "lab"], "correct the name, or add the cloud; CLOUDS_YAML has these clouds: lab, prod"),
        ("x", None, WHERE),
        ("envvars", None, OR_VARIABLES),
    ],
)
def test_the_remedy_for_a_cloud_that_is_not_defined(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, cloud: str, clouds: list[str] | None, hint: str
) -> None:
    """A similar name, the names of the file, or where to write one."""
    path = tmp_path / "settings.yaml"
    if clouds is not None:
        write_clouds(path, **dict.fromkeys(clouds, CLOUD))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        assert list_clouds() == ["lab", "prod"]
    with pytest.raises(UndefinedCloud) as caught:
        read_settings(cloud)
    assert caught.value.hint == hint.replace("CLOUDS_YAML", str(path))
    where = f" in {path}" if clouds is not None else ", because no clouds.yaml exists"
    assert caught.value.message == f"cloud {cloud} is not defined{where}"


def test_settings_of_the_environment_that_are_incomplete(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy is a variable, also beside a file; without a file there are no clouds."""
    assert list_clouds() == []
    monkeypatch.setenv("OS_AUTH_URL", "https://h/v3")
    monkeypatch.setenv("OS_USERNAME", "u")
    for cloud in (None, "envvars"):
        with pytest.raises(UsageError) as caught:
            read_settings(cloud)
        assert (caught.value.message, caught.value.hint) == ("cloud envvars: password is missing", "set OS_PASSWORD")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(write_clouds(checkout / "settings.yaml", d=CLOUD, c=CLOUD)))
    monkeypatch.setenv("OS_CLOUD", "c")
    assert read_settings(None).file == str(checkout / "settings.yaml")
    assert connect(None).identity.label == "c"
    write_clouds(checkout / "settings.yaml", c={"auth": {"auth_url": "https://h/v3", "username": "u"}})
    hint = "write password below auth of this cloud, or in secure.yaml in the same folder"
    for cloud, where in (("c", f" in {checkout / 'settings.yaml'}"), (None, "")):
        with pytest.raises(UsageError) as caught:
            read_settings(cloud)
        assert (caught.value.message, caught.value.hint) == (f"cloud c{where}: password is missing", hint)


def test_settings_of_one_region_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the selected one."""
    regions = [{"name": "east", "values": {"api_timeout": 5}}, {"name": "west", "values": {"api_timeout": 7}}]
    with cloud_of(tmp_path, monkeypatch, regions=regions):
        assert open_connection().read_timeout == 7.0


def test_the_name_of_the_image_service_selects_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service catalog may have several image services."""
    catalog = [
        {
            "type": "image",
            "name": name,
            "id": name,
            "endpoints": [
                {"id": "e", "interface": "public", "region": "west", "region_id": "west", "url": f"http://{name}"}
            ],
        }
        for name in ("first", "second")
    ]
    for name in ("first", "second"):
        with cloud_of(tmp_path, monkeypatch, token={"catalog": catalog}, image_service_name=name):
            assert open_connection().url == f"http://{name}/v2"


def test_an_endpoint_of_the_settings_does_not_replace_the_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong credentials are found before the first request to the image service; the message names the host."""
    refuse, override = Say(401, {"error": {"message": "no", "code": 401}}), "http://images.example"
    with cloud_of(tmp_path, monkeypatch, refuse, image_endpoint_override=override) as server:
        host = server.address.removeprefix("http://")
        with pytest.raises(Unauthorized, match=f"^cloud c at {host}: the service rejected the credentials"):
            open_connection()


def test_an_error_of_the_library_names_the_cloud_and_its_auth_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a remedy, also if the error is unknown."""
    auth = {"auth_url": "http://[::1/v3", "user_id": "u", "password": "p", "project_id": "p"}
    with cloud_of(tmp_path, monkeypatch, auth=auth, auth_type="v3password"), pytest.raises(UsageError) as caught:
        open_connection()
    assert caught.value.message == "cloud c: Invalid IPv6 URL (auth_type v3password)"
    assert caught.value.hint == "correct the settings of this cloud in clouds.yaml or OS_*"


@pytest.mark.parametrize("url", ["http://[::1/v2", "http://[images]/v2"])
def test_an_image_endpoint_that_is_no_address_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Of the settings."""
    message = r"cloud c: the address of its image service is not valid: .*; correct image_endpoint_override"
    with cloud_of(tmp_path, monkeypatch, image_endpoint_override=url), pytest.raises(UsageError, match=message):
        open_connection()


@pytest.mark.parametrize(
    ("login", "kind", "message"),
    [
        (Say(401, {"error": {"message": "wrong password", "code": 401}}), BackendError, "rejected the credentials"),
        (Say(302, b"", {"Location": "http://elsewhere.invalid/"}), BackendError, "returned a redirect"),
        (Say(503, b""), BackendError, "HTTP 503"),
        (Say(404, b""), UsageError, "HTTP 404"),
        (Say(201, {}, {"X-Subject-Token": "t"}), ImagesyncError, "cloud c"),
        (Say(201, b" " * (9 * 2**20), {"X-Subject-Token": "t"}), BackendError, "larger than 8 MiB"),
    ],
    ids=["401", "302", "503", "404", "empty", "large"],
)
def test_a_log_in_that_fails_is_one_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, login: Say, kind: type[ImagesyncError], message: str
) -> None:
    """It names the cloud or the request; the password is sent to no other host."""
    with cloud_of(tmp_path, monkeypatch, login), pytest.raises(kind, match=message) as caught:
        open_connection()
    assert "\n" not in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_a_session_has_limits_and_a_name() -> None:
    """Time limits for each response, a limit of its size, and more connections than steps may run at once."""
    session = Session()
    prepare(session)
    assert session.user_agent == f"imagesync/{__version__}"
    assert len(session.session.hooks["response"]) == 1
    for url in ("http://h/", "https://h/"):
        adapter: Any = session.session.get_adapter(url)
        pools = adapter.poolmanager
        assert pools.pool_classes_by_scheme == {"http": _Pool, "https": _SecurePool}
        assert pools.connection_pool_kw["maxsize"] == CONNECTIONS > 64


def test_an_address_without_a_version_has_no_query_either() -> None:
    """It would be a part of the path of each request."""
    assert strip_version("https://h/identity/v3/?x=1#y") == "https://h/identity"
    assert add_version("https://h/v2/images") == "https://h/v2/images/v2"
    assert add_version("https://h/v2/94d2588a-bdbf-4f1b-8202-3c3d6afce4c3") == "https://h/v2"
    assert add_version("https://h/v2/94d2588abdbf") == "https://h/v2/94d2588abdbf/v2"


def test_the_limits_of_connections() -> None:
    """A user who mistyped an address waits only some seconds."""
    assert Pace(tries=4) == LOGIN_PACE
    assert (READ_TIMEOUT, LOGIN_TIMEOUT, SETTLING_TIME, MAX_SETTLING_TIME) == (120.0, 30.0, 2.5, 60.0)


@pytest.mark.parametrize("value", ["0", "60", "60.0"])
def test_the_ends_of_the_settling_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Both are allowed."""
    use_cloud(tmp_path, monkeypatch, f"imagesync_settling_time: {value}")
    with open_glance("c") as backend:
        assert backend.settling_time() == float(value)


def test_a_file_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library would ignore it."""
    path = write_clouds(tmp_path / "c.yaml", c=CLOUD)
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError) as caught:
        read_settings("c", str(path))
    assert str(caught.value) == f"--clouds-file: file {path} cannot be read: permission denied; correct the path"


def test_a_value_of_a_wrong_file_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the parser quotes a part of the file, which may be a password."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    path = tmp_path / "c.yaml"
    for line in ("password: *S3CRET", "password: !S3CRET x"):
        path.write_text(f"clouds: {{c: {{auth: {{\n{line}\n}} }} }}\n")
        with pytest.raises(UsageError) as caught:
            read_settings("c", str(path))
        assert "the file with clouds is not valid YAML: " in str(caught.value)
        assert str(path) in str(caught.value)
        assert "S3CRET" not in str(caught.value)


def test_a_file_of_the_working_directory_that_the_user_passed_is_not_suggested(checkout: Path) -> None:
    """It is the file in use; a cloud that it has is to be corrected there."""
    write_clouds(checkout / "clouds.yaml", a=CLOUD, v={"profile": "nowhere", **CLOUD})
    for path in ("clouds.yaml", str(checkout / "clouds.yaml")):
        with pytest.raises(UsageError) as caught:
            read_settings("b", path)
        assert str(caught.value) == (
            f"cloud b is not defined in {path}; correct the name, or add the cloud; {path} has these clouds: a, v"
        )
        with pytest.raises(UsageError) as wrong:
            read_settings("v", path)
        assert (
            str(wrong.value)
            == f"cloud v: Couldn't find the vendor profile nowhere for the cloud v; correct it in {path}"
        )


def test_the_file_of_settings_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables have none; a label names the cloud."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    path = str(write_clouds(tmp_path / "c.yaml", c=CLOUD))
    settings = read_settings("c", path)
    assert (settings.cloud, settings.file, settings.label) == ("c", path, "cloud c")
    monkeypatch.setenv("OS_AUTH_TYPE", "none")
    monkeypatch.setenv("OS_ENDPOINT", "http://h")
    settings = read_settings(None, path)
    assert (settings.cloud, settings.file, settings.label) == (None, "", "cloud envvars")


def test_a_version_is_the_last_part_of_a_path() -> None:
    """Only with digits after the v, and only one."""
    assert strip_version("https://h/v3/v3") == "https://h/v3"
    assert strip_version("https://h:5000/dev2") == "https://h:5000/dev2"
    assert strip_version("https://h/vx") == "https://h/vx"
    assert strip_version("https://me:x@h/v10.2//") == "https://me:x@h"
    assert public_address("https://h/image/v2//?a#b") == "https://h/image/v2"


def test_a_warning_about_the_settings_is_for_the_log_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The error has its text already; a warning of another time is shown."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    (tmp_path / "c.yaml").write_text("clouds: [")
    with pytest.raises(UsageError, match="is not valid YAML"):
        read_settings("c", str(tmp_path / "c.yaml"))
    logging.getLogger("openstack.config").warning("of another time")
    marks = [getattr(record, "is_shown", False) for record in caplog.records if record.name.startswith("openstack")]
    assert marks[-1] is False
    assert set(marks[:-1]) == {True}
