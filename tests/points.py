"""The points of a loop over every point -> those that one run tries: one in eight, or with ``--every-point`` all. Pure.

A loop over each request, each write or each change by hand takes most of an hour on two cores. So each run of
``.ci/run`` tries the points of one turn. The commit chooses the turn, and eight turns together have all points.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import pytest

TURNS: Final = 8
Point = TypeVar("Point")


def choose(config: pytest.Config, points: Sequence[Point]) -> list[Point]:
    """The points of a loop that this run tries, in order."""
    if config.getoption("--every-point"):
        return list(points)
    return list(points[config.getoption("--turn") % TURNS :: TURNS])


def select_by_turns(config: pytest.Config, items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """The tests of this run among those that are marked ``by_turns``, whose parameters are points."""
    points: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("by_turns"):
            points.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return {item for found in points.values() for item in choose(config, found)}
