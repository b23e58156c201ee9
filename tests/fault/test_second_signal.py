"""A run waits for the answer to a request. The first ^C waits for the answer, too; the second ends the run."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import command
from tests.fault.scripted import Say, Server, listening
from tests.waiting import wait_until

WORDS = (
    "apply",
    "c.yaml",
    "--cloud",
    "c",
    "--yes",
    "--no-lock",
    "--jobs",
    "1",
    "-o",
    "report.json",
    "--ids",
    "ids.json",
)


class SilentService:
    """An image service without images. It answers a POST only after ``may_answer`` is set, and sets ``asked`` when one
    arrives."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.paths: list[str] = []

    def answer(self, path: str) -> Say:
        """The answer to a request."""
        self.paths.append(path)
        if path.endswith("/v2/images"):
            self.asked.set()
            self.may_answer.wait(60)
            return Say(403, {"message": "no"})
        return Say(body={"images": []}) if "/v2/images?" in path else Say(404)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SilentService]:
    """The service runs during the test, as cloud ``c``. The manifest declares two images."""
    silent = SilentService()
    (tmp_path / "a.raw").write_bytes(bytes(range(256)))
    images = {key: {"source": "a.raw"} for key in ("one", "two")}
    defaults = {"disk_format": "raw", "container_format": "bare"}
    (tmp_path / "c.yaml").write_text(json.dumps({"version": 1, "catalog": "c", "defaults": defaults, "images": images}))
    with listening(Server(silent.answer)) as address:
        entry = {"auth_type": "none", "auth": {"endpoint": f"{address}/image"}, "region_name": "r"}
        (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"c": entry}}))
        yield silent
        silent.may_answer.set()


def read_outcomes(folder: Path) -> dict[str, str]:
    """The outcome of each step in the report."""
    report = json.loads((folder / "report.json").read_text())
    assert report["interrupted"]
    assert json.loads((folder / "ids.json").read_text()) == {}
    return {result["step"]: result["outcome"] for result in report["results"]}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_does_not_wait_for_the_service(
    tmp_path: Path, service: SilentService, number: signal.Signals, code: int
) -> None:
    """The report says what is unknown, and no further request is sent."""
    env = command.cloud_environment(tmp_path / "clouds.yaml")
    with command.start(*WORDS, folder=tmp_path, env=env) as process:
        wait_until(service.asked.is_set, bool, "the service is asked to make an image")
        os.kill(process.pid, number)
        process.wait_for("again to stop at once.")
        assert process.is_running()
        os.kill(process.pid, number)
        ended = process.wait()
        assert not service.may_answer.is_set()
    assert ended.code == code
    assert "Stopped at once: " in ended.stderr
    assert read_outcomes(tmp_path) == {"create:one": "interrupted", "create:two": "not-started"}
    assert service.paths[-1].endswith("/v2/images")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_waits_for_the_answer_and_starts_no_more(
    tmp_path: Path, service: SilentService, number: signal.Signals, code: int
) -> None:
    """The step ends as the service answers, and the other step is not started."""
    env = command.cloud_environment(tmp_path / "clouds.yaml")
    with command.start(*WORDS, folder=tmp_path, env=env) as process:
        wait_until(service.asked.is_set, bool, "the service is asked to make an image")
        os.kill(process.pid, number)
        process.wait_for("again to stop at once.")
        service.may_answer.set()
        ended = process.wait()
    assert ended.code == code
    assert read_outcomes(tmp_path) == {"create:one": "failed", "create:two": "not-started"}
