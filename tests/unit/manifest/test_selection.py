"""Which target, and so whose overlay, a run gets."""

import os
from pathlib import Path

import pytest

from imagesync.errors import UsageError
from imagesync.manifest.loader import load
from imagesync.manifest.selection import Choice, select_target
from imagesync.model.catalog import Target
from tests.unit.manifest.one_file import HEAD

TEXT = """\
values: {where: eu}
default_target: lab
targets:
  lab: {store: lab-store}
  prod: {cloud: alice}
  eu: {cloud: "${where}-prod"}
  us: {cloud: "${where}-prod", values: {where: us}}
  old: {cloud: bob}
  new: {cloud: bob}
images: {a: {source: none}}
"""


def select(folder: Path, choice: Choice, text: str = TEXT, **values: str) -> Target:
    """The place that a choice selects in a manifest."""
    (folder / "m.yaml").write_text(HEAD + text)
    return select_target(load(folder / "m.yaml"), choice, values)


@pytest.mark.parametrize(
    ("choice", "name", "cloud"),
    [
        (Choice(target="prod", environment="bob"), "prod", "alice"),
        (Choice(cloud="alice", environment="bob"), "prod", "alice"),
        (Choice(environment="alice"), "prod", "alice"),
        (Choice(cloud="eu-prod"), "eu", "eu-prod"),
        (Choice(cloud="us-prod"), "us", "us-prod"),
        (Choice(cloud="carol", environment="alice"), None, "carol"),
        (Choice(), "lab", None),
    ],
)
def test_a_cloud_selects_the_target_that_names_it(tmp_path: Path, choice: Choice, name: str, cloud: str) -> None:
    """An option before the environment before default_target; a cloud that no target names has no overlay."""
    found = select(tmp_path, choice)
    assert (found.name, found.cloud) == (name, cloud)


def test_the_cloud_of_a_target_is_compared_with_its_values_filled_in(tmp_path: Path) -> None:
    """Those of ``--set`` win."""
    assert (
        select(
            tmp_path, Choice(cloud="x-prod"), "targets: {t: {cloud: '${w}-prod'}}\nvalues: {w: y}\nimages: {}", w="x"
        ).name
        == "t"
    )


@pytest.mark.parametrize("path", ["lab-store", "x/../lab-store", "link"])
def test_a_store_selects_the_target_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """However its path is written; another folder has no overlay."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("lab-store")
    assert select(tmp_path, Choice(store=path)).name == "lab"
    assert select(tmp_path, Choice(store="other")) == Target(store=str(tmp_path / "other"))


@pytest.mark.parametrize("choice", [Choice(cloud="bob"), Choice(environment="bob")])
def test_a_cloud_of_several_targets_is_refused(tmp_path: Path, choice: Choice) -> None:
    """Each has an overlay of its own."""
    with pytest.raises(UsageError, match=r"targets old, new all name cloud bob.*; name one: --target old"):
        select(tmp_path, choice)


def test_a_cloud_of_the_environment_that_no_target_names_is_refused(tmp_path: Path) -> None:
    """It may be set for other work; without any target there is no overlay that could be wrong."""
    with pytest.raises(UsageError) as refused:
        select(tmp_path, Choice(environment="envvars"))
    assert "selects cloud envvars, which no target of the manifest names; pass --target NAME (lab," in str(
        refused.value
    )
    assert "or --cloud envvars for that cloud without the overlay of any target" in str(refused.value)
    assert select(tmp_path, Choice(environment="envvars"), "images: {}") == Target()


@pytest.mark.parametrize(
    "given", [{"target": "a", "cloud": "b"}, {"target": "a", "store": "b"}, {"cloud": "a", "store": "b"}]
)
def test_what_selects_a_place_excludes_the_others(given: dict[str, str]) -> None:
    """The intended one is unknown."""
    words = " and ".join(f"--{name}" for name in given)
    with pytest.raises(UsageError, match=f"^{words} exclude each other"):
        Choice(**given)


def test_a_target_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With those that are."""
    with pytest.raises(UsageError, match="no target 'lap'; did you mean lab"):
        select(tmp_path, Choice(target="lap"))
    assert os.path.isabs(str(select(tmp_path, Choice(target="lab")).store))
