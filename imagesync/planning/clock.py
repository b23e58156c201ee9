"""The times of several clocks -> the time that a plan uses. Pure.

A deletion because of age is permanent. So the earliest clock counts, and if the clocks differ too much, no image is
deleted because of its age. The time of a retirement is that of the middle clock: one wrong clock of three does not
change it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from imagesync.model.plan import Delete, Plan, Reason, Step, Update

_BY_AGE: Final = frozenset({Reason.EXPIRED, Reason.OUTDATED})
MAX_DIFFERENCE: Final = timedelta(minutes=10)
"""Clocks that differ by more are not used to delete images."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The ``times`` of one or more clocks; ``difference`` names the clocks that differ too much."""

    times: tuple[datetime, ...]
    difference: str = ""

    @property
    def problem(self) -> str:
        """Why nothing is deleted because of its age; empty if the clocks agree."""
        text = f"{self.difference}: nothing is deleted because of its age; correct the clock that is wrong"
        return text if self.difference else ""

    @property
    def earliest(self) -> datetime:
        """The earliest of the times."""
        return min(self.times)

    @property
    def middle(self) -> datetime:
        """The median of the times; the later one of two, which keeps an image longer."""
        return sorted(self.times)[len(self.times) // 2]

    @property
    def latest(self) -> datetime:
        """The latest of the times."""
        return max(self.times)


def read_clocks(here: datetime, services: Mapping[str, datetime]) -> Clock:
    """The clock of this host (``here``) together with those of services, by name; all times have a zone.

    The sentence about a difference contains no times, so two plans of the same state are the same.
    """
    clock = Clock((here, *services.values()))
    if clock.latest - clock.earliest <= MAX_DIFFERENCE:
        return clock
    return Clock(clock.times, _describe(here, services))


def date_plan(steps: Iterable[Step], clock: Clock) -> str:
    """``made`` of a plan with these steps: the earliest time in ISO 8601, or empty if no step depends on a day or age."""
    return clock.earliest.astimezone(UTC).isoformat(timespec="seconds") if any(map(is_dated, steps)) else ""


def find_untimely_steps(plan: Plan, clock: Clock) -> list[str]:
    """One sentence for each step of a saved plan that is due by a day or age, if the clocks do not confirm that.

    They do not if they differ now, or if they are earlier than ``plan.made``: then the plan was made with a wrong clock.
    """
    dated = [step for step in plan.steps if is_dated(step)]
    if clock.difference:
        late = f"{clock.difference}: it is not certain that the image has expired; correct the clock that is wrong"
        return [f"{step.id}: {clock.problem if isinstance(step.action, Delete) else late}" for step in dated]
    if plan.made and datetime.fromisoformat(plan.made) - clock.earliest > MAX_DIFFERENCE:
        why = f"the plan is dated {plan.made}, which is in the future; correct the clock of the host that made it"
        return [f"{step.id}: {why}" for step in dated]
    return []


def is_dated(step: Step) -> bool:
    """Whether a step is due because of a day (``expires``) or an age (``delete_after``)."""
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return step.reason in _BY_AGE or any(change.reason is Reason.EXPIRED for change in changes)


def _describe(here: datetime, services: Mapping[str, datetime]) -> str:
    minutes = f"more than {MAX_DIFFERENCE.seconds // 60} minutes"
    for name, time in sorted(services.items()):
        if abs(here - time) > MAX_DIFFERENCE:
            return f"the clock of this host is {minutes} {'ahead of' if here > time else 'behind'} that of {name}"
    return f"the clocks of {' and '.join(sorted(services))} differ by {minutes}"
