"""What is believed of the content of an image in another project. Pure.

The owner of an image may write any property of it, and may delete it and make another one in its place. So no digest that
a record names is believed before such an image is published, promoted or adopted: only the service's own hash of the
data, where the service can be relied on for it, or the data itself, read back and compared with what the manifest declares.
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
    """What shows that an image holds the declared content."""

    GIVEN = auto()
    """It lies in the session's own project, or the manifest declares no content."""
    HASH = auto()
    """The service's own hash is the declared one, and the data behind it cannot be exchanged."""
    DATA = auto()
    """Only the data itself, which has to be read back."""
    NOTHING = auto()
    """The declared digest is not of the bytes that the service stores, or there is none."""


def judge(spec: ImageSpec, owned: Owned, project: str, able: Capabilities | None) -> Trust:
    """What shows that an image holds the content that its key wants; ``project`` is the session's.

    ``able`` None: nothing is known of the service, and its hash is not relied on.
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
    """Whether the manifest wants an image to be seen by more users than see it now."""
    return is_shown_to_more(image, spec.visibility, hidden=bool(spec.hidden))


def is_shown_to_more(image: LiveImage, visibility: Visibility | None, *, hidden: bool) -> bool:
    """Whether an image that gets this visibility (None: keeps its own) is seen by more users than see it now."""
    wider = visibility is not None and _RANKS[visibility] > _RANKS[image.visibility]
    return wider or (image.hidden and not hidden)


def believe_history(managed: Managed, image: LiveImage, project: str) -> Managed:
    """The managed values, without an earlier visibility if the image is in another project. Its owner could forge that
    it was public once. Only the manifest makes an image of another project visible.
    """
    if image.is_in_project(project):
        return managed
    return replace(managed, before={name: value for name, value in managed.before.items() if name != "visibility"})


def note_read_back(spec: ImageSpec, image: LiveImage, able: Capabilities | None) -> str:
    """That the data is read back, and what that proves."""
    proof = (
        ""
        if able is not None and able.hash_is_final
        else " That proves it for that moment only: see docs/how-it-decides.md"
    )
    return (
        f"{spec.key}: image {image.id} lies in project {image.owner}, which may have changed it; its data is read back and "
        f"compared with the declared checksum first.{proof}"
    )
