"""JSON of the image service <-> values."""

from typing import Any

import pytest

from imagesync.backends.base import UpdateFields
from imagesync.backends.wire import (
    DIGEST_FIELDS,
    MAX_NUMBER,
    NOT_IMAGE_API,
    PLACEHOLDER,
    WRITABLE,
    capabilities_from_wire,
    create_to_wire,
    image_from_wire,
    is_being_deleted,
    make_strict,
    member_from_wire,
    tasks_from_wire,
    update_to_wire,
)
from imagesync.errors import BackendError, InvalidRequest
from imagesync.model.catalog import Checksum, Fingerprint, Status, Visibility
from imagesync.model.image import Capabilities, ImportTask, LiveImage, MemberState, Usage
from imagesync.model.plan import Reason
from imagesync.render.listing import image_to_json
from tests.unit.factories import catalog, inventory, live, plan, spec

IMAGE_ID = "a57ae423-5f2c-40d7-923a-ea7ef2afe0b5"


def wire(**fields: object) -> dict[str, Any]:
    """An image as Glance returns it."""
    return {
        "id": IMAGE_ID,
        "name": "n",
        "status": "active",
        "visibility": "private",
        "owner": "p",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_disk": 1,
        "min_ram": 512,
        "protected": False,
        "os_hidden": False,
        "tags": ["a", "b"],
        "size": 4096,
        "virtual_size": None,
        "checksum": "c" * 32,
        "os_hash_algo": "sha512",
        "os_hash_value": "d" * 128,
        "created_at": "2026-11-23T10:00:00Z",
        "updated_at": "2026-11-23T10:00:01Z",
        "self": f"/v2/images/{IMAGE_ID}",
        "file": f"/v2/images/{IMAGE_ID}/file",
        "schema": "/v2/schemas/image",
        "stores": "fast,slow",
        **fields,
    }


def make_compatible() -> dict[str, Any]:
    """An image of a compatible service: a snapshot with extra fields and without the newer fields of Glance."""
    newer = ("os_hidden", "os_hash_algo", "os_hash_value", "stores")
    own: dict[str, Any] = {
        "image_location": "snapshot",
        "image_state": "available",
        "kernel_id": None,
        "ramdisk_id": None,
        "instance_uuid": "10068f84-d0bf-41ea-91bb-2d3f9bac5cdc",
        "user_id": "5cb221da19514beb9d070205eaa9cf71",
        "image_type": "snapshot",
        "base_image_ref": "e50cf54b-799c-4150-b974-588bd85d3896",
        "owner_id": "22475f0b415543bbbcc9f0117fb3ca8b",
        "tags": [],
    }
    return {name: value for name, value in wire(**own).items() if name not in newer}


@pytest.mark.parametrize(
    "digests",
    [
        {"os_hash_algo": "SHA512", "os_hash_value": "b" * 128},
        {"os_hash_algo": "sha512", "os_hash_value": "b" * 128},
        {"os_hash_algo": "Sha512", "os_hash_value": "B" * 128},
    ],
)
def test_tampering_is_found_in_upper_and_lower_case(digests: dict[str, str]) -> None:
    """The service's algorithms and digits are compared in lower case, also by the planner."""
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),)))
    image = image_from_wire(wire(**digests))
    tampered = live(wanted, **{name: getattr(image, name) for name in DIGEST_FIELDS})
    made = plan(catalog(wanted), inventory(tampered))
    assert made.steps[0].reason is Reason.CONTENT_TAMPERED


def test_a_digest_in_upper_case_is_the_same_content() -> None:
    wanted = spec("a", fingerprint=Fingerprint((Checksum("sha512", "a" * 128),)))
    image = image_from_wire(wire(os_hash_algo="SHA512", os_hash_value="A" * 128, checksum="C" * 32))
    assert image.digests == {"md5": "c" * 32, "sha512": "a" * 128}
    unchanged = live(wanted, **{name: getattr(image, name) for name in DIGEST_FIELDS})
    assert plan(catalog(wanted), inventory(unchanged)).steps == ()


def test_every_field_of_the_service_becomes_an_attribute() -> None:
    """os_hidden is ``hidden``; stores are a tuple; the rest keeps its name."""
    image = image_from_wire(wire(os_hidden=True, direct_url="file:///x"))
    assert (image.id, image.status, image.visibility) == (IMAGE_ID, Status.ACTIVE, Visibility.PRIVATE)
    assert (image.hidden, image.stores, image.direct_url) == (True, ("fast", "slow"), "file:///x")
    assert (image.min_disk, image.min_ram, image.size, image.virtual_size) == (1, 512, 4096, None)
    assert (image.tags, image.properties) == (frozenset("ab"), {})


def test_extra_fields_of_a_compatible_service_are_properties() -> None:
    """Unknown fields are kept and can be read as attributes. Fields with null are None and listed in ``nulls``."""
    image = image_from_wire(make_compatible())
    assert (image.image_location, image.image_state, image.image_type) == ("snapshot", "available", "snapshot")
    assert (image.kernel_id, image.ramdisk_id) == (None, None)
    assert image.base_image_ref == "e50cf54b-799c-4150-b974-588bd85d3896"
    assert image.owner_id == image.properties["owner_id"] == "22475f0b415543bbbcc9f0117fb3ca8b"
    assert {"kernel_id", "ramdisk_id", "virtual_size"} == image.nulls


@pytest.mark.parametrize(
    "document", [wire(), make_compatible(), wire(name=None, owner=None, disk_format=None, tags=[])]
)
def test_json_of_an_image_has_every_field_of_the_service(document: dict[str, Any]) -> None:
    """It has the service's names, also of fields with null. Only os_hidden is added if it is missing."""
    back = image_to_json(image_from_wire(document))
    assert {"os_hidden": False, **document} == back
    assert list(back) == sorted(back)


def test_locations_and_other_structures_are_kept_as_json_text() -> None:
    """Values of extra fields that are not text become JSON text; locations are written unchanged."""
    places = [{"url": "rbd://x", "metadata": {}}]
    image = image_from_wire(wire(locations=places, x_flags=["a", 1], x_number=3))
    assert image.properties == {"x_flags": '["a", 1]', "x_number": "3"}
    assert image_to_json(image)["locations"] == places


def test_fields_that_only_the_service_writes_are_not_properties() -> None:
    """``os_glance_*`` is separate, because it is neither compared nor copied."""
    image = image_from_wire(wire(os_glance_failed_import="fast", os_distro="x"))
    assert image.properties == {"os_distro": "x"}
    assert image.service == {"os_glance_failed_import": "fast"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "12"),
        ("size", True),
        ("min_disk", 1.5),
        ("name", 3),
        ("protected", "false"),
        ("tags", "a"),
        ("tags", [1]),
        ("status", "sleeping"),
        ("status", None),
        ("visibility", []),
        ("stores", {}),
        ("created_at", 1),
        ("os_hidden", 1),
    ],
)
def test_a_wrong_type_is_an_error_that_names_image_and_field(field: str, value: object) -> None:
    """No other code checks the types again."""
    with pytest.raises(BackendError) as caught:
        image_from_wire(wire(**{field: value}))
    assert IMAGE_ID in str(caught.value)
    assert field in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "x", 3, {}, {"id": 7}])
def test_a_document_that_is_not_an_image_is_an_error(document: object) -> None:
    """Another service or a proxy may have returned it."""
    with pytest.raises(BackendError):
        image_from_wire(document)


def test_the_body_of_a_create_has_properties_beside_the_fields() -> None:
    """Tags are sorted and unique; ``hidden`` has the service's name."""
    body = create_to_wire(
        {"id": IMAGE_ID, "name": "n", "hidden": True, "visibility": "private", "tags": ["b", "a", "b"]}
        | {"properties": {"os_distro": "x"}}  # type: ignore[arg-type]
    )
    assert body == {
        "id": IMAGE_ID,
        "name": "n",
        "os_hidden": True,
        "visibility": "private",
        "tags": ["a", "b"],
        "os_distro": "x",
    }


@pytest.mark.parametrize("name", ["status", "os_hidden", "name", "os_glance_import_task", "self"])
def test_a_property_with_the_name_of_a_field_is_refused_before_the_request(name: str) -> None:
    """It would set the field, or the service would reject it in the middle of an apply."""
    with pytest.raises(InvalidRequest, match=name):
        create_to_wire({"properties": {name: "x"}})
    with pytest.raises(InvalidRequest, match=name):
        update_to_wire({"properties": {name: None}})


def test_the_error_for_an_unknown_attribute_lists_the_known_ones() -> None:
    """A misspelled attribute must not become a property."""
    with pytest.raises(InvalidRequest, match=r"min_dsk.*min_disk"):
        create_to_wire({"min_dsk": 3})  # type: ignore[typeddict-unknown-key]
    with pytest.raises(InvalidRequest, match="id"):
        update_to_wire({"id": IMAGE_ID})  # type: ignore[typeddict-unknown-key]


def test_an_update_replaces_fields_and_adds_properties() -> None:
    """One operation for each field; their order does not depend on the order of the arguments."""
    attrs: UpdateFields = {"name": None, "hidden": True, "tags": ["b", "a"], "properties": {"p": "1"}}
    expected = [
        {"op": "replace", "path": "/name", "value": None},
        {"op": "replace", "path": "/os_hidden", "value": True},
        {"op": "replace", "path": "/tags", "value": ["a", "b"]},
        {"op": "add", "path": "/p", "value": "1"},
    ]
    assert update_to_wire(attrs) == expected
    reversed_attrs: UpdateFields = {"properties": {"p": "1"}, "tags": ["a", "b"], "hidden": True, "name": None}
    assert update_to_wire(reversed_attrs) == expected


def test_add_then_remove_deletes_a_property_with_an_escaped_name() -> None:
    """The service rejects ``remove`` alone for a missing property (409). RFC 6901 escapes ``~`` and ``/``."""
    operations = update_to_wire({"properties": {"a/b~c": None}})
    assert [(operation["op"], operation["path"]) for operation in operations] == [
        ("add", "/a~1b~0c"),
        ("remove", "/a~1b~0c"),
    ]


def test_an_update_without_changes_has_no_operations() -> None:
    """The backend then sends no request."""
    assert update_to_wire({}) == []


def test_members_carry_project_and_status() -> None:
    """Other fields of the response are ignored."""
    assert member_from_wire({"member_id": "p", "status": "accepted", "schema": "x"}) == MemberState("p", "accepted")
    assert member_from_wire({"member_id": "p"}) == MemberState("p", "pending")  # the member has not answered yet
    with pytest.raises(BackendError):
        member_from_wire({"status": "accepted"})


def test_capabilities_are_read_from_the_service_s_own_documents() -> None:
    """Formats and read-only fields are in the schema; methods, stores and quotas in /info."""
    schema = {
        "properties": {
            "disk_format": {"enum": [None, "raw", "qcow2"]},
            "container_format": {"enum": ["bare"]},
            "size": {"readOnly": True},
            "os_hidden": {},
        }
    }
    able = capabilities_from_wire(
        schema,
        {"import-methods": {"value": ["web-download"]}},
        {"stores": [{"id": "fast"}, {"id": "slow"}]},
        {"usage": {"image_count_total": {"usage": 3, "limit": 10}}},
    )
    assert able.disk_formats == {"raw", "qcow2"}
    assert able.container_formats == {"bare"}
    assert able.read_only == {"size"}
    assert able.import_methods == {"web-download"}
    assert able.stores == {"fast", "slow"}
    assert able.usage == {"image_count_total": Usage(3, 10)}


@pytest.mark.parametrize("document", [None, [], "x", {"properties": 3, "stores": 1, "usage": [], "import-methods": 2}])
def test_capabilities_that_the_service_does_not_list_are_unknown(document: object) -> None:
    """imagesync then refuses nothing because of them."""
    able = capabilities_from_wire(document, document, document, document)
    assert (able.disk_formats, able.stores, able.usage, able.hidden) == (frozenset(), frozenset(), {}, True)


def test_a_schema_without_os_hidden_means_no_hidden_images() -> None:
    """Services with an Image API before 2.7 have no hidden images."""
    assert not capabilities_from_wire({"properties": {"name": {}}}, None, None, None).hidden


def test_a_value_has_precedence_over_a_null_of_the_service() -> None:
    """JSON of a LiveImage that imagesync changed has the new value."""
    assert image_to_json(LiveImage("x", name="n", nulls=frozenset({"name"})))["name"] == "n"


def test_imports_are_sorted_by_age_and_wrong_values_are_empty() -> None:
    """The newest is last. Imports are only for explanations, so a value of a wrong type is not an error."""
    first = {"id": "1", "status": "failure", "message": "m", "created_at": "2026-01-01T00:00:00", "updated_at": "u"}
    second = {"id": "2", "status": "processing", "message": None, "created_at": "2026-01-02T00:00:00"}
    older, newer = tasks_from_wire({"tasks": [second, first]})
    assert older == ImportTask("1", "failure", "m", "2026-01-01T00:00:00", "u")
    assert (newer.id, newer.message, newer.unfinished, older.unfinished) == ("2", "", True, False)
    assert tasks_from_wire([]) == tasks_from_wire({"tasks": "none"}) == []


def test_a_read_only_store_is_not_a_destination() -> None:
    """The service lists an http store as read-only."""
    listed = {"stores": [{"id": "fast", "default": "true"}, {"id": "web", "read-only": "true"}, {"id": "slow"}]}
    assert capabilities_from_wire(None, None, listed, None).stores == {"fast", "slow"}


@pytest.mark.parametrize(
    ("stores", "expected"),
    [
        ({"stores": [{"id": "fast"}, {"id": "slow", "read-only": "false"}]}, True),
        ({"stores": [{"id": "fast"}, {"id": "web", "read-only": "true"}]}, False),
        ({"stores": []}, False),
        (None, False),
    ],
)
def test_the_service_s_hash_is_final_if_no_store_keeps_only_an_address(stores: object, *, expected: bool) -> None:
    """The service lists stores of type http as read-only; without a list, their types are unknown."""
    assert capabilities_from_wire({}, {}, stores, {}).hash_is_final is expected


def test_a_required_property_is_replaced_or_removed_and_never_added() -> None:
    """The service then returns 409 if another run has removed it; other properties may be missing."""
    properties: dict[str, str | None] = {"a": "1", "b": None, "c": "2", "d": None}
    assert update_to_wire(UpdateFields(properties=properties, required=("a", "b"))) == [
        {"op": "replace", "path": "/a", "value": "1"},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/c", "value": "2"},
        {"op": "add", "path": "/d", "value": "00000000-0000-0000-0000-000000000000"},
        {"op": "remove", "path": "/d"},
    ]


@pytest.mark.parametrize(
    "attrs", [UpdateFields(properties={"a": "1"}, required=("b",)), UpdateFields(required=("a",), absent=True)]
)
def test_a_required_property_has_a_value(attrs: UpdateFields) -> None:
    """Without one, or in a patch that only adds, nothing would be checked."""
    with pytest.raises(InvalidRequest, match="required names properties that are not in properties"):
        update_to_wire(attrs)


@pytest.mark.parametrize(("usage", "limit"), [(None, 5), (True, 5), ("3", 5), (3, None), (3, True), (3.5, 5)])
def test_a_quota_needs_two_numbers(usage: object, limit: object) -> None:
    """Another one is unknown; those beside it are read."""
    quotas = {"usage": {"a": {"usage": usage, "limit": limit}, "b": {"usage": 0, "limit": -1}}}
    assert capabilities_from_wire(None, None, None, quotas).usage == {"b": Usage(0, -1)}


@pytest.mark.parametrize(("status", "expected"), [("deleted", True), ("pending_delete", True), ("active", False)])
def test_an_image_is_being_deleted(status: str, *, expected: bool) -> None:
    """At once, or after the delay of the service."""
    assert is_being_deleted({"status": status}) is expected
    assert not is_being_deleted([status])


def test_a_whole_image() -> None:
    """Each field has its own value, so none can take the place of another."""
    document = wire(
        os_hidden=True,
        protected=True,
        virtual_size=9000,
        checksum="AB" * 16,
        os_hash_algo="SHA512",
        os_hash_value="CD" * 64,
        direct_url="file:///X",
        locations=[],
        stores="fast,,slow",
        zone="z",
        architecture=None,
        count=0,
        os_glance_z="1",
        os_glance_a=["x"],
    )
    assert image_from_wire(document) == LiveImage(
        id=IMAGE_ID,
        name="n",
        status=Status.ACTIVE,
        visibility=Visibility.PRIVATE,
        owner="p",
        disk_format="qcow2",
        container_format="bare",
        min_disk=1,
        min_ram=512,
        protected=True,
        hidden=True,
        tags=frozenset({"a", "b"}),
        properties={"count": "0", "zone": "z"},
        size=4096,
        virtual_size=9000,
        checksum="ab" * 16,
        os_hash_algo="sha512",
        os_hash_value="cd" * 64,
        created_at="2026-11-23T10:00:00Z",
        updated_at="2026-11-23T10:00:01Z",
        file=f"/v2/images/{IMAGE_ID}/file",
        schema="/v2/schemas/image",
        self=f"/v2/images/{IMAGE_ID}",
        direct_url="file:///X",
        locations="[]",
        stores=("fast", "slow"),
        service={"os_glance_a": '["x"]', "os_glance_z": "1"},
        nulls=frozenset({"architecture"}),
    )


def test_an_image_with_the_least_fields() -> None:
    """A field that is missing, or null, has its usual value."""
    least = {"id": "x", "status": "queued", "visibility": "shared"}
    assert image_from_wire(least) == LiveImage("x", visibility=Visibility.SHARED)
    optional = ("name", "owner", "min_disk", "min_ram", "protected", "os_hidden", "tags", "size", "stores", "locations")
    empty = {**least, **dict.fromkeys((*optional, "created_at", "updated_at"))}
    assert image_from_wire(empty) == LiveImage(
        "x", visibility=Visibility.SHARED, nulls=frozenset((*optional, "created_at", "updated_at"))
    )


def test_properties_are_sorted_by_name() -> None:
    """So every text about them is the same in each run."""
    image = image_from_wire(wire(b="2", a="1", c="3", os_glance_y="1", os_glance_x="2"))
    assert (list(image.properties), list(image.service)) == (["a", "b", "c"], ["os_glance_x", "os_glance_y"])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"size": "12"}, "the service returned size with the type str; expected int"),
        ({"min_ram": True}, "the service returned min_ram with the type bool; expected int"),
        ({"protected": 0}, "the service returned protected with the type int; expected bool"),
        ({"tags": ["a", 1]}, "the service returned tags that are not all text"),
        ({"tags": {}}, "the service returned tags with the type dict; expected list"),
        ({"visibility": None}, "the service returned no visibility"),
        ({"size": -1}, f"the service returned size -1; it must be 0 to {MAX_NUMBER}"),
        ({"virtual_size": 2**63}, f"the service returned virtual_size {2**63}; it must be 0 to {MAX_NUMBER}"),
        ({"created_at": "soon"}, "the service returned created_at 'soon', which is not an ISO 8601 time"),
        ({"updated_at": "2026-13-01"}, "the service returned updated_at '2026-13-01', which is not an ISO 8601 time"),
    ],
)
def test_the_whole_message_about_a_wrong_value(fields: dict[str, object], text: str) -> None:
    """The image, the field, and what was expected."""
    with pytest.raises(BackendError) as caught:
        image_from_wire(wire(**fields))
    assert str(caught.value) == f"image {IMAGE_ID}: {text}; {NOT_IMAGE_API}"


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"status": "x" * 99}, f"status '{'x' * 58}…"), ({"visibility": "Public"}, "visibility 'Public'")],
)
def test_an_unknown_word_asks_for_a_newer_version(fields: dict[str, object], words: str) -> None:
    """It may be a word that the service has learned since; a long one is cut."""
    with pytest.raises(BackendError) as caught:
        image_from_wire(wire(**fields))
    assert str(caught.value) == (
        f"image {IMAGE_ID}: the service returned the unknown {words}; update imagesync; if this is the latest version, "
        "report a bug"
    )


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (None, "the image service returned an image that is not a JSON object"),
        ({"name": "n"}, "the image 'n': the service returned no id"),
        ({"name": ["n"], "id": 3}, "the image a list: the service returned id with the type int; expected str"),
        ({"name": {}}, "the image a dict: the service returned no id"),
        ({"id": "../x"}, "the service returned an image with the invalid id '../x'"),
        ({"id": "x" * 256}, f"the service returned an image with the invalid id '{'x' * 58}…"),
    ],
)
def test_an_image_without_a_valid_id(document: object, text: str) -> None:
    """The message names it as well as it can."""
    with pytest.raises(BackendError) as caught:
        image_from_wire(document)
    assert str(caught.value) == f"{text}; {NOT_IMAGE_API}"


@pytest.mark.parametrize("image_id", ["a", "A.b_c-9", "x" * 255, "0", IMAGE_ID])
def test_a_valid_id(image_id: str) -> None:
    """Of at most 255 characters that are safe in a path."""
    assert image_from_wire(wire(id=image_id)).id == image_id


@pytest.mark.parametrize("image_id", ["", ".a", "-a", "_a", "a/b", "a b", "a\n", "é", "a?b", "a%2f"])
def test_an_id_that_is_no_part_of_a_path_is_refused(image_id: str) -> None:
    """Its requests would be for another resource."""
    with pytest.raises(BackendError, match="invalid id"):
        image_from_wire(wire(id=image_id))


def test_the_largest_numbers_and_each_form_of_a_time() -> None:
    """Zero, too; a service may write a time with a zone or without."""
    image = image_from_wire(wire(size=MAX_NUMBER, virtual_size=0, min_disk=0, created_at="2026-11-23T10:00:00+01:00"))
    assert (MAX_NUMBER, image.size, image.virtual_size, image.min_disk) == (2**63 - 1, 2**63 - 1, 0, 0)
    assert image.created_at == "2026-11-23T10:00:00+01:00"
    assert image_from_wire(wire(updated_at="2026-11-23T10:00:00.123")).updated_at == "2026-11-23T10:00:00.123"


@pytest.mark.parametrize("name", ["locations", "x_deep"])
def test_a_value_that_is_nested_too_deep_is_one_line(name: str) -> None:
    """No program can write it again."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(
        BackendError, match=r"^the image service returned JSON that is nested too deep; check that the image"
    ):
        image_from_wire(wire(**{name: deep}))


VALUES: dict[str, Any] = {
    "name": "n",
    "container_format": "bare",
    "disk_format": "raw",
    "min_disk": 1,
    "min_ram": 2,
    "protected": True,
    "visibility": "shared",
    "hidden": False,
    "owner": "o",
}


def test_every_field_that_a_request_can_set() -> None:
    """A create and an update set the same fields; only ``hidden`` has another name at the service."""
    fields = {("os_hidden" if name == "hidden" else name): value for name, value in VALUES.items()}
    assert set(VALUES) == set(WRITABLE)
    assert create_to_wire(VALUES) == fields  # type: ignore[arg-type]
    assert update_to_wire(VALUES) == [  # type: ignore[arg-type]
        {"op": "replace", "path": f"/{name}", "value": value} for name, value in sorted(fields.items())
    ]
    assert create_to_wire({}) == {}
    assert create_to_wire({"tags": []}) == {"tags": []}
    assert update_to_wire({"tags": []}) == [{"op": "replace", "path": "/tags", "value": []}]
    assert update_to_wire({"tags": ["b", "a", "b"], "absent": True, "required": ()}) == [
        {"op": "replace", "path": "/tags", "value": ["a", "b"]}
    ]


def test_properties_of_an_update_are_sorted_and_follow_the_fields() -> None:
    """An empty text is a value, and no removal."""
    assert update_to_wire({"properties": {"c": "", "a/~": "1", "b": None}, "name": "n"}) == [
        {"op": "replace", "path": "/name", "value": "n"},
        {"op": "add", "path": "/a~1~0", "value": "1"},
        {"op": "add", "path": "/b", "value": PLACEHOLDER},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/c", "value": ""},
    ]


def test_the_older_form_of_a_patch_has_the_operation_as_a_name() -> None:
    """Also of a field that becomes null."""
    operations = update_to_wire({"name": None, "properties": {"p": "1", "q": None}})
    assert make_strict(operations) == [
        {"replace": "/name", "value": None},
        {"add": "/p", "value": "1"},
        {"add": "/q", "value": PLACEHOLDER},
        {"remove": "/q"},
    ]


def test_the_whole_message_about_a_wrong_argument() -> None:
    """Each unknown one is named, with those that are known."""
    known = "name, container_format, disk_format, min_disk, min_ram, protected, visibility, hidden, owner"
    with pytest.raises(InvalidRequest) as created:
        create_to_wire({"size": 3, "min_dsk": 3, "required": ()})  # type: ignore[typeddict-unknown-key]
    assert str(created.value) == (
        f"create_image does not accept min_dsk, required, size; it accepts id, {known}, tags, properties"
    )
    with pytest.raises(InvalidRequest) as updated:
        update_to_wire({"id": "x"})  # type: ignore[typeddict-unknown-key]
    assert str(updated.value) == (
        f"update_image does not accept id; it accepts {known}, required, absent, tags, properties"
    )
    with pytest.raises(InvalidRequest) as taken:
        create_to_wire({"properties": {"size": "1", "checksum": "1", "a": "1"}})
    assert str(taken.value) == "property 'checksum' has the name of a field of the service; rename the property"
    with pytest.raises(InvalidRequest) as required:
        update_to_wire({"properties": {"a": "1"}, "required": ["a", "b"]})
    assert str(required.value) == (
        "update_image: required names properties that are not in properties, or is used with absent; give each required "
        "property in properties, and leave absent out"
    )
    with pytest.raises(InvalidRequest, match="is used with absent"):
        update_to_wire({"properties": {"a": "1"}, "required": ["a"], "absent": True})


@pytest.mark.parametrize("document", [{"member_id": 3}, {"member_id": "p", "status": 3}, [], None, {}])
def test_a_member_of_another_form_is_an_error(document: object) -> None:
    """It names what is wrong."""
    with pytest.raises(BackendError, match=r"a member(:| that is not a JSON object)"):
        member_from_wire(document)


def test_all_capabilities_of_a_service() -> None:
    """Each list has more than one entry; what has another form is left out."""
    schema = {
        "properties": {
            "disk_format": {"enum": ["raw", None, "iso", 3]},
            "container_format": {"enum": ["bare", "ova"]},
            "size": {"readOnly": True},
            "self": {"readOnly": True},
            "name": {"readOnly": False},
            "odd": {"readOnly": "true"},
            "text": "x",
        }
    }
    listed = [{"id": "fast"}, {"id": "ro", "read-only": True}, {"id": 3}, "x", {"id": "RO", "read-only": "True"}]
    able = capabilities_from_wire(
        schema,
        {"import-methods": {"value": ["web-download", "copy-image", None]}},
        {"stores": listed},
        {"usage": {"b": {"usage": 2, "limit": 3}, "a": {"usage": 1, "limit": 5}, "c": 7}},
    )
    assert able == Capabilities(
        frozenset({"raw", "iso"}),
        frozenset({"bare", "ova"}),
        frozenset({"size", "self"}),
        frozenset({"web-download", "copy-image"}),
        frozenset({"fast"}),
        {"a": Usage(1, 5), "b": Usage(2, 3)},
        hidden=False,
        hash_is_final=False,
    )
    assert list(able.usage) == ["a", "b"]
    assert capabilities_from_wire(None, None, None, None) == Capabilities()


def test_imports_of_the_same_second_are_sorted_by_their_last_change() -> None:
    """The last one is the newest."""
    tasks = [{"id": name, "created_at": "c", "updated_at": name} for name in ("3", "1", "2")]
    older = {"id": "0", "created_at": "b", "updated_at": "9"}
    assert [task.id for task in tasks_from_wire({"tasks": [*tasks, older, "x"]})] == ["", "0", "1", "2", "3"]


def test_a_status_is_compared_exactly() -> None:
    """Only of an object, and only the two statuses of a deletion."""
    assert not is_being_deleted({"status": "Deleted"})
    assert not is_being_deleted({"deleted": True})
    assert not is_being_deleted(None)
    assert [is_being_deleted({"status": status.value}) for status in Status].count(True) == 2
