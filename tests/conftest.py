"""Fixtures of the whole suite: the real cloud, started once when a test asks for it."""

from collections.abc import Iterator

import pytest

from tests.cloud.service import Cloud


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--no-cloud`` leaves out, explicitly, what needs the real services."""
    parser.addoption(
        "--no-cloud", action="store_true", help="leave out the tests that need the real Keystone and Glance"
    )

    parser.addoption("--update-cases", action="store_true", help="write the expected plans of tests/cases anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, only when asked to."""
    if not config.getoption("--no-cloud"):
        return
    needing = [item for item in items if "cloud" in getattr(item, "fixturenames", ()) or "[glance" in item.name]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Cloud]:
    """The real Keystone and Glance of this session; a failure to start is a failure."""
    with Cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud) -> Cloud:
    """The real cloud without any image."""
    running_cloud.reset()
    return running_cloud
