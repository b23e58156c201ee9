"""Findings as annotations of GitHub."""

from collections.abc import Sequence

import pytest

from imagesync.errors import Diagnostic
from imagesync.render.annotations import MAX_ANNOTATIONS, format_annotations
from imagesync.render.findings import list_findings
from tests.github import WorkflowCommand, read_commands

PROBLEM = Diagnostic("images/a.yaml", 7, 3, "images.a.name", "unknown key", "did you mean nam?")
LIST_ALL = "imagesync validate images/"


def format_all(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> list[str]:
    """The commands for some problems and warnings."""
    return format_annotations(list_findings(problems, warnings), LIST_ALL)


def make_problems(number: int) -> list[Diagnostic]:
    """Problems of several lines."""
    return [Diagnostic("a.yaml", line, 1, f"images.a{line}", "is wrong") for line in range(1, number + 1)]


def test_a_problem_is_an_error_at_its_place() -> None:
    """As GitHub documents it."""
    assert format_all([PROBLEM]) == [
        "::error file=images/a.yaml,line=7,col=3,title=images.a.name::unknown key; did you mean nam?"
    ]


def test_a_problem_of_a_whole_file_has_no_line() -> None:
    """Empty properties are left out."""
    assert format_all([Diagnostic("images", 0, 0, "", "cannot be read")]) == ["::error file=images::cannot be read"]


def test_a_warning_is_not_an_error() -> None:
    """GitHub shows it in another color."""
    assert [line.partition(" ")[0] for line in format_all([PROBLEM], [PROBLEM])] == ["::error", "::warning"]


def test_no_problem_is_no_command() -> None:
    """Nothing is printed."""
    assert format_all([]) == []


def test_ten_problems_are_ten_annotations() -> None:
    """GitHub keeps ten."""
    assert [one.properties["line"] for one in read_all(make_problems(10))] == [f"{line}" for line in range(1, 11)]


@pytest.mark.parametrize(("number", "count"), [(11, "2 more problems"), (200, "191 more problems")])
def test_more_problems_are_counted(number: int, count: str) -> None:
    """Nine are printed, and the tenth says how many more, because GitHub drops the eleventh without a word."""
    *first, last = read_all(make_problems(number))
    assert [one.properties["title"] for one in first] == [f"images.a{line}" for line in range(1, MAX_ANNOTATIONS)]
    assert last == WorkflowCommand("error", {}, f"and {count}; list all with: imagesync validate images/")


def test_warnings_that_are_counted_are_a_warning() -> None:
    """No step may look as if it had failed."""
    commands = list(read_commands("\n".join(format_all([], make_problems(11)))))
    assert [one.name for one in commands] == ["warning"] * 10


def test_specials_of_commands_come_back_as_they_were() -> None:
    """The parser of the runner undoes every escape."""
    text = "%25 %0A %3A, a=b: c, d::e"
    assert read_all([Diagnostic(text, 1, 2, text, text, text)]) == [
        WorkflowCommand("error", {"file": text, "line": "1", "col": "2", "title": text}, f"{text}; {text}")
    ]


def read_all(problems: Sequence[Diagnostic]) -> list[WorkflowCommand]:
    """What the runner reads; each line is one command."""
    lines = format_all(problems)
    found = list(read_commands("\n".join(lines)))
    assert len(found) == len(lines)
    return found


def test_a_line_end_does_not_end_a_command() -> None:
    """Not even one in the command that lists all."""
    *_, last = format_annotations(list_findings(make_problems(11)), "imagesync validate a\r\n::add-mask::b")
    assert last.endswith("imagesync validate a%0D%0A::add-mask::b")
    assert [one.name for one in read_commands(last)] == ["error"]


def test_errors_are_before_the_warnings_that_are_counted() -> None:
    """The command that counts has the level of the worst of those that it counts, and no place."""
    lines = format_all(make_problems(9), make_problems(3))
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 9 + ["::warning::and"]
    assert lines[-1] == f"::warning::and 3 more problems; list all with: {LIST_ALL}"
    assert lines[8] == "::error file=a.yaml,line=9,col=1,title=images.a9::is wrong"
    assert format_all(make_problems(10), make_problems(1))[-1] == (
        f"::error::and 2 more problems; list all with: {LIST_ALL}"
    )


def test_percent_is_escaped_first() -> None:
    """In a property, a colon and a comma, too; in the text they stay."""
    text = "50%: a,b"
    (line,) = format_all([Diagnostic(text, 2, 0, text, text)])
    assert line == "::error file=50%25%3A a%2Cb,line=2,title=50%25%3A a%2Cb::50%25: a,b"
