"""A project's name and domain -> its id, or an error with a remedy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

from imagesync.backends.glance.api import Api
from imagesync.backends.glance.projects import NEEDS_ID, find_project_id, find_project_names
from imagesync.errors import BackendError, Forbidden, Unavailable, UsageError
from imagesync.retry import Pace
from tests.fault.scripted import Say, Server, listening

REFUSED = Say(403, b"no")


@contextmanager
def identity_service(answer: Callable[[str], Say]) -> Iterator[tuple[Api, Server]]:
    """A service whose responses depend on the path, and an ``Api`` for it."""
    server = Server(answer)
    with listening(server) as address:
        session = Session(auth=NoAuth(endpoint=address))
        yield Api(session, address, "identity service", pace=Pace(1)), server
        session.session.close()


def list_items(kind: str, *ids: str) -> Say:
    """Projects or domains with the same name and domain."""
    return Say(body={kind: [{"id": one, "name": "p", "domain_id": "domain-1"} for one in ids]})


@pytest.mark.parametrize(("ids", "expected"), [(["one"], "one"), ([], None), (["one", "two"], None)])
def test_a_name_of_several_projects_is_an_error(ids: list[str], expected: str | None) -> None:
    """Otherwise the image would be shared with the first of them."""

    def answer(path: str) -> Say:
        return list_items("domains", "domain-1") if path.startswith("/domains") else list_items("projects", *ids)

    with identity_service(answer) as (api, server):
        if expected:
            assert find_project_id(api, None, "p", "D") == expected
        else:
            with pytest.raises(UsageError, match=r"project 'p' does not exist in domain 'D'; .*write the project's id"):
                find_project_id(api, None, "p", "D")
        assert parse_qs(urlsplit(server.queries[-1]).query) == {"name": ["p"], "domain_id": ["domain-1"]}


@pytest.mark.parametrize(("ids", "expected"), [(["one"], "one"), ([], None), (["one", "two"], None)])
def test_a_user_who_may_not_list_projects_finds_their_own(ids: list[str], expected: str | None) -> None:
    """Projects of another name or of another domain do not count."""

    def answer(path: str) -> Say:
        if path.startswith("/auth/projects"):
            own = list_items("projects", *ids).body
            assert isinstance(own, dict)
            others = [
                {"id": "x", "name": "q", "domain_id": "domain-1"},
                {"id": "y", "name": "p", "domain_id": "domain-2"},
            ]
            return Say(body={"projects": [*others, *own["projects"]]})
        return REFUSED

    with identity_service(answer) as (api, _):
        if expected:
            assert find_project_id(api, None, "p", "domain-1") == expected
        else:
            with pytest.raises(Forbidden, match="this user may not list projects; write the project's id"):
                find_project_id(api, None, "p", "domain-1")


@dataclass(frozen=True)
class Access:
    """The content of the session's token."""

    project_name: str = "p"
    project_id: str = "own"
    project_domain_name: str = "Mine"
    project_domain_id: str = "domain-9"
    user_domain_name: str = "Users"
    user_domain_id: str = "domain-8"


@pytest.mark.parametrize(
    ("name", "domain", "expected", "domain_id"),
    [
        ("p", "Mine", "own", None),
        ("p", "domain-9", "own", None),
        ("p", "Other", "one", "domain-1"),
        ("p", "Users", "one", "domain-8"),
        ("q", "Mine", "one", "domain-9"),
    ],
)
def test_the_session_s_project_is_found_by_name_and_domain_without_a_request(
    name: str, domain: str, expected: str, domain_id: str | None
) -> None:
    """The token contains it. A project of the same name in another domain is another project."""

    def answer(path: str) -> Say:
        return list_items("domains", "domain-1") if path.startswith("/domains") else list_items("projects", "one")

    with identity_service(answer) as (api, server):
        assert find_project_id(api, Access(), name, domain) == expected  # type: ignore[arg-type]  # only the part that is used
        queries = [parse_qs(urlsplit(path).query) for path in server.queries if "/projects?" in path]
        assert queries == ([{"name": [name], "domain_id": [domain_id]}] if domain_id else [])


@pytest.mark.parametrize("body", [{}, [], {"projects": {}}, {"projects": [{"name": "p"}]}, {"projects": [3]}])
def test_a_response_of_another_shape_is_an_error_of_one_line(body: object) -> None:
    """The address is not that of an identity service."""
    with (
        identity_service(lambda path: list_items("domains") if path.startswith("/domains") else Say(body=body)) as (
            api,
            _,
        ),
        pytest.raises(BackendError, match="the identity service returned a document without a list 'projects'"),
    ):
        find_project_id(api, None, "p", "D")


OWN = [{"id": "a", "name": "A"}, {"id": "x", "name": "X"}]
ALL = [
    *OWN,
    {"id": "a", "name": "another"},
    {"id": "b", "name": "B"},
    {"id": "c", "name": ""},
    {"id": "d", "name": None},
]


@pytest.mark.parametrize(
    ("ids", "own", "every", "names", "requests"),
    [
        ({"a"}, Say(body={"projects": OWN}), REFUSED, {"a": "A"}, 1),
        ({"a", "b"}, Say(body={"projects": OWN}), Say(body={"projects": ALL}), {"a": "A", "b": "B"}, 2),
        ({"a", "b"}, Say(body={"projects": OWN}), REFUSED, {"a": "A"}, 2),
        ({"b"}, Say(404, b"no"), Say(body={"projects": ALL}), {"b": "B"}, 2),
        ({"b", "c", "d", "e"}, Say(body=[]), Say(body={"projects": ALL}), {"b": "B"}, 2),
        ({"b"}, REFUSED, REFUSED, {}, 2),
        (set(), REFUSED, REFUSED, {}, 0),
    ],
)
def test_the_names_of_projects(ids: set[str], own: Say, every: Say, names: dict[str, str], requests: int) -> None:
    """First from the user's own projects; what cannot be read is left out."""
    with identity_service(lambda path: own if path == "/auth/projects" else every) as (api, server):
        assert find_project_names(api, ids) == names
        assert server.queries == ["GET /auth/projects", "GET /projects"][:requests]


@pytest.mark.parametrize(("domain", "expected"), [("Mine", "two"), ("domain-9", "two"), ("domain-1", "one")])
def test_the_domain_of_the_token_has_a_name_and_an_id(domain: str, expected: str) -> None:
    """A list of the user's own projects has only ids of domains."""
    own = [{"id": "one", "name": "q", "domain_id": "domain-1"}, {"id": "two", "name": "q", "domain_id": "domain-9"}]

    def answer(path: str) -> Say:
        return Say(body={"projects": own}) if path == "/auth/projects" else REFUSED

    with identity_service(answer) as (api, _):
        assert find_project_id(api, Access(), "q", domain) == expected  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("status", [403, 404])
def test_a_user_who_may_list_no_projects_needs_an_id(status: int) -> None:
    """The remedy has the command of an administrator, for the shell."""

    def answer(path: str) -> Say:
        return Say(status, b"no") if path == "/auth/projects" else REFUSED

    with identity_service(answer) as (api, _), pytest.raises(Forbidden) as caught:
        find_project_id(api, None, "p q", "D")
    assert caught.value.message == "project 'p q' of domain 'D': this user may not list projects"
    assert caught.value.hint == f"{NEEDS_ID}: openstack project show 'p q' -f value -c id"


def test_an_id_that_is_written_as_a_name_is_recognized() -> None:
    """The error says how to write it; a domain that is not found by name is an id."""

    def answer(path: str) -> Say:
        return list_items("domains") if path.startswith("/domains") else list_items("projects")

    with identity_service(answer) as (api, server):
        with pytest.raises(UsageError, match="the name looks like an id; write an id without project:"):
            find_project_id(api, None, "0" * 32, "D")
        assert parse_qs(urlsplit(server.queries[-1]).query)["domain_id"] == ["D"]


@pytest.mark.parametrize("path", ["/domains", "/projects", "/auth/projects"])
def test_a_busy_identity_service_is_an_error(path: str) -> None:
    """Not a project that does not exist, nor a user who may not list it."""

    def answer(query: str) -> Say:
        if query.startswith(path):
            return Say(503, b"busy")
        if query.startswith("/domains"):
            return list_items("domains", "domain-1")
        return REFUSED

    with identity_service(answer) as (api, _), pytest.raises(Unavailable, match=rf"^GET {path}: HTTP 503: busy"):
        find_project_id(api, None, "p", "D")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("p", "check the name and the domain, or write the project's id"),
        ("0" * 32, "the name looks like an id; write an id without project:"),
    ],
)
def test_the_whole_message_about_an_unknown_project(name: str, hint: str) -> None:
    """With the name and the domain as they are written in the manifest."""

    def answer(path: str) -> Say:
        return list_items("domains", "domain-1") if path.startswith("/domains") else list_items("projects")

    with identity_service(answer) as (api, _), pytest.raises(UsageError) as caught:
        find_project_id(api, Access(), name, "D")  # type: ignore[arg-type]  # as above
    assert str(caught.value) == f"project {name!r} does not exist in domain 'D'; {hint}"


def test_a_name_and_a_domain_may_have_any_character() -> None:
    """They are parts of a query."""

    def answer(path: str) -> Say:
        return list_items("domains", "d&1") if path.startswith("/domains") else list_items("projects", "one")

    with identity_service(answer) as (api, server):
        assert find_project_id(api, None, "a&b=c d", "x&y") == "one"
        domains, projects = (parse_qs(urlsplit(path).query) for path in server.queries)
        assert (domains, projects) == ({"name": ["x&y"]}, {"name": ["a&b=c d"], "domain_id": ["d&1"]})


def test_the_first_of_several_domains_is_that_of_the_name() -> None:
    """Names of domains are unique; a service may list others after it."""

    def answer(path: str) -> Say:
        return list_items("domains", "d1", "d2") if path.startswith("/domains") else list_items("projects", "one")

    with identity_service(answer) as (api, server):
        assert find_project_id(api, Access(), "p", "D") == "one"  # type: ignore[arg-type]  # as above
        assert parse_qs(urlsplit(server.queries[-1]).query)["domain_id"] == ["d1"]
