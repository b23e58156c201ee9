"""Creates the images of a project that no tool has managed for years, with plain requests. For the guide take-over.md."""

import hashlib
import uuid
from typing import Any, Final

from tests.cloud.service import Cloud

OTHER: Final = "bob"
"""A member of another project."""
KIB: Final = 1024
UBUNTU: Final = {"os_distro": "ubuntu", "os_version": "24.04", "hw_disk_bus": "virtio"}
SNAPSHOT: Final = {"image_type": "snapshot", "image_location": "snapshot", "base_image_ref": str(uuid.UUID(int=7))}
"""Some of the properties that the compute service writes on a snapshot of a server."""


def create_old_project(cloud: Cloud) -> None:
    """Sixteen images of project ``images``, and two of project ``other`` that it can see."""
    _create(cloud, "Ubuntu 24.04", 580, visibility="public", **UBUNTU)
    _create(cloud, "Ubuntu 24.04", 600, visibility="public", **UBUNTU)
    _create(cloud, "Debian 13", 330, visibility="public", protected=True, os_distro="debian", tags=["base"])
    _create(cloud, "Rocky Linux 9", 610, visibility="community", os_distro="rocky")
    _create(cloud, "Ubuntu 22.04", 560, visibility="public", os_hidden=True, os_distro="ubuntu")
    windows = _create(cloud, "Windows Server 2019", 940, visibility="private", os_distro="windows")
    _send(cloud, "POST", f"/images/{windows}/actions/deactivate")
    golden = _create(cloud, "Golden image", 420, visibility="shared", min_disk=10)
    _send(cloud, "POST", f"/images/{golden}/members", json={"member": cloud.project_id("other")})
    _create(cloud, "web-1 before upgrade", 510, visibility="private", **SNAPSHOT)
    _create(cloud, "db-1 before upgrade", 0, visibility="private", **SNAPSHOT, block_device_mapping="[]")
    _create(cloud, "Fedora 42", None, visibility="private")
    _create(cloud, "Build 4711", 120, visibility="private")
    _create(cloud, "Build 4711", 130, visibility="community")
    _create(cloud, None, 110, visibility="private")
    kernel = _create(cloud, "Appliance kernel", 9, visibility="private", disk_format="aki", container_format="aki")
    ramdisk = _create(cloud, "Appliance ramdisk", 8, visibility="private", disk_format="ari", container_format="ari")
    parts = {"disk_format": "ami", "container_format": "ami", "kernel_id": kernel, "ramdisk_id": ramdisk}
    _create(cloud, "Appliance", 90, visibility="private", **parts)
    _create(cloud, "Scanner of a partner", 70, user=OTHER, visibility="community")
    lent = _create(cloud, "Image of a partner", 80, user=OTHER, visibility="shared")
    _send(cloud, "POST", f"/images/{lent}/members", user=OTHER, json={"member": cloud.project_id("images")})


def _create(cloud: Cloud, name: str | None, size: int | None, *, user: str = "operator", **fields: Any) -> str:
    """The id of a new image with so many KiB of data; without data if there is no size."""
    formats = {"disk_format": "raw", "container_format": "bare"}
    image_id = str(_send(cloud, "POST", "/images", user=user, json={"name": name, **formats, **fields}).json()["id"])
    if size is not None:
        kind = {"Content-Type": "application/octet-stream"}
        data = hashlib.sha512(f"{name} {size}".encode()).digest() * (size * KIB // 64)
        _send(cloud, "PUT", f"/images/{image_id}/file", user=user, data=data, headers=kind)
    return image_id


def _send(cloud: Cloud, method: str, path: str, *, user: str = "operator", **options: Any) -> Any:
    """The response to a request that must succeed."""
    answer = cloud.http(user).send(method, path, **options)
    answer.raise_for_status()
    return answer
