"""Which reviewed plan a target has, and when ``--reviewed`` is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.approval import Approval, ReviewedPlans, read_reviewed
from imagesync.cli.saved_plans import save_plan
from imagesync.errors import Diagnostic, UsageError
from imagesync.model.plan import Plan
from imagesync.model.targets import PlannedTarget
from tests.unit.factories import catalog, inventory, plan, spec

PLAN = replace(plan(catalog(spec("a")), inventory()), target_name="eu")
PROBLEM = Diagnostic("", 0, 0, "", "no answer")


def test_without_the_option_nothing_was_reviewed() -> None:
    """So no change is refused, and a question is asked."""
    assert Approval().find_reviewed("eu") is None
    assert not Approval().yes
    Approval().refuse_for_saved_plan()


def test_a_saved_plan_needs_no_review() -> None:
    """It is reviewed itself."""
    with pytest.raises(UsageError, match="--reviewed has no effect on a saved plan"):
        Approval(reviewed=Path("x")).refuse_for_saved_plan()


def test_the_plan_of_a_file_is_that_of_its_target_only(tmp_path: Path) -> None:
    """A place without a name is another one."""
    path = tmp_path / "plan.json"
    save_plan(PLAN, path)
    approval = Approval(reviewed=path)
    found = approval.find_reviewed("eu")
    assert found is not None
    assert found.steps == PLAN.steps
    path.unlink()
    assert approval.find_reviewed("eu") is found, "the file is read once"
    for name, words in (("us", "for target us"), (None, "for a place outside of the targets")):
        with pytest.raises(UsageError, match=words):
            approval.find_reviewed(name)
    save_plan(replace(PLAN, target_name=None), path)
    assert read_reviewed(path).find(None).steps == PLAN.steps


def test_a_refused_plan_and_one_with_problems_are_no_review() -> None:
    """The message says why."""
    planned: dict[str | None, PlannedTarget | Plan] = {
        "eu": PlannedTarget("eu", PLAN),
        "refused": PlannedTarget("refused", PLAN, refusals=("too many",)),
        "problem": PlannedTarget("problem", PLAN, problems=(PROBLEM,)),
        "dead": PlannedTarget("dead", None, problems=(PROBLEM,)),
    }
    plans = ReviewedPlans("plan.json", planned)
    assert plans.find("eu") is PLAN
    for name, why in (("refused", "too many"), ("problem", "no answer"), ("dead", "no answer"), ("us", "")):
        with pytest.raises(UsageError) as caught:
            plans.find(name)
        start = f"plan.json has no reviewed plan for target {name}"
        assert caught.value.message.startswith(f"{start}: " if why else start)
        assert why in caught.value.message
