"""The Glance backend on the real Keystone and Glance, checked over plain HTTP."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from imagesync.backends.base import Backend
from imagesync.backends.glance import open_glance
from imagesync.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    Unauthorized,
    UsageError,
)
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage, MemberState
from tests.cloud.neighbors import drop_neighbors
from tests.cloud.service import Cloud
from tests.fault.proxy import Call, Fault, between
from tests.waiting import wait_until

Opener = Callable[[str], Backend]
MIB = 2**20


@pytest.fixture
def opened(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    """A function that opens the backend as a user of the cloud; it is closed afterwards."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.clouds_yaml))
    backends: list[Backend] = []

    def opener(user: str) -> Backend:
        backends.append(open_glance(user))
        return backends[-1]

    yield opener
    for backend in backends:
        backend.close()


@pytest.fixture
def alice(opened: Opener, cloud: Cloud) -> Backend:
    """A backend as a member of project images; requests are counted from here."""
    backend = opened("alice")
    cloud.forget_requests()
    return backend


def create_queued(backend: Backend, name: str = "n", **properties: str) -> LiveImage:
    """Create a queued raw image."""
    return backend.create_image(name=name, disk_format="raw", container_format="bare", properties=properties)


def queries(cloud: Cloud) -> list[str]:
    """The requests that the image service received, sorted."""
    return sorted(f"{request.method} {request.path}" for request in cloud.requests())


def test_opening_sends_no_request_to_the_image_service(cloud: Cloud, opened: Opener) -> None:
    """The endpoint is in the service catalog, so there is no discovery."""
    cloud.forget_requests()
    identity = opened("alice").identity()
    assert cloud.requests() == []
    assert (identity.kind, identity.location, identity.region) == ("glance", cloud.auth_url, "RegionOne")
    assert (identity.project_id, identity.project_name) == (cloud.project_id("images"), "images")
    assert identity.label == "alice"


def test_requests_have_the_user_agent_of_imagesync(cloud: Cloud, alice: Backend) -> None:
    """Operators can see which client sends requests."""
    alice.images()
    assert {request.agent.partition("/")[0] for request in cloud.requests()} == {"imagesync"}


def test_a_created_image_has_every_attribute(cloud: Cloud, alice: Backend) -> None:
    """One POST has all of them, including properties, tags and os_hidden."""
    image_id = str(uuid4())
    image = alice.create_image(
        id=image_id,
        name="n",
        disk_format="qcow2",
        container_format="bare",
        min_disk=3,
        min_ram=512,
        protected=True,
        visibility="community",
        hidden=True,
        tags=["b", "a"],
        properties={"os_distro": "x", "kernel_id": "k"},
    )
    assert queries(cloud) == ["POST /v2/images"]
    seen = cloud.http("alice").get(f"/images/{image_id}")
    assert (seen["min_disk"], seen["min_ram"], seen["protected"], seen["os_hidden"]) == (3, 512, True, True)
    assert (sorted(seen["tags"]), seen["os_distro"], seen["visibility"]) == (["a", "b"], "x", "community")
    assert (image.visibility, image.kernel_id, image.status) == (Visibility.COMMUNITY, "k", Status.QUEUED)
    cloud.http("alice").patch(image_id, {"op": "replace", "path": "/protected", "value": False})


def test_an_id_in_use_is_a_conflict(alice: Backend, opened: Opener) -> None:
    """It may be the id of an image of this project, of another project, or of a deleted image."""
    image = create_queued(alice)
    with pytest.raises(Conflict, match="already exists"):
        alice.create_image(id=image.id)
    with pytest.raises(Conflict, match="another project"):
        opened("bob").create_image(id=image.id)
    alice.delete_image(image)
    with pytest.raises(Conflict, match="deleted"):
        alice.create_image(id=image.id)


def test_a_repeated_create_finds_its_own_record(alice: Backend) -> None:
    """The response to the first POST was lost: the nonce among the imagesync properties identifies the record."""
    image_id, ours = str(uuid4()), {"imagesync_catalog": "c", "imagesync_managed": '{"n":"nonce-1"}'}
    alice.create_image(id=image_id, properties=ours)
    assert alice.create_image(id=image_id, properties=ours).id == image_id
    with pytest.raises(Conflict):
        alice.create_image(id=image_id, properties={**ours, "imagesync_managed": '{"n":"nonce-2"}'})


def test_an_update_is_one_patch(cloud: Cloud, alice: Backend) -> None:
    """It has fields, tags, and properties that are added, changed and removed, with unusual names."""
    image = create_queued(alice, gone="1", changed="1", kernel_id="k")
    changes = {"gone": None, "changed": "2", "never": None, "a/b~c:": "3", "kernel_id": None, "ramdisk_id": None}
    cloud.forget_requests()
    after = alice.update_image(image, name=None, min_ram=7, hidden=True, tags=["x"], properties=changes)
    assert queries(cloud) == [f"PATCH /v2/images/{image.id}"]
    assert after.properties == {"changed": "2", "a/b~c:": "3"}
    assert (after.name, after.min_ram, after.hidden, after.tags) == (None, 7, True, frozenset("x"))


def test_an_empty_update_only_reads(cloud: Cloud, alice: Backend) -> None:
    """A PATCH without operations would still be a write request."""
    image = create_queued(alice)
    cloud.forget_requests()
    assert alice.update_image(image.id) == alice.images(image.id)[0]
    assert queries(cloud) == [f"GET /v2/images/{image.id}"] * 2


def test_errors_have_the_message_of_the_service(alice: Backend, opened: Opener) -> None:
    """403, 404 and 400 have their own error classes, and one line each."""
    image = create_queued(alice)
    with pytest.raises(Forbidden, match="publicize_image"):
        alice.update_image(image, visibility="public")
    with pytest.raises(NotFound, match="No image found"):
        opened("bob").images(image.id)
    with pytest.raises(InvalidRequest, match="tiff"):
        alice.create_image(disk_format="tiff")
    alice.update_image(image, protected=True)
    with pytest.raises(Forbidden, match="protected"):
        alice.delete_image(image)
    alice.update_image(image, protected=False)


def test_the_check_who_can_publish_changes_nothing(alice: Backend, opened: Opener) -> None:
    """A member cannot publish; an administrator of the project can."""
    image = create_queued(alice)
    assert not alice.can_publish(image.id)
    assert opened("operator").can_publish(image.id)
    assert alice.images(image.id) == [image]


def test_a_deleted_image_does_not_exist(alice: Backend) -> None:
    """A second deletion raises NotFound."""
    image = create_queued(alice)
    alice.delete_image(image)
    for ask in (alice.delete_image, alice.images, alice.update_image):
        with pytest.raises(NotFound):
            ask(image.id)


@pytest.mark.parametrize("image_id", ["", ".", "..", "a/../b", "%2e%2e", "?x=1"])
def test_an_id_never_reaches_another_resource(alice: Backend, image_id: str) -> None:
    """With any characters, it is one segment of the path."""
    create_queued(alice)
    with pytest.raises(NotFound):
        alice.images(image_id)
    with pytest.raises(NotFound):
        alice.delete_image(image_id)
    assert len(drop_neighbors(alice.images())) == 1


@pytest.mark.parametrize("size", [3 * MIB, None])
def test_uploaded_data_can_be_downloaded(cloud: Cloud, alice: Backend, size: int | None) -> None:
    """It is uploaded with a known length, and without."""
    image = create_queued(alice)
    alice.upload(image.id, [b"a" * MIB, b"b" * (MIB + 1), b"c" * (MIB - 1)], size)
    live = alice.images(image.id)[0]
    assert (live.status, live.size) == (Status.ACTIVE, 3 * MIB)
    assert live.os_hash_value is not None
    assert b"".join(alice.download(image.id)) == b"a" * MIB + b"b" * (MIB + 1) + b"c" * (MIB - 1)
    sent = [request.length for request in cloud.requests() if request.method == "PUT"]
    assert sent == [str(size) if size else ""]


@pytest.mark.parametrize("size", [0, None])
def test_empty_data_is_data(alice: Backend, size: int | None) -> None:
    """Zero bytes make an active image of size 0."""
    image = create_queued(alice)
    alice.upload(image.id, [], size)
    assert (alice.images(image.id)[0].status, alice.images(image.id)[0].size) == (Status.ACTIVE, 0)
    assert b"".join(alice.download(image.id)) == b""


@pytest.mark.parametrize("size", [8 * MIB, None])
@pytest.mark.parametrize("error", [ValueError("bad data"), BrokenPipeError(32, "pipe"), ConnectionResetError("peer")])
def test_a_failing_source_aborts_the_body(alice: Backend, size: int | None, error: Exception) -> None:
    """The error is raised unchanged, also one that looks like a connection error; the image can be uploaded again."""
    image = create_queued(alice)

    def failing() -> Iterator[bytes]:
        yield b"x" * MIB
        _until(alice, image.id, Status.SAVING)
        raise error

    with pytest.raises(type(error)) as caught:
        alice.upload(image.id, failing(), size)
    assert caught.value is error
    assert caught.value.__cause__ is None
    _until(alice, image.id, Status.QUEUED)
    alice.upload(image.id, [b"x"], 1)
    assert alice.images(image.id)[0].size == 1


def _until(backend: Backend, image_id: str, status: Status) -> None:
    """Wait until the service has noticed a body and its end."""
    wait_until(lambda: backend.images(image_id)[0].status, lambda found: found is status, f"the image is {status}")


def test_the_reason_of_a_rejected_upload_is_read_while_data_is_sent(alice: Backend) -> None:
    """The service responds and closes the connection long before the end of the data."""
    image = create_queued(alice)
    alice.upload(image.id, [b"x"], 1)
    for size in (64 * MIB, None):
        with pytest.raises(Conflict, match="from active to saving"):
            alice.upload(image.id, (b"x" * MIB for _ in range(64)), size)
    assert alice.images(image.id)[0].size == 1


def test_data_of_another_format_is_rejected_with_the_reason(alice: Backend) -> None:
    """The service returns 415, and no image is active."""
    image = alice.create_image(disk_format="qcow2", container_format="bare")
    with pytest.raises(InvalidRequest, match="does not match stream data"):
        alice.upload(image.id, [b"x" * MIB], MIB)
    assert alice.images(image.id)[0].status is Status.QUEUED


def test_an_expired_token_is_renewed_for_requests_but_not_for_data(cloud: Cloud, alice: Backend) -> None:
    """Chunks that were read are never sent again: the upload raises Unauthorized, and works after ``renew``."""
    image = create_queued(alice)
    cloud.expire_tokens()
    with pytest.raises(Unauthorized):
        alice.upload(image.id, (b"x" * MIB for _ in range(8)), 8 * MIB)
    alice.renew()
    alice.upload(image.id, [b"x"], 1)
    cloud.expire_tokens()
    assert alice.update_image(image, name="renewed").name == "renewed"
    cloud.expire_tokens()
    assert b"".join(alice.download(image.id)) == b"x"


def test_an_image_without_data_cannot_be_read(alice: Backend) -> None:
    """The service returns 204; for a deactivated image, an error."""
    image = create_queued(alice)
    with pytest.raises(Conflict, match="no data"):
        b"".join(alice.download(image.id))
    alice.upload(image.id, [b"x"], 1)
    alice.deactivate(image.id)
    with pytest.raises(Forbidden):
        b"".join(alice.download(image.id))


def test_deactivate_and_reactivate_may_be_repeated(alice: Backend) -> None:
    """They set a status. A queued image cannot have another status."""
    image = create_queued(alice)
    with pytest.raises(Forbidden):
        alice.deactivate(image.id)
    alice.upload(image.id, [b"x"], 1)
    for change, status in ((alice.deactivate, Status.DEACTIVATED), (alice.reactivate, Status.ACTIVE)):
        change(image.id)
        change(image.id)
        assert alice.images(image.id)[0].status is status


def test_members_may_be_added_and_removed_twice(alice: Backend) -> None:
    """409 and 404 mean that there is nothing to change."""
    image = create_queued(alice)
    alice.update_image(image, visibility="shared")
    for project in ("p1", "p1", "p 2"):
        alice.add_member(image.id, project)
    assert alice.members(image.id) == [MemberState("p 2"), MemberState("p1")]
    for project in ("p1", "p1", "p 2"):
        alice.remove_member(image.id, project)
    assert alice.members(image.id) == []


def test_members_of_a_private_image_are_refused(alice: Backend) -> None:
    """The service returns 403."""
    image = alice.create_image(visibility="private")
    with pytest.raises(Forbidden):
        alice.add_member(image.id, "p1")


def test_the_inventory_has_the_owned_images_also_hidden_ones(cloud: Cloud, alice: Backend, opened: Opener) -> None:
    """They are found by marker and owner, with any visibility, in two requests. Images of other catalogs and projects are not in it."""
    ours = [
        alice.create_image(hidden=hidden, visibility=visibility, properties={"imagesync_catalog": "base"})
        for hidden in (False, True)
        for visibility in ("private", "community", "shared")
    ]
    create_queued(alice, imagesync_catalog="Base")
    create_queued(alice, imagesync_catalog="other")
    opened("bob").create_image(visibility="community", properties={"imagesync_catalog": "base"})
    cloud.foreign(50)
    cloud.forget_requests()
    found = alice.inventory("base")
    assert {image.id for image in found} == {image.id for image in ours}
    assert queries(cloud) == ["GET /v2/images"] * 2


def test_an_administrator_finds_the_community_images_of_an_owner(cloud: Cloud, opened: Opener) -> None:
    """A filter by property alone does not find them."""
    image = opened("bob").create_image(visibility="community", properties={"imagesync_catalog": "base"})
    other = cloud.project_id("other")
    assert [found.id for found in opened("operator").inventory("base", [other])] == [image.id]
    assert opened("operator").inventory("base") == []


def test_listings_have_all_pages(cloud: Cloud, alice: Backend) -> None:
    """A page has at most 1,000 images."""
    cloud.foreign(2001)
    create_queued(alice)
    alice.create_image(hidden=True)
    cloud.forget_requests()
    assert len(drop_neighbors(alice.images())) == 2003
    assert queries(cloud) == ["GET /v2/images"] * 4


@pytest.mark.trial(
    "a listing whose next page begins after an image that was just deleted", "the listing began again, and was complete"
)
def test_a_listing_is_complete_after_the_deletion_of_a_page_s_last_image(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is deleted between two pages: the service returns 400, and the listing starts again."""
    cloud.foreign(2001)
    made, gone = {image["id"] for image in cloud.http("alice").images()}, list[str]()

    def delete_last(path: str) -> None:
        """Delete the last image of a page, which bob's project owns, after the service has returned the page."""
        gone.append(cloud.http("alice").get(path.removeprefix("/v2"))["images"][-1]["id"])
        cloud.http("bob").send("DELETE", f"/images/{gone[0]}").raise_for_status()

    def after_first_page(call: Call) -> Fault | None:
        is_first = "os_hidden=false" in call.path and not gone
        return Fault(after=lambda: delete_last(call.path)) if is_first else None

    with between(cloud.image_url) as proxy:
        proxy.fault = after_first_page
        clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
        clouds["clouds"]["alice"]["image_endpoint_override"] = proxy.address
        (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        with closing(open_glance("alice")) as backend:
            found = drop_neighbors(backend.images())
    assert {image.id for image in found} == made - set(gone)
    assert sum(f"marker={gone[0]}" in call.path for call in proxy.calls) == 1


def test_a_page_after_a_deleted_image_is_an_invalid_request(cloud: Cloud, alice: Backend) -> None:
    """The service returns 400, after which a listing starts again, although its message is "No image found"."""
    answer = cloud.http("alice").send("GET", f"/images?marker={uuid4()}")
    assert (answer.status_code, "No image found" in answer.text) == (400, True)


AWKWARD = ["a,b", 'a"b', "a'b", "a\\b", "a:b", " a", "a ", "in:x", "eq:x", "a&b=c", "%61", "#x", "ä,ö", "", "a\tb"]


def test_names_with_any_characters_are_found(cloud: Cloud, alice: Backend) -> None:
    """One request has as many names as possible, and finds no other names."""
    for name in [*AWKWARD, "a", "b"]:
        create_queued(alice, name=name)
    cloud.forget_requests()
    project = alice.identity().project_id
    assert sorted(str(image.name) for image in alice.find_named(AWKWARD, project)) == sorted(AWKWARD)
    assert len(cloud.requests()) == 2
    assert alice.find_named(["nobody's"], project) == []
    assert alice.find_named([], project) == []


def test_a_thousand_names_are_few_requests(cloud: Cloud, alice: Backend) -> None:
    """The length of a URL is limited, and the service accepts it."""
    create_queued(alice, name="Ubuntu 24.04 (0999)")
    names = [f"Ubuntu 24.04 ({number:04})" for number in range(1000)]
    found = alice.find_named(names, alice.identity().project_id)
    assert [image.name for image in found] == ["Ubuntu 24.04 (0999)"]
    assert len(cloud.requests()) < 10


def test_names_are_those_of_one_owner_without_hidden_images(alice: Backend, opened: Opener) -> None:
    """Hidden images, and images of other owners, do not clash."""
    create_queued(alice, name="x")
    alice.create_image(name="x", hidden=True)
    opened("bob").create_image(name="x", visibility="community")
    assert len(alice.find_named(["x"], alice.identity().project_id)) == 1


def test_capabilities_are_read_once(cloud: Cloud, alice: Backend) -> None:
    """Formats, methods and stores are those of the service's documents."""
    able = alice.capabilities()
    assert {"raw", "qcow2", "iso"} <= able.disk_formats
    assert "bare" in able.container_formats
    assert {"size", "checksum", "status"} <= able.read_only
    assert able.stores == {"fast", "slow"}
    assert "web-download" in able.import_methods
    assert able.hidden
    assert alice.capabilities() is able
    assert len(cloud.requests()) == 4


def test_a_full_quota_has_the_message_of_the_service(cloud: Cloud, opened: Opener) -> None:
    """The service returns 413; the usage is among the capabilities."""
    cloud.start_limited()
    cloud.set_limits("images", image_count_total=1)
    limited = opened("limited")
    create_queued(limited)
    with pytest.raises(QuotaExceeded, match="quota"):
        create_queued(limited)
    usage = limited.capabilities().usage["image_count_total"]
    cloud.set_limits("images")
    assert (usage.usage, usage.limit) == (1, 1)


def test_projects_are_found_by_name(cloud: Cloud, alice: Backend, opened: Opener) -> None:
    """An administrator finds all projects, a member only its own; else it is Forbidden, with a remedy."""
    assert opened("operator").project_id("other", "Default") == cloud.project_id("other")
    assert opened("operator").project_id("other", "default") == cloud.project_id("other")
    assert alice.project_id("images", "Default") == cloud.project_id("images")
    with pytest.raises(Forbidden, match="id instead"):
        alice.project_id("other", "Default")
    with pytest.raises(UsageError, match="project 'nope' does not exist"):
        opened("operator").project_id("nope", "Default")


def test_the_error_for_an_unknown_cloud_lists_the_known_ones(cloud: Cloud, opened: Opener) -> None:
    """A misspelled name is the most common mistake."""
    with pytest.raises(UsageError, match=r"nope.*alice, bob"):
        opened("nope")
