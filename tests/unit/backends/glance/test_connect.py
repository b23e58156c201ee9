"""Addresses of the services: one version, and no secrets."""

import pytest

from imagesync.backends.glance.connect import add_version, public_address, strip_version


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
    """Whatever the catalogue says, without asking for versions."""
    assert add_version(endpoint) == "http://h:9292/v2"


def test_a_path_before_the_version_is_kept() -> None:
    """Many clouds serve everything on one host."""
    assert add_version("https://h/image") == "https://h/image/v2"
    assert add_version("https://h/v1/image/v2/") == "https://h/v1/image/v2"
    assert strip_version("https://h/identity/v3") == "https://h/identity"


def test_an_address_is_shown_without_secrets() -> None:
    """It is kept in plan files."""
    assert public_address("https://u:p@h:5000/v3/?x=1") == "https://h:5000/v3"
