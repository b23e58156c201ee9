"""The targets of one run as values: the plan of each, and how its run ended. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from imagesync.errors import Diagnostic
from imagesync.model.plan import Plan
from imagesync.model.report import Report


class TargetOutcome(StrEnum):
    """How the run of one target ended.

    ``unchanged``: nothing was to do. ``failed``: also a target that could not be reached, or whose plan was refused.
    ``lost``: another run took the lease, or the worker of a fleet was lost. ``interrupted``: a signal ended it.
    ``not-started``: its wave did not begin, or the run ended before its first step.
    """

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    LOST = "lost"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not-started"

    @property
    def words(self) -> str:
        """For people: ``not started``."""
        return self.value.replace("-", " ")

    @property
    def is_success(self) -> bool:
        """Whether the target is as the manifest says."""
        return self in (TargetOutcome.DONE, TargetOutcome.UNCHANGED)


def judge_run(report: Report | None, error: str = "", *, interrupted: bool = False) -> TargetOutcome:
    """How a run ended. ``report`` None: no step was to do, or ``error`` says why none was started."""
    if report is not None:
        succeeded, is_interrupted = report.succeeded and not error, report.interrupted or interrupted
        return judge_end(is_interrupted, report.stopped, succeeded=succeeded, has_steps=bool(report.results))
    if interrupted:
        return TargetOutcome.INTERRUPTED
    return TargetOutcome.NOT_STARTED if error else TargetOutcome.UNCHANGED


def judge_end(is_interrupted: bool, stopped: str | None, *, succeeded: bool, has_steps: bool) -> TargetOutcome:
    """How a run with a report ended; the arguments are those of ``Report``, or of its JSON."""
    if is_interrupted:
        return TargetOutcome.INTERRUPTED
    if stopped:
        return TargetOutcome.LOST
    if not succeeded:
        return TargetOutcome.FAILED
    return TargetOutcome.DONE if has_steps else TargetOutcome.UNCHANGED


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """The plan of one target. ``wave``: see the manifest's ``targets.NAME.wave``.

    ``refusals``: why the policy refuses the plan. ``plan`` is None if it could not be made; ``problems`` say why.
    """

    target: str
    plan: Plan | None
    refusals: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    wave: int = 0


@dataclass(frozen=True, slots=True)
class TargetRun:
    """The run of one target. ``ids``: the current image of each key after it.

    ``report`` is None if no step was to do, or if the run did not come so far; ``problems`` then say why.
    """

    target: str
    outcome: TargetOutcome
    report: Report | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()
    wave: int = 0
