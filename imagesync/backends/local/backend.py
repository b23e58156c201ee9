"""Operations of a Backend -> changes of a folder, by the rules of the image service. Does I/O through ``Store``.

The store is one project, whose id is created with the store, and its user is an administrator. It has the service's
statuses, rules for changes, unique ids, protection, limits, and checks of the format. It has no roles, import methods,
service stores or sessions of other projects.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar, Unpack
from uuid import uuid4

from imagesync.backends.base import CreateFields, ImportFields, MissingStore, UpdateFields
from imagesync.backends.local import rules
from imagesync.backends.local.content import Part
from imagesync.backends.local.failures import translate_errors
from imagesync.backends.local.rows import Row, Rows, not_found_error
from imagesync.backends.local.store import Store
from imagesync.backends.wire import create_to_wire, image_from_wire, update_to_wire
from imagesync.errors import (
    BackendError,
    Conflict,
    Forbidden,
    FormatMismatch,
    ImagesyncError,
    InvalidRequest,
    QuotaExceeded,
    UsageError,
)
from imagesync.formats import Inspection
from imagesync.model.catalog import Role
from imagesync.model.image import Capabilities, Filter, Identity, ImportTask, LiveImage, MemberState
from imagesync.model.record import CATALOG, ROLE

CHUNK: Final = 2**20
_CHANGEABLE: Final = ("active", "deactivated")
_PLAN_AGAIN: Final = "make the plan again: imagesync plan PATH"

T = TypeVar("T")


def open_local(path: Path | str, missing: MissingStore = MissingStore.CREATE) -> "Local":
    """The store in a folder. UsageError if its version is newer, or it may not be missing; else BackendError."""
    return Local(Store(Path(path), missing=missing), str(path))


class Local:
    """A folder as a Backend."""

    def __init__(self, store: Store, label: str) -> None:
        self._store = store
        with store.rows() as rows:
            self._identity = Identity("store", str(store.path), rows.read_project_id(), label=label)

    def identity(self) -> Identity:
        """The folder and the id of its project."""
        return self._identity

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        """All images, or one (NotFound if it does not exist)."""
        with self._store.rows() as rows:
            found = rows.list_images() if image_id is None else [rows.get(image_id)]
        live = self._load_images(found)
        if image_id is not None and not live:
            raise not_found_error(image_id)
        return live

    def _load_images(self, documents: Iterable[Row]) -> list[LiveImage]:
        """Records as values; an image whose data is damaged is killed, and a warning is logged."""
        return [image_from_wire(whole) for one in documents if (whole := self._store.mark_if_damaged(one)) is not None]

    def list_images(self, missing: list[str]) -> list[LiveImage]:  # noqa: ARG002 - every record can be read
        """All images."""
        return self.images()

    def find_images(self, wanted: Filter, *, missing: list[str] | None = None) -> list[LiveImage]:  # noqa: ARG002
        """The images that a filter selects."""
        return [image for image in self.images() if wanted.is_match(image)]

    def find_strays(self, catalog: str, missing: list[str]) -> list[LiveImage]:  # noqa: ARG002
        """The images that carry this catalog's marker."""
        return self.find_images(Filter(catalog=catalog))

    def inventory(self, catalog: str, owners: Sequence[str] = ()) -> list[LiveImage]:
        """Images that carry this catalog's marker and belong to ``owners`` (default: the store's project)."""
        wanted = owners or (self._identity.project_id,)
        with self._store.rows() as rows:
            found = rows.list_images(catalog)
        return [image for image in self._load_images(found) if image.owner in wanted]

    def leases(self, catalog: str | None) -> list[LiveImage]:
        """The lease records of this catalog (None: of every one): hidden images of the store's project."""
        with self._store.rows() as rows:
            every = rows.list_images() if catalog is None else rows.find_leases(catalog)
        found = [row for row in every if row.get(ROLE) == Role.LEASE] if catalog is None else every
        return [
            image for image in self._load_images(found) if image.hidden and image.owner == self._identity.project_id
        ]

    def find_named(self, names: Sequence[str], owner: str) -> list[LiveImage]:
        """Images of one owner that have one of these names and are not hidden."""
        return [image for image in self.images() if image.name in names and image.owner == owner and not image.hidden]

    def create_image(self, **attrs: Unpack[CreateFields]) -> LiveImage:
        """Create a record with the status queued."""
        image_id, now = attrs.get("id") or str(uuid4()), _format_now()
        rules.check_new_id(image_id)
        document: Row = {
            **dict.fromkeys(("name", "disk_format", "container_format", "size", "virtual_size", "checksum")),
            **dict.fromkeys(("os_hash_algo", "os_hash_value")),
            "visibility": "shared",
            "protected": False,
            "os_hidden": False,
            "min_disk": 0,
            "min_ram": 0,
            "tags": [],
            "owner": self._identity.project_id,
            **_to_plain(create_to_wire(attrs)),
            "id": image_id,
            "status": "queued",
            "created_at": now,
            "updated_at": now,
            "file": f"/v2/images/{image_id}/file",
            "self": f"/v2/images/{image_id}",
            "schema": "/v2/schemas/image",
        }
        rules.check_document(document)
        with self._store.rows(write=True) as rows:
            rows.add(document, document.get(CATALOG))
        return image_from_wire(document)

    def update_image(self, image: LiveImage | str, **attrs: Unpack[UpdateFields]) -> LiveImage:
        """Save all changes, or none of them."""
        operations = update_to_wire(attrs)
        with self._store.rows(write=True) as rows:
            before = rows.get(_get_id(image))
            _check_condition(before, attrs)
            after = dict(before)
            for operation in operations:
                name = str(operation["path"])[1:].replace("~1", "/").replace("~0", "~")
                if operation["op"] == "remove":
                    del after[name]
                else:
                    after[name] = _to_plain(operation["value"])
            rules.check_document(after)
            rules.check_change(before, after)
            if operations:
                self._put(rows, after)
        return image_from_wire(self._store.mark_if_damaged(after) or after)

    def _put(self, rows: Rows, document: Row) -> None:
        document["updated_at"] = _format_now()
        rows.put(document, document.get(CATALOG))

    def times(self) -> Mapping[str, datetime]:
        """Empty: the store has no other clock than the host's."""
        return {}

    def with_time_limit(self, seconds: float) -> Self:  # noqa: ARG002 - nothing here waits for a service
        """The store itself."""
        return self

    def with_lease(self, check: Callable[[], None]) -> Self:  # noqa: ARG002 - nothing here is repeated
        """The store itself."""
        return self

    def settling_time(self) -> float:
        """0 seconds, because each write is one transaction."""
        return 0.0

    def can_publish(self, image_id: str) -> bool:
        """True if the image exists, because the user is an administrator."""
        return bool(self.images(image_id))

    def delete_image(self, image: LiveImage | str) -> None:
        """Delete the image and its data; its id is never used again."""
        image_id = _get_id(image)
        with self._store.rows(write=True) as rows:
            if rows.get(image_id)["protected"]:
                raise Forbidden(
                    f"image {image_id} is protected and cannot be deleted", "set protected: false and apply"
                )
            rows.remove(image_id)
        self._store.content.remove(image_id)

    def reactivate(self, image_id: str) -> None:
        """Make a deactivated image active."""
        self._change_status(image_id, "active")

    def deactivate(self, image_id: str) -> None:
        """Make the data of an active image unreadable."""
        self._change_status(image_id, "deactivated")

    def _change_status(self, image_id: str, status: str) -> None:
        with self._store.rows(write=True) as rows:
            document = rows.get(image_id)
            if document["status"] not in _CHANGEABLE:
                text = f"image {image_id}: the status is {document['status']} and cannot change to {status}"
                raise Forbidden(text, "run apply to upload its data first")
            self._put(rows, {**document, "status": status})

    def members(self, image_id: str) -> list[MemberState]:
        """The members of a shared image. They are pending, because other projects cannot accept an image of a store."""
        with self._store.rows() as rows:
            _check_shared(rows, image_id)
            return [MemberState(project) for project in rows.list_members(image_id)]

    def add_member(self, image_id: str, project: str) -> None:
        """Share the image with a project."""
        with self._store.rows(write=True) as rows:
            _check_shared(rows, image_id)
            if len({*rows.list_members(image_id), project}) > rules.MAX_ENTRIES:
                text = f"image {image_id}: more than {rules.MAX_ENTRIES} members"
                raise QuotaExceeded(text, "remove members that are not needed")
            rows.add_member(image_id, project)

    def remove_member(self, image_id: str, project: str) -> None:
        """Stop sharing the image with a project."""
        with self._store.rows(write=True) as rows:
            _check_shared(rows, image_id)
            rows.remove_member(image_id, project)

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        """Write the data of a queued image. If that fails, the image is queued again and has no data."""
        if store is not None:
            raise InvalidRequest(f"a local store has no service store {store!r}", "remove stores from the manifest")
        with self._store.part(image_id) as part:
            with self._store.rows(write=True) as rows:
                document = rows.get(image_id)
                rules.check_uploadable(document)
                if document["status"] != "queued":
                    text = f"image {image_id}: the status is {document['status']}; only a queued image accepts data"
                    raise Conflict(text, _PLAN_AGAIN)
                self._put(rows, {**document, "status": "saving"})
            try:
                found = _receive(part, chunks, size, document)
                part.keep()
                with self._store.rows(write=True) as rows:
                    self._put(rows, {**rows.get(image_id), **found, "status": "active"})
            except BaseException:
                self._give_up(image_id)
                raise

    def _give_up(self, image_id: str) -> None:
        """Queue the image again and delete its data, unless the database has the upload: a commit may fail and yet be saved.

        The data is deleted first, because the write to the database may need its space on a full disk.
        """
        with contextlib.suppress(ImagesyncError), self._store.rows(write=True) as rows:
            document = rows.find(image_id)
            if document is None or document["size"] is None:
                self._store.content.remove(image_id)
            if document is not None and document["status"] == "saving":
                self._put(rows, {**document, "status": "queued"})

    def stage(self, image_id: str, chunks: Iterable[bytes], size: int | None) -> None:  # noqa: ARG002
        """InvalidRequest: a local store has no staging area."""
        raise _no_imports_error("glance-direct")

    def import_image(self, image_id: str, method: str, **options: Unpack[ImportFields]) -> None:  # noqa: ARG002
        """InvalidRequest: a local store has no import methods."""
        raise _no_imports_error(method)

    def import_tasks(self, image_id: str) -> list[ImportTask]:  # noqa: ARG002
        """Empty: a local store has no imports."""
        return []

    def download(self, image_id: str) -> Iterator[bytes]:
        """The data in chunks of 1 MiB; Conflict if there is none."""
        with self._store.rows() as rows:
            document = rows.get(image_id)
        if document["size"] is None:
            raise Conflict(f"image {image_id} is queued and has no data", "run apply to upload its data")
        return self._read(document)

    def _read(self, document: Row) -> Iterator[bytes]:
        """The chunks; the last one only after the digest of all data was compared with the record."""
        where, sha512, held = f"store {self._store.path}: the data of image {document['id']}", hashlib.sha512(), b""
        with translate_errors(self._store.path), self._store.content.open_data(document["id"]) as file:
            while chunk := file.read(CHUNK):
                sha512.update(chunk)
                if held:
                    yield held
                held = chunk
        found, recorded = sha512.hexdigest(), document["os_hash_value"]
        if found != recorded:
            message = f"{where} was changed: it has sha512:{found}; the record has sha512:{recorded}"
            raise BackendError(message, "delete the image and run apply again")
        if held:
            yield held

    def renew(self) -> None:
        """Nothing: a local store has no token."""

    def project_id(self, name: str, domain: str) -> str:
        """UsageError: a local store has no identity service."""
        text = f"project {name!r} of domain {domain!r}: a local store cannot find a project by name"
        raise UsageError(text, "write the project's id instead of its name")

    def project_names(self, ids: Collection[str]) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing: the project of a local store has no name."""
        return {}

    def capabilities(self) -> Capabilities:
        """The formats of the Image API; no import methods, service stores or quotas."""
        return rules.CAPABILITIES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files of the store."""
        self._store.close()


def _check_condition(document: Row, attrs: UpdateFields) -> None:
    """Conflict if a required property is missing, or a property that must be absent exists."""
    present = rules.get_properties(document)
    for name in attrs.get("required", ()):
        if name not in present:
            raise Conflict(f"image {document['id']}: property {name} does not exist", _PLAN_AGAIN)
    for name in attrs.get("properties", {}) if attrs.get("absent") else ():
        if name in present:
            raise Conflict(f"image {document['id']}: property {name} exists already", _PLAN_AGAIN)


def _no_imports_error(method: str) -> InvalidRequest:
    return InvalidRequest(f"a local store has no import method {method}", "set method: upload in the manifest")


def _get_id(image: LiveImage | str) -> str:
    return image if isinstance(image, str) else image.id


def _to_plain(value: Any) -> Any:
    """The value as JSON has it: enumerations are text."""
    return json.loads(json.dumps(value))


def _format_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_shared(rows: Rows, image_id: str) -> None:
    if rows.get(image_id)["visibility"] != "shared":
        raise Forbidden(f"image {image_id} is not shared and cannot have members", "set visibility: shared")


def _receive(part: Part, chunks: Iterable[bytes], size: int | None, document: Row) -> Row:
    """Write, hash and inspect every chunk; return the fields of the record that describe the data."""
    md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.sha512()
    inspection, count = Inspection(document["disk_format"], document["container_format"], is_measured=False), 0
    for chunk in chunks:
        part.write(chunk)
        md5.update(chunk)
        sha512.update(chunk)
        _inspect(document["id"], partial(inspection.feed, chunk))
        count += len(chunk)
    if size is not None and count != size:
        text = f"image {document['id']}: the source sent {count} bytes; it announced {size}"
        raise InvalidRequest(text, "run apply again; if it fails again, correct the source")
    return {
        "size": count,
        "virtual_size": _inspect(document["id"], inspection.finish),
        "checksum": md5.hexdigest(),
        "os_hash_algo": "sha512",
        "os_hash_value": sha512.hexdigest(),
    }


def _inspect(image_id: str, inspect: Callable[[], T]) -> T:
    """The result of ``inspect``; data that the service's rules refuse is an InvalidRequest."""
    try:
        return inspect()
    except FormatMismatch as error:
        raise InvalidRequest(f"image {image_id}: {error.message}", error.hint) from error
