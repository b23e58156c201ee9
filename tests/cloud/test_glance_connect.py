"""clouds.yaml and the environment -> the image service of the real cloud, and the errors on the way."""

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from openstack.config import cloud_region

from imagesync.backends.glance import open_glance
from imagesync.errors import Unauthorized, Unavailable, UsageError
from tests.cloud.neighbors import drop_neighbors
from tests.cloud.service import Cloud


def use_clouds(monkeypatch: pytest.MonkeyPatch, path: Path, entry: str) -> None:
    """Use a clouds.yaml with one cloud, ``c``."""
    (path / "clouds.yaml").write_text(f"clouds:\n  c: {entry}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path / "clouds.yaml"))


@pytest.mark.parametrize(
    ("entry", "kind", "words"),
    [
        ("{auth: {auth_url: AUTH, username: alice, password: wrong, PROJECT}}", Unauthorized, "credentials"),
        ("{auth: {auth_url: AUTH, username: alice, password: no, PROJECT}}", UsageError, "password"),
        ("{auth: {auth_url: AUTH, username: alice, password: SECRET, PROJECT}, region_name: X}", UsageError, "image"),
        ("{auth: {auth_url: AUTH, username: alice, password: SECRET, user_domain_id: default}}", UsageError, "project"),
        ("{auth: {auth_url: AUTH, username: alice, password: SECRET, project_name: images}}", UsageError, "domain"),
        ("{auth: {auth_url: 'http://127.0.0.1:9', username: a, password: b, PROJECT}}", Unavailable, "refused"),
        ("{auth: {auth_url: 'http://127.0.0.1:9/v3', username: a, password: b, PROJECT}}", Unavailable, "refused"),
        ("{auth: {auth_url: 'http://no.invalid/v3', username: a, password: b, PROJECT}}", Unavailable, "resol|known"),
        ("{auth: {auth_url: 'IMAGE/v3', username: a, password: b, PROJECT}}", UsageError, "auth_url"),
        ("{auth: {auth_url: nonsense, username: a, password: b, PROJECT}}", UsageError, "cloud c"),
        ("{auth: {auth_url: 'http://[::1', username: a, password: b, PROJECT}}", UsageError, "cloud c"),
        ("{auth: {auth_url: 'http://h:99999/v3', username: a, password: b, PROJECT}}", Unavailable, "99999"),
        ("{auth: {auth_url: 'https://h/v3', username: a, password: b}, cacert: /no/such.pem}", UsageError, "such.pem"),
        ("{auth: {}}", UsageError, "auth_url"),
        ("{auth_type: sorcery, auth: {auth_url: AUTH}}", UsageError, "sorcery"),
        ("{auth_type: none}", UsageError, "endpoint"),
        ("{auth: text}", UsageError, "its settings are not a mapping"),
        ("[", UsageError, "clouds.yaml"),
    ],
)
def test_a_bad_configuration_is_an_error_of_one_line(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
    kind: type[Exception],
    words: str,
) -> None:
    """An invalid setting is a usage error; rejected credentials and no response are errors of the service. No secret is shown."""
    scope = "project_name: images, project_domain_id: default, user_domain_id: default"
    output = {"AUTH": cloud.auth_url, "IMAGE": cloud.image_url, "PROJECT": scope, "SECRET": "secret-of-the-tests"}
    for name, value in output.items():
        entry = entry.replace(name, value)
    use_clouds(monkeypatch, tmp_path, entry)
    with pytest.raises(kind) as caught:
        open_glance("c")
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    assert "secret-of-the-tests" not in text
    assert any(word in text for word in words.split("|")), text


def test_the_error_without_clouds_yaml_has_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new machine has no clouds.yaml."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError,
        match=r"cloud c is not defined, because no clouds.yaml exists; write it to .*, or pass --clouds-file FILE",
    ):
        open_glance("c")


def test_the_environment_alone_is_enough(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """imagesync reads ``OS_*`` variables, as every OpenStack client does."""
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = {
        "AUTH_URL": cloud.auth_url,
        "USERNAME": "alice",
        "PASSWORD": "secret-of-the-tests",
        "PROJECT_NAME": "images",
        "USER_DOMAIN_ID": "default",
        "PROJECT_DOMAIN_ID": "default",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"OS_{name}", value)
    backend = open_glance(None)
    assert drop_neighbors(backend.images()) == []
    assert backend.identity().project_name == "images"
    backend.close()


def test_an_application_credential_or_a_token_is_enough(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Automation uses them. A token cannot be renewed, so an expired one is Unauthorized."""
    token = cloud.token("alice")
    headers = {"X-Auth-Token": token}
    session = cloud.http("alice").session
    user = session.get(f"{cloud.auth_url}/auth/tokens", headers={**headers, "X-Subject-Token": token}, timeout=30)
    place = f"{cloud.auth_url}/users/{user.json()['token']['user']['id']}/application_credentials"
    made = session.post(
        place, headers=headers, json={"application_credential": {"name": str(uuid4()), "secret": "s"}}, timeout=30
    ).json()["application_credential"]
    secret = f"application_credential_id: {made['id']}, application_credential_secret: s"
    for entry in (
        f"{{auth_type: v3applicationcredential, auth: {{auth_url: '{cloud.auth_url}', {secret}}}}}",
        f"{{auth_type: token, auth: {{auth_url: '{cloud.auth_url}', token: {token}, project_name: images, "
        "project_domain_id: default}}",
        f"{{auth_type: admin_token, auth: {{endpoint: '{cloud.image_url}', token: {token}}}}}",
    ):
        use_clouds(monkeypatch, tmp_path, entry)
        backend = open_glance("c")
        assert drop_neighbors(backend.images()) == []
        backend.close()
    cloud.expire_tokens()
    backend = open_glance("c")
    with pytest.raises(Unauthorized, match="the service rejected the token"):
        backend.images()
    backend.close()


def test_the_clock_of_the_identity_service_is_known(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known from the token; here it is the clock of this host."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    with contextlib.closing(open_glance("alice")) as backend:
        (moment,) = backend.times().values()
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=60)
        assert list(backend.times()) == ["the identity service"]


def test_the_clock_of_the_identity_service_continues_while_the_host_sleeps(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three hours of sleep, the two clocks would otherwise differ by three hours."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    with contextlib.closing(open_glance("alice")) as backend:
        (before,) = backend.times().values()
        real, asleep = time.clock_gettime, 3 * 3600
        monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + asleep * (clock == time.CLOCK_BOOTTIME))
        (after,) = backend.times().values()
        assert timedelta(hours=3) <= after - before < timedelta(hours=3, seconds=60)


class Keyring:
    """A keyring with the interface that the library requires."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        """The saved password."""
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, secret: str) -> None:
        """Save the password."""
        self.kept[service, name] = secret


def test_a_token_from_a_cache_has_no_time(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may have issued it hours ago, and its clock would seem to be hours behind."""
    cached = tmp_path / "cached.yaml"
    cached.write_text(f"cache: {{auth: true}}\n{cloud.clouds_yaml.read_text()}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cached))
    monkeypatch.setattr(cloud_region, "keyring", Keyring())
    for _ in range(2):
        with contextlib.closing(open_glance("alice")) as backend:
            assert drop_neighbors(backend.images()) == []
            assert backend.times() == {}


def test_a_region_s_override_of_the_endpoint_is_used(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of the service catalog has no server."""
    auth = f"{{auth_url: '{cloud.auth_url}', username: alice, password: secret-of-the-tests, project_name: images, "
    auth += "project_domain_id: default, user_domain_id: default}"
    use_clouds(monkeypatch, tmp_path, f"{{auth: {auth}, image_endpoint_override: '{cloud.image_url}/v2/'}}")
    backend = open_glance("c")
    assert drop_neighbors(backend.images()) == []
    overridden = backend.identity()
    backend.close()
    use_clouds(monkeypatch, tmp_path, f"{{auth: {auth}}}")
    plain = open_glance("c")
    assert plain.identity().fingerprint != overridden.fingerprint  # a plan for one is not applied to the other
    assert overridden.location == f"{plain.identity().location}, image endpoint {cloud.image_url}/v2"
    plain.close()


def test_an_image_service_in_two_regions_is_never_the_first_one(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only regions with the interface in use count, and the only region is used by its name."""
    service = cloud.identity("GET", "/services?type=image")["services"][0]["id"]
    where = {"service_id": service, "interface": "internal", "region": "RegionTwo", "url": cloud.image_url}
    made = cloud.identity("POST", "/endpoints", {"endpoint": where})["endpoint"]["id"]
    auth = f"{{auth_url: '{cloud.auth_url}', username: alice, password: secret-of-the-tests, project_name: images, "
    auth += "project_domain_id: default, user_domain_id: default}"

    def region_of(settings: str) -> str:
        use_clouds(monkeypatch, tmp_path, f"{{auth: {auth}, {settings}}}")
        with open_glance("c") as backend:
            return backend.identity().region

    try:
        assert region_of("interface: public") == "RegionOne"
        assert region_of("interface: internal, region_name: RegionTwo") == "RegionTwo"
        with pytest.raises(UsageError, match=r"in several regions \(RegionOne, RegionTwo\); select one: region_name"):
            region_of("interface: internal")
        with pytest.raises(UsageError, match="region RegionTwo\\); it has one in RegionOne; select one"):
            region_of("region_name: RegionTwo")
        monkeypatch.setenv("OS_REGION_NAME", "RegionTwo")
        assert region_of("interface: internal") == "RegionTwo"
    finally:
        cloud.identity("DELETE", f"/endpoints/{made}")
        cloud.identity("DELETE", "/regions/RegionTwo")
