"""SQLite for a service with many threads and processes.

OpenStack's services read, then write, in a deferred transaction, which SQLite refuses to a second simultaneous writer.
Here, transactions of write requests start with BEGIN IMMEDIATE after they have taken a file lock.
"""

import fcntl
import os
import threading

import sqlalchemy
from sqlalchemy.engine import Engine

READING = ("GET", "HEAD")


class OneWriter:
    """The lock in a file, and the request of each thread; to be created before the service opens its database."""

    def __init__(self, path):
        self._path = path
        self._current = threading.local()
        sqlalchemy.event.listen(Engine, "before_cursor_execute", self._begin, retval=True)
        sqlalchemy.event.listen(Engine, "commit", self._release)
        sqlalchemy.event.listen(Engine, "rollback", self._release)

    def begin_request(self, method):
        """Note that this thread has a request now. A thread without a request is the service's own, and writes."""
        self._current.reads = method in READING

    def _begin(self, conn, cursor, statement, parameters, context, executemany):
        """Take the lock before a write request's BEGIN, but not for a nested BEGIN of the same thread."""
        here = self._current
        if statement == "BEGIN" and not getattr(here, "reads", False) and not getattr(here, "locked", False):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT)
            fcntl.flock(handle, fcntl.LOCK_EX)
            conn.info["write_lock"] = handle
            here.locked = True
            statement = "BEGIN IMMEDIATE"
        return statement, parameters

    def _release(self, conn):
        """Release the lock at the end of the transaction."""
        handle = conn.info.pop("write_lock", None)
        if handle is not None:
            self._current.locked = False
            os.close(handle)
