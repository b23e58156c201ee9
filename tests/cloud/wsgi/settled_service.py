"""What a service of the tests need not do at each request; what it answers stays the same.

* It reads its rules of policy once, and the signatures of the functions that check them: no test changes them.
* Its garbage collector leaves alone what the service consists of.
* On SQLite Glance reads the parts of images (properties, tags, places of data) with a query each: in its own query, which
  joins them all, an image with nine properties and three tags has 27 rows. The queries are of one transaction.
"""

import gc
import inspect
import threading
from functools import lru_cache

from oslo_policy import _checks
from oslo_policy.policy import Enforcer
from sqlalchemy import orm

COLLECT_RARELY = (100_000, 20, 50)
"""Thresholds of the garbage collector; a long list of images makes some ten thousand objects that are no garbage."""


def read_policy_once():
    """Each enforcer reads its rules at its first check only; oslo.policy looks for newer files at each of them.

    It also reads the signature of each function that checks a rule, some times for each image of a list.
    """
    load, lock = Enforcer.load_rules, threading.RLock()

    def load_rules(self, force_reload=False):
        if force_reload or not getattr(self, "has_rules", False):
            with lock:  # while one thread loads them, they lack for the others, whom the service would refuse
                if force_reload or not getattr(self, "has_rules", False):
                    load(self, force_reload)
                    self.has_rules = True

    Enforcer.load_rules = load_rules
    _checks.inspect = InspectionOnce()


def collect_rarely():
    """To be called when the service is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_RARELY)


class InspectionOnce:
    """The module ``inspect`` for a module that asks for the same signatures again and again."""

    getfullargspec = staticmethod(lru_cache(maxsize=4096)(inspect.getfullargspec))

    def __getattr__(self, name):
        return getattr(inspect, name)


class OrmOfManyQueries:
    """SQLAlchemy's ORM for a module that joins what belongs to a row."""

    joinedload = staticmethod(orm.selectinload)

    def __getattr__(self, name):
        return getattr(orm, name)
