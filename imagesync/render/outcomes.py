"""The results of steps -> the result of a row. Pure."""

from collections.abc import Mapping
from typing import Final

from imagesync.model.report import Outcome, StepResult
from imagesync.render.blocks import Row
from imagesync.text import make_printable

WORST: Final = (
    *(Outcome.FAILED, Outcome.INTERRUPTED, Outcome.SKIPPED),
    *(Outcome.DEFERRED, Outcome.NOT_STARTED, Outcome.DONE),
)
"""Outcomes; that of a row is the first one that a step of it has."""


def find_outcome(row: Row, results: Mapping[str, StepResult]) -> Outcome:
    """The worst outcome of the steps of a row. ``results``: by the id of the step."""
    outcomes = {results[step].outcome for step in row.steps if step in results} or {Outcome.NOT_STARTED}
    return next(outcome for outcome in WORST if outcome in outcomes)


def list_step_errors(row: Row, results: Mapping[str, StepResult]) -> tuple[str, ...]:
    """The errors of the steps of a row, printable, each once."""
    errors = (result.error for step in row.steps if (result := results.get(step)))
    return tuple(dict.fromkeys(make_printable(error) for error in errors if error))
