"""A text with a marker -> the one comment, or the one issue, that has it and that the token's own user wrote. Network.

A marker is public text that every user can copy. So a comment or an issue of another author is never changed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from imagesync.forges.base import Comment, Forge, Issue, Request

Entry = TypeVar("Entry", Comment, Issue)

END: Final = "<!-- imagesync run -->"
"""Hidden text between a text and its last line, which names the run."""
_AGE: Final = re.compile(r"[`*_ ]*\((?:just now|[0-9]+ (?:minute|hour|day)s? ago)\)")


class Outcome(Enum):
    """What became of a comment or an issue."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    CLOSED = "closed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Posted:
    """``number``: of the request or the issue, 0 if there is none. The others: of a new one, as the forge reports it."""

    outcome: Outcome
    number: int
    author: str = ""
    has_label: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """A text of imagesync. ``marker``: its first line; ``last``: the line that names the run."""

    marker: str
    body: str
    last: str

    @property
    def whole(self) -> str:
        """The text as the forge gets it."""
        return "\n\n".join(part for part in (f"{self.marker}\n\n{self.body.strip()}", END, self.last) if part)


def post_comment(forge: Forge, request: Request, text: Text, author: str) -> Posted:
    """Write the comment of this marker, or replace its text if that differs."""
    found = _find_own(forge.list_comments(request.number), text, author)
    if found is None:
        made = forge.add_comment(request.number, text.whole)
        return Posted(Outcome.CREATED, request.number, made.author)
    if _normalize(found.text) == _normalize(text.whole):
        return Posted(Outcome.UNCHANGED, request.number)
    forge.replace_comment(request.number, found.id, text.whole)
    return Posted(Outcome.UPDATED, request.number)


def keep_issue(forge: Forge, title: str, text: Text, author: str) -> Posted:
    """Open the issue of this marker, or replace its description. Only a change of the text adds a comment.

    A new description informs no user, but a comment does: an issue about the same drift must not do that each night.
    """
    found = _find_own(forge.list_issues(), text, author)
    if found is None:
        made = forge.open_issue(title, text.whole)
        return Posted(Outcome.CREATED, made.number, made.author, made.has_label)
    if _normalize(found.text) == _normalize(text.whole):
        return Posted(Outcome.UNCHANGED, found.number)
    forge.replace_issue(found.number, text.whole)
    if _drop_times(found.text) == _drop_times(text.whole):
        return Posted(Outcome.UNCHANGED, found.number)
    forge.comment_issue(found.number, f"The result has changed. The description above shows it.\n\n{text.last}".strip())
    return Posted(Outcome.UPDATED, found.number)


def close_issue(forge: Forge, text: Text, author: str) -> Posted:
    """Close the open issue of this marker, with a comment; do nothing if there is none."""
    found = _find_own(forge.list_issues(), text, author)
    if found is None:
        return Posted(Outcome.NONE, 0)
    forge.close_issue(found.number)
    forge.comment_issue(found.number, f"The last run found no drift.\n\n{text.last}".strip())
    return Posted(Outcome.CLOSED, found.number)


def _find_own(entries: Iterable[Entry], text: Text, author: str) -> Entry | None:
    """The first entry of this author whose first line is the marker."""
    return next(
        (one for one in entries if one.author == author and _normalize(one.text).partition("\n")[0] == text.marker),
        None,
    )


def _normalize(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _drop_times(text: str) -> str:
    """A text without its last line, and without ages, which differ in each run."""
    return _AGE.sub("", _normalize(text).rpartition(END)[0])
