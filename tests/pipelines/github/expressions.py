"""An expression of a workflow (``${{ … }}``) and its contexts -> its value, as GitHub computes it. Pure.

It has the part that our files use: names, strings, numbers, ``!``, ``==``, ``!=``, ``&&``, ``||``, parentheses, ``fromJSON``
and the status functions. Everything else is an ExpressionProblem, because a test must not pass by a wrong guess.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Value = Any
"""What JSON can hold: None, bool, int, float, str, list, dict."""

STATUS_FUNCTIONS: Final = frozenset({"always", "cancelled", "success", "failure"})
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||[!=]=|[!().,]))"
)
_EMBEDDED: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_WORDS: Final[dict[str, Value]] = {"true": True, "false": False, "null": None}
OPEN: Final = frozenset({"outputs", "secrets"})
"""Contexts in which an unknown name is empty: outputs that were not set, secrets that do not exist."""


class ExpressionProblem(AssertionError):
    """An expression that this module does not know, or a name that does not exist."""


class Contexts:
    """The values of names, and the status of the job so far."""

    def __init__(self, values: Mapping[str, Value], *, failed: bool = False) -> None:
        self._values = values
        self._functions: dict[str, Callable[[], bool]] = {
            "always": lambda: True,
            "cancelled": lambda: False,
            "success": lambda: not failed,
            "failure": lambda: failed,
        }

    def call(self, name: str, arguments: list[Value]) -> Value:
        """The result of a function."""
        if name in self._functions and not arguments:
            return self._functions[name]()
        if name == "fromJSON" and len(arguments) == 1:
            return json.loads(to_text(arguments[0]))
        raise ExpressionProblem(f"unknown function {name} with {len(arguments)} arguments")

    def find(self, path: list[str]) -> Value:
        """The value of ``a.b.c``; an unknown name is a problem, except for outputs and secrets."""
        value: Value = self._values
        for position, name in enumerate(path):
            if isinstance(value, Mapping) and name in value:
                value = value[name]
            elif OPEN & set(path[:position]):
                return None
            else:
                raise ExpressionProblem(f"unknown name {'.'.join(path[: position + 1])}")
        return value


def evaluate(expression: str, contexts: Contexts) -> Value:
    """The value of an expression without ``${{ }}``."""
    parser = _Parser(expression, contexts)
    value = parser.read_or()
    parser.expect_end()
    return value


def fill(template: Value, contexts: Contexts) -> Value:
    """A value of a workflow with its expressions replaced. One that is only an expression keeps its type."""
    if not isinstance(template, str):
        return template
    whole = _EMBEDDED.fullmatch(template)
    if whole and "${{" not in whole[1]:
        return evaluate(whole[1], contexts)
    return _EMBEDDED.sub(lambda found: to_text(evaluate(found[1], contexts)), template)


def is_met(condition: str | None, contexts: Contexts) -> bool:
    """Whether an ``if`` is met. Without a status function it also needs the success of everything before."""
    inner = "success()" if condition is None else condition.strip()
    if inner.startswith("${{") and inner.endswith("}}"):
        inner = inner[3:-2]
    if not any(f"{name}()" in inner for name in STATUS_FUNCTIONS):
        inner = f"success() && ({inner})"
    return is_true(evaluate(inner, contexts))


def is_true(value: Value) -> bool:
    """Whether a value counts as true: not null, false, 0 or an empty text."""
    return value not in (None, False, 0, "") and not (isinstance(value, float) and math.isnan(value))


def to_text(value: Value) -> str:
    """A value inside of a text."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    if not isinstance(value, str):
        raise ExpressionProblem(f"{type(value).__name__} in a text")
    return value


def is_equal(left: Value, right: Value) -> bool:
    """Texts without case; values of different types as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        raise ExpressionProblem("a list or an object is compared")
    return _to_number(left) == _to_number(right)


def _to_number(value: Value) -> float:
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    if isinstance(value, str):
        try:
            return float(value.strip() or 0)
        except ValueError:
            return math.nan
    return math.nan


class _Parser:
    """Reads from left to right and computes at once; both sides of ``&&`` and ``||`` are computed."""

    def __init__(self, expression: str, contexts: Contexts) -> None:
        self._text, self._position, self._contexts = expression, 0, contexts

    def _next(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._position)

    def _take(self, *signs: str) -> str | None:
        found = self._next()
        if found is None or found["sign"] not in signs:
            return None
        self._position = found.end()
        return found["sign"]

    def expect_end(self) -> None:
        """ExpressionProblem if something is left."""
        if self._text[self._position :].strip():
            raise ExpressionProblem(f"cannot read {self._text[self._position :]!r} of {self._text!r}")

    def read_or(self) -> Value:
        """``a || b``: the first that counts as true, else the last."""
        value = self._read_and()
        while self._take("||"):
            right = self._read_and()
            value = value if is_true(value) else right
        return value

    def _read_and(self) -> Value:
        value = self._read_comparison()
        while self._take("&&"):
            right = self._read_comparison()
            value = right if is_true(value) else value
        return value

    def _read_comparison(self) -> Value:
        value = self._read_not()
        while sign := self._take("==", "!="):
            value = is_equal(value, self._read_not()) == (sign == "==")
        return value

    def _read_not(self) -> Value:
        return not is_true(self._read_not()) if self._take("!") else self._read_single()

    def _read_single(self) -> Value:
        if self._take("("):
            value = self.read_or()
            self._expect(")")
            return value
        found = self._next()
        if found is None or found["sign"]:
            raise ExpressionProblem(f"cannot read {self._text[self._position :]!r} of {self._text!r}")
        self._position = found.end()
        if found["text"]:
            return found["text"][1:-1].replace("''", "'")
        return float(found["number"]) if found["number"] else self._read_name(found["name"])

    def _read_name(self, name: str) -> Value:
        if name in _WORDS:
            return _WORDS[name]
        if self._take("("):
            return self._contexts.call(name, self._read_arguments())
        path = [name]
        while self._take("."):
            found = self._next()
            if found is None or not found["name"]:
                raise ExpressionProblem(f"no name after the dot in {self._text!r}")
            self._position = found.end()
            path.append(found["name"])
        return self._contexts.find(path)

    def _read_arguments(self) -> list[Value]:
        arguments: list[Value] = []
        while not self._take(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.read_or())
        return arguments

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ExpressionProblem(f"{sign} expected at {self._text[self._position :]!r} of {self._text!r}")
