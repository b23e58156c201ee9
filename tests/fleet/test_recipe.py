"""docs/fleet.md: its commands for certificates are run word for word, and its units are checked by systemd."""

import re
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from imagesync.errors import UsageError
from imagesync.fleet.roles import Role, check_certificate
from tests.command import ROOT
from tests.fleet.lab import Lab

pytestmark = pytest.mark.fleet

PAGE = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
RECIPE = re.search(r"<!-- recipe -->\n```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
THREE = re.search(r"^ {3}```sh\n((?: {3}issue .*\n)+) {3}```$", PAGE, re.MULTILINE)
UNITS = sorted((ROOT / "examples/fleet").glob("*.service"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the certificates of the recipe, for one machine and for three."""
    assert RECIPE is not None
    assert THREE is not None
    folder = tmp_path_factory.mktemp("recipe")
    script = f"set -eu\n{RECIPE[1]}\n{THREE[1]}"
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "fleet"


def test_the_recipe_makes_a_fleet_that_works(made: Path, lab: Lab) -> None:
    """Scheduler, worker and command with the certificates of the page; the worker offers its two targets and no other."""
    lab.certificates = made
    lab.write(lab.declare("one"), ["eu", "us"])
    lab.start_scheduler()
    lab.start_worker("w", "eu", "us")
    lab.run("apply", "--yes")
    assert lab.list_published("eu") == lab.list_published("us") == ["one"]
    other = lab.start("other", "fleet", "worker", lab.address, "--target", "asia", *lab.tls)
    assert "not for the targets ['asia']" in lab.processes["scheduler"].wait_for("not for the targets")
    other.terminate()


def test_every_certificate_has_its_role_and_a_private_file(made: Path) -> None:
    """Those of three machines, too. The key of the authority is in its own file."""
    roles = {"scheduler": Role.SCHEDULER, "worker": Role.WORKER, "client": Role.CLIENT, "ci": Role.CLIENT}
    roles |= {"a.example.com": Role.SCHEDULER, "b.example.com": Role.WORKER, "c.example.com": Role.WORKER}
    for name, role in roles.items():
        file = made / f"{name}.pem"
        check_certificate(file, role)
        assert file.stat().st_mode & 0o077 == 0
        for other in set(Role) - {role}:
            with pytest.raises(UsageError, match=f"is the certificate of a {role}"):
                check_certificate(file, other)
    assert sorted(one.stem for one in made.glob("*.pem")) == sorted({*roles, "ca"})


def test_openssl_refuses_the_certificate_of_a_worker_for_a_scheduler(made: Path) -> None:
    """Because of its extended key usage."""
    found: dict[str, int] = {}
    for name, purpose in (("scheduler", "sslserver"), ("worker", "sslserver"), ("worker", "sslclient")):
        command = ["openssl", "verify", "-CAfile", made / "ca.pem", "-purpose", purpose, made / f"{name}.pem"]
        found[f"{name} {purpose}"] = subprocess.run(
            [str(word) for word in command], capture_output=True, check=False
        ).returncode
    assert found == {"scheduler sslserver": 0, "worker sslserver": 2, "worker sslclient": 0}


def test_the_certificates_are_valid_for_a_year(made: Path) -> None:
    """And the authority for ten."""
    for name, days in (("worker", 365), ("ca", 3650)):
        end = x509.load_pem_x509_certificate((made / f"{name}.pem").read_bytes()).not_valid_after_utc
        assert days - 1 <= (end - datetime.now(UTC)).days <= days


def test_python_trusts_the_authority(made: Path) -> None:
    """Also with the strict checks of newer versions."""
    context = ssl.create_default_context(cafile=str(made / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    loaded: list[Any] = context.get_ca_certs()
    assert len(loaded) == 1


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    """``systemd-analyze verify`` finds nothing, with a program that exists, and rates its exposure as low."""
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/imagesync/bin/imagesync", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout


def test_the_units_start_commands_that_exist(lab: Lab) -> None:
    """Their options are those of the program."""
    for unit in UNITS:
        line = re.search(r"^ExecStart=\S+ (.*)$", unit.read_text(), re.MULTILINE)
        assert line is not None
        words = line[1].replace("${CREDENTIALS_DIRECTORY}", "missing").split()
        result = lab.start("unit", *words).wait()
        assert result.code == 64
        assert "missing/ca.pem: no such file" in result.stderr


def test_a_process_uses_no_folder_of_all_users(lab: Lab) -> None:
    """Its folder is a place for modules of Python; that of ``distributed`` is in the shared temporary folder."""
    lab.write(lab.declare("one"), ["a"])
    lab.start_scheduler()
    lab.start_worker("w", "a")
    found = [path for path in lab.folder.iterdir() if path.name.startswith(("dask", "imagesync-"))]
    assert len(found) == 2
    assert all(path.name.startswith("imagesync-fleet-") and path.stat().st_mode & 0o077 == 0 for path in found)
