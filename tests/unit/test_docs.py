"""Generated pages are up to date, links lead somewhere, samples match the schema, CONTRIBUTING.md names every room."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from imagesync.schemas import load_schema
from tests.documents import NOTES, SECTIONS, find_fields, make_anchor, render_commands_page, render_manifest_page
from tests.pages import DOCS, read_blocks

ROOT = Path(__file__).parents[2]
PARTS = {
    "image": "images.KEY",
    "source": "source",
    "on_replace": "on_replace",
    "policy": "policy",
    "target": "targets.NAME",
    "removed": "removed.KEY",
    "project": "project",
}
"""Parts of the schema, and what is before the names of their fields in the headings of docs/manifest.md."""
UNNAMED = {"__init__.py", "__main__.py", "__pycache__", "version.py"}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "render"),
    [("manifest", render_manifest_page), ("commands", render_commands_page)],
    ids=["manifest", "commands"],
)
def test_a_generated_page_is_up_to_date(name: str, render: Callable[[], str]) -> None:
    """``python -m tests.documents`` writes it again."""
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == render()


def fields(node: dict[str, Any]) -> Iterator[str]:
    """Names of the fields of a part of the schema."""
    for part in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from part.get("properties", ())


def test_every_field_has_a_section() -> None:
    """For each part of the schema: no field is missing, and every section is of an existing field."""
    whole = load_schema("manifest")
    parts = {f"{prefix}.": whole["$defs"][name] for name, prefix in PARTS.items()} | {"": whole}
    parts |= {"source.signature.": whole["$defs"]["source"]["anyOf"][1]["properties"]["signature"]}
    parts |= {"on_replace.set.": whole["$defs"]["on_replace"]["properties"]["set"]}
    expected = sorted(prefix + name for prefix, part in parts.items() for name in set(fields(part)))
    page = (DOCS / "manifest.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### `([\w.]+)`$", page, re.MULTILINE)) == expected


def test_notes_are_of_fields_that_exist() -> None:
    """The page has every kind of note of its file; a misspelled name in it is an error."""
    parts = yaml.safe_load(NOTES.read_text(encoding="utf-8"))["parts"]
    known = {prefix or "file": set(find_fields(load_schema("manifest"), place)) for _, prefix, place in SECTIONS}
    assert parts.keys() == known.keys()
    assert [f"{name}.{field}" for name in parts for field in parts[name]["fields"] if field not in known[name]] == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links lead to a file of the repository, and their anchors to one heading of that page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?://", link)]
    assert [link for link in links if not is_found(page, link)] == []


def is_found(page: Path, link: str) -> bool:
    """Whether the file exists and has exactly one heading with the anchor."""
    name, _, anchor = link.partition("#")
    path = (page.parent / name).resolve() if name else page
    return path.is_file() and (not anchor or list_anchors(path).count(anchor) == 1)


def list_anchors(page: Path) -> list[str]:
    """The anchors of all headings of a page, as code forges make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [make_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)]


def test_every_page_is_listed() -> None:
    """docs/index.md leads to each page of the folder."""
    listed = set(re.findall(r"\]\(([\w-]+)\.md\)", (DOCS / "index.md").read_text(encoding="utf-8")))
    assert listed == {page.stem for page in DOCS.glob("*.md")} - {"index"}


def test_parts_of_manifests_on_the_pages_match_the_schema() -> None:
    """Each ``yaml`` block is a manifest, or a part of one."""
    checker = jsonschema.Draft202012Validator(load_schema("manifest"))
    for page in PAGES:
        for block in read_blocks(page.read_text(encoding="utf-8")):
            if block.kind == "yaml":
                problems = [error.message for error in checker.iter_errors({"version": 1} | yaml.safe_load(block.text))]
                assert problems == [], f"{page.name}: {block.text}"


def test_contributing_names_every_room() -> None:
    """Packages and modules of imagesync, except for the package's exports and version."""
    rooms = [path for path in (ROOT / "imagesync").iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in rooms if path.name not in UNNAMED]
    assert [name for name in names if f"`{name}`" not in CONTRIBUTING] == []


def test_every_path_that_contributing_names_exists() -> None:
    """Relative to the root or to imagesync/; capital letters are placeholders."""
    named = {word for word in re.findall(r"`([\w./-]+)`", CONTRIBUTING) if "/" in word or word.endswith((".py", ".md"))}
    paths = [path for path in named if not re.search(r"NAME|ROOM|test_X", path) and not path.startswith("~")]
    assert [
        path for path in sorted(paths) if not any((base / path).exists() for base in (ROOT, ROOT / "imagesync"))
    ] == []


def test_each_promise_of_security_names_tests_that_exist() -> None:
    """Every promise needs a test, and a renamed test must be noticed."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    part = page.partition("## What imagesync promises")[2].partition("## What it cannot do")[0]
    promises = re.split(r"^\* ", part, flags=re.MULTILINE)[1:]
    assert len(promises) >= 14
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, promise
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
