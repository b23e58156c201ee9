"""Links that an attacker may have committed: the command reads and writes no file that they choose."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.command import IMAGESYNC, Result, minimal_environment

MANIFEST = "version: 1\ncatalog: c\nimages: {a: {source: none, disk_format: raw, container_format: bare}}\n"
TOKEN = "glpat-0123456789abcdefghij"


class LinkedCheckout:
    """A folder ``checkout`` with a manifest, where every command runs. The runner's own files ``home/token`` and
    ``home/file`` are beside it."""

    def __init__(self, folder: Path) -> None:
        self.here, self.home = folder / "checkout", folder / "home"
        (self.here / "images").mkdir(parents=True)
        (self.here / "images" / "a.yaml").write_text(MANIFEST)
        self.home.mkdir()
        for name in ("token", "token.json", "token.yaml"):
            (self.home / name).write_text(f"{TOKEN}\n")

    def link(self, name: str, target: str) -> None:
        """Commit a link to a file of the runner."""
        (self.here / name).parent.mkdir(exist_ok=True)
        (self.here / name).symlink_to(self.home / target)

    def run(self, *words: str, code: int = 0) -> Result:
        """Run a command in the checkout. No output shows the token, and no file of the runner changes."""
        before = self.content()
        result = forked.run(*words, folder=self.here, code=code)
        assert TOKEN not in result.output
        assert self.content() == before
        return result

    def content(self) -> dict[str, str]:
        """The runner's files."""
        return {path.name: path.read_text() for path in self.home.iterdir() if path.is_file()}


@pytest.fixture
def checkout(tmp_path: Path) -> LinkedCheckout:
    return LinkedCheckout(tmp_path)


APPLY = ("apply", "images", "--yes", "--store", "store")
PLAN = ("plan", "images", "--store", "store")
EXPORT = ("export", "--store", "store", "--managed")
OUTPUTS = pytest.mark.parametrize(
    "words",
    [
        (*APPLY, "--events"),
        (*APPLY, "-o"),
        (*APPLY, "--ids"),
        (*APPLY, "--log-file"),
        (*PLAN, "-o"),
        (*PLAN, "--ids"),
        (*EXPORT, "--force", "-o"),
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)


def suffix_of(words: tuple[str, ...]) -> str:
    """The suffix of an output file: an export writes a manifest, and no other result may have the name of a manifest."""
    return ".yaml" if words[0] == "export" else ".json"


@OUTPUTS
def test_no_output_is_written_through_a_link(checkout: LinkedCheckout, words: tuple[str, ...]) -> None:
    """A file replaces the link."""
    if words[0] == "export":
        checkout.run(*APPLY)
    name = f"out{suffix_of(words)}"
    checkout.link(name, "token")
    checkout.run(*words, name)
    out = checkout.here / name
    assert (out.is_symlink(), out.stat().st_size > 0) == (False, True)


@OUTPUTS
def test_no_output_is_made_in_a_folder_that_a_link_chooses(checkout: LinkedCheckout, words: tuple[str, ...]) -> None:
    """The error comes before the work. An absolute path is permitted."""
    if words[0] == "export":
        checkout.run(*APPLY)
    checkout.link("out", ".")
    name = f"new{suffix_of(words)}"
    result = checkout.run(*words, f"out/{name}", code=64)
    assert f"use the absolute path {checkout.here}/out\n" in result.stderr
    assert not (checkout.home / name).exists()
    if words[0] == "apply":
        assert not (checkout.here / "store").exists()
    forked.run(*words, str(checkout.here / "out" / name), folder=checkout.here)
    assert (checkout.home / name).exists()


def test_an_export_into_a_linked_folder_is_refused(checkout: LinkedCheckout) -> None:
    """Also if only the folder is named, and not the file."""
    checkout.run(*APPLY)
    checkout.link("out", ".")
    assert "a link leads to" in checkout.run(*EXPORT, "-o", "out", code=64).stderr


def test_an_export_replaces_no_link_without_force(checkout: LinkedCheckout) -> None:
    """A link that leads nowhere also counts as an existing file."""
    checkout.run(*APPLY)
    checkout.link("out.yaml", "nothing")
    assert "out.yaml already exists" in checkout.run(*EXPORT, "-o", "out.yaml", code=64).stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("validate", "link.yaml"), 1),
        (("validate", "link"), 1),
        (("validate", "link.yaml", "--format", "json"), 1),
        (("plan", "link.yaml", "--store", "store"), 1),
        (("apply", "link", "--yes", "--store", "store"), 1),
        (("rollback", "a", "link", "--yes", "--store", "store"), 1),
        (("show", "link.json"), 64),
        (("apply", "link.json", "--yes", "--store", "store"), 64),
        (("unlock", "link.json", "--yes", "--store", "store"), 64),
        (("plan", "images", "--cloud", "c", "--clouds-file", "link.yaml"), 64),
        (("list", "--store", "link"), 64),
        (("list", "--cloud", "c", "--clouds-file", "link.yaml"), 64),
    ],
)
def test_no_input_is_read_through_a_link_that_leads_out(
    checkout: LinkedCheckout, words: tuple[str, ...], code: int
) -> None:
    """An earlier message about a token file, which is not a manifest, quoted 60 characters of it."""
    for name in ("link.yaml", "link.json"):
        checkout.link(name, f"token{Path(name).suffix}")
    checkout.link("link", ".")
    result = checkout.run(*words, code=code)
    assert "which is outside the working directory or in .git" in result.output
    assert f"use the absolute path {checkout.here}/link" in result.output
    is_without_option = words[0] in ("show", "list")
    assert ("--allow-outside" in result.output) is not is_without_option


def test_a_link_that_the_runner_trusts_is_followed(checkout: LinkedCheckout) -> None:
    """With its absolute path, or with --allow-outside."""
    (checkout.home / "images").mkdir()
    (checkout.home / "images" / "a.yaml").write_text(MANIFEST)
    checkout.link("link", "images")
    checkout.link("stores", ".")
    checkout.run("validate", "link", code=1)
    checkout.run("validate", "link", "--allow-outside")
    checkout.run("validate", str(checkout.here / "link"))
    checkout.run("apply", "link", "--yes", "--store", "stores/s", code=1)
    checkout.run("apply", "images", "--yes", "--store", "stores/s", code=64)
    assert not (checkout.home / "s").exists()
    checkout.run("apply", "link", "--yes", "--store", "stores/s", "--allow-outside")
    assert (
        "1 image"
        in checkout.run("export", "--store", str(checkout.here / "stores" / "s"), "--managed", "-o", "e").stderr
    )
    checkout.run("list", "--store", "stores/s", code=64)


def run_redirected(checkout: LinkedCheckout, *words: str) -> str:
    """Run a command whose standard output a shell appends to a log; the content of the log."""
    log = checkout.here / "log"
    log.write_text("before\n")
    with log.open("a") as out:
        command_line = [sys.executable, *IMAGESYNC, *words]
        subprocess.run(command_line, cwd=checkout.here, env=minimal_environment(), stdout=out, check=True, timeout=60)
    return log.read_text()


def test_a_plan_to_standard_output_continues_the_log(checkout: LinkedCheckout) -> None:
    """The plan follows its text. The earlier content of the log is still there, and the plan can be applied from the
    log."""
    text = run_redirected(checkout, *PLAN, "-o", "/dev/stdout")
    assert text.startswith("before\n")
    assert text.index("Plan:") < text.index("{\n")
    document = text[text.index("{\n") :]
    assert json.loads(document)["manifest"]["base"] == "images"
    (checkout.here / "plan.json").write_text(document)
    checkout.run("apply", "plan.json", "--yes", "--store", "store")


def test_events_to_standard_output_and_an_export_continue_the_log(checkout: LinkedCheckout) -> None:
    text = run_redirected(checkout, *APPLY, "--events", "/dev/fd/1", "--ids", "/dev/null")
    assert text.startswith("before\n")
    assert '"event": "finished"' in text
    text = run_redirected(checkout, *EXPORT, "-o", "/dev/stdout")
    assert text.startswith("before\n# yaml-language-server")
    assert not os.path.islink("/dev/null")
