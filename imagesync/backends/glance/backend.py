"""Operations of a Backend -> requests of the Image API v2. Does I/O through ``Api``."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Self, Unpack
from urllib.parse import quote
from uuid import uuid4

from imagesync.backends.base import CreateFields, ImportFields, UpdateFields
from imagesync.backends.glance import imports, listing, projects
from imagesync.backends.glance.api import DEFAULT_TIMEOUTS, Api, StrictPatch, Timeouts
from imagesync.backends.glance.body import Body, BodyAborted
from imagesync.backends.glance.connect import Connection, get_access
from imagesync.backends.glance.failures import translate_errors
from imagesync.backends.wire import (
    NOT_IMAGE_API,
    capabilities_from_wire,
    create_to_wire,
    image_from_wire,
    is_being_deleted,
    make_strict,
    member_from_wire,
    update_to_wire,
)
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    InUse,
    InvalidRequest,
    NotFound,
    Unavailable,
    UsageError,
)
from imagesync.labels import ThreadPool
from imagesync.model.image import Capabilities, Filter, Identity, ImportTask, LiveImage, MemberState
from imagesync.model.record import PREFIX
from imagesync.retry import Pace
from imagesync.uptime import read_uptime

INFORMATION: Final = ("/schemas/image", "/info/import", "/info/stores", "/info/usage")
NO_SUCH_PROPERTY: Final = "/imagesync_no_such_property"


class Glance:
    """The image service of a cloud as a Backend."""

    def __init__(
        self,
        connection: Connection,
        pace: Pace | None = None,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        check_lease: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._pace, self._timeouts, self._check_lease = pace, timeouts, check_lease
        self._api = self._make_api(connection.url, "image service")
        self._lock = threading.Lock()
        self._able: Capabilities | None = None

    def _make_api(self, url: str, name: str) -> Api:
        return Api(
            self._connection.session,
            url,
            name,
            pace=self._pace,
            read_timeout=self._connection.read_timeout,
            timeouts=self._timeouts,
            check_lease=self._check_lease,
            roles=self._connection.roles,
        )

    def identity(self) -> Identity:
        """Auth URL, region and project."""
        return self._connection.identity

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        """All images that the project can see, also hidden ones, or one."""
        if image_id is None:
            return listing.list_all(self._api)
        document = self._api.get(_path(image_id))
        if is_being_deleted(document):
            raise NotFound(f"image {image_id} is being deleted", "make the plan again: imagesync plan PATH")
        return [image_from_wire(document)]

    def list_images(self, missing: list[str]) -> list[LiveImage]:
        """All images that the project can see and whose records can be read."""
        return listing.list_all(self._api, missing)

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:
        """The images that the service finds by owner, name, tags and visibility."""
        return listing.find_images(self._api, wanted, missing)

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:
        """The images that the service finds by marker alone, within the limits ``STRAYS``."""
        return listing.find_strays(self._api, catalog, missing)

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """The owned images, which the service finds by marker and owner."""
        return listing.find_owned(self._api, catalog, owners or (self.identity().project_id,))

    def leases(self, catalog: str | None) -> list[LiveImage]:
        """The lease records, from one listing of hidden images."""
        return listing.find_leases(self._api, catalog, self.identity().project_id)

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        """Images of one owner by name, without hidden ones."""
        return listing.find_named(self._api, names, owner)

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        """Send one POST. Without an id, it chooses one, to recognize the record of an earlier try of the same POST."""
        wanted = attrs if "id" in attrs else CreateFields(**attrs, id=str(uuid4()))
        try:
            return image_from_wire(self._api.send("POST", "/images", create_to_wire(wanted)))
        except Conflict as conflict:
            return self._find_own_record(wanted, conflict, chosen="id" in attrs)

    def _find_own_record(self, wanted: CreateFields, conflict: Conflict, *, chosen: bool) -> LiveImage:
        """The record that this POST has created although its response was lost; else raise the conflict.

        The response may be lost here, or at a proxy that repeats the request. The record is of this POST if it has the same
        imagesync properties (the nonce among them), or if this call chose the id.
        """
        try:
            (image,) = self.images(wanted["id"])
        except NotFound:
            hint = (
                "the id belongs to another project or to a deleted image, and cannot be used again: choose another id"
            )
            raise Conflict(conflict.message, hint) from conflict
        marks = {name: value for name, value in wanted.get("properties", {}).items() if name.startswith(PREFIX)}
        if chosen and (not marks or any(image.properties.get(name) != value for name, value in marks.items())):
            raise conflict
        return image

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        """Send one PATCH with all changes, once. If there is no response, the caller reads the image to see the result."""
        image_id = image if isinstance(image, str) else image.id
        operations = update_to_wire(attrs)
        if not operations:
            return self.images(image_id)[0]
        body = StrictPatch(make_strict(operations)) if attrs.get("absent") else operations
        return image_from_wire(self._api.send("PATCH", _path(image_id), body, repeat=False))

    def times(self) -> Mapping[str, datetime]:
        """The time of the identity service: when it issued the token, plus the time that has passed since then."""
        if self._connection.issued is None:
            return {}
        passed = timedelta(seconds=read_uptime() - self._connection.connected)
        return {"the identity service": self._connection.issued + passed}

    def with_time_limit(self, seconds: float) -> "Glance":
        """The same service; each request ends after ``seconds`` and is repeated at most once."""
        pace = self._pace or Pace()
        return Glance(
            replace(self._connection, read_timeout=min(self._connection.read_timeout, seconds)),
            replace(pace, tries=min(pace.tries, 2), longest=min(pace.longest, seconds)),
            timeouts=self._timeouts,
            check_lease=self._check_lease,
        )

    def with_lease(self, check: Callable[[], None]) -> "Glance":
        """The same service; ``check`` is called before each request that is not a GET, and before each repeat of one."""
        leased = Glance(self._connection, self._pace, timeouts=self._timeouts, check_lease=check)
        with self._lock:
            leased._able = self._able
        return leased

    def settling_time(self) -> float:
        """``imagesync_settling_time`` of the cloud, in seconds."""
        return self._connection.settling_time

    def can_publish(self, image_id: str) -> bool:
        """Send a patch that saves nothing: the service returns 403 if the user may not, else 409 (no such property)."""
        publish = {"op": "replace", "path": "/visibility", "value": "public"}
        try:
            self._api.send("PATCH", _path(image_id), [publish, {"op": "remove", "path": NO_SUCH_PROPERTY}])
        except Conflict:
            return True
        except Forbidden:
            return False
        # a service that ignores the second operation has published the image: make it private at once
        self._api.send("PATCH", _path(image_id), [{**publish, "value": "private"}])
        return True

    def delete_image(self, image: LiveImage | str) -> None:
        """Delete the image; its id is never used again."""
        image_id = image if isinstance(image, str) else image.id
        try:
            self._api.delete(_path(image_id))
        except Conflict as conflict:
            raise InUse(
                conflict.message, "the image was not deleted; delete the servers or volumes that use it"
            ) from conflict
        except InvalidRequest as refused:
            self._raise_delete_failure(image_id, refused)

    def _raise_delete_failure(self, image_id: str, refused: InvalidRequest) -> None:
        """Of two simultaneous deletions, the later gets 400 ("transition from deleted to deleted"): raise NotFound."""
        self.images(image_id)
        raise refused

    def reactivate(self, image_id: str) -> None:
        """Make a deactivated image active."""
        self._api.send("POST", f"{_path(image_id)}/actions/reactivate")

    def deactivate(self, image_id: str) -> None:
        """Make the data of an active image unreadable."""
        self._api.send("POST", f"{_path(image_id)}/actions/deactivate")

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image, sorted by project."""
        document = self._api.get(f"{_path(image_id)}/members")
        members = document.get("members") if isinstance(document, dict) else None
        if not isinstance(members, list):
            raise BackendError(f"image {image_id}: the service returned no list of members", NOT_IMAGE_API)
        return sorted(map(member_from_wire, members), key=lambda member: member.project)

    def add_member(self, image_id: str, project: str) -> None:
        """Share the image with a project; 409 means that it is a member already."""
        try:
            self._api.send("POST", f"{_path(image_id)}/members", {"member": project})
        except Conflict:
            return

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing the image with a project; 404 means that it is not a member."""
        try:
            self._api.delete(f"{_path(image_id)}/members/{quote(project, safe='')}")
        except NotFound:
            return

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        """PUT the data once. An exception of the chunks aborts the request, and the service queues the image again."""
        self._put(image_id, "file", Body(chunks, size), size, {} if store is None else {"x-image-meta-store": store})

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        """PUT the data into the service's staging area, as ``upload``."""
        self._put(image_id, "stage", Body(chunks, size), size, {})

    def _put(self, image_id: str, place: str, body: Body, size: int | None, headers: Mapping[str, str]) -> None:
        try:
            self._api.upload(f"{_path(image_id)}/{place}", body, size, headers)
            return
        except BodyAborted:
            pass
        except Unavailable as broken:
            self._raise_upload_failure(image_id, broken)
        if body.error is not None:
            raise body.error

    def _raise_upload_failure(self, image_id: str, broken: Unavailable) -> None:
        """Add the image's status: a service that rejects the body may close the connection without a reason."""
        (image,) = self.images(image_id)
        text = f"upload of image {image_id} (its status is now {image.status}): {broken.message}"
        raise Unavailable(text, broken.hint)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        """Make the service fetch data, use staged data, or copy data into more stores."""
        imports.begin(self._api, _path(image_id), method, options)

    def import_tasks(self, image_id: str) -> list[ImportTask]:
        """The imports of an image, the newest last."""
        return imports.list_tasks(self._api, _path(image_id))

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image, in chunks of about 1 MiB; Conflict if it has none."""
        return self._api.download(f"{_path(image_id)}/file")

    def renew(self) -> None:
        """Drop the token; the next request authenticates again."""
        self._api.renew()

    def project_id(self, name: str, domain: str) -> str:
        """The id of a project, from the identity service."""
        if self._connection.identity_url is None:
            text = f"project {name!r}: this cloud has no identity service that finds a project by name"
            raise UsageError(text, "write the project's id instead of its name")
        with translate_errors("identity service"):
            access = get_access(self._connection.session)
        api = self._make_api(self._connection.identity_url, "identity service")
        return projects.find_project_id(api, access, name, domain)

    def project_names(self, ids: Collection[str]) -> Mapping[str, str]:
        """The names of projects: of the session's without a request, of others from the identity service."""
        here = self.identity()
        known = {here.project_id: here.project_name} if here.project_id and here.project_name else {}
        if set(ids) <= known.keys() or self._connection.identity_url is None:
            return known
        api = self._make_api(self._connection.identity_url, "identity service")
        return known | projects.find_project_names(api, set(ids) - known.keys())

    def capabilities(self) -> Capabilities:
        """Formats, import methods, stores and quotas, read once and in parallel."""
        with self._lock:
            if self._able is None:
                with ThreadPool(len(INFORMATION)) as pool:
                    self._able = capabilities_from_wire(*pool.map(self._get_if_offered, INFORMATION))
            return self._able

    def _get_if_offered(self, path: str) -> Any:
        """The document; None if the service does not offer it, as older and smaller services do not."""
        try:
            return self._api.get(path)
        except (NotFound, Forbidden):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.session.session.close()


def _path(image_id: str) -> str:
    """The path of an image. Some texts are not a path segment, and would be the path of another resource."""
    if image_id in ("", ".", ".."):
        raise NotFound(f"image {image_id!r} does not exist", "pass the id of an image")
    return f"/images/{quote(image_id, safe='')}"
