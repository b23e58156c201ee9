"""``report comment``, ``report issue`` and ``report reviewed`` -> requests to the forge of this job, and a line. Network, files."""

import os
from contextlib import closing
from pathlib import Path

import typer

from imagesync.cli.files import check_results, write_private
from imagesync.cli.forge_texts import SHORT_SHA, make_comment, make_issue
from imagesync.cli.json_files import parse_json
from imagesync.cli.streams import say
from imagesync.errors import ForgeError, UsageError
from imagesync.forges import open_forge
from imagesync.forges.base import LABEL, Outdated, Request
from imagesync.forges.environment import Kind, read_runner
from imagesync.forges.posts import Outcome, Posted, close_issue, keep_issue, post_comment
from imagesync.planfile.reader import AGAIN, decode_plan
from imagesync.targets.saved import decode_plans, is_several
from imagesync.text import make_printable, quote_word


def write_comment(path: Path, kind: Kind | None, number: int | None, author: str | None) -> None:
    """Write the comment of a file to the request of this job, and print what was done."""
    runner = read_runner(os.environ, kind)
    with closing(open_forge(runner)) as forge:
        request = forge.find_request(number)
        if isinstance(request, Outdated):
            typer.echo(f"No comment: {request.reason}.")
            return
        text = make_comment(path, forge, request)
        expected = author or forge.find_author()
        posted = post_comment(forge, request, text, expected)
    place = f"{forge.noun} {request.number} of {runner.name}"
    lines = {
        Outcome.CREATED: f"Wrote a new comment to {place}.",
        Outcome.UPDATED: f"Updated the comment of {place}.",
        Outcome.UNCHANGED: f"The comment of {place} has this text already.",
    }
    typer.echo(lines[posted.outcome])
    _check_author(posted, expected)


def write_issue(path: Path, kind: Kind | None, author: str | None, *, is_over: bool) -> None:
    """Open, update or close the issue about the drift in a file, and print what was done. ``is_over``: close it."""
    runner = read_runner(os.environ, kind)
    with closing(open_forge(runner)) as forge:
        title, text = make_issue(path, forge, Request(0, runner.sha, runner.run_url))
        expected = author or forge.find_author()
        posted = close_issue(forge, text, expected) if is_over else keep_issue(forge, title, text, expected)
    issue = f"issue {posted.number} of {runner.name}"
    lines = {
        Outcome.CREATED: f"Opened {issue}.",
        Outcome.UPDATED: f"Updated {issue}, and added a comment, because the drift has changed.",
        Outcome.UNCHANGED: f"The drift of {issue} has not changed.",
        Outcome.CLOSED: f"Closed {issue}.",
        Outcome.NONE: f"No issue of {runner.name} about this drift is open; nothing to do.",
    }
    typer.echo(lines[posted.outcome])
    _check_author(posted, expected)
    if not posted.has_label:
        say(f"imagesync: {issue} did not get the label {LABEL}, so the next run will not find it; add the label to it")


def _check_author(posted: Posted, expected: str) -> None:
    """Report a user that the next run would not recognize: that run would write a second comment or issue."""
    if posted.outcome is Outcome.CREATED and posted.author != expected:
        found, other = make_printable(posted.author), make_printable(expected)
        say(f"imagesync: the token writes as {found}, not as {other}; pass --author {quote_word(posted.author)}")


def write_reviewed(out: Path, artifact: str, kind: Kind | None) -> None:
    """Write the plan of the request that this commit merged to a new private file, and print where it is from."""
    check_results(out)
    runner = read_runner(os.environ, kind)
    runner.check_commit()
    with closing(open_forge(runner)) as forge:
        merged = forge.find_merged()
        content = forge.read_plan(merged, artifact)
    where = f"{forge.noun} {merged.number}"
    write_private(out, _check_plan(content, f"the plan of {where}"))
    typer.echo(f"Wrote the plan of {where}, commit {merged.sha[:SHORT_SHA]}, to {make_printable(str(out))}.")


def _check_plan(content: bytes, display: str) -> str:
    """The text of a saved plan; ForgeError for a content that is none."""
    try:
        text = content.decode()
        document = parse_json(text, display, "a saved plan", AGAIN)
        if is_several(document):
            decode_plans(document, folder=os.curdir, display=display)
        else:
            decode_plan(document, folder=os.curdir, display=display)
    except UnicodeDecodeError as error:
        raise ForgeError(f"{display} is not a saved plan", AGAIN) from error
    except UsageError as error:
        raise ForgeError(error.message, error.hint) from error
    return text
