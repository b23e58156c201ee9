"""Everything that a person reads uses plain words, always the same ones, with American spelling."""

import ast
import inspect
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from imagesync import errors
from imagesync.errors import ImagesyncError

ROOT: Final = Path(__file__).parents[2]


class Word(NamedTuple):
    """A word that no text has: what it matches, and what to write."""

    pattern: str
    instead: str


WORDS: Final = (
    # American spelling, and one word for one thing
    Word(r"\bcatalogues?\b", "catalog"),
    Word(r"\b(behaviou|colou|favou|honou|neighbou)rs?\w*\b(?<!\bhonor)", "American spelling: -or"),
    Word(r"\b(cancel|label|model|travel)l(ed|ing)\b", "American spelling: one l"),
    Word(
        r"\b\w*(normal|organ|recogn|initial|optim|serial|canonical|author|minim|maxim)is(e|es|ed|ing|ation)\b", "-ize"
    ),
    Word(r"\b(whilst|amongst|licence|centre|grey|analyse[ds]?)\b", "American spelling"),
    Word(r"\bstrangers?\b", "foreign image"),
    Word(r"\b(ours|theirs|nobody's|somebody's)\b", "owned, foreign, or name the owner"),
    # name the actor
    Word(
        r"\b(nobody|somebody|anybody|whoever|whomever|everybody)\b", "name the actor: a user, another run, an operator"
    ),
    Word(r"\bthose who\b|\bhe who\b|\bwho(ever)? knows?\b", "name the actor"),
    # standard words for what a program does
    Word(r"\b(tell|tells|told|telling)\b", "report, print, show, distinguish"),
    Word(r"\bsaid\b", "reported, declared, printed"),
    Word(r"\bheeded\b", "respected, used"),
    Word(r"\bat work\b", "running"),
    Word(r"\bheld to\b", "checked against, limited by"),
    Word(r"\bholds? to\b", "keeps, obeys"),
    Word(r"\bgo(es)? by\b", "uses, depends on"),
    Word(r"\bgo(es|ing)? on\b|\bwent on\b", "continues"),
    Word(r"\bgoes\b(?! (wrong|through|back))|\bgone\b", "name the action: is deleted, is removed, no longer exists"),
    Word(r"\bcomes? by\b|\bcame by\b", "arrives, is found, is set by"),
    Word(r"\bstands?\b(?! still)", "is, means, replaces"),
    Word(r"\b(let|lets|letting) go of\b", "release, no longer manage"),
    Word(r"\b(put|puts) right\b", "restore, correct"),
    Word(r"\b(take[sn]?|took) away\b", "remove"),
    Word(r"\b(broken?|breaks?) off\b", "interrupt, abort"),
    Word(r"\blook(s|ed)? into\b", "read, inspect"),
    Word(r"\ba look\b", "a check, a request"),
    # plain grammar
    Word(r"(?<!there )\b(is|are|was|were) no (?!longer\b|more than\b|less than\b)", "is not a"),
    Word(r"\bso that\b", "to, so, because"),
    Word(r"\bbut for\b", "except"),
    Word(r"\bin vain\b", "without success"),
    Word(r"\bfor good\b", "permanently, without limit"),
    Word(r"\bby no means\b|\bof no use\b|\bto no avail\b", "say it directly"),
    Word(r"\banew\b", "again, as a new build"),
    Word(r"\bthe other way round\b", "the reverse"),
    Word(r"\bany more\b", "no longer"),
    Word(r"\b(whence|thereof|therein|thereby|hitherto|lest|nay|unto|upon)\b", "a common word"),
)
"""Words with a plainer or more common one, or that two names for one thing would be."""
PARTICIPLES: Final = frozenset({"told", "said", "asked", "shown", "heard", "heeded", "tells"})
"""Participles that no function, variable or module is called."""
VERBS: Final = frozenset(
    {"add", "approve", "confirm", "delete", "agree", "feed", "hand", "learn", "request", "take", "wait", "want"}
)
"""Verbs of functions that do something and return whether it worked; any other function that returns a bool is a
question."""


def list_files() -> list[Path]:
    """Every file that has text for people; the data of tests has none."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("schemas/*.json")]
    found += [path for suffix in ("yaml", "md") for path in ROOT.glob(f"examples/**/*.{suffix}")]
    found += [path for folder in ("imagesync", "tests", "benchmarks") for path in ROOT.glob(f"{folder}/**/*.py")]
    return sorted(path for path in found if path != Path(__file__))


def read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what a person reads in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from read_python(text, is_test="tests" in path.relative_to(ROOT).parts)
    elif path.suffix == ".md":
        yield from read_markdown(text)
    elif path.suffix == ".json":
        yield from ((0, item) for item in read_schema(json.loads(text)))
    else:
        yield from ((number, line.split("#", 1)[1]) for number, line in enumerate(text.split("\n"), 1) if "#" in line)


def read_python(source: str, *, is_test: bool) -> Iterator[tuple[int, str]]:
    """Comments and docstrings; of the product also each other string that has a space: output and messages."""
    tree = ast.parse(source)
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            text = re.sub(r"``.*?``", "``…``", node.value, flags=re.DOTALL)  # names of the code
            yield from [(node.lineno, text)] if id(node) in documents or not is_test else []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def read_markdown(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs joined, because a phrase may go over the end of a line; without blocks of code and code in a line."""
    text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    line = 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        yield line, re.sub(r"`[^`]*`", "`…`", paragraph)
        line += paragraph.count("\n")


def read_schema(node: Any) -> Iterator[str]:
    """Titles, descriptions and messages of a JSON Schema."""
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, str) and name in ("title", "description", "errorMessage", "markdownDescription"):
                yield value
            elif name == "enumDescriptions":
                yield from value
            else:
                yield from read_schema(value)
    elif isinstance(node, list):
        for value in node:
            yield from read_schema(value)


def find_words(path: Path) -> Iterator[str]:
    """One line for each use of a word of the list: where, what, and what to write."""
    for line, text in read_texts(path):
        plain = " ".join(text.split())
        for word in WORDS:
            for found in re.finditer(word.pattern, plain, re.IGNORECASE):
                around = plain[max(0, found.start() - 30) : found.end() + 30]
                yield f"{path.relative_to(ROOT)}:{line}: {found[0]!r} in {around!r}: {word.instead}"


def find_names(path: Path) -> Iterator[str]:
    """Participles as names, and functions that return a bool and are not called like a question."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(node, "name", None) or getattr(node, "id", None) or getattr(node, "arg", None)
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {name}"
        if isinstance(name, str) and name.lstrip("_") in PARTICIPLES:
            yield f"{place} is a participle; use a noun or a verb"
        if isinstance(node, ast.FunctionDef) and "tests" not in path.parts and not is_well_named(node):
            yield f"{place} returns a bool; call it is_, has_ or can_"


def is_well_named(function: ast.FunctionDef) -> bool:
    """Whether a function that returns a bool is called like a question, or like the work it does; a property is a
    value."""
    is_property = any(ast.unparse(one) in ("property", "cached_property") for one in function.decorator_list)
    is_predicate = function.returns is not None and ast.unparse(function.returns) == "bool" and not is_property
    first = function.name.lstrip("_").split("_")[0]
    return not is_predicate or function.name.startswith("__") or first in {"is", "has", "can", "isatty"} | VERBS


def find_errors_without_remedy(path: Path) -> Iterator[str]:
    """Errors that are made without a hint: what went wrong, and nothing that the reader could do."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in HINTS_AT:
            starred = any(isinstance(word, ast.Starred) for word in node.args)
            named = any(word.arg in (None, "hint") for word in node.keywords)
            if not starred and not named and len(node.args) <= HINTS_AT[node.func.id]:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:120]}"


def list_error_classes() -> Iterator[type[ImagesyncError]]:
    """Each class of the tree whose constructor takes a message and a hint."""
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, ImagesyncError)]
    yield from (item for item in classes if "hint" in inspect.signature(item).parameters)


HINTS_AT: Final = {item.__name__: 1 for item in list_error_classes()} | {"Diagnostic": 5}
"""The position of the hint among the arguments, by the name of the class."""


def test_texts_use_plain_words() -> None:
    """What this finds is a sentence to write again, not a word to replace."""
    assert [line for path in list_files() for line in find_words(path)] == []


def test_names_are_nouns_verbs_and_questions() -> None:
    """Functions are verbs; predicates begin with is_, has_ or can_."""
    modules = [path for path in list_files() if path.suffix == ".py"]
    assert [line for path in modules for line in find_names(path)] == []


def test_each_error_has_a_remedy() -> None:
    """Every place that makes an error says what to do."""
    modules = sorted((ROOT / "imagesync").rglob("*.py"))
    assert [line for path in modules for line in find_errors_without_remedy(path)] == []


def test_the_list_recommends_nothing_that_it_forbids() -> None:
    """A text that follows the list passes."""
    advice = [word.instead for word in WORDS]
    assert [
        (word.pattern, text) for word in WORDS for text in advice if re.search(word.pattern, text, re.IGNORECASE)
    ] == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'def f() -> None:\n    """The other images are told of."""\n'),
        ("a.py", "x = 1  # nobody reads it\n"),
        ("a.py", 'def f(key: str) -> str:\n    return f"{key} is no image"\n'),
        ("a.md", "This is said\nso\nthat it is seen.\n"),
        ("a.json", '{"a": [{"description": "what goes by a name"}]}'),
        ("a.yaml", "a: 1  # the catalogue\n"),
    ],
)
def test_the_list_is_looked_for_in_each_kind_of_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """Also over the end of a line."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / name).write_text(text)
    assert list(find_words(tmp_path / name))
