"""The pages that the tests of this folder open. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Final

from imagesync.errors import ImagesyncError, Unavailable
from imagesync.model.catalog import Status, Visibility
from imagesync.model.image import Identity, LiveImage
from imagesync.model.listing import Entry, PlaceListing
from imagesync.render import catalog_page, page
from imagesync.render.document import Collection, Document
from imagesync.render.documents import make_plan_document
from imagesync.render.style import Detail
from tests.unit.factories import NOW, catalog, inventory, live, plan, spec
from tests.web_documents import (
    make_drift,
    make_explanation,
    make_failed_collection,
    make_failure,
    make_hostile,
    make_hostile_targets,
    make_plan_of,
    make_plans_of,
    make_report_of,
    make_runs_of,
)

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
    return catalog_page.format_page(
        [Entry(make_image(one)) for one in range(number)], "Images of base", "cloud eu, project images", NOW
    )


def make_target_lists_page(number: int) -> str:
    """The page of a catalog on three targets: one has so many images, one has none, and one could not be listed."""
    here = Identity("glance", "https://eu", "id-1", label="eu", project_name="images")
    entries = tuple(Entry(make_image(one)) for one in range(number))
    found: dict[str, PlaceListing | ImagesyncError] = {
        "eu": PlaceListing(entries, here),
        "lab": PlaceListing((), here),
        "lost": Unavailable("no response"),
    }
    return catalog_page.format_targets_page(found, "Images of base", NOW)


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


def _make_document_page(make: Callable[[], Document | Collection]) -> str:
    return page.format_page(make(), now=NOW)


_MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    **{f"plan for {number}": partial(_make_document_page, partial(make_plan_of, number)) for number in (0, 3, 300)},
    "plan for 300, each alone": partial(_make_document_page, partial(make_plan_of, 300, Detail.WHOLE)),
    **{f"report of {number}": partial(_make_document_page, partial(make_report_of, number)) for number in (3, 300)},
    **{f"list of {number}": partial(make_list_page, number) for number in (0, 3, 300)},
    **{f"lists of targets with {number}": partial(make_target_lists_page, number) for number in (1, 300)},
    "drift": partial(_make_document_page, make_drift),
    "image": partial(_make_document_page, make_explanation),
    "failure": partial(_make_document_page, make_failure),
    "plans of few targets": partial(_make_document_page, partial(make_plans_of, 4)),
    "plans of many targets": partial(_make_document_page, partial(make_plans_of, 60, 40)),
    "runs": partial(_make_document_page, partial(make_runs_of, 5)),
    "failure of several targets": partial(_make_document_page, make_failed_collection),
}
PAGES: Final = tuple(_MAKERS)
"""The names of the pages: of each kind, with few and with many entries."""
LONG: Final = ("plan for 300, each alone", "report of 300", "list of 300", "lists of targets with 300")
"""The pages with many entries."""


@cache
def make_page(name: str) -> str:
    """The page of this name."""
    return _MAKERS[name]()


def make_hostile_pages(text: str) -> Mapping[str, str]:
    """Pages of each kind in which others wrote ``text`` wherever they can."""
    names = ("description", "os_distro", "os_version", "architecture", "os_admin_user", "os_type")
    image = replace(IMAGE, id=text, name=text, properties=dict.fromkeys(names, text))
    wanted = spec(
        "a", name=text, visibility=Visibility.PUBLIC, properties={"description": text}, tags=frozenset({text})
    )
    made = plan(catalog(wanted), inventory(live(spec("b", "b", name=text))))
    return {
        "plan": page.format_page(make_plan_document(made, now=NOW), now=NOW),
        "list": catalog_page.format_page([Entry(image), Entry(replace(image, id="x"))], text, text, NOW),
        "lists": catalog_page.format_targets_page(
            {text: PlaceListing((Entry(image),), Identity("store", text, text, label=text)), "x": Unavailable(text)},
            text,
            NOW,
        ),
        "document": page.format_page(make_hostile(text), now=NOW),
        "targets": page.format_page(make_hostile_targets(text), now=NOW),
    }
