"""A user changes an image just before a request that writes to it, in an apply with every kind of step: for every such
request.

imagesync does not write to an image that has lost its marker, and does not delete it. The guard cannot prevent three
things, which are tried as well. First, a request without a guard (data, members, status, DELETE) that was already sent
is saved, once. Second, an update by an admin of an image that was just given to another project is saved, and the
admin's run takes it back. Third, the service may save another user's update, which is kept.
"""

from typing import Any

import pytest

from tests.fault.by_hand import CHANGES, DISOWNING, SPOTS, Disturbed, Hand, Hit, list_saved, read
from tests.fault.proxied_workspace import ProxiedWorkspace
from tests.fault.scenario import AFTER
from tests.trials import note

GIVEN = "given to another project"
HIDING = ("hidden or shown", "deleted", "renamed")
"""Changes after which users do not find the image by the name of its key."""
KEPT = ("hidden or shown", "given another role", "deactivated")
"""Changes that the next apply keeps: the manifest does not declare ``hidden``; a deactivated candidate is rejected; and
a hidden image to which a user gave the role of the current image counts as current if its key has no visible image."""
STANDING = {"deactivated", "reactivated", "replaced", "shared", "updated"}
"""Keys that have a visible image before and after the apply."""
USUAL = [
    ("catalog removed", "publish"),
    (GIVEN, "retire"),
    ("renamed", "first"),
]
"""Tried in each run of the suite. The others are tried with ``--exhaustive``."""
TRIALS = [
    pytest.param(
        change, spots, marks=() if (change, spots) in USUAL else (pytest.mark.exhaustive, pytest.mark.by_turns)
    )
    for change in CHANGES
    for spots in SPOTS
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("change", "spots"), TRIALS)
def test_an_image_that_is_changed_just_before_a_request(workspace: ProxiedWorkspace, change: str, spots: str) -> None:
    """imagesync writes to no foreign image and deletes none, each key has a visible image, and the next apply converges
    or reports why it does not."""
    beginning = workspace.prepare()
    disturbed = Hand(workspace, beginning, change, SPOTS[spots]).apply()
    assert {hit.spot for hit in disturbed.hits} == set(SPOTS[spots])
    for hit in disturbed.hits:
        check_image(workspace, disturbed, hit, change)
    check_visible(workspace, disturbed, change)
    check_next(workspace, disturbed, change)


def check_image(workspace: ProxiedWorkspace, disturbed: Disturbed, hit: Hit, change: str) -> None:
    """Check what the apply did to one image after the change."""
    saved, after = disturbed.saved[hit.image_id], read(workspace.cloud.http("admin"), hit.image_id)
    point = f"{change} before {hit.spot}, {hit.call.kind}: saved {saved}\n{disturbed.result.stdout}"
    label = hit.spot[0]
    if change not in DISOWNING:
        expected = label in ("removed", "replaced (retired)") or change == "deleted"
        assert after is not None or expected or is_own_record(hit), point
        note(
            f"an image {change} by hand just before a request that writes to it", "nothing lost; reported or converged"
        )
        return
    if not hit.call.kind.startswith("DELETE /images/ID") or after is not None:  # a deleted image has nothing to report
        assert disturbed.result.code == 1, point
        assert hit.image_id in disturbed.result.stdout, point
    if hit.call.method == "PATCH" and hit.spot != ("replaced (new)", 0):
        assert len(saved) in ((0, 2) if change == GIVEN else (0,)), point
        assert find_differences(hit.changed, after) == [], point
        outcome = "nothing saved" if not saved else "saved by an admin, and reverted"
    else:
        assert len(saved) <= 1, point
        outcome = "only the request that was already sent"
    note(f"an image released by hand ({change}) just before {hit.call.kind}", outcome)


def is_own_record(hit: Hit) -> bool:
    """Whether this run made the image and has not published it yet."""
    return hit.changed is not None and hit.changed.get("imagesync_role") == "staging"


def find_differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """Names of fields and properties that differ, except for the guard and the time of the last update."""
    first, second = before or {}, after or {}
    names = {name for name in {*first, *second} if not name.startswith("imagesync_rev_") and name != "updated_at"}
    return sorted(name for name in names if first.get(name) != second.get(name))


def check_visible(workspace: ProxiedWorkspace, disturbed: Disturbed, change: str) -> None:
    """Each key that had a visible image has one, except for those whose image the user hid, deleted or renamed."""
    found = {image["name"] for image in workspace.cloud.http("admin").images() if not image["os_hidden"]}
    hit = {str(hit.spot[0]) for hit in disturbed.hits} if change in HIDING else set()
    assert STANDING - hit <= found, (sorted(map(str, found)), disturbed.result)


def check_next(workspace: ProxiedWorkspace, disturbed: Disturbed, change: str) -> None:
    """The next apply makes the images as declared, or names what prevents it. It leaves foreign images as they are."""
    ids = [hit.image_id for hit in disturbed.hits]
    workspace.cloud.forget_requests()
    result = workspace.apply()
    assert "Traceback" not in result.stderr, result
    if change in DISOWNING:
        assert [list_saved(workspace.cloud.requests(), image_id) for image_id in ids] == [[]] * len(ids), result
    if result.code == 0:
        ours = [image for image in workspace.live() if image.get("imagesync_catalog") == "base"]
        visible = {image["name"] for image in ours if not image["os_hidden"] and image["imagesync_role"] == "current"}
        kept = {hit.spot[0].removesuffix(" (new)") for hit in disturbed.hits} if change in KEPT else set()
        assert set(AFTER) - kept <= visible, (sorted(visible), disturbed.result, result)
        assert "No changes" in workspace.apply().stdout
    else:
        assert result.code == 1, result
        assert any(image_id in result.stderr for image_id in ids), result
