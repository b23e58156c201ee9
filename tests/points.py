"""Which points of a loop over every point one run tries: one in four, or with ``--every-point`` each. Pure.

A loop over each request, each write or each change by hand takes most of an hour on two cores. So each run of ``.ci/run``
takes the points of one turn, which its commit chooses; four turns in a row are all of them.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import pytest

TURNS: Final = 4
Point = TypeVar("Point")


def choose(config: pytest.Config, points: Sequence[Point]) -> list[Point]:
    """The points of a loop that this run tries, in their order."""
    if config.getoption("--every-point"):
        return list(points)
    return list(points[config.getoption("--turn") % TURNS :: TURNS])


def select_by_turns(config: pytest.Config, items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """The tests of this run among those that are marked ``by_turns``: each parameter of such a test is one point."""
    points: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("by_turns"):
            points.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {item for found in points.values() for item in choose(config, found)}
