"""The facts of the real service that imagesync relies on, over plain HTTP."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cloud.databases import MariaDb
from tests.cloud.neighbors import is_neighbor
from tests.cloud.service import Cloud

RAW = {"disk_format": "raw", "container_format": "bare"}


def test_an_id_is_given_out_once_and_never_again(cloud: Cloud) -> None:
    """POST of a chosen id is atomic; DELETE does not free it."""
    image_id = str(uuid4())
    http = cloud.http("alice")
    codes = [http.send("POST", "/images", json={"id": image_id, **RAW}).status_code for _ in range(2)]
    http.send("DELETE", f"/images/{image_id}")
    codes.append(http.send("POST", "/images", json={"id": image_id, **RAW}).status_code)
    assert codes == [201, 409, 409]


def test_a_member_may_not_publish(cloud: Cloud) -> None:
    """403 at POST; an admin of the project may."""
    body = {"visibility": "public", **RAW}
    assert cloud.http("alice").send("POST", "/images", json=body).status_code == 403
    assert cloud.http("operator").send("POST", "/images", json=body).status_code == 201


def test_data_that_is_not_of_its_format_is_refused(cloud: Cloud) -> None:
    """415, and the record stays queued."""
    http = cloud.http("alice")
    image = http.send("POST", "/images", json={**RAW, "disk_format": "qcow2"}).json()
    kind = {"Content-Type": "application/octet-stream"}
    answer = http.send("PUT", f"/images/{image['id']}/file", data=b"\xf8" * 4096, headers=kind)
    assert answer.status_code == 415
    assert http.get(f"/images/{image['id']}")["status"] == "queued"


def test_expired_tokens_are_refused_and_new_ones_taken(cloud: Cloud) -> None:
    """The service's own middleware answers 401."""
    http = cloud.http("alice")
    http.get("/images")
    cloud.expire_tokens()
    assert http.send("GET", "/images").status_code == 401
    assert cloud.http("alice").images() == []


def test_limits_of_a_project_are_enforced(cloud: Cloud) -> None:
    """413 at the limit, on the endpoint that enforces limits."""
    cloud.start_limited()
    cloud.set_limits("images", image_count_total=1)
    http = cloud.http("alice")
    limited = type(http)(cloud.limited_url, cloud.token("alice"))
    codes = [limited.send("POST", "/images", json=RAW).status_code for _ in range(2)]
    cloud.set_limits("images")
    assert codes == [201, 413]


def test_requests_are_counted_and_a_reset_leaves_nothing(cloud: Cloud) -> None:
    """The log names each request once; reset forgets images and requests."""
    http = cloud.http("alice")
    http.send("POST", "/images", json=RAW)
    assert [(request.method, request.status) for request in cloud.requests()] == [("POST", 201)]
    cloud.foreign(100)
    assert len(http.images()) == 101
    cloud.reset()
    assert http.images() == []


def test_a_listing_is_of_all_images_but_the_neighbors(cloud: Cloud) -> None:
    """Which the service leaves out by itself; there are many, and nobody else's image is left out with them."""
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
            assert sorted(http.everything(query), key=by_id) == sorted(others, key=by_id)


def by_id(image: dict[str, Any]) -> str:
    """To compare listings, whose order is the service's."""
    return str(image["id"])


def test_a_schema_is_checked_once_and_what_is_sent_each_time(cloud: Cloud) -> None:
    """The same answer to the same wrong request, however often it comes."""
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
    """The tests that need it fail then; none is skipped."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"not installed; .* apt-get install --no-install-recommends mariadb-server"):
        MariaDb(tmp_path / "mariadb").start()
