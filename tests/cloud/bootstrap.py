"""An empty folder -> databases, keys, users and projects of a cloud, which each run copies. Runs Keystone once.

Users: ``admin`` (admin of project admin), ``operator`` (admin of project images), ``alice`` (member of images), ``bob``
(member of other), ``reader`` (reader of images), ``glance`` (the service itself).
"""

import sqlite3
from pathlib import Path

import requests

PASSWORD = "secret-of-the-tests"
USERS = {
    "operator": ("images", "admin"),
    "alice": ("images", "member"),
    "bob": ("other", "member"),
    "reader": ("images", "reader"),
    "glance": ("service", "admin"),
}
IMAGE_PLACEHOLDER = "http://image.invalid"


def request_token(auth_url: str, user: str, project: str) -> str:
    """A token for a user's password, scoped to a project."""
    domain = {"id": "default"}
    body = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": PASSWORD}},
            },
            "scope": {"project": {"name": project, "domain": domain}},
        }
    }
    answer = requests.post(f"{auth_url}/auth/tokens", json=body, timeout=60)
    answer.raise_for_status()
    return answer.headers["X-Subject-Token"]


def populate(auth_url: str) -> None:
    """Create projects, users, roles, the image service and its endpoint with Keystone's API."""
    headers = {"X-Auth-Token": request_token(auth_url, "admin", "admin")}

    def post(path: str, kind: str, **fields: object) -> str:
        answer = requests.post(f"{auth_url}/{path}", json={kind: fields}, headers=headers, timeout=60)
        answer.raise_for_status()
        return str(answer.json()[kind]["id"])

    listed = requests.get(f"{auth_url}/roles", headers=headers, timeout=60).json()["roles"]
    roles = {role["name"]: role["id"] for role in listed}
    projects = {name: post("projects", "project", name=name) for name in ("images", "other", "service")}
    for name, (project, role) in USERS.items():
        user = post("users", "user", name=name, password=PASSWORD)
        place = f"{auth_url}/projects/{projects[project]}/users/{user}/roles/{roles[role]}"
        requests.put(place, headers=headers, timeout=60).raise_for_status()
        if name == "glance":
            system = f"{auth_url}/system/users/{user}/roles/{roles['admin']}"
            requests.put(system, headers=headers, timeout=60).raise_for_status()
    service = post("services", "service", name="glance", type="image")
    for interface in ("public", "internal", "admin"):
        post(
            "endpoints",
            "endpoint",
            service_id=service,
            interface=interface,
            url=IMAGE_PLACEHOLDER,
            region="RegionOne",
        )
    limits = [
        {"service_id": service, "region_id": "RegionOne", "resource_name": name, "default_limit": 100000}
        for name in ("image_size_total", "image_stage_total", "image_count_total", "image_count_uploading")
    ]
    answer = requests.post(
        f"{auth_url}/registered_limits", json={"registered_limits": limits}, headers=headers, timeout=60
    )
    answer.raise_for_status()


def place_endpoints(database: Path, identity_url: str, image_url: str) -> None:
    """Set the addresses of this run in the service catalog of a copied Keystone database."""
    connection = sqlite3.connect(database)
    image = "select id from service where type = 'image'"
    with connection:
        connection.execute(f"update endpoint set url = ? where service_id in ({image})", (image_url,))
        connection.execute(f"update endpoint set url = ? where service_id not in ({image})", (identity_url,))
    connection.close()
