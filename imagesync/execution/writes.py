"""Field changes of one image -> guarded PATCH requests. Does I/O through a backend.

The service has no locks. It may answer 2xx to an update that a concurrent one then overwrites. An answer can get lost
after the update was saved, and a request can arrive late. So every PATCH of an owned image moves its guard
(``model.record.Revision``): it removes the revision that was read and adds the next one with this run's nonce. If
another run wrote meanwhile, the service refuses the whole PATCH. Within one run each image has one writer. One listing
after the last write (``changes.find_altered``) shows whether a part of it was overwritten.

Every PATCH that the executor sends to an image goes through this module.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from imagesync.backends.base import Backend, UpdateFields
from imagesync.errors import BackendError, Conflict, ImagesyncError, Unavailable
from imagesync.execution.alike_names import explain_failure, make_way_for_tags
from imagesync.execution.changes import COMPARED, find_changes, find_unmet
from imagesync.model.catalog import Status
from imagesync.model.fields import read_live_field
from imagesync.model.image import MAX_PROPERTY_BYTES, LiveImage
from imagesync.model.plan import Reliance
from imagesync.model.record import CATALOG, ID, PREFIX, Revision, read_revisions

MAX_WRITES: Final = 3
"""PATCH requests for one update, retries included."""
NOT_MADE: Final = "this run's change was not made"


class Writes:
    """Writes to the images of one backend in one run; safe for threads as long as each image has one writer.

    ``relies``: the values that the plan relied on. Before the first write an image must still have them; before each
    further write it must be as this run left it. ``check_lease`` raises if this run must no longer write. ``nonce``
    identifies the run.
    """

    def __init__(
        self,
        backend: Backend,
        relies: Iterable[Reliance] = (),
        *,
        check_lease: Callable[[], None] = lambda: None,
        nonce: str = "",
    ) -> None:
        self._backend, self.check_lease = backend, check_lease
        self._relies = {reliance.image_id: reliance.values for reliance in relies}
        self.nonce = nonce or uuid4().hex
        self._lock = threading.Lock()
        self._left: dict[str, LiveImage] = {}
        self._reported: set[str] = set()
        self.is_contested = False
        """Whether a write was refused or got no answer: another run may be writing, and a read may change again."""
        self.is_unanswered = False
        """Whether a write got no answer: it may still arrive."""

    def read_unchanged(self, image_id: str) -> LiveImage:
        """Read an image; Conflict if it is not as the plan relied on, or not as this run left it."""
        return self.check_unchanged(self.read(image_id))

    def check_unchanged(self, image: LiveImage, ignored: Sequence[str] = ()) -> LiveImage:
        """Return the image; Conflict if it is not as the plan relied on, or not as this run left it.

        ``ignored``: paths of values that may have changed.
        """
        left, relied = self.find_left(image.id), self._relies.get(image.id, {})
        if changes := find_changes(left, image, ignored) if left else find_unmet(relied, image, ignored):
            raise self.make_conflict(image.id, changes, "nothing more was written to it")
        return image

    def make_conflict(self, image_id: str, changes: Sequence[str], result: str) -> Conflict:
        """Return the error that names the changes of another user or run; the final check does not repeat it."""
        with self._lock:
            self._reported.add(image_id)
        what = "; ".join(changes) or "another run wrote to it"
        text = f"another user or run changed image {image_id}: {what}"
        return Conflict(text, f"{result}; find out who changed it, then run apply again")

    def find_left(self, image_id: str) -> LiveImage | None:
        """Return an image as this run left it; None if this run has not written to it."""
        with self._lock:
            return self._left.get(image_id)

    def leave(self, image: LiveImage) -> LiveImage:
        """Store an image as this run left it; needed after each request other than a PATCH."""
        with self._lock:
            self._left[image.id] = image
        return image

    def forget(self, image_id: str) -> None:
        """Remove the stored image: it was deleted, or the catalog no longer owns it."""
        with self._lock:
            self._left.pop(image_id, None)

    def list_left(self) -> list[LiveImage]:
        """Every image as this run left it, sorted by id, except those that an error already reported as changed."""
        with self._lock:
            return [image for image_id, image in sorted(self._left.items()) if image_id not in self._reported]

    def read(self, image_id: str) -> LiveImage:
        """Read one image."""
        (image,) = self._backend.images(image_id)
        return image

    def update(self, image: LiveImage, attrs: UpdateFields, *, ignored: Sequence[str] = ()) -> LiveImage:
        """Give an image, which was just read, the values ``attrs``; return it as the service then shows it.

        Only differences are sent (each operation of a PATCH costs the service 10 ms). The guard stops only other runs,
        not other users. So the answer is compared with the image that was read, except ``ignored`` paths; if a user
        changed it meanwhile, this change is undone and Conflict is raised. Unavailable if a PATCH got no answer and the
        image does not show it (it may still arrive). BackendError if the service answered and did not keep the update.
        """
        lacking = select_lacking(image, attrs)
        return self._write(image, attrs, lacking, ignored) if lacking else self.leave(image)

    def renew(self, image: LiveImage) -> LiveImage:
        """Move only the guard of an image, which was just read: the service then refuses requests with the old guard.

        Raises the errors of ``update``.
        """
        return self._write(image, {}, {}, ())

    def _write(self, image: LiveImage, attrs: UpdateFields, lacking: UpdateFields, ignored: Sequence[str]) -> LiveImage:
        _check_sizes(image, lacking)
        before, sent = image, set[str]()
        if not read_revisions(image):
            image = self._claim(image)
            sent.add(ID)
        unanswered: Unavailable | None = None
        number = read_revisions(image)[-1].number
        for _ in range(MAX_WRITES):
            self.check_lease()
            number += 1
            sent |= set(_list_names(lacking))
            conflict: Conflict | None = None
            try:
                found = self._backend.update_image(image.id, **_guard(image, lacking, Revision(number, self.nonce)))
            except (Unavailable, Conflict) as error:
                self._note(error)
                unanswered = error if isinstance(error, Unavailable) else unanswered
                conflict = error if isinstance(error, Conflict) else None
                found = self.read(image.id)
            is_same = read_revisions(found) == read_revisions(image)
            if (conflict and is_same) or not (is_same or self._is_mine(found)):
                raise self.make_conflict(image.id, find_changes(before, found), NOT_MADE) from conflict
            if changes := _find_unsent(before, found, [*sent, *ignored]):
                raise self.make_conflict(
                    image.id, changes, NOT_MADE if is_same else self._take_back(before, found, sent)
                )
            lacking, image = select_lacking(found, attrs), found
            if not lacking and self._is_mine(found):
                return self.leave(found)
            lacking = make_way_for_tags(image, lacking, unanswered)
        if unanswered is not None:
            raise explain_failure(image, lacking, unanswered)
        names = ", ".join(_list_names(lacking)) or "its guard"
        raise BackendError(f"image {image.id}: the service did not keep the update of {names}", "run apply again")

    @contextmanager
    def note_unanswered(self) -> Iterator[None]:
        """Run a write request that has no guard; if it gets no answer, store that fact and raise the error."""
        try:
            yield
        except Unavailable as error:
            self._note(error)
            raise

    def _note(self, error: BackendError) -> None:
        self.is_contested = True
        self.is_unanswered = self.is_unanswered or isinstance(error, Unavailable)

    def _take_back(self, before: LiveImage, found: LiveImage, sent: Collection[str]) -> str:
        """Restore the former values of the ``sent`` fields in one PATCH; return the result, for a message."""
        fields = {name: read_live_field(before, name) for name in sent if name in COMPARED}
        properties = {name: before.properties.get(name) for name in sent if name not in (*COMPARED, "tags")}
        attrs: UpdateFields = {**fields, "properties": properties}  # type: ignore[typeddict-item]  # fields that were sent
        if "tags" in sent:
            attrs["tags"] = tuple(sorted(before.tags))
        following = Revision(read_revisions(found)[-1].number + 1, self.nonce)
        try:
            self._backend.update_image(found.id, **_guard(found, select_lacking(found, attrs), following))
        except ImagesyncError as error:
            return f"this run's own change could not be undone: {error.message}"
        return "this run's own change was undone"

    def disown(self, image: LiveImage) -> None:
        """Remove all imagesync properties of an image in one PATCH."""
        names = sorted(name for name in image.properties if name.startswith(PREFIX))
        for number in range(1, MAX_WRITES + 1):
            self.check_lease()
            try:
                self._backend.update_image(image.id, properties=dict.fromkeys(names), required=names)
                break
            except (Unavailable, Conflict) as error:
                self._note(error)
                found = self.read(image.id)
                if not any(name.startswith(PREFIX) for name in found.properties):
                    break
                if isinstance(error, Conflict) or read_revisions(found) != read_revisions(image):
                    raise self.make_conflict(image.id, find_changes(image, found), NOT_MADE) from error
                if number == MAX_WRITES:
                    raise
        self.forget(image.id)

    def change_status(self, image_id: str, status: Status) -> None:
        """Deactivate or reactivate an image; BackendError if it then has another status."""
        before = self.read_unchanged(image_id)
        self.check_lease()
        change = self._backend.deactivate if status is Status.DEACTIVATED else self._backend.reactivate
        unanswered: Unavailable | None = None
        try:
            with self.note_unanswered():
                change(image_id)
        except Unavailable as error:
            unanswered = error
        image = self.read(image_id)
        if changes := find_changes(before, image, ("status",)):
            raise self.make_conflict(image_id, changes, f"it is {image.status.value} now, it was {before.status.value}")
        check_status(image, status, unanswered)
        self.leave(image)

    def change_members(self, image_id: str, removed: Collection[str], added: Collection[str]) -> None:
        """Remove and add members of an image, which was just read or written.

        These requests have no guard, so the image is read again before each further one.
        """
        requests = [(self._backend.remove_member, project) for project in sorted(removed)]
        requests += [(self._backend.add_member, project) for project in sorted(added)]
        for number, (request, project) in enumerate(requests):
            self.check_lease()
            if number:
                self.read_unchanged(image_id)
            with self.note_unanswered():
                request(image_id, project)

    def _claim(self, image: LiveImage) -> LiveImage:
        """Give an image its first guard; Conflict if another run has done so meanwhile.

        The same request writes the image's id: each update replaces the guard, the id stays.
        """
        first = Revision(1, self.nonce)
        binding = {} if ID in image.properties else {ID: image.id}
        self.check_lease()
        try:
            return self._backend.update_image(image.id, properties={first.name: first.nonce, **binding}, absent=True)
        except (Unavailable, Conflict) as error:
            self._note(error)
            found = self.read(image.id)
            if isinstance(error, Unavailable) and not read_revisions(found):
                raise
            if read_revisions(found) != (first,):
                raise self.make_conflict(image.id, find_changes(image, found), NOT_MADE) from error
            return found

    def _is_mine(self, image: LiveImage) -> bool:
        """Whether an image has exactly one guard, of this run."""
        revisions = read_revisions(image)
        return len(revisions) == 1 and revisions[0].nonce == self.nonce


def _check_sizes(image: LiveImage, lacking: UpdateFields) -> None:
    """BackendError if a value is too long for the service's database, which may cut it or save a part of the update."""
    for name, value in lacking.get("properties", {}).items():
        if value is not None and (size := len(value.encode())) > MAX_PROPERTY_BYTES:
            message = f"image {image.id}: property {name} would have {size} bytes; the limit is {MAX_PROPERTY_BYTES}"
            raise BackendError(message, "nothing was written; declare fewer or shorter values, then run apply again")


def _find_unsent(before: LiveImage, found: LiveImage, sent: Collection[str]) -> list[str]:
    """The changes of another user: differences in fields, tags and properties that this run did not send."""
    guards = [revision.name for image in (before, found) for revision in read_revisions(image)]
    return find_changes(before, found, [*sent, *(f"properties.{name}" for name in (*sent, *guards))])


def _guard(image: LiveImage, lacking: UpdateFields, following: Revision) -> UpdateFields:
    """The update with its guard: it removes the revisions that were read; they and the marker must still exist."""
    going = {revision.name: None for revision in read_revisions(image)}
    marks = {name: image.properties[name] for name in (CATALOG, ID) if name in image.properties}
    properties: dict[str, str | None] = {**marks, **lacking.get("properties", {}), **going}
    return {**lacking, "properties": {**properties, following.name: following.nonce}, "required": [*going, *marks]}


def select_lacking(image: LiveImage, attrs: UpdateFields) -> UpdateFields:
    """Return the part of an update that differs from the image; empty if nothing differs."""
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
    """Raise ``unanswered``, or BackendError, if an image does not have the status that was just requested."""
    if image.status is not wanted:
        raise unanswered or BackendError(
            f"image {image.id} is {image.status.value}, not {wanted.value}, after the change", "run apply again"
        )


def _list_names(attrs: UpdateFields) -> list[str]:
    """Names of fields and properties, for a message."""
    return [*(name for name in attrs if name != "properties"), *attrs.get("properties", {})]
