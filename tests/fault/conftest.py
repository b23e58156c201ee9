"""Fixtures of the fault tests: a backend with prepared answers, and the real cloud behind proxies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.service import Cloud
from tests.fault.proxied_workspace import ProxiedWorkspace, open_proxied_workspace
from tests.fault.scripted_backend import open_scripted

__all__ = ["open_scripted"]


@pytest.fixture
def workspace(cloud: Cloud, tmp_path: Path) -> Iterator[ProxiedWorkspace]:
    """The real cloud behind proxies; no manifest is applied yet."""
    with open_proxied_workspace(cloud, tmp_path) as found:
        yield found
