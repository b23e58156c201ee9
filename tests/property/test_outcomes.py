"""What is live after a plan, whatever was live before: as the manifest says, and nothing is left to do."""

from random import Random

import pytest

from imagesync.errors import PlanRefused
from imagesync.model.catalog import ImageSpec, Status
from imagesync.model.image import Inventory
from imagesync.model.plan import Plan
from imagesync.model.policy import Policy
from imagesync.planning.counting import find_vanishing_keys
from imagesync.planning.generations import group
from imagesync.planning.planner import make_plan
from tests.unit.factories import PROJECT, plan_input
from tests.unit.many_keys import draw_key, draw_policy, join_cases
from tests.unit.simulated import carry_out

ROUNDS = range(60)
KEYS = ("a", "b", "c", "d", "e", "f")
MAX_RUNS = 4


def can_be_used(found: Inventory, ids: set[str]) -> bool:
    """Whether users can use one of these images."""
    images = [image for image in (*found.owned, *found.foreign) if image.id in ids]
    return any(not image.hidden and image.status is Status.ACTIVE for image in images)


@pytest.mark.parametrize("number", ROUNDS)
def test_applying_ends(number: int) -> None:
    """After a few runs no step is left, and each key without a note is just as the manifest says."""
    random = Random(number)
    for policy in [draw_policy(random)]:
        for key in KEYS:
            case = draw_key(random, key)
            manifest, found = join_cases([case])
            try:
                made = make_plan(plan_input(manifest, found, policy))
            except PlanRefused:
                continue
            check_vanishing(made, found)
            runs = 0
            while made.steps:
                runs += 1
                assert runs <= MAX_RUNS, (case, made.steps)
                found = carry_out(made, found)
                made = make_plan(plan_input(manifest, found, policy))
            if case.wanted is not None and not policy.drift_only:
                check_outcome(case.wanted, made, found, policy)


def check_vanishing(made: Plan, found: Inventory) -> None:
    """The keys of which users lose every image are those that the executor counts on."""
    after = carry_out(made, found)
    before = {key: {owned.id for owned in one.current} for key, one in group(found.owned).items()}
    current = {key: {owned.id for owned in one.current} for key, one in group(after.owned).items()}
    lost = {
        key
        for key, ids in before.items()
        if can_be_used(found, ids) and not can_be_used(after, ids | current.get(key, set()))
    }
    assert find_vanishing_keys(made.steps, group(found.owned)) == lost


def check_outcome(wanted: ImageSpec, made: Plan, found: Inventory, policy: Policy) -> None:
    """What is declared is so, unless a note or the day says why not."""
    owned = group(found.owned)[wanted.key]
    if any(note.startswith(f"{wanted.key}: ") for note in made.notes) or wanted.expires == "2026-11-01":
        return
    (current,) = owned.current
    image = current.image
    declared = {
        name: getattr(wanted, name) for name in ("name", "visibility", "hidden", "protected", "min_ram", "status")
    }
    assert {name: getattr(image, name) for name, value in declared.items() if value is not None} == {
        name: value for name, value in declared.items() if value is not None
    }
    assert (image.owner, image.disk_format, image.container_format) == (wanted.owner or PROJECT, "raw", "bare")
    assert wanted.tags <= image.tags
    assert wanted.properties.items() <= image.properties.items()
    if wanted.members_declared:
        assert wanted.members <= {one.project for one in found.members.get(image.id, ())}
    assert (
        current.record.known.get("sha256", wanted.fingerprint.digests[0].value) == wanted.fingerprint.digests[0].value
    )
