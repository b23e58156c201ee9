"""What a forge gets: the marker, the text, which is never longer than it takes, and the line about commit and run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesync.cli.forge_texts import MAX_FILE_BYTES, format_last_line, make_comment, make_issue
from imagesync.errors import UsageError
from imagesync.forges.base import Request
from imagesync.forges.github import GitHub
from imagesync.forges.posts import Text
from tests.forge import SHA, ForgeDouble
from tests.forked import run
from tests.samples import spell


@pytest.mark.parametrize("spare", [-300, 0, 50, 200, 290])
def test_the_last_line_is_counted(tmp_path: Path, spare: int) -> None:
    """At each length around the limit."""
    images = ", ".join(f"image-{number}: {{source: a.raw, properties: {{p{number}: x}}}}" for number in range(30))
    defaults = "defaults: {disk_format: raw, container_format: bare}"
    (tmp_path / "m.yaml").write_text(f"version: 1\ncatalog: base\n{defaults}\nimages: {{{images}}}\n")
    (tmp_path / "a.raw").write_bytes(spell("a") * 1000)
    run("plan", "m.yaml", "--store", "s", "-o", "plan.json", "--also", "markdown=plan.md", folder=tmp_path)
    with ForgeDouble() as double:
        github = double.open_github()
        github.max_chars = len((tmp_path / "plan.md").read_text()) + spare
        text = make_comment(tmp_path / "plan.json", github, Request(3, SHA, "https://github.example/r", is_fork=True))
    assert len(text.whole) <= github.max_chars
    assert text.last.endswith(f"/commit/{SHA}), [run](https://github.example/r)")


MARKER = "<!-- imagesync base eu -->"
FORK = "A run of a fork made this plan: its author controls what the plan says."
PAGE = f"https://github.example/acme/images/commit/{SHA}"


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A client; the tests send no request."""
    with ForgeDouble() as double:
        yield double.open_github()


def test_the_last_line_has_the_commit_and_the_run_as_far_as_they_are_known(github: GitHub) -> None:
    """After the run of a fork, a warning is before it; without a commit the run is not named either."""
    run_url = "https://github.example/r"
    commit = f"Commit [`{SHA[:12]}`]({PAGE})"
    assert format_last_line(github, Request(3, SHA, run_url)) == f"{commit}, [run]({run_url})"
    assert format_last_line(github, Request(3, SHA, "")) == commit
    assert format_last_line(github, Request(3, SHA, "", is_fork=True)) == f"{FORK}\n\n{commit}"
    assert format_last_line(github, Request(3, "", run_url)) == ""
    assert format_last_line(github, Request(3, "", run_url, is_fork=True)) == FORK


def test_a_commit_without_a_known_page_is_no_link() -> None:
    """The variables of a pipeline may lack the address of the project."""
    with ForgeDouble() as double:
        elsewhere = double.open_gitlab(None, None, CI_PROJECT_URL="")
        assert format_last_line(elsewhere, Request(3, SHA, "")) == f"Commit `{SHA[:12]}`"
        assert format_last_line(elsewhere, Request(3, SHA, "r")) == f"Commit `{SHA[:12]}`, [run](r)"


def test_markdown_is_split_at_its_marker(github: GitHub, tmp_path: Path) -> None:
    """Also with line ends of Windows; the issue has a marker of its own, and all else is the same."""
    (tmp_path / "x.md").write_bytes(f"{MARKER}\r\n\r\nOne <!-- imagesync base eu -->\r\nTwo\r\n".encode())
    request = Request(3, SHA, "")
    body, last = "\r\nOne <!-- imagesync base eu -->\r\nTwo\r\n", f"Commit [`{SHA[:12]}`]({PAGE})"
    assert make_comment(tmp_path / "x.md", github, request) == Text(MARKER, body, last)
    title, text = make_issue(tmp_path / "x.md", github, request)
    assert title == "imagesync: drift of catalog base on eu"
    assert text == Text("<!-- imagesync-drift base eu -->", body, last)


@pytest.mark.parametrize(
    ("names", "title"),
    [
        ("base *", "base"),
        ("base -", "base"),
        ("base %2D", "base on -"),
        ("base %2Fsrv%2Fmy%20store_1.x-y", "base on /srv/my store_1.x-y"),
        (f"base {'e' * 64}", f"base on {'e' * 64}"),
        (f"base {'e' * 65}", f"base on {'e' * 65}"),
        (f"base %20{'e' * 64}", f"base on %20{'e' * 64}"),
        ("base %40eve", "base on %40eve"),
        ("base a%0Ab", "base on a%0Ab"),
        ("%23%231 eu%2D1", "%23%231 on eu-1"),
        ("my%20base *", "my base"),
    ],
)
def test_names_in_a_title_are_plain_or_encoded(github: GitHub, tmp_path: Path, names: str, title: str) -> None:
    """At most 64 characters are decoded, and none that a forge could read as more than text."""
    (tmp_path / "x.md").write_text(f"<!-- imagesync {names} -->\n\nDrift\n")
    assert make_issue(tmp_path / "x.md", github, Request(0, "", ""))[0] == f"imagesync: drift of catalog {title}"


@pytest.mark.parametrize(("max_chars", "limit"), [(70_000, 60_000), (30_000, 29_826), (2_100, 2_000)])
@pytest.mark.parametrize("kind", ["comment", "issue"])
def test_markdown_of_the_greatest_length_is_taken(
    github: GitHub, tmp_path: Path, max_chars: int, limit: int, kind: str
) -> None:
    """One character more is refused, with a limit that helps. Characters count, not bytes; the other lines need room."""
    github.max_chars = max_chars
    request, path = Request(3, SHA, "https://github.example/r"), tmp_path / "x\x1b.md"
    longest = max_chars - 174

    def make(length: int) -> Text:
        path.write_text(f"{MARKER}\n".ljust(length, "é"), encoding="utf-8")
        return make_comment(path, github, request) if kind == "comment" else make_issue(path, github, request)[1]

    assert max_chars - len(make(longest).whole) == (7 if kind == "comment" else 1)
    with pytest.raises(UsageError) as caught:
        make(longest + 1)
    display = str(path).replace("\x1b", "\\x1b")
    assert caught.value.message == f"{display} has more than {longest:,} characters, the limit of GitHub"
    assert caught.value.hint == f"write it with --max-bytes {limit}"


def test_a_file_that_is_no_comment_is_not_read_to_its_end(github: GitHub, tmp_path: Path) -> None:
    """The message says what to name instead; a comment may also be made of a saved plan."""
    path, how = tmp_path / "x.md", "name a file that imagesync wrote with --also markdown=FILE.md"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    request = Request(3, SHA, "")
    for make, hint in ((make_comment, f"{how}, or a saved plan FILE.json"), (make_issue, how)):
        with pytest.raises(UsageError) as caught:
            make(path, github, request)
        assert caught.value.message == f"{path} is larger than 16 MiB, the limit of a comment"
        assert caught.value.hint == hint
