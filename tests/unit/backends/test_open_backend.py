"""Arguments of ``open_backend`` -> the backend."""

import json
from pathlib import Path

import pytest

from imagesync.backends import find_environment_cloud, open_backend, open_target
from imagesync.backends.base import Backend, MissingStore
from imagesync.errors import UndefinedCloud, UsageError
from imagesync.model.catalog import Target
from imagesync.workflow import read_catalog


def test_a_cloud_together_with_a_store_is_refused(tmp_path: Path) -> None:
    """A backend has one target."""
    with pytest.raises(UsageError) as caught:
        open_backend(cloud="x", store=tmp_path)
    assert str(caught.value) == f"both a cloud (x) and a store ({tmp_path}) are given; name only one of them"
    with pytest.raises(UsageError, match="both a cloud"):
        open_backend(cloud="", store=tmp_path)


VARIABLES = ("OS_CLOUD", "OS_AUTH_URL", "OS_ENDPOINT", "OS_CLOUD_NAME", "OS_AUTH_TYPE", "OS_CLIENT_CONFIG_FILE")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that selects no cloud, in an empty folder."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"OS_CLOUD": ""}, None),
        ({"OS_CLOUD_NAME": "named"}, None),
        ({"OS_CLOUD": "c"}, "c"),
        ({"OS_CLOUD": "c", "OS_AUTH_URL": "http://h", "OS_CLOUD_NAME": "named"}, "c"),
        ({"OS_AUTH_URL": "http://h"}, "envvars"),
        ({"OS_ENDPOINT": "http://h"}, "envvars"),
        ({"OS_AUTH_URL": "", "OS_ENDPOINT": ""}, None),
        ({"OS_ENDPOINT": "http://h", "OS_CLOUD_NAME": "named"}, "named"),
        ({"OS_AUTH_URL": "http://h", "OS_CLOUD_NAME": ""}, "envvars"),
    ],
)
def test_the_cloud_of_the_environment(
    environment: pytest.MonkeyPatch, variables: dict[str, str], expected: str | None
) -> None:
    """By its name, or by its address; an empty variable is not set."""
    for name, value in variables.items():
        environment.setenv(name, value)
    assert find_environment_cloud() == expected


def test_a_target_without_a_place_is_refused(environment: pytest.MonkeyPatch) -> None:
    """The message has every way to select one."""
    with pytest.raises(UsageError) as caught:
        open_target(Target("t"))
    assert str(caught.value) == (
        "no cloud or store selected; pass --cloud NAME or --store DIR, or set OS_CLOUD or OS_* variables"
    )


CLOUD = {"auth_type": "none", "auth": {"endpoint": "http://images.example"}}


def test_the_place_of_a_target(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its cloud, its store, or the cloud of the environment; a place of the target has precedence."""
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({"clouds": {"a": CLOUD, "b": CLOUD}}))
    environment.setenv("OS_CLOUD", "a")
    for target, label in ((Target(), "a"), (Target(cloud="b"), "b")):
        with open_target(target, clouds_file=path) as backend:
            assert (backend.identity().kind, backend.identity().label) == ("glance", label)
    with open_target(Target(store=str(tmp_path / "s"))) as backend:
        assert (backend.identity().kind, backend.identity().location) == ("store", str(tmp_path / "s"))
    environment.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    with open_backend(cloud="b") as backend:
        assert backend.identity().label == "b"


def test_a_store_has_no_clouds(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So a file with clouds is a mistake; the store is not created."""
    with pytest.raises(UsageError) as caught:
        open_target(Target(store=str(tmp_path / "s")), clouds_file="c.yaml")
    assert str(caught.value) == ("--clouds-file cannot be used with a store, which has no clouds; remove --clouds-file")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("missing", MissingStore)
def test_a_store_that_is_missing(environment: pytest.MonkeyPatch, tmp_path: Path, missing: MissingStore) -> None:
    """The caller decides; without a word it is created."""
    place, usual = tmp_path / "s", tmp_path / "usual"

    def open_place() -> Backend:
        return open_target(Target(store=str(place)), missing_store=missing)

    for make in (open_place, lambda: open_backend(store=place, missing_store=missing)):
        if missing is MissingStore.REFUSE:
            with pytest.raises(UsageError, match="does not exist"):
                make()
        else:
            make().close()
        assert place.exists() is (missing is MissingStore.CREATE)
    open_target(Target(store=str(usual / "a"))).close()
    open_backend(store=usual / "b").close()
    assert [(usual / name / "store.db").exists() for name in "ab"] == [True, True]


def test_an_undefined_cloud_of_a_target_has_its_place(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the manifest; without a target, only the cloud is named."""
    clouds = tmp_path / "clouds-mine.yaml"
    clouds.write_text(json.dumps({"clouds": {"a": CLOUD}}))
    manifest = tmp_path / "images.yaml"
    manifest.write_text("version: 1\ncatalog: base\ntargets:\n  lab:\n    cloud: x\nimages:\n  a: {source: none}\n")
    hint = f"correct the name, or add the cloud; {clouds} has these clouds: a"
    with pytest.raises(UndefinedCloud) as caught:
        open_target(read_catalog(manifest, target="lab").target, clouds_file=clouds)
    assert str(caught.value) == (f"{manifest}:5:5: targets.lab.cloud: cloud x is not defined in {clouds}; {hint}")
    with pytest.raises(UndefinedCloud) as alone:
        open_target(Target(cloud="x"), clouds_file=clouds)
    assert str(alone.value) == f"cloud x is not defined in {clouds}; {hint}"
