"""Field changes of one image -> guarded PATCH requests. Does I/O through a backend.

The service has no locks: it answers 2xx to an update that a concurrent one overwrites, an answer can get lost after the
update was saved, and a request can arrive late. So every PATCH of an owned image moves its guard (``model.record.
Revision``): it removes the revision that was read and adds the next one with this run's nonce. If somebody wrote
meanwhile, the service refuses the whole PATCH. Within one run each image has one writer; one listing after the last write
(``find_altered``) shows whether anything of it was overwritten.

Every PATCH that the executor sends to an image goes through this module.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import uuid4

from imagesync.backends.base import Backend, UpdateFields
from imagesync.errors import BackendError, Conflict, Unavailable
from imagesync.execution.alike_names import explain_failure, make_way_for_tags
from imagesync.model.catalog import Status
from imagesync.model.fields import live_field, live_value
from imagesync.model.image import LiveImage
from imagesync.model.plan import Reliance, Value
from imagesync.model.record import CATALOG, ID, PREFIX, REVISION, Revision, read_revisions

MAX_WRITES: Final = 3
"""PATCH requests for one update, the repeats included."""
COMPARED: Final = ("name", "owner", "status", "visibility", "hidden", "protected", "min_disk", "min_ram")
"""Fields that must stay as a run left them until its end, beside tags and properties."""


class Writes:
    """Writes to the images of one backend in one run; safe for threads as long as each image has one writer.

    ``relies`` are what the plan relied on: an image that is written to for the first time must still be so, and later
    as the run itself left it. ``check_lease`` raises if this run may not write any more. ``nonce`` names the run.
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
        self.is_contested = False
        """Whether a write was refused or got no answer: somebody else may be writing, and a read may not be final yet."""

    def read_unchanged(self, image_id: str) -> LiveImage:
        """Read an image; Conflict if it is not as the plan relied on, or not as this run left it."""
        return self.check_unchanged(self.read(image_id))

    def check_unchanged(self, image: LiveImage) -> LiveImage:
        """Return the image; Conflict if it is not as the plan relied on, or not as this run left it."""
        left = self.find_left(image.id)
        changes = find_changes(left, image) if left else find_unmet(self._relies.get(image.id, {}), image)
        if changes:
            raise Conflict(
                f"image {image.id} was changed by somebody else meanwhile: {'; '.join(changes)}",
                "nothing more was written to it; look who did it, and run apply again",
            )
        return image

    def find_left(self, image_id: str) -> LiveImage | None:
        """Return an image as this run left it; None if it has not written to it."""
        with self._lock:
            return self._left.get(image_id)

    def leave(self, image: LiveImage) -> LiveImage:
        """Note how this run left an image: what it made, or changed by other requests than a PATCH."""
        with self._lock:
            self._left[image.id] = image
        return image

    def forget(self, image_id: str) -> None:
        """An image is gone, or ours no more: how it was left counts no more."""
        with self._lock:
            self._left.pop(image_id, None)

    def list_left(self) -> list[LiveImage]:
        """Every image as this run left it, by id."""
        with self._lock:
            return [image for _, image in sorted(self._left.items())]

    def read(self, image_id: str) -> LiveImage:
        """Read one image."""
        (image,) = self._backend.images(image_id)
        return image

    def update(self, image: LiveImage, attrs: UpdateFields) -> LiveImage:
        """Make an image, which was just read, have ``attrs``; return it as the service then shows it.

        Only what it lacks is sent (each operation of a PATCH costs the service 10 ms). Raises Conflict if somebody else
        wrote to it meanwhile, Unavailable if a PATCH got no answer and the image does not show it (it may still
        arrive), BackendError if the service answered and yet did not keep the update, any other error of the backend.
        """
        lacking = select_lacking(image, attrs)
        if not lacking:
            return self.leave(image)
        if not read_revisions(image):
            image = self._claim(image)
        unanswered: Unavailable | None = None
        number = read_revisions(image)[-1].number
        for _ in range(MAX_WRITES):
            self.check_lease()
            number += 1
            conflict: Conflict | None = None
            try:
                found = self._backend.update_image(image.id, **_guard(image, lacking, Revision(number, self.nonce)))
            except (Unavailable, Conflict) as error:
                self.is_contested = True
                unanswered = error if isinstance(error, Unavailable) else unanswered
                conflict = error if isinstance(error, Conflict) else None
                found = self.read(image.id)
            is_same = read_revisions(found) == read_revisions(image)
            if (conflict and is_same) or not (is_same or self._is_mine(found)):
                raise _explain_conflict(found) from conflict
            lacking, image = select_lacking(found, attrs), found
            if not lacking and self._is_mine(found):
                return self.leave(found)
            lacking = make_way_for_tags(image, lacking, unanswered)
        if unanswered is not None:
            raise explain_failure(image, lacking, unanswered)
        names = ", ".join(_list_names(lacking)) or "its guard"
        raise BackendError(f"image {image.id}: the service did not keep the update of {names}", "run apply again")

    def disown(self, image: LiveImage) -> None:
        """Take all that imagesync wrote about an image off it, in one PATCH."""
        names = sorted(name for name in image.properties if name.startswith(PREFIX))
        for number in range(1, MAX_WRITES + 1):
            self.check_lease()
            try:
                self._backend.update_image(image.id, properties=dict.fromkeys(names), required=names)
                break
            except (Unavailable, Conflict) as error:
                self.is_contested = True
                found = self.read(image.id)
                if not any(name.startswith(PREFIX) for name in found.properties):
                    break
                if isinstance(error, Conflict) or read_revisions(found) != read_revisions(image):
                    raise _explain_conflict(found) from error
                if number == MAX_WRITES:
                    raise
        self.forget(image.id)

    def change_status(self, image_id: str, status: Status) -> None:
        """Deactivate an image, or make it active again; BackendError if it then has another status."""
        self.read_unchanged(image_id)
        self.check_lease()
        change = self._backend.deactivate if status is Status.DEACTIVATED else self._backend.reactivate
        unanswered: Unavailable | None = None
        try:
            change(image_id)
        except Unavailable as error:
            unanswered = error
        image = self.read(image_id)
        check_status(image, status, unanswered)
        self.leave(image)

    def _claim(self, image: LiveImage) -> LiveImage:
        """Give an image that has no guard its first one; Conflict if somebody has done so meanwhile.

        The id is bound at once: the first guard is soon replaced by the next one, the id stays.
        """
        first = Revision(1, self.nonce)
        binding = {} if ID in image.properties else {ID: image.id}
        self.check_lease()
        try:
            return self._backend.update_image(image.id, properties={first.name: first.nonce, **binding}, absent=True)
        except (Unavailable, Conflict) as error:
            self.is_contested = True
            found = self.read(image.id)
            if isinstance(error, Unavailable) and not read_revisions(found):
                raise
            if read_revisions(found) != (first,):
                raise _explain_conflict(found) from error
            return found

    def _is_mine(self, image: LiveImage) -> bool:
        """Whether an image has exactly one guard, of this run."""
        revisions = read_revisions(image)
        return len(revisions) == 1 and revisions[0].nonce == self.nonce


def _explain_conflict(image: LiveImage) -> Conflict:
    text = f"image {image.id} was written to by somebody else at the same time"
    return Conflict(text, "this run's change was not made; run apply again")


def _guard(image: LiveImage, lacking: UpdateFields, following: Revision) -> UpdateFields:
    """The update with its guard: the revisions that were read must be there and go, and so must the marks be there."""
    going = {revision.name: None for revision in read_revisions(image)}
    marks = {name: image.properties[name] for name in (CATALOG, ID) if name in image.properties}
    properties: dict[str, str | None] = {**marks, **lacking.get("properties", {}), **going}
    return {**lacking, "properties": {**properties, following.name: following.nonce}, "required": [*going, *marks]}


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


def find_unmet(relied: Mapping[str, Value], image: LiveImage) -> list[str]:
    """What of a plan's reliance does not hold for an image as it is now, as short texts."""
    found = {path: live_value(image, path) for path in relied if path != "members"}  # those need a request of their own
    return [_describe(path, relied[path], value) for path, value in found.items() if value != relied[path]]


def find_changes(left: LiveImage, image: LiveImage) -> list[str]:
    """What is not as this run left it, as short texts; tags and properties that others add beside ours are no change."""
    changes = [
        _describe(name, live_field(left, name), live_field(image, name))
        for name in COMPARED
        if getattr(left, name) != getattr(image, name)
    ]
    if left.tags - image.tags:
        changes.append(_describe("tags", tuple(sorted(left.tags)), tuple(sorted(image.tags))))
    names = sorted({*left.properties, *image.properties})
    pairs = ((name, left.properties.get(name), image.properties.get(name)) for name in names)
    kept = [(name, old, new) for name, old, new in pairs if old is not None or name.startswith(PREFIX)]
    return changes + [_describe(f"properties.{name}", old, new) for name, old, new in kept if old != new]


def find_altered(left: Iterable[LiveImage], listed: Mapping[str, LiveImage]) -> list[str]:
    """One sentence for each image that a later listing does not show as this run left it."""
    sentences = []
    for image in left:
        found = listed.get(image.id)
        if found is None:
            sentences.append(f"image {image.id} was written by this run, and is gone or no longer ours")
        elif changes := find_changes(image, found):
            sentences.append(
                f"image {image.id} was written by this run, and was changed meanwhile: {'; '.join(changes)}"
            )
    return sentences


def _describe(path: str, before: Value, now: Value) -> str:
    """A change as text. Of the guard only that it was written is told: counters and nonces tell a person nothing."""
    if path.startswith(f"properties.{REVISION}"):
        return "another run wrote to it"
    return f"{path} is {_format(now)}, it was {_format(before)}"


def _format(value: Value) -> str:
    if value is None:
        return "not there"
    return ", ".join(value) if isinstance(value, tuple) else repr(value)


def _list_names(attrs: UpdateFields) -> list[str]:
    """Names of fields and properties, for a message."""
    return [*(name for name in attrs if name != "properties"), *attrs.get("properties", {})]
