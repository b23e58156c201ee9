"""The properties of the real service on which imagesync relies, over plain HTTP."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cloud.databases import MariaDb
from tests.cloud.neighbors import is_neighbor
from tests.cloud.service import Cloud

RAW = {"disk_format": "raw", "container_format": "bare"}


def test_an_id_is_used_once(cloud: Cloud) -> None:
    """A POST with a chosen id is atomic; a DELETE does not free the id."""
    image_id = str(uuid4())
    http = cloud.http("alice")
    codes = [http.send("POST", "/images", json={"id": image_id, **RAW}).status_code for _ in range(2)]
    http.send("DELETE", f"/images/{image_id}")
    codes.append(http.send("POST", "/images", json={"id": image_id, **RAW}).status_code)
    assert codes == [201, 409, 409]


def test_a_member_may_not_publish(cloud: Cloud) -> None:
    """A POST returns 403 for a member; an administrator of the project may publish."""
    body = {"visibility": "public", **RAW}
    assert cloud.http("alice").send("POST", "/images", json=body).status_code == 403
    assert cloud.http("operator").send("POST", "/images", json=body).status_code == 201


def test_data_of_another_format_is_rejected(cloud: Cloud) -> None:
    """The service returns 415, and the image is queued again."""
    http = cloud.http("alice")
    image = http.send("POST", "/images", json={**RAW, "disk_format": "qcow2"}).json()
    kind = {"Content-Type": "application/octet-stream"}
    answer = http.send("PUT", f"/images/{image['id']}/file", data=b"\xf8" * 4096, headers=kind)
    assert answer.status_code == 415
    assert http.get(f"/images/{image['id']}")["status"] == "queued"


def test_expired_tokens_are_rejected_and_new_ones_accepted(cloud: Cloud) -> None:
    """The service's own middleware returns 401."""
    http = cloud.http("alice")
    http.get("/images")
    cloud.expire_tokens()
    assert http.send("GET", "/images").status_code == 401
    assert cloud.http("alice").images() == []


def test_limits_of_a_project_are_enforced(cloud: Cloud) -> None:
    """The endpoint that enforces limits returns 413 at the limit."""
    cloud.start_limited()
    cloud.set_limits("images", image_count_total=1)
    http = cloud.http("alice")
    limited = type(http)(cloud.limited_url, cloud.token("alice"))
    codes = [limited.send("POST", "/images", json=RAW).status_code for _ in range(2)]
    cloud.set_limits("images")
    assert codes == [201, 413]


def test_requests_are_counted_and_a_reset_leaves_nothing(cloud: Cloud) -> None:
    """The log has each request once; a reset deletes images and requests."""
    http = cloud.http("alice")
    http.send("POST", "/images", json=RAW)
    assert [(request.method, request.status) for request in cloud.requests()] == [("POST", 201)]
    cloud.foreign(100)
    assert len(http.images()) == 101
    cloud.reset()
    assert http.images() == []


def test_a_listing_has_all_images_except_the_neighbors(cloud: Cloud) -> None:
    """The service leaves the neighbors out, and no other image."""
    for user in ("alice", "operator"):
        for hidden in (True, False):
            body = {"name": user, "os_hidden": hidden, "visibility": "community", **RAW}
            cloud.http(user).send("POST", "/images", json=body).raise_for_status()
    cloud.foreign(3)
    for user in ("alice", "operator", "bob", "admin"):
        http = cloud.http(user)
        for query in ("", "visibility=all"):
            pages = [http.get(f"/images?limit=1000&os_hidden={hidden}&{query}")["images"] for hidden in (True, False)]
            everything = {image["id"]: image for page in pages for image in page}
            others = [image for image_id, image in everything.items() if not is_neighbor(image_id)]
            assert len(others) < len(everything)
            assert sorted(http.everything(query), key=get_id) == sorted(others, key=get_id)


def get_id(image: dict[str, Any]) -> str:
    """The id of an image, to sort listings, whose order may differ."""
    return str(image["id"])


def test_a_schema_is_checked_once_and_each_request_is_validated(cloud: Cloud) -> None:
    """The same wrong request has the same response each time."""
    http = cloud.http("alice")
    answers = [http.send("POST", "/images", json={"min_ram": "much", **RAW}) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.text for answer in answers}) == 1
    assert "Failed validating" in answers[0].text
    assert "min_ram" in answers[0].text
    image = http.send("POST", "/images", json=RAW).json()
    answers = [http.patch(image["id"], {"op": "add", "path": "/min_ram", "value": "much"}) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {400}


def test_a_missing_mariadb_is_an_error_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that need MariaDB fail without it; none is skipped."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"not installed; .* apt-get install --no-install-recommends mariadb-server"):
        MariaDb(tmp_path / "mariadb").start()
