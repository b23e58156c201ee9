"""The image of the Containerfile, built once for all tests that run it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines.deployment.containers import Image, build_image


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The built image; a failure to build it is a failure.

    It is not in the folder of the tests, because Podman takes no run root of more than 50 characters.
    """
    with (
        tempfile.TemporaryDirectory(prefix="imagesync-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        build_image(Path(folder)) as built,
    ):
        yield built
