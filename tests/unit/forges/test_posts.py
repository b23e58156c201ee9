"""The one comment and the one issue of a marker, on both forges: found again, replaced, and never those of others."""

from dataclasses import replace

import pytest

from imagesync.errors import ForgeError
from imagesync.forges.base import Forge, Request
from imagesync.forges.posts import END, Outcome, Text, close_issue, keep_issue, post_comment
from imagesync.forges.wire import MAX_RESPONSE_BYTES
from tests.forge import SHA, ForgeDouble

MARKER = "<!-- imagesync base eu -->"
TEXT = Text(MARKER, "\nThe plan (3 minutes ago).\n", "Commit `1`")
WHOLE = f"{MARKER}\n\nThe plan (3 minutes ago).\n\n{END}\n\nCommit `1`"
REQUEST = Request(3, SHA, "")
GITHUB, GITLAB = "github-actions[bot]", "project_7_bot"


class ForgeSide:
    """One forge: its client, and what the double has."""

    def __init__(self, double: ForgeDouble, name: str) -> None:
        self._double, self._is_github = double, name == "github"
        self.forge: Forge = double.open_github() if self._is_github else double.open_gitlab(3)
        self.author = GITHUB if self._is_github else GITLAB
        self.state = double.github if self._is_github else double.gitlab
        double.add_pull(3)
        double.add_merge_request(3)
        self.comments = self.state["comments" if self._is_github else "notes"]
        self.issues = self.state["issues"]

    def add_comment(self, body: str, author: str = "", request: int = 3) -> None:
        """A comment; without an author, one of the token."""
        entry = {"id": len(self.comments) + 1, "request": request, "author": author or self.author, "body": body}
        self.comments.append(entry)

    def add_issue(self, text: str, author: str = "", *, is_open: bool = True, label: str = "imagesync") -> None:
        """An issue; without an author, one of the token."""
        number = len(self.issues) + 1
        plain = {"title": "t", "author": author or self.author, "labels": [label]}
        if self._is_github:
            self.issues.append({"number": number, "state": "open" if is_open else "closed", "body": text, **plain})
        else:
            state = "opened" if is_open else "closed"
            self.issues.append({"iid": number, "state": state, "description": text, **plain})

    def read_comments(self) -> list[str]:
        """The texts of all comments."""
        return [one["body"] for one in self.comments]

    def read_issues(self) -> list[tuple[str, str]]:
        """State and description of all issues."""
        field = "body" if self._is_github else "description"
        return [(one["state"].removesuffix("ed"), one[field]) for one in self.issues]

    def read_issue_comments(self) -> list[str]:
        """The texts of all comments of issues."""
        return [one["body"] for one in self.state["comments" if self._is_github else "issue_notes"]]

    def read_query(self, name: str) -> str:
        """A parameter of the last request that has it."""
        return str(next(one["query"][name] for one in reversed(self._double.state["requests"]) if name in one["query"]))

    @property
    def writes(self) -> list[str]:
        """The requests that change something."""
        return self._double.writes


@pytest.fixture(params=["github", "gitlab"])
def side(request: pytest.FixtureRequest, double: ForgeDouble) -> ForgeSide:
    """Each forge."""
    return ForgeSide(double, request.param)


def post(side: ForgeSide, text: Text = TEXT) -> Outcome:
    """What became of the comment."""
    return post_comment(side.forge, REQUEST, text, side.author).outcome


def keep(side: ForgeSide, text: Text = TEXT) -> Outcome:
    """What became of the issue."""
    return keep_issue(side.forge, "title", text, side.author).outcome


def test_a_comment_is_written_once_and_then_replaced(side: ForgeSide) -> None:
    """The same text is not written again."""
    assert [post(side), post(side)] == [Outcome.CREATED, Outcome.UNCHANGED]
    assert len(side.writes) == 1
    assert side.read_comments() == [WHOLE]
    assert post(side, replace(TEXT, last="Commit `2`")) is Outcome.UPDATED
    assert side.read_comments() == [WHOLE.replace("`1`", "`2`")]
    assert post(side, replace(TEXT, marker="<!-- imagesync base us -->")) is Outcome.CREATED
    assert len(side.comments) == 2


def test_the_author_is_what_the_forge_reports(side: ForgeSide) -> None:
    """It may differ from the name that was expected."""
    assert post_comment(side.forge, REQUEST, TEXT, "another").author == side.author
    assert keep_issue(side.forge, "title", TEXT, "another").author == side.author


def test_line_ends_of_the_forge_are_no_change(side: ForgeSide) -> None:
    """Some clients write CRLF."""
    side.add_comment(WHOLE.replace("\n", "\r\n") + "\r\n")
    assert post(side) is Outcome.UNCHANGED


def test_a_comment_of_another_user_is_never_changed(side: ForgeSide) -> None:
    """Each user can copy the marker. A deleted user has no name."""
    for author in ("eve", f"{side.author}2", side.author.upper(), "x"):
        side.add_comment(WHOLE, author)
    side.comments[-1]["author"] = ""
    before = side.read_comments()
    assert post(side, replace(TEXT, body="new")) is Outcome.CREATED
    assert side.read_comments()[:4] == before
    assert post(side, replace(TEXT, body="newer")) is Outcome.UPDATED
    assert side.read_comments()[:4] == before


@pytest.mark.parametrize(
    "body",
    [
        f"quoting {MARKER}",
        f"> {MARKER}",
        f"{MARKER} more\n",
        f"text\n{MARKER}\n",
        "<!-- imagesync base eu-2 -->\n",
        "<!-- imagesync-drift base eu -->\n",
        "<!-- imagesync base * -->\n",
        "",
    ],
)
def test_only_a_text_that_begins_with_the_marker_is_replaced(side: ForgeSide, body: str) -> None:
    """The own user may quote it, or have other comments."""
    side.add_comment(body)
    assert post(side) is Outcome.CREATED
    assert side.read_comments() == [body, WHOLE]


def test_the_comment_is_found_among_a_thousand(side: ForgeSide) -> None:
    """On the last page."""
    for number in range(1000):
        side.add_comment(f"{MARKER}\n{number}", "eve")
    side.add_comment(f"{MARKER}\nold")
    assert post(side) is Outcome.UPDATED
    assert side.read_comments()[-1] == WHOLE
    assert len(side.comments) == 1001


def test_long_comments_of_others_do_not_stop_a_run(side: ForgeSide) -> None:
    """A page of the longest ones is within the limit of a response, also if each character is an escape of six bytes."""
    for _ in range(3):
        side.add_comment("\u0001" * side.forge.max_chars, "eve")
    assert post(side) is Outcome.CREATED
    size = int(side.read_query("per_page"))
    assert size * side.forge.max_chars * len(r"\u0001") < MAX_RESPONSE_BYTES


def test_a_list_that_cannot_be_read_writes_nothing(side: ForgeSide, double: ForgeDouble) -> None:
    """A second comment would be written if it counted as empty."""
    side.add_comment(f"{MARKER}\nold")
    double.add_fault("(comments|notes)", 200, body='{"message": "hello"}')
    with pytest.raises(ForgeError, match="is not a list"):
        post(side)
    assert side.writes == []


@pytest.mark.parametrize("age", ["just now", "1 minute ago", "26 hours ago", "1 day ago", "40 days ago"])
def test_an_issue_is_opened_once_and_follows_the_drift(side: ForgeSide, age: str) -> None:
    """Only a change of the drift adds a comment, which informs users. The age of an update may differ."""
    assert keep(side) is Outcome.CREATED
    later = replace(TEXT, body=f"The plan ({age}).", last="Commit `2`")
    assert keep(side, later) is Outcome.UNCHANGED
    ((_, body),) = side.read_issues()
    assert body.endswith(f"The plan ({age}).\n\n<!-- imagesync run -->\n\nCommit `2`")
    assert side.read_issue_comments() == []
    assert keep(side, replace(TEXT, body="Two values.")) is Outcome.UPDATED
    assert side.read_issue_comments() == ["The result has changed. The description above shows it.\n\nCommit `1`"]
    assert len(side.issues) == 1


def test_an_equal_issue_is_not_written(side: ForgeSide) -> None:
    """Not even its description."""
    keep(side)
    assert keep(side) is Outcome.UNCHANGED
    assert len(side.writes) == 1


def test_a_new_issue_has_the_label(side: ForgeSide) -> None:
    """Without it, the next run would not find the issue: then the command warns."""
    assert keep_issue(side.forge, "title", TEXT, side.author).has_label
    for user in side.state["tokens"].values():
        user["drops_labels"] = True
    assert not keep_issue(
        side.forge, "title", replace(TEXT, marker="<!-- imagesync-drift x y -->"), side.author
    ).has_label


def test_other_issues_are_not_touched(side: ForgeSide) -> None:
    """Of another user, of another target, without the label, and closed ones."""
    side.add_issue(WHOLE, "eve")
    side.add_issue(WHOLE.replace("base eu", "base us"))
    side.add_issue(WHOLE, label="bug")
    side.add_issue(WHOLE, is_open=False)
    before = side.read_issues()
    assert close_issue(side.forge, TEXT, side.author).outcome is Outcome.NONE
    assert side.writes == []
    assert keep(side, replace(TEXT, body="new")) is Outcome.CREATED
    assert side.read_issues()[:4] == before


def test_an_issue_is_closed_with_a_comment_once(side: ForgeSide) -> None:
    """The next drift opens a new one."""
    keep(side)
    assert close_issue(side.forge, TEXT, side.author).outcome is Outcome.CLOSED
    assert side.read_issues() == [("clos", WHOLE)]
    assert side.read_issue_comments() == ["The last run found no drift.\n\nCommit `1`"]
    assert close_issue(side.forge, TEXT, side.author).outcome is Outcome.NONE
    assert len(side.read_issue_comments()) == 1
    assert keep(side) is Outcome.CREATED


def test_the_result_has_the_number_of_the_request_or_the_issue(side: ForgeSide) -> None:
    """Whatever became of it; without an issue it is 0."""
    side.add_issue("another", "eve")
    later = replace(TEXT, last="Commit `2`")
    found = [post_comment(side.forge, REQUEST, text, side.author) for text in (TEXT, TEXT, later)]
    assert [(one.outcome, one.number) for one in found] == [
        (Outcome.CREATED, 3),
        (Outcome.UNCHANGED, 3),
        (Outcome.UPDATED, 3),
    ]
    texts = (TEXT, TEXT, later, replace(TEXT, body="new"))
    issues = [keep_issue(side.forge, "title", text, side.author) for text in texts]
    issues += [close_issue(side.forge, TEXT, side.author) for _ in range(2)]
    own = side.issues[-1].get("number") or side.issues[-1]["iid"]
    assert [(one.outcome, one.number) for one in issues] == [
        (Outcome.CREATED, own),
        (Outcome.UNCHANGED, own),
        (Outcome.UNCHANGED, own),
        (Outcome.UPDATED, own),
        (Outcome.CLOSED, own),
        (Outcome.NONE, 0),
    ]
    assert side.issues[-1]["title"] == "title"


def test_a_text_without_a_last_line_ends_with_its_end(side: ForgeSide) -> None:
    """Comments about an issue end with their sentence."""
    plain = Text(MARKER, "one", "")
    assert plain.whole == f"{MARKER}\n\none\n\n{END}"
    keep(side, plain)
    keep(side, replace(plain, body="two"))
    close_issue(side.forge, plain, side.author)
    assert side.read_issue_comments() == [
        "The result has changed. The description above shows it.",
        "The last run found no drift.",
    ]


@pytest.mark.parametrize("age", ["`a` (2 minutes ago)", "**a** (just now)", "_a_ (1 day ago)", "a  (3 hours ago)"])
def test_only_ages_are_left_out_of_a_comparison(side: ForgeSide, age: str) -> None:
    """With the Markdown around them; a time in another form, and any other word, is a change."""
    keep(side, replace(TEXT, body=f"x {age} y"))
    assert keep(side, replace(TEXT, body=f"x {age.partition('(')[0]}(59 minutes ago) y")) is Outcome.UNCHANGED
    assert keep(side, replace(TEXT, body=f"x {age.partition('(')[0]}(2 weeks ago) y")) is Outcome.UPDATED
    assert keep(side, replace(TEXT, body=f"x {age} z")) is Outcome.UPDATED


def test_the_oldest_own_text_is_the_one(side: ForgeSide) -> None:
    """If there are two, the second one stays as it is."""
    side.add_comment(f"{MARKER}\nold")
    side.add_comment(f"{MARKER}\nsecond")
    assert post(side) is Outcome.UPDATED
    assert side.read_comments() == [WHOLE, f"{MARKER}\nsecond"]
    side.add_issue(f"\r\n{MARKER}\r\nold")
    assert keep(side) is Outcome.UPDATED
    assert len(side.issues) == 1
