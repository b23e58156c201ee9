"""Which store a saved plan may name."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.plan_paths import check_store
from imagesync.errors import PlanRefused
from imagesync.model.image import Identity
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = plan(catalog(spec("a")), inventory())


@pytest.mark.parametrize("is_target_given", [False, True])
@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize(
    ("kind", "place", "is_near"),
    [
        ("store", "plans/store", True),
        ("store", "here/store", True),
        ("store", "elsewhere", False),
        ("glance", "elsewhere", True),
    ],
)
def test_a_store_elsewhere_is_opened_only_if_the_command_names_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    place: str,
    *,
    is_near: bool,
    allow_outside: bool,
    is_target_given: bool,
) -> None:
    """By a target, or by --allow-outside; below the plan or the working directory it needs no word."""
    for name in ("plans", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = replace(PLAN, target=Identity(kind, str(tmp_path / place), "p"))

    def check() -> None:
        check_store(made, tmp_path / "plans/plan.json", allow_outside=allow_outside, is_target_given=is_target_given)

    if is_near or allow_outside or is_target_given:
        check()
        return
    with pytest.raises(PlanRefused, match=f"to use it, pass --store {tmp_path}/elsewhere"):
        check()
