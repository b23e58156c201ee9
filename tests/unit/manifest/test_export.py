"""Images to a manifest: keys, what is left out, what is common, and what cannot be written."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagesync.manifest.entries import escape_dollars
from imagesync.manifest.export import Exported, assign_keys, export_manifest, find_differences
from imagesync.manifest.loader import load
from imagesync.manifest.resolution import resolve
from imagesync.manifest.yaml_reader import MAX_KEYS, MAX_VALUES
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage, MemberState

HASH = "a" * 128


def image(name: str | None = "x", image_id: str = "", **attrs: object) -> LiveImage:
    """An active private raw image of project p."""
    base = LiveImage(
        id=image_id or "00000000-0000-4000-8000-000000000000",
        name=name,
        status=Status.ACTIVE,
        owner="p",
        disk_format="raw",
        container_format="bare",
        os_hash_algo="sha512",
        os_hash_value=HASH,
        created_at="2026-01-01T00:00:00Z",
    )
    return replace(base, **attrs)  # type: ignore[arg-type]


UUID = "00000000-0000-0000-0000-"


def made(
    *images: LiveImage, members: dict[str, tuple[MemberState, ...]] | None = None, max_values: int = MAX_VALUES
) -> Exported:
    """The manifest of these images, seen from project p."""
    return export_manifest("base", images, members or {}, project="p", max_values=max_values)


def document(*images: LiveImage) -> dict[str, Any]:
    """The manifest as another YAML library reads it."""
    found: dict[str, Any] = yaml.safe_load(made(*images).text)
    return found


def keys(*images: LiveImage) -> dict[str, str]:
    """Key by image id."""
    return {one.id: key for key, one in assign_keys(images).items()}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cirros-0.6", "cirros-0.6"),
        ("Debian_12", "Debian_12"),
        ("Ubuntu 24.04 (Noble)", "ubuntu-24.04-noble"),
        ("Ünïcode", "unicode"),
        ("日本", "image-12345678"),
        ("-x-", "x"),
        ("a" * 100, "a" * 64),
    ],
)
def test_keys_are_made_of_names(name: str, key: str) -> None:
    """A name that is a key stays as it is."""
    assert keys(image(name, "12345678-0000-4000-8000-000000000000")) == {"12345678-0000-4000-8000-000000000000": key}


def test_keys_are_unique_whatever_the_case_and_stay_when_images_are_added() -> None:
    """The oldest has the name alone; the others a part of their id."""
    first = image("Ubuntu", "11111111-0", created_at="2026-01-01T00:00:00Z")
    second = image("ubuntu", "22222222-0", created_at="2026-01-02T00:00:00Z")
    third = image("UBUNTU!", "33333333-0", created_at="2026-01-03T00:00:00Z")
    assert keys(second, first) == {first.id: "Ubuntu", second.id: "ubuntu-22222222"}
    assert keys(third, second, first) == {**keys(second, first), third.id: "ubuntu-33333333"}


def test_an_owned_image_keeps_its_key() -> None:
    """Also where an older one has its name."""
    owned = image(
        "x",
        "2",
        properties={"imagesync_id": "2", "imagesync_catalog": "base", "imagesync_key": "x"},
        created_at="2026-02-01T00:00:00Z",
    )
    assert keys(image("x", "11111111-0", hidden=True), owned) == {"2": "x", "11111111-0": "x-11111111"}


def test_only_what_says_something_is_written() -> None:
    """One image: its formats, visibility and digest; no defaults of the service."""
    assert document(image()) == {
        "version": 1,
        "catalog": "base",
        "images": {
            "x": {
                "adopt": image().id,
                "source": {"checksum": f"sha512:{HASH}"},
                "disk_format": "raw",
                "container_format": "bare",
                "visibility": "private",
            }
        },
    }


@pytest.mark.parametrize(
    ("attrs", "source"),
    [
        ({}, {"checksum": f"sha512:{HASH}"}),
        ({"os_hash_algo": "sha256", "os_hash_value": "b" * 64}, {"checksum": f"sha256:{'b' * 64}"}),
        ({"os_hash_algo": "blake2b", "checksum": "c" * 32}, {"checksum": f"md5:{'c' * 32}"}),
        ({"os_hash_algo": None, "os_hash_value": None, "checksum": "c" * 32}, {"checksum": f"md5:{'c' * 32}"}),
        ({"os_hash_algo": None, "os_hash_value": None}, None),
        (
            {
                "os_hash_algo": None,
                "os_hash_value": None,
                "properties": {"imagesync_digest": f"declared:sha512:{HASH}"},
            },
            None,
        ),
        ({"status": Status.QUEUED, "os_hash_value": None}, "none"),
        ({"size": 0}, None),
        ({"size": 5}, {"checksum": f"sha512:{HASH}"}),
        ({"os_hash_value": hashlib.sha512().hexdigest()}, None),
        ({"os_hash_value": None, "checksum": hashlib.md5().hexdigest()}, None),
    ],
)
def test_the_source_is_what_the_service_knows_of_the_data(attrs: dict[str, Any], source: object) -> None:
    """Its hash, or the md5, or nothing; ``none`` without data. The digest of no data identifies no content."""
    assert document(image(**attrs))["images"]["x"].get("source") == source


def test_common_values_stand_in_defaults() -> None:
    """Formats that most have; tags and properties that all have; the text says the same and is shorter."""
    images = [image(f"i{n}", f"{n}", tags=frozenset({"t"}), properties={"os": "linux", "n": f"{n}"}) for n in range(5)]
    images.append(image("iso", "9", disk_format="iso", tags=frozenset({"t"}), properties={"os": "linux"}))
    found = document(*images)
    assert found["defaults"] == {
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        "tags": ["t"],
        "properties": {"os": "linux"},
    }
    assert set(found["images"]["iso"]) == {"adopt", "source", "disk_format"}
    assert found["images"]["i1"]["properties"] == {"n": 1}


def test_a_default_is_given_to_no_image_that_has_no_such_value() -> None:
    """A record without formats, an image without the tag or property: nothing is lifted."""
    images = [image(f"i{n}", f"{n}", tags=frozenset({"t"}), properties={"os": "linux"}) for n in range(5)]
    bare = image("bare", "9", status=Status.QUEUED, disk_format=None, container_format=None)
    assert document(*images, bare)["defaults"] == {"visibility": "private"}


def test_marks_and_what_others_note_of_this_very_image_are_left_out() -> None:
    """The marker, the SDK's digests, the compute service's notes on a snapshot, read-only fields of the service."""
    foreign = {"owner_specified.openstack.md5": "x", "instance_uuid": "i", "locked": "1", "os_distro": "debian"}
    found = export_manifest("base", [image(properties=foreign)], {}, project="p", read_only=frozenset({"locked"}))
    assert yaml.safe_load(found.text)["images"]["x"]["properties"] == {"os_distro": "debian"}
    assert found.problems == ()


def test_what_the_compute_service_writes_on_snapshots_is_left_out() -> None:
    """Of a server that boots from a volume, of its flavor, and of the key of an encrypted volume; people's own values stay."""
    names = """
        block_device_mapping bdm_v2 root_device_name image_type clean_attempts base_image_ref instance_uuid user_id
        image_location image_state boot_roles owner_id owner_user_name owner_project_name network_allocated old_vm_state
        instance_type_vcpus old_instance_type_id cinder_encryption_key_id cinder_encryption_key_deletion_policy
        owner_specified.openstack.sha256
    """
    written = dict.fromkeys(names.split(), "snapshot")
    kept = {"hw_disk_bus": "virtio", "owner_contact": "ops", "image_type_note": "x", "os_distro": "debian"}
    found = document(image(properties={**written, **kept}, size=0))["images"]["x"]
    assert found["properties"] == kept
    assert "source" not in found
    assert document(image(properties={"image_type": "golden"}))["images"]["x"]["properties"] == {"image_type": "golden"}
    assert "properties" not in document(image(properties={"image_type": "backup"}))["images"]["x"]


def test_the_values_of_a_lone_image_are_its_own(tmp_path: Path) -> None:
    """However long they are: nothing is common to one image."""
    properties = {f"property_{n}": "x" * 50 for n in range(20)}
    found = made(image("x" * 60, "00000000-0000-4000-8000-000000000000", properties=properties, tags=frozenset({"t"})))
    assert "defaults" not in yaml.safe_load(found.text)
    (tmp_path / "x.yaml").write_text(found.text)
    assert find_differences(found, resolve(load(tmp_path / "x.yaml"))) == []


def test_projects_with_ids_of_another_form_are_written_as_such(tmp_path: Path) -> None:
    """A bare word would be taken for a name."""
    shared = image("s", f"{UUID}000000000001", visibility=Visibility.SHARED, owner="bob")
    usual = image("u", f"{UUID}000000000002", owner="d" * 32)
    members = {shared.id: tuple(map(MemberState, ("e" * 32, "te am", "x" * 110)))}
    found = made(shared, usual, members=members)
    written = yaml.safe_load(found.text)["images"]
    assert (written["s"]["owner"], written["u"]["owner"]) == ({"id": "bob"}, "d" * 32)
    assert written["s"]["members"] == ["e" * 32, {"id": "te am"}, {"id": "x" * 110}]
    (tmp_path / "x.yaml").write_text(found.text)
    assert find_differences(found, resolve(load(tmp_path / "x.yaml"))) == []


def test_kernel_and_ramdisk_are_references_to_exported_images() -> None:
    """An id of another image stays an id; a circle is not written."""
    kernel = image("Kernel 6", "k")
    machine = image("m", "m", properties={"kernel_id": "k", "ramdisk_id": "elsewhere"})
    assert document(kernel, machine)["images"]["m"]["properties"] == {
        "kernel_id": "${images.kernel-6.id}",
        "ramdisk_id": "elsewhere",
    }
    one, two = image("one", "1", properties={"kernel_id": "2"}), image("two", "2", properties={"kernel_id": "1"})
    assert document(one, two)["images"]["one"]["properties"] == {"kernel_id": 2}


@pytest.mark.parametrize(
    "text", ["$", "$5", "$$", "${x}", "$${x}", "$$$", "${images.x.id}", "$${images.x.id}", "a$b${"]
)
def test_dollars_come_back_as_they_were(tmp_path: Path, text: str) -> None:
    """In names, tags and properties; single ones are left as they are."""
    found = made(image(f"x {text}", tags=frozenset({text}), properties={"p": text}))
    (tmp_path / "x.yaml").write_text(found.text)
    catalog = resolve(load(tmp_path / "x.yaml"))
    assert find_differences(found, catalog) == []
    assert (catalog.images[0].name, catalog.images[0].tags) == (f"x {text}", frozenset({text}))
    assert escape_dollars("$5") == "$5"


@pytest.mark.parametrize(
    ("attrs", "texts"),
    [
        ({"name": None}, "left out: it has no name; give it one"),
        ({"name": "\U0001f600"}, "left out: its name has a character beyond the basic plane"),
        ({"name": "a\x1bb"}, "left out: its name has a control character"),
        ({"status": Status.SAVING}, "left out: it is saving; export it once it is active"),
        (
            {"properties": {f"p{n}": "" for n in range(121)}},
            "left out: 121 properties, an owned image has room for 120",
        ),
    ],
)
def test_an_image_that_cannot_be_managed_is_left_out_and_reported(attrs: dict[str, Any], texts: str) -> None:
    """In one line without anything that moves a cursor; the others are written."""
    found = made(image("fine", "f"), image(**{"image_id": "bad", **attrs}))
    assert list(found.images) == ["fine"]
    (line,) = found.problems
    assert line.startswith("image bad")
    assert texts in line
    assert line.isprintable()


@pytest.mark.parametrize("name", ["\x1b", "${x}", "imagesync", "p"])
def test_a_property_that_a_manifest_cannot_hold_is_left_out_and_reported(name: str) -> None:
    """Its image is written."""
    value = "\x07" if name in ("imagesync", "p") else "1"
    found = made(image(properties={name: value, "fine": "1"}))
    assert yaml.safe_load(found.text)["images"]["x"]["properties"] == {"fine": 1}
    assert len(found.problems) == 1
    assert "left out" in found.problems[0]


def test_visible_namesakes_are_left_out_and_reported() -> None:
    """A catalog can have one of them; hidden ones and those of another owner hold no name here."""
    found = made(image("x", "1"), image("x", "2"), image("x", "3", hidden=True), image("x", "4", owner="q"))
    assert {one.id for one in found.images.values()} == {"3", "4"}
    assert [line.partition(":")[0] for line in found.problems] == ["image 1 (x)", "image 2 (x)"]


def test_members_of_one_image_say_nothing_of_those_of_another() -> None:
    """Each is asked for by itself, and only of the shared ones."""
    shared = [image(f"s{number}", f"{number}", visibility=Visibility.SHARED) for number in range(3)]
    found = made(*shared, image("other", "9"), members={"0": (MemberState("p1"),), "2": ()})
    (problem,) = found.problems
    assert (
        "image 1 (s1): its members are not in the manifest, because the service does not let this user list them"
        in problem
    )


def test_members_that_the_user_cannot_list_are_reported() -> None:
    """They are not declared, and so left alone; those that are known are project ids."""
    shared = image("x", "1", visibility=Visibility.SHARED)
    assert "the service does not let this user list them" in made(shared).problems[0]
    found = made(shared, members={"1": (MemberState("p$2", "accepted"), MemberState("p1"))})
    assert found.problems == ()
    assert yaml.safe_load(found.text)["images"]["x"]["members"] == [{"id": "p$2"}, {"id": "p1"}]


def test_a_manifest_that_says_something_else_is_found_out(tmp_path: Path) -> None:
    """What is read back is compared with the images."""
    found = made(image(properties={"p": "1"}, tags=frozenset({"t"})))
    for old, new, where in (
        ("p: 1", "p: 2", "x.properties.p"),
        ("raw", "iso", "x.disk_format"),
        ("[t]", "[u]", "x.tags"),
    ):
        (tmp_path / "x.yaml").write_text(found.text.replace(old, new))
        assert find_differences(found, resolve(load(tmp_path / "x.yaml"))) == [where]


@pytest.mark.parametrize(
    ("max_values", "number", "properties"),
    [
        (MAX_VALUES, 6, {f"p{index}": "x" * 65_000 for index in range(110)}),
        (10_000, 100, {f"p{index}": "" for index in range(110)}),
    ],
    ids=["bytes", "values"],
)
def test_images_beyond_the_limits_of_a_manifest_are_left_out(
    tmp_path: Path, max_values: int, number: int, properties: dict[str, str]
) -> None:
    """The largest ones, by name; one that referred to such an image names it by its id; the rest loads."""
    first = image("a-small", f"{UUID.replace('0', 'a')}{0:012}", properties={"kernel_id": f"{UUID}{0:012}"})
    images = [image(f"large-{index}", f"{UUID}{index:012}", properties=properties) for index in range(number)]
    exported = made(first, *images, max_values=max_values)
    assert 1 < len(exported.images) < number + 1
    assert "a-small" in exported.images
    assert len(exported.problems) == number + 1 - len(exported.images)
    assert all("left out: with it the manifest has more than 32 MiB" in problem for problem in exported.problems)
    path = tmp_path / "base.yaml"
    path.write_text(exported.text)
    assert find_differences(exported, resolve(load(path))) == []


def test_a_manifest_has_at_most_as_many_images_as_a_catalog_may_have() -> None:
    """One more is left out and reported."""
    exported = made(*(image(f"x{number}", f"{UUID}{number:012}") for number in range(MAX_KEYS + 1)))
    assert (len(exported.images), len(exported.problems)) == (MAX_KEYS, 1)


def test_keys_differ_in_more_than_case() -> None:
    """Files and logs that are named like keys can be kept on any disk; the oldest image has the plain key."""
    found = keys(*(image(name, f"{number}{UUID[1:]}{number:012}") for number, name in enumerate(("Web", "web", "WEB"))))
    assert len({key.lower() for key in found.values()}) == 3
    assert next(iter(found.values())) == "Web"


def test_a_long_key_stays_a_key_with_a_part_of_its_id() -> None:
    """At most 64 characters, and none of ``-._`` at its end; also of names that differ only after them."""
    names = ["x" * 70, "x" * 71, "x" * 72]
    same = ["99999999-0000", "99999999-1111", "99999999-2222"]
    found = keys(
        *(
            image(name, image_id, created_at=f"2026-01-0{day}")
            for day, (name, image_id) in enumerate(zip(names, same, strict=True), 1)
        )
    )
    assert found == {
        "99999999-0000": "x" * 64,
        "99999999-1111": f"{'x' * 55}-99999999",
        "99999999-2222": f"{'x' * 50}-99999999-2222",
    }
    assert {len(key) for key in found.values()} == {64}
    assert keys(image(f"{'a' * 63}. b", "1")) == {"1": "a" * 63}


def test_the_oldest_image_has_the_plain_key_whatever_the_ids() -> None:
    """Of equally old ones the first by its id."""
    old, new = image("Web!", "9", created_at="2026-01-01"), image("web", "1", created_at="2026-01-02")
    assert keys(new, old) == {"9": "web", "1": "web-1"}
    twin = replace(new, id="8", name="web?", created_at="2026-01-01")
    assert keys(old, twin) == {"8": "web", "9": "web-9"}


def test_a_value_that_half_of_the_images_have_is_no_default() -> None:
    """More than half must have it; of equally frequent ones none is the usual one."""
    images = [image(f"i{n}", f"{n}", disk_format="iso" if n % 2 else "raw") for n in range(20)]
    assert "disk_format" not in document(*images)["defaults"]
    assert document(*images, image("j", "j"))["defaults"]["disk_format"] == "raw"


def test_defaults_that_would_make_the_text_longer_are_not_written() -> None:
    """Two images that share a short property, and have others: it is written twice in fewer letters."""
    two = [
        replace(
            image(f"i{n}", f"{n}", visibility=list(Visibility)[n], disk_format=["raw", "iso"][n]),
            container_format=["bare", "ova"][n],
            properties={"a": "b", f"own{n}": "x"},
        )
        for n in range(2)
    ]
    text = made(*two).text
    assert "defaults" not in text
    assert text.count("a: b") == 2


def test_the_properties_of_imagesync_do_not_count_against_the_limit() -> None:
    """An owned image has eight of them beside its own."""
    own = {f"imagesync_{n}": "" for n in range(8)}
    full = image("full", "1", properties={**{f"p{n}": "" for n in range(120)}, **own})
    assert made(full).problems == ()
    (problem,) = made(replace(full, properties={**full.properties, "more": ""})).problems
    assert problem == ("image 1 (full): left out: 121 properties, an owned image has room for 120; remove some of them")


@pytest.mark.parametrize("name", ["kernel_id", "ramdisk_id"])
def test_an_image_that_refers_to_another_is_not_referred_to(name: str) -> None:
    """By either property: references must not form a circle."""
    kernel, middle = image("kernel", "k"), image("middle", "m", properties={name: "k"})
    top = image("top", "t", properties={"kernel_id": "m", "ramdisk_id": "k"})
    found = document(kernel, middle, top)["images"]
    assert found["middle"]["properties"] == {name: "${images.kernel.id}"}
    assert found["top"]["properties"] == {"kernel_id": "m", "ramdisk_id": "${images.kernel.id}"}


def test_all_problems_are_sorted_whole_sentences() -> None:
    """Namesakes name each other; a name is shown without control characters."""
    found = made(
        image("x", "3"), image("y", "4", tags=frozenset({"a\x1b"})), image("x", "1"), image(None, "5"), image("x", "2")
    )
    rest = "its name too; rename or hide all but one"
    assert found.problems == (
        f"image 1 (x): left out: visible image 2, 3 has {rest}",
        f"image 2 (x): left out: visible image 1, 3 has {rest}",
        f"image 3 (x): left out: visible image 1, 2 has {rest}",
        "image 4 (y): tag 'a\\x1b' left out: has a control character",
        "image 5: left out: it has no name; give it one",
    )


def test_every_difference_is_found(tmp_path: Path) -> None:
    """A missing key, another adopted image, fields, properties and tags of both images."""
    found = made(image("a", f"{UUID}{1:012}", properties={"p": "1"}), image("b", f"{UUID}{2:012}", min_ram=2))
    text = found.text.replace("p: 1", "q: 1").replace("min_ram: 2", "min_ram: 3")
    (tmp_path / "x.yaml").write_text(text)
    assert find_differences(found, resolve(load(tmp_path / "x.yaml"))) == ["a.properties.q", "b.min_ram"]
    (tmp_path / "x.yaml").write_text(found.text.replace(f"{1:012}", f"{3:012}"))
    assert set(find_differences(found, resolve(load(tmp_path / "x.yaml")))) == {
        f"a.{name}" for name in ("name", "visibility", "disk_format", "container_format")
    }
    only_b = resolve(load(tmp_path / "x.yaml"), only=["b"])
    assert find_differences(found, replace(only_b, keys=frozenset({"b"}))) == ["a is missing"]
