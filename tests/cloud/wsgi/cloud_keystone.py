"""Keystone's WSGI application on SQLite; its code does not change.

The first authentication of a day writes the user's date of activity. Several at once would fail with "database is locked",
and uWSGI would then send no response.
"""

import os

from kept_connections import keep_connections
from one_writer import OneWriter
from settled_service import collect_rarely, read_policy_once

writer = OneWriter(os.path.join(os.environ["CLOUD_STATE"], "keystone.lock"))
keep_connections()
read_policy_once()

from keystone.wsgi.api import application as keystone  # noqa: E402

collect_rarely()


def application(environ, start_response):
    """Handle one request to Keystone."""
    writer.begin_request(environ["REQUEST_METHOD"])
    return keystone(environ, start_response)
