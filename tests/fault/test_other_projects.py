"""Images of other projects, and very large markers: they cost requests, but never stop a run. The service is a loopback
server."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from imagesync.backends.glance.api import Timeouts
from imagesync.backends.glance.response_limits import MAX_RESPONSE_BYTES
from imagesync.errors import BackendError
from imagesync.inventory import take_inventory
from imagesync.model.catalog import Catalog, Content, ImageSpec
from imagesync.model.image import Filter
from imagesync.model.record import hash_value
from tests.fault.scripted import Say, image
from tests.fault.scripted_backend import OpenScripted
from tests.trials import note

MIB = 2**20
OURS = "ours"
"""The project of the session."""
MANAGED = json.dumps({"f": {"owner": hash_value("stranger")}})
CATALOG = Catalog("base", (ImageSpec("a", "a", Content.NO_DATA),), frozenset({"a"}))


def record(number: int, size: int = 0, **fields: object) -> dict[str, Any]:
    """An image with the marker of the catalog in another project; ``size``: the bytes of its properties."""
    marks = {
        "imagesync_catalog": "base",
        "imagesync_key": "a",
        "imagesync_role": "current",
        "imagesync_managed": MANAGED,
    }
    image_id = f"{number:08}-0000-4000-8000-000000000000"
    padding = {f"p{part}": "x" * 65_535 for part in range(size // 65_536)}
    return image(image_id, imagesync_id=image_id, owner="stranger", **padding, **{**marks, **fields})


class PagingService:
    """Answers listings page by page as Glance does: ``limit``, ``marker``, and the URL of the next page at the end."""

    def __init__(self, images: Sequence[Mapping[str, Any]], *, tail: bool = True) -> None:
        self._texts = {one["id"]: json.dumps(one) for one in images}
        self._hidden = {one["id"] for one in images if one.get("os_hidden")}
        self._tail = tail
        self.limits: list[int] = []

    def __call__(self, path: str) -> Say:
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if query.get("owner") == OURS:
            return Say(body={"images": []})
        ids = [one for one in self._texts if (one in self._hidden) == (query.get("os_hidden") == "true")]
        limit = int(query["limit"])
        start = ids.index(query["marker"]) + 1 if "marker" in query else 0
        page = ids[start : start + limit]
        self.limits.append(limit)
        after = {**query, "marker": page[-1]} if len(page) == limit else {}
        rest: dict[str, str] = {"first": "/v2/images", "schema": "/v2/schemas/images"}
        rest |= {"next": f"/v2/images?{urlencode(after)}"} if after else {}
        ends = json.dumps(rest)[1:-1]
        listed = f'"images": [{", ".join(self._texts[one] for one in page)}]'
        text = f"{{{listed}, {ends}}}" if self._tail else f"{{{ends}, {listed}}}"
        return Say(body=text.encode())


def test_pages_that_are_too_large_are_requested_again_with_fewer_images(open_scripted: OpenScripted) -> None:
    """All images are listed. After the large images, the pages grow again."""
    service = PagingService(
        [*(record(number, 6 * MIB) for number in range(5)), *(record(number) for number in range(5, 2000))]
    )
    found = open_scripted(service).backend.inventory("base", ["stranger"])
    assert len(found) == 2000
    assert min(service.limits) <= 2
    assert len(service.limits) < 40
    note(
        "page of a listing that is larger than the limit of an answer", "requested again with fewer images, all listed"
    )


def test_ten_thousand_owned_images_with_large_markers_are_listed(open_scripted: OpenScripted) -> None:
    """8 KiB each, and 64 KiB for one in ten: 140 MiB. A page of 1,000 of them would be too large."""
    images = [record(number, 65_536 if number % 10 == 0 else 0, managed="m" * 8192) for number in range(10_000)]
    found = open_scripted(PagingService(images)).backend.inventory("base", ["stranger"])
    assert [one.id for one in found] == [one["id"] for one in images]
    assert found[0].properties["p0"] == "x" * 65_535


HOSTILE: dict[str, Callable[[], dict[str, Any]]] = {
    "a record larger than an answer may be": lambda: record(500, 20 * MIB),
    "a record with a million commas": lambda: record(500, commas="," * 1_000_001),
    "half a character": lambda: record(500, odd="\ud800"),
    "a disk size below zero": lambda: record(500, min_disk=-1),
    "a status that does not exist": lambda: record(500, status="hostile"),
    "tags that are no text": lambda: record(500, tags=[{}]),
    "a name that is none": lambda: record(500, name=[]),
    "no visibility": lambda: {**record(500), "visibility": None},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_image_of_another_project_that_cannot_be_read_is_skipped(open_scripted: OpenScripted, kind: str) -> None:
    """The plan says that it does not have all images, and has the images before and after that one."""
    images = [record(1), HOSTILE[kind](), record(900), record(2, os_hidden=True)]
    inventory = take_inventory(open_scripted(PagingService(images), project=OURS).backend, CATALOG)
    assert [one.id[:8] for one in inventory.misplaced] == ["00000001", "00000002", "00000900"]
    (sentence,) = inventory.notes
    assert "00000500" in sentence
    assert "this plan may not mention a build in another project" in sentence
    note("image of another project that is too large or invalid", "skipped, the plan says so")


def test_many_large_images_of_other_projects_never_stop_the_plan(open_scripted: OpenScripted) -> None:
    """They are more than the search may read: the search ends early, and the plan says so."""
    service = PagingService([record(number, 7 * MIB) for number in range(12)])
    inventory = take_inventory(open_scripted(service, project=OURS).backend, CATALOG)
    assert inventory.owned == ()
    assert 1 <= len(inventory.misplaced) < 12
    assert "has more than 10000 images or 64 MiB" in inventory.notes[0]


def test_a_search_that_takes_too_long_never_stops_the_plan(open_scripted: OpenScripted) -> None:
    """The search has the time limit of any listing."""
    listing = PagingService([record(number) for number in range(1000)])
    missing: list[str] = []
    assert open_scripted(listing, timeouts=Timeouts(listing=0.0)).backend.find_strays("base", missing) == []
    assert {"takes longer than 0 s" in sentence for sentence in missing} == {True}


@pytest.mark.parametrize("answer", [Say(500, b"no"), Say(403, b"no"), Say(200, b"<html>"), Say(cut=0)])
def test_a_search_that_fails_never_stops_the_plan(open_scripted: OpenScripted, answer: Say) -> None:
    """Each of its two listings is requested once."""

    def listing(path: str) -> Say:
        return answer if "owner" not in path and "imagesync_catalog" in path else Say(body={"images": []})

    service = open_scripted(listing)
    missing: list[str] = []
    assert service.backend.find_strays("base", missing) == []
    assert len(missing) == 2
    assert len(service.server.queries) == 2
    assert service.waits == []


def test_a_lost_url_of_the_next_page_ends_the_search(open_scripted: OpenScripted) -> None:
    """The URL of the next page comes before the images in the answer, and is lost together with them."""
    service = PagingService([record(1), record(2, 20 * MIB), record(3)], tail=False)
    missing: list[str] = []
    found = open_scripted(service).backend.find_strays("base", missing)
    assert [one.id[:8] for one in found] == ["00000001"]
    assert missing == ["an image and all images after it: GET /images: the response is larger than 16 MiB"]


def test_an_image_that_never_ends_ends_the_listing(open_scripted: OpenScripted) -> None:
    """At most 128 MiB of it are read. What follows it is unknown."""
    hostile = Say(body=b'{"images": [' + b" " * (129 * MIB) + b"]}")
    missing: list[str] = []
    found = open_scripted(lambda path: hostile if "os_hidden=false" in path else Say(body={"images": [record(1)]}))
    assert [one.id[:8] for one in found.backend.list_images(missing)] == ["00000001"]
    assert missing == ["an image and all images after it: GET /images: the response is larger than 16 MiB"]


def test_an_owned_image_that_is_too_large_is_one_line(open_scripted: OpenScripted) -> None:
    """A plan without this image would make it again."""
    backend = open_scripted(PagingService([record(1), record(2, 20 * MIB)])).backend
    with pytest.raises(
        BackendError, match=r"the record of one image cannot be read: .* larger than 16 MiB; find the image"
    ):
        backend.inventory("base", ["stranger"])


def test_a_listing_of_other_projects_reports_what_it_left_out(open_scripted: OpenScripted) -> None:
    """``list`` and ``export --all-owners`` list all other images. A Python caller that accepts no partial list gets an
    error."""
    service = PagingService([record(1), record(2, 20 * MIB), record(3, status="odd"), record(4)])
    backend = open_scripted(service).backend
    seen, found = list[str](), list[str]()
    for listed in (backend.list_images(seen), backend.find_images(Filter(), missing=found)):
        assert [one.id[:8] for one in listed] == ["00000001", "00000004"]
    assert (len(seen), len(found)) == (2, 2)
    with pytest.raises(BackendError):
        backend.images()
    with pytest.raises(BackendError):
        backend.find_images(Filter())


def test_the_limit_of_an_answer_is_as_these_tests_expect() -> None:
    """The numbers in these tests depend on this limit."""
    assert MAX_RESPONSE_BYTES == 16 * MIB


def test_images_of_other_owners_in_an_answer_are_left_out(open_scripted: OpenScripted) -> None:
    """A service, or a proxy before it, ignores ``owner=``. imagesync compares the owner again."""
    found = [{**record(1), "owner": OURS}, record(2), {**record(3), "owner": ""}]
    found.append({**record(4, imagesync_catalog="Base"), "owner": OURS})
    backend = open_scripted(lambda path: Say(body={"images": found}), project=OURS).backend
    assert [image.owner for image in backend.inventory("base", (OURS,))] == [OURS]
