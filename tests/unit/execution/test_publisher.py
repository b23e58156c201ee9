"""Publishing: the stored data is compared with what was sent, and an image that users may see is never deleted."""

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync import Performer, execute
from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.errors import QuotaExceeded
from imagesync.model.catalog import (
    Catalog,
    Content,
    FileSource,
    Fingerprint,
    ImageSpec,
    Role,
    Status,
    Transfer,
    Visibility,
)
from imagesync.model.image import LiveImage
from imagesync.model.plan import Create
from imagesync.model.record import DIGEST, ROLE
from imagesync.model.report import Report
from imagesync.sources import identify
from tests.pipeline import planned
from tests.samples import GIB, qcow2
from tests.unit.execution.faulty import Fault, FaultyStore
from tests.unit.factories import catalog, spec


class Service(Local):
    """A store that counts uploads and downloads, and may hash by another algorithm or give other bytes back."""

    def __init__(self, folder: Path, told: dict[str, str | None], spoilt: bytes = b"") -> None:
        super().__init__(Store(folder), "service")
        self.told, self.spoilt = told, spoilt
        self.uploads = self.downloads = 0

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, **self.told) if one.size else one for one in super().images(image_id)]  # type: ignore[arg-type]

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        super().upload(image_id, chunks, size, store=store)

    def download(self, image_id: str) -> Iterator[bytes]:
        self.downloads += 1
        return iter([*super().download(image_id), self.spoilt])


def wanted(folder: Path, data: bytes, **attrs: Any) -> Catalog:
    """A catalogue of one image with this content."""
    (folder / "x").write_bytes(data)
    image: ImageSpec = spec("x", source=FileSource(str(folder / "x"), "x"), **attrs)
    return identify(catalog(image))


def applied(service: Local, images: Catalog) -> Report:
    """The catalogue applied, whatever comes of it."""
    plan = planned(service, images)
    return execute(plan, Performer(service, plan), jobs=1, notify=lambda _: None, cancelled=threading.Event())


def test_digests_that_the_service_computed_are_kept_with_ours(tmp_path: Path) -> None:
    """So that a manifest that declares another algorithm later uploads nothing."""
    service = Service(tmp_path / "store", {})
    assert applied(service, wanted(tmp_path, b"data")).succeeded
    (image,) = service.images()
    kept = dict(part.split(":") for part in image.properties[DIGEST].split())
    assert kept == {
        name: hashlib.new(name, b"data", usedforsecurity=False).hexdigest() for name in ("md5", "sha256", "sha512")
    }
    assert service.downloads == 0


def test_a_service_that_hashes_otherwise_is_read_back(tmp_path: Path) -> None:
    """No digest in common is no proof."""
    told = {"os_hash_algo": "blake2b", "os_hash_value": "00", "checksum": None}
    service = Service(tmp_path / "store", told)
    assert applied(service, wanted(tmp_path, b"data")).succeeded
    assert service.downloads == 1
    service = Service(tmp_path / "other", told, spoilt=b"more")
    (result,) = applied(service, wanted(tmp_path, b"data")).results
    assert "the service stored sha512" in str(result.error)
    assert service.images() == []


@pytest.mark.parametrize("told", [{"os_hash_value": "0" * 128}, {"size": 5}])
def test_other_bytes_in_the_service_are_an_error(tmp_path: Path, told: dict[str, str | None]) -> None:
    """Nothing of them stays."""
    service = Service(tmp_path / "store", told)
    (result,) = applied(service, wanted(tmp_path, b"data")).results
    assert "the service stored" in str(result.error)
    assert service.images() == []


def test_a_disk_larger_than_min_disk_begins_no_upload(tmp_path: Path) -> None:
    """Its header tells; the error tells what to declare."""
    service = Service(tmp_path / "store", {})
    data = qcow2(5 * GIB - 1) + bytes(2**22)
    (result,) = applied(service, wanted(tmp_path, data, disk_format="qcow2", min_disk=4)).results
    assert "declare min_disk: 5 or more, or auto" in str(result.error)
    assert service.uploads == 0
    assert applied(service, wanted(tmp_path, data, disk_format="qcow2", min_disk=5)).succeeded


def test_an_empty_file_is_an_image_of_no_bytes(tmp_path: Path) -> None:
    """There is no first chunk to look at."""
    service = Service(tmp_path / "store", {})
    assert applied(service, wanted(tmp_path, b"")).succeeded
    assert [image.size for image in service.images()] == [0]


def test_a_declared_max_size_bounds_a_plain_file(tmp_path: Path) -> None:
    """One line, nothing left."""
    service = Service(tmp_path / "store", {})
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(max_size=3))
    (tmp_path / "x").write_bytes(b"data")
    (result,) = applied(service, identify(catalog(spec("x", source=source)))).results
    assert "holds more than the 3 bytes allowed" in str(result.error)
    assert service.images() == []


LOSSES = [Fault.LOST, Fault.NOT_RECEIVED]


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize("last", [Fault.NONE, Fault.NO_ANSWER])
def test_an_image_that_only_the_last_write_publishes_is_published(tmp_path: Path, lost: Fault, last: Fault) -> None:
    """The last write is read back as well: the step is done and the image stays."""
    service = FaultyStore(tmp_path / "store")
    service.updates = [lost, lost, last]
    assert applied(service, wanted(tmp_path, b"data")).succeeded
    assert [image.name for image in service.images()] == ["x"]


@pytest.mark.parametrize("unreadable", [1, 9])
@pytest.mark.parametrize("saved", [Fault.NONE, Fault.NO_ANSWER])
def test_a_published_image_that_cannot_be_read_back_stays(tmp_path: Path, saved: Fault, unreadable: int) -> None:
    """Users may have it already; it is what the manifest wants, so the next plan is empty."""
    service = FaultyStore(tmp_path / "store")
    images = wanted(tmp_path, b"data", visibility=Visibility.PUBLIC)
    service.updates, service.reads = [saved], [Fault.NO_ANSWER] * unreadable
    (result,) = applied(service, images).results
    assert "no answer to a read" in str(result.error)
    service.reads.clear()
    assert [(image.name, image.visibility) for image in service.images()] == [("x", Visibility.PUBLIC)]
    assert planned(service, images).steps == ()


class HalfSaved(FaultyStore):
    """Of each update only the fields of ``kept`` are saved, beside a concurrent one."""

    kept: frozenset[str] = frozenset()

    def update_image(self, image: LiveImage | str, **attrs: Any) -> LiveImage:
        saved: Any = {name: value for name, value in attrs.items() if name in self.kept}
        return super().update_image(image, **saved)


@pytest.mark.parametrize("kept", ["visibility", "hidden", "properties"])
def test_an_image_that_was_published_in_part_stays(tmp_path: Path, kept: str) -> None:
    """The service answers every update and saves some of its fields: users may see that image."""
    service = HalfSaved(tmp_path / "store")
    service.kept = frozenset({kept})
    (result,) = applied(service, wanted(tmp_path, b"data", visibility=Visibility.COMMUNITY)).results
    assert "did not keep the update" in str(result.error)
    assert len(service.images()) == 1


@pytest.mark.parametrize("updates", [[Fault.LOST] * 3, [Fault.REFUSED], [Fault.LOST, Fault.REFUSED]])
def test_an_image_that_is_still_a_staging_record_is_deleted(tmp_path: Path, updates: list[Fault]) -> None:
    """It was read after the failure; a record with a pinned id stays, because the id could never be used again."""
    service = FaultyStore(tmp_path / "store")
    service.updates = list(updates)
    assert not applied(service, wanted(tmp_path, b"data")).succeeded
    assert service.calls[-2:] == ["read", "delete"]
    assert service.images() == []
    service.updates = list(updates)
    pinned = "00000000-0000-4000-8000-000000000000"
    assert not applied(service, wanted(tmp_path, b"data", id=pinned)).succeeded
    assert [(image.id, image.properties[ROLE]) for image in service.images()] == [(pinned, Role.STAGING)]


def test_an_image_whose_publishing_update_may_still_arrive_stays(tmp_path: Path) -> None:
    """No answer to any of three updates; the next run publishes the verified build without another upload."""
    service = FaultyStore(tmp_path / "store")
    images = wanted(tmp_path, b"data")
    service.updates = [Fault.NOT_RECEIVED] * 3
    assert not applied(service, images).succeeded
    assert [image.properties[ROLE] for image in service.images()] == [Role.STAGING]
    assert not any(isinstance(step.action, Create) for step in planned(service, images).steps)
    assert applied(service, images).succeeded
    assert planned(service, images).steps == ()


class Published(Service):
    """A service that hashes other bytes than were sent, and in which somebody else publishes the image meanwhile."""

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        super().upload(image_id, chunks, size, store=store)
        self.update_image(image_id, hidden=False, properties={ROLE: Role.CURRENT.value})


def test_an_image_that_somebody_else_published_meanwhile_stays(tmp_path: Path) -> None:
    """Whatever fails: a record is read before it is deleted."""
    service = Published(tmp_path / "store", {"os_hash_value": "0" * 128})
    (result,) = applied(service, wanted(tmp_path, b"data")).results
    assert "the service stored" in str(result.error)
    assert len(service.images()) == 1


class NoMembers(Local):
    """A store that refuses members as long as ``full``."""

    full = True

    def add_member(self, image_id: str, project: str) -> None:
        if self.full:
            raise QuotaExceeded("no more members")
        super().add_member(image_id, project)


def test_a_record_without_data_whose_members_fail_stays(tmp_path: Path) -> None:
    """It is published as it is made; the next run adds the members."""
    service = NoMembers(Store(tmp_path / "store"), "full")
    image = spec("x", source=Content.NO_DATA, fingerprint=Fingerprint(), visibility=Visibility.SHARED)
    images = catalog(replace(image, members=frozenset({"a" * 32})))
    assert not applied(service, images).succeeded
    (made,) = service.images()
    service.full = False
    assert applied(service, images).succeeded
    assert [one.id for one in service.images()] == [made.id]
    assert [member.project for member in service.members(made.id)] == ["a" * 32]


class LossyStatus(Local):
    """A store that answers that an image was deactivated, and loses that."""

    def deactivate(self, image_id: str) -> None:
        return


def test_an_image_that_is_not_deactivated_as_declared_is_an_error(tmp_path: Path) -> None:
    """The read-back of the update that publishes shows it; users may see the image, so it stays."""
    service = LossyStatus(Store(tmp_path / "store"), "lossy")
    (result,) = applied(service, wanted(tmp_path, b"data", status=Status.DEACTIVATED)).results
    assert "is active, not deactivated, after the change; run apply again" in str(result.error)
    assert len(service.images()) == 1
