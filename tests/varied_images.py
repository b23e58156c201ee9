"""Creates images of every kind that an old project can have. ``export`` must write them, and ``adopt`` must not change
them. Does I/O."""

from collections.abc import Iterator
from typing import Any

from imagesync.backends.base import Backend
from imagesync.model.image import LiveImage
from tests.samples import iso, qcow2

FORMATS = {"qcow2": qcow2(2**30), "iso": iso()}


def create_varied_images(backend: Backend) -> Iterator[LiveImage]:
    """Create all of them, one after the other."""
    for number, (kind, data) in enumerate(FORMATS.items()):
        yield filled(backend, data, name=f"Real {kind}", disk_format=kind, min_disk=number, min_ram=512 * number)
    for kind in ("raw", "ploop"):
        yield filled(backend, b"\xf8" * 5000, name=kind, disk_format=kind, container_format="ovf")
    for one in ("public", "private", "community"):
        yield filled(backend, name=f"seen as {one}", visibility=one, tags=["linux", "no", "1.0", "x, y", "null"])
    yield filled(backend, name="Hidden", hidden=True, protected=True)
    yield filled(backend, name="Hidden", hidden=True)
    yield filled(backend, b"", name="empty")
    yield filled(backend, name="Übersicht: 日本 #1", properties=ODD)
    yield filled(backend, name="日本", tags=["日本", ""])
    yield filled(backend, name="uploaded by a client", properties={f"owner_specified.openstack.{n}": n for n in SDK})
    yield record(backend, name="without data", disk_format=None, container_format=None)
    yield record(backend, name="without data, with formats")
    stopped = filled(backend, name="Stopped")
    backend.deactivate(stopped.id)
    yield backend.images(stopped.id)[0]
    shared = filled(backend, name="shared with two", visibility="shared")
    for project in ("p1", "p$2"):
        backend.add_member(shared.id, project)
    yield shared
    yield filled(backend, name="shared with nobody", visibility="shared")
    yield from create_machine_images(backend)


SDK = ("md5", "sha256", "object")
ODD = {
    "": "empty name",
    "a/b~c": "1",
    "a:b": "2",
    "dotted.name": "3",
    "with space": "4",
    "日本": "日本",
    "<<": "5",
    "empty": "",
    "no": "no",
    "version": "24.10",
    "null": "null",
    "tilde": "~",
    "day": "2026-11-24",
    "octal": "0o17",
    "place": "${images.raw.id}",
    "dollars": "$$",
    "more": "$$${x}",
    "lines": "a\nb\tc",
    "quotes": "\"'\\",
    "end": "a: ",
    "base": "1_000",
    "time": "12:30:45",
    "list": "[a]",
    "alias": "*a",
    "comment": "a #b",
    "dash": "- a",
    "y": "Y",
}


def create_machine_images(backend: Backend) -> Iterator[LiveImage]:
    """A kernel, a ramdisk, and the machine image that names them."""
    kernel = filled(backend, b"k", name="Machine kernel", disk_format="aki", container_format="aki")
    ramdisk = filled(backend, b"r", name="Machine ramdisk", disk_format="ari", container_format="ari")
    ids = {"kernel_id": kernel.id, "ramdisk_id": ramdisk.id}
    yield kernel
    yield ramdisk
    yield filled(backend, b"m", name="Machine", disk_format="ami", container_format="ami", properties=ids)


def record(backend: Backend, **attrs: Any) -> LiveImage:
    """A private image without data, raw and bare unless other formats are given."""
    plain = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    return backend.create_image(**{**plain, **attrs})


def filled(backend: Backend, data: bytes = b"data", **attrs: Any) -> LiveImage:
    """An active image."""
    image = record(backend, **attrs)
    backend.upload(image.id, [data], len(data))
    return backend.images(image.id)[0]
