"""``list`` on the real services: filters, names of projects, leases, and the number of requests."""

import json
from pathlib import Path
from typing import Any

import pytest

from imagesync import open_backend
from imagesync.lease.taking import take
from imagesync.model.catalog import Visibility
from tests import forked
from tests.cloud.neighbors import is_neighbor
from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.command import Result, cloud_environment

KIB = 1024


def list_images(cloud: Cloud, *words: str, user: str = "operator", code: int = 0) -> Result:
    """``imagesync list WORDS`` as a user."""
    return forked.run("list", *words, "--cloud", user, env=cloud_environment(cloud.clouds_yaml), code=code)


def read(cloud: Cloud, *words: str, user: str = "operator") -> list[dict[str, Any]]:
    """The images that are listed, without the neighbors."""
    found = json.loads(list_images(cloud, *words, "--format", "json", user=user).stdout)
    return [image for image in found if not is_neighbor(image["id"])]


def count(cloud: Cloud) -> list[str]:
    """The requests to the image service since the last count: method and path."""
    found = [f"{one.method} {one.path}" for one in cloud.requests() if one.agent.startswith("imagesync/")]
    cloud.forget_requests()
    return found


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> CloudWorkspace:
    """Two applied images, one of them public and with a retired build."""
    made = CloudWorkspace(cloud, tmp_path)
    for content in (b"\xe1", b"\xe2"):
        made.images["web"] = {"name": "Web", "source": made.file("web.raw", content * KIB), "visibility": "public"}
        made.images["db"] = {"source": made.file("db.raw", b"\xe3" * KIB), "tags": ["só", "x,y"]}
        for image in made.images.values():
            image |= {"disk_format": "raw", "container_format": "bare"}
        made.run("apply", "--yes")
    cloud.forget_requests()
    return made


def test_a_listing_costs_two_requests_however_many_images_it_has(workspace: CloudWorkspace) -> None:
    """One page of visible images, one of hidden ones; filters, the drift of a manifest and every format cost no more."""
    cloud = workspace.cloud
    for words in (
        (),
        ("--key", "web", "--role", "retired"),
        ("--name", "*", "--tag", "só", "--visibility", "private"),
        ("--manifest", str(workspace.folder)),
        ("--format", "csv"),
        ("--format", "html", "--catalog", "base"),
    ):
        list_images(cloud, *words)
        assert count(cloud) == ["GET /v2/images"] * 2, words
    list_images(cloud, workspace.live()["web"]["id"])
    assert len(count(cloud)) == 1


def test_many_images_cost_one_request_a_page(workspace: CloudWorkspace) -> None:
    """1000 images each; also if the names of two projects are read."""
    workspace.cloud.foreign(2500)
    assert len(read(workspace.cloud, "--manifest", str(workspace.folder))) == 2503
    assert count(workspace.cloud) == ["GET /v2/images"] * 4


def test_a_filter_selects_what_the_service_has_exactly(workspace: CloudWorkspace) -> None:
    """Names and tags with characters that have a meaning in a URL; the case of a letter counts."""
    cloud = workspace.cloud

    def names(*words: str) -> list[str]:
        return [f"{one['imagesync_key']} {one['imagesync_role']}" for one in read(cloud, "--catalog", "base", *words)]

    assert names() == ["db current", "web current", "web retired"]
    assert names("--key", "web") == ["web current", "web retired"]
    assert names("--key", "w?b", "--role", "retired") == ["web retired"]
    assert names("--tag", "só", "--tag", "x,y") == ["db current"]
    assert names("--tag", "x") == []
    assert names("--name", "Web", "--role", "current") == ["web current"]
    assert names("--name", "web") == []
    assert names("--visibility", "public", "--visibility", "private") == names()


def test_projects_have_names_if_the_user_may_read_them(workspace: CloudWorkspace) -> None:
    """An administrator may read all, a member those of its own roles; for others there is the id, and a line with -v."""
    cloud = workspace.cloud
    web = workspace.live()["web"]["id"]

    def project(user: str) -> tuple[str | None, str]:
        (found,) = (image for image in read(cloud, "--name", "Web", user=user) if image["id"] == web)
        return found["_imagesync"]["project"], found["owner"]

    images = cloud.project_id("images")
    assert project("operator") == project("alice") == project("admin") == ("images", images)
    assert project("bob") == (None, images)
    done = list_images(cloud, "--name", "Web", "-v", user="bob")
    assert images in done.stdout
    assert done.stderr.count("projects are listed by id") == 1
    assert "projects are listed" not in list_images(cloud, "--name", "Web", user="bob").stderr


def test_no_lease_is_listed_whoever_asks(workspace: CloudWorkspace) -> None:
    """An administrator sees the records of other projects; by id there is no such image either."""
    cloud = workspace.cloud
    with open_backend(cloud="alice", clouds_file=str(cloud.clouds_yaml)) as backend:
        take(backend, "base", timeout=0, warn=lambda _: None)
        ids = {image.id for image in backend.leases("base")}
    assert ids
    for user in ("alice", "operator", "admin", "reader"):
        for words in ((), ("--unmanaged",), ("--visibility", "private")):
            assert ids.isdisjoint(image["id"] for image in read(cloud, *words, user=user))
        for image_id in ids:
            assert "no image has the id" in list_images(cloud, image_id, user=user, code=1).stderr


def test_community_images_of_others_are_listed_on_request(workspace: CloudWorkspace) -> None:
    """As the service's own listing; by --visibility they are."""
    cloud = workspace.cloud
    with open_backend(cloud="bob", clouds_file=str(cloud.clouds_yaml)) as backend:
        made = backend.create_image(name="Community", visibility=Visibility.COMMUNITY.value)
    for words, is_listed in (((), False), (("--name", "Community"), False), (("--visibility", "community"), True)):
        assert (made.id in {image["id"] for image in read(cloud, *words, user="alice")}) is is_listed
    assert made.id in {image["id"] for image in read(cloud, user="bob")}


def test_an_administrator_lists_one_project(workspace: CloudWorkspace) -> None:
    """Of all images that it sees; also community images. A word that is not an id is an error."""
    cloud = workspace.cloud
    images, other = (cloud.project_id(name) for name in ("images", "other"))
    with open_backend(cloud="bob", clouds_file=str(cloud.clouds_yaml)) as backend:
        made = backend.create_image(name="Community", visibility=Visibility.COMMUNITY.value)
    assert {image["owner"] for image in read(cloud, user="operator")} >= {images}
    assert {image["owner"] for image in read(cloud, "--owner", images)} == {images}
    assert [image["id"] for image in read(cloud, "--owner", other)] == [made.id]
    assert made.id in {image["id"] for image in read(cloud, "--owner", images, "--owner", other)}
    assert "not a project id" in list_images(cloud, "--owner", "web-team", code=64).stderr


def test_a_name_of_another_project_s_image_is_found(workspace: CloudWorkspace) -> None:
    """By id, key or name; also with rights to read only."""
    cloud = workspace.cloud
    for word in ("db", workspace.live()["db"]["id"]):
        assert workspace.live()["db"]["id"] in list_images(cloud, word, user="reader").stdout
    assert "did you mean" in list_images(cloud, "Webb", user="reader", code=1).stderr


def test_a_reader_may_ask_why_an_image_is_as_it_is(workspace: CloudWorkspace) -> None:
    """``show KEY`` only sends GET."""
    cloud = workspace.cloud
    env = cloud_environment(cloud.clouds_yaml)
    cloud.forget_requests()
    words = ("show", "web", str(workspace.folder), "--cloud", "reader")
    text = forked.run(*words, env=env).stdout
    assert "Current build: generation 2" in text
    assert "Retired build: generation 1" in text
    assert set(count(cloud)) == {"GET /v2/images"}
