"""The part of a plan that is about one key, as a value; and step ids. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagesync.model.plan import Action, Create, Kept, Reason, Step


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The part of a plan that is about one key.

    ``notes``: sentences for the reader of the plan. ``refusals``: sentences that forbid the whole plan. ``kept``: the
    superseded images that stay.
    """

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()


def make_step(action: Action, reason: Reason, needs: Sequence[str] = ()) -> Step:
    """A step; its id is ``KIND:KEY:IMAGE_ID``, or ``create:KEY`` because a create has no image yet.

    A move has its own kind: the same image may also have an update.
    """
    if isinstance(action, Create):
        return Step(create_id(action.key), action, reason, tuple(needs))
    kind = "move" if reason is Reason.MOVED else type(action).__name__.lower()
    return Step(f"{kind}:{action.key}:{action.image_id}", action, reason, tuple(needs))


def create_id(key: str) -> str:
    """The id of the step that creates the image of a key."""
    return f"create:{key}"


def collect_steps(parts: Iterable[KeyPlan]) -> tuple[Step, ...]:
    """All the steps of several keys."""
    return tuple(step for part in parts for step in part.steps)


def collect_refusals(parts: Iterable[KeyPlan]) -> list[str]:
    """All the refusals of several keys."""
    return [sentence for part in parts for sentence in part.refusals]
