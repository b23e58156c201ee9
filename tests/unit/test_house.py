"""Rules for the code of the tests: the place of unit tests, unique names, no patching. Reads the sources."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "imagesync"
PATCHERS = {"setattr", "delattr", "setitem", "delitem", "patch"}
ABOUT_MORE_THAN_A_MODULE = {
    "test_docs.py": "docs/ against the schemas",
    "test_house.py": "the tests themselves",
    "test_language.py": "every text that a person reads",
    "test_public_api.py": "what the package exports",
    "test_requirements.py": "requirements.txt against pyproject.toml",
    "backends/test_open_backend.py": "the function of the package backends",
    "planfile/test_round_trip.py": "writer and reader together",
    "planning/test_records_of_0_1_0.py": "records as the first version wrote them, through the whole planner",
}
"""Unit tests without a module of their name, and what they test."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every file of the tests, parsed, by its path below tests/."""
    for path in sorted(TESTS.rglob("*.py")):
        yield str(path.relative_to(TESTS)), ast.parse(path.read_text(encoding="utf-8"))


def test_each_unit_test_is_named_like_the_module_that_it_tests() -> None:
    """tests/unit/ROOM/test_X.py tests imagesync/ROOM/X.py."""
    unit = TESTS / "unit"
    found = {str(path.relative_to(unit)): path.relative_to(unit) for path in unit.rglob("test_*.py")}
    modules = {name: PACKAGE / path.with_name(path.name.removeprefix("test_")) for name, path in found.items()}
    assert {name for name, module in modules.items() if not module.exists()} - set(ABOUT_MORE_THAN_A_MODULE) == set()


def test_no_two_classes_of_the_tests_share_a_name() -> None:
    """A class name has the same meaning in every file."""
    places = defaultdict(list)
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_test_patches_a_module_of_imagesync() -> None:
    """A test passes its replacement as a parameter; a patch breaks as soon as the code moves."""
    assert [line for path, tree in sources() for line in patches(path, tree)] == []


def patches(path: str, tree: ast.Module) -> Iterator[str]:
    """The places where a call such as ``monkeypatch.setattr`` gets a name of imagesync."""
    ours = names_of_imagesync(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in PATCHERS and is_of_imagesync(node.args[0], ours):
            yield f"{path}:{node.lineno}"


def names_of_imagesync(tree: ast.Module) -> set[str]:
    """Names that the file imports from imagesync."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "imagesync":
            found |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            modules = [alias for alias in node.names if alias.name.partition(".")[0] == "imagesync"]
            found |= {alias.asname or "imagesync" for alias in modules}
    return found


def is_of_imagesync(target: ast.expr, ours: set[str]) -> bool:
    """Whether the first argument is a dotted name in imagesync, or begins with an imported name."""
    if isinstance(target, ast.Constant):
        return isinstance(target.value, str) and target.value.partition(".")[0] == "imagesync"
    while isinstance(target, ast.Attribute):
        target = target.value
    return isinstance(target, ast.Name) and target.id in ours


def test_patches_are_found() -> None:
    """By a dotted name, through an import, and as an attribute; a standard module may be patched."""
    text = """
import tempfile
from imagesync.sources import web
import imagesync.text
monkeypatch.setattr("imagesync.sources.web.BLOCK", 1)
monkeypatch.setattr(web.Reader, "read", None)
mock.patch("imagesync.text.make_printable")
setattr(imagesync.text, "make_printable", None)
monkeypatch.setattr(tempfile, "mkdtemp", None)
monkeypatch.setattr("tempfile.mkdtemp", None)
"""
    assert list(patches("x.py", ast.parse(text))) == ["x.py:5", "x.py:6", "x.py:7", "x.py:8"]
