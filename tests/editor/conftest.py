"""One running language server for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editor.install import find_server
from tests.editor.language_server import LanguageServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """The real server; a failure to install or start it is a failure."""
    with LanguageServer(find_server(), tmp_path_factory.mktemp("manifests")) as server:
        yield server


@pytest.fixture(scope="session")
def catalog(server: LanguageServer) -> Path:
    """The folder of the documents."""
    return server.folder
