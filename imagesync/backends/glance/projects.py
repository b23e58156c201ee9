"""A project's name and domain -> its id, asked from the identity service. Does I/O through ``Api``."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from imagesync.backends.glance.api import Api
from imagesync.errors import BackendError, Forbidden, NotFound, UsageError
from imagesync.model.catalog import is_project_id
from imagesync.text import quote_word

NEEDS_ID: Final = "give the project's id instead of its name, which an administrator finds with"

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo


def find_project_id(api: Api, access: "AccessInfo | None", name: str, domain: str) -> str:
    """The id of the one project of this name; ``domain`` by name or id.

    Whoever may not list projects still finds those that are open to the session's user. Forbidden when that does not
    help, UsageError when there is no such project.
    """
    if access is not None and name == access.project_name and domain in _own_domain(access):
        return str(access.project_id)
    try:
        domain_id = _find_domain_id(api, access, domain)
        found = _list_projects(api, f"/projects?{urlencode({'name': name, 'domain_id': domain_id})}")
    except Forbidden as error:
        return _find_among_own(api, access, name, domain, error)
    if len(found) != 1:
        hint = (
            "it looks like an id: write it without project:"
            if is_project_id(name)
            else "check name and domain, or give the project's id"
        )
        raise UsageError(f"there is no project {name!r} in domain {domain!r}", hint)
    return str(found[0]["id"])


def _own_domain(access: "AccessInfo") -> tuple[str | None, ...]:
    return access.project_domain_name, access.project_domain_id


def _find_domain_id(api: Api, access: "AccessInfo | None", domain: str) -> str:
    """By what the token says where possible: looking domains up is an admin's right."""
    if access is not None and domain in _own_domain(access):
        return str(access.project_domain_id)
    if access is not None and domain in (access.user_domain_name, access.user_domain_id):
        return str(access.user_domain_id)
    found = _require_items(api.get(f"/domains?{urlencode({'name': domain})}"), "domains")
    return str(found[0]["id"]) if found else domain


def _find_among_own(api: Api, access: "AccessInfo | None", name: str, domain: str, refused: Forbidden) -> str:
    """Among the projects that the user has a role in."""
    try:
        own = _list_projects(api, "/auth/projects")
    except (Forbidden, NotFound):
        own = []
    domains = {domain, str(access.project_domain_id) if access and domain in _own_domain(access) else domain}
    found = [project["id"] for project in own if project.get("name") == name and project.get("domain_id") in domains]
    if len(found) == 1:
        return str(found[0])
    text = f"project {name!r} of domain {domain!r}: this user may not look projects up"
    raise Forbidden(text, f"{NEEDS_ID}: openstack project show {quote_word(name)} -f value -c id") from refused


def _list_projects(api: Api, path: str) -> list[dict[str, Any]]:
    return _require_items(api.get(path), "projects")


def _require_items(document: object, key: str) -> list[dict[str, Any]]:
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and isinstance(item.get("id"), str) for item in items
    ):
        raise BackendError(f"the identity service answered something without {key!r}", "correct auth_url")
    return items
