"""The result of a run as values: the outcome of each step, the report, and the events during the run. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from imagesync.model.plan import Create, Fate, Plan, Step


class Outcome(StrEnum):
    """How a step ended.

    ``deferred``: the image is marked for deletion but not deleted, for example because it is in use; the next run tries
    again. ``skipped``: a step that it needs did not succeed. ``interrupted``: the run was stopped during the step, and
    users see no result of it. ``not-started``: the run was stopped before the step.
    """

    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not-started"

    @property
    def words(self) -> str:
        """For people: ``not started``."""
        return self.value.replace("-", " ")


@dataclass(frozen=True, slots=True)
class Performed:
    """The result of performing a step: its image, the sent bytes, and a remark for the user, which may be empty."""

    image_id: str
    outcome: Outcome = Outcome.DONE
    bytes_sent: int = 0
    remark: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step ended. ``cause``: for a skipped step, the id of the failed step. ``seconds``: of wall time."""

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

    ``leftover``: the differences that the final listing found. ``stopped``: why no further step was started, if not
    because of an interruption.
    """

    plan: Plan
    results: tuple[StepResult, ...]
    interrupted: bool = False
    bug: str = ""
    leftover: tuple[str, ...] = ()
    stopped: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether every step was done and no key has an error; a deferred deletion counts as done."""
        return self.is_carried_out and not self.plan.errors

    @property
    def is_carried_out(self) -> bool:
        """Whether every step of the plan was done and the final listing found no difference."""
        good = (Outcome.DONE, Outcome.DEFERRED)
        ended = not (self.interrupted or self.stopped or self.leftover)
        return ended and all(result.outcome in good for result in self.results)


def list_waiting_candidates(report: Report) -> dict[str, str]:
    """The candidates that the next whole plan publishes, by key: earlier ones, and those of this run."""
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
    """How much of an image's data was transferred, in bytes.

    ``sent`` of ``total`` to the service, ``read`` of ``source_total`` from the source. These differ for packed sources.
    An unknown total is None.
    """

    sent: int
    total: int | None = None
    read: int = 0
    source_total: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a step's transfer. It is less than before if the upload starts again."""

    step: Step
    amount: Transferred


Advance: TypeAlias = Callable[[Transferred], None]
"""Called with the progress of a step's transfer."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A step ended."""

    result: StepResult


Event: TypeAlias = Started | Progress | Finished
