"""``imagesync.targets.saved``: the plans of several targets as one file, and which of them are applied."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from imagesync.errors import Diagnostic, UsageError
from imagesync.model.catalog import UrlSource
from imagesync.model.plan import Plan
from imagesync.model.targets import PlannedTarget
from imagesync.planfile.reader import AGAIN
from imagesync.planfile.writer import encode_plan
from imagesync.targets.saved import (
    NotPlanned,
    decode_plans,
    encode_plans,
    explain_missing,
    find_withheld,
    is_several,
)
from tests.forging import fit_digest
from tests.unit.factories import catalog, inventory, plan, spec
from tests.unit.targets.scripted_carrier import plan_for

FOLDER = "/work/plans"
DEAD = Diagnostic("", 0, 0, "", "no answer", "check the network")
WRONG = Diagnostic("m.yaml", 3, 5, "images.a", "gone", "correct it")
EU, US = (replace(plan_for(name, "a"), base="/work/images") for name in ("eu", "us"))
NO_PLAN = Diagnostic("", 0, 0, "", "the file has no plan for it", AGAIN)


def write(*planned: PlannedTarget) -> Any:
    """The document of a file, as it is read back."""
    plans = {one.target: encode_plan(one.plan, tool="test", folder=FOLDER) for one in planned if one.plan is not None}
    return json.loads(json.dumps(encode_plans("base", planned, plans, tool="imagesync 1")))


def read(document: Any) -> tuple[str, tuple[PlannedTarget, ...]]:
    """The targets of a file in the folder."""
    return decode_plans(document, folder=FOLDER, display="p.json")


def test_the_targets_of_a_file_come_back_in_order() -> None:
    """With plan, wave, refusals and problems; a target may have no plan."""
    planned = (
        PlannedTarget("us", US, ("too many", "too old"), wave=2),
        PlannedTarget("dead", None, problems=(DEAD, WRONG), wave=1),
        PlannedTarget("eu", EU),
    )
    assert read(write(*planned)) == ("base", planned)


def test_a_file_says_what_made_it() -> None:
    """And has the document of each plan as it was given, or null."""
    document = write(PlannedTarget("eu", EU, wave=4), PlannedTarget("us", None, problems=(DEAD,)))
    assert (document["tool"], document["catalog"], document["format_version"]) == ("imagesync 1", "base", 1)
    assert [(one["target"], one["wave"]) for one in document["targets"]] == [("eu", 4), ("us", 0)]
    assert [one["plan"] for one in document["targets"]] == [encode_plan(EU, tool="test", folder=FOLDER), None]
    assert document["digest"] == json.loads(fit_digest(document))["digest"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [({"targets": []}, True), ({"target": {}}, False), ({}, False), (["targets"], False), ("targets", False)],
)
def test_a_file_of_several_plans_has_targets(document: object, *, expected: bool) -> None:
    """A file of one plan has one target; other JSON is neither."""
    assert is_several(document) == expected


WHOLE = write(PlannedTarget("eu", EU), PlannedTarget("us", US))


def forge(change: Callable[[Any], object]) -> Any:
    """The file of two targets after a change, with digests that fit."""
    copy = json.loads(json.dumps(WHOLE))
    change(copy)
    for one in copy["targets"]:
        one["plan"] = one["plan"] and json.loads(fit_digest(one["plan"]))
    return json.loads(fit_digest(copy))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (forge(lambda d: d.update(format_version=2)), "p.json has format_version 2; this imagesync reads 1"),
        (forge(lambda d: d.pop("format_version")), "p.json has format_version null; this imagesync reads 1"),
        (forge(lambda d: d.update(more=1)), "p.json is not a saved plan: the document does not match the schema"),
        (forge(lambda d: d.update(targets=[])), "p.json is not a saved plan: "),
        (forge(lambda d: d["targets"][1].update(wave=-1)), "p.json is not a saved plan: targets.1.wave"),
        ({**WHOLE, "tool": "x"}, "p.json was altered after it was made: its digest does not match its content"),
        (
            {**WHOLE, "targets": WHOLE["targets"][:1]},
            "p.json was altered after it was made: its digest does not match its content",
        ),
        (
            forge(lambda d: d["targets"].append(d["targets"][0])),
            "p.json is not a saved plan: target eu is there twice",
        ),
        (
            forge(lambda d: d["targets"].append({**d["targets"][1], "plan": None})),
            "p.json is not a saved plan: target us is there twice",
        ),
        (
            forge(lambda d: d["targets"][1].update(target="x")),
            "p.json is not a saved plan: target x has the plan of another",
        ),
        (forge(lambda d: d.update(catalog="x")), "p.json is not a saved plan: target eu has the plan of another"),
        (
            forge(lambda d: d["targets"][1]["plan"].update(catalog="x")),
            "p.json is not a saved plan: target us has the plan of another",
        ),
        (
            forge(lambda d: d["targets"][1]["plan"]["manifest"].update(target=None)),
            "p.json is not a saved plan: target us has the plan of another",
        ),
        (
            forge(lambda d: d["targets"][1]["plan"]["summary"].update(create=9)),
            "p.json, target us, is not a saved plan: its summary does not match its steps",
        ),
    ],
)
def test_a_file_that_is_not_valid_is_refused(document: Any, message: str) -> None:
    """Also if its digests fit; the error names the file, and the target if one is wrong."""
    with pytest.raises(UsageError) as caught:
        read(document)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == AGAIN


def test_a_plan_that_was_altered_inside_the_file_is_refused() -> None:
    """Its own digest is checked, too."""
    copy = json.loads(json.dumps(WHOLE))
    copy["targets"][0]["plan"]["tool"] = "x"
    with pytest.raises(UsageError, match=r"^p\.json, target eu, was altered after it was made: "):
        read(json.loads(fit_digest(copy)))


def plan_of(target: str, *urls: str) -> Plan:
    """A plan that creates an image from each URL, with the keys k0, k1 and so on."""
    specs = (spec(f"k{number}", source=UrlSource((url,))) for number, url in enumerate(urls))
    made = plan(catalog(*specs), inventory())
    return replace(made, target_name=target)


def test_the_withheld_urls_of_each_target_are_found() -> None:
    """Of every target that has a plan; one without secrets has none."""
    document = write(
        PlannedTarget("eu", plan_of("eu", "https://x/a", "https://x/b?sig=1")),
        PlannedTarget("dead", None, problems=(DEAD,)),
        PlannedTarget("us", plan_of("us", "https://x/a")),
        PlannedTarget("ap", plan_of("ap", "https://me:it@x/a", "https://x/b?sig=1")),
    )
    assert find_withheld(document) == {"eu": {"k1"}, "us": set(), "ap": {"k0", "k1"}}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (PlannedTarget("eu", EU), ()),
        (PlannedTarget("eu", None), (NO_PLAN,)),
        (PlannedTarget("eu", EU, ("too many",)), (Diagnostic("", 0, 0, "", "too many", ""),)),
        (PlannedTarget("eu", None, ("too many",)), (Diagnostic("", 0, 0, "", "too many", ""),)),
        (
            PlannedTarget("eu", EU, ("too many", "too old")),
            (Diagnostic("", 0, 0, "", "too many", ""), Diagnostic("", 0, 0, "", "too old", "")),
        ),
        (PlannedTarget("eu", EU, problems=(DEAD, WRONG)), (DEAD, WRONG)),
        (PlannedTarget("eu", None, problems=(DEAD, WRONG)), (DEAD, WRONG)),
        (PlannedTarget("eu", EU, ("too many",), (WRONG,)), (WRONG,)),
        (PlannedTarget("eu", None, ("too many",), (WRONG,)), (WRONG,)),
    ],
)
def test_a_target_is_applied_only_without_problems_and_refusals(
    one: PlannedTarget, expected: tuple[Diagnostic, ...]
) -> None:
    """And if it has a plan. The problems come before the refusals, because these are about a plan that will change."""
    assert explain_missing(one) == expected


def test_the_error_of_a_target_without_a_plan_has_all_its_problems() -> None:
    """Whole for a report, and their messages as one sentence."""
    error = NotPlanned([DEAD, WRONG])
    assert error.problems == (DEAD, WRONG)
    assert (error.message, error.hint) == ("no answer; gone", "make the plans again")
