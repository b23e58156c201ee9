"""The page of a catalog for its users: whole, safe, readable."""

import re
from dataclasses import replace

from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import LiveImage
from imagesync.model.listing import Entry
from imagesync.render.catalog_page import USUAL, format_page
from imagesync.render.columns import choose_columns
from tests.ci_logs import HOSTILE
from tests.page_reader import PageReader, read_safe_page
from tests.unit.factories import NOW

IMAGE = LiveImage(
    "0d9a3e58-1111-4f3c-9b0a-000000000001",
    name="Ubuntu 24.04",
    status=Status.ACTIVE,
    visibility=Visibility.PUBLIC,
    size=3 * 2**29,
    min_disk=10,
    min_ram=512,
    created_at="2026-11-20T23:30:00Z",
    properties={
        "os_distro": "ubuntu",
        "os_version": "24.04",
        "architecture": "x86_64",
        "description": "Long-term support",
        "os_admin_user": "ubuntu",
    },
)


def test_a_page_has_what_users_of_an_image_need() -> None:
    """Name, description, system, log-in, needs, size, visibility, day and id."""
    page = PageReader(format_page([Entry(IMAGE)], "Images of base", "cloud eu", NOW))
    assert page.cells == [
        *USUAL,
        "Ubuntu 24.04|Long-term support",
        "ubuntu 24.04, x86_64|user ubuntu",
        "10 GB disk, 512 MB RAM",
        "1.5 GiB",
        "public",
        "2026-11-20",
        IMAGE.id,
    ]


def test_a_page_has_everything_in_itself() -> None:
    """No link, picture or event; a policy forbids all but the one script and the one style."""
    page = format_page([Entry(IMAGE)], "Images", "cloud eu", NOW)
    read_safe_page(page)
    assert not re.search(r"https?:|url\(|@import|javascript", page)


def test_what_others_wrote_is_only_text() -> None:
    """In every part of the page: HTML, controls, commands of CI systems."""
    for text in ("</td><script>alert(1)</script>", '"><img src=x onerror=y>', "&lt;", *HOSTILE.values()):
        names = ("description", "os_distro", "os_version", "architecture", "os_admin_user", "os_type")
        image = LiveImage("x", name=text, created_at="", properties=dict.fromkeys(names, text))
        columns = choose_columns("name,properties.os_distro", ())
        for page in (
            format_page([Entry(image)], text, text, NOW),
            format_page([Entry(image)], text, text, NOW, columns),
        ):
            read_safe_page(page)


def test_the_visibilities_are_a_filter_if_there_are_several() -> None:
    """With their numbers; one alone distinguishes nothing."""
    images = [
        replace(IMAGE, id=str(number), visibility=kind) for number, kind in enumerate([*Visibility, Visibility.PUBLIC])
    ]
    page = format_page(list(map(Entry, images)), "Images", "cloud eu", NOW)
    assert 'data-show="public" aria-pressed="false">public <b>2</b>' in page
    assert [page.count(f'<tr data-kinds="{kind}">') for kind in ("public", "private")] == [2, 1]
    assert "data-show=" not in format_page(
        [Entry(image) for image in images if image.visibility == "public"], "", "", NOW
    )


def test_an_escaped_text_is_shown_as_it_was_written() -> None:
    """Escaped once."""
    page = PageReader(format_page([Entry(LiveImage("x", name="a <b> & 'c' #1"))], "Images", "here", NOW))
    assert page.cells[len(USUAL)] == "a <b> & 'c' #1"


def test_a_page_without_images_says_so() -> None:
    """And has no table."""
    page = format_page([], "Images of base", "cloud eu", NOW)
    assert "table" not in PageReader(page).tags
    assert "<p>There are no images.</p>" in page
    assert "0 images on cloud eu, as of 2026-11-23 12:00 UTC." in page
