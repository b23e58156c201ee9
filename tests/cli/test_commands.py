"""The command line without any network: examples, messages and exit codes."""

import json
from pathlib import Path

import pytest
from typer.main import get_command

from imagesync.cli.app import app
from imagesync.schemas import NAMES
from tests import command, forked
from tests.command import ROOT, Result
from tests.documents import list_commands


def run(*words: str, code: int = 0) -> Result:
    """``imagesync WORDS`` from the checkout."""
    return command.run(*words, folder=ROOT, code=code)


def test_the_schema_is_printed_as_it_is() -> None:
    """``imagesync schema``."""
    for name in ("manifest", "plan", "events"):
        assert run("schema", name).stdout == (ROOT / f"schemas/{name}.schema.json").read_text()
    assert json.loads(run("schema").stdout)["title"] == "imagesync manifest"


@pytest.mark.parametrize("name", list_commands(get_command(app)))
def test_every_command_explains_itself(name: str) -> None:
    """With an example."""
    assert f"Example: imagesync {name}" in " ".join(run(*name.split(), "--help").stdout.split())


def test_problems_are_lines_with_places_and_exit_1(tmp_path: Path) -> None:
    """FILE:LINE:COLUMN on standard error."""
    (tmp_path / "x.yaml").write_text("version: 1\ncatalog: x\nimages: {a: {min_rma: 1}}")
    done = run("plan", str(tmp_path), code=1)
    assert "x.yaml:3:14: images.a.min_rma: unknown key; did you mean min_ram?" in done.stderr


def test_no_target_lists_the_ways(tmp_path: Path) -> None:
    """There is no silent default; exit 64."""
    assert "--cloud NAME" in run("plan", "examples/cloud-features", code=64).stderr


def test_validate_judges_every_target_and_every_file(tmp_path: Path) -> None:
    """A value that one target lacks, and a file that is not there, are found without naming the target."""
    (tmp_path / "x.yaml").write_text(
        "version: 1\ncatalog: x\ntargets: {one: {store: s, values: {v: a}}, two: {store: t}}\n"
        "images: {a: {name: '${v}', source: gone.img, disk_format: raw, container_format: bare}}\n"
    )
    done = run("validate", str(tmp_path), code=1)
    assert "x.yaml:4:14: images.a.name: ${v} is not defined" in done.stderr
    assert "x.yaml:4:28: images.a.source: gone.img: No such file or directory" in done.stderr
    (tmp_path / "gone.img").write_bytes(b"\xf8" * 512)
    assert "Catalog x on target one: 1 image," in run("validate", str(tmp_path), "--target", "one").stdout


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_is_that_of_its_name(name: str) -> None:
    """As it is in the package, without a further line."""
    done = forked.run("schema", name)
    assert done.output == (ROOT / f"schemas/{name}.schema.json").read_text()
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
