"""MariaDB under the image service, for which names are equal that differ in case, accents or trailing spaces."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imagesync.model.alike import fold_name
from tests.cloud.neighbors import ALIKE
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.samples import spell

pytestmark = pytest.mark.exhaustive
RAW = {"disk_format": "raw", "container_format": "bare"}
PROPERTY = "property 'foo' differs from 'Foo', which the image has, only in case, accents or trailing spaces"
TAGS = "tags 'A' and 'a' differ only in case, accents or trailing spaces"


@pytest.fixture
def workspace(mariadb_cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """An empty folder."""
    return CloudWorkspace(mariadb_cloud, tmp_path)


def want(workspace: CloudWorkspace, build: int = 0, **attrs: Any) -> None:
    """Declare one image with this build and these fields."""
    data = spell(f"build {build}\n") * 50
    source = {"path": workspace.file(f"{build}.raw", data), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    workspace.images["a"] = {**RAW, "source": source, **attrs}


def add(workspace: CloudWorkspace, *operations: dict[str, object]) -> str:
    """Patch the live image as another user; its id."""
    image_id = str(workspace.live()["a"]["id"])
    assert workspace.cloud.http().patch(image_id, *operations).status_code == 200
    return image_id


def test_the_service_can_be_reset_and_restored(mariadb_cloud: Cloud) -> None:
    """The functions of the test cloud work with MariaDB, too: snapshot, restore, neighbors, reset."""
    http = mariadb_cloud.http("alice")
    image = http.send("POST", "/images", json={**RAW, "name": "kept", "p": "ä", "tags": ["t"]}).json()
    http.send("PUT", f"/images/{image['id']}/file", data=b"x", headers={"Content-Type": "application/octet-stream"})
    kept, before = mariadb_cloud.snapshot(), http.images()
    mariadb_cloud.reset()
    mariadb_cloud.foreign(100)
    assert len(http.images()) == 100
    mariadb_cloud.restore(kept)
    assert http.images() == before
    assert http.send("GET", f"/images/{image['id']}/file").content == b"x"


def test_characters_that_are_equal_for_the_database_are_equal_here(mariadb_cloud: Cloud) -> None:
    """Every character up to U+FFFF is compared by its weight in the collation of the service's tables."""
    characters = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]
    with mariadb_cloud.database.open() as tables:
        ((collation,),) = tables.read(
            "select collation_name from information_schema.columns where table_schema = 'glance' "
            "and table_name = 'image_properties' and column_name = 'name'"
        )
        tables.write(f"create temporary table c (t varchar(1) character set utf8mb3 collate {collation})")
        values = ",".join(["(?)"] * 1000)
        for start in range(0, len(characters), 1000):
            part = characters[start : start + 1000]
            tables.write(
                f"insert into c values {values if len(part) == 1000 else ','.join(['(?)'] * len(part))}", [part]
            )
        weights = tables.read("select hex(weight_string(t)), t from c")
    assert collation == "utf8mb3_general_ci"
    assert len(weights) == len(characters)
    folded: dict[str, set[str]] = {}
    for weight, character in weights:
        folded.setdefault(weight, set()).add(fold_name(f"x{character}x"))
    assert {weight: found for weight, found in folded.items() if len(found) > 1} == {}


@pytest.mark.parametrize("ours", [True, False])
def test_a_property_cannot_change_its_case(workspace: CloudWorkspace, ours: bool) -> None:
    """The plan has a note. The apply has one line of error with three remedies, exit code 1, and changes nothing."""
    want(workspace, properties={"Foo": "1"} if ours else {})
    workspace.apply()
    image_id = add(workspace, {"op": "add", "path": "/Foo", "value": "1"})
    want(workspace, properties={"foo": "1"})
    planned = workspace.run("plan").stdout
    assert (
        f"Note: a: image {image_id}: {PROPERTY}; a service on MariaDB or MySQL rejects this update (HTTP 500); keep"
        in planned
    )
    before = workspace.live()["a"]
    failed = workspace.run("apply", "--yes", code=1)
    assert f"image {image_id}: {PROPERTY}; a service on MariaDB or MySQL rejects this update" in failed.output
    assert "keep 'Foo', choose another name, or make the change together with a new build" in failed.output
    assert workspace.live()["a"] == before
    for build, name in ((0, "Foo"), (0, "bar"), (1, "foo")):
        want(workspace, build, properties={name: "1"})
        workspace.apply()
        assert workspace.live()["a"][name] == "1"


def test_the_error_hints_at_a_former_property_in_another_case(workspace: CloudWorkspace) -> None:
    """MariaDB keeps the row of a removed property; a new build has no such row."""
    for properties in ({"Foo": "1"}, {}):
        want(workspace, properties=properties)
        workspace.apply()
    want(workspace, properties={"foo": "1"})
    failed = workspace.run("apply", "--yes", code=1)
    assert "the image may once have had 'foo' with other case, accents or trailing spaces" in failed.output
    want(workspace, 1, properties={"foo": "1"})
    workspace.apply()
    assert workspace.live()["a"]["foo"] == "1"


@pytest.mark.parametrize(("before", "after"), [(["A"], ["a"]), (["naive", "x"], ["naïve", "y"]), (["A", "b"], ["a"])])
def test_a_tag_can_change_its_case(workspace: CloudWorkspace, before: list[str], after: list[str]) -> None:
    """It changes together with the other fields of the same apply; then the plan is empty."""
    want(workspace, tags=before, name="one")
    workspace.apply()
    want(workspace, tags=after, name="two", min_ram=1)
    workspace.apply()
    live = workspace.live()["a"]
    assert (sorted(live["tags"]), live["name"], live["min_ram"]) == (after, "two", 1)


def test_one_of_two_alike_tags_stays_and_the_error_is_one_line(workspace: CloudWorkspace) -> None:
    """The service can remove neither of them; a new build has only the declared tags."""
    want(workspace, tags=["A"])
    workspace.apply()
    image_id = add(workspace, {"op": "replace", "path": "/tags", "value": ["A", "a"]})
    want(workspace, tags=["b"])
    assert f"Note: a: image {image_id}: {TAGS}; on MariaDB or MySQL neither can be" in workspace.run("plan").stdout
    failed = workspace.run("apply", "--yes", code=1)
    assert f"image {image_id}: {TAGS}; on MariaDB or MySQL neither can be removed" in failed.output
    assert "leave both as they are, or make the change together with a new build" in failed.output
    assert set(workspace.live()["a"]["tags"]) >= {"A", "a"}
    want(workspace, 1, tags=["b"])
    workspace.apply()
    assert workspace.live()["a"]["tags"] == ["b"]


def test_a_value_may_be_as_long_as_a_column_and_no_longer(workspace: CloudWorkspace) -> None:
    """A value of 65,535 bytes is saved. A longer one, or an emoji, is refused with file and line before any request."""
    want(workspace, properties={"x": "ä" * 32_767 + "a"})
    workspace.apply()
    assert len(workspace.live()["a"]["x"].encode()) == 65_535
    workspace.cloud.forget_requests()
    for value, why in (
        ("ä" * 32_768, "65536 bytes long in UTF-8, the limit is 65535"),
        ("😀", "beyond the basic plane"),
    ):
        want(workspace, properties={"x": value})
        refused = workspace.run("apply", "--yes", code=1)
        assert "base.yaml:1:" in refused.stderr
        assert why in refused.stderr
    assert workspace.cloud.requests() == []


def add_look_alikes(cloud: Cloud) -> Sequence[str]:
    """Add foreign images to the project, with markers, names, tags and leases that are nearly those of the catalog; their ids."""
    http, made = cloud.http("alice"), []
    for catalog in ALIKE:
        for role in ("current", "staging", "retired", "lease"):
            marks = {"imagesync_catalog": catalog, "imagesync_key": "a", "imagesync_role": role}
            lease = {"imagesync_lease": catalog, "imagesync_lease_number": "9", "imagesync_lease_state": "held"}
            for hidden in (True, False):
                body = {**RAW, "name": "A ", "os_hidden": hidden, "tags": ["T"], "P": "1", **marks}
                answer = http.send("POST", "/images", json={**body, **(lease if role == "lease" else {})})
                made.append(answer.json()["id"])
    return made


def test_images_of_catalogs_with_alike_names_are_foreign(workspace: CloudWorkspace) -> None:
    """From creation to removal, no plan has a step for them and no request changes them."""
    cloud = workspace.cloud
    foreign = add_look_alikes(cloud)
    http = cloud.http()

    def show() -> list[dict[str, Any]]:
        return [http.get(f"/images/{image_id}") for image_id in foreign]

    before = show()
    cloud.forget_requests()
    want(workspace, tags=["t"], properties={"p": "1"})
    workspace.apply()
    want(workspace, 1, tags=["t", "u"], properties={"p": "2"})
    workspace.apply()
    planned = workspace.run("plan", "--format", "json").stdout
    assert [image_id for image_id in foreign if image_id in planned] == []
    workspace.run("rollback", "a", "--yes")
    workspace.images.clear()
    workspace.run("apply", "--yes", "--destroy")
    assert workspace.live() == {}
    written = [one for one in cloud.requests() if one.method not in ("GET", "HEAD")]
    assert [one for one in written if any(image_id in one.path for image_id in foreign)] == []
    assert show() == before


def test_two_catalogs_with_alike_names_do_not_interfere(
    workspace: CloudWorkspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each finds only its own images."""
    other = CloudWorkspace(workspace.cloud, tmp_path_factory.mktemp("other"), catalog="Base")
    want(workspace, name="one")
    want(other, name="two")
    for _ in range(2):
        workspace.apply()
        other.apply()
    other.images.clear()
    other.run("apply", "--yes", "--destroy")
    assert [image["name"] for image in workspace.cloud.http().images()] == ["one"]
    workspace.apply()
