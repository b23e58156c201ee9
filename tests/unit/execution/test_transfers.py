"""The stored data is compared with what was sent, and a disk too large for its min_disk is not sent."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.backends.local.backend import Local
from imagesync.backends.local.store import Store
from imagesync.model.catalog import FileSource, Transfer
from imagesync.model.image import LiveImage
from imagesync.model.record import DIGEST
from imagesync.sources import identify
from tests.samples import GIB, qcow2
from tests.unit.execution.helpers import apply, want_image
from tests.unit.factories import catalog, spec


class Service(Local):
    """A store that counts uploads and downloads, and may hash by another algorithm or give other bytes back."""

    def __init__(self, folder: Path, answers: dict[str, str | None], spoiled: bytes = b"") -> None:
        super().__init__(Store(folder), "service")
        self.answers, self.spoiled = answers, spoiled
        self.uploads = self.downloads = 0

    def images(self, image_id: str | None = None) -> list[LiveImage]:
        return [replace(one, **self.answers) if one.size else one for one in super().images(image_id)]  # type: ignore[arg-type]

    def upload(self, image_id: str, chunks: Iterable[bytes], size: int | None, *, store: str | None = None) -> None:
        self.uploads += 1
        super().upload(image_id, chunks, size, store=store)

    def download(self, image_id: str) -> Iterator[bytes]:
        self.downloads += 1
        return iter([*super().download(image_id), self.spoiled])


def test_digests_that_the_service_computed_are_kept_with_ours(tmp_path: Path) -> None:
    """So that a manifest that declares another algorithm later uploads nothing."""
    service = Service(tmp_path / "store", {})
    assert apply(service, want_image(tmp_path, b"data")).succeeded
    (image,) = service.images()
    kept = dict(part.split(":") for part in image.properties[DIGEST].split())
    assert kept == {
        name: hashlib.new(name, b"data", usedforsecurity=False).hexdigest() for name in ("md5", "sha256", "sha512")
    }
    assert service.downloads == 0


def test_a_service_that_hashes_otherwise_is_read_back(tmp_path: Path) -> None:
    """No digest in common is no proof."""
    answers = {"os_hash_algo": "blake2b", "os_hash_value": "00", "checksum": None}
    service = Service(tmp_path / "store", answers)
    assert apply(service, want_image(tmp_path, b"data")).succeeded
    assert service.downloads == 1
    service = Service(tmp_path / "other", answers, spoiled=b"more")
    (result,) = apply(service, want_image(tmp_path, b"data")).results
    assert "the service stored sha512" in str(result.error)
    assert service.images() == []


@pytest.mark.parametrize("answers", [{"os_hash_value": "0" * 128}, {"size": 5}])
def test_other_bytes_in_the_service_are_an_error(tmp_path: Path, answers: dict[str, str | None]) -> None:
    """Nothing of them stays."""
    service = Service(tmp_path / "store", answers)
    (result,) = apply(service, want_image(tmp_path, b"data")).results
    assert "the service stored" in str(result.error)
    assert service.images() == []


def test_a_disk_larger_than_min_disk_begins_no_upload(tmp_path: Path) -> None:
    """Its header tells; the error tells what to declare."""
    service = Service(tmp_path / "store", {})
    data = qcow2(5 * GIB - 1) + bytes(2**22)
    (result,) = apply(service, want_image(tmp_path, data, disk_format="qcow2", min_disk=4)).results
    assert "declare min_disk: 5 or more, or auto" in str(result.error)
    assert service.uploads == 0
    assert apply(service, want_image(tmp_path, data, disk_format="qcow2", min_disk=5)).succeeded


def test_an_empty_file_is_an_image_of_no_bytes(tmp_path: Path) -> None:
    """There is no first chunk to look at."""
    service = Service(tmp_path / "store", {})
    assert apply(service, want_image(tmp_path, b"")).succeeded
    assert [image.size for image in service.images()] == [0]


def test_a_declared_max_size_bounds_a_plain_file(tmp_path: Path) -> None:
    """One line, nothing left."""
    service = Service(tmp_path / "store", {})
    source = FileSource(str(tmp_path / "x"), "x", transfer=Transfer(max_size=3))
    (tmp_path / "x").write_bytes(b"data")
    (result,) = apply(service, identify(catalog(spec("x", source=source)))).results
    assert "holds more than the 3 bytes allowed" in str(result.error)
    assert service.images() == []
