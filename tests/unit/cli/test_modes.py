"""Options that make another plan, and options that contradict a plan."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesync.cli.modes import check_target, choose_maker, refuse_for_saved_plan, refuse_values
from imagesync.cli.options import Options
from imagesync.errors import UsageError
from imagesync.model.image import Identity
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import stage_plan
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())
STAGE: dict[str, Any] = {"stage": True, "discard": None}
DISCARD: dict[str, Any] = {"stage": False, "discard": "*"}
NEITHER: dict[str, Any] = {"stage": False, "discard": None}
REMOVALS = {"--destroy": Options(destroy=True), "--max-delete": Options(max_delete="0")}
REMOVALS |= {"--allow-protected": Options(allow_protected=True)}


def test_an_option_selects_the_plan() -> None:
    """Without one, it is that of apply."""
    assert choose_maker(Options(), **NEITHER) is make_plan
    assert choose_maker(Options(), **STAGE) is stage_plan
    assert choose_maker(Options(), stage=False, discard="web-*").keywords == {"keys": "web-*"}  # type: ignore[attr-defined]
    assert choose_maker(Options(drift_only=True), **NEITHER) is make_plan


@pytest.mark.parametrize(
    ("options", "mode", "message"),
    [
        (Options(), {"stage": True, "discard": ""}, "--stage and --discard-staged exclude each other"),
        (Options(drift_only=True), STAGE, "--stage and --drift-only exclude each other"),
        (Options(drift_only=True), DISCARD, "--discard-staged and --drift-only exclude each other"),
        (Options(reactivate=True), STAGE, "--reactivate has no effect with --stage"),
        (Options(reactivate=True), DISCARD, "--reactivate has no effect with --discard-staged"),
        *((options, STAGE, f"{word} has no effect with --stage") for word, options in REMOVALS.items()),
        *((options, DISCARD, f"{word} has no effect with --discard-staged") for word, options in REMOVALS.items()),
        *(
            (replace(options, drift_only=True), NEITHER, f"{word} has no effect with --drift-only")
            for word, options in REMOVALS.items()
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: Options, mode: dict[str, Any], message: str) -> None:
    """The message names both."""
    with pytest.raises(UsageError) as caught:
        choose_maker(options, **mode)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("options", "mode", "word"),
    [
        (Options(only=["a"]), NEITHER, "--only"),
        (Options(drift_only=True), NEITHER, "--drift-only"),
        (Options(reactivate=True), NEITHER, "--reactivate"),
        (Options(strict=True), NEITHER, "--strict"),
        (Options(no_source_check=True), NEITHER, "--no-source-check"),
        (Options(), STAGE, "--stage"),
        (Options(), {"stage": False, "discard": ""}, "--discard-staged"),
    ],
)
def test_no_option_changes_a_saved_plan(options: Options, mode: dict[str, Any], word: str) -> None:
    """Each must be given when the plan is made."""
    with pytest.raises(UsageError) as caught:
        refuse_for_saved_plan(options, **mode)
    assert caught.value.message == f"{word} cannot change a saved plan"
    refuse_for_saved_plan(Options(allow_protected=True, max_delete="3", jobs=2), **NEITHER)


@pytest.mark.parametrize("made_for", [None, "lab"])
@pytest.mark.parametrize("given", [None, "lab", "prod"])
def test_a_saved_plan_is_for_its_target(made_for: str | None, given: str | None) -> None:
    """Also a plan for no target of the manifest: a name would be another place."""
    made = replace(PLAN, target_name=made_for)
    if given in (None, made_for):
        check_target(made, Options(target=given))
        return
    with pytest.raises(UsageError, match=f"--target {given}: the plan was made for (target lab|no target)"):
        check_target(made, Options(target=given))


def test_a_saved_plan_is_for_its_store_or_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is the same by any path; whether a cloud is the same is known later."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "link").symlink_to("lab")
    stored = replace(PLAN, target=Identity("store", str(tmp_path / "lab"), "p"))
    for same in ("lab", "./lab", "link", str(tmp_path / "lab")):
        check_target(stored, Options(store=Path(same)))
    in_cloud = replace(PLAN, target=Identity("glance", str(tmp_path / "lab"), "p", label="eu"))
    check_target(in_cloud, Options(cloud="us"))
    for made, options, word in (
        (stored, Options(store=Path("other")), "--store other"),
        (stored, Options(cloud="eu"), "--cloud eu"),
        (in_cloud, Options(store=Path("lab")), "--store lab"),
    ):
        with pytest.raises(UsageError, match=f"{word}: the plan was made for"):
            check_target(made, options)


def test_what_to_do_instead_is_said() -> None:
    """Each refusal has its own remedy, with the words that the user wrote."""
    drift, keys = Options(drift_only=True), Options(only=["a"], strict=True)
    for refuse, message, hint in (
        (
            lambda: choose_maker(Options(), stage=True, discard="a"),
            "--stage and --discard-staged exclude each other",
            "run them one after the other",
        ),
        (lambda: choose_maker(drift, **STAGE), "--stage and --drift-only exclude each other", "pass one of them"),
        (
            lambda: choose_maker(Options(reactivate=True, destroy=True), **DISCARD),
            "--reactivate has no effect with --discard-staged, which changes no published image",
            "pass one of them",
        ),
        (
            lambda: choose_maker(replace(drift, destroy=True, allow_protected=True), **NEITHER),
            "--destroy has no effect with --drift-only, which removes no published image",
            "pass one of them",
        ),
        (
            lambda: refuse_for_saved_plan(keys, **DISCARD),
            "--only cannot change a saved plan",
            "pass it to plan: imagesync plan PATH --only -o PLAN.json",
        ),
        (
            lambda: refuse_values(Options(set_values=["a=b"])),
            "--set has no effect on this saved plan, because no manifest is read",
            "remove it",
        ),
        (
            lambda: check_target(replace(PLAN, target_name=None), Options(target="l\x1bb")),
            "--target l\\x1bb: the plan was made for no target of the manifest",
            "make a plan for that place, or remove the option",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            refuse()
        assert (caught.value.message, caught.value.hint) == (message, hint)
    refuse_values(Options())


def test_options_that_agree_with_a_plan_to_restore_drift_are_accepted() -> None:
    """It may reactivate images, and may have a limit of updates."""
    accepted = Options(drift_only=True, reactivate=True, max_update="3")
    assert choose_maker(accepted, **NEITHER) is make_plan
    removals = Options(destroy=True, max_delete="3", allow_protected=True, reactivate=True)
    assert choose_maker(removals, **NEITHER) is make_plan
    assert choose_maker(Options(max_update="1"), **STAGE) is stage_plan
