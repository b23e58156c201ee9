"""What happened: the outcome of each step, the report of a run, and the events on the way. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from imagesync.model.plan import Create, Fate, Plan, Step


class Outcome(StrEnum):
    """How a step ended.

    ``deferred``: the service refused a DELETE because the image is in use; it stays and is tried again next run.
    ``skipped``: a step that it needs did not succeed. ``interrupted``: the run was stopped while it ran; nothing of it is
    visible. ``not-started``: the run was stopped before its turn.
    """

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True)
class Performed:
    """What performing a step gave: the image it is about, bytes sent, and a remark where one is due."""

    image_id: str
    outcome: Outcome = Outcome.DONE
    bytes_sent: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended. ``cause`` is the id of the failed step for a skipped one; ``seconds`` of wall time."""

    step: Step
    outcome: Outcome
    image_id: str | None = None
    error: str = ""
    cause: str | None = None
    seconds: float = 0.0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """Every step of a plan with its result, in plan order.

    ``leftover`` names what the final listing still found; ``stopped`` says why no further step was started, other than
    for an interruption.
    """

    plan: Plan
    results: tuple[StepResult, ...]
    interrupted: bool = False
    bug: str = ""
    leftover: tuple[str, ...] = ()
    stopped: str = ""

    @property
    def succeeded(self) -> bool:
        """True where everything that is wanted was done: deferred deletions count as done."""
        return self.is_carried_out and not self.plan.errors

    @property
    def is_carried_out(self) -> bool:
        """Whether every step of the plan was done."""
        good = (Outcome.DONE, Outcome.DEFERRED)
        ended = not (self.interrupted or self.stopped or self.leftover)
        return ended and all(result.outcome in good for result in self.results)


def list_waiting_candidates(report: Report) -> dict[str, str]:
    """The candidates that the next whole plan publishes, by key: those that were there, and those of this run."""
    waiting = {one.key: one.image_id for one in report.plan.candidates if one.fate is Fate.WAITING}
    for result in report.results:
        if isinstance(result.step.action, Create) and result.step.action.stage and result.outcome is Outcome.DONE:
            waiting[result.step.action.key] = result.image_id or ""
    return dict(sorted(waiting.items()))


def list_rejected_candidates(report: Report) -> dict[str, list[str]]:
    """The candidates that stay unpublished because an operator rejected their build, by key."""
    found: dict[str, list[str]] = {}
    for one in report.plan.candidates:
        if one.fate is Fate.REJECTED:
            found.setdefault(one.key, []).append(one.image_id)
    return found


@dataclass(frozen=True, slots=True)
class Started:
    """A step began."""

    step: Step


@dataclass(frozen=True, slots=True)
class Transferred:
    """How much of an image's data was moved, in bytes: ``sent`` to the service, of ``total``; ``read`` from the source, of
    ``source_total``. A total is None if it is not known. The two differ for packed sources."""

    sent: int
    total: int | None = None
    read: int = 0
    source_total: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """This much of a step's data is with the service now. It is less than before if the upload begins again."""

    step: Step
    amount: Transferred


Advance: TypeAlias = Callable[[Transferred], None]
"""Hears how far the transfer of a step is."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A step ended."""

    result: StepResult


Event: TypeAlias = Started | Progress | Finished
