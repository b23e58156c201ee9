"""Types the pages of the documentation: writes their files, runs their commands, and compares the output.

A ``yaml`` block whose first line is ``# NAME.yaml`` is a file that the reader writes. A ``console`` block is a list of
commands (``$ …``), each with its output: standard output, then standard error without the lines of progress. A command
that fails is followed by ``$ echo $?``.

Ids are new in each run. A page has a sample for each, always the same one for one image or project (``SampleIds``). A
command may name an image by its sample.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from tests import command, forked
from tests.command import ROOT, minimal_environment

DOCS: Final = ROOT / "docs"
README: Final = ROOT / "README.md"
GUIDES: Final = (
    "tutorial",
    "rotate",
    "roll-back",
    "test-before-publishing",
    "share",
    "adopt",
    "expire",
    "list",
    "protect",
    "rename",
    "several-clouds",
    "operations",
    "editors",
    "validate",
    "exit-codes",
    "promotion",
)
"""Pages of ``docs/`` whose commands need nothing but an empty folder."""
CLOUD_GUIDES: Final = ("saved-plans", "rights", "take-over")
"""Pages of ``docs/`` whose commands need a cloud called ``mycloud``, beside a copy of ``examples/``."""
FENCE: Final = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
INCLUDED: Final = re.compile(r"^(<!-- from (?P<path>\S+) -->\n```text\n).*?^```$", re.DOTALL | re.MULTILINE)
"""A ``text`` block that is the text of a file of the repository."""
COMMAND: Final = re.compile(r"^\$ (?P<line>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
FILE_NAME: Final = re.compile(r"^# ([\w./-]+\.ya?ml)\n")
PROGRESS: Final = re.compile(r"^(done|started|running|failed) +[\w-]+:.*\n", re.MULTILINE)
SHELL_WORDS: Final = frozenset("|<>;&$*\\`")
"""Characters of a command line that only a shell understands."""
ID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
"""The id of an image or of a project."""
MASKS: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"\((just now|\d+ (second|minute)s? ago)\)"), "AGE"),
    (re.compile(r"\b(AGE|just now|\d+ (second|minute)s? ago) +"), "AGE  "),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "MOMENT"),
    (re.compile(r"\buntil \d{4}-\d\d-\d\d\b"), "until DAY"),
    (re.compile(r"\b\d s from that of\b"), "N s from that of"),
)
"""The texts that differ from run to run besides ids, and what each is compared as."""


class Block(NamedTuple):
    """A fenced block: its kind (``yaml``, ``console``, …) and its text, which ends with a line end."""

    kind: str
    text: str


def read_blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(found["kind"], found["text"]) for found in FENCE.finditer(page)]


def list_commands(page: str) -> list[str]:
    """The command lines of a page, in order."""
    return [found["line"] for block in read_blocks(page) if block.kind == "console" for found in find_commands(block)]


def find_commands(block: Block) -> list[re.Match[str]]:
    """Each command of a ``console`` block, with its output."""
    return list(COMMAND.finditer(block.text))


def mask(text: str) -> str:
    """The text without times and ages."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def is_same(output: str, other: str) -> bool:
    """Whether two outputs differ in times, ages and the order of lines only: lists are in the order of the real ids."""
    return sorted(mask(output).splitlines()) == sorted(mask(other).splitlines())


def include_file(block: re.Match[str]) -> str:
    """The block with the present text of its file."""
    return f"{block[1]}{(ROOT / block['path']).read_text(encoding='utf-8')}```"


class SampleIds:
    """Gives each id that a run prints a sample that is the same in every run.

    The samples depend on the page and on the order in which the ids appear. Ids of the page's own files are kept.
    """

    def __init__(self, page: str) -> None:
        self._seed = page.partition("\n")[0]
        self._samples = {
            found[0]: found[0]
            for block in read_blocks(page)
            if block.kind == "yaml"
            for found in ID.finditer(block.text)
        }
        self._count = 0

    def replace(self, output: str) -> str:
        """The output with samples. Its lines count in the order of their text, because some lists are in the order of ids."""
        for line in sorted(output.splitlines(), key=lambda line: ID.sub("", mask(line))):
            for found in ID.finditer(line):
                self._add(found[0])
        return ID.sub(lambda found: self._samples[found[0]], output)

    def restore(self, line: str) -> str:
        """The command line with the actual ids in place of their samples."""
        actual = {sample: found for found, sample in self._samples.items()}
        return ID.sub(lambda found: actual.get(found[0], found[0]), line)

    def _add(self, actual: str) -> None:
        if actual not in self._samples:
            self._count += 1
            sample = str(uuid5(NAMESPACE_URL, f"{self._seed} {self._count}"))
            self._samples[actual] = sample if "-" in actual else sample.replace("-", "")


class Program(NamedTuple):
    """A ``python`` block, which is a whole program, and the ``text`` block after it: what it prints."""

    text: str
    output: str


def list_programs(page: str) -> list[Program]:
    """The programs of a page, in order."""
    pairs = pairwise(read_blocks(page))
    return [Program(one.text, after.text) for one, after in pairs if (one.kind, after.kind) == ("python", "text")]


def run_program(program: Program, folder: Path, env: Mapping[str, str]) -> str:
    """What a program prints, in a folder with a copy of ``examples``; AssertionError if it fails."""
    examples = folder / "examples"
    shutil.copytree(ROOT / "examples", examples, ignore=shutil.ignore_patterns("lab-store"), dirs_exist_ok=True)
    command = [sys.executable, "-c", program.text]
    done = subprocess.run(command, cwd=folder, env=dict(env), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


class Typist:
    """Types the pages of a folder as a reader does. The commands find only the clouds of ``env``.

    ``samples``: texts of this machine, such as addresses, and what a page has for each, in its commands and outputs.
    ``programs``: a folder with further programs that a page calls.
    """

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        samples: Mapping[str, str] = MappingProxyType({}),
        programs: Path | None = None,
    ) -> None:
        self._folder, self._texts = folder, samples
        self._env = dict(minimal_environment() if env is None else env)
        self._path = os.pathsep.join([*([str(programs)] if programs else []), os.environ["PATH"]])
        self._code = 0
        self._ids = SampleIds("")

    def play(self, page: str) -> str:
        """The page with the present output of its commands; equal to the page if only times and ages differ.

        AssertionError for a command that fails and is not followed by ``echo $?``.
        """
        self._ids = SampleIds(page)
        return FENCE.sub(self._play_block, INCLUDED.sub(include_file, page))

    def _play_block(self, fence: re.Match[str]) -> str:
        block = Block(fence["kind"], fence["text"])
        if block.kind == "yaml" and (name := FILE_NAME.match(block.text)):
            path = self._folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.kind != "console":
            return fence[0]
        commands = find_commands(block)
        nexts = [found["line"] for found in commands[1:]] + [""]
        played = [self._play_command(found, after) for found, after in zip(commands, nexts, strict=True)]
        return f"```console\n{''.join(played)}```"

    def _play_command(self, found: re.Match[str], after: str) -> str:
        result = self._run(self._name_machine(self._ids.restore(found["line"])))
        if not found["line"].startswith("echo $?"):
            self._code = result.code
        output = self._ids.replace(self._hide_machine(result.stdout + PROGRESS.sub("", result.stderr)))
        assert not result.code or after.startswith("echo $?"), f"{found['line']}: exit {result.code}\n{output}"
        return found[0] if is_same(output, found["output"]) else f"$ {found['line']}\n{output}"

    def _hide_machine(self, output: str) -> str:
        """The output with the page's sample of each text of this machine."""
        for actual, sample in self._texts.items():
            output = output.replace(actual, sample)
        return output

    def _name_machine(self, line: str) -> str:
        """The command line with the texts of this machine in place of their samples."""
        for actual, sample in self._texts.items():
            line = line.replace(sample, actual)
        return line

    def _run(self, line: str) -> command.Result:
        words = shlex.split(line)
        if words[0] == "imagesync" and not SHELL_WORDS & set(line):
            return forked.run(*words[1:], code=None, folder=self._folder, env=self._env)
        shell = f'imagesync() {{ "{sys.executable}" -m imagesync "$@"; }}\n(exit {self._code})\n{line}'
        env = {**self._env, "PATH": self._path}
        done = subprocess.run(
            ["bash", "-c", shell], cwd=self._folder, env=env, capture_output=True, text=True, check=False
        )
        return command.Result(done.returncode, done.stdout, done.stderr)
