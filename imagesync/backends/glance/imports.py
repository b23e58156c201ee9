"""Imports, for which the service stages, fetches or copies the data -> requests of the Image API. Does I/O through ``Api``."""

from imagesync.backends.base import ImportFields
from imagesync.backends.glance.api import Api
from imagesync.backends.wire import tasks_from_wire
from imagesync.errors import Forbidden, NotFound
from imagesync.model.image import ImportTask


def begin(api: Api, path: str, method: str, options: ImportFields) -> None:
    """POST /import of the image at ``path``, once. A repeated request would fail with 409 or begin a second import.

    By the service's default, the import fails if one of the stores fails (Image API, "Import an image").
    """
    named = {"name": method, "uri": options["uri"]} if "uri" in options else {"name": method}
    body: dict[str, object] = {"method": named}
    if options.get("all_stores"):
        body["all_stores"] = True
    elif stores := options.get("stores"):
        body["stores"] = list(stores)
    api.send("POST", f"{path}/import", body, repeat=False)


def list_tasks(api: Api, path: str) -> list[ImportTask]:
    """GET /tasks of the image at ``path``, the newest last; empty for services before API 2.12, which have no tasks."""
    try:
        return tasks_from_wire(api.get(f"{path}/tasks"))
    except (NotFound, Forbidden):
        return []
