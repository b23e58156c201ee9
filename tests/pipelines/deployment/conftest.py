"""The image of the Containerfile, built once for all tests that run it."""

from collections.abc import Iterator

import pytest

from tests.pipelines.deployment.containers import Image, build_image


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The built image; a failure to build it is a failure."""
    with build_image(tmp_path_factory.mktemp("image")) as built:
        yield built
