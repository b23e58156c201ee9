"""An image that is in use cannot be deleted: it stays as it was, is told of, and is tried again. A scripted service."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync import Performer, execute
from imagesync.backends.glance.backend import Glance
from imagesync.backends.glance.connect import connect
from imagesync.backends.glance.retry import Pace
from imagesync.model.image import Identity
from imagesync.model.plan import Delete, Plan, Reason, Step
from imagesync.model.report import Outcome, Report
from imagesync.render.text import report_text
from tests.fault.scripted import IMAGE_ID, Say, Server, image, listening


class Deletion:
    """A plan of one deletion, done against a service that answers DELETE in one way."""

    def __init__(self, folder: Path, refusal: Say) -> None:
        self._refusal = refusal
        self.server = Server(self._answer)
        self._listening = listening(self.server)
        address = self._listening.__enter__()
        entry = f"{{auth_type: none, auth: {{endpoint: '{address}'}}, region_name: r}}"
        (folder / "clouds.yaml").write_text(f"clouds: {{c: {entry}}}\n")
        self.backend = Glance(connect("c"), Pace(sleep=lambda _: None, random=lambda: 1.0))

    def _answer(self, _path: str) -> Say:
        return self._refusal if self.server.asked[-1].startswith("DELETE") else Say(body=image(protected=True))

    def done(self, *, unprotect: bool) -> Report:
        """The report of the run."""
        step = Step(f"delete:a:{IMAGE_ID}", Delete("a", IMAGE_ID, 1, unprotect), Reason.REMOVED)
        plan = Plan("base", Identity("glance", "x", "p"), (step,))
        performer = Performer(self.backend, plan)
        return execute(plan, performer, jobs=1, notify=lambda _: None, cancelled=threading.Event())

    def methods(self) -> list[str]:
        """What was asked, in order."""
        return [asked.partition(" ")[0] for asked in self.server.asked]

    def close(self) -> None:
        """Ends the service."""
        self.backend.close()
        self._listening.__exit__(None, None, None)


@pytest.fixture
def deletions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Deletion]]:
    """Scenes of a test, closed after it."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    opened: list[Deletion] = []
    yield opened
    for deletion in opened:
        deletion.close()


def deletion(deletions: list[Deletion], folder: Path, refusal: Say) -> Deletion:
    """A deletion with this answer to DELETE."""
    deletions.append(Deletion(folder, refusal))
    return deletions[-1]


IN_USE = Say(409, b"<html>Image is in use by volume 7</html>")


def test_an_image_in_use_is_deferred_and_told_of(deletions: list[Deletion], tmp_path: Path) -> None:
    """Not a failure: exit 0, one line with the service's own words; one request, nothing else is touched."""
    played = deletion(deletions, tmp_path, IN_USE)
    report = played.done(unprotect=False)
    assert [result.outcome for result in report.results] == [Outcome.DEFERRED]
    assert report.succeeded
    text = report_text(report)
    assert "in use, tried again next run" in text
    assert "in use by volume 7" in text
    assert played.methods() == ["DELETE"]


@pytest.mark.parametrize(("refusal", "outcome"), [(IN_USE, Outcome.DEFERRED), (Say(403), Outcome.FAILED)])
def test_what_could_not_be_deleted_is_protected_again(
    deletions: list[Deletion], tmp_path: Path, refusal: Say, outcome: Outcome
) -> None:
    """The image is left as it was, and read back."""
    played = deletion(deletions, tmp_path, refusal)
    report = played.done(unprotect=True)
    assert [result.outcome for result in report.results] == [outcome]
    assert played.methods() == ["PATCH", "DELETE", "PATCH", "GET"]
    assert [b'"value": false' in body for body in played.server.bodies if body] == [True, False]


def test_one_that_went_meanwhile_is_gone(deletions: list[Deletion], tmp_path: Path) -> None:
    """404: done."""
    played = deletion(deletions, tmp_path, Say(404))
    assert [result.outcome for result in played.done(unprotect=True).results] == [Outcome.DONE]
    assert played.methods() == ["PATCH", "DELETE"]
