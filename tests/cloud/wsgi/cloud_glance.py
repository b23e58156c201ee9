"""Glance's WSGI application, with additions for the tests; its code does not change.

* Requests are written to a log, one JSON line each.
* Only one of its transactions on SQLite writes at a time.
* Its schemas of requests never change, so they are checked against the schema of schemas once, not at each request.
* Work that is not needed at each request is left out (``settled_service``).
* A token issued before the time in the file ``expired`` is replaced by an invalid one, and Glance's middleware returns 401.
"""

import base64
import json
import os
import time

import jsonschema
from checked_schemas import check_once
from kept_connections import keep_connections
from one_writer import OneWriter
from settled_service import OrmOfManyQueries, collect_rarely, read_policy_once

STATE = os.environ["CLOUD_STATE"]
LOG = os.open(os.path.join(STATE, "requests.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
EXPIRED = os.path.join(STATE, "expired")
writer = OneWriter(os.path.join(STATE, "glance.lock"))
keep_connections()
read_policy_once()

from glance.db.sqlalchemy import api as database  # noqa: E402
from glance.wsgi.api import application as glance  # noqa: E402

if os.environ["CLOUD_DATABASE"].startswith(
    "sqlite"
):  # with MariaDB the statements stay those of the service, because they may matter
    database.sa_orm = OrmOfManyQueries()
check_once(jsonschema.Draft202012Validator)
collect_rarely()


def is_expired(token):
    """Whether a Fernet token was issued before the time that the tests set."""
    try:
        with open(EXPIRED) as handle:
            limit = int(handle.read())
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (OSError, ValueError):
        return False
    return int.from_bytes(raw[1:9], "big") < limit


def application(environ, start_response):
    """Handle one request to Glance and log it."""
    writer.begin_request(environ["REQUEST_METHOD"])
    if is_expired(environ.get("HTTP_X_AUTH_TOKEN", "")):
        environ["HTTP_X_AUTH_TOKEN"] = "expired"
    started = time.time()
    entry = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ["QUERY_STRING"],
        "agent": environ.get("HTTP_USER_AGENT", ""),
        "length": environ.get("CONTENT_LENGTH", ""),
    }

    def note_status(status, headers, exc_info=None):
        entry["status"] = int(status.split()[0])
        return start_response(status, headers, exc_info)

    try:
        return glance(environ, note_status)
    finally:
        entry["seconds"] = round(time.time() - started, 4)
        os.write(LOG, (json.dumps(entry) + "\n").encode())
