"""The questions that a live image answers."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import (
    FAILED_STORES,
    IMPORT_TASK,
    MAX_NAME_CHARS,
    MAX_PARTS,
    MAX_PROPERTY_BYTES,
    OWN_FIELDS,
    SNAPSHOT_TYPES,
    Filter,
    Identity,
    ImportTask,
    Inventory,
    LiveImage,
    parse_time,
)
from imagesync.model.record import CATALOG, KEY, ROLE


def test_digests_are_those_that_a_manifest_can_declare() -> None:
    """md5 from ``checksum``, the other one by its name; unknown algorithms and missing data give none."""
    md5, sha512 = "c" * 32, "d" * 128
    whole = LiveImage("id", checksum=md5, os_hash_algo="sha512", os_hash_value=sha512)
    assert whole.digests == {"md5": md5, "sha512": sha512}
    assert LiveImage("id", checksum=md5, os_hash_algo="blake2b", os_hash_value="00").digests == {"md5": md5}
    assert LiveImage("id", os_hash_algo="sha512").digests == {}
    assert LiveImage("id", checksum="", os_hash_value=sha512).digests == {}


@pytest.mark.parametrize(
    ("owner", "lies"), [("p", True), ("q", False), ("", True), (None, True), ("pp", False), ("P", False)]
)
def test_an_image_belongs_to_the_project_of_its_owner(owner: str | None, lies: bool) -> None:
    """A service without projects reports no owner: all its images belong to the session."""
    assert LiveImage("id", owner=owner).is_in_project("p") is lies


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("task", [None, "", "t"])
def test_an_import_is_running_by_status_or_mark(status: Status, task: str | None) -> None:
    """Only the service's own mark counts: a property of that name, which any user could set, does not."""
    service = {} if task is None else {IMPORT_TASK: task}
    assert LiveImage("id", status=status, service=service).importing is (status is Status.IMPORTING or bool(task))
    assert LiveImage("id", status=status, properties=service).importing is (status is Status.IMPORTING)


@pytest.mark.parametrize(
    ("text", "stores"), [(None, ()), ("", ()), ("a", ("a",)), ("a,b", ("a", "b")), (",a,", ("a",))]
)
def test_stores_in_which_an_import_failed_are_listed(text: str | None, stores: tuple[str, ...]) -> None:
    """As the service lists them."""
    service = {} if text is None else {FAILED_STORES: text}
    assert LiveImage("id", service=service).failed_stores == stores
    assert LiveImage("id", properties=service).failed_stores == ()


SNAPSHOT = (
    *("image_location", "image_state", "instance_uuid", "base_image_ref", "kernel_id", "ramdisk_id", "user_id"),
    *("image_type", "owner_id"),
)


def test_properties_of_a_snapshot_are_attributes() -> None:
    """Each by its name; None if absent."""
    image = LiveImage("id", properties={name: f"the {name}" for name in SNAPSHOT})
    assert {name: getattr(image, name) for name in SNAPSHOT} == image.properties
    assert {getattr(LiveImage("id"), name) for name in SNAPSHOT} == {None}


@pytest.mark.parametrize(
    ("status", "unfinished"),
    [("pending", True), ("processing", True), ("success", False), ("failure", False), ("", False)],
)
def test_an_import_that_is_pending_or_running_is_unfinished(status: str, unfinished: bool) -> None:
    """Other states are not."""
    assert ImportTask("t", status).unfinished is unfinished


def test_targets_differ_by_kind_place_region_and_project() -> None:
    """The user's labels for them do not count."""
    here = Identity("cloud", "https://x", "p", "name", "r", "label")
    others = [replace(here, **{name: "another"}) for name in ("kind", "location", "region", "project_id")]
    assert len({here.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert replace(here, project_name="x", label="y").fingerprint == here.fingerprint


def test_images_of_an_inventory_by_id() -> None:
    """Owned images and foreign images."""
    one, two, three = (LiveImage(name) for name in "abc")
    assert Inventory("p", owned=(one, two), foreign=(three,)).index_images() == {"a": one, "b": two, "c": three}


@pytest.mark.parametrize("number", range(32))
def test_a_filter_requires_all_its_conditions(number: int) -> None:
    """Each condition alone and with every other one."""
    image = LiveImage(
        "id", name="n", owner="o", tags=frozenset({"s", "t"}), visibility=Visibility.SHARED, properties={CATALOG: "c"}
    )
    fitting: dict[str, Any] = {
        "owner": "o", "name": "n", "tags": frozenset({"t"}), "visibility": Visibility.SHARED, "catalog": "c"
    }  # fmt: skip
    wrong: dict[str, Any] = {
        "owner": "x", "name": "x", "tags": frozenset({"t", "x"}), "visibility": Visibility.PRIVATE, "catalog": "x"
    }  # fmt: skip
    questions = {name: value for place, (name, value) in enumerate(fitting.items()) if number >> place & 1}
    assert Filter(**questions).is_match(image)
    for name, value in wrong.items():
        assert not Filter(**{**questions, name: value}).is_match(image)
    assert Filter(**{**questions, "owner": ""}).is_match(replace(image, owner=None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T04:04:05+01:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", None),
        ("2026-01-02", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_has_a_zone(text: str | None, expected: datetime | None) -> None:
    """Without one it could be any of 25 hours."""
    assert parse_time(text) == expected


STORE, CLOUD = Identity("store", "/s", ""), Identity("glance", "https://x", "", region="r")


@pytest.mark.parametrize(
    ("planned", "here", "is_same"),
    [
        (STORE, replace(STORE, project_id="p"), True),
        (STORE, STORE, True),
        (replace(STORE, project_id="p"), replace(STORE, project_id="p"), True),
        (replace(STORE, project_id="p"), replace(STORE, project_id="q"), False),
        (replace(STORE, project_id="p"), STORE, False),
        (STORE, replace(STORE, location="/t", project_id="p"), False),
        (CLOUD, replace(CLOUD, project_id="p"), False),
        (CLOUD, CLOUD, True),
    ],
)
def test_only_a_store_that_did_not_exist_has_no_project(planned: Identity, here: Identity, is_same: bool) -> None:
    """The plan of a cloud is for one project."""
    assert planned.is_place_of(here) is is_same


@pytest.mark.parametrize("name", ["catalog", "key", "role"])
def test_a_filter_by_the_marker_compares_each_part(name: str) -> None:
    """With its own property, and only that."""
    properties = {CATALOG: "catalog", KEY: "key", ROLE: "role"}
    image = LiveImage("id", properties=properties)
    wanted: dict[str, Any] = {name: name}
    assert Filter(**wanted).is_match(image)
    assert Filter(**wanted).properties == {f"imagesync_{name}": name}
    for other in properties:
        changed = replace(image, properties={**properties, other: "x"})
        assert Filter(**wanted).is_match(changed) is (other != f"imagesync_{name}")


def test_what_the_service_limits_and_calls_its_own() -> None:
    """The defaults of Glance, and the fields of "Show image"."""
    assert (MAX_NAME_CHARS, MAX_PROPERTY_BYTES, MAX_PARTS) == (255, 65_535, 128)
    assert {"snapshot", "backup"} == SNAPSHOT_TYPES
    assert sorted(OWN_FIELDS) == [
        *("checksum", "container_format", "created_at", "direct_url", "disk_format", "file", "id", "locations"),
        *("min_disk", "min_ram", "name", "os_hash_algo", "os_hash_value", "os_hidden", "owner", "protected", "schema"),
        *("self", "size", "status", "stores", "tags", "updated_at", "virtual_size", "visibility"),
    ]


@pytest.mark.parametrize(("kind", "is_one"), [("snapshot", True), ("backup", True), ("golden", False), (None, False)])
def test_a_snapshot_has_the_type_that_the_compute_service_writes(kind: str | None, is_one: bool) -> None:
    """Users write other types."""
    assert LiveImage("id", properties={"image_type": kind} if kind else {}).is_snapshot is is_one
