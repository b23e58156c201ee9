"""Work that a service of the tests need not do at each request; its responses stay the same.

* It reads its policy rules, and the signatures of the functions that check them, once: no test changes them.
* Its garbage collector skips the objects of the service itself.
* On SQLite, Glance reads the parts of images (properties, tags, locations) with one query each. Its own query joins them
  all, and an image with nine properties and three tags has 27 rows. The queries are in one transaction.
"""

import gc
import inspect
import threading
from functools import lru_cache

from oslo_policy import _checks
from oslo_policy.policy import Enforcer
from sqlalchemy import orm

COLLECT_RARELY = (100_000, 20, 50)
"""Thresholds of the garbage collector; a long list of images creates some ten thousand objects that are still in use."""


def read_policy_once():
    """Make each enforcer read its rules only at its first check; oslo.policy looks for newer files at each check.

    It also reads the signature of each function that checks a rule, several times for each image of a list.
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
    """The module ``inspect`` for a module that requests the same signatures repeatedly."""

    getfullargspec = staticmethod(lru_cache(maxsize=4096)(inspect.getfullargspec))

    def __getattr__(self, name):
        return getattr(inspect, name)


class OrmOfManyQueries:
    """SQLAlchemy's ORM for a module that joins the parts of a row."""

    joinedload = staticmethod(orm.selectinload)

    def __getattr__(self, name):
        return getattr(orm, name)
