"""A cloud with prepared answers: an identity service that returns a token, and the image service of its catalog."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fault.scripted import Say, Server, listening

ISSUED = "2024-05-07T12:34:56.000000Z"
PROJECT = "p" * 32


def write_clouds(path: Path, **clouds: Any) -> Path:
    """A file with clouds."""
    path.write_text(json.dumps({"clouds": clouds}))
    return path


def make_token(address: str, **fields: Any) -> dict[str, Any]:
    """The body of the response to a log-in; the catalog has four image endpoints, and others. ``fields`` replace its
    own."""
    endpoints = [
        {
            "id": f"{region}-{interface}",
            "interface": interface,
            "region": region,
            "region_id": region,
            "url": f"{address}/{region}/{interface}/v2.9/",
        }
        for region in ("east", "west")
        for interface in ("public", "internal")
    ]
    compute = [{**one, "url": f"{address}/compute"} for one in endpoints]
    token = {
        "methods": ["password"],
        "issued_at": ISSUED,
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "user": {"id": "u1", "name": "u", "domain": {"id": "d1", "name": "D"}},
        "project": {"id": PROJECT, "name": "our project", "domain": {"id": "d1", "name": "D"}},
        "roles": [{"id": "2", "name": "reader"}, {"id": "1", "name": "member"}],
        "catalog": [
            {"type": "compute", "name": "nova", "id": "c", "endpoints": compute},
            {"type": "image", "name": "glance", "id": "i", "endpoints": endpoints},
        ],
    }
    return {"token": {name: value for name, value in {**token, **fields}.items() if value is not None}}


class CloudServer(Server):
    """The services of a cloud at one address. ``login`` is another response to a log-in; ``token``: fields of the token;
    ``images`` answers all other requests."""

    def __init__(self, login: Say | None, token: dict[str, Any], images: Callable[[str], Say] | None) -> None:
        super().__init__(self._choose)
        self.address = ""
        self._login, self._token, self._images = login, token, images

    def _choose(self, path: str) -> Say:
        if path.startswith("/identity/v3/auth/tokens"):
            return self._login or Say(201, make_token(self.address, **self._token), {"X-Subject-Token": "t0"})
        if self._images is not None and not path.startswith("/identity"):
            return self._images(path)
        version = {
            "id": "v3.14",
            "status": "stable",
            "links": [{"rel": "self", "href": f"{self.address}/identity/v3/"}],
        }
        return Say(
            200, {"version": version} if path.rstrip("/").endswith("v3") else {"versions": {"values": [version]}}
        )


@contextmanager
def cloud_of(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    login: Say | None = None,
    *,
    token: dict[str, Any] | None = None,
    images: Callable[[str], Say] | None = None,
    context: ssl.SSLContext | None = None,
    **settings: Any,
) -> Iterator[CloudServer]:
    """A cloud ``c`` of a clouds.yaml, with these services and these settings beside a user's; None removes one."""
    server = CloudServer(login, token or {}, images)
    with listening(server, context) as address:
        server.address = address
        auth = {"auth_url": f"{address}/identity/v3", "username": "u", "password": "sesame", "project_name": "p"}
        domains = {"user_domain_name": "D", "project_domain_name": "D"}
        own = {"auth": {**auth, **domains}, "region_name": "west", **settings}
        path = write_clouds(folder / "clouds.yaml", c={name: value for name, value in own.items() if value is not None})
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
        yield server
