"""The pages that the tests of this folder open. Pure."""

from dataclasses import replace
from typing import Final

from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.listing import Entry
from imagesync.render.catalog_page import format_page
from tests.unit.factories import NOW

SYSTEMS: Final = ("ubuntu", "debian", "rocky", "fedora", "windows")
IMAGE: Final = LiveImage(
    "",
    status=Status.ACTIVE,
    size=3 * 2**29,
    min_disk=10,
    min_ram=512,
    created_at="2026-11-20T23:30:00Z",
)


def make_image(number: int) -> LiveImage:
    """An image whose name has its number; every third is private."""
    system = SYSTEMS[number % len(SYSTEMS)]
    return replace(
        IMAGE,
        id=f"0d9a3e58-1111-4f3c-9b0a-{number:012}",
        name=f"{system.capitalize()} {number}",
        visibility=Visibility.PRIVATE if number % 3 == 2 else Visibility.PUBLIC,
        properties={
            "os_distro": system,
            "os_version": f"{number % 7 + 18}.04",
            "architecture": "x86_64",
            "description": f"Server image of {system}, with cloud-init and the guest agent, built every week",
            "os_admin_user": system,
        },
    )


def make_list_page(number: int) -> str:
    """The page of a catalog with so many images."""
    return format_page(
        [Entry(make_image(one)) for one in range(number)], "Images of base", "cloud eu, project images", NOW
    )
