"""The command of the pinned yaml-language-server, which is installed on first use."""

from pathlib import Path

from tests.npm import find_node, prepare_packages


def find_server() -> list[str]:
    """The command of the language server; it is installed first if it is not there. RuntimeError if that fails."""
    folder = prepare_packages(Path(__file__).parent)
    return [str(find_node(folder)), str(folder / "node_modules/yaml-language-server/bin/yaml-language-server")]
