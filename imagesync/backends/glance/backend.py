"""The Backend protocol on the Image API v2. Does I/O through ``Api``; decisions are made elsewhere."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Self, Unpack
from urllib.parse import quote
from uuid import uuid4

from imagesync.backends.base import CreateFields, ImportFields, UpdateFields
from imagesync.backends.glance import imports, listing, projects
from imagesync.backends.glance.api import DEFAULT_TIMEOUTS, Api, StrictPatch, Timeouts
from imagesync.backends.glance.body import Body, BrokenOff
from imagesync.backends.glance.connect import Connection, get_access
from imagesync.backends.glance.failures import translate_errors
from imagesync.backends.glance.retry import Pace
from imagesync.backends.wire import (
    capabilities_from_wire,
    create_to_wire,
    image_from_wire,
    is_being_deleted,
    member_from_wire,
    strict_operations,
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
from imagesync.model.image import Capabilities, Filter, Identity, ImportTask, LiveImage, MemberState
from imagesync.model.record import PREFIX
from imagesync.uptime import read_uptime

INFORMATION: Final = ("/schemas/image", "/info/import", "/info/stores", "/info/usage")
NO_SUCH_PROPERTY: Final = "/imagesync_no_such_property"


class Glance:
    """One project's view of an image service."""

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
        """Every image the project sees, hidden ones too, or one."""
        if image_id is None:
            return listing.list_all(self._api)
        document = self._api.get(_path(image_id))
        if is_being_deleted(document):
            raise NotFound(f"image {image_id} is being deleted")
        return [image_from_wire(document)]

    def list_images(self, missing: list[str]) -> list[LiveImage]:
        """Every image the project sees, as far as its record can be read."""
        return listing.list_all(self._api, missing)

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:
        """Found by the service by owner, name, tags and visibility."""
        return listing.find_images(self._api, wanted, missing)

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:
        """Found by the service by mark alone, within tight bounds."""
        return listing.find_strays(self._api, catalog, missing)

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """Owned images, found by the service by mark and owner."""
        return listing.find_owned(self._api, catalog, owners or (self.identity().project_id,))

    def leases(self, catalog: str) -> list[LiveImage]:
        """Records of a lease: one listing, of hidden images only."""
        return listing.find_leases(self._api, catalog, self.identity().project_id)

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        """Visible images of one owner by name."""
        return listing.find_named(self._api, names, owner)

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        """One POST; its id is made here when not given, so that a repeated POST meets its own record."""
        wanted = attrs if "id" in attrs else CreateFields(**attrs, id=str(uuid4()))
        try:
            return image_from_wire(self._api.send("POST", "/images", create_to_wire(wanted)))
        except Conflict as conflict:
            return self._find_own_record(wanted, conflict, chosen="id" in attrs)

    def _find_own_record(self, wanted: CreateFields, conflict: Conflict, *, chosen: bool) -> LiveImage:
        """The record of a POST whose answer was lost (here, or at a proxy that repeats): told by our own properties.

        The nonce is among them; an id made a moment ago is proof by itself.
        """
        try:
            (image,) = self.images(wanted["id"])
        except NotFound:
            hint = "the id belongs to another project, or to a deleted image (ids are never given out again)"
            raise Conflict(conflict.message, hint) from conflict
        marks = {name: value for name, value in wanted.get("properties", {}).items() if name.startswith(PREFIX)}
        if chosen and (not marks or any(image.properties.get(name) != value for name, value in marks.items())):
            raise conflict
        return image

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        """One PATCH with every change, sent once: whether one without answer got through is for the caller to see."""
        image_id = image if isinstance(image, str) else image.id
        operations = update_to_wire(attrs)
        if not operations:
            return self.images(image_id)[0]
        body = StrictPatch(strict_operations(operations)) if attrs.get("absent") else operations
        return image_from_wire(self._api.send("PATCH", _path(image_id), body, repeat=False))

    def times(self) -> Mapping[str, datetime]:
        """That of the identity service: when it issued the token, and what has passed since then."""
        if self._connection.issued is None:
            return {}
        passed = timedelta(seconds=read_uptime() - self._connection.connected)
        return {"the identity service": self._connection.issued + passed}

    def with_time_limit(self, seconds: float) -> "Glance":
        """Each request is given up after so many seconds, and repeated once at most."""
        pace = self._pace or Pace()
        return Glance(
            replace(self._connection, read_timeout=min(self._connection.read_timeout, seconds)),
            replace(pace, tries=min(pace.tries, 2), longest=min(pace.longest, seconds)),
            timeouts=self._timeouts,
            check_lease=self._check_lease,
        )

    def with_lease(self, check: Callable[[], None]) -> "Glance":
        """The check stands before each request that is no GET, also before each repeat of it."""
        leased = Glance(self._connection, self._pace, timeouts=self._timeouts, check_lease=check)
        with self._lock:
            leased._able = self._able
        return leased

    def settling_time(self) -> float:
        """As the cloud's settings say."""
        return self._connection.settling_time

    def may_publish(self, image_id: str) -> bool:
        """Asked by a patch that saves nothing: 403 where one may not, else 409 for the missing property."""
        publish = {"op": "replace", "path": "/visibility", "value": "public"}
        try:
            self._api.send("PATCH", _path(image_id), [publish, {"op": "remove", "path": NO_SUCH_PROPERTY}])
        except Conflict:
            return True
        except Forbidden:
            return False
        # a service that overlooks the second operation has published the image: back at once
        self._api.send("PATCH", _path(image_id), [{**publish, "value": "private"}])
        return True

    def delete_image(self, image: LiveImage | str) -> None:
        """The image goes, its id is never given out again."""
        image_id = image if isinstance(image, str) else image.id
        try:
            self._api.delete(_path(image_id))
        except Conflict as conflict:
            raise InUse(conflict.message, "it is left as it is; delete what uses it") from conflict
        except InvalidRequest as refused:
            self._raise_delete_failure(image_id, refused)

    def _raise_delete_failure(self, image_id: str, refused: InvalidRequest) -> None:
        """Racing deletions: the loser is told 400 ("transition from deleted to deleted") instead of 404."""
        self.images(image_id)
        raise refused

    def reactivate(self, image_id: str) -> None:
        """A deactivated image becomes active."""
        self._api.send("POST", f"{_path(image_id)}/actions/reactivate")

    def deactivate(self, image_id: str) -> None:
        """An active image is deactivated."""
        self._api.send("POST", f"{_path(image_id)}/actions/deactivate")

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image, by project."""
        document = self._api.get(f"{_path(image_id)}/members")
        members = document.get("members") if isinstance(document, dict) else None
        if not isinstance(members, list):
            raise BackendError(f"image {image_id}: the service answered no list of members", "is this an Image API v2?")
        return sorted(map(member_from_wire, members), key=lambda member: member.project)

    def add_member(self, image_id: str, project: str) -> None:
        """Share with a project; 409: it is shared already."""
        try:
            self._api.send("POST", f"{_path(image_id)}/members", {"member": project})
        except Conflict:
            return

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing with a project; 404: it is not shared."""
        try:
            self._api.delete(f"{_path(image_id)}/members/{quote(project, safe='')}")
        except NotFound:
            return

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        """PUT of the data, once; what the chunks raise breaks the body off, so that the record is queued again."""
        self._put(image_id, "file", Body(chunks, size), size, {} if store is None else {"x-image-meta-store": store})

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:
        """PUT of the data into the service's staging area, by the same rules."""
        self._put(image_id, "stage", Body(chunks, size), size, {})

    def _put(self, image_id: str, place: str, body: Body, size: int | None, headers: Mapping[str, str]) -> None:
        try:
            self._api.upload(f"{_path(image_id)}/{place}", body, size, headers)
            return
        except BrokenOff:
            pass
        except Unavailable as broken:
            self._raise_upload_failure(image_id, broken)
        if body.error is not None:
            raise body.error

    def _raise_upload_failure(self, image_id: str, broken: Unavailable) -> None:
        """A service that closes the connection on a refused body may hide why: the record tells some of it."""
        (image,) = self.images(image_id)
        raise Unavailable(f"{broken.message} (upload of image {image_id}, which is {image.status} now)", broken.hint)

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:
        """Make the service fetch data, take over what was staged, or copy."""
        imports.begin(self._api, _path(image_id), method, options)

    def import_tasks(self, image_id: str) -> list[ImportTask]:
        """The imports of an image, the newest last."""
        return imports.list_tasks(self._api, _path(image_id))

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data of an image, about a MiB at a time; Conflict while it has none."""
        return self._api.download(f"{_path(image_id)}/file")

    def renew(self) -> None:
        """The next request authenticates anew."""
        self._api.renew()

    def project_id(self, name: str, domain: str) -> str:
        """A project's id, asked from the identity service."""
        if self._connection.identity_url is None:
            raise UsageError(f"project {name!r}: this cloud has no identity service to ask", "give the project's id")
        with translate_errors("identity service"):
            access = get_access(self._connection.session)
        api = self._make_api(self._connection.identity_url, "identity service")
        return projects.find_project_id(api, access, name, domain)

    def capabilities(self) -> Capabilities:
        """Formats, import methods, stores and quotas, asked once and in parallel."""
        with self._lock:
            if self._able is None:
                with ThreadPoolExecutor(len(INFORMATION)) as pool:
                    self._able = capabilities_from_wire(*pool.map(self._get_if_offered, INFORMATION))
            return self._able

    def _get_if_offered(self, path: str) -> Any:
        """What an older or a smaller service does not offer is None."""
        try:
            return self._api.get(path)
        except (NotFound, Forbidden):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._connection.session.session.close()


def _path(image_id: str) -> str:
    """An image's path; ids that would be no path segment (and so another resource) are no image's."""
    if image_id in ("", ".", ".."):
        raise NotFound(f"there is no image {image_id!r}")
    return f"/images/{quote(image_id, safe='')}"
