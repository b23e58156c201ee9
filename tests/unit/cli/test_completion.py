"""What is offered at Tab, without a shell."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand

from imagesync.cli.completion import complete_clouds, complete_keys, complete_schemas, complete_targets
from imagesync.schemas import NAMES

HEAD = "version: 1\ncatalog: base\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a manifest, and the folder ``more`` with another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.yaml").write_text(
        f"{HEAD}targets: {{b: {{store: s}}, a: {{store: t}}}}\nimages: {{y: {{source: none}}}}\n"
    )
    text = f"{HEAD}targets: {{us: {{store: s}}}}\nimages: {{web: {{source: none}}, db: {{source: none}}}}\n"
    (tmp_path / "more" / "m.yaml").write_text(text)
    return tmp_path


def make_context(*args: str, path: Path | None = None) -> Any:
    """A line of which these words, and this path, were parsed before."""
    context = typer.Context(TyperCommand("plan"))
    context.args, context.params = list(args), {"path": path}
    return context


@pytest.mark.parametrize(
    ("words", "path", "targets", "keys"),
    [
        ((), "a.yaml", ["a", "b"], ["y"]),
        ((), "more", ["us"], ["db", "web"]),
        (("more",), None, ["us"], ["db", "web"]),
        (("web", "more"), None, ["us"], ["db", "web"]),
        (("--more", "-m", "more"), None, ["us"], ["db", "web"]),
        (("none",), "more", ["us"], ["db", "web"]),
        ((), "empty", [], []),
        ((), "none", [], []),
    ],
)
def test_names_are_those_of_the_path_that_was_typed(
    here: Path, words: tuple[str, ...], path: str | None, targets: list[str], keys: list[str]
) -> None:
    """In their order. A word that is not a path, or that is an option, does not count."""
    context = make_context(*words, path=Path(path) if path else None)
    assert complete_targets(context, "") == targets
    assert complete_keys(context, "") == keys


def test_without_a_path_names_are_those_of_the_working_directory(here: Path) -> None:
    """All manifests below it; only those that begin as the word."""
    (here / "more" / "m.yaml").unlink()
    assert complete_targets(make_context(), "") == ["a", "b"]
    assert complete_targets(make_context(), "b") == ["b"]
    assert complete_keys(make_context(), "Y") == []


def test_schemas_are_offered_by_their_beginning() -> None:
    """Sorted."""
    assert complete_schemas("") == sorted(NAMES)
    assert complete_schemas("pl") == ["plan", "plans"]


def test_clouds_are_offered_without_those_that_a_shell_could_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have any name in it."""
    (tmp_path / "clouds.yaml").write_text('clouds: {us: {}, "eu\\e[2J": {}, eu-b: {}, eu-a: {}}\n')
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    assert complete_clouds("") == ["eu-a", "eu-b", "us"]
    assert complete_clouds("eu") == ["eu-a", "eu-b"]
