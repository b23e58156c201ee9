"""A project's name and domain -> its id, or an error with a remedy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

from imagesync.backends.glance.api import Api
from imagesync.backends.glance.projects import find_project_id
from imagesync.errors import BackendError, Forbidden, UsageError
from tests.fault.scripted import Say, Server, listening

REFUSED = Say(403, b"no")


@contextmanager
def identity_service(answer: Callable[[str], Say]) -> Iterator[tuple[Api, Server]]:
    """A service whose responses depend on the path, and an ``Api`` for it."""
    server = Server(answer)
    with listening(server) as address:
        session = Session(auth=NoAuth(endpoint=address))
        yield Api(session, address, "identity service"), server
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
