"""Images as imagesync 0.1.0 wrote them, character by character, with the declared images of their manifests.

Clouds contain such records, so no code generates these. A test that fails here shows that imagesync would plan steps for
unchanged images. Do not change a literal to match the code.
"""

from dataclasses import replace
from typing import Final

from imagesync.model.catalog import (
    Auto,
    Checksum,
    FileSource,
    Fingerprint,
    ImageSpec,
    Status,
    UrlSource,
    Visibility,
)
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.policy import OnReplace

PROJECT: Final = "project-1"


def sha256(value: str) -> Fingerprint:
    """The digest of this content."""
    return Fingerprint((Checksum("sha256", value),))


CREATED = ImageSpec(
    "ubuntu",
    name="Ubuntu 24.04",
    source=FileSource("/images/u.raw", "u.raw"),
    fingerprint=sha256("7804a56a5c7636cc05814736f44139e32920810d3bd51aa099a5df932e754ce9"),
    disk_format="raw",
    container_format="bare",
    visibility=Visibility.SHARED,
    min_disk=8,
    min_ram=512,
    tags=frozenset({"lts"}),
    members=frozenset({"project-2", "project-3"}),
    members_declared=True,
    properties={"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "os_distro": "ubuntu"},
)
CREATED_IMAGE = LiveImage(
    "id-ubuntu",
    name="Ubuntu 24.04",
    status=Status.ACTIVE,
    visibility=Visibility.SHARED,
    owner=PROJECT,
    disk_format="raw",
    container_format="bare",
    min_disk=8,
    min_ram=512,
    tags=frozenset({"lts"}),
    properties={
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
        "os_distro": "ubuntu",
        "imagesync_id": "id-ubuntu",
        "imagesync_rev_1": "5f1c2a9be07d4c6a8d3e94b1f6a70001",
        "imagesync_catalog": "base",
        "imagesync_key": "ubuntu",
        "imagesync_role": "current",
        "imagesync_digest": "md5:1d41c853af58d3a7ae54990ce29417d8 "
        "sha256:7804a56a5c7636cc05814736f44139e32920810d3bd51aa099a5df932e754ce9",
        "imagesync_spec": "ca582bf8169d0708e15e2834461cc6c4",
        "imagesync_managed": '{"f":{"container_format":"32885bd4","disk_format":"9d8744a6","min_disk":"2c624232",'
        '"min_ram":"94f86079","name":"2ba450ae","visibility":"cb73c0b0"},"g":1,"m":["20142cf8","2d1eec84"],'
        '"p":{"0f1d9a7a":"90e65fda","22dfdc7d":"5c31f1ba","30229392":"ef8d8f0f"},"t":["2315397a"]}',
    },
    size=6,
    checksum="1d41c853af58d3a7ae54990ce29417d8",
    created_at="2026-11-25T15:31:31Z",
)
CREATED_MEMBERS: Final = {"id-ubuntu": (MemberState("project-2"), MemberState("project-3"))}

REPLACED = ImageSpec(
    "debian",
    name="Debian",
    source=FileSource("/images/d2.raw", "d2.raw"),
    fingerprint=sha256("f10e3f32181d0d1e55ffae52ee2cd4b9ed0a220e3df3c03bb00645dab4bf12be"),
    disk_format="raw",
    container_format="bare",
    visibility=Visibility.COMMUNITY,
    properties={"os_distro": "debian"},
    on_replace=OnReplace(
        keep=2,
        deactivate=True,
        rename="{name} ({generation})",
        set_fields=(("visibility", "private"),),
        set_properties=(("superseded", "yes"),),
        set_tags=("old",),
        unset=("properties.os_distro",),
    ),
)
REPLACED_IMAGE = LiveImage(
    "id-debian-2",
    name="Debian",
    status=Status.ACTIVE,
    visibility=Visibility.COMMUNITY,
    owner=PROJECT,
    disk_format="raw",
    container_format="bare",
    properties={
        "os_distro": "debian",
        "imagesync_id": "id-debian-2",
        "imagesync_rev_2": "5f1c2a9be07d4c6a8d3e94b1f6a70002",
        "imagesync_catalog": "base",
        "imagesync_key": "debian",
        "imagesync_role": "current",
        "imagesync_digest": "sha256:f10e3f32181d0d1e55ffae52ee2cd4b9ed0a220e3df3c03bb00645dab4bf12be",
        "imagesync_spec": "f9bdc4cdc6300c29bef422910277bf23",
        "imagesync_managed": '{"f":{"container_format":"32885bd4","disk_format":"9d8744a6","name":"a2bd6b62",'
        '"visibility":"056a634f"},"g":2,"p":{"22dfdc7d":"f05b1c9a"}}',
    },
    size=8,
    created_at="2026-11-25T15:31:32Z",
)
EARLIER = replace(REPLACED, fingerprint=sha256("592194e4c2a274be2556079ed799bb5e14c2dee297d7db8b395b41a313e451f3"))
"""The manifest's image that ``RETIRED_IMAGE`` was made from: another build, all else alike."""
RETIRED_IMAGE = LiveImage(
    "id-debian-1",
    name="Debian (1)",
    status=Status.DEACTIVATED,
    visibility=Visibility.PRIVATE,
    owner=PROJECT,
    disk_format="raw",
    container_format="bare",
    hidden=True,
    tags=frozenset({"old"}),
    properties={
        "superseded": "yes",
        "imagesync_id": "id-debian-1",
        "imagesync_rev_3": "5f1c2a9be07d4c6a8d3e94b1f6a70003",
        "imagesync_catalog": "base",
        "imagesync_key": "debian",
        "imagesync_role": "retired",
        "imagesync_digest": "sha256:592194e4c2a274be2556079ed799bb5e14c2dee297d7db8b395b41a313e451f3",
        "imagesync_spec": "f9bdc4cdc6300c29bef422910277bf23",
        "imagesync_managed": '{"b":{"hidden":false,"name":"Debian","properties.os_distro":"debian",'
        '"properties.superseded":null,"status":"active","tags":[],"visibility":"community"},'
        '"f":{"container_format":"32885bd4","disk_format":"9d8744a6","name":"a2bd6b62","visibility":"056a634f"},"g":1,'
        '"p":{"22dfdc7d":"f05b1c9a","444bd9c5":"6c76a933"},"r":"2026-11-25T15:31:32+00:00","t":["cba06b57"]}',
    },
    size=8,
    created_at="2026-11-25T15:31:31Z",
)

STAGED = ImageSpec(
    "rocky",
    name="rocky",
    source=FileSource("/images/r2.raw", "r2.raw"),
    fingerprint=sha256("368d88bb0260880f49bd81f9fef8aa6c75391148f28872d4fbf758f00ef1f23d"),
    disk_format="raw",
    container_format="bare",
    visibility=Visibility.PRIVATE,
    status=Status.ACTIVE,
)
STAGED_IMAGE = LiveImage(
    "id-rocky-2",
    name="rocky (staging)",
    status=Status.ACTIVE,
    visibility=Visibility.PRIVATE,
    owner=PROJECT,
    disk_format="raw",
    container_format="bare",
    hidden=True,
    properties={
        "imagesync_id": "id-rocky-2",
        "imagesync_rev_4": "5f1c2a9be07d4c6a8d3e94b1f6a70004",
        "imagesync_catalog": "base",
        "imagesync_key": "rocky",
        "imagesync_role": "staging",
        "imagesync_digest": "sha256:368d88bb0260880f49bd81f9fef8aa6c75391148f28872d4fbf758f00ef1f23d",
        "imagesync_spec": "fdf798971b729e05b69ae3e42ce9d1c2",
        "imagesync_managed": '{"f":{"container_format":"32885bd4","disk_format":"9d8744a6","name":"be7c59b7",'
        '"status":"db0fb2bf","visibility":"24ed6504"},"g":2}',
    },
    size=7,
    created_at="2026-11-25T15:31:32Z",
)

ADOPTED = ImageSpec(
    "alma",
    name="AlmaLinux",
    source=FileSource("/images/a.raw", "a.raw"),
    fingerprint=sha256("cf43e029efe6476e1f7f84691f89c876818610c2eaeaeb881103790a48745b82"),
    disk_format="raw",
    container_format="bare",
    visibility=Visibility.PRIVATE,
    properties={"os_distro": "almalinux"},
    adopt=True,
)
ADOPTED_IMAGE = LiveImage(
    "id-alma",
    name="AlmaLinux",
    status=Status.ACTIVE,
    visibility=Visibility.PRIVATE,
    owner=PROJECT,
    disk_format="raw",
    container_format="bare",
    properties={
        "os_distro": "almalinux",
        "theirs": "1",
        "imagesync_id": "id-alma",
        "imagesync_rev_5": "5f1c2a9be07d4c6a8d3e94b1f6a70005",
        "imagesync_catalog": "base",
        "imagesync_key": "alma",
        "imagesync_role": "current",
        "imagesync_digest": "sha256:cf43e029efe6476e1f7f84691f89c876818610c2eaeaeb881103790a48745b82",
        "imagesync_spec": "9ff7712ab91a4a9047b50065f915c424",
        "imagesync_managed": '{"f":{"container_format":"32885bd4","disk_format":"9d8744a6","name":"e6c7c953",'
        '"visibility":"24ed6504"},"g":1,"p":{"22dfdc7d":"73b52b11"}}',
    },
    size=4,
    created_at="2026-11-25T15:31:32Z",
)

FETCHED = ImageSpec(
    "kernel",
    name="kernel",
    source=UrlSource(("https://images.example/vmlinuz",)),
    disk_format="aki",
    container_format="aki",
    visibility=Visibility.PRIVATE,
    min_disk=Auto.AUTO,
    protected=True,
    hidden=False,
    properties={"note": 'ü "1"'},
)
FETCHED_IMAGE = LiveImage(
    "id-kernel",
    name="kernel",
    status=Status.ACTIVE,
    visibility=Visibility.PRIVATE,
    owner=PROJECT,
    disk_format="aki",
    container_format="aki",
    min_disk=1,
    protected=True,
    properties={
        "note": 'ü "1"',
        "imagesync_id": "id-kernel",
        "imagesync_rev_6": "5f1c2a9be07d4c6a8d3e94b1f6a70006",
        "imagesync_catalog": "base",
        "imagesync_key": "kernel",
        "imagesync_role": "current",
        "imagesync_digest": "url:081259123bb1cdf982c89795dd4bc3254466f532f821a92bdcbd0bee39790d87",
        "imagesync_spec": "6157ce282900b653874da73547d2ae7c",
        "imagesync_managed": '{"f":{"container_format":"82098d82","disk_format":"82098d82","hidden":"fcbcf165",'
        '"min_disk":"634635a2","name":"0cfa9728","protected":"b5bea41b","visibility":"24ed6504"},"g":1,'
        '"o":"https://images.example/vmlinuz","p":{"edb46562":"d9b1a06d"}}',
    },
    size=4096,
    created_at="2026-11-25T15:31:31Z",
)

SIGNED = replace(FETCHED, source=UrlSource(("https://user:secret@images.example/vmlinuz?sig=1",)))
SIGNED_IMAGE = replace(
    FETCHED_IMAGE,
    properties={
        **FETCHED_IMAGE.properties,
        "imagesync_digest": "url:57090e62e59de9708c70b56b70d2b86bce718547fec5e26f97da647dc129ad2b",
    },
)
"""Made before a URL with a secret needed a digest: the record has a hash of the whole URL."""

SPECS: Final = (CREATED, REPLACED, ADOPTED, FETCHED)
"""What the manifest says; ``IMAGES`` are all that it has in the cloud."""
IMAGES: Final = (CREATED_IMAGE, REPLACED_IMAGE, RETIRED_IMAGE, ADOPTED_IMAGE, FETCHED_IMAGE)
MADE_FROM: Final = (
    (CREATED, CREATED_IMAGE),
    (REPLACED, REPLACED_IMAGE),
    (EARLIER, RETIRED_IMAGE),
    (STAGED, STAGED_IMAGE),
    (ADOPTED, ADOPTED_IMAGE),
    (FETCHED, FETCHED_IMAGE),
)
