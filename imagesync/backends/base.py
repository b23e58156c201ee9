"""What a backend is: the six operations of the image service's SDK and what planning and applying need beside them.

Errors are those of ``imagesync.errors``: NotFound, Conflict, InUse, Forbidden, InvalidRequest, QuotaExceeded,
Unauthorized, Unavailable. Methods are safe to call from several threads at once, one writer per image.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self, TypedDict, Unpack

from imagesync.model.image import Capabilities, Filter, Identity, ImportTask, LiveImage, MemberState


class ImageFields(TypedDict, total=False):
    """Fields of an image that a request can set: ``min_disk`` in GB, ``min_ram`` in MB, ``tags`` the whole set."""

    name: str | None
    container_format: str | None
    disk_format: str | None
    min_disk: int
    min_ram: int
    protected: bool
    visibility: str
    hidden: bool
    owner: str
    tags: Sequence[str]


class UpdateFields(ImageFields, total=False):
    """What ``update_image`` takes; a field that is not given stays as it is.

    ``properties`` adds or replaces those given and removes those given as None; the others stay. disk_format and
    container_format only while the image is queued; ``owner`` and public visibility as admin.

    ``required`` names properties, all of them in ``properties``, that the image must have; with ``absent`` it must have
    none of those in ``properties`` yet. If that does not hold, the update is a Conflict and nothing of it is saved.
    """

    properties: Mapping[str, str | None]
    required: Sequence[str]
    absent: bool


class CreateFields(ImageFields, total=False):
    """What ``create_image`` takes; ``id`` is a UUID that the caller chooses."""

    id: str
    properties: Mapping[str, str]


class ImportFields(TypedDict, total=False):
    """What ``import_image`` takes: the ``uri`` of web-download; into which ``stores``, or ``all_stores``."""

    uri: str
    stores: Sequence[str]
    all_stores: bool


class Backend(Protocol):
    """A cloud's image service, or the local store, as one project."""

    def identity(self) -> Identity:
        """Where this is and as which project."""

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        """Every image the project sees, hidden ones too, or the one with this id (NotFound)."""

    def list_images(self, missing: list[str]) -> list[LiveImage]:
        """As ``images``; ``missing`` takes a sentence for each record that cannot be read, which is an error there."""

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:
        """The images, hidden ones too, of which every condition of ``wanted`` holds, by id.

        ``missing`` as in ``list_images``; None: a record that cannot be read is an error.
        """

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:
        """Images of any project with this catalog's mark, as far as they can be had soon: a search that only explains.

        It never fails because of what other projects publish. ``missing`` takes a sentence for what it left out.
        """

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        """A new record, status queued. An id that was ever given out is a Conflict."""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        """All the changes in one request, or none of them; the image as it is then."""

    def times(self) -> Mapping[str, datetime]:
        """What the clocks of the target's services show now, by name of the service, as far as they are known."""

    def with_time_limit(self, seconds: float) -> "Backend":
        """The same target, by requests that are given up after so many seconds; close the backend itself, not this one."""

    def with_lease(self, check: Callable[[], None]) -> "Backend":
        """The same target, as a run with a lease writes to it; close the backend itself, not this one.

        ``check`` raises LeaseLost if nothing may be written any more. A backend that repeats requests by itself calls it
        before each repeat, too.
        """

    def settling_time(self) -> float:
        """Seconds after a write until a read shows for certain what became of it.

        A service may repeat a write by itself, from what it read before, and overwrite a newer one.
        """

    def may_publish(self, image_id: str) -> bool:
        """Whether this user may make that image public; nothing is changed."""

    def delete_image(self, image: LiveImage | str) -> None:
        """The image goes, its id is never given out again. Protected: Forbidden. In use: InUse."""

    def reactivate(self, image_id: str) -> None:
        """A deactivated image becomes active (no change to an active one)."""

    def deactivate(self, image_id: str) -> None:
        """An active image's data can no longer be read (no change to a deactivated one)."""

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """Images of these owner projects (none given: our own) that carry this catalog's mark, hidden ones too."""

    def leases(self, catalog: str) -> list[LiveImage]:
        """Hidden images of our project that are records of this catalog's lease."""

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        """Visible images of one owner that have one of these names."""

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image."""

    def add_member(self, image_id: str, project: str) -> None:
        """Share with a project (no change if it is shared already)."""

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing with a project (no change if it is not shared)."""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        """Fill a queued record, in ``store`` or the service's default one; when it returns the image is active.

        ``size`` is the number of bytes in ``chunks``, None when unknown. An exception that ``chunks`` raises aborts the
        body, so that the record is queued again, and comes out as it is. Never sends consumed bytes a second time:
        an expired token is Unauthorized (``renew``, look, open the source again), a lost connection Unavailable.
        """

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        """Bring data to the service without filling the image yet: ``import_image`` of glance-direct does; as ``upload``."""

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        """Begin an import: it goes on in the service as long as ``LiveImage.importing`` is true.

        ``method`` is web-download (of ``uri``), glance-direct (of what was staged) or copy-image (of an active image,
        into further ``stores``). Sent once: after Unavailable only the image itself shows whether it began.
        """

    def import_tasks(self, image_id: str) -> list[ImportTask]:
        """The imports of an image, the newest last; empty where the service does not tell."""

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image, in chunks."""

    def renew(self) -> None:
        """Forget the token: the next request authenticates anew."""

    def project_id(self, name: str, domain: str) -> str:
        """The id of a project by name and domain, from the identity service."""

    def capabilities(self) -> Capabilities:
        """What this target can do, asked from it once."""

    def close(self) -> None:
        """Give back connections and files."""

    def __enter__(self) -> Self:
        """The backend; it is closed at the end of the block."""

    def __exit__(self, *_error: object) -> None:
        """Close the backend."""
