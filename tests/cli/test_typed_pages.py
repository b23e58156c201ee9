"""README, the tutorial and the guides are typed: every command of them is run, and each output is what is printed."""

import os
import re
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from typer.main import get_command

from imagesync.cli.app import COMMANDS, app
from tests import command
from tests.command import ROOT
from tests.documents import list_commands as list_subcommands
from tests.pages import CLOUD_GUIDES, DOCS, GUIDES, README, Typist, list_commands, read_blocks

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MAX_SENTENCE_WORDS = 30
MAX_README_LINES = 200
GENERATED = {"manifest", "commands", "reliability"}
OPTIONS_OF_THE_TESTS = {"--no-cloud", "--exhaustive", "--every-point", "--turn", "--shells", "--dist"}
WRITTEN = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted(page for page in DOCS.glob("*.md") if page.stem not in GENERATED),
]
"""The pages that are written by hand."""


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GUIDES)
def test_a_page_can_be_typed_in_an_empty_folder(tmp_path: Path, name: str) -> None:
    """``python -m tests.documents NAME`` writes the outputs again."""
    page = read(DOCS / f"{name}.md")
    assert list_commands(page)
    assert Typist(tmp_path).play(page) == page


def test_one_image_has_one_id_on_a_page(tmp_path: Path) -> None:
    """Each run has its own ids; the page has a sample for each. Ids that a file of the page declares are kept."""
    declared, first, second = "a" * 32, *(str(uuid4()) for _ in range(2))
    page = f"# Page\n\n```yaml\n# x.yaml\nowner: {declared}\n```\n\n```console\n$ cat ids\n$ cat more\n```\n"
    pages = []
    for one, other in ((first, second), (second, first)):
        (tmp_path / "ids").write_text(f"current {one}\nretired {other}\n{declared}\n")
        (tmp_path / "more").write_text(f"{other}\n")
        pages.append(Typist(tmp_path).play(page))
    assert pages[0] == pages[1]
    current, retired, again = re.findall(UUID, pages[0])
    assert retired == again != current
    assert not {first, second} & {current, retired}
    assert pages[0].count(declared) == 2


def test_readme_can_be_typed_in_a_checkout(tmp_path: Path) -> None:
    """With the examples, from a store that does not exist yet."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("lab-store"))
    assert Typist(tmp_path).play(read(README)) == read(README)


def test_each_page_with_commands_is_typed() -> None:
    """A page with a ``console`` block is in one of the two lists."""
    found = {page.stem for page in DOCS.glob("*.md") if list_commands(read(page))}
    assert found == {*GUIDES, *CLOUD_GUIDES}


def test_the_start_command_does_what_the_first_block_shows() -> None:
    """Its parts after the installation are the commands of that block. The shell then finds ``imagesync``."""
    first = next(block.text for block in read_blocks(read(README)) if block.kind == "sh")
    parts = [part.strip() for part in first.split("&&")]
    assert parts[:3] == ["python3 -m venv .venv", ". .venv/bin/activate", "pip install -q ."]
    assert parts[3:] == list_commands(read(README))[:2]


def test_the_manifest_block_is_the_quickstart() -> None:
    """README shows the manifest that its first command applies."""
    (block,) = (block.text for block in read_blocks(read(README)) if block.kind == "yaml")
    assert yaml.safe_load(block) == yaml.safe_load((ROOT / "examples/quickstart/catalog.yaml").read_text())


def test_every_option_that_a_page_names_exists() -> None:
    """And every command; options of other programs are left out."""
    helps = "".join(command.run(*words, env=os.environ).stdout for words in [["--help"], *list_help_requests()])
    for page in [README, *DOCS.glob("*.md")]:
        text = re.sub(
            r"`(openstack|apt-get|pytest|gpg|certutil|buildah|podman|docker) [^`]*`|^\$ openstack [^\n]*|^```sh\n.*?^```$",
            "",
            read(page),
            flags=re.S | re.M,
        )
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - OPTIONS_OF_THE_TESTS
        assert [option for option in sorted(named) if option not in helps] == [], page.name
        used = set(re.findall(r"`imagesync ([a-z]+)\b", text))
        assert used - set(COMMANDS) == set(), page.name


def list_help_requests() -> list[list[str]]:
    """The words that print the help of each command."""
    return [[*name.split(), "--help"] for name in list_subcommands(get_command(app))]


def test_readme_is_short() -> None:
    """Its details are in docs/."""
    assert len(read(README).splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_sentences_are_short(page: Path) -> None:
    """At most 30 words a sentence, tables cell by cell."""
    assert [text for text in split_sentences(read(page)) if len(text.split()) > MAX_SENTENCE_WORDS] == []


def split_sentences(page: str) -> list[str]:
    """The sentences of a page without its blocks: of paragraphs, of items and of cells."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", page, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(#|\*|\d+\.|\|)", r"\n\n\1", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text).replace("|", "\n\n")
    return [
        " ".join(sentence.split())
        for part in re.split(r"\n\s*\n", text)
        for sentence in re.split(r"(?<=[.!?:])\**\s+", part)
        if sentence.strip()
    ]


def test_long_sentences_are_found() -> None:
    """Over the ends of lines; an item, a cell and a block are texts of their own."""
    words = " ".join(["word"] * 20)
    assert max(len(text.split()) for text in split_sentences(f"{words}\n{words}.")) == 40
    assert (
        max(len(text.split()) for text in split_sentences(f"* {words}\n* {words}\n\n```sh\n{words} {words}\n```")) == 21
    )
    assert max(len(text.split()) for text in split_sentences(f"| {words} | {words} |")) == 20
