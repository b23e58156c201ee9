"""The requests of an apply by kind: for small images, for their removal, and for an empty plan."""

from collections import Counter
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.cloud.workspace import CloudWorkspace
from tests.fault.proxy import UUID
from tests.samples import spell

KIB = 1024
MAX_CREATE, MAX_DELETE = 5, 2.5
"""Requests an image, with every listing; without the lease, whose beats depend on how long a run takes."""

MAX_REST = 30
"""Requests of an apply that are not about one image: listings before, under the lease and at the end, capabilities."""


def count(cloud: Cloud, ids: set[str]) -> Counter[str]:
    """The requests of imagesync since the last count, by method and path; those for the lease are separate."""
    found = [one for one in cloud.requests() if one.agent.startswith("imagesync/")]
    cloud.forget_requests()
    about = [(one, UUID.search(one.path)) for one in found]
    ours = [one for one, image_id in about if image_id is None or image_id[0] in ids]
    return Counter(f"{one.method} {UUID.sub('ID', one.path)}" for one in ours if "imagesync_lease=" not in one.query)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [20, pytest.param(100, marks=pytest.mark.exhaustive)])
def test_the_requests_of_an_apply(cloud: Cloud, tmp_path: Path, number: int) -> None:
    """An image costs four requests, its deletion two; an empty plan costs two listings."""
    workspace = CloudWorkspace(cloud, tmp_path)
    for index in range(number):
        source = workspace.file(f"{index}.raw", spell(f"{index:02}") * KIB)
        workspace.images[f"i{index}"] = {"source": source, "disk_format": "raw", "container_format": "bare"}
    cloud.forget_requests()
    workspace.run("apply", "--yes")
    ids = {image["id"] for image in workspace.live().values()}
    made = count(cloud, ids)
    assert len(ids) == number
    assert made.pop("POST /v2/images") == number + 1  # and the lease
    each = {f"{request}": number for request in ("PUT /v2/images/ID/file", "GET /v2/images/ID", "PATCH /v2/images/ID")}
    assert {request: made.pop(request) for request in each} == each
    rest = made.total()
    assert rest <= MAX_REST, made
    assert number < 100 or 4 * number + rest <= MAX_CREATE * number
    cloud.forget_requests()
    workspace.run("plan", "--detailed-exitcode")
    assert count(cloud, ids) == {"GET /v2/images": 2}
    workspace.images.clear()
    workspace.run("apply", "--yes", "--destroy")
    gone = count(cloud, ids)
    assert (gone["PATCH /v2/images/ID"], gone["DELETE /v2/images/ID"]) == (number, number)
    assert gone["GET /v2/images/ID"] == 0, gone
    assert gone.total() <= 2 * number + MAX_REST, gone
    assert number < 100 or gone.total() <= MAX_DELETE * number
