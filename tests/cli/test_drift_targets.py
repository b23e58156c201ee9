"""``drift`` of several targets: what it shows, how it ends, and the files of its result."""

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.several_stores import MANIFEST, SeveralStores


@pytest.fixture
def stores(tmp_path: Path) -> SeveralStores:
    """Everything is applied."""
    return SeveralStores(tmp_path)


def test_equal_drift_is_shown_once_and_one_command_restores_it(stores: SeveralStores) -> None:
    """The exit code is 2 if any target has drift, 0 if none has."""
    clean = stores.run("drift", "--all-targets").stdout
    assert clean == (
        "eu, us, ap: no drift\nCatalog base on targets\n  eu (store eu): 2 images checked\n"
        "  us (store us): 2 images checked\n  ap (store ap): 1 image checked\n\n"
        "3 targets: 3 without drift.\n"
    )
    for store in ("eu", "us"):
        stores.alter(store, "a", min_ram=256)
    text = stores.run("drift", "--all-targets", code=2).stdout
    places = "Catalog base on targets eu (store eu), us (store us): 2 images checked"
    assert f"eu, us: the same drift: 1 value changed on 1 image\n{places}\n" in text
    assert text.count("min_ram: was 512, is now 256") == 1
    assert all(f"    {store}: image {stores.find(store, 'a').id}, last update " in text for store in ("eu", "us"))
    assert text.endswith("\n\n3 targets: 2 with drift (eu, us), 1 without drift.\n")
    command = "imagesync apply . --target eu --target us --drift-only"
    assert f"\n  {command}\n" in text
    stores.run(*shlex.split(command)[1:], "--yes")
    stores.run("drift", "--all-targets")


def test_only_the_named_targets_are_checked(stores: SeveralStores) -> None:
    """In the order of the manifest; the drift of another one does not matter."""
    stores.alter("us", "b")
    assert stores.run("drift", "--target", "ap", "--target", "eu").stdout.startswith("eu, ap: no drift\n")
    assert "us: drift: 1 image deleted" in stores.run("drift", "--target", "us", "--target", "eu", code=2).stdout


def test_a_target_that_cannot_be_checked_exits_1_and_hides_no_other(stores: SeveralStores) -> None:
    """Although another one has drift. With another format, standard error has the reason."""
    stores.add_lost()
    stores.alter("us", "b", name="other")
    text = stores.run("drift", "--all-targets", code=1).stdout
    assert "lost: cannot be checked\nError: m.yaml:5:10: targets.lost.cloud: cloud gone is not defined" in text
    assert "    name: was b, is now other\n" in text
    assert text.endswith("4 targets: 1 with drift (us), 2 without drift, 1 with errors (lost).\n")
    done = stores.run("drift", "--all-targets", "--format", "json", code=1)
    document = json.loads(done.stdout)
    assert [(one["target"], one["drift"] is None) for one in document["targets"]] == [
        ("eu", False),
        ("lost", True),
        ("us", False),
        ("ap", False),
    ]
    assert "cloud gone is not defined" in document["targets"][1]["problems"][0]["message"]
    (found,) = document["targets"][2]["drift"]["drift"]
    assert found["restore"] == "imagesync apply . --target us --drift-only"
    assert done.stderr.startswith("imagesync: target lost: m.yaml:5:10: targets.lost.cloud: cloud gone is not defined")


def test_quiet_prints_only_what_needs_attention(stores: SeveralStores) -> None:
    """Drift, and targets that could not be checked."""
    assert stores.run("drift", "--all-targets", "--quiet").output == ""
    stores.alter("ap", "a", min_ram=1)
    assert "min_ram: was 64, is now 1" in stores.run("drift", "--all-targets", "--quiet", code=2).stdout
    stores.add_lost()
    words = ("drift", "--target", "lost", "--target", "eu", "--quiet")
    assert "lost: cannot be checked" in stores.run(*words, code=1).stdout


def test_every_file_has_every_target(stores: SeveralStores) -> None:
    """Metrics: one series for each. A failed target has no number of drifted values."""
    stores.add_lost()
    stores.alter("us", "b", name="other")
    copies = [f"--also={form}=drift.{form}" for form in ("json", "markdown", "html")]
    text = stores.run("drift", "--all-targets", *copies, "--metrics", "drift.prom", code=1).stdout
    assert text.count("was b, is now other") == 1
    assert len(json.loads((stores.folder / "drift.json").read_text())["targets"]) == 4
    for form in ("markdown", "html"):
        content = (stores.folder / f"drift.{form}").read_text()
        assert all(
            word in content for word in ("lost", "cloud gone is not defined", "eu", "1 value changed on 1 image")
        )
        assert "imagesync apply . --target us --drift-only" in content
    metrics = (stores.folder / "drift.prom").read_text().splitlines()
    assert [line for line in metrics if line.startswith("imagesync_drifted_values{")] == [
        f'imagesync_drifted_values{{catalog="base",target="{name}",command="drift"}} {number}'
        for name, number in (("ap", 0), ("eu", 0), ("us", 1))
    ]
    assert 'imagesync_last_run_success{catalog="base",target="lost",command="drift"} 0' in metrics


def test_a_problem_of_all_targets_is_an_error_of_the_command(stores: SeveralStores) -> None:
    """Once; nothing is opened."""
    stores.write(MANIFEST.replace("min_ram: 512", "min_ram: '${no}'").replace("{a: {min_ram: 64}}", "{}"))
    result = stores.run("drift", "--all-targets", code=1)
    assert (result.stdout, result.stderr.count("${no} is not defined")) == ("", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "eu", "--all-targets"], "--target and --all-targets exclude each other"),
        (["--all-targets", "--store", "x"], "--all-targets and --store exclude each other"),
        (["--target", "eu", "--target", "no"], "there is no target 'no'"),
        (["--target", "eu", "--parallel-targets", "2"], "--parallel-targets has no effect on a run of one target"),
        (["--all-targets", "--only", "no"], "--only no: no such key"),
    ],
)
def test_wrong_targets_are_refused(stores: SeveralStores, words: list[str], message: str) -> None:
    """Before any target is checked."""
    assert message in stores.run("drift", *words, code=64).stderr
