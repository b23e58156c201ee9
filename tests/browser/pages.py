"""The pages that the tests of this folder open. Pure."""

from collections.abc import Mapping
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


HOSTILE: Final[Mapping[str, str]] = {
    "an element with an event": "<img src=x onerror=alert(1)>",
    "the end of the script": "</script><script>alert(1)</script>",
    "the end of the style": "</style><style>*{background:url(https://evil.test/x)}</style>",
    "the end of an attribute": "\" onmouseover=\"alert(1)\" x='y' autofocus onfocus='alert(1)",
    "an address": "javascript:alert(1)",
    "a frame": '<iframe src="https://evil.test/"></iframe><svg onload=alert(1)>',
    "a comment that stays open": "<!-- <table><form action=https://evil.test/>",
    "an escape": "&lt;b&gt; &amp;amp; &#60;script&#62; &nbsp",
}
"""Names that a page without escapes would execute, fetch, or show as something else."""


def make_pages() -> Mapping[str, str]:
    """The pages by name, of each kind, with few and with many entries."""
    return {f"list of {number}": make_list_page(number) for number in (0, 1, 3, 300)}


def make_hostile_pages(text: str) -> Mapping[str, str]:
    """Pages of each kind in which others wrote ``text`` wherever they can."""
    names = ("description", "os_distro", "os_version", "architecture", "os_admin_user", "os_type")
    image = replace(IMAGE, id=text, name=text, properties=dict.fromkeys(names, text))
    return {"list": format_page([Entry(image), Entry(replace(image, id="x"))], text, text, NOW)}
