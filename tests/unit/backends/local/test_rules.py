"""Records and changes -> an error if they break a rule of the image service; each limit is exact."""

from typing import Any

import pytest

from imagesync.backends.local import rules
from imagesync.errors import Forbidden, InvalidRequest, QuotaExceeded
from imagesync.model.image import Capabilities

IMAGE_ID = "0a4d55a8-d778-4c4f-9b32-b8bd1ecd6d41"


def record(**fields: Any) -> dict[str, Any]:
    """A queued image, with these fields and properties."""
    usual: dict[str, Any] = {
        "id": IMAGE_ID,
        "name": "n",
        "status": "queued",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        "protected": False,
        "os_hidden": False,
        "min_disk": 0,
        "min_ram": 0,
        "tags": [],
    }
    return {**usual, **fields}


def numbered(count: int) -> dict[str, str]:
    """So many properties."""
    return {f"p{number}": "v" for number in range(count)}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": None},
        {"name": "n" * 255},
        {"name": "образ" * 51},
        {"tags": ["中" * 255]},
        {"tags": ["t" * 255]},
        {"p" * 255: "v"},
        {"p": "v" * 100_000},
        {"p": ""},
        {"tags": [str(number) for number in range(128)]},
        numbered(128),
        {"min_disk": 2**31 - 1, "min_ram": 2**31 - 1},
        {"disk_format": None, "container_format": None},
        {"protected": True, "os_hidden": True},
        {"name": "\ud7ff\ue000\uffff"},
        *({"visibility": value} for value in ("public", "private", "shared", "community")),
        *({"disk_format": value} for value in sorted(rules.DISK_FORMATS)),
        *({"container_format": value} for value in sorted(rules.CONTAINER_FORMATS)),
    ],
)
def test_what_the_service_accepts(fields: dict[str, Any]) -> None:
    """Up to each limit."""
    rules.check_document(record(**fields))


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"name": "n" * 256}, InvalidRequest, "name is 256 characters long; the limit is 255"),
        ({"name": 3}, InvalidRequest, "name is not text"),
        ({"tags": ["t", "t" * 256]}, InvalidRequest, "a tag is 256 characters long; the limit is 255"),
        ({"tags": ["t", 3]}, InvalidRequest, "a tag is not text"),
        ({"tags": [None]}, InvalidRequest, "a tag is not text"),
        ({"p" * 256: "v"}, InvalidRequest, "a property's name is 256 characters long"),
        ({"q": "v", "p": 3}, InvalidRequest, "property 'p' is not text"),
        ({"q": "v", "p": None}, InvalidRequest, "property 'p' is not text"),
        ({"tags": [str(number) for number in range(129)]}, QuotaExceeded, "129 tags; the limit is 128"),
        (numbered(129), QuotaExceeded, "129 properties; the limit is 128"),
        ({"min_disk": 2**31}, InvalidRequest, "min_disk 2147483648 is not an integer from 0 to 2147483647"),
        ({"min_ram": 2**31}, InvalidRequest, "min_ram 2147483648 is not an integer"),
        ({"min_disk": -1}, InvalidRequest, "min_disk -1 is not an integer"),
        ({"min_ram": -1}, InvalidRequest, "min_ram -1 is not an integer"),
        ({"min_disk": True}, InvalidRequest, "min_disk True is not an integer"),
        ({"min_disk": 1.0}, InvalidRequest, "min_disk 1.0 is not an integer"),
        ({"protected": 1}, InvalidRequest, "protected 1 is not true or false"),
        ({"os_hidden": None}, InvalidRequest, "os_hidden None is not true or false"),
        ({"visibility": None}, InvalidRequest, "visibility None is unknown; use one of community, private"),
        ({"visibility": "publc"}, InvalidRequest, "visibility 'publc' is unknown"),
        ({"disk_format": "qcow3"}, InvalidRequest, "disk_format 'qcow3' is unknown"),
        ({"container_format": "tar"}, InvalidRequest, "container_format 'tar' is unknown"),
        ({"name": "a\U00010000"}, InvalidRequest, r"name contains the character U\+10000"),
        ({"name": "a\ud800"}, InvalidRequest, r"name contains the character U\+D800"),
        ({"tags": ["a\udfff"]}, InvalidRequest, r"a tag contains the character U\+DFFF"),
        ({"p\U0001f600": "v"}, InvalidRequest, r"a property's name contains the character U\+1F600"),
        ({"p": "\U0001f600"}, InvalidRequest, r"property 'p' contains the character U\+1F600"),
    ],
)
def test_what_the_service_refuses(fields: dict[str, Any], kind: type[Exception], message: str) -> None:
    """One more than each limit, or a value of another kind."""
    with pytest.raises(kind, match=f"^image {IMAGE_ID}: {message}"):
        rules.check_document(record(**fields))


@pytest.mark.parametrize("image_id", [IMAGE_ID, IMAGE_ID.upper(), "0" * 8 + "-0000" * 3 + "-" + "0" * 12])
def test_an_id_is_a_uuid(image_id: str) -> None:
    """In upper case, too."""
    assert rules.is_image_id(image_id)
    rules.check_new_id(image_id)


@pytest.mark.parametrize(
    "image_id",
    ["", IMAGE_ID[:-1], f"{IMAGE_ID}0", f"{IMAGE_ID}\n", f"/{IMAGE_ID}", IMAGE_ID.replace("-", ""), "x" * 36, 3, None],
)
def test_other_ids_are_refused(image_id: Any) -> None:
    """An id is the name of a file."""
    assert not rules.is_image_id(image_id)
    with pytest.raises(InvalidRequest, match="is not a UUID; write 8-4-4-4-12 hexadecimal digits"):
        rules.check_new_id(image_id)


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
@pytest.mark.parametrize("status", ["queued", "saving", "importing", "active", "deactivated", "killed"])
def test_a_format_changes_only_while_an_image_is_queued(name: str, status: str) -> None:
    """Its data has that format; other fields may change, and the same value changes nothing."""
    before, after = record(status=status), record(status=status, **{name: None})
    if status == "queued":
        rules.check_change(before, after)
    else:
        with pytest.raises(Forbidden, match=f"{name} can only change while the image is queued; it is {status}"):
            rules.check_change(before, after)
    rules.check_change(before, record(status=status, name="other", min_disk=3))


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
def test_an_upload_needs_both_formats(name: str) -> None:
    """The data is checked by them."""
    rules.check_uploadable(record())
    with pytest.raises(InvalidRequest, match=f"{name} is not set, and an upload requires it"):
        rules.check_uploadable(record(**{name: None}))


def test_properties_are_what_is_no_field_of_the_service() -> None:
    """Read-only fields are none."""
    document = record(p="v", checksum="c", size=3, owner="o", created_at="t", imagesync_key="k")
    assert rules.get_properties(document) == {"p": "v", "imagesync_key": "k"}
    assert {"status", "checksum", "size", "os_hash_value", "created_at"} <= rules.READ_ONLY
    assert rules.CAPABILITIES.hash_is_final


def test_the_values_that_the_service_knows() -> None:
    """As it lists them in its schema by default."""
    assert {"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso"} == rules.DISK_FORMATS
    assert {"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"} == rules.CONTAINER_FORMATS
    assert {"public", "private", "shared", "community"} == rules.VISIBILITIES
    data = {"status", "created_at", "updated_at", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"}
    assert data | {"file", "self", "schema", "direct_url", "locations"} == rules.READ_ONLY
    assert (rules.MAX_ENTRIES, rules.MAX_NUMBER) == (128, 2**31 - 1)
    assert (
        Capabilities(rules.DISK_FORMATS, rules.CONTAINER_FORMATS, rules.READ_ONLY, hash_is_final=True)
        == rules.CAPABILITIES
    )


FORMATS = "aki, ami, ari, iso, ploop, qcow2, raw, vdi, vhd, vhdx, vmdk"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"disk_format": "qcow3"}, f"disk_format 'qcow3' is unknown; use one of {FORMATS}"),
        (
            {"container_format": "tar", "min_disk": -1},
            "container_format 'tar' is unknown; use one of aki, ami, ari, bare, compressed, docker, ova, ovf",
        ),
        ({"visibility": "Public"}, "visibility 'Public' is unknown; use one of community, private, public, shared"),
        ({"min_ram": "3"}, "min_ram '3' is not an integer from 0 to 2147483647; correct min_ram"),
        ({"os_hidden": "true"}, "os_hidden 'true' is not true or false; write true or false"),
        ({"name": 3}, "name is not text; write it as a string"),
        ({"name": "n" * 300}, "name is 300 characters long; the limit is 255; shorten it"),
        (
            {"tags": ["ok", "a\U0001f600\ud800"]},
            "a tag contains the character U+1F600, which the image service cannot save; remove that character",
        ),
        ({"p": 3.5}, "property 'p' is not text; write it as a string"),
        ({**numbered(130), "tags": ["t"] * 129}, "130 properties; the limit is 128; remove some of them"),
    ],
)
def test_the_whole_message_of_a_refused_record(fields: dict[str, Any], text: str) -> None:
    """The image, the field, its value, and what to do."""
    with pytest.raises((InvalidRequest, QuotaExceeded)) as caught:
        rules.check_document(record(**fields))
    assert str(caught.value) == f"image {IMAGE_ID}: {text}"


def test_the_whole_message_of_a_refused_change() -> None:
    """So does an upload and an id."""
    with pytest.raises(Forbidden) as changed:
        rules.check_change(record(status="active"), record(status="active", disk_format="iso"))
    with pytest.raises(InvalidRequest) as lacking:
        rules.check_uploadable(record(container_format=None))
    with pytest.raises(InvalidRequest) as odd:
        rules.check_new_id("../x")
    assert [str(one.value) for one in (changed, lacking, odd)] == [
        f"image {IMAGE_ID}: disk_format can only change while the image is queued; it is active; create a new image with "
        "the other format",
        f"image {IMAGE_ID}: container_format is not set, and an upload requires it; set container_format before the upload",
        "the id '../x' is not a UUID; write 8-4-4-4-12 hexadecimal digits",
    ]


def test_a_format_that_is_set_for_the_first_time_is_a_change_too() -> None:
    """The status before the change counts."""
    with pytest.raises(Forbidden, match="container_format can only change"):
        rules.check_change(record(status="saving", container_format=None), record(status="queued"))
    rules.check_change(record(status="queued"), record(status="active", container_format=None))
