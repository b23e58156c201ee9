"""The Containerfile, checked and built; the image, run by a container runtime as docs/container.md describes."""

import re
import shutil
import signal
import socket
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.cli.test_doctor import make_certificate
from tests.cloud.service import Cloud
from tests.fault.mirror import mirror
from tests.pipelines.deployment.checkers import check
from tests.pipelines.deployment.containers import ROOT, USER, Container, Image, Mount, send
from tests.pipelines.deployment.guide import PAGE, find_block

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(1200)]  # the first test builds the image

FILE: Final = ROOT / "Containerfile"
BROKEN: Final = {
    "a base without a version": (r"FROM \$\{BASE\} AS build", "FROM debian AS build"),
    "a relative working folder": ("WORKDIR /work", "WORKDIR work"),
    "root at the end": ("USER 65532:65532", "USER root"),
    "a command for the shell": (r'ENTRYPOINT \["imagesync"\]', "ENTRYPOINT imagesync"),
}


def test_hadolint_finds_nothing() -> None:
    """Without an exception."""
    done = check("hadolint", FILE)
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint ignore" not in FILE.read_text()


@pytest.mark.parametrize("defect", BROKEN)
def test_hadolint_finds_a_defect(tmp_path: Path, defect: str) -> None:
    """It really checks the file."""
    was, becomes = BROKEN[defect]
    text, count = re.subn(was, becomes, FILE.read_text())
    assert count == 1
    (tmp_path / "Containerfile").write_text(text)
    assert check("hadolint", tmp_path / "Containerfile").returncode == 1


def test_the_image_has_neither_pip_nor_a_compiler(image: Image) -> None:
    """Nor the packages that only build the wheel."""
    packages = {path.name.partition("-")[0] for path in (image.files / "opt").rglob("*.dist-info")}
    assert {"imagesync", "typer"} <= packages
    assert packages & {"pip", "hatchling", "trove_classifiers"} == set()
    names = {path.name for path in image.files.rglob("*") if path.is_file()}
    assert names & {"gcc", "cc", "clang", "as", "ld", "pip", "pip3"} == set()
    assert [name for name in names if re.fullmatch(r"pip-.*\.whl", name)] == []
    assert not (image.files / "usr/local/lib/python3.11/site-packages/pip").exists()
    assert not (image.files / "usr/local/lib/python3.11/ensurepip").exists()


def test_the_image_is_as_large_as_the_guide_says(image: Image) -> None:
    """In MB, without the base; the figure may be a tenth smaller or larger."""
    (stated,) = re.findall(r"adds (\d+) MB to its base", PAGE)
    assert image.added / 10**6 == pytest.approx(int(stated), rel=0.1)


def test_the_files_of_the_image_belong_to_root(image: Image) -> None:
    """The user of the image can change none of them."""
    writable = [
        path
        for path in (image.files / "opt").rglob("*")
        if not path.is_symlink() and (path.stat().st_uid or path.stat().st_mode & 0o022)
    ]
    assert writable == []


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A copy of the smallest example, in a folder of the image's user."""
    folder = tmp_path / "work"
    shutil.copytree(ROOT / "examples" / "quickstart", folder / "quickstart", ignore=shutil.ignore_patterns("lab-store"))
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER, USER)
    return folder


def run(image: Image, work: Path, *arguments: str, command: list[str] | None = None) -> str:
    """What a command prints on the mounted folder; it must succeed."""
    mounts = [Mount("/work", work, is_writable=True), Mount("/var/tmp")]
    done = Container(image, arguments, mounts, command=command).run(work.parent / "-".join(["run", *arguments[:1]]))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_catalog_is_validated_planned_and_applied(image: Image, work: Path) -> None:
    """By a user who is not root, with a read-only root."""
    assert run(image, work, "--version") == "imagesync 0.1.0\n"
    assert "1 image, no problems" in run(image, work, "validate", "quickstart")
    assert "Applied: 1 created" in run(image, work, "apply", "quickstart", "--yes")
    assert "No changes. 1 image matches the manifest." in run(image, work, "plan", "quickstart")
    assert {path.stat().st_uid for path in (work / "quickstart" / "lab-store").rglob("*")} == {USER}


def test_only_the_mounted_folders_can_be_written(image: Image, work: Path) -> None:
    """The root, the installed packages and the home cannot."""
    text = "for folder in / /opt/imagesync /tmp /nonexistent; do touch $folder/x && exit 1; done; touch /work/x /var/tmp/x; id -u"
    assert run(image, work, "-c", text, command=["/bin/sh"]) == f"{USER}\n"


def test_the_guide_plans_on_a_cloud(image: Image, cloud: Cloud, work: Path) -> None:
    """By its command for Podman, word for word."""
    operator = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["operator"]
    folder = work.parent / ".config" / "openstack"
    folder.mkdir(parents=True)
    (folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"prod": operator}}))
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, USER, USER)
        path.chmod(0o500)
    (work / "quickstart").rename(work / "images")
    assert "Plan: 1 to create" in image.shell.run(find_block("podman run"), folder=work, home=work.parent)


def test_a_mounted_ca_bundle_is_trusted(image: Image, work: Path) -> None:
    """With the variable of the guide; without it, the certificate of the source is not accepted."""
    assert "REQUESTS_CA_BUNDLE=/ca.crt" in PAGE
    bundle = work.parent / "certificate"
    with mirror(tls=make_certificate(work.parent)) as source:
        url = source.publish("/disk.qcow2", (work / "quickstart" / "tiny.qcow2").read_bytes())
        manifest = work / "quickstart" / "catalog.yaml"
        manifest.write_text(manifest.read_text().replace("source: tiny.qcow2", f"source: {url}"))
        mounts = [Mount("/work", work), Mount("/ca.crt", bundle), Mount("/var/tmp")]
        refused = Container(image, ["plan", "quickstart"], mounts).run(work.parent / "refused")
        trusting = Container(image, ["plan", "quickstart"], mounts, {"REQUESTS_CA_BUNDLE": "/ca.crt"})
        accepted = trusting.run(work.parent / "accepted")
    assert "TLS certificate is not accepted" in refused.stdout + refused.stderr
    assert (accepted.returncode, "Plan: 1 to create" in accepted.stdout) == (0, True), accepted.stderr


def test_the_stop_signal_of_the_image_ends_a_command_that_waits(image: Image, work: Path) -> None:
    """As process 1, for which the kernel discards signals that have no handler."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v3"
        names = {"AUTH_URL": url, "USERNAME": "u", "PASSWORD": "p", "PROJECT_NAME": "p"}
        env = {f"OS_{name}": value for name, value in names.items()}
        container = Container(image, ["plan", "quickstart", "--cloud", "envvars"], [Mount("/work", work)], env)
        with container.start(work.parent / "run") as process:
            server.settimeout(60)
            connection, _ = server.accept()
            with connection:
                send(work.parent / "run", signal.Signals[image.config["StopSignal"]])
                _, errors = process.communicate(timeout=30)
    assert "interrupted; nothing was changed" in errors
    assert process.returncode == 130
