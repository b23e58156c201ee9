"""The six operations, members and data: the same calls and the same answers on every backend."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imagesync import open_backend
from imagesync.backends.base import Backend
from imagesync.errors import Conflict, Forbidden, ImagesyncError, InvalidRequest, NotFound, QuotaExceeded
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage, MemberState
from tests.cloud.neighbors import ours
from tests.samples import DISGUISED, REFUSED, TAKEN, iso, qcow2
from tests.waiting import wait_until


def record(backend: Backend, **attrs: Any) -> LiveImage:
    """A queued image, raw and bare unless said otherwise."""
    return backend.create_image(**{"name": "n", "disk_format": "raw", "container_format": "bare", **attrs})


def filled(backend: Backend, data: bytes = b"data", **attrs: Any) -> LiveImage:
    """An active image."""
    image = record(backend, **attrs)
    backend.upload(image.id, [data], len(data))
    return backend.images(image.id)[0]


def await_queued(backend: Backend, image: LiveImage) -> None:
    """Wait until the service has undone a broken upload; for a moment its answers differ, so read three times."""
    wait_until(
        lambda: [backend.images(image.id)[0].status for _ in range(3)],
        lambda statuses: set(statuses) == {Status.QUEUED},
        "the image is queued again",
        pause=0.05,
    )


def upload_after_break(backend: Backend, image: LiveImage, data: bytes) -> None:
    """Upload until it is accepted: a service that still has the broken body before it answers Conflict.

    ``apply`` repeats such an upload, too. A slow service may not yet have seen the broken body when it is queued.
    """

    def attempt() -> bool:
        with suppress(Conflict):
            backend.upload(image.id, [data], len(data))
            return True
        return False

    wait_until(attempt, bool, "the service takes the data", pause=0.05)


def test_create_takes_every_parameter_and_gives_every_field(backend: Backend) -> None:
    """What is given comes back; what is not has the service's defaults; units are GB and MB."""
    image_id = str(uuid4())
    made = backend.create_image(
        id=image_id,
        name="Ubuntu",
        container_format="bare",
        disk_format="qcow2",
        min_disk=4,
        min_ram=512,
        protected=True,
        visibility="public",
        hidden=True,
        tags=["b", "a", "a"],
        properties={
            "os_distro": "ubuntu",
            "kernel_id": "k",
            "image_location": "snapshot",
            "user_id": "u",
            "a/b~c": "d",
        },
    )
    for image in (made, *backend.images(image_id)):
        assert (image.id, image.name, image.status) == (image_id, "Ubuntu", Status.QUEUED)
        assert (image.container_format, image.disk_format, image.min_disk, image.min_ram) == ("bare", "qcow2", 4, 512)
        assert (image.protected, image.hidden, image.visibility) == (True, True, Visibility.PUBLIC)
        assert image.tags == {"a", "b"}
        assert image.properties["a/b~c"] == "d"
        assert (image.kernel_id, image.image_location, image.user_id, image.ramdisk_id) == ("k", "snapshot", "u", None)
        assert image.owner == backend.identity().project_id
        assert (image.size, image.virtual_size, image.checksum, image.os_hash_value) == (None,) * 4
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", image.created_at)
        assert (image.file, image.self) == (f"/v2/images/{image_id}/file", f"/v2/images/{image_id}")
        assert image.schema == "/v2/schemas/image"
    backend.update_image(image_id, protected=False)


def test_a_bare_create_has_the_defaults(backend: Backend) -> None:
    """Shared, visible, unprotected, no formats; the id is made."""
    image = backend.create_image()
    assert (image.name, image.visibility, image.hidden, image.protected) == (None, Visibility.SHARED, False, False)
    assert (image.disk_format, image.min_disk, image.tags, dict(image.properties)) == (None, 0, frozenset(), {})


def test_the_records_of_a_lease_are_hidden_ones_of_our_own_with_its_mark(backend: Backend) -> None:
    """Byte for byte; visible ones, other catalogs' and other projects' are not among them."""
    mark = {"imagesync_lease": "base"}
    ours = backend.create_image(visibility="private", hidden=True, properties=mark)
    backend.create_image(visibility="private", properties=mark)
    backend.create_image(visibility="private", hidden=True, properties={"imagesync_lease": "BASE"})
    backend.create_image(visibility="private", hidden=True, properties={"imagesync_catalog": "base"})
    backend.create_image(visibility="private", hidden=True, properties=mark, owner="0" * 32)
    assert [image.id for image in backend.leases("base")] == [ours.id]
    assert backend.inventory("base", [backend.identity().project_id])[0].properties == {"imagesync_catalog": "base"}


def test_update_changes_what_is_given_and_nothing_else(backend: Backend) -> None:
    """Each field, tags as a whole, properties one by one; None takes a property away, also one that is not there."""
    image = record(backend, tags=["old"], properties={"keep": "1", "change": "1", "drop": "1"})
    changed = backend.update_image(
        image,
        name="new",
        min_disk=1,
        min_ram=2,
        protected=True,
        hidden=True,
        visibility="community",
        disk_format="iso",
        container_format="ovf",
        tags=["x", "y"],
        properties={"change": "2", "add": "3", "drop": None, "never": None},
    )
    for found in (changed, *backend.images(image.id)):
        assert (found.name, found.min_disk, found.min_ram, found.protected, found.hidden) == ("new", 1, 2, True, True)
        assert (found.visibility, found.disk_format, found.container_format) == (Visibility.COMMUNITY, "iso", "ovf")
        assert found.tags == {"x", "y"}
        assert found.properties == {"keep": "1", "change": "2", "add": "3"}
    again = backend.update_image(image.id, name=None, protected=False)
    assert (again.name, again.min_ram) == (None, 2)
    assert again.tags == {"x", "y"}


def test_an_update_is_all_or_nothing(backend: Backend) -> None:
    """One field that is refused leaves the others as they were."""
    image = filled(backend)
    with pytest.raises(Forbidden):
        backend.update_image(image.id, name="new", disk_format="qcow2")
    assert backend.images(image.id)[0].name == "n"


def test_formats_are_fixed_once_there_is_data(backend: Backend) -> None:
    """disk_format and container_format change only while the image is queued."""
    image = filled(backend)
    for attrs in ({"disk_format": "iso"}, {"container_format": "ovf"}):
        with pytest.raises(Forbidden):
            backend.update_image(image.id, **attrs)  # type: ignore[arg-type]


def test_an_upload_makes_it_active_with_digests_and_sizes(backend: Backend) -> None:
    """md5 and sha512 of what was stored; the same bytes come back."""
    data = bytes(range(256)) * 5000
    image = record(backend)
    backend.upload(image.id, (data[start : start + 100_000] for start in range(0, len(data), 100_000)), None)
    found = backend.images(image.id)[0]
    assert (found.status, found.size) == (Status.ACTIVE, len(data))
    assert found.checksum == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert (found.os_hash_algo, found.os_hash_value) == ("sha512", hashlib.sha512(data).hexdigest())
    assert b"".join(backend.download(image.id)) == data


@pytest.mark.parametrize(("disk_format", "data", "virtual"), [("qcow2", qcow2(2**30), 2**30), ("iso", iso(), None)])
def test_real_formats_tell_their_virtual_size(
    backend: Backend, disk_format: str, data: bytes, virtual: int | None
) -> None:
    """From the header, in bytes."""
    image = filled(backend, data, disk_format=disk_format)
    assert image.virtual_size == (virtual or len(data))


def test_data_of_another_format_is_refused(backend: Backend) -> None:
    """The record is queued again, without data."""
    image = record(backend, disk_format="qcow2")
    with pytest.raises(InvalidRequest):
        backend.upload(image.id, [b"no qcow2 at al\0" * 100], 1500)
    assert backend.images(image.id)[0].status is Status.QUEUED


@pytest.mark.parametrize("case", [*TAKEN, *DISGUISED])
def test_good_data_of_every_format_is_taken(backend: Backend, case: str) -> None:
    """Also a file around a disk that is declared raw."""
    disk_format, container_format, data = (TAKEN | DISGUISED)[case]
    assert filled(backend, data, disk_format=disk_format, container_format=container_format).size == len(data)


@pytest.mark.parametrize("case", REFUSED)
def test_unsafe_and_foreign_data_is_refused(backend: Backend, case: str) -> None:
    """Nothing is active."""
    disk_format, container_format, data, _ = REFUSED[case]
    image = record(backend, disk_format=disk_format, container_format=container_format)
    with pytest.raises(InvalidRequest):
        backend.upload(image.id, [data], len(data))
    assert backend.images(image.id)[0].status is Status.QUEUED


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"abcdef"], [b"abcde", b"f"], []])
def test_a_length_other_than_announced_is_refused(backend: Backend, chunks: list[bytes]) -> None:
    """Less or more; queued again, and the right data is taken afterwards."""
    image = record(backend)
    with pytest.raises(ImagesyncError):
        backend.upload(image.id, chunks, 5)
    await_queued(backend, image)
    upload_after_break(backend, image, b"abcde")
    assert backend.images(image.id)[0].size == 5


@pytest.mark.parametrize("size", [4_000_000, None])
def test_an_error_of_the_data_comes_out_and_leaves_the_record_queued(backend: Backend, size: int | None) -> None:
    """Nothing is stored; the next upload works."""

    def broken() -> Iterator[bytes]:
        yield b"\xf8" * 1_000_000
        yield b"\xf8" * 1_000_000
        raise ValueError("the source broke")

    image = record(backend)
    with pytest.raises(ValueError, match="the source broke"):
        backend.upload(image.id, broken(), size)
    await_queued(backend, image)
    assert backend.images(image.id)[0].size is None
    upload_after_break(backend, image, b"abc")
    assert backend.images(image.id)[0].status is Status.ACTIVE


def test_only_a_queued_image_with_formats_takes_data(backend: Backend) -> None:
    """Content is never overwritten in place."""
    with pytest.raises(Conflict):
        backend.upload(filled(backend).id, [b"other"], 5)
    with pytest.raises(InvalidRequest):
        backend.upload(backend.create_image(name="n").id, [b"x"], 1)
    with pytest.raises(NotFound):
        backend.upload(str(uuid4()), [b"x"], 1)


def test_an_image_without_data_has_none_to_download(backend: Backend) -> None:
    """A conflict, not an empty file."""
    with pytest.raises(Conflict):
        list(backend.download(record(backend).id))


def test_deactivate_and_reactivate_can_be_repeated(backend: Backend) -> None:
    """Both ways twice; the data stays."""
    image = filled(backend)
    for _ in range(2):
        backend.deactivate(image.id)
        assert backend.images(image.id)[0].status is Status.DEACTIVATED
    for _ in range(2):
        backend.reactivate(image.id)
        assert backend.images(image.id)[0].status is Status.ACTIVE
    assert b"".join(backend.download(image.id)) == b"data"


def test_a_queued_image_has_no_status_to_change(backend: Backend) -> None:
    """Forbidden both ways."""
    image = record(backend)
    for change in (backend.deactivate, backend.reactivate):
        with pytest.raises(Forbidden):
            change(image.id)


def test_an_id_is_never_given_out_twice(backend: Backend) -> None:
    """Neither while the image is there nor after it was deleted."""
    image_id = str(uuid4())
    backend.create_image(id=image_id, name="first")
    for _ in range(2):
        with pytest.raises(Conflict):
            backend.create_image(id=image_id, name="second")
        try:
            backend.delete_image(image_id)
        except NotFound:
            continue


def test_delete_takes_it_away_for_good(backend: Backend) -> None:
    """By value or id; what is not there is NotFound for each operation."""
    image = filled(backend)
    backend.delete_image(image)
    for call in (backend.images, backend.delete_image, backend.deactivate, backend.reactivate, backend.members):
        with pytest.raises(NotFound):
            call(image.id)
    with pytest.raises(NotFound):
        backend.update_image(image.id, name="x")


def test_a_protected_image_cannot_be_deleted(backend: Backend) -> None:
    """By an admin neither, until the protection is off."""
    image = record(backend, protected=True)
    with pytest.raises(Forbidden):
        backend.delete_image(image)
    backend.update_image(image, protected=False)
    backend.delete_image(image)


@pytest.mark.parametrize(
    ("attrs", "error"),
    [
        ({"id": "no-uuid"}, InvalidRequest),
        ({"name": "x" * 256}, InvalidRequest),
        ({"name": "\U0001f600"}, InvalidRequest),
        ({"tags": ["x" * 256]}, InvalidRequest),
        ({"tags": [str(number) for number in range(129)]}, QuotaExceeded),
        ({"properties": {f"p{number}": "v" for number in range(129)}}, QuotaExceeded),
        ({"properties": {"x" * 256: "v"}}, InvalidRequest),
        ({"properties": {"k": "\U0001f600"}}, InvalidRequest),
        ({"properties": {"os_glance_x": "v"}}, (InvalidRequest, Forbidden)),
        ({"properties": {"size": "1"}}, (InvalidRequest, Forbidden)),
        ({"disk_format": "nonsense"}, InvalidRequest),
        ({"container_format": "nonsense"}, InvalidRequest),
        ({"visibility": "nonsense"}, InvalidRequest),
        ({"min_ram": -1}, InvalidRequest),
        ({"min_disk": 2**31}, InvalidRequest),
    ],
)
def test_what_is_beyond_the_limits_is_refused(backend: Backend, attrs: dict[str, Any], error: type[Exception]) -> None:
    """At create; nothing is made."""
    with pytest.raises(error):
        backend.create_image(**attrs)
    assert ours(backend.images()) == []


def test_128_properties_and_tags_are_taken(backend: Backend) -> None:
    """The limit itself is allowed; replacing one at the limit too."""
    many = {f"p{number}": "v" for number in range(128)}
    image = backend.create_image(tags=[f"t{number}" for number in range(128)], properties=many)
    backend.update_image(image, properties={"p0": "new"})
    backend.update_image(image, properties={"p0": None, "q": "new"})
    with pytest.raises(QuotaExceeded):
        backend.update_image(image, properties={"r": "one too many"})


def test_members_come_and_go_on_a_shared_image(backend: Backend) -> None:
    """Pending; both ways can be repeated; any string is a project."""
    image = record(backend, visibility="shared")
    for _ in range(2):
        backend.add_member(image.id, "project-b")
        backend.add_member(image.id, "project-a")
    assert backend.members(image.id) == [MemberState("project-a"), MemberState("project-b")]
    for _ in range(2):
        backend.remove_member(image.id, "project-b")
    assert backend.members(image.id) == [MemberState("project-a")]


def test_only_a_shared_image_has_members(backend: Backend) -> None:
    """They stay, out of reach, while it is not."""
    image = record(backend, visibility="shared")
    backend.add_member(image.id, "project-a")
    backend.update_image(image, visibility="private")
    with pytest.raises(Forbidden):
        backend.add_member(image.id, "project-b")
    with pytest.raises(Forbidden):
        backend.remove_member(image.id, "project-a")
    backend.update_image(image, visibility="shared")
    assert backend.members(image.id) == [MemberState("project-a")]


def test_every_image_is_listed_hidden_ones_too(backend: Backend) -> None:
    """``images()`` and ``images(id)``."""
    ids = {record(backend, hidden=hidden, visibility=one).id for hidden in (False, True) for one in Visibility}
    assert {image.id for image in ours(backend.images())} == ids


def test_owned_images_are_found_by_mark_and_owner(backend: Backend) -> None:
    """Hidden, private, community; neither another catalog's nor another owner's."""
    mine = {
        record(backend, hidden=hidden, visibility=one, properties={"imagesync_catalog": "base"}).id
        for hidden in (False, True)
        for one in Visibility
    }
    record(backend, properties={"imagesync_catalog": "Base"})
    record(backend)
    elsewhere = record(backend, owner="f" * 32, properties={"imagesync_catalog": "base"})
    assert {image.id for image in backend.inventory("base")} == mine
    assert [image.id for image in backend.inventory("base", ["f" * 32])] == [elsewhere.id]


@pytest.mark.parametrize(
    "name", ["plain", "a:b", 'quoted "x"', "comma, x", "sla/sh", "in:x", "ünïcode", "50 %", "a&b=c"]
)
def test_visible_images_are_found_by_name(backend: Backend, name: str) -> None:
    """Whatever is in it; hidden ones and other names are left out."""
    wanted = record(backend, name=name)
    record(backend, name=name, hidden=True)
    record(backend, name="other")
    assert [image.id for image in backend.find_named([name, "none"], backend.identity().project_id)] == [wanted.id]


def test_an_admin_can_publish(backend: Backend) -> None:
    """Asking changes nothing."""
    image = record(backend, visibility="private")
    assert backend.can_publish(image.id)
    assert backend.images(image.id)[0].visibility is Visibility.PRIVATE


def test_it_says_what_it_can_do(backend: Backend) -> None:
    """Formats and read-only fields, from the service itself."""
    able = backend.capabilities()
    assert {"qcow2", "raw", "iso"} <= able.disk_formats
    assert {"bare", "ovf"} <= able.container_formats
    assert {"status", "checksum", "size", "created_at"} <= able.read_only
    assert able.hidden


def test_a_target_is_recognized_when_it_is_opened_again(backend: Backend, tmp_path: Path) -> None:
    """Its fingerprint, which a saved plan keeps, is the same; that of another store or project is not."""
    if backend.identity().kind == "store":
        again, other = open_backend(store=tmp_path / "store"), open_backend(store=tmp_path / "other")
    else:
        again, other = open_backend(cloud="alice"), open_backend(cloud="bob")
    with closing(again), closing(other):
        assert again.identity().fingerprint == backend.identity().fingerprint
        assert other.identity().fingerprint != backend.identity().fingerprint
