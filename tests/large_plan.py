"""A plan about 300 images, as a team of operators would review it: new builds, a new property, and images that go."""

from dataclasses import replace
from hashlib import sha256

from imagesync.model.catalog import Checksum, Fingerprint, ImageSpec, UrlSource, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.plan import Plan
from imagesync.model.policy import OnRemove, Policy
from tests.unit.factories import catalog, digest, inventory, live, plan, spec

SYSTEMS = ("almalinux", "debian", "fedora", "flatcar", "opensuse", "rocky", "ubuntu", "windows-server")
MANY = 300


def make_large_plan(*, is_varied: bool = False) -> Plan:
    """The plan. ``is_varied``: each new build also changes its version in the properties, so its lines are its own."""
    wanted, owned = list[ImageSpec](), list[LiveImage]()
    for number in range(MANY):
        key = f"{SYSTEMS[number % len(SYSTEMS)]}-{10 + number // len(SYSTEMS)}-x86-64"
        before, after = _make_change(number, _make_spec(key), is_varied=is_varied)
        wanted += [after] if after else []
        owned += [live(before)] if before else []
    return plan(catalog(*wanted), inventory(*owned), Policy(on_remove=OnRemove.DELETE))


def _make_spec(key: str) -> ImageSpec:
    url = f"https://images.example/{key}/{key}.qcow2"
    own = Checksum("sha256", sha256(key.encode()).hexdigest())
    properties = {"os_distro": key.partition("-")[0], "hw_disk_bus": "virtio", "hw_machine_type": "q35"}
    content = Fingerprint((own,), size=600 * 2**20)
    return spec(
        key, source=UrlSource((url,)), fingerprint=content, disk_format="qcow2", min_disk=10, properties=properties
    )


def _make_change(number: int, base: ImageSpec, *, is_varied: bool) -> tuple[ImageSpec | None, ImageSpec | None]:
    """What the manifest declared for an image, and what it declares now."""
    tpm = replace(base, properties={**base.properties, "hw_tpm_version": "2.0", "hw_tpm_model": "tpm-crb"})
    match number % 20:
        case 0:
            return None, replace(base, visibility=Visibility.PUBLIC)
        case 1 if number < 200:
            return replace(base, visibility=Visibility.PUBLIC), None
        case 2 | 3 | 4 | 5 | 6:
            return base, _rebuild(base, number if is_varied else 0)
        case 7 if number < 100:
            return base, replace(base, visibility=Visibility.PUBLIC)
        case 8 if number < 50:
            return replace(base, protected=True), base
        case 9 | 10 | 11 | 12 | 13 | 14:
            return base, tpm
        case 15:
            return base, replace(base, min_disk=11 + number // 20)
        case _:
            return base, base


def _rebuild(base: ImageSpec, version: int) -> ImageSpec:
    properties = {
        **base.properties,
        **{f"os_{name}": f"{version}" for name in ("version", "build", "patch", "kernel") if version},
    }
    return replace(base, fingerprint=Fingerprint((digest("b"),), size=700 * 2**20 + version), properties=properties)
