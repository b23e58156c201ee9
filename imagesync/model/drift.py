"""What other users changed on owned images, as values. No I/O."""

from dataclasses import dataclass
from enum import StrEnum

from imagesync.model.image import Identity
from imagesync.model.plan import Value


class Remedy(StrEnum):
    """What restores a drifted value.

    ``drift-only``: ``apply --drift-only``. ``apply``: a plain apply, because the manifest declares another value by now,
    or because the image must be made again. ``reactivate``: ``apply --reactivate``. ``none``: no apply restores it,
    because the manifest no longer has the key or the value.
    """

    DRIFT_ONLY = "drift-only"
    APPLY = "apply"
    REACTIVATE = "reactivate"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Drift:
    """One value of a published image that differs from what imagesync wrote.

    ``path`` is a path of ``FieldChange``, ``("status",)``, ``("content",)`` (digests of the data), or ``("image",)`` if
    the image no longer exists; then ``image_id`` is None. A removed tag or member is one value each, with ``now`` None.
    ``was`` is what imagesync wrote; the record of an image keeps only hashes, so it may be unknown (``is_was_known``).
    ``updated``: the time of the last change of the image by the service's clock, whatever it was; empty if unknown.
    """

    key: str
    image_id: str | None
    path: tuple[str, ...]
    was: Value
    now: Value
    remedy: Remedy
    is_was_known: bool = True
    updated: str = ""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The drift of a catalog, sorted by key.

    ``checked``: the published images that were compared. ``unknown``: declared keys without an image for which no
    record shows whether an apply ever made one.
    """

    found: tuple[Drift, ...]
    checked: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceDrift:
    """The drift of a catalog at the place ``here``."""

    report: DriftReport
    here: Identity
