"""The protocol of a backend: the operations on images that planning and execution need. No I/O.

Methods raise the errors of ``imagesync.errors``: NotFound, Conflict, InUse, Forbidden, InvalidRequest, QuotaExceeded,
Unauthorized, Unavailable. Several threads may call them at once, if only one thread writes to each image.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol, Self, TypedDict, Unpack

from imagesync.model.image import Capabilities, Filter, Identity, ImportTask, LiveImage, MemberState


class ImageFields(TypedDict, total=False):
    """Fields of an image that a request can set. ``min_disk`` is in GB, ``min_ram`` in MB; ``tags`` replaces all tags."""

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
    """Arguments of ``update_image``; a field that is not given does not change.

    ``properties``: a text adds or replaces the property, None removes it; other properties do not change. disk_format
    and container_format can change only while the image is queued. Only an administrator can set ``owner`` and public
    visibility.

    ``required`` names properties of ``properties`` that the image must already have. With ``absent``, the image must have
    none of ``properties`` yet. If a condition is not met, the update raises Conflict and saves nothing.
    """

    properties: Mapping[str, str | None]
    required: Sequence[str]
    absent: bool


class CreateFields(ImageFields, total=False):
    """Arguments of ``create_image``; ``id`` is a UUID that the caller chooses."""

    id: str
    properties: Mapping[str, str]


class ImportFields(TypedDict, total=False):
    """Arguments of ``import_image``: the ``uri`` of web-download; the destination ``stores``, or ``all_stores``."""

    uri: str
    stores: Sequence[str]
    all_stores: bool


class MissingStore(Enum):
    """What to do if a local store does not exist.

    CREATE it; read it as an EMPTY one, which is not created; or REFUSE it with a UsageError.
    """

    CREATE = auto()
    EMPTY = auto()
    REFUSE = auto()


class Backend(Protocol):
    """The image service of a cloud, or a local store, as one project sees it."""

    def identity(self) -> Identity:
        """The address of the service and the project of this session."""

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        """All images that the project can see, also hidden ones; or the image with this id (NotFound if it has none)."""

    def list_images(self, missing: list[str]) -> list[LiveImage]:
        """As ``images``, but a record that cannot be read is not an error: a sentence about it is added to ``missing``."""

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:
        """The images, also hidden ones, that meet every condition of ``wanted``, sorted by id.

        ``missing`` as in ``list_images``; with None, a record that cannot be read is an error.
        """

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:
        """Images of any project that carry this catalog's marker; the search is for explanations only.

        The search is limited, and images of other projects never make it fail. For each part that it leaves out it adds a
        sentence to ``missing``.
        """

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        """Create a record with the status queued. Conflict if the id was ever in use, also by a deleted image."""

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        """Save all changes in one request, or none of them; return the image after the update."""

    def times(self) -> Mapping[str, datetime]:
        """The current time of each service of the target, by name of the service; without services whose time is unknown."""

    def with_time_limit(self, seconds: float) -> "Backend":
        """The same target, with requests that end after ``seconds``. Close the original backend, not this one."""

    def with_lease(self, check: Callable[[], None]) -> "Backend":
        """The same target, for a run that has a lease. Close the original backend, not this one.

        ``check`` raises LeaseLost if the run must no longer write. A backend that repeats requests also calls it before
        each repeat.
        """

    def settling_time(self) -> float:
        """Seconds after a write until a read certainly shows its result.

        A service may repeat a write by itself, from an image that it read before, and so overwrite a newer write.
        """

    def can_publish(self, image_id: str) -> bool:
        """Whether this user may make the image public. The check changes nothing."""

    def delete_image(self, image: LiveImage | str) -> None:
        """Delete the image; its id is never used again. Forbidden if it is protected, InUse if something uses it."""

    def reactivate(self, image_id: str) -> None:
        """Make a deactivated image active (no change to an active one)."""

    def deactivate(self, image_id: str) -> None:
        """Make the data of an active image unreadable (no change to a deactivated one)."""

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """Images that carry this catalog's marker and belong to ``owners`` (default: the session's project), also hidden."""

    def leases(self, catalog: str | None) -> list[LiveImage]:
        """The lease records of this catalog (None: of every one): hidden images of the session's project."""

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        """Images of one owner that have one of these names and are not hidden."""

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image."""

    def add_member(self, image_id: str, project: str) -> None:
        """Share the image with a project (no change if it is a member already)."""

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing the image with a project (no change if it is not a member)."""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        """Upload the data of a queued image into ``store``, or the service's default store; then the image is active.

        ``size`` is the number of bytes in ``chunks``, None if unknown. An exception of ``chunks`` aborts the request and
        is raised unchanged; the image is queued again. The method never repeats the request, because the chunks can be
        read only once. It raises Unauthorized if the token expired (call ``renew``, read the image, open the source
        again), and Unavailable if the connection was lost.
        """

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        """As ``upload``, but into the staging area; ``import_image`` with glance-direct then fills the image from there."""

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        """Begin an import. It runs in the service as long as ``LiveImage.importing`` is true.

        ``method`` is web-download (of ``uri``), glance-direct (of staged data) or copy-image (of an active image into
        more ``stores``). The request is sent once: after Unavailable, only the image shows whether the import began.
        """

    def import_tasks(self, image_id: str) -> list[ImportTask]:
        """The imports of an image, the newest last; empty if the service does not list them."""

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image, in chunks."""

    def renew(self) -> None:
        """Drop the token; the next request authenticates again."""

    def project_id(self, name: str, domain: str) -> str:
        """The id of a project by name and domain, from the identity service."""

    def project_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """The names of those of these projects that the user may read, by id. At most two requests, and never an error."""

    def capabilities(self) -> Capabilities:
        """The formats, import methods, stores and quotas of this target, read once."""

    def close(self) -> None:
        """Close connections and files."""

    def __enter__(self) -> Self:
        """The backend; the end of the block closes it."""

    def __exit__(self, *_error: object) -> None:
        """Close the backend."""
