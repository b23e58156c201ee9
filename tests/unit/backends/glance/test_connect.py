"""Settings of a cloud -> addresses of its services, time limits and the settling time."""

from pathlib import Path

import pytest
from keystoneauth1.session import Session

from imagesync.backends.glance import open_glance
from imagesync.backends.glance.connect import LOGIN_TIMEOUT, add_version, prepare, public_address, strip_version
from imagesync.errors import UsageError


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
