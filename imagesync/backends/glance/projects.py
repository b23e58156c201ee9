"""A project's name and domain -> its id, and ids -> names, from the identity service. Does I/O through ``Api``."""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from imagesync.backends.glance.api import Api
from imagesync.errors import BackendError, Forbidden, NotFound, UsageError
from imagesync.model.catalog import is_project_id
from imagesync.text import quote_word

NEEDS_ID: Final = "write the project's id instead of its name; an administrator finds the id with"

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo


def find_project_id(api: Api, access: "AccessInfo | None", name: str, domain: str) -> str:
    """The id of the project with this name in ``domain``, which is a name or an id.

    A user who may not list all projects can find those in which the user has a role. Forbidden if the project is not
    among them, UsageError if it does not exist.
    """
    if access is not None and name == access.project_name and domain in _list_domain_names(access):
        return str(access.project_id)
    try:
        domain_id = _find_domain_id(api, access, domain)
        found = _list_projects(api, f"/projects?{urlencode({'name': name, 'domain_id': domain_id})}")
    except Forbidden as error:
        return _find_among_own(api, access, name, domain, error)
    if len(found) != 1:
        hint = (
            "the name looks like an id; write an id without project:"
            if is_project_id(name)
            else "check the name and the domain, or write the project's id"
        )
        raise UsageError(f"project {name!r} does not exist in domain {domain!r}", hint)
    return str(found[0]["id"])


def _list_domain_names(access: "AccessInfo") -> tuple[str | None, ...]:
    return access.project_domain_name, access.project_domain_id


def _find_domain_id(api: Api, access: "AccessInfo | None", domain: str) -> str:
    """The id of a domain, if possible from the token, because only an administrator can list domains."""
    if access is not None and domain in _list_domain_names(access):
        return str(access.project_domain_id)
    if access is not None and domain in (access.user_domain_name, access.user_domain_id):
        return str(access.user_domain_id)
    found = _require_items(api.get(f"/domains?{urlencode({'name': domain})}"), "domains")
    return str(found[0]["id"]) if found else domain


def _find_among_own(api: Api, access: "AccessInfo | None", name: str, domain: str, refused: Forbidden) -> str:
    """The id of a project in which the user has a role; Forbidden if the project is not among them."""
    try:
        own = _list_projects(api, "/auth/projects")
    except (Forbidden, NotFound):
        own = []
    domains = {domain, str(access.project_domain_id) if access and domain in _list_domain_names(access) else domain}
    found = [project["id"] for project in own if project.get("name") == name and project.get("domain_id") in domains]
    if len(found) == 1:
        return str(found[0])
    text = f"project {name!r} of domain {domain!r}: this user may not list projects"
    raise Forbidden(text, f"{NEEDS_ID}: openstack project show {quote_word(name)} -f value -c id") from refused


def find_project_names(api: Api, ids: Collection[str]) -> dict[str, str]:
    """The names of those of these projects that the user may read, by id; never an error, because an id is enough.

    First the projects in which the user has a role, which every user may list; then, for the other ids, all projects.
    """
    found: dict[str, str] = {}
    for path in ("/auth/projects", "/projects"):
        if missing := set(ids) - found.keys():
            try:
                listed = _list_projects(api, path)
            except BackendError as error:
                log.info("projects are listed by id: %s", error.message)
                continue
            names = {one["id"]: one.get("name") for one in listed if one["id"] in missing}
            found |= {project: name for project, name in names.items() if isinstance(name, str) and name}
    return found


def _list_projects(api: Api, path: str) -> list[dict[str, Any]]:
    return _require_items(api.get(path), "projects")


def _require_items(document: object, key: str) -> list[dict[str, Any]]:
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and isinstance(item.get("id"), str) for item in items
    ):
        text = f"the identity service returned a document without a list {key!r}"
        raise BackendError(text, "correct auth_url in clouds.yaml or OS_AUTH_URL")
    return items
