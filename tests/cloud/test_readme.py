"""The README is run: every command of it, and every output block is what the command prints."""

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from imagesync.cli.app import COMMANDS
from tests import command
from tests.cloud.service import Cloud
from tests.command import ROOT, cloud_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def sessions() -> list[list[tuple[str, str]]]:
    """Each console block as commands with their output."""
    return [re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE) for block in blocks("console")]


@pytest.fixture
def checkout(tmp_path: Path, cloud: Cloud) -> Path:
    """A copy of the examples, and a clouds.yaml with the cloud that the README speaks of."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"mycloud": clouds["operator"]}}))
    return tmp_path


def run(checkout: Path, line: str) -> str:
    """What a command line of imagesync prints; it must succeed."""
    words = line.split()
    assert words[0] == "imagesync"
    return command.run(*words[1:], folder=checkout, env=cloud_environment(checkout / "clouds.yaml")).stdout


def test_every_console_block_is_what_is_printed(checkout: Path) -> None:
    """In order, in one checkout, against the store and the real cloud."""
    assert len(sessions()) >= 3
    for session in sessions():
        for line, output in session:
            assert run(checkout, line) == output, line


def test_the_start_command_does_what_the_first_block_shows(checkout: Path) -> None:
    """Its parts after the installation are the commands of that block."""
    parts = [part.strip().removeprefix(".venv/bin/") for part in blocks("sh")[0].split("&&")]
    assert parts[2:] == [line for line, _ in sessions()[0]]
    assert parts[:2] == ["python3 -m venv .venv", "pip install -q ."]


def test_the_manifest_block_is_the_quickstart() -> None:
    """They tell the same story."""
    (block,) = blocks("yaml")
    assert yaml.safe_load(block) == yaml.safe_load((ROOT / "examples/quickstart/catalog.yaml").read_text())


OF_THE_TESTS = {"--no-cloud", "--exhaustive", "--every-point", "--turn", "--shells", "--dist"}


def test_every_option_that_it_names_exists() -> None:
    """And every command."""
    requests = [["--help"], *([name, "--help"] for name in COMMANDS)]
    helps = "".join(command.run(*words, env=os.environ).stdout for words in requests)
    text = re.sub(r"`openstack [^`]*`", "", README)  # commands of another tool
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - OF_THE_TESTS
    assert [option for option in sorted(named) if option not in helps] == []
