"""action/install.sh for real: a virtual environment with the pinned packages, and nothing of the working directory."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.command import ROOT

pytestmark = pytest.mark.pipelines


def install(folder: Path, workspace: Path) -> subprocess.CompletedProcess[str]:
    """Run the script of a copy of the action."""
    action = folder / "action-copy"
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        action.mkdir(exist_ok=True)
        if not (action / name).exists():
            shutil.copy(ROOT / name, action)
    for name in ("action", "imagesync", "schemas"):
        shutil.copytree(ROOT / name, action / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    env = {**os.environ, "RUNNER_TEMP": str(folder), "GITHUB_ACTION_PATH": str(action)}
    env.pop("PYTHONPATH", None)
    return subprocess.run(
        ["bash", str(action / "action" / "install.sh")],
        cwd=workspace,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pinned_imagesync_is_installed_and_nothing_of_the_checkout_runs(tmp_path: Path) -> None:
    """A pull request may have modules with any name; a second step of the job installs nothing again."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("pip", "venv", "imagesync", "json", "sitecustomize", "ensurepip", "hatchling"):
        (workspace / f"{name}.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w')\nraise SystemExit(7)\n")
    done = install(tmp_path, workspace)
    assert done.returncode == 0, done.stderr
    (venv,) = tmp_path.glob("imagesync-venv-*")
    run = subprocess.run(
        [venv / "bin" / "imagesync", "--version"], cwd=workspace, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("imagesync ")
    assert not (tmp_path / "harm").exists()
    before = (venv / "complete").stat().st_mtime_ns
    assert install(tmp_path, workspace).returncode == 0
    assert (venv / "complete").stat().st_mtime_ns == before


def test_a_package_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    """The install fails, and the environment is not complete."""
    action = tmp_path / "action-copy"
    action.mkdir()
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    package = next(line.split()[0] for line in lines if "==" in line)
    (action / "requirements.txt").write_text(f"{package} --hash=sha256:{'0' * 64}\n")
    done = install(tmp_path, tmp_path)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert list(tmp_path.glob("imagesync-venv-*/complete")) == []
