"""^C while deletions wait between their two phases, on the real service."""

import json
import time
from pathlib import Path

import yaml

from tests import command
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.command import cloud_environment
from tests.samples import spell
from tests.waiting import wait_until

SETTLING = 30
"""Seconds between the phases: long enough that the interruption comes between them."""


def test_waiting_deletions_are_deferred_to_the_next_run(cloud: Cloud, tmp_path: Path) -> None:
    """Exit code 130 at once. Report and events list the deferred deletions; the images are hidden, and the next run deletes them."""
    folder = tmp_path / "catalog"
    folder.mkdir()
    workspace = CloudWorkspace(cloud, folder)
    for key in "ab":
        source = workspace.file(f"{key}.raw", spell(key) * 500)
        workspace.images[key] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    workspace.run("apply", "--yes")
    workspace.images.clear()
    workspace.write()
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
    clouds["clouds"]["operator"]["imagesync_settling_time"] = SETTLING
    slow = tmp_path / "clouds.yaml"
    slow.write_text(yaml.safe_dump(clouds))
    events = tmp_path / "events"
    words = ("apply", "--yes", "--destroy", "--format", "json", "--events", str(events), str(folder))
    with command.start(*words, "--cloud", "operator", env=cloud_environment(slow)) as process:
        wait_until(
            lambda: [image["imagesync_role"] for image in cloud.http().images()],
            lambda roles: roles == ["deleting"] * 2,
            "both are marked",
            seconds=60,
        )
        begun = time.monotonic()
        process.interrupt()
        result = process.wait()
    assert result.code == 130, result
    assert time.monotonic() - begun < SETTLING / 2
    report = json.loads(result.stdout)
    assert report["interrupted"] is True, report
    assert [step["outcome"] for step in report["results"]] == ["deferred"] * 2, report
    output = [json.loads(line) for line in events.read_text().splitlines()]
    assert [event["outcome"] for event in output if event["event"] == "finished"] == ["deferred"] * 2, output
    assert "it is hidden and marked; the next run deletes it" in result.stderr
    assert {(image["os_hidden"], image["imagesync_role"]) for image in cloud.http().images()} == {(True, "deleting")}
    again = workspace.run("apply", "--yes", "--destroy")
    assert "Applied: 2 deleted" in again.stdout
    assert cloud.http().images() == []
