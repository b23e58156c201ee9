"""A double of both forges for each test, and a pace without waits."""

from collections.abc import Iterator

import pytest

from imagesync.retry import Pace
from tests.forge import ForgeDouble


@pytest.fixture
def double() -> Iterator[ForgeDouble]:
    """GitHub and GitLab on loopback."""
    with ForgeDouble() as made:
        yield made


@pytest.fixture
def waits() -> list[float]:
    """The seconds that ``pace`` waited, in order."""
    return []


@pytest.fixture
def pace(waits: list[float]) -> Pace:
    """The usual tries, without waiting."""
    return Pace(sleep=waits.append, random=lambda: 1.0)
