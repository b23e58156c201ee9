"""docs/exit-codes.md has exactly the exit codes, the commands and the messages of the code, and its shell function works."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from imagesync.cli.app import COMMANDS
from imagesync.cli.exit_codes import ExitCode
from tests.command import ROOT
from tests.pages import DOCS, read_blocks

PAGE = (DOCS / "exit-codes.md").read_text(encoding="utf-8")


def read_table(heading: str) -> list[Mapping[str, str]]:
    """The rows of the table below a heading, by the names of its columns."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def test_the_page_has_each_exit_code_once() -> None:
    """And no other."""
    assert [int(row["code"]) for row in read_table("The codes")] == list(ExitCode)


def test_the_page_has_each_command_once() -> None:
    """In the second table."""
    found = [name for row in read_table("By command") for name in re.findall(r"`(\w+)`", row["command"])]
    assert sorted(found) == sorted(COMMANDS)


@pytest.mark.parametrize("code", list(ExitCode))
def test_the_shell_function_repeats_what_the_table_says(code: ExitCode) -> None:
    """Once; its own exit code is the last one."""
    (function,) = (block.text for block in read_blocks(PAGE) if "retry_once() {" in block.text)
    definition = function.split("\n\n")[0]
    (row,) = (row for row in read_table("The codes") if int(row["code"]) == code)
    script = f"{definition}\nretry_once 0 sh -c 'echo run; exit {code}'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "run\n" * (2 if "once" in row["retry"] else 1)
    assert done.returncode == code


def test_each_message_of_the_page_is_in_the_code() -> None:
    """Statuses of HTTP and the place of a problem are put together, so they are left out."""
    cells = [row["message contains"] for row in read_table("Messages of code 1, and what to do")]
    messages = {text for cell in cells for text in re.findall(r"`([a-z][^`]*)`", cell)}
    assert len(messages) > 10
    texts = list(list_texts())
    assert [message for message in sorted(messages) if not any(message in text for text in texts)] == []


def list_texts() -> Iterator[str]:
    """Every string of the package, and the literal parts of formatted ones."""
    for path in (ROOT / "imagesync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
