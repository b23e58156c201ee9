"""Fixtures of the fleet: certificates, a source of images, and a lab."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.certificates import write_certificates
from tests.fleet.lab import Lab, open_lab
from tests.fleet.source import Source, open_source_server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates of all roles."""
    return write_certificates(tmp_path_factory.mktemp("fleet") / "tls")


@pytest.fixture
def source() -> Iterator[Source]:
    """A source of images whose data can stop."""
    with open_source_server() as found:
        yield found


@pytest.fixture
def lab(tmp_path: Path, certificates: Path, source: Source) -> Iterator[Lab]:
    """A fleet without processes."""
    with open_lab(tmp_path, certificates, source) as found:
        yield found
