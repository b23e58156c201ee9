"""The answers of a service to DELETE, and the errors of imagesync. The server has prepared answers, because no server
boots from an image of the real service in the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.backends.base import Backend
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.errors import Forbidden, InUse
from imagesync.retry import Pace
from tests.fault.scripted import IMAGE_ID, Say, Server, image, listening


@pytest.fixture
def answers() -> list[Say]:
    """Prepared answers to DELETE, in order; the last one is repeated."""
    return []


@pytest.fixture
def queries() -> list[str]:
    """Methods of the requests, in order."""
    return []


@pytest.fixture
def backend(
    answers: list[Say], queries: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Backend]:
    """A backend on the server with prepared answers."""

    def answer(_path: str) -> Say:
        queries.append(server.queries[-1].partition(" ")[0])
        return answers[0] if queries[-1] == "DELETE" else Say(body=image())

    server = Server(answer)
    with listening(server) as address:
        entry = f"{{auth_type: none, auth: {{endpoint: '{address}'}}, region_name: r}}"
        (tmp_path / "clouds.yaml").write_text(f"clouds: {{c: {entry}}}\n")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        with Glance(connect("c"), Pace(sleep=lambda _: None, random=lambda: 1.0)) as opened:
            yield opened


def test_an_image_in_use_is_reported_with_the_message_of_the_service(
    backend: Backend, answers: list[Say], queries: list[str]
) -> None:
    """One request, which is not repeated."""
    answers.append(Say(409, b"<html>Image is in use by volume 7</html>"))
    with pytest.raises(InUse, match="in use by volume 7"):
        backend.delete_image(IMAGE_ID)
    assert queries == ["DELETE"]


def test_a_refused_deletion_is_not_an_image_in_use(backend: Backend, answers: list[Say], queries: list[str]) -> None:
    """403: a protected image, or one of another project."""
    answers.append(Say(403))
    with pytest.raises(Forbidden):
        backend.delete_image(IMAGE_ID)
    assert queries == ["DELETE"]
