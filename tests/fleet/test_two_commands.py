"""Two commands at once, and processes that do not fit together."""

import re
import shutil
from pathlib import Path

import pytest

import imagesync
from tests.fleet.lab import Lab, list_outcomes

pytestmark = pytest.mark.fleet


@pytest.mark.trial("two commands at once for one target and for different ones", "one upload; both reported success")
def test_two_commands_at_once(lab: Lab) -> None:
    """The second one waits for the worker of the common target, and finds nothing to do there."""
    lab.source.hold("one")
    lab.write(lab.declare("one"), ["a", "b"])
    lab.start_scheduler()
    lab.start_workers({"w-a": ["a"], "w-b": ["b"]})
    first_out, second_out = lab.folder / "first.json", lab.folder / "second.json"
    first = lab.start_apply("--target", "a", "--target", "b", "-o", str(first_out), name="first")
    lab.source.wait_for("one", 2)
    second = lab.start_apply("-v", "-o", str(second_out), name="second")
    second.wait_for("connected to the scheduler")
    lab.source.release()
    lab.end(first)
    assert second.wait().code == 0
    assert list_outcomes(first_out) == {"a": "done", "b": "done"}
    assert list_outcomes(second_out) == {"a": "unchanged", "b": "unchanged"}
    assert lab.source.count_downloads("one") == 2
    assert lab.is_clean("a", "one")


@pytest.mark.trial("a worker with another version", "refused with a message; the worker continued")
def test_another_version_is_refused(lab: Lab) -> None:
    """Twice, so the worker is still there. The package of the other version is a copy."""
    other = lab.folder / "other"
    shutil.copytree(Path(imagesync.__file__).parent, other / "imagesync")
    shutil.copytree(Path(imagesync.__file__).parents[1] / "schemas", other / "schemas")
    version = other / "imagesync" / "version.py"
    version.write_text(re.sub(r'Final = "[^"]+"', 'Final = "9.9.9"', version.read_text()))
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    lab.start_workers({"w": ["a"]}, env={"PYTHONPATH": str(other)})
    for _ in range(2):
        printed = lab.run("plan", code=1).stdout
        assert f"worker w has imagesync 9.9.9, and this command has {imagesync.__version__}" in printed
        assert "install the same version on both" in printed
    assert lab.processes["w"].is_running()


def test_what_cannot_travel_is_refused_before_a_connection(lab: Lab) -> None:
    """A source that is a file, and a relative store; there is no scheduler."""
    (lab.catalog / "a.raw").write_bytes(b"data")
    lab.write({"one": {"source": "a.raw"}}, ["a"])
    text = (lab.catalog / "m.yaml").read_text()
    printed = lab.run("plan", code=1).stderr
    assert "images.one.source: a.raw is a file on this host, and files never travel to a worker; publish the" in printed
    (lab.catalog / "m.yaml").write_text(text.replace(str(lab.folder / "stores" / "a"), "a"))
    printed = lab.run("plan", code=1).stderr
    assert "targets.a.store: the relative store a is a folder on this host, and a worker has another one" in printed


def test_the_command_connects_only_to_the_scheduler(lab: Lab) -> None:
    """A worker may be in a network that the command cannot reach: its address is not used.

    The workers of this test have an address that nothing listens at, as all workers.
    """
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    lab.start_workers({"w": ["a"]})
    trace = lab.folder / "connects.txt"
    folder = lab.folder / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RECORD.format(path=str(trace)))
    path = f"{folder}:{lab.env['PYTHONPATH']}"
    lab.end(lab.start("client", "apply", "m.yaml", "--all-targets", "--yes", *lab.on, env={"PYTHONPATH": path}))
    assert set(trace.read_text().splitlines()) == {str(lab.port)}
    assert lab.is_clean("a", "one")


RECORD = """\
import sys
def record(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        with open({path!r}, "a") as file:
            file.write(f"{{args[1][1]}}\\n")
sys.addaudithook(record)
"""
"""Writes the port of each connection that a process opens into a file."""
