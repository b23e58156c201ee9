"""SQLite connections are kept, as those of other databases are: a new connection for each query reads the schema again."""

import sqlalchemy
from oslo_db.sqlalchemy import engines
from sqlalchemy.pool import QueuePool


class KeptConnections(QueuePool):
    """As many connections as are needed at the same time; some of them stay open."""

    def __init__(self, creator, **options):
        super().__init__(creator, **{**options, "pool_size": 5, "max_overflow": -1})


class Pools:
    """The pools of SQLAlchemy for oslo.db, which has no setting for the pool of SQLite."""

    NullPool = KeptConnections

    def __getattr__(self, name):
        return getattr(_pools, name)


_pools = engines.pool


def forget_transaction(connection, record):
    """Delete oslo.db's note about a transaction when it has ended, before another thread uses the connection."""
    record.info.pop("in_transaction", None)


def keep_connections():
    """To be called before the service opens its database."""
    engines.pool = Pools()
    sqlalchemy.event.listen(KeptConnections, "checkin", forget_transaction)
