"""An import or a copy that the service carries out -> its start, the wait for its end, and its error. Does I/O."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Unpack

from imagesync.backends.base import Backend, ImportFields
from imagesync.errors import BackendError, Forbidden, RunStopped, Unavailable
from imagesync.model.catalog import Method, Status
from imagesync.model.image import COPY, LiveImage
from imagesync.model.urls import redact_url

CHECKS: Final[Mapping[str, str]] = {
    Method.WEB_DOWNLOAD.value: "check that the service can reach this URL, and that the URL serves the whole file",
    Method.GLANCE_DIRECT.value: "check the free space of the service's stores and staging area, and its log",
    COPY: "check that store, its free space, and the service's log",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an import; all in seconds.

    The interval between requests grows from ``first`` to ``longest``. The import counts as failed if it made no visible
    progress for ``limit``: one hour, after which the service itself aborts an import.
    """

    first: float = 0.2
    longest: float = 5.0
    limit: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Imports:
    """The imports of one backend; safe for threads, one at a time for an image."""

    def __init__(
        self, backend: Backend, patience: Patience | None = None, *, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._backend, self._patience, self._is_stopped = backend, patience or Patience(), is_stopped

    def run(self, image_id: str, method: Method, **options: Unpack[ImportFields]) -> None:
        """Import until the image is active; BackendError with the reason if it fails."""
        done = _describe(options)
        try:
            self._begin(image_id, method.value, options)
        except BackendError as error:
            message = f"image {image_id}: the service refused to {done}: {error.message}"
            raise type(error)(message, error.hint or CHECKS[method.value]) from error
        image = self.wait_until_settled(image_id)
        if image.status is not Status.ACTIVE:
            raise self._explain_failure(image, f"could not {done}", CHECKS[method.value])

    def copy(self, image_id: str, stores: Sequence[str]) -> None:
        """Copy an active image to these stores as well; a copy that is already running is waited for."""
        image = self.wait_until_settled(image_id)
        lacking = [store for store in stores if store not in image.stores]
        if not lacking:
            return
        done = f"copy it to {', '.join(lacking)}"
        try:
            self._begin(image_id, COPY, {"stores": lacking})
        except Forbidden as error:
            message = f"image {image_id}: the service does not let this user {done}: {error.message}"
            raise Forbidden(message, "apply as an admin, or declare only one store") from error
        image = self.wait_until_settled(image_id)
        if set(lacking) - set(image.stores):
            raise self._explain_failure(image, f"could not {done}", CHECKS[COPY])

    def wait_until_settled(self, image_id: str) -> LiveImage:
        """Wait until no import of the image is running; return the image.

        BackendError if an import makes no progress for ``Patience.limit``, RunStopped if the run was canceled.
        """
        patience, pause = self._patience, self._patience.first
        seen, since = "", patience.clock()
        while True:
            image = self._backend.images(image_id)[0]
            if not (image.importing or self._is_awaited(image)):
                return image
            signs = self._read_signs(image)
            if signs != seen:
                seen, since = signs, patience.clock()
            elif patience.clock() - since >= patience.limit:
                text = (
                    f"the import of image {image_id} ({image.status.value}) made no progress for {patience.limit:.0f} s"
                )
                raise BackendError(text, "ask the cloud's operator about this import, then run apply again")
            if self._is_stopped():
                raise RunStopped
            patience.sleep(pause)
            pause = min(pause * 1.5, patience.longest)

    def _is_awaited(self, image: LiveImage) -> bool:
        """Whether the service accepted an import that no worker has started yet: the image does not show it."""
        if image.status in (Status.ACTIVE, Status.DEACTIVATED):
            return False
        tasks = self._backend.import_tasks(image.id)
        return bool(tasks) and tasks[-1].unfinished

    def _read_signs(self, image: LiveImage) -> str:
        tasks = self._backend.import_tasks(image.id)
        return repr((image.status, image.updated_at, sorted(image.service.items()), image.stores, tasks[-1:]))

    def _begin(self, image_id: str, method: str, options: ImportFields) -> None:
        """Send one POST. If it gets no answer, the image shows whether it arrived."""
        try:
            self._backend.import_image(image_id, method, **options)
        except Unavailable:
            image = self._backend.images(image_id)[0]
            if not (image.importing or self._is_awaited(image) or (method != COPY and image.status is Status.ACTIVE)):
                raise

    def _explain_failure(self, image: LiveImage, what: str, hint: str) -> BackendError:
        tasks = self._backend.import_tasks(image.id)
        reason = tasks[-1].message.strip(" .") if tasks and tasks[-1].message else "no reason given"
        stores = f"; failed in {', '.join(image.failed_stores)}" if image.failed_stores else ""
        return BackendError(f"image {image.id}: the service {what}: {reason}{stores}", hint)


def _describe(options: ImportFields) -> str:
    """The work of an import, for a message that begins with "the service could not"."""
    where = " into all stores" if options.get("all_stores") else ""
    if stores := options.get("stores"):
        where = f" into {', '.join(stores)}"
    return f"fetch {redact_url(options['uri'])}{where}" if "uri" in options else f"import the staged data{where}"
