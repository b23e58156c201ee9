"""Opens a Glance backend on a loopback server with prepared answers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from imagesync.backends.glance.api import DEFAULT_TIMEOUTS, Timeouts
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.retry import Pace
from tests.fault.scripted import Say, Server, listening


class ScriptedBackend:
    """A backend for a cloud without authentication, whose image service gives prepared answers."""

    def __init__(self, backend: Glance, server: Server, waits: list[float]) -> None:
        self.backend = backend
        self.server = server
        self.waits = waits


class OpenScripted(Protocol):
    """Opens a backend on a server with these answers."""

    def __call__(
        self,
        answers: list[Say] | Callable[[str], Say],
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        project: str = "",
    ) -> ScriptedBackend:
        """The answers are given in turn, and the last one is repeated; or they depend on the path. ``project``: the id
        of the session's project."""


@pytest.fixture
def open_scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenScripted]:
    """Opens a backend on a server with these answers; waiting takes no real time."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    ends: list[Callable[[], object]] = []

    def open_backend(
        answers: list[Say] | Callable[[str], Say], *, timeouts: Timeouts = DEFAULT_TIMEOUTS, project: str = ""
    ) -> ScriptedBackend:
        server, waits = Server(answers), list[float]()
        context = listening(server)
        address = context.__enter__()
        ends.append(lambda: context.__exit__(None, None, None))
        entry = f"{{auth_type: none, auth: {{endpoint: '{address}/image'}}, region_name: r}}"
        (tmp_path / "clouds.yaml").write_text(f"clouds: {{c: {entry}}}\n")
        connection = connect("c")
        connection = replace(connection, identity=replace(connection.identity, project_id=project))
        backend = Glance(connection, Pace(sleep=waits.append, random=lambda: 1.0), timeouts=timeouts)
        ends.append(backend.close)
        return ScriptedBackend(backend, server, waits)

    yield open_backend
    for end in reversed(ends):
        end()
