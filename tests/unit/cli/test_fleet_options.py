"""The options of a run on a fleet: what they refuse, the settings of the run, and what the workers are asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.catalogs import load_catalogs_of
from imagesync.cli.fleet_options import (
    LOCK_TIMEOUT,
    FleetOptions,
    FleetRun,
    encode_reviewed,
    find_folder,
    make_order,
    name_worker,
)
from imagesync.cli.options import Locking, Options
from imagesync.cli.target_options import TargetChoice
from imagesync.errors import ManifestError, UsageError
from imagesync.model.catalog import Catalog
from imagesync.model.policy import Limit
from imagesync.run import Settings
from imagesync.version import __version__
from tests.unit.factories import catalog, inventory, plan, spec

FLEET, NONE = FleetOptions("tls://fleet.example"), FleetOptions()
SETTINGS = Settings(jobs=3, lock_timeout=7, unlock="imagesync unlock x")


def test_the_folder_of_certificates_is_that_of_the_option_or_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the home of the user."""
    monkeypatch.setenv("HOME", "/home/me")
    assert find_folder(Path("x")) == Path("x")
    assert find_folder(None) == Path("/home/me/.config/imagesync/fleet")


def test_a_worker_is_named_by_the_option_or_by_its_host_and_targets() -> None:
    """All targets, in the order of the command line."""
    assert name_worker("w1", "host", ["eu", "us"]) == "w1"
    assert name_worker(None, "host", ["us", "eu"]) == "host-us-eu"
    assert name_worker(None, "host", ["eu"]) == "host-eu"


def test_combinations_without_effect_are_refused() -> None:
    """Each with what to do; without an option nothing is."""
    NONE.check(is_several=False)
    NONE.check(is_several=True)
    FLEET.check(is_several=True)
    FleetOptions("tls://fleet.example", Path("x")).check(is_several=True)
    for options, is_several, message, hint in (
        (
            FleetOptions(tls=Path("x")),
            True,
            "--tls has no effect without --on",
            "remove it, or pass --on tls://HOST:PORT",
        ),
        (FLEET, False, "--on is for the targets of a manifest", "pass --all-targets, or --target several times"),
    ):
        with pytest.raises(UsageError) as caught:
            options.check(is_several=is_several)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_run_without_a_fleet_has_its_own_settings() -> None:
    """Whatever else is given."""
    assert NONE.adapt(SETTINGS, Locking(no_lock=True), stage=True, discard="a") is SETTINGS
    NONE.refuse_stage(stage=True, discard="a")
    NONE.refuse_for_saved_plan()


@pytest.mark.parametrize(("seconds", "expected"), [(None, LOCK_TIMEOUT), (60.1, 60.1), (500.0, 500.0)])
def test_a_run_on_a_fleet_waits_for_a_lost_worker(seconds: float | None, expected: float) -> None:
    """Longer than its lease lasts. All else is as without a fleet."""
    assert FLEET.adapt(SETTINGS, Locking(seconds), stage=False, discard=None) == replace(
        SETTINGS, lock_timeout=expected
    )
    assert LOCK_TIMEOUT == FleetRun().lock_timeout == 150


@pytest.mark.parametrize("seconds", [0.0, 59.5, 60.0])
def test_a_run_that_could_not_wait_for_a_lost_worker_is_refused(seconds: float) -> None:
    """The message has both times."""
    with pytest.raises(UsageError) as caught:
        FLEET.adapt(SETTINGS, Locking(seconds), stage=False, discard=None)
    assert caught.value.message == f"--lock-timeout {seconds:g} is too short for --on"
    assert caught.value.hint == "the lease of a lost worker lasts 60 s: pass more, or nothing"


def test_what_a_fleet_cannot_do_is_refused() -> None:
    """A run without a lease, of candidates, or of a saved plan."""
    with pytest.raises(UsageError) as caught:
        FLEET.adapt(SETTINGS, Locking(no_lock=True), stage=False, discard=None)
    assert caught.value.message == "--no-lock and --on exclude each other"
    assert caught.value.hint == "remove --no-lock: the lease makes a lost worker safe"
    for stage, discard, word in (
        (True, None, "--stage"),
        (False, "", "--discard-staged"),
        (False, "a", "--discard-staged"),
    ):
        with pytest.raises(UsageError) as caught:
            FLEET.adapt(SETTINGS, Locking(), stage=stage, discard=discard)
        assert (caught.value.message, caught.value.hint) == (
            f"{word} and --on exclude each other",
            f"run {word} without --on",
        )
    with pytest.raises(UsageError) as caught:
        FLEET.refuse_for_saved_plan()
    assert caught.value.message == "--on cannot apply a saved plan, because each worker makes its own plan"
    assert caught.value.hint == "pass the path of the manifests, and the saved plan to --reviewed"


MANIFEST = """\
version: 1
catalog: base
values: {x: "1"}
targets:
  eu: {store: /srv/eu}
  us: {store: /srv/us, only: [b]}
images:
  a: {source: none, name: "a ${x}"}
  b: {source: none}
"""


def load(path: Path, options: Options) -> dict[str, Catalog]:
    """The catalogs of all targets."""
    found = load_catalogs_of(path, replace(options, allow_outside=True), TargetChoice(all_targets=True))
    return {str(place.name): one for place, one in found.items() if isinstance(one, Catalog)}


def test_the_workers_are_asked_for_what_the_options_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option at its place; each run has its own id."""
    from imagesync.fleet.assignment import FleetOrder, Limits, ManifestTexts

    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "m.yaml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    options = Options(
        set_values=["x=2"],
        only=["b"],
        strict=True,
        source_hosts=["h"],
        min_source_rate=3,
        no_source_check=True,
        allow_outside=True,
        max_delete="3",
        max_update="10%",
        allow_protected=True,
        jobs=5,
    )
    run = FleetRun(61.0, "/plans", accepts_changes=True)
    order = make_order(Path("c/m.yaml"), options, load(Path("c/m.yaml"), options), run)
    texts = ManifestTexts(
        {"m.yaml": MANIFEST},
        "m.yaml",
        f"{tmp_path}/c",
        "c/",
        "/plans",
        {"x": "2"},
        ("b",),
        True,
        ("h",),
        3072,
        False,
        True,
    )
    limits = Limits(Limit(3, percent=False), Limit(10), allow_protected=True)
    assert order == FleetOrder(__version__, order.run, texts, limits, 5, 61.0, accepts_changes=True)
    other = make_order(Path("c/m.yaml"), options, {}, run)
    assert (len(order.run), len({order.run, other.run})) == (16, 2)


def test_without_options_the_workers_have_the_usual_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is named by a dot. Each permission is one of its own."""
    from imagesync.fleet.assignment import Limits, ManifestTexts

    (tmp_path / "m.yaml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    order = make_order(Path(), Options(), load(Path(), Options()), FleetRun(creates_stores=True))
    usual = {"min_rate": 65536, "asks_sources": True, "allow_outside": False}
    assert order.texts == ManifestTexts({"m.yaml": MANIFEST}, ".", str(tmp_path), "", "/", **usual)  # type: ignore[arg-type]
    assert (order.limits, order.jobs, order.lock_timeout) == (Limits(), 8, LOCK_TIMEOUT)
    assert (order.accepts_changes, order.creates_stores) == (False, True)
    for options, limits in (
        (Options(destroy=True), Limits(allow_destroy=True)),
        (Options(reactivate=True), Limits(reactivate=True)),
        (Options(drift_only=True), Limits(drift_only=True)),
        (Options(max_update="0"), Limits(max_update=Limit(0, percent=False))),
        (Options(max_delete="0"), Limits(max_delete=Limit(0, percent=False))),
    ):
        assert make_order(Path(), options, {}, FleetRun()).limits == limits
    assert make_order(tmp_path, Options(), {}, FleetRun()).texts.display == f"{tmp_path}/"


def test_what_only_this_host_has_is_a_problem_of_the_manifest(tmp_path: Path) -> None:
    """A relative store and a file of each target."""
    (tmp_path / "a.raw").write_bytes(b"x")
    text = MANIFEST.replace("/srv/us", "us").replace("b: {source: none}", "b: {source: a.raw, disk_format: raw}")
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        make_order(tmp_path, Options(), load(tmp_path, Options()), FleetRun())
    assert [one.where for one in caught.value.diagnostics] == ["targets.us.store", "images.b.source"]


def test_each_target_has_its_reviewed_plan_or_a_reason(tmp_path: Path) -> None:
    """A target without a plan needs none, as without ``--reviewed``."""
    made = replace(plan(catalog(spec("a")), inventory()), base=str(tmp_path))
    refused = UsageError("no reviewed plan", "review it")

    def find(target: str | None) -> object:
        if target == "us":
            raise refused
        return made if target == "eu" else None

    run = FleetRun(find_reviewed=find)  # type: ignore[arg-type]
    reviewed, missing = encode_reviewed(["ap", "us", "eu"], run)
    assert missing == {"us": refused}
    assert list(reviewed) == ["eu"]
    assert [step["key"] for step in reviewed["eu"]["steps"]] == ["a"]
    assert encode_reviewed(["eu", "us"], FleetRun()) == ({}, {})
    assert FleetRun().unlock("eu") == ""
