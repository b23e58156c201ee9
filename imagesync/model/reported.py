"""What JSON reports say about the runs of targets. No I/O.

A report has the steps of a run and no fields of images. Therefore these values are less than a ``TargetRun``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagesync.errors import Diagnostic
from imagesync.model.image import Identity
from imagesync.model.report import Outcome
from imagesync.model.targets import TargetOutcome


@dataclass(frozen=True, slots=True)
class ReportedStep:
    """How one step ended; ``action``: create, update, deactivate, reactivate or delete. ``error``: see ``StepResult``."""

    id: str
    action: str
    key: str
    outcome: Outcome
    image_id: str
    error: str
    cause: str
    seconds: float
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """The run of one target, as a report has it. ``problems``: of the target; ``errors``: of keys without steps.

    ``document``: the JSON of the report, ``here``: its place; None if the run did not come so far. ``stopped``,
    ``leftover``, ``notes``: see ``Report``; empty without a report.
    """

    target: str
    outcome: TargetOutcome
    wave: int = 0
    problems: tuple[Diagnostic, ...] = ()
    steps: tuple[ReportedStep, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    leftover: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: str = ""
    here: Identity | None = None
    document: Mapping[str, Any] | None = None
