"""Which reviewed plan a target has, and when ``--reviewed`` is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from imagesync.cli.approval import Approval, ReviewedPlans, read_reviewed
from imagesync.cli.saved_plans import make_document, save_plan
from imagesync.errors import Diagnostic, UsageError
from imagesync.model.plan import Plan
from imagesync.model.targets import PlannedTarget
from imagesync.targets.saved import encode_plans
from imagesync.text import format_json
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
    with pytest.raises(UsageError) as caught:
        Approval(reviewed=Path("x")).refuse_for_saved_plan()
    assert str(caught.value) == (
        "--reviewed has no effect on a saved plan, which is applied exactly as it is; "
        "remove it, or pass the path of the manifests instead of the saved plan"
    )


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


def test_a_file_of_several_targets_has_a_review_for_each(tmp_path: Path) -> None:
    """Each with its own plan; the message names the file in printable characters."""
    us = replace(PLAN, target=replace(PLAN.target, location=str(tmp_path / "us")), target_name="us")
    planned = (PlannedTarget("eu", PLAN), PlannedTarget("us", us), PlannedTarget("ap", None, problems=(PROBLEM,)))
    documents = {one.target: make_document(one.plan, tmp_path) for one in planned if one.plan is not None}
    path = tmp_path / "plans\x1b.json"
    path.write_text(format_json(encode_plans("base", planned, documents, tool="test")))
    approval = Approval(reviewed=path)
    for one in (PLAN, us):
        found = approval.find_reviewed(one.target_name)
        assert found is not None
        assert (found.target_name, found.target.location, found.steps) == (
            one.target_name,
            one.target.location,
            one.steps,
        )
        assert found.base == PLAN.base
    for name, why in (("ap", ": no answer"), ("xx", "")):
        with pytest.raises(UsageError) as caught:
            approval.find_reviewed(name)
        assert caught.value.message == f"{tmp_path}/plans\\x1b.json has no reviewed plan for target {name}{why}"
        assert caught.value.hint == (
            "select the target of the reviewed plan, or review a new one: imagesync plan PATH -o PLAN.json"
        )
    altered = path.read_text().replace('"wave": 0', '"wave": 1', 1)
    path.write_text(altered)
    with pytest.raises(UsageError, match=r"plans.*was altered after it was made"):
        Approval(reviewed=path).find_reviewed("eu")
