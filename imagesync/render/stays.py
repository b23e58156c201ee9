"""Images that are not current -> why they stay and until when, in words. Pure: the reader's clock is a parameter.

A plan holds no clock: what an image of this plan's own retirement says in days becomes a day here, an age a duration.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from imagesync.model.plan import Candidate, Fate, Kept
from imagesync.render.style import format_count, format_value

MAX_LISTED: Final = 10
"""Retired images that a plan lists one by one; more are listed in groups, and the JSON document has each."""

_FATES: Final = {
    Fate.PUBLISHED: "published by this plan",
    Fate.DROPPED: "dropped by this plan",
    Fate.WAITING: "the next apply publishes it",
    Fate.UNWANTED: "no longer wanted, the next apply drops it",
    Fate.REJECTED: "rejected, not published",
}


def describe_kept(kept: Kept, now: datetime | None) -> str:
    """``kept until 2027-02-21 (keep 1, 90 days)``."""
    if kept.protected:
        return "protected and stays, --allow-protected deletes it"
    if kept.keep == 0:
        return "kept until the next apply (keep 0)"
    if kept.days is None:
        return f"kept for good (keep {kept.keep})"
    rule = f"(keep {kept.keep}, {format_count(kept.days, 'day')})"
    until = kept.until or (_day_after(now, kept.days) if kept.retires and now else None)
    if until:
        return f"kept until {until} {rule}"
    since = "from its retirement on" if kept.retires else "since a day that is not known"
    return f"kept {since} {rule}"


def _day_after(now: datetime, days: int) -> str | None:
    try:
        return (now + timedelta(days=days)).date().isoformat()
    except OverflowError:
        return None


def kept_lines(kept: Sequence[Kept], now: datetime | None) -> Iterator[str]:
    """A line an image, or a line a group of them where there are many."""
    if not kept:
        return
    yield "Retired images that stay:"
    if len(kept) <= MAX_LISTED:
        width = max(len(one.key) for one in kept)
        yield from (f"  {one.key:<{width}}  {one.image_id}  {describe_kept(one, now)}" for one in kept)
        return
    groups: dict[str, list[str]] = {}
    for one in kept:
        groups.setdefault(describe_kept(one, now), []).append(one.key)
    for words, keys in sorted(groups.items()):
        named = ", ".join(dict.fromkeys(keys[:3]))
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        yield f"  {format_count(len(keys), 'image')} {words}: {named}{more}"


def candidate_lines(candidates: Sequence[Candidate], now: datetime | None) -> Iterator[str]:
    """A line a candidate: since when it is there, and what becomes of it."""
    if not candidates:
        return
    yield "Candidates:"
    width = max(len(one.key) for one in candidates)
    for one in candidates:
        age = _format_age(one.created, now)
        since = f"staged {format_value(one.created)}{age}"
        yield f"  {one.key:<{width}}  {one.image_id}  {since}, {_FATES[one.fate]}"


def _format_age(created: str, now: datetime | None) -> str:
    try:
        passed = now - datetime.fromisoformat(created) if now else None
    except (ValueError, TypeError):
        return ""
    if passed is None:
        return ""
    minutes = max(0, int(passed.total_seconds() // 60))
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= 2 * size:
            return f" ({minutes // size} {unit}s ago)"
    return f" ({format_count(minutes, 'minute')} ago)" if minutes else " (just now)"
