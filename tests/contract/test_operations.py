"""Operations on images, members and data have the same results on every backend."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imagesync.backends import open_backend
from imagesync.backends.base import Backend
from imagesync.errors import Conflict, Forbidden, ImagesyncError, InvalidRequest, NotFound, QuotaExceeded
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage, MemberState
from tests.cloud.neighbors import drop_neighbors
from tests.samples import DISGUISED, REFUSED, TAKEN, iso, qcow2
from tests.waiting import wait_until


def create_queued(backend: Backend, **attrs: Any) -> LiveImage:
    """Create a queued image, which is raw and bare by default."""
    return backend.create_image(**{"name": "n", "disk_format": "raw", "container_format": "bare", **attrs})


def create_active(backend: Backend, data: bytes = b"data", **attrs: Any) -> LiveImage:
    """Create an active image."""
    image = create_queued(backend, **attrs)
    backend.upload(image.id, [data], len(data))
    return backend.images(image.id)[0]


def await_queued(backend: Backend, image: LiveImage) -> None:
    """Wait until the service has queued the image again after an aborted upload.

    For a moment its responses differ, so each check reads the image three times.
    """
    wait_until(
        lambda: [backend.images(image.id)[0].status for _ in range(3)],
        lambda statuses: set(statuses) == {Status.QUEUED},
        "the image is queued again",
        pause=0.05,
    )


def upload_after_break(backend: Backend, image: LiveImage, data: bytes) -> None:
    """Upload until the service accepts it. While it still reads the aborted body, it returns Conflict.

    ``apply`` also repeats such an upload. A slow service may queue the image before it reads the end of the body.
    """

    def can_upload() -> bool:
        with suppress(Conflict):
            backend.upload(image.id, [data], len(data))
            return True
        return False

    wait_until(can_upload, bool, "the service accepts the data", pause=0.05)


def test_create_accepts_every_parameter_and_returns_every_field(backend: Backend) -> None:
    """The image has the given values, and the service's defaults for others. Units are GB and MB."""
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
    """The image is shared, visible and not protected, has no formats, and the backend chooses its id."""
    image = backend.create_image()
    assert (image.name, image.visibility, image.hidden, image.protected) == (None, Visibility.SHARED, False, False)
    assert (image.disk_format, image.min_disk, image.tags, dict(image.properties)) == (None, 0, frozenset(), {})


def test_lease_records_are_hidden_images_of_the_project_with_the_lease_marker(backend: Backend) -> None:
    """The marker is compared byte for byte. Images that are visible, or of another catalog or project, are not listed."""
    mark = {"imagesync_lease": "base"}
    lease = backend.create_image(visibility="private", hidden=True, properties=mark)
    backend.create_image(visibility="private", properties=mark)
    backend.create_image(visibility="private", hidden=True, properties={"imagesync_lease": "BASE"})
    backend.create_image(visibility="private", hidden=True, properties={"imagesync_catalog": "base"})
    backend.create_image(visibility="private", hidden=True, properties=mark, owner="0" * 32)
    assert [image.id for image in backend.leases("base")] == [lease.id]
    assert backend.inventory("base", [backend.identity().project_id])[0].properties == {"imagesync_catalog": "base"}


def test_update_changes_only_the_given_fields(backend: Backend) -> None:
    """Tags are replaced as a whole, properties one by one; None removes a property, also one that does not exist."""
    image = create_queued(backend, tags=["old"], properties={"keep": "1", "change": "1", "drop": "1"})
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
    """If one field is rejected, no other field changes."""
    image = create_active(backend)
    with pytest.raises(Forbidden):
        backend.update_image(image.id, name="new", disk_format="qcow2")
    assert backend.images(image.id)[0].name == "n"


def test_formats_cannot_change_after_the_upload(backend: Backend) -> None:
    """disk_format and container_format can change only while the image is queued."""
    image = create_active(backend)
    for attrs in ({"disk_format": "iso"}, {"container_format": "ovf"}):
        with pytest.raises(Forbidden):
            backend.update_image(image.id, **attrs)  # type: ignore[arg-type]


def test_an_uploaded_image_is_active_and_has_digests_and_sizes(backend: Backend) -> None:
    """They are md5 and sha512 of the data; a download returns the same bytes."""
    data = bytes(range(256)) * 5000
    image = create_queued(backend)
    backend.upload(image.id, (data[start : start + 100_000] for start in range(0, len(data), 100_000)), None)
    found = backend.images(image.id)[0]
    assert (found.status, found.size) == (Status.ACTIVE, len(data))
    assert found.checksum == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert (found.os_hash_algo, found.os_hash_value) == ("sha512", hashlib.sha512(data).hexdigest())
    assert b"".join(backend.download(image.id)) == data


@pytest.mark.parametrize(("disk_format", "data", "virtual"), [("qcow2", qcow2(2**30), 2**30), ("iso", iso(), None)])
def test_the_virtual_size_is_that_of_the_header(
    backend: Backend, disk_format: str, data: bytes, virtual: int | None
) -> None:
    """It is in bytes."""
    image = create_active(backend, data, disk_format=disk_format)
    assert image.virtual_size == (virtual or len(data))


def test_data_of_another_format_is_refused(backend: Backend) -> None:
    """The image is queued again and has no data."""
    image = create_queued(backend, disk_format="qcow2")
    with pytest.raises(InvalidRequest):
        backend.upload(image.id, [b"no qcow2 at al\0" * 100], 1500)
    assert backend.images(image.id)[0].status is Status.QUEUED


@pytest.mark.parametrize("case", [*TAKEN, *DISGUISED])
def test_good_data_of_every_format_is_accepted(backend: Backend, case: str) -> None:
    """So is a file that contains a disk and is declared as raw."""
    disk_format, container_format, data = (TAKEN | DISGUISED)[case]
    assert create_active(backend, data, disk_format=disk_format, container_format=container_format).size == len(data)


@pytest.mark.parametrize("case", REFUSED)
def test_unsafe_data_and_data_of_another_format_is_refused(backend: Backend, case: str) -> None:
    """The image is queued again."""
    disk_format, container_format, data, _ = REFUSED[case]
    image = create_queued(backend, disk_format=disk_format, container_format=container_format)
    with pytest.raises(InvalidRequest):
        backend.upload(image.id, [data], len(data))
    assert backend.images(image.id)[0].status is Status.QUEUED


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"abcdef"], [b"abcde", b"f"], []])
def test_a_length_other_than_announced_is_refused(backend: Backend, chunks: list[bytes]) -> None:
    """Fewer or more bytes are refused, the image is queued again, and the next upload is accepted."""
    image = create_queued(backend)
    with pytest.raises(ImagesyncError):
        backend.upload(image.id, chunks, 5)
    await_queued(backend, image)
    upload_after_break(backend, image, b"abcde")
    assert backend.images(image.id)[0].size == 5


@pytest.mark.parametrize("size", [4_000_000, None])
def test_an_error_of_the_data_is_raised_and_the_image_is_queued_again(backend: Backend, size: int | None) -> None:
    """The image has no data, and the next upload is accepted."""

    def broken() -> Iterator[bytes]:
        yield b"\xf8" * 1_000_000
        yield b"\xf8" * 1_000_000
        raise ValueError("the source broke")

    image = create_queued(backend)
    with pytest.raises(ValueError, match="the source broke"):
        backend.upload(image.id, broken(), size)
    await_queued(backend, image)
    assert backend.images(image.id)[0].size is None
    upload_after_break(backend, image, b"abc")
    assert backend.images(image.id)[0].status is Status.ACTIVE


def test_only_a_queued_image_with_formats_accepts_data(backend: Backend) -> None:
    """The data of an image never changes."""
    with pytest.raises(Conflict):
        backend.upload(create_active(backend).id, [b"other"], 5)
    with pytest.raises(InvalidRequest):
        backend.upload(backend.create_image(name="n").id, [b"x"], 1)
    with pytest.raises(NotFound):
        backend.upload(str(uuid4()), [b"x"], 1)


def test_a_download_of_an_image_without_data_is_a_conflict(backend: Backend) -> None:
    """The result is not an empty file."""
    with pytest.raises(Conflict):
        list(backend.download(create_queued(backend).id))


def test_deactivate_and_reactivate_can_be_repeated(backend: Backend) -> None:
    """Each is done twice; the image keeps its data."""
    image = create_active(backend)
    for _ in range(2):
        backend.deactivate(image.id)
        assert backend.images(image.id)[0].status is Status.DEACTIVATED
    for _ in range(2):
        backend.reactivate(image.id)
        assert backend.images(image.id)[0].status is Status.ACTIVE
    assert b"".join(backend.download(image.id)) == b"data"


def test_the_status_of_a_queued_image_cannot_change(backend: Backend) -> None:
    """Both operations are Forbidden."""
    image = create_queued(backend)
    for change in (backend.deactivate, backend.reactivate):
        with pytest.raises(Forbidden):
            change(image.id)


def test_an_id_is_never_used_twice(backend: Backend) -> None:
    """It cannot be used while the image exists, nor after its deletion."""
    image_id = str(uuid4())
    backend.create_image(id=image_id, name="first")
    for _ in range(2):
        with pytest.raises(Conflict):
            backend.create_image(id=image_id, name="second")
        try:
            backend.delete_image(image_id)
        except NotFound:
            continue


def test_a_deleted_image_does_not_exist(backend: Backend) -> None:
    """Each operation on it raises NotFound."""
    image = create_active(backend)
    backend.delete_image(image)
    for call in (backend.images, backend.delete_image, backend.deactivate, backend.reactivate, backend.members):
        with pytest.raises(NotFound):
            call(image.id)
    with pytest.raises(NotFound):
        backend.update_image(image.id, name="x")


def test_a_protected_image_cannot_be_deleted(backend: Backend) -> None:
    """An administrator must remove the protection, too."""
    image = create_queued(backend, protected=True)
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
def test_values_beyond_the_limits_are_refused(backend: Backend, attrs: dict[str, Any], error: type[Exception]) -> None:
    """No image is created."""
    with pytest.raises(error):
        backend.create_image(**attrs)
    assert drop_neighbors(backend.images()) == []


def test_128_properties_and_tags_are_accepted(backend: Backend) -> None:
    """128 is the limit. At the limit, a property can be replaced."""
    many = {f"p{number}": "v" for number in range(128)}
    image = backend.create_image(tags=[f"t{number}" for number in range(128)], properties=many)
    backend.update_image(image, properties={"p0": "new"})
    backend.update_image(image, properties={"p0": None, "q": "new"})
    with pytest.raises(QuotaExceeded):
        backend.update_image(image, properties={"r": "one too many"})


def test_members_of_a_shared_image_can_be_added_and_removed(backend: Backend) -> None:
    """They are pending. Both operations can be repeated, and accept any text as a project."""
    image = create_queued(backend, visibility="shared")
    for _ in range(2):
        backend.add_member(image.id, "project-b")
        backend.add_member(image.id, "project-a")
    assert backend.members(image.id) == [MemberState("project-a"), MemberState("project-b")]
    for _ in range(2):
        backend.remove_member(image.id, "project-b")
    assert backend.members(image.id) == [MemberState("project-a")]


def test_only_a_shared_image_has_members(backend: Backend) -> None:
    """An image that is not shared keeps its members, but they cannot be read or changed."""
    image = create_queued(backend, visibility="shared")
    backend.add_member(image.id, "project-a")
    backend.update_image(image, visibility="private")
    with pytest.raises(Forbidden):
        backend.add_member(image.id, "project-b")
    with pytest.raises(Forbidden):
        backend.remove_member(image.id, "project-a")
    backend.update_image(image, visibility="shared")
    assert backend.members(image.id) == [MemberState("project-a")]


def test_every_image_is_listed_also_hidden_ones(backend: Backend) -> None:
    """``images()`` lists them with every visibility."""
    ids = {create_queued(backend, hidden=hidden, visibility=one).id for hidden in (False, True) for one in Visibility}
    assert {image.id for image in drop_neighbors(backend.images())} == ids


def test_owned_images_are_found_by_marker_and_owner(backend: Backend) -> None:
    """They may be hidden and have any visibility. Images of another catalog or owner are not listed."""
    mine = {
        create_queued(backend, hidden=hidden, visibility=one, properties={"imagesync_catalog": "base"}).id
        for hidden in (False, True)
        for one in Visibility
    }
    create_queued(backend, properties={"imagesync_catalog": "Base"})
    create_queued(backend)
    elsewhere = create_queued(backend, owner="f" * 32, properties={"imagesync_catalog": "base"})
    assert {image.id for image in backend.inventory("base")} == mine
    assert [image.id for image in backend.inventory("base", ["f" * 32])] == [elsewhere.id]


@pytest.mark.parametrize(
    "name", ["plain", "a:b", 'quoted "x"', "comma, x", "sla/sh", "in:x", "ünïcode", "50 %", "a&b=c"]
)
def test_visible_images_are_found_by_name(backend: Backend, name: str) -> None:
    """The name may contain any character; hidden images and other names are not listed."""
    wanted = create_queued(backend, name=name)
    create_queued(backend, name=name, hidden=True)
    create_queued(backend, name="other")
    assert [image.id for image in backend.find_named([name, "none"], backend.identity().project_id)] == [wanted.id]


def test_an_administrator_can_publish(backend: Backend) -> None:
    """The check changes nothing."""
    image = create_queued(backend, visibility="private")
    assert backend.can_publish(image.id)
    assert backend.images(image.id)[0].visibility is Visibility.PRIVATE


def test_capabilities_are_those_of_the_service(backend: Backend) -> None:
    """They have its formats and read-only fields."""
    able = backend.capabilities()
    assert {"qcow2", "raw", "iso"} <= able.disk_formats
    assert {"bare", "ovf"} <= able.container_formats
    assert {"status", "checksum", "size", "created_at"} <= able.read_only
    assert able.hidden


def test_a_target_that_is_opened_again_has_the_same_fingerprint(backend: Backend, tmp_path: Path) -> None:
    """A saved plan contains the fingerprint. Another store or project has another one."""
    if backend.identity().kind == "store":
        again, other = open_backend(store=tmp_path / "store"), open_backend(store=tmp_path / "other")
    else:
        again, other = open_backend(cloud="alice"), open_backend(cloud="bob")
    with closing(again), closing(other):
        assert again.identity().fingerprint == backend.identity().fingerprint
        assert other.identity().fingerprint != backend.identity().fingerprint
