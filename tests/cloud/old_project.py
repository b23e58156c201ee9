"""Creates the images of a project that no tool has managed for years, with plain requests. For the guide take-over.md."""

import uuid
from typing import Any, Final

from tests.cloud.service import Cloud

OTHER: Final = "bob"
"""A member of another project."""
UBUNTU: Final = {"os_distro": "ubuntu", "os_version": "24.04", "hw_disk_bus": "virtio"}
SNAPSHOT: Final = {"image_type": "snapshot", "image_location": "snapshot", "base_image_ref": str(uuid.UUID(int=7))}
"""Some of the properties that the compute service writes on a snapshot of a server."""


def create_old_project(cloud: Cloud) -> None:
    """Seventeen images of project ``images``, and two of project ``other`` that it can see."""
    partner = cloud.project_id("other")
    _create(cloud, "Ubuntu 24.04", visibility="public", **UBUNTU, text="ubuntu of May")
    _create(cloud, "Ubuntu 24.04", visibility="public", **UBUNTU, text="ubuntu of November")
    _create(cloud, "Debian 13", visibility="public", protected=True, os_distro="debian", tags=["base"])
    _create(cloud, "Rocky Linux 9", visibility="community", os_distro="rocky")
    for text in ("ubuntu of 2023", "ubuntu of 2024"):
        _create(cloud, "Ubuntu 22.04", visibility="public", os_hidden=True, os_distro="ubuntu", text=text)
    _send(cloud, "POST", f"/images/{_create(cloud, 'Windows Server 2019', os_distro='windows')}/actions/deactivate")
    golden = _create(cloud, "Golden image", visibility="shared", min_disk=10)
    _send(cloud, "POST", f"/images/{golden}/members", json={"member": partner})
    _create(cloud, "web-1 before upgrade", **SNAPSHOT)
    _create(cloud, "db-1 before upgrade", **SNAPSHOT, block_device_mapping='[{"device_name": "/dev/vda"}]', text="")
    _create(cloud, "Fedora 42", text=None)
    _create(cloud, "Build 4711", disk_format="raw")
    _create(cloud, "Build 4711", disk_format="raw", visibility="community", text="another build 4711")
    _create(cloud, None)
    kernel = _create(cloud, "Appliance kernel", disk_format="aki", container_format="aki")
    ramdisk = _create(cloud, "Appliance ramdisk", disk_format="ari", container_format="ari")
    parts = {"disk_format": "ami", "container_format": "ami", "kernel_id": kernel, "ramdisk_id": ramdisk}
    _create(cloud, "Appliance", **parts)
    _create(cloud, "Scanner of a partner", user=OTHER, visibility="community")
    lent = _create(cloud, "Image of a partner", user=OTHER, visibility="shared")
    _send(cloud, "POST", f"/images/{lent}/members", user=OTHER, json={"member": cloud.project_id("images")})


def _create(
    cloud: Cloud, name: str | None, *, user: str = "operator", text: str | None = "data", **fields: Any
) -> str:
    """The id of a new image with this text as its data; without data if there is none."""
    formats = {"disk_format": "raw", "container_format": "bare"}
    image_id = str(_send(cloud, "POST", "/images", user=user, json={"name": name, **formats, **fields}).json()["id"])
    if text is not None:
        kind = {"Content-Type": "application/octet-stream"}
        _send(cloud, "PUT", f"/images/{image_id}/file", user=user, data=f"{name}: {text}" if text else b"", headers=kind)
    return image_id


def _send(cloud: Cloud, method: str, path: str, *, user: str = "operator", **options: Any) -> Any:
    """The response to a request that must succeed."""
    answer = cloud.http(user).send(method, path, **options)
    answer.raise_for_status()
    return answer
