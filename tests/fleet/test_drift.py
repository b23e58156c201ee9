"""``drift`` on a fleet: what it prints and writes is what it prints and writes in one process."""

import json

import pytest

from imagesync.backends import open_backend
from tests.fleet.lab import Lab

pytestmark = pytest.mark.fleet


def test_the_same_drift_as_in_one_process(lab: Lab) -> None:
    """One target has drift, one has none, and one cannot be checked; the exit code is 1 then, else 2 or 0."""
    lab.write(lab.declare("one"), ["a", "b"])
    lab.run("apply", "--yes", on=False)
    lab.start_scheduler()
    lab.start_workers({"w": ["a", "b", "c"]})
    assert lab.run("drift").stdout == lab.run("drift", on=False).stdout
    with open_backend(store=lab.folder / "stores" / "a") as backend:
        backend.update_image(lab.list_images("a")[0], name="other")
    assert "a: drift: 1 value changed" in lab.run("drift", code=2).stdout
    lab.write(lab.declare("one"), ["a", "b", "c"])
    found = {
        on: lab.run("drift", "--format", "json", "--also", f"markdown={on}.md", on=on, code=1) for on in (True, False)
    }
    assert json.loads(found[True].stdout) == json.loads(found[False].stdout)
    assert found[True].stderr == found[False].stderr
    assert (lab.catalog / "True.md").read_text() == (lab.catalog / "False.md").read_text()


@pytest.mark.trial("a worker killed while it looks for drift", "its replacement did it")
def test_a_worker_is_killed(lab: Lab) -> None:
    """A worker that is stopped with SIGSTOP has the task, until it is killed."""
    lab.write(lab.declare("one"), ["a"])
    lab.run("apply", "--yes", on=False)
    lab.start_scheduler()
    lab.start_workers({"w1": ["a"]})
    lab.stop(lab.processes["w1"])
    client = lab.start("client", "drift", "m.yaml", "--all-targets", "-v", *lab.on)
    client.wait_for("connected to the scheduler")
    lab.start_workers({"w2": ["a"]})
    lab.processes["w1"].kill()
    lab.processes["scheduler"].wait_for("worker w1 left")
    assert "no drift" in lab.end(client).stdout
