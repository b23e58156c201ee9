"""Which target, and so whose overlay, a run gets."""

import os
from pathlib import Path

import pytest

from imagesync.errors import UsageError
from imagesync.manifest.loader import load, read_manifest
from imagesync.manifest.selection import (
    MAX_LISTED,
    Choice,
    list_names,
    refuse_same_place,
    select_target,
    select_targets,
)
from imagesync.model.catalog import Place, Target
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


def test_at_most_twelve_names_are_listed() -> None:
    """And the number of the others."""
    names = [f"t{number}" for number in range(15)]
    assert MAX_LISTED == 12
    assert list_names(names[:12]) == ", ".join(names[:12])
    assert list_names(names) == f"{', '.join(names[:12])} and 3 more"
    assert list_names(["a"]) == "a"


def test_a_target_has_its_place_its_wave_and_its_own_values(tmp_path: Path) -> None:
    """The place in the file is that of the store or cloud; a wrong wave is a problem of the resolution."""
    text = """\
values: {w: all}
targets:
  a: {wave: 3, store: "${w}/s"}
  b: {values: {w: own}, cloud: "${w}-cloud"}
images: {x: {}}
"""
    one, other = (select(tmp_path, Choice(target=name), text) for name in "ab")
    assert (one, other) == (Target("a", None, str(tmp_path / "all/s"), 3), Target("b", "own-cloud"))
    assert [place.find_place() for place in (one, other)] == [
        Place(str(tmp_path / "m.yaml"), 5, 16),
        Place(str(tmp_path / "m.yaml"), 6, 25),
    ]
    assert select(tmp_path, Choice(target="b"), text, w="given").cloud == "given-cloud"


def test_a_store_lies_in_the_folder_of_the_file_that_names_it(tmp_path: Path) -> None:
    """Not in that of the catalog."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/t.yaml").write_text("version: 1\ntargets: {t: {store: s}}\n")
    (tmp_path / "m.yaml").write_text(HEAD + "images: {a: {}}\n")
    assert select_target(load(tmp_path), Choice(target="t"), {}).store == str(tmp_path / "sub/s")


@pytest.mark.parametrize(
    ("choice", "text", "message"),
    [
        (
            Choice(target="x"),
            "images: {}",
            "there is no target 'x': the manifest declares no targets; "
            "pass --cloud NAME or --store DIR, or declare targets",
        ),
        (
            Choice(environment="my cloud"),
            "targets: {t: {cloud: c}}\nimages: {}",
            "the environment (OS_CLOUD or OS_*) selects cloud my cloud, which no target of the manifest names; "
            "pass --target t, or --cloud 'my cloud' for that cloud without the overlay of any target",
        ),
        (
            Choice(environment="x"),
            "targets: {t: {cloud: c}, u: {cloud: d}}\nimages: {}",
            "the environment (OS_CLOUD or OS_*) selects cloud x, which no target of the manifest names; "
            "pass --target NAME (t, u), or --cloud x for that cloud without the overlay of any target",
        ),
        (
            Choice(store="s"),
            "targets: {t: {store: s}, u: {store: ./s}}\nimages: {}",
            "--store: targets t, u all name store FOLDER/s, each with its own overlay; name one: --target t",
        ),
    ],
)
def test_a_place_that_is_not_certain_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: Choice, text: str, message: str
) -> None:
    """With the options that select one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        select(tmp_path, choice, text)
    assert str(refused.value).replace(str(tmp_path), "FOLDER") == message


def test_a_target_that_is_not_there_is_refused_with_the_places_of_the_targets(tmp_path: Path) -> None:
    """Each file that declares some, once."""
    (tmp_path / "a.yaml").write_text(HEAD + "targets: {lab: {store: s}, dev: {store: d}}\nimages: {}\n")
    (tmp_path / "b.yaml").write_text("version: 1\ntargets: {prod: {cloud: c}}\n")
    with pytest.raises(UsageError) as refused:
        select_target(load(tmp_path), Choice(target="x"), {})
    assert str(refused.value).replace(f"{tmp_path}/", "") == (
        "a.yaml:3:1, b.yaml:2:1: targets: there is no target 'x'; declared targets: dev, lab, prod"
    )


@pytest.mark.parametrize(
    ("default", "values", "found"),
    [
        ("lab", {}, "lab"),
        ("${v}", {"v": "lab"}, "lab"),
        ("nowhere", {}, None),
        ("${v}", {}, None),
    ],
)
def test_a_wrong_default_target_is_reported_by_the_resolution(
    tmp_path: Path, default: str, values: dict[str, str], found: str | None
) -> None:
    """Here it selects nothing."""
    (tmp_path / "m.yaml").write_text(
        HEAD + f"default_target: '{default}'\ntargets: {{lab: {{store: s}}}}\nimages: {{}}"
    )
    assert select_target(read_manifest(tmp_path / "m.yaml"), Choice(), values).name == found
    with pytest.raises(UsageError, match="there is no target 'lap'; did you mean lab"):
        select(tmp_path, Choice(), "default_target: ${v}\ntargets: {lab: {store: s}}\nimages: {}", v="lap")


SEVERAL = "targets: {c: {store: s}, a: {cloud: x}, b: {cloud: y}, twin: {store: link}}\nimages: {}"


def test_targets_are_selected_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    """All of them, or those that are named."""
    (tmp_path / "m.yaml").write_text(HEAD + SEVERAL)
    manifest = load(tmp_path / "m.yaml")
    assert [one.name for one in select_targets(manifest, (), {})] == ["c", "a", "b", "twin"]
    assert [one.name for one in select_targets(manifest, ("b", "c", "b"), {})] == ["c", "b"]
    with pytest.raises(UsageError, match="there is no target 'd'"):
        select_targets(manifest, ("a", "d"), {})


def test_two_targets_of_one_place_are_refused(tmp_path: Path) -> None:
    """Also if a link leads there; a cloud and a store of one name are two places."""
    (tmp_path / "link").symlink_to("s")
    (tmp_path / "m.yaml").write_text(HEAD + SEVERAL.replace("cloud: y", "cloud: s"))
    manifest = load(tmp_path / "m.yaml")
    with pytest.raises(UsageError) as refused:
        select_targets(manifest, (), {})
    assert str(refused.value) == (
        f"targets c and twin are the same place: store {tmp_path}/link; "
        "run them one after the other, or correct the manifest"
    )
    assert [one.name for one in select_targets(manifest, ("a", "b", "c"), {})] == ["c", "a", "b"]
    (tmp_path / "m.yaml").write_text(HEAD + SEVERAL.replace("cloud: y", "cloud: x"))
    with pytest.raises(UsageError, match=r"^targets a and b are the same place: cloud x; run them"):
        select_targets(load(tmp_path / "m.yaml"), ("a", "b"), {})
    assert str(refuse_same_place("a\n", "b", "c\x1b")).startswith(r"targets a\n and b are the same place: c\x1b;")


def test_a_manifest_without_targets_has_none_to_select(tmp_path: Path) -> None:
    """The error has the options that select a place; a name is refused as an unknown one."""
    (tmp_path / "m.yaml").write_text(HEAD + "images: {}")
    manifest = load(tmp_path / "m.yaml")
    with pytest.raises(UsageError, match=r"^--all-targets: the manifest declares no targets; pass --cloud NAME or"):
        select_targets(manifest, (), {})
    with pytest.raises(UsageError, match=r"^there is no target 't': the manifest declares no targets"):
        select_targets(manifest, ("t",), {})
