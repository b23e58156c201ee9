"""Compares each JSON document that the command writes with its schema: standard output, and the files of its options.

``tests.command`` and ``tests.forked`` call ``check_documents`` after each run, so every test of a command does.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonschema_rs

from imagesync.schemas import load_schema

OUTPUTS: Final = {
    "adopt": "report",
    "apply": "report",
    "doctor": "doctor",
    "drift": "drift",
    "list": "list",
    "plan": "plan",
    "report merge": "run",
    "report reviewed": "plan",
    "rollback": "report",
    "show": "plan",
    "targets": "targets",
    "validate": "problems",
}
"""The schema of the output of a command with ``--format json``. ``show KEY`` has ``image``."""
SEVERAL: Final = {"apply": "run", "drift": "drifts", "plan": "plans", "report reviewed": "plans", "show": "plans"}
"""The schema of the output for several targets."""
ENDED: Final = (0, 1, 2, 130, 143)
"""Exit codes of a run that wrote its documents."""


class Document(NamedTuple):
    """A document, and the schema that it must fit."""

    schema: str
    value: Any


def check_documents(words: Sequence[str], folder: Path | None, code: int, stdout: str) -> None:
    """AssertionError if a document of ``imagesync WORDS`` does not fit its schema."""
    for schema, value in _find_documents(words, folder or Path(), code, stdout):
        problems = [f"{one.instance_path}: {one.message}" for one in _make_validator(schema).iter_errors(value)]
        assert problems == [], f"imagesync {' '.join(words)}: not as the schema {schema} says: {problems[:3]}"


@cache
def _make_validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(load_schema(schema), validate_formats=True)


def _find_documents(words: Sequence[str], folder: Path, code: int, stdout: str) -> Iterator[Document]:
    if not words or code not in ENDED:
        return
    command = " ".join(words[:2]) if words[0] == "report" else words[0]
    if command in OUTPUTS and _read_option(words, "--format", "--format") == "json" and stdout.strip():
        document = _recognize(command, json.loads(stdout))
        yield document
        yield from _list_parts(document)
    if command in OUTPUTS and (content := _read_file(words, folder, "--out", "-o")):
        yield _recognize(command, json.loads(content))
    for name in _list_also(words) if command in OUTPUTS else ():
        if (folder / name).is_file():
            yield _recognize(command, json.loads((folder / name).read_bytes()))
    for line in _read_file(words, folder, "--events", "--events").splitlines():
        yield Document("events", json.loads(line))


def _read_file(words: Sequence[str], folder: Path, name: str, short: str) -> bytes:
    """The content of the file of an option; empty without one, and for a device, which is that of the tests."""
    path = folder / (_read_option(words, name, short) or "/dev/null")
    return path.read_bytes() if path.is_file() and not path.is_relative_to("/dev") else b""


def _list_also(words: Sequence[str]) -> list[str]:
    """The files of ``--also json=FILE``."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    values = [after if word == "--also" else word.removeprefix("--also=") for word, after in pairs]
    return [value.removeprefix("json=") for value in values if value.startswith("json=")]


def _recognize(command: str, value: Any) -> Document:
    """A document of standard output: a failure has a schema of its own."""
    if isinstance(value, dict) and set(value) == {"command", "errors"}:
        return Document("errors", value)
    if isinstance(value, dict) and "targets" in value and command in SEVERAL:
        return Document(SEVERAL[command], value)
    is_explanation = command == "show" and isinstance(value, dict) and "builds" in value
    return Document("image" if is_explanation else OUTPUTS[command], value)


def _list_parts(document: Document) -> Iterator[Document]:
    """The documents of single targets in one of several."""
    for one in document.value["targets"] if document.schema == "drifts" else ():
        if one["drift"] is not None:
            yield Document("drift", one["drift"])


def _read_option(words: Sequence[str], name: str, short: str) -> str | None:
    """The last value of an option of a command line."""
    found = None
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word in (name, short):
            found = after
        elif word.startswith(f"{name}="):
            found = word.partition("=")[2]
    return found
