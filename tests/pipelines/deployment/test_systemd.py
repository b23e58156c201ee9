"""examples/pipelines/systemd: checked by systemd, and started by systemd on a machine with the real image service."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.cloud.service import Cloud
from tests.pipelines.deployment.containers import ROOT, Image
from tests.pipelines.deployment.guide import find_block
from tests.pipelines.deployment.machine import Machine, boot
from tests.pipelines.deployment.repositories import commit

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(1200)]

FOLDER: Final = ROOT / "examples" / "pipelines" / "systemd"
UNITS: Final = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])
SERVICES: Final = ("imagesync-apply", "imagesync-drift")
MAX_EXPOSURE: Final = 1.5
"""Of 10. A service with access to the network and to the files of the host cannot get much less."""


def verify(folder: Path) -> str:
    """What systemd finds wrong with the units of a folder. The programs that they start need not exist."""
    for unit in folder.glob("*.service"):
        unit.write_text(re.sub(r"=/opt/imagesync/bin/imagesync|=/usr/bin/(git|logger)", "=/bin/true", unit.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(folder.glob("*.*"))], check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A copy of the units."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in UNITS:
        shutil.copy(unit, folder)
    return folder


def test_systemd_verifies_the_units(units: Path) -> None:
    """It finds nothing."""
    assert verify(units) == ""


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("imagesync-apply.service", "Type=oneshot", "Type=onshot"),
        ("imagesync-drift.service", "TimeoutStopSec=", "TimeoutStop="),
        ("imagesync-drift.timer", "OnCalendar=*-*-* 02:30", "OnCalendar=nightly"),
    ],
)
def test_systemd_finds_a_defect(units: Path, name: str, was: str, becomes: str) -> None:
    """It really reads the files."""
    text = (units / name).read_text()
    assert was in text
    (units / name).write_text(text.replace(was, becomes))
    assert name in verify(units)


def measure_exposure(unit: Path) -> int:
    """The exit code of systemd's rating: 0 if the exposure is below the limit."""
    words = ["security", "--offline=yes", f"--threshold={MAX_EXPOSURE * 10:.0f}", str(unit)]
    return subprocess.run(["systemd-analyze", *words], check=False, capture_output=True).returncode


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_have_little_access(units: Path, name: str) -> None:
    """By systemd's own rating; and without one of the limits it is too much."""
    unit = units / f"{name}.service"
    assert measure_exposure(unit) == 0
    unit.write_text(unit.read_text().replace("PrivateUsers=yes\n", "").replace("SystemCallFilter=", "#"))
    assert measure_exposure(unit) != 0


def prepare_disk(disk: Path, clouds: str, repository: Path) -> None:
    """A machine with the files that the guide needs, and the drop-ins of its reader."""
    shutil.copytree(FOLDER, disk / "srv/imagesync/examples/pipelines/systemd")
    shutil.copytree(repository, disk / "srv/repository")
    drop_in = find_block("REPOSITORY", "ini").replace("https://git.example.com/images.git", "file:///srv/repository")
    for name in SERVICES:
        (disk / "srv/imagesync" / f"{name.removeprefix('imagesync-')}-clouds.yaml").write_text(clouds)
        folder = disk / "etc/systemd/system" / f"{name}.service.d"
        folder.mkdir()
        (folder / "override.conf").write_text(drop_in)
        (folder / "private.conf").write_text(find_block(".netrc", "ini"))
    (disk / "etc/imagesync-netrc").write_text("machine git.example.com login a password b\n")


def start(machine: Machine, name: str) -> int:
    """Start a service and wait for its end; its exit status."""
    machine.run("systemctl", "start", f"{name}.service")
    return int(machine.show(f"{name}.service", "ExecMainStatus"))


def test_the_services_apply_and_find_drift(image: Image, cloud: Cloud, tmp_path: Path) -> None:
    """By the real systemd with all limits: an apply, no drift, drift by a user and its alert, the metrics, the timers."""
    operator = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["operator"]
    commit(tmp_path)
    prepare_disk(image.disk, yaml.safe_dump({"clouds": {"prod": operator}}), tmp_path)
    with boot(image.disk) as machine:
        machine.type(f"cd /srv/imagesync\n{find_block('systemd-sysusers')}")
        machine.type("mv /etc/imagesync-netrc /etc/imagesync/netrc; chown -R imagesync:imagesync /srv/repository")

        assert start(machine, "imagesync-apply") == 0, machine.read_journal("imagesync-apply")
        assert "Applied: 1 created" in machine.read_journal("imagesync-apply")
        assert start(machine, "imagesync-drift") == 0, machine.read_journal("imagesync-drift")
        assert machine.read_journal("imagesync-alert@*") == ""

        (live,) = cloud.http().images()
        cloud.http().patch(live["id"], {"op": "replace", "path": "/min_ram", "value": 4096})
        assert start(machine, "imagesync-drift") == 2
        assert "min_ram" in machine.read_journal("imagesync-drift")
        machine.run("systemctl", "start", "--wait", "imagesync-alert@imagesync-drift")
        assert "imagesync-drift.service failed with exit status 2" in machine.run("journalctl", "--output=cat").stdout

        metrics = machine.run("cat", "/var/lib/imagesync/apply.prom", "/var/lib/imagesync/drift.prom").stdout
        assert 'imagesync_last_run_success{catalog="base",target="prod",command="apply"} 1' in metrics
        assert 'imagesync_drifted_values{catalog="base",target="prod",command="drift"} 1' in metrics
        modes = machine.run("stat", "--format=%a %U", "/var/lib/imagesync/apply.prom", "/var/lib/imagesync").stdout
        assert modes == "644 imagesync\n755 imagesync\n"

        cloud.http().patch(live["id"], {"op": "replace", "path": "/min_ram", "value": 64})
        machine.type(find_block("systemctl enable"))
        assert {machine.show(f"{name}.timer", "ActiveState") for name in SERVICES} == {"active"}
