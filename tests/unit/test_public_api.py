"""What ``import imagesync`` offers."""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import imagesync

ROOT = Path(__file__).parents[2]


def test_every_exported_name_is_that_object_even_after_all_modules_are_loaded() -> None:
    """No module of the package hides a function of the same name."""
    for name in imagesync.__all__:
        importlib.import_module("imagesync.cli.commands.apply")
        assert not inspect.ismodule(getattr(imagesync, name)), name


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Each name is loaded on first use."""
    heavy = "[name for name in ('requests', 'keystoneauth1', 'openstack', 'jsonschema', 'deepdiff', 'yaml') if name in sys.modules]"
    code = f"import sys, imagesync; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example of docs/python.md as a program, with a copy of the examples."""
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    program = tmp_path / "example.py"
    program.write_text(block)
    return program


def test_the_example_of_the_page_runs_and_takes_the_lease(example: Path) -> None:
    """It creates the image of the quickstart; the lease that it took is free again."""
    command = [sys.executable, example.name]
    done = subprocess.run(
        command, cwd=example.parent, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 steps planned\ncreate:tiny done\n"
    with imagesync.open_backend(store=example.parent / "lab-store") as backend:
        (record,) = backend.leases("quickstart")
        assert record.properties["imagesync_lease_state"] == "free"


def test_the_example_of_the_page_is_typed(example: Path) -> None:
    """``mypy --strict`` finds nothing: the public names carry their types."""
    command = [sys.executable, "-m", "mypy", "--strict", str(example)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
