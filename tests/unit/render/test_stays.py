"""The lines on superseded images that stay."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from imagesync.model.catalog import Status
from imagesync.model.plan import Candidate, Deactivate, Fate, Kept, Plan, Reason
from imagesync.planning.steps import make_step
from imagesync.render.stays import EXPIRY_DAYS, MAX_LISTED, describe_kept, list_candidates, list_expiries, list_kept
from imagesync.render.style import Detail
from imagesync.render.text import format_plan
from tests.unit.factories import NOW, TARGET, candidate, catalog, inventory, live, plan, retired, spec


def test_retired_builds_of_images_that_do_not_change_are_counted() -> None:
    """The text has their number; with all details each, as the document."""
    keys = [f"k{number:02}" for number in range(12)]
    images = [live(spec(key), f"{key}-now", generation=2) for key in keys]
    images += [retired(spec(key, "b"), f"{key}-old") for key in keys]
    made = plan(catalog(*map(spec, keys)), inventory(*images))
    assert "Retired builds kept: 12.\n" in format_plan(made)
    assert "k00-old  kept without limit (keep 1)" in format_plan(made, detail=Detail.WHOLE)
    assert len(made.kept) == 12


@pytest.mark.parametrize(("number", "lines"), [(MAX_LISTED, 1 + MAX_LISTED), (MAX_LISTED + 1, 2)])
def test_so_many_retired_builds_are_listed_one_by_one(number: int, lines: int) -> None:
    """Of images that change; more of them are a line a group, and others are counted."""
    keys = [f"k{index}" for index in range(number)]
    steps = tuple(make_step(Deactivate(key, "i"), Reason.DRIFT) for key in keys)
    made = Plan("base", TARGET, steps, kept=tuple(Kept(key, "i", 1) for key in keys))
    assert len(list(list_kept(made, NOW, whole=False))) == lines
    assert len(list(list_kept(made, NOW, whole=True))) == number + 1
    other = replace(made, kept=(*made.kept, Kept("x", "i", 1)))
    assert list(list_kept(other, NOW, whole=False))[-1] == "  and 1 more, of keys that this plan does not change"


def test_a_rejected_candidate_is_listed_with_nothing_to_do() -> None:
    """No changes, and why."""
    rejected = candidate(spec("a", "b"), status=Status.DEACTIVATED)
    text = format_plan(plan(catalog(spec("a", "b")), inventory(live(spec("a")), rejected)))
    assert "  a  cand  staged 2026-11-01T00:00:00Z, rejected, not published" in text
    assert "Note: a: candidate cand was deactivated" in text
    assert text.endswith("No changes. 0 images match the manifest.")


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (Kept("a", "i", 1, None), "kept without limit (keep 1)"),
        (Kept("a", "i", 0, None), "kept until the next apply (keep 0)"),
        (Kept("a", "i", 0, 90, protected=True), "kept because it is protected (--allow-protected deletes it)"),
        (Kept("a", "i", 2, 90, until="2027-02-21"), "kept until 2027-02-21 (keep 2, 90 days)"),
        (Kept("a", "i", 2, 1, retires=True), "kept until 2026-11-24 (keep 2, 1 day)"),
        (Kept("a", "i", 2, 90), "kept since an unknown day (keep 2, 90 days)"),
    ],
)
def test_why_and_until_when_an_image_is_kept(kept: Kept, text: str) -> None:
    """Nothing that ends is called unlimited."""
    assert describe_kept(kept, NOW) == text


@pytest.mark.parametrize(
    ("passed", "age"),
    [
        (timedelta(seconds=-90), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=119, seconds=59), "119 minutes ago"),
        (timedelta(minutes=120), "2 hours ago"),
        (timedelta(hours=47, minutes=59), "47 hours ago"),
        (timedelta(hours=48), "2 days ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_the_age_of_a_candidate_has_two_digits_where_it_can(passed: timedelta, age: str) -> None:
    """Neither 1 hour for 119 minutes, nor 1 day for 47 hours."""
    (one,) = plan(catalog(spec("a", "b")), inventory(live(spec("a")), candidate(spec("a", "b")))).candidates
    created = (NOW - passed).isoformat()
    assert f"staged {created} ({age}), published by this plan" in "\n".join(
        list_candidates([replace(one, created=created)], NOW)
    )


@pytest.mark.parametrize("created", ["", "some day", "2026-11-01T00:00:00"])
def test_a_candidate_of_an_unknown_age_is_listed_without_one(created: str) -> None:
    """The service reports no time, or one without a zone."""
    (one,) = plan(catalog(spec("a", "b")), inventory(live(spec("a")), candidate(spec("a", "b")))).candidates
    text = "\n".join(list_candidates([replace(one, created=created)], NOW))
    assert " ago" not in text
    assert "published by this plan" in text


def test_many_candidates_are_a_line_a_fate() -> None:
    """Those that the rows of the plan show are counted; those that wait or were rejected are named."""
    fates = [Fate.PUBLISHED] * 9 + [Fate.WAITING] * 9
    found = [Candidate(f"k{number:02}", "i", "2026-11-01T00:00:00Z", fate) for number, fate in enumerate(fates)]
    lines = list(list_candidates(found, NOW, whole=False))
    assert lines == [
        "Candidates:",
        "  9 published by this plan: k00, k01, k02 and 6 more",
        "  9 the next apply publishes them: " + ", ".join(f"k{number:02}" for number in range(9, 18)),
    ]
    assert len(list(list_candidates(found, NOW, whole=True))) == 19


def test_many_candidates_that_are_published_are_only_named() -> None:
    """The hidden state and the name of a candidate were never visible to users."""
    keys = [f"k{number:02}" for number in range(40)]
    images = [live(spec(key), f"{key}-now") for key in keys] + [candidate(spec(key, "b"), f"{key}-new") for key in keys]
    text = format_plan(plan(catalog(*(spec(key, "b") for key in keys)), inventory(*images)), now=NOW, width=80)
    assert len(text.splitlines()) < 20
    assert "(staging)" not in text
    assert all(key in text for key in keys)


def test_of_many_images_that_expire_the_first_days_are_listed() -> None:
    """Those that expire tomorrow are not hidden behind the others; a wrong day of a record is left out."""
    days = {f"k{number:02}": f"2026-12-{28 - number:02}" for number in range(27)} | {"bad": "soon"}
    now = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    heading, *lines, more = list_expiries(days, now, whole=False)
    assert heading == f"Expiring within {EXPIRY_DAYS} days:"
    assert [line.split()[0] for line in lines] == [f"k{number}" for number in range(26, 26 - MAX_LISTED, -1)]
    assert lines[0].split(maxsplit=1)[1] == "2026-12-02 (in 1 day)"
    within = sum(
        (date.fromisoformat(day) - now.date()).days <= EXPIRY_DAYS for key, day in days.items() if key != "bad"
    )
    assert more == f"  and {within - MAX_LISTED} more"
    assert len(list_expiries(days, now, whole=True)) == 28
    assert list_expiries(days, None, whole=True) == []


@pytest.mark.parametrize(
    ("kept", "now", "text"),
    [
        (Kept("a", "i", 2, 90, retires=True), None, "kept from its retirement (keep 2, 90 days)"),
        (Kept("a", "i", 2, 10**9, retires=True), NOW, "kept from its retirement (keep 2, 1000000000 days)"),
        (Kept("a", "i", 2, 90, until="2027-01-02", retires=True), NOW, "kept until 2027-01-02 (keep 2, 90 days)"),
        (Kept("a", "i", 2, 90), None, "kept since an unknown day (keep 2, 90 days)"),
        (Kept("a", "i", 3, None, retires=True), NOW, "kept without limit (keep 3)"),
        (Kept("a", "i", 0, None, until="2027-01-02"), NOW, "kept until the next apply (keep 0)"),
        (Kept("a", "i", 2, 40, retires=True), NOW, "kept until 2027-01-02 (keep 2, 40 days)"),
        (
            Kept("a", "i", 3, 7, until="2027-01-02", protected=True),
            NOW,
            "kept because it is protected (--allow-protected deletes it)",
        ),
    ],
)
def test_the_rule_by_which_an_image_is_kept(kept: Kept, now: datetime | None, text: str) -> None:
    """Without a clock, or with a day that no calendar has, there is no date."""
    assert describe_kept(kept, now) == text


def make_kept(*keys: str, steps: str = "", **attrs: Any) -> Plan:
    """A plan that keeps images of these keys and has a step of each key of ``steps``."""
    kept = tuple(Kept(key, f"id-{at}", 1, **attrs) for at, key in enumerate(keys))
    return Plan("base", TARGET, tuple(make_step(Deactivate(key, "i"), Reason.DRIFT) for key in steps), kept=kept)


def test_the_lines_of_retired_builds() -> None:
    """Of keys that change; those that this plan retires are in its rows. Ids are below each other."""
    made = make_kept("a", "long", "b", "c", steps="ab")
    made = replace(made, kept=(*made.kept, Kept("a", "new", 1, retires=True)))
    rule = "kept without limit (keep 1)"
    assert list(list_kept(made, NOW, whole=False)) == [
        "Retired builds kept:",
        f"  a  id-0  {rule}",
        f"  b  id-2  {rule}",
        "  and 2 more, of keys that this plan does not change",
    ]
    assert list(list_kept(made, NOW, whole=True)) == [
        "Retired builds kept:",
        f"  a     id-0  {rule}",
        f"  long  id-1  {rule}",
        f"  b     id-2  {rule}",
        f"  c     id-3  {rule}",
    ]
    assert list(list_kept(make_kept("a", "b"), NOW, whole=False)) == ["Retired builds kept: 2."]
    for whole in (True, False):
        assert list(list_kept(make_kept("a", steps="a", retires=True), NOW, whole=whole)) == []


def test_many_retired_builds_are_a_line_for_each_rule() -> None:
    """Sorted by it, with three of its keys; a key with two builds is named once, but both are counted."""
    keys = [*"abcdefg", "a", "b"]
    made = make_kept(*keys, steps="abcdefgz")
    others = tuple(Kept("z", f"z{at}", 1, 9, until=f"2027-01-0{at}") for at in (2, 1, 2))
    assert list(list_kept(replace(made, kept=(*others, *made.kept)), NOW, whole=False)) == [
        "Retired builds kept:",
        "  1 build kept until 2027-01-01 (keep 1, 9 days): z",
        "  2 builds kept until 2027-01-02 (keep 1, 9 days): z",
        "  9 builds kept without limit (keep 1): a, b, c and 6 more",
    ]


EXPIRY_NOW = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)


def test_the_days_until_images_expire() -> None:
    """Thirty days are listed, one more is not; images of one day are sorted by key, and days that are over are first."""
    days = {"later": "2027-01-01", "b\x1b": "2026-12-31", "today": "2026-12-01", "a": "2026-12-31"}
    days |= {"past": "2026-11-30", "before": "2026-11-21", "bad": "2026-13-01"}
    soon = [
        "  before   2026-11-21 (10 days ago)",
        "  past     2026-11-30 (1 day ago)",
        "  today    2026-12-01 (today)",
        "  a        2026-12-31 (in 30 days)",
        "  b\\x1b  2026-12-31 (in 30 days)",
    ]
    lines = list_expiries(days, EXPIRY_NOW, whole=False)
    assert [line.split() for line in lines] == [
        *(line.split() for line in ("Expiring within 30 days:", *soon)),
    ]
    assert list_expiries({"a": "2026-12-31", "bcd": "2026-12-02"}, EXPIRY_NOW, whole=False) == [
        "Expiring within 30 days:",
        "  bcd  2026-12-02 (in 1 day)",
        "  a    2026-12-31 (in 30 days)",
    ]
    whole = list_expiries(days, EXPIRY_NOW, whole=True)
    assert (whole[0], len(whole), whole[-1].split()) == ("Expiring:", 7, ["later", "2027-01-01", "(in", "31", "days)"])
    assert list_expiries({"later": "2027-01-01"}, EXPIRY_NOW, whole=False) == []
    assert list_expiries({}, EXPIRY_NOW, whole=True) == []


@pytest.mark.parametrize("number", [MAX_LISTED, MAX_LISTED + 1])
def test_so_many_expiries_are_listed(number: int) -> None:
    """With all details every one."""
    days = {f"k{at:02}": "2026-12-02" for at in range(number)}
    lines = list_expiries(days, EXPIRY_NOW, whole=False)
    assert len(lines) == 1 + MAX_LISTED + (number > MAX_LISTED)
    assert (lines[-1] == "  and 1 more") is (number > MAX_LISTED)
    assert len(list_expiries(days, EXPIRY_NOW, whole=True)) == 1 + number


def test_each_candidate_has_its_fate() -> None:
    """One line each, ids below each other; without a clock there is no age."""
    keys = ("a", "long", "c", "d", "e")
    found = [
        Candidate(key, f"id-{key}", f"2026-11-2{at}T12:00:00Z", fate)
        for at, (key, fate) in enumerate(zip(keys, Fate, strict=True))
    ]
    assert list(list_candidates(found, NOW)) == [
        "Candidates:",
        "  a     id-a  staged 2026-11-20T12:00:00Z (3 days ago), published by this plan",
        "  long  id-long  staged 2026-11-21T12:00:00Z (2 days ago), dropped by this plan",
        "  c     id-c  staged 2026-11-22T12:00:00Z (24 hours ago), the next apply publishes it",
        "  d     id-d  staged 2026-11-23T12:00:00Z (just now), no longer declared, the next apply drops it",
        "  e     id-e  staged 2026-11-24T12:00:00Z (just now), rejected, not published",
    ]
    assert list(list_candidates(found[:1], None)) == [
        "Candidates:",
        "  a  id-a  staged 2026-11-20T12:00:00Z, published by this plan",
    ]
    assert list(list_candidates([], NOW)) == []


@pytest.mark.parametrize("number", [MAX_LISTED, MAX_LISTED + 1])
def test_so_many_candidates_have_a_line_each(number: int) -> None:
    """More only with all details."""
    found = [Candidate(f"k{at}", "i", "", Fate.DROPPED) for at in range(number)]
    assert len(list(list_candidates(found, NOW, whole=False))) == (2 if number > MAX_LISTED else 1 + number)
    assert len(list(list_candidates(found, NOW, whole=True))) == 1 + number


def test_groups_of_candidates_name_those_that_no_row_names() -> None:
    """In the order of the fates; a lone candidate is named in the singular."""
    fates = [Fate.REJECTED, Fate.UNWANTED, Fate.WAITING, *[Fate.DROPPED] * 4, *[Fate.REJECTED] * 4, Fate.PUBLISHED]
    found = [Candidate(f"k{at:02}", "i", "", fate) for at, fate in enumerate(fates)]
    assert list(list_candidates(found, NOW, whole=False)) == [
        "Candidates:",
        "  1 published by this plan: k11",
        "  4 dropped by this plan: k03, k04, k05 and 1 more",
        "  1 the next apply publishes it: k02",
        "  1 no longer declared, the next apply drops it: k01",
        "  5 rejected, not published: k00, k07, k08, k09, k10",
    ]
    more = [*found, Candidate("z", "i", "", Fate.UNWANTED)]
    assert "  2 no longer declared, the next apply drops them: k01, z" in list_candidates(more, NOW, whole=False)


def test_the_limits_of_the_lists() -> None:
    """So many lines a reader of a plan sees at most, and so many days before."""
    assert (MAX_LISTED, EXPIRY_DAYS) == (10, 30)
