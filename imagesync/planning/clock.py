"""What several clocks show -> the time that a plan uses. Pure.

A deletion because of age is permanent, so the earliest of all clocks counts, and if they differ by much nothing is
deleted that way. When an image retires the middle one is noted: one wrong clock of three changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from imagesync.model.plan import Delete, Plan, Reason, Step, Update

_BY_AGE: Final = frozenset({Reason.EXPIRED, Reason.OUTDATED})
MAX_DIFFERENCE: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Clock:
    """What several clocks show, at least one; ``difference`` says which of them differ too much."""

    display: tuple[datetime, ...]
    difference: str = ""

    @property
    def problem(self) -> str:
        """Why nothing is deleted because of its age; empty if the clocks agree."""
        text = f"{self.difference}: nothing is deleted because of its age; correct the clock that is wrong"
        return text if self.difference else ""

    @property
    def earliest(self) -> datetime:
        """By the clock that is last."""
        return min(self.display)

    @property
    def middle(self) -> datetime:
        """The one in the middle; of two the later one, which keeps an image rather longer."""
        return sorted(self.display)[len(self.display) // 2]

    @property
    def latest(self) -> datetime:
        """By the clock that is first."""
        return max(self.display)


def read_clocks(here: datetime, services: Mapping[str, datetime]) -> Clock:
    """The clock of this host and those of services, by name; all with a time zone.

    The sentence about a difference has no times in it, so plans that are made one after the other are the same.
    """
    clock = Clock((here, *services.values()))
    if clock.latest - clock.earliest <= MAX_DIFFERENCE:
        return clock
    return Clock(clock.display, _describe(here, services))


def date_plan(steps: Iterable[Step], clock: Clock) -> str:
    """What ``made`` of a plan with these steps is."""
    return clock.earliest.astimezone(UTC).isoformat(timespec="seconds") if any(map(is_dated, steps)) else ""


def find_untimely_steps(plan: Plan, clock: Clock) -> list[str]:
    """Of a plan that was made earlier: one sentence for each step that is due by its day or age, if the clocks differ now,
    or show an earlier time than the plan was made at: then its maker had a wrong clock."""
    dated = [step for step in plan.steps if is_dated(step)]
    if clock.difference:
        late = f"{clock.difference}: it is not certain that its day has come; correct the clock that is wrong"
        return [f"{step.id}: {clock.problem if isinstance(step.action, Delete) else late}" for step in dated]
    if plan.made and datetime.fromisoformat(plan.made) - clock.earliest > MAX_DIFFERENCE:
        why = f"the plan was made at {plan.made} by its maker's clock, which is later than now; correct that clock"
        return [f"{step.id}: {why}" for step in dated]
    return []


def is_dated(step: Step) -> bool:
    """Whether a step is there because of a day or an age."""
    changes = step.action.changes if isinstance(step.action, Update) else ()
    return step.reason in _BY_AGE or any(change.reason is Reason.EXPIRED for change in changes)


def _describe(here: datetime, services: Mapping[str, datetime]) -> str:
    minutes = f"more than {MAX_DIFFERENCE.seconds // 60} minutes"
    for name, time in sorted(services.items()):
        if abs(here - time) > MAX_DIFFERENCE:
            return f"the clock of this host is {minutes} {'ahead of' if here > time else 'behind'} that of {name}"
    return f"the clocks of {' and '.join(sorted(services))} differ by {minutes}"
