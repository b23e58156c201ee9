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
    ``lost``: another run took the lease. ``interrupted``: a signal ended it. ``not-started``: its wave did not begin, or
    the run ended before its first step.
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
    if interrupted or (report is not None and report.interrupted):
        return TargetOutcome.INTERRUPTED
    if report is None:
        return TargetOutcome.NOT_STARTED if error else TargetOutcome.UNCHANGED
    if report.stopped:
        return TargetOutcome.LOST
    if error or not report.succeeded:
        return TargetOutcome.FAILED
    return TargetOutcome.DONE if report.results else TargetOutcome.UNCHANGED


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
