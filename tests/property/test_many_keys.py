"""A plan of many keys is the plans of each key, put together; the order of images never matters."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import Catalog, ImageSpec, Visibility
from imagesync.model.plan import Fate, Plan, Reason, Update
from imagesync.model.policy import Policy
from imagesync.planning.adoption import pick_adoptable, request_adoption
from imagesync.planning.clashes import collect_questions, find_keys_without_image, find_shared_to_adopt
from imagesync.planning.context import PlanInput
from imagesync.planning.decisions import Make, Promote, decide
from imagesync.planning.generations import group
from imagesync.planning.planner import make_plan
from imagesync.planning.staging import discard_plan, stage_plan
from tests.honest import find_refusals
from tests.unit.factories import PROJECT, plan_input
from tests.unit.many_keys import KeyCase, draw_key, draw_policy, join_cases

KEYS = ("a", "b", "c", "d")
ROUNDS = range(24)
PLANNERS: dict[str, Callable[[PlanInput], Plan]] = {
    "apply": make_plan,
    "stage": stage_plan,
    "discard": lambda given: discard_plan(given, keys="*"),
}


def make_input(cases: list[KeyCase], policy: Policy, random: Random | None = None) -> PlanInput:
    """The input for a plan of these keys."""
    return plan_input(*join_cases(cases, random), policy)


def plan_or_refusals(planner: Callable[[PlanInput], Plan], given: PlanInput) -> Plan | tuple[str, ...]:
    """The plan, which every check of saved plans must accept; or the refusals."""
    try:
        made = planner(given)
    except PlanRefused as error:
        return error.refusals
    assert find_refusals(made, given.inventory) == []
    return made


def take_apart(made: Plan) -> dict[str, object]:
    """The content of a plan in a form in which plans can be added."""
    lists = ("steps", "relies", "absent", "removed", "changed", "notes", "kept", "candidates", "errors")
    found: dict[str, object] = {name: Counter(map(repr, getattr(made, name))) for name in lists}
    found |= {name: getattr(made, name) for name in ("wanted", "owned", "unchanged")}
    found["notes"] = Counter(repr(note) for note in made.notes if "with a new key" not in note)  # compares two keys
    return found | {name: dict(getattr(made, name)) for name in ("ids", "expires", "owners")}


def add_up(plans: list[Plan]) -> dict[str, object]:
    """The sum of plans."""
    total = take_apart(plans[0])
    for made in plans[1:]:
        for name, value in take_apart(made).items():
            total[name] = total[name] | value if isinstance(value, dict) else total[name] + value  # type: ignore[operator]
    return total


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize("number", ROUNDS)
def test_a_plan_of_many_keys_is_the_plans_of_each(number: int, name: str) -> None:
    """Each step, note, refusal, count and list of the whole comes from one key, and none is lost."""
    random = Random(number)
    policy = draw_policy(random, is_whole=name == "apply")
    drawn = [draw_key(random, key) for key in KEYS for _ in range(3)]
    alone = [plan_or_refusals(PLANNERS[name], make_input([case], policy)) for case in drawn]
    fine = {case.key: (case, made) for case, made in zip(drawn, alone, strict=True) if isinstance(made, Plan)}
    whole = plan_or_refusals(PLANNERS[name], make_input([case for case, _ in fine.values()], policy, random))
    assert isinstance(whole, Plan)
    assert not fine or take_apart(whole) == add_up([made for _, made in fine.values()])
    refused = {case.key: (case, made) for case, made in zip(drawn, alone, strict=True) if not isinstance(made, Plan)}
    if refused:
        assert plan_or_refusals(PLANNERS[name], make_input([case for case, _ in refused.values()], policy, random)) == (
            tuple(sorted({sentence for _, sentences in refused.values() for sentence in sentences}))
        )


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize("number", ROUNDS)
def test_the_order_of_images_does_not_matter(number: int, name: str) -> None:
    """A service may list them in any; the same state gives the same plan."""
    random = Random(number)
    policy = draw_policy(random, is_whole=name == "apply")
    drawn = [draw_key(random, key) for key in KEYS]
    sorted_first = plan_or_refusals(PLANNERS[name], make_input(drawn, policy))
    for _ in range(3):
        assert plan_or_refusals(PLANNERS[name], make_input(drawn, policy, random)) == sorted_first
    turned = make_input(drawn, policy, random)
    turned = replace(turned, catalog=replace(turned.catalog, images=turned.catalog.images[::-1]))
    found = plan_or_refusals(PLANNERS[name], turned)
    assert found == sorted_first


@pytest.mark.parametrize("number", ROUNDS)
def test_what_planning_asks_for_is_asked_for_each_key(number: int) -> None:
    """Names by project, ids, shared images, keys without an image."""
    random = Random(number)
    drawn = [draw_key(random, key) for key in KEYS]
    promoting = frozenset(random.sample(KEYS, 2))

    def ask(cases: list[KeyCase]) -> tuple[dict[str, set[str]], set[str], set[str], set[str], set[str]]:
        manifest, found = join_cases(cases, random)
        groups = group(found.owned)
        questions = collect_questions(manifest, found, groups, promoting)
        assert [questions.ids, questions.members] == [tuple(sorted(questions.ids)), tuple(sorted(questions.members))]
        assert all(names == tuple(sorted(set(names))) for names in questions.names.values())
        assert list(questions.names) == sorted(questions.names)
        shared = find_shared_to_adopt(manifest, found, groups)
        assert shared == tuple(sorted(shared))
        names = {owner: set(names) for owner, names in questions.names.items()}
        return (
            names,
            set(questions.ids),
            set(questions.members),
            set(shared),
            set(find_keys_without_image(manifest, groups)),
        )

    alone = [ask([case]) for case in drawn]
    names: dict[str, set[str]] = {}
    for one in alone:
        for owner, found in one[0].items():
            names.setdefault(owner, set()).update(found)
    assert ask(drawn) == (names, *(set().union(*(one[place] for one in alone)) for place in range(1, 5)))


def list_questions(
    spec: ImageSpec, given: PlanInput, promoting: frozenset[str]
) -> tuple[set[str], set[str], set[str], set[str]]:
    """What planning one key has to know, in plain words: names, ids, members of owned images, and of those to adopt."""
    found, groups = given.inventory, group(given.inventory.owned)
    generations = groups[spec.key]
    visible = {owned.image.name for owned in generations.current if not owned.image.hidden}
    names = set() if spec.hidden or spec.name in visible else {spec.name}
    ids = ({spec.id} if spec.id else set()) - {owned.id for owned in generations.every}
    ids |= {spec.adopt} if isinstance(spec.adopt, str) and not generations.current else set()
    decision = decide(spec, generations, None, "base", given.catalog.policy, project=PROJECT)
    near = [*generations.current, *(generations.retired if spec.key in promoting else ())]
    near += [decision.owned] if isinstance(decision, Promote) else []
    shared = {owned.id for owned in near if owned.image.visibility is Visibility.SHARED}
    known = {owned.id for owned in near if spec.members_declared or owned.record.managed.members}
    replaced = {owned.id for owned in generations.current} if isinstance(decision, Make) else set()
    adoptable = set()
    if spec.adopt and spec.members_declared and not generations.current:
        for image in found.foreign:
            is_named = image.name == spec.name and not image.hidden
            if image.owner == (spec.owner or PROJECT) and (
                image.id == spec.adopt if spec.adopt is not True else is_named
            ):
                adoptable |= {image.id} if image.visibility is Visibility.SHARED else set()
    return names, ids, shared & (known | replaced), adoptable


@pytest.mark.parametrize("number", range(60))
def test_what_planning_asks_for_one_key(number: int) -> None:
    """Nothing that it knows, and nothing of images that do not matter."""
    random = Random(number)
    for key in KEYS:
        for promoting in (frozenset({key}), frozenset[str]()):
            case = draw_key(random, key)
            given = make_input([case], draw_policy(random))
            groups = group(given.inventory.owned)
            queries = collect_questions(given.catalog, given.inventory, groups, promoting)
            shared = find_shared_to_adopt(given.catalog, given.inventory, groups)
            if case.wanted is None:
                assert (queries.names, queries.ids, queries.members, shared) == ({}, (), (), ())
                continue
            names, ids, members, adoptable = list_questions(case.wanted, given, promoting)
            assert queries.names == ({case.owner or PROJECT: tuple(names)} if names else {})
            assert (set(queries.ids), set(queries.members), set(shared)) == (ids, members, adoptable)
            lacks = not groups[key].current and not case.wanted.adopt
            assert find_keys_without_image(given.catalog, groups) == ({key} if lacks else set())


@pytest.mark.parametrize("number", ROUNDS)
def test_what_can_be_adopted_of_many_keys_is_what_can_be_adopted_of_each(number: int) -> None:
    """Keys that own an image are left out; the others are adopted, have a warning, or are refused."""
    random = Random(number)
    drawn = [draw_key(random, key) for key in KEYS]

    def pick(cases: list[KeyCase]) -> Catalog | tuple[str, ...]:
        manifest, found = join_cases(cases, random)
        try:
            return pick_adoptable(request_adoption(manifest), found)
        except PlanRefused as error:
            return error.refusals

    alone = {case.key: (case, pick([case])) for case in drawn}
    refused = [(case, found) for case, found in alone.values() if not isinstance(found, Catalog)]
    if refused:
        assert pick([case for case, _ in refused]) == tuple(sorted(one for _, found in refused for one in found))
    fine = {key: (case, found) for key, (case, found) in alone.items() if isinstance(found, Catalog)}
    whole = pick([case for case, _ in fine.values()])
    assert isinstance(whole, Catalog)
    picked = [key for key, (_, found) in fine.items() if found.images]
    assert (whole.only, [spec.key for spec in whole.images]) == (tuple(picked) or ("",), picked)
    assert whole.warnings == tuple(sorted(one for _, found in fine.values() for one in found.warnings))
    for key, (case, found) in fine.items():
        assert isinstance(found, Catalog)
        assert not (case.owned and (found.images or found.warnings)), key
        if case.wanted is not None and not case.owned:
            assert bool(found.images) is not bool(found.warnings)
        if found.images:
            made = make_plan(plan_input(found, join_cases([case])[1], Policy()))
            assert [step.reason for step in made.steps if isinstance(step.action, Update)] == [Reason.ADOPT]


def test_every_kind_of_state_is_among_the_keys() -> None:
    """The keys are drawn at random: each kind of step, reason and refusal has to be there."""
    seen: Counter[str] = Counter()
    for number in ROUNDS:
        random = Random(number)
        policy = draw_policy(random)
        for case in (draw_key(random, key) for key in KEYS for _ in range(3)):
            made = plan_or_refusals(make_plan, make_input([case], policy))
            if isinstance(made, Plan):
                seen.update(f"{type(step.action).__name__} {step.reason.value}" for step in made.steps)
                seen.update(candidate.fate.value for candidate in made.candidates)
                seen["kept"] += len(made.kept)
            else:
                seen["refused"] += 1
    assert {"refused", "kept", Fate.DROPPED, Fate.PUBLISHED} <= set(seen)
    assert {f"Create {one}" for one in ("new", "content-changed", "incomplete")} <= set(seen)
    assert {f"Delete {one}" for one in ("deleting", "discarded", "superseded", "expired", "removed")} <= set(seen)
    reasons = ("superseded", "manifest-changed", "duplicate", "adopt", "rollback", "staged", "drift")
    assert {f"Update {one}" for one in reasons} <= set(seen)
