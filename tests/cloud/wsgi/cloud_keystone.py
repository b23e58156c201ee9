"""Keystone's own WSGI application on SQLite; its code stays untouched.

Every first log-in of a day writes the user's date of activity: several at once would break with "database is locked",
and uWSGI leaves who asked without an answer then.
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
    """One request to Keystone."""
    writer.begins(environ["REQUEST_METHOD"])
    return keystone(environ, start_response)
