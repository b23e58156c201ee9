"""An image in another project -> what proves its content. Pure.

The owner of an image can write any of its properties, and can replace the image by another one. So before imagesync
publishes, promotes or adopts such an image, it does not believe the digests of its record. It believes the service's own
hash, if the service's stores cannot change the data later. Otherwise it reads the data back and compares it with the
declared digest.
"""

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from imagesync.model.catalog import Content, ImageSpec, Visibility
from imagesync.model.image import Capabilities, LiveImage
from imagesync.model.record import Managed
from imagesync.planning.generations import Owned, is_stored_as_published

_RANKS: Final = {Visibility.PRIVATE: 0, Visibility.SHARED: 1, Visibility.COMMUNITY: 2, Visibility.PUBLIC: 3}


class Trust(Enum):
    """What proves that an image holds the declared content."""

    GIVEN = auto()
    """No proof is needed: the image is in the session's own project, or the manifest declares no content."""
    HASH = auto()
    """The service's own hash equals the declared digest, and the service's stores cannot change the data."""
    DATA = auto()
    """Only the data itself: it must be read back."""
    NOTHING = auto()
    """Nothing: no digest is declared, or the service stores other bytes than the digest is of."""


def judge(spec: ImageSpec, owned: Owned, project: str, able: Capabilities | None) -> Trust:
    """What proves that an image holds the content that its key declares; ``project`` is the session's.

    ``able`` None: the capabilities of the service are unknown, so its hash proves nothing.
    """
    if owned.image.is_in_project(project) or spec.source in (Content.UNMANAGED, Content.NO_DATA):
        return Trust.GIVEN
    declared = spec.fingerprint.digests
    if not declared or not is_stored_as_published(spec, owned):
        return Trust.NOTHING
    strongest = spec.fingerprint.strongest
    is_confirmed = strongest is not None and owned.image.digests.get(strongest.algorithm) == strongest.value
    return Trust.HASH if is_confirmed and able is not None and able.hash_is_final else Trust.DATA


def is_made_visible(spec: ImageSpec, image: LiveImage) -> bool:
    """Whether the declared visibility lets more users see an image than see it now."""
    return is_shown_to_more(image, spec.visibility, hidden=bool(spec.hidden))


def is_shown_to_more(image: LiveImage, visibility: Visibility | None, *, hidden: bool) -> bool:
    """Whether ``visibility`` (None: the present one) and ``hidden`` let more users see an image than see it now."""
    wider = visibility is not None and _RANKS[visibility] > _RANKS[image.visibility]
    return wider or (image.hidden and not hidden)


def believe_history(managed: Managed, image: LiveImage, project: str) -> Managed:
    """The managed values; without the earlier visibility if the image is in another project.

    Its owner could forge an earlier visibility of public. Only the manifest may make such an image visible.
    """
    if image.is_in_project(project):
        return managed
    return replace(managed, before={name: value for name, value in managed.before.items() if name != "visibility"})


def note_read_back(spec: ImageSpec, image: LiveImage, able: Capabilities | None) -> str:
    """A note that the data is read back, and what that proves."""
    proof = (
        ""
        if able is not None and able.hash_is_final
        else "; this proves its content at that moment only, see docs/how-it-decides.md"
    )
    return (
        f"{spec.key}: image {image.id} is in project {image.owner}, which may have changed it; apply first reads its data "
        f"back and compares it with the declared checksum{proof}"
    )
