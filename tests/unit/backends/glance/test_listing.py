"""Queries -> requests, and the images that are right: what a service lists beside them is left out."""

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from imagesync.backends.glance.api import Answer, Timeouts
from imagesync.backends.glance.listing import (
    MAX_CONDITION_BYTES,
    PARALLEL,
    TRIES,
    find_images,
    find_leases,
    find_named,
    find_owned,
    find_strays,
    list_all,
    make_name_conditions,
)
from imagesync.errors import BackendError, Forbidden, InvalidRequest, Unavailable
from imagesync.model.catalog import Visibility
from imagesync.model.image import Filter, LiveImage
from tests.fault.scripted import image


def test_one_condition_has_many_names() -> None:
    """A name with a quote cannot be in a list, and has its own condition."""
    assert sorted(make_name_conditions(["b", "a:x", 'q"', "a:x"])) == ['eq:q"', 'in:"a:x","b"']
    assert list(make_name_conditions([])) == []


def test_a_list_of_names_stays_within_a_url() -> None:
    """Its length is counted percent-encoded, as it is sent."""
    names = [f"ü{number:04}" for number in range(2000)]
    conditions = list(make_name_conditions(names))
    assert sum(condition.count("ü") for condition in conditions) == 2000
    assert 3 < len(conditions) < 12
    assert all(len(condition.encode()) < MAX_CONDITION_BYTES for condition in conditions)


@pytest.mark.parametrize("more", [0, 1])
def test_a_condition_is_at_most_6000_bytes_long(more: int) -> None:
    """Exactly that much is allowed; servers refuse longer URLs."""
    names = ["a" * 2000, "b" * 2000]
    rest = (
        MAX_CONDITION_BYTES - len(quote(",".join(f'"{name}"' for name in names), safe="")) - len(quote(',""', safe=""))
    )
    conditions = list(make_name_conditions([*names, "c" * (rest + more)]))
    assert len(conditions) == 1 + more
    assert MAX_CONDITION_BYTES == 6000
    assert list(make_name_conditions(["x" * 9000])) == [f'in:"{"x" * 9000}"']


class Fake:
    """The part of an ``Api`` that queries need: one page of images for each request, whatever it asks for."""

    name = "image service"
    timeouts = Timeouts()

    def __init__(self, *images: dict[str, Any], fail: Callable[[str], None] = lambda _: None) -> None:
        self._images, self._fail = images, fail
        self._lock = threading.Lock()
        self.queries: list[dict[str, Any]] = []

    def request(self, method: str, path: str, *, repeat: bool) -> Answer:
        """The images that are hidden, or those that are not."""
        place, query = urlsplit(path).path, parse_qsl(urlsplit(path).query)
        assert (method, place) == ("GET", "/images")
        with self._lock:
            self.queries.append({**dict(query), "tags": [value for name, value in query if name == "tag"]})
        self._fail(path)
        hidden = dict(query)["os_hidden"] == "true"
        images = [one for one in self._images if bool(one.get("os_hidden")) is hidden]
        return Answer(200, {}, json.dumps({"images": images}).encode())

    def decode(self, answer: Answer, _path: str) -> Any:
        """The JSON of a response."""
        return json.loads(answer.body)

    def read_queries(self) -> list[dict[str, str]]:
        """The conditions of each request, without those that all have."""
        ignored = ("limit", "tag", "tags")
        found = [{name: value for name, value in query.items() if name not in ignored} for query in self.queries]
        return sorted(found, key=lambda query: sorted(query.items()))


def both(**query: str) -> list[dict[str, str]]:
    """A query for visible and for hidden images."""
    return [{**query, "os_hidden": hidden} for hidden in ("false", "true")]


IMAGES = (
    image("d", owner="ours", name="n", imagesync_catalog="base", tags=["t", "u"], visibility="public"),
    image("a", owner="ours", name="n", imagesync_catalog="base", imagesync_lease="base", os_hidden=True),
    image("e", owner="ours", name="N", imagesync_catalog="Base", imagesync_lease="Base", os_hidden=True),
    image("b", owner="theirs", name="n", imagesync_catalog="base", imagesync_lease="base", os_hidden=True, tags=["t"]),
    image("f", owner="OURS", name="n", imagesync_catalog="base"),
    image("c", owner=None, name="other", visibility="community"),
    image("g", owner="ours", name="l", imagesync_role="lease", os_hidden=True),
    image("h", owner="theirs", name="l", imagesync_role="lease", os_hidden=True),
    image("i", owner="ours", name="l", imagesync_role="Lease", os_hidden=True),
)
ALL = "abcdefghi"


@pytest.mark.parametrize(
    ("find", "ids", "queries"),
    [
        (list_all, ALL, both()),
        (lambda api: find_images(api, Filter()), ALL, both(visibility="all")),
        (lambda api: find_images(api, Filter(owner="ours")), "adegi", both(visibility="all", owner="ours")),
        (lambda api: find_images(api, Filter(name="n")), "abdf", both(visibility="all", name="eq:n")),
        (lambda api: find_images(api, Filter(name="")), "", both(visibility="all", name="eq:")),
        (
            lambda api: find_images(api, Filter(catalog="base")),
            "abdf",
            both(visibility="all", imagesync_catalog="base"),
        ),
        (lambda api: find_images(api, Filter(visibility=Visibility.PUBLIC)), "d", both(visibility="public")),
        (lambda api: find_images(api, Filter(tags=frozenset({"t"}))), "bd", both(visibility="all")),
        (lambda api: find_images(api, Filter(tags=frozenset({"t", "u"}))), "d", both(visibility="all")),
        (lambda api: find_strays(api, "base", []), "abdf", both(visibility="all", imagesync_catalog="base")),
        (
            lambda api: find_owned(api, "base", ["ours"]),
            "ad",
            both(visibility="all", imagesync_catalog="base", owner="ours"),
        ),
        (
            lambda api: find_owned(api, "base", ["theirs", "ours", "ours"]),
            "abd",
            [
                *both(visibility="all", imagesync_catalog="base", owner="ours"),
                *both(visibility="all", imagesync_catalog="base", owner="theirs"),
            ],
        ),
        (lambda api: find_owned(api, "base", [""]), "", both(visibility="all", imagesync_catalog="base")),
        (lambda api: find_owned(api, "base", []), "", []),
        (
            lambda api: find_leases(api, "base", "ours"),
            "a",
            [{"visibility": "all", "imagesync_lease": "base", "owner": "ours", "os_hidden": "true"}],
        ),
        (
            lambda api: find_leases(api, "base", ""),
            "",
            [{"visibility": "all", "imagesync_lease": "base", "os_hidden": "true"}],
        ),
        (
            lambda api: find_named(api, ["n", "x"], "ours"),
            "d",
            [{"visibility": "all", "name": 'in:"n","x"', "owner": "ours", "os_hidden": "false"}],
        ),
        (
            lambda api: find_leases(api, None, "ours"),
            "g",
            [{"visibility": "all", "imagesync_role": "lease", "owner": "ours", "os_hidden": "true"}],
        ),
        (lambda api: find_named(api, ["other"], ""), "c", [{"name": 'in:"other"', "os_hidden": "false"}]),
        (
            lambda api: find_images(api, Filter(key="k", role="lease", owner="ours")),
            "",
            both(visibility="all", owner="ours", imagesync_key="k", imagesync_role="lease"),
        ),
        (lambda api: find_named(api, ["x"], "ours"), "", None),
        (lambda api: find_named(api, ["Other", "n"], ""), "", None),
        (lambda api: find_named(api, [], "ours"), "", []),
    ],
)
def test_the_images_of_a_query(
    find: Callable[[Any], list[LiveImage]], ids: str, queries: list[dict[str, str]] | None
) -> None:
    """Sorted by id, each once; a service may ignore case, or a filter that it does not know."""
    api = Fake(*IMAGES)
    assert "".join(found.id for found in find(api)) == ids
    if queries is None:
        return
    assert api.read_queries() == sorted(queries, key=lambda query: sorted(query.items()))


def test_each_tag_is_a_condition() -> None:
    """The service finds images that have all of them."""
    find_images(api := Fake(), Filter(tags=frozenset({"b", "a", "c"})))  # type: ignore[arg-type]
    assert [query["tags"] for query in api.queries] == [["a", "b", "c"]] * 2


def test_the_owned_images_of_a_service_without_projects() -> None:
    """They have no owner."""
    api = Fake(image("a", imagesync_catalog="base"), image("b", imagesync_catalog="base", owner="x"))
    assert [found.id for found in find_owned(api, "base", [""])] == ["a"]  # type: ignore[arg-type]


@pytest.mark.parametrize("status", ["deleted", "pending_delete"])
def test_an_image_that_is_being_deleted_is_not_listed(status: str) -> None:
    """The service shows it in the middle of its deletion."""
    api = Fake(image("a", status=status), image("b"))
    assert [found.id for found in list_all(api)] == ["b"]  # type: ignore[arg-type]


WRONG = image("wrong", status="hostile")


@pytest.mark.parametrize("find", [list_all, lambda api, *missing: find_images(api, Filter(), *missing)])
def test_a_record_that_cannot_be_read_is_named_or_an_error(find: Callable[..., list[LiveImage]]) -> None:
    """As the caller wants it."""
    missing: list[str] = []
    assert [found.id for found in find(Fake(image("a"), WRONG, image("b")), missing)] == ["a", "b"]
    assert len(missing) == 1
    assert "image wrong" in missing[0]
    with pytest.raises(BackendError, match="image wrong"):
        find(Fake(image("a"), WRONG, image("b")))


@pytest.mark.parametrize(
    "find", [lambda api: find_owned(api, "base", ["ours"]), lambda api: find_leases(api, "base", "")]
)
def test_a_record_of_ours_that_cannot_be_read_is_an_error(find: Callable[..., list[LiveImage]]) -> None:
    """The run would take it for missing, and make another image."""
    with pytest.raises(BackendError, match="image wrong"):
        find(Fake({**WRONG, "os_hidden": True}))


def test_a_listing_begins_again_if_the_images_change_meanwhile() -> None:
    """At most five times; what an interrupted one has found or named does not count."""

    class Paged(Fake):
        def __init__(self, times: int) -> None:
            super().__init__()
            self.times, self.tries = times, 0

        def request(self, method: str, path: str, *, repeat: bool) -> Answer:
            if "os_hidden=true" in path:
                return Answer(200, {}, b'{"images": []}')
            if "marker" not in path:
                self.tries += 1
                first = [image(f"old-{self.tries}"), WRONG]
                return Answer(200, {}, json.dumps({"images": first, "next": f"{path}&marker=x"}).encode())
            if self.tries <= self.times:
                raise InvalidRequest("No image found with ID x", "")
            return Answer(200, {}, json.dumps({"images": [image("last")]}).encode())

    assert TRIES == 5
    for times in (0, 1, TRIES - 1):
        missing: list[str] = []
        found = list_all(api := Paged(times), missing)  # type: ignore[arg-type]
        assert [one.id for one in found] == ["last", f"old-{times + 1}"]
        assert len(missing) == 1
        assert api.tries == times + 1
    with pytest.raises(Unavailable, match="the image list changed during each of 5 attempts; try again later"):
        list_all(api := Paged(TRIES), [])  # type: ignore[arg-type]
    assert api.tries == TRIES


@pytest.mark.parametrize("first", [[image("a")], [WRONG]])
def test_a_listing_whose_first_page_was_read_begins_again(first: list[dict[str, Any]]) -> None:
    """Whether that page had an image, or only a record that cannot be read; another error is raised at once."""

    class Cut(Fake):
        def __init__(self, error: BackendError) -> None:
            super().__init__()
            self.error, self.tries = error, 0

        def request(self, method: str, path: str, *, repeat: bool) -> Answer:
            if "os_hidden=true" in path:
                return Answer(200, {}, b'{"images": []}')
            if "marker" in path:
                raise self.error
            self.tries += 1
            return Answer(200, {}, json.dumps({"images": first, "next": f"{path}&marker=x"}).encode())

    for error, kind, tries in (
        (InvalidRequest("No image found with ID x", ""), Unavailable, TRIES),
        (BackendError("odd", ""), BackendError, 1),
        (Unavailable("busy"), Unavailable, 1),
    ):
        missing: list[str] = []
        with pytest.raises(kind):
            list_all(api := Cut(error), missing)  # type: ignore[arg-type]
        assert (api.tries, missing) == (tries, [])


FINDERS: dict[str, Callable[[Any], list[LiveImage]]] = {
    "all": list_all,
    "filter": lambda api: find_images(api, Filter()),
    "owned": lambda api: find_owned(api, "base", ["ours"]),
    "leases": lambda api: find_leases(api, "base", "ours"),
    "named": lambda api: find_named(api, ["n"], "ours"),
    "strays": lambda api: find_strays(api, "base", []),
}


@pytest.mark.parametrize("name", FINDERS)
def test_the_first_page_of_each_query(name: str) -> None:
    """A search that is only explained has small pages, and repeats no failed request."""
    repeated: list[bool] = []

    class NotedRepeats(Fake):
        def request(self, method: str, path: str, *, repeat: bool) -> Answer:
            repeated.append(repeat)
            return super().request(method, path, repeat=repeat)

    FINDERS[name](api := NotedRepeats())
    assert {query["limit"] for query in api.queries} == {"100" if name == "strays" else "1000"}
    assert set(repeated) == {name != "strays"}


class Long(bytes):
    """A body that reports a length of 100 MiB."""

    def __len__(self) -> int:
        return 100 * 2**20


@pytest.mark.parametrize("name", FINDERS)
def test_how_many_bytes_each_query_may_read(name: str) -> None:
    """Images of the projects that a catalog names may be large; those of others only cost memory."""
    missing: list[str] = []

    class Large(Fake):
        def request(self, method: str, path: str, *, repeat: bool) -> Answer:
            pages = {"images": []} if "marker" in path else {"images": [image("a")], "next": f"{path}&marker=a"}
            return Answer(200, {}, Long(json.dumps(pages).encode()))

        def decode(self, answer: Answer, _path: str) -> Any:
            return json.loads(bytes(answer.body).decode())

    if name == "strays":
        assert find_strays(Large(), "base", missing) == []  # type: ignore[arg-type]
        text = "image service: the listing /images has more than 10000 images or 64 MiB"
        assert missing == [text] * 2
    elif name in ("all", "filter"):
        with pytest.raises(
            BackendError, match=r"^image service: the listing /images has more than 100000 .* or 96 MiB;"
        ):
            FINDERS[name](Large())
    else:
        assert FINDERS[name](Large()) == []


@pytest.mark.parametrize("name", ["all", "strays"])
def test_visible_and_hidden_images_are_requested_at_the_same_time(name: str) -> None:
    """Each request waits for the other; an image that both list is there once."""
    barrier = threading.Barrier(2, timeout=30)
    marked = {"imagesync_catalog": "base"}

    def meet(_path: str) -> None:
        barrier.wait()

    api = Fake(image("b", **marked), image("a", **marked), image("b", os_hidden=True, **marked), fail=meet)
    assert [found.id for found in FINDERS[name](api)] == ["a", "b"]


def test_at_most_eight_requests_are_sent_at_the_same_time() -> None:
    """However many owners there are."""
    barrier, lock, now, most = threading.Barrier(PARALLEL, timeout=30), threading.Lock(), [0], [0]

    def count(_path: str) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        barrier.wait()
        with lock:
            now[0] -= 1

    find_owned(api := Fake(fail=count), "base", [f"p{number}" for number in range(12)])  # type: ignore[arg-type]
    assert (PARALLEL, len(api.queries)) == (8, 24)
    assert most[0] == 8


def refuse(error: Exception) -> Callable[[str], None]:
    """Every request raises this error."""

    def fail(_path: str) -> None:
        raise error

    return fail


def test_a_first_page_that_is_refused_is_an_error() -> None:
    """The filter is wrong; another try would be refused, too."""
    api = Fake(fail=refuse(InvalidRequest("bad filter", "")))
    with pytest.raises(InvalidRequest, match="bad filter"):
        list_all(api)  # type: ignore[arg-type]
    assert len(api.queries) <= 2


@pytest.mark.parametrize("error", [Unavailable("busy"), Forbidden("no", ""), BackendError("odd", "")])
def test_a_search_for_strays_that_fails_is_a_sentence(error: BackendError) -> None:
    """Its result is only explained, so it must not end a run; every other query fails."""
    missing: list[str] = []
    assert find_strays(Fake(fail=refuse(error)), "base", missing) == []  # type: ignore[arg-type]
    assert missing == [error.message] * 2
    for find in (list_all, lambda api: find_owned(api, "base", ["ours"]), lambda api: find_named(api, ["n"], "ours")):
        with pytest.raises(type(error)):
            find(Fake(fail=refuse(error)))  # type: ignore[arg-type]


def test_strays_that_were_found_before_an_error_are_kept() -> None:
    """The plan names them."""

    def fail(path: str) -> None:
        if "os_hidden=true" in path:
            raise Unavailable("busy")

    missing: list[str] = []
    found = find_strays(Fake(*IMAGES, fail=fail), "base", missing)  # type: ignore[arg-type]
    assert [one.id for one in found] == ["d", "f"]
    assert missing == ["busy"]
