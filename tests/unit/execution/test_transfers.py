"""A disk too large for its min_disk, or a file too large, is not sent; an empty one is."""

from pathlib import Path

from imagesync.model.catalog import FileSource, Transfer
from imagesync.sources import identify
from tests.samples import GIB, qcow2
from tests.unit.execution.helpers import Service, apply, want_image
from tests.unit.factories import catalog, spec


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
