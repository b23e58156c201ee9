"""Field changes of one image -> PATCH requests, each read back. Does I/O through a backend.

The service has no locks: it answers 2xx to an update that a concurrent one overwrites, and an answer can get lost after
the update was saved. So only the image as it is read afterwards says what was saved, never the answer. Every PATCH that
the executor sends goes through this module.
"""

from typing import Final

from imagesync.backends.base import Backend, UpdateFields
from imagesync.errors import BackendError, Unavailable
from imagesync.model.catalog import Status
from imagesync.model.image import LiveImage

MAX_WRITES: Final = 3
"""PATCH requests for one update, the repeats included."""


class Writes:
    """Writes to the images of one backend; safe for threads as long as each image has one writer."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def update(self, image_id: str, attrs: UpdateFields, *, known: LiveImage | None = None) -> LiveImage:
        """Make an image have ``attrs``; return it as it was read after the last write.

        ``known`` is the image as it was last read: then only what it lacks is sent (each operation of a PATCH costs the
        service 10 ms). Raises Unavailable if the image still lacks something and a PATCH got no answer (it may still
        arrive), BackendError if the service answered and yet did not keep the update, any other error of the backend
        at once, unless an earlier PATCH that got no answer made the image as wanted.
        """
        lacking = attrs if known is None else select_lacking(known, attrs)
        unanswered: Unavailable | None = None
        for _ in range(MAX_WRITES):
            try:
                unanswered = self._send(image_id, lacking) or unanswered
            except BackendError:
                if unanswered is None or select_lacking(self._read(image_id), attrs):
                    raise
            image = self._read(image_id)
            lacking = select_lacking(image, attrs)
            if not lacking:
                return image
        names = ", ".join(_list_names(lacking))
        raise unanswered or BackendError(
            f"image {image_id}: the service did not keep the update of {names}", "run apply again"
        )

    def unprotect(self, image_id: str) -> None:
        """Allow the deletion of an image. Not read back: the service refuses to delete one that is still protected."""
        self._send(image_id, {"protected": False})

    def change_status(self, image_id: str, status: Status) -> None:
        """Deactivate an image, or make it active again; BackendError if it then has another status."""
        change = self._backend.deactivate if status is Status.DEACTIVATED else self._backend.reactivate
        unanswered: Unavailable | None = None
        try:
            change(image_id)
        except Unavailable as error:
            unanswered = error
        check_status(self._read(image_id), status, unanswered)

    def _send(self, image_id: str, attrs: UpdateFields) -> Unavailable | None:
        """Send one PATCH; return the error if no answer says whether it was saved."""
        try:
            self._backend.update_image(image_id, **attrs)
        except Unavailable as error:
            return error
        return None

    def _read(self, image_id: str) -> LiveImage:
        (image,) = self._backend.images(image_id)
        return image


def select_lacking(image: LiveImage, attrs: UpdateFields) -> UpdateFields:
    """Return the part of an update that the image does not have; empty if it has everything."""
    lacking: dict[str, object] = {
        name: value
        for name, value in attrs.items()
        if name not in ("properties", "tags") and getattr(image, name) != value
    }
    if "tags" in attrs and set(attrs["tags"]) != image.tags:
        lacking["tags"] = attrs["tags"]
    properties = {
        name: value for name, value in attrs.get("properties", {}).items() if image.properties.get(name) != value
    }
    if properties:
        lacking["properties"] = properties
    return lacking  # type: ignore[return-value]  # a part of an update


def check_status(image: LiveImage, wanted: Status, unanswered: Unavailable | None = None) -> None:
    """Raise ``unanswered``, or BackendError, if an image has another status than the one it was just given."""
    if image.status is not wanted:
        raise unanswered or BackendError(
            f"image {image.id} is {image.status.value}, not {wanted.value}, after the change", "run apply again"
        )


def _list_names(attrs: UpdateFields) -> list[str]:
    """Names of fields and properties, for a message."""
    return [*(name for name in attrs if name != "properties"), *attrs.get("properties", {})]
