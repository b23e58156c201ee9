"""requirements.txt, installed in a fresh environment by the commands of docs/container.md."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.pipelines.deployment.containers import ROOT
from tests.pipelines.deployment.guide import find_block
from tests.unit.test_requirements import ENTRIES, is_installed

pytestmark = [pytest.mark.pipelines, pytest.mark.timeout(1200)]


def test_the_file_installs_all_that_imagesync_needs(tmp_path: Path) -> None:
    """And nothing else: then the smallest example is applied, without the packages of the tests."""
    folder = tmp_path / "installed"
    commands = (
        find_block("python3 -m venv").replace("/opt/imagesync", str(folder)).replace("python3 ", f"{sys.executable} ")
    )
    subprocess.run(["bash", "-euc", commands], cwd=ROOT, check=True)

    def run(*words: str) -> str:
        command = [str(folder / "bin" / words[0]), *words[1:]]
        return subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True).stdout

    assert run("pip", "check") == "No broken requirements found.\n"
    frozen = run("pip", "freeze", "--all", "--exclude", "pip", "--exclude", "imagesync").splitlines()
    installed = {canonicalize_name(line.partition("==")[0]) for line in frozen}
    assert installed == {entry.name for entry in ENTRIES.values() if is_installed(entry.requirement, {})}
    assert run("imagesync", "--version") == "imagesync 0.1.0\n"
    (tmp_path / "catalog").mkdir()
    for path in (ROOT / "examples" / "quickstart").glob("*.*"):
        (tmp_path / "catalog" / path.name).write_bytes(path.read_bytes())
    assert "Applied: 1 created" in run("imagesync", "apply", "catalog", "--yes")
    assert "No changes." in run("imagesync", "plan", "catalog")
