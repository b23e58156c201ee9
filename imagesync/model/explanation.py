"""Why the image of a key is as it is, as a value. No I/O."""

from dataclasses import dataclass
from enum import StrEnum

from imagesync.model.catalog import ImageSpec
from imagesync.model.drift import Drift
from imagesync.model.image import LiveImage
from imagesync.model.listing import Entry, Standing
from imagesync.model.plan import Candidate, FieldChange, Kept, Plan
from imagesync.model.record import Record


class ContentState(StrEnum):
    """How the data of a build compares with the declared content.

    ``unknown``: no known digest can be compared with a declared one. ``tampered``: the service holds other data than
    imagesync published. ``missing``: the service does not have all of the data.
    """

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    TAMPERED = "tampered"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Build:
    """One build of the key, with its record.

    ``content``: None if the key is not declared. ``drift``: what other users changed; only of the current build.
    ``changes``: the fields for which the manifest declares another value by now. ``steps``: the ids of the steps of the next apply that
    write to it. ``kept``, ``candidate``: why it stays, or what happens to a candidate.
    """

    image: LiveImage
    record: Record
    content: ContentState | None = None
    drift: tuple[Drift, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    steps: tuple[str, ...] = ()
    kept: Kept | None = None
    candidate: Candidate | None = None

    @property
    def standing(self) -> Standing:
        """Current, candidate, retired or deleting."""
        return Entry(self.image).standing


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one key.

    ``spec``: its declaration; None if the manifest does not have the key. ``builds``: current, candidates, retired (the
    last retired first), and those that an earlier run began to delete. ``plan``: the part of the next plan that is about
    the key; None if there is no plan. ``refusals``: why the whole plan is refused.
    """

    key: str
    spec: ImageSpec | None
    builds: tuple[Build, ...]
    plan: Plan | None
    refusals: tuple[str, ...] = ()
