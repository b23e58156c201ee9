"""A project by its name and domain: exactly one, or an error that says what to give instead."""

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
    """Requests to a service that answers by path."""
    server = Server(answer)
    with listening(server) as address:
        session = Session(auth=NoAuth(endpoint=address))
        yield Api(session, address, "identity service"), server
        session.session.close()


def listed(kind: str, *ids: str) -> Say:
    """Projects or domains, all of one name and domain."""
    return Say(body={kind: [{"id": one, "name": "p", "domain_id": "domain-1"} for one in ids]})


@pytest.mark.parametrize(("ids", "expected"), [(["one"], "one"), ([], None), (["one", "two"], None)])
def test_there_is_one_project_of_a_name_or_none_is_meant(ids: list[str], expected: str | None) -> None:
    """Of several, whichever came first would be shared with."""

    def answer(path: str) -> Say:
        return listed("domains", "domain-1") if path.startswith("/domains") else listed("projects", *ids)

    with identity_service(answer) as (api, server):
        if expected:
            assert find_project_id(api, None, "p", "D") == expected
        else:
            with pytest.raises(UsageError, match=r"there is no project 'p' in domain 'D'; .*give the project's id"):
                find_project_id(api, None, "p", "D")
        assert parse_qs(urlsplit(server.asked[-1]).query) == {"name": ["p"], "domain_id": ["domain-1"]}


@pytest.mark.parametrize(("ids", "expected"), [(["one"], "one"), ([], None), (["one", "two"], None)])
def test_whoever_may_not_list_projects_finds_one_of_the_own(ids: list[str], expected: str | None) -> None:
    """Of the name in that domain, and of no other."""

    def answer(path: str) -> Say:
        if path.startswith("/auth/projects"):
            own = listed("projects", *ids).body
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
            with pytest.raises(Forbidden, match="this user may not look projects up; give the project's id"):
                find_project_id(api, None, "p", "domain-1")


@dataclass(frozen=True)
class Access:
    """What a token says of the session."""

    project_name: str = "p"
    project_id: str = "own"
    project_domain_name: str = "Mine"
    project_domain_id: str = "domain-9"
    user_domain_name: str = "Users"
    user_domain_id: str = "domain-8"


@pytest.mark.parametrize(
    ("name", "domain", "expected", "asked"),
    [
        ("p", "Mine", "own", None),
        ("p", "domain-9", "own", None),
        ("p", "Other", "one", "domain-1"),
        ("p", "Users", "one", "domain-8"),
        ("q", "Mine", "one", "domain-9"),
    ],
)
def test_the_own_project_is_meant_by_its_name_and_its_domain(
    name: str, domain: str, expected: str, asked: str | None
) -> None:
    """A project of the same name in another domain is another one; what the token says is not asked for."""

    def answer(path: str) -> Say:
        return listed("domains", "domain-1") if path.startswith("/domains") else listed("projects", "one")

    with identity_service(answer) as (api, server):
        assert find_project_id(api, Access(), name, domain) == expected  # type: ignore[arg-type]  # as much as is asked
        queries = [parse_qs(urlsplit(path).query) for path in server.asked if "/projects?" in path]
        assert queries == ([{"name": [name], "domain_id": [asked]}] if asked else [])


@pytest.mark.parametrize("body", [{}, [], {"projects": {}}, {"projects": [{"name": "p"}]}, {"projects": [3]}])
def test_an_answer_of_another_shape_is_one_line(body: object) -> None:
    """It is no identity service."""
    with (
        identity_service(lambda path: listed("domains") if path.startswith("/domains") else Say(body=body)) as (api, _),
        pytest.raises(BackendError, match="the identity service answered something without 'projects'"),
    ):
        find_project_id(api, None, "p", "D")
