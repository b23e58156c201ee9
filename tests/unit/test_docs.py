"""The documentation of the manifest names every field of the schema and no other; CONTRIBUTING.md every room."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imagesync.schemas import load_schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "manifest.md"
UNNAMED = {"__init__.py", "__main__.py", "__pycache__", "version.py"}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def fields(node: dict[str, Any]) -> Iterator[str]:
    """Names of the fields that a part of the schema takes."""
    for part in (node, *node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from part.get("properties", ())


def test_every_field_has_a_row() -> None:
    """Part by part: no field is left out, and none is told of that is not there."""
    whole = load_schema("manifest")
    parts = [whole["$defs"][name] for name in ("image", "source", "on_replace", "policy", "target")] + [whole]
    wanted = sorted(name for part in parts for name in set(fields(part)))
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)) == wanted


def test_contributing_names_every_room() -> None:
    """Packages and modules of imagesync, but for the package's own face and version."""
    rooms = [path for path in (ROOT / "imagesync").iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [f"{path.name}/" if path.is_dir() else path.name for path in rooms if path.name not in UNNAMED]
    assert [name for name in names if f"`{name}`" not in CONTRIBUTING] == []


def test_every_path_that_contributing_names_exists() -> None:
    """From the root, or below imagesync/; capital letters stand for a name of one's own."""
    named = {word for word in re.findall(r"`([\w./-]+)`", CONTRIBUTING) if "/" in word or word.endswith((".py", ".md"))}
    paths = [path for path in named if not re.search(r"NAME|ROOM|test_X", path) and not path.startswith("~")]
    assert [
        path for path in sorted(paths) if not any((base / path).exists() for base in (ROOT, ROOT / "imagesync"))
    ] == []


def test_each_promise_of_security_names_tests_that_exist() -> None:
    """A promise that nothing shows is none; a test that was renamed is not lost unseen."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    part = page.partition("## What imagesync promises")[2].partition("## What it cannot do")[0]
    promises = re.split(r"^\* ", part, flags=re.MULTILINE)[1:]
    assert len(promises) >= 14
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, promise
        for file, name in named:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), (file, name)
