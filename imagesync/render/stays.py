"""Retired builds, candidates and expiries of a plan -> text. Pure: the reader's clock is a parameter.

A plan has no clock. So this module turns a number of days into a date, and a date into an age.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Final

from imagesync.model.image import parse_time
from imagesync.model.plan import Candidate, Fate, Kept, Plan
from imagesync.render.style import format_age, format_count, format_value
from imagesync.text import make_printable

MAX_LISTED: Final = 10
"""A plan lists at most this many retired builds, candidates or expiring images; ``--detail`` lists all."""
EXPIRY_DAYS: Final = 30
"""A plan announces the expiry of an image this many days before."""

_FATES: Final = {
    Fate.PUBLISHED: "published by this plan",
    Fate.DROPPED: "dropped by this plan",
    Fate.WAITING: "the next apply publishes it",
    Fate.UNWANTED: "no longer declared, the next apply drops it",
    Fate.REJECTED: "rejected, not published",
}


def describe_kept(kept: Kept, now: datetime | None) -> str:
    """``kept until 2027-02-21 (keep 1, 90 days)``."""
    if kept.protected:
        return "kept because it is protected (--allow-protected deletes it)"
    if kept.keep == 0:
        return "kept until the next apply (keep 0)"
    if kept.days is None:
        return f"kept without limit (keep {kept.keep})"
    rule = f"(keep {kept.keep}, {format_count(kept.days, 'day')})"
    until = kept.until or (_add_days(now, kept.days) if kept.retires and now else None)
    if until:
        return f"kept until {until} {rule}"
    since = "from its retirement" if kept.retires else "since an unknown day"
    return f"kept {since} {rule}"


def _add_days(now: datetime, days: int) -> str | None:
    try:
        return (now + timedelta(days=days)).date().isoformat()
    except OverflowError:
        return None


def list_kept(plan: Plan, now: datetime | None, *, whole: bool) -> Iterator[str]:
    """The retired builds that stay. Keys that the plan changes: one line a build, or a line for each group of many.

    Other keys: only their number, unless ``whole``.
    """
    kept = [one for one in plan.kept if not one.retires]
    touched = {step.action.key for step in plan.steps}
    listed = [one for one in kept if whole or one.key in touched]
    rest = len(kept) - len(listed)
    if not listed:
        yield from [f"Retired builds kept: {rest}."] if rest else []
        return
    yield "Retired builds kept:"
    if len(listed) <= MAX_LISTED or whole:
        width = max(len(one.key) for one in listed)
        yield from (f"  {one.key:<{width}}  {one.image_id}  {describe_kept(one, now)}" for one in listed)
    else:
        yield from _group_kept(listed, now)
    yield from [f"  and {rest} more, of keys that this plan does not change"] if rest else []


def _group_kept(kept: Sequence[Kept], now: datetime | None) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for one in kept:
        groups.setdefault(describe_kept(one, now), []).append(one.key)
    for words, keys in sorted(groups.items()):
        named = ", ".join(dict.fromkeys(keys[:3]))
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        yield f"  {format_count(len(keys), 'build')} {words}: {named}{more}"


def list_expiries(expires: Mapping[str, str], now: datetime | None, *, whole: bool) -> list[str]:
    """The images that expire within ``EXPIRY_DAYS``, sorted by day; all images with an expiry if ``whole``."""
    today = now.date() if now else None
    found = list[tuple[date, str]]()
    for key, day in expires.items():
        with suppress(ValueError):
            found.append((date.fromisoformat(day), key))
    soon = [(day, key) for day, key in sorted(found) if today and (whole or (day - today).days <= EXPIRY_DAYS)]
    if not (soon and today):
        return []
    width = max(len(key) for _, key in soon)
    lines = [
        f"  {make_printable(key):<{width}}  {day.isoformat()} ({_format_days((day - today).days)})" for day, key in soon
    ]
    more = len(lines) - MAX_LISTED
    if more > 0 and not whole:
        lines = [*lines[:MAX_LISTED], f"  and {more} more"]
    return ["Expiring:" if whole else f"Expiring within {EXPIRY_DAYS} days:", *lines]


def _format_days(days: int) -> str:
    return (
        "today" if days == 0 else f"in {format_count(days, 'day')}" if days > 0 else f"{format_count(-days, 'day')} ago"
    )


def list_candidates(candidates: Sequence[Candidate], now: datetime | None, *, whole: bool = True) -> Iterator[str]:
    """One line for each candidate: its age and its fate. Many candidates, unless ``whole``: one line for each fate.

    Candidates that wait or are rejected are all named, because the rows of the plan do not name them.
    """
    if not candidates:
        return
    yield "Candidates:"
    if len(candidates) > MAX_LISTED and not whole:
        yield from _group_candidates(candidates)
        return
    width = max(len(one.key) for one in candidates)
    for one in candidates:
        age = _format_age(one.created, now)
        since = f"staged {format_value(one.created)}{age}"
        yield f"  {one.key:<{width}}  {one.image_id}  {since}, {_FATES[one.fate]}"


def _group_candidates(candidates: Sequence[Candidate]) -> Iterator[str]:
    for fate in Fate:
        keys = [one.key for one in candidates if one.fate is fate]
        listed = keys[:3] if fate in (Fate.PUBLISHED, Fate.DROPPED) else keys
        more = f" and {len(keys) - len(listed)} more" if len(keys) > len(listed) else ""
        if keys:
            words = _FATES[fate].replace(" it", " them") if len(keys) > 1 else _FATES[fate]
            yield f"  {len(keys)} {words}: {', '.join(listed)}{more}"


def _format_age(created: str, now: datetime | None) -> str:
    age = format_age(parse_time(created), now) if now else ""
    return f" ({age})" if age else ""
