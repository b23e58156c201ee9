"""On MariaDB under the image service, which holds names equal that differ in case, accents or trailing spaces."""

import pytest

from tests.cloud.service import Cloud

pytestmark = pytest.mark.exhaustive
RAW = {"disk_format": "raw", "container_format": "bare"}


def test_the_service_is_reset_and_goes_back_to_a_snapshot(mariadb_cloud: Cloud) -> None:
    """What tests ask of the cloud holds on MariaDB too: snapshot, restore, images of others, reset."""
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
    assert http.send("POST", "/images", json={**RAW, "P": "1", "p": "2"}).status_code == 500
