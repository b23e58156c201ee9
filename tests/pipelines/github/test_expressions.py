"""The values of expressions, by hand; and with --pipelines by GitHub's own evaluator."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.npm import find_node, prepare_packages
from tests.pipelines.github.expressions import Contexts, ExpressionProblem, evaluate, fill, is_met
from tests.pipelines.github.files import ACTION, list_workflows

HERE: Final = Path(__file__).parent
VALUES: Final[dict[str, Any]] = {
    "github": {"event_name": "push", "none": None, "number": 3, "no": False, "list": [1], "quote": "it's"},
    "steps": {"plan": {"outputs": {"exitcode": "0", "folder": "/tmp/a"}}},
    "secrets": {"A": "one"},
}
CASES: Final = {
    "github.event_name": "push",
    "github.event_name == 'PUSH'": True,
    "github.event_name != 'push'": False,
    "github.none == 0": True,
    "github.none == ''": True,
    "github.number == '3'": True,
    "github.number == 'x'": False,
    "github.no || github.number": 3,
    "github.no && github.number": False,
    "!github.no && 'yes' || 'no'": "yes",
    "(github.no || github.number) && 'both'": "both",
    "'it''s' == github.quote": True,
    "steps.plan.outputs.exitcode == 0": True,
    "steps.plan.outputs.missing": None,
    "steps.plan.outputs.missing != ''": False,
    "secrets.missing || 'none'": "none",
    'fromJSON(\'["a", "b"]\')': ["a", "b"],
    "fromJSON(steps.plan.outputs.exitcode) == 0": True,
    "always()": True,
    "success() && !cancelled()": True,
    "failure()": False,
    "true && 1.5": 1.5,
    "null": None,
}
"""Expressions with ``VALUES``, and the value of each."""


@pytest.mark.parametrize("expression", CASES)
def test_the_value_of_an_expression(expression: str) -> None:
    """The types are those of JSON."""
    assert evaluate(expression, Contexts(VALUES)) == CASES[expression]


@pytest.mark.pipelines
def test_the_values_are_those_of_githubs_own_evaluator() -> None:
    """For each case above."""
    packages = prepare_packages(HERE)
    status = {"always": True, "success": True, "cancelled": False, "failure": False}
    question = json.dumps({"expressions": list(CASES), "contexts": VALUES, "status": status})
    command = [find_node(packages), HERE / "evaluate.mjs", packages]
    done = subprocess.run(command, input=question, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == list(CASES.values())


@pytest.mark.parametrize(
    "expression",
    [
        "github.missing",
        "missing.a",
        "hashFiles('a')",
        "a b",
        "github.list[0]",
        "'a",
        "1 +",
        "github.",
        "(true",
        "always(1)",
    ],
)
def test_what_is_unknown_is_a_problem(expression: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ExpressionProblem):
        evaluate(expression, Contexts(VALUES))


def test_a_text_has_the_values_inside() -> None:
    """An expression alone keeps its type."""
    contexts = Contexts(VALUES)
    assert fill("a-${{ github.number }}-${{ github.no }}${{ secrets.missing }}", contexts) == "a-3-false"
    assert fill("${{ fromJSON('[1]') }}", contexts) == [1]
    assert fill(False, contexts) is False
    with pytest.raises(ExpressionProblem):
        fill("a ${{ github.list }}", contexts)


@pytest.mark.parametrize(
    ("condition", "after_success", "after_failure"),
    [
        (None, True, False),
        ("github.number == 3", True, False),
        ("${{ github.number == 4 }}", False, False),
        ("always()", True, True),
        ("${{ !cancelled() && github.number == 3 }}", True, True),
        ("failure()", False, True),
    ],
)
def test_a_condition_needs_success_unless_it_names_a_status(
    condition: str | None, after_success: bool, after_failure: bool
) -> None:
    """As for steps and jobs of GitHub."""
    assert is_met(condition, Contexts(VALUES)) == after_success
    assert is_met(condition, Contexts(VALUES, failed=True)) == after_failure


def test_no_file_has_a_form_that_is_not_tried_here() -> None:
    """The operators and functions of all expressions of our files are among the cases."""
    texts = [path.read_text() for path in (ACTION, *list_workflows())]
    conditions = [
        text for one in texts for text in re.findall(r"\$\{\{(.*?)\}\}| if: (?!>-)(.*)", one) for text in text
    ]
    used = {name for text in conditions for name in re.findall(r"\b(\w+)\(", text)}
    assert used <= {name for case in CASES for name in re.findall(r"\b(\w+)\(", case)}
