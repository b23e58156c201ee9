"""``add`` on the real services: from an empty folder to an image in a cloud."""

import gzip
from pathlib import Path

from tests import forked
from tests.cloud.service import Cloud
from tests.command import cloud_environment
from tests.fault.mirror import mirror
from tests.samples import GIB, archive, qcow2

RAW = b"\xeb\x3c\x90 build 1".ljust(2**20, b"\0")


def test_three_commands_make_an_image_in_a_cloud(cloud: Cloud, tmp_path: Path) -> None:
    """A file, a URL with a list, packed data and an archive: each entry is accepted by the image service as it is."""
    env = cloud_environment(cloud.clouds_yaml)

    def run(*words: str) -> str:
        return forked.run(*words, folder=tmp_path, env=env).stdout

    (tmp_path / "web.raw").write_bytes(RAW)
    run("init", "--catalog", "base")
    run("add", "web.raw")
    assert "Applied: 1 created." in run("apply", "--cloud", "operator", "--yes")
    (tmp_path / "packed.qcow2.gz").write_bytes(gzip.compress(qcow2(3 * GIB)))
    (tmp_path / "box.ova").write_bytes(archive("box.ovf", "box.vmdk"))
    run("add", "packed.qcow2.gz")
    run("add", "box.ova", "--visibility", "public")
    with mirror() as web:
        run("add", web.publish("/d/disk.img", qcow2(2 * GIB)))
        assert "Applied: 3 created." in run("apply", "--cloud", "operator", "--yes")
        assert "No changes." in run("plan", "--cloud", "operator")
    found = {image["imagesync_key"]: image for image in cloud.http("operator").images() if "imagesync_key" in image}
    formats = {
        key: (image["disk_format"], image["container_format"], image["min_disk"]) for key, image in found.items()
    }
    assert formats == {
        "web": ("raw", "bare", 1),
        "packed": ("qcow2", "bare", 3),
        "box": ("vmdk", "ova", 0),
        "disk": ("qcow2", "bare", 2),
    }
