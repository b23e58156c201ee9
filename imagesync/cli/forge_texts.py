"""The file of ``report comment`` and ``report issue`` -> a text with the marker and the last line for a forge. Reads the file."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from imagesync.cli.explanations import read_saved_result
from imagesync.cli.json_files import read_content
from imagesync.cli.result_options import MIN_BYTES, ResultForm
from imagesync.cli.results import Look, format_result
from imagesync.cli.saved_plans import is_plan_file
from imagesync.errors import UsageError
from imagesync.forges.base import Forge, Request
from imagesync.forges.posts import END, Text
from imagesync.render.markdown_text import read_marker
from imagesync.text import make_printable

MAX_FILE_BYTES: Final = 16 * 2**20
"""Of a Markdown file: more than any forge takes."""
SHORT_SHA: Final = 12
_DRIFT: Final = "-drift"
"""What the marker of an issue has, and that of a comment has not."""
_MARGIN: Final = len(f"\n\n{END}\n\n\n\n{_DRIFT}")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9./_ -]{1,64}")
_HOW: Final = "name a file that imagesync wrote with --also markdown=FILE.md"
_FORK: Final = "A run of a fork made this plan: its author controls what the plan says."


def make_comment(path: Path, forge: Forge, request: Request) -> Text:
    """The comment of a file: a saved plan is rendered here, so none of its text is Markdown; Markdown is used as it is.

    UsageError for a file that is neither, or too long. The suffix decides, because the content may be untrusted.
    """
    last = format_last_line(forge, request)
    if is_plan_file(path):
        room = forge.max_chars - len(last) - _MARGIN
        look = Look(datetime.now(UTC), max_bytes=room, is_file=True)
        return _split(format_result(read_saved_result(path), ResultForm.MARKDOWN, look), last)
    return _split(_read_markdown(path, forge, last, f"{_HOW}, or a saved plan FILE.json"), last)


def make_issue(path: Path, forge: Forge, request: Request) -> tuple[str, Text]:
    """The title, and the description, of the issue about the drift in a Markdown file. Its marker is not that of a comment."""
    last = format_last_line(forge, request)
    text = _split(_read_markdown(path, forge, last, _HOW), last)
    _, catalog, target = read_marker(text.marker) or ("", "", "")
    where = "" if target in ("*", "-") else f" on {_show_name(target)}"
    title = f"imagesync: drift of catalog {_show_name(catalog)}{where}"
    return title, Text(text.marker.replace("<!-- imagesync ", f"<!-- imagesync{_DRIFT} ", 1), text.body, last)


def _show_name(name: str) -> str:
    """A name of a marker for a title; encoded, if the forge could read more than text in it."""
    plain = unquote(name)
    return plain if _PLAIN_NAME.fullmatch(plain) else name


def format_last_line(forge: Forge, request: Request) -> str:
    """The commit and the run, with links to both as far as they are known; empty without a commit."""
    lines = [_FORK] if request.is_fork else []
    if request.sha:
        page = forge.make_commit_url(request.sha)
        commit = f"[`{request.sha[:SHORT_SHA]}`]({page})" if page else f"`{request.sha[:SHORT_SHA]}`"
        run = f", [run]({request.run_url})" if request.run_url else ""
        lines.append(f"Commit {commit}{run}")
    return "\n\n".join(lines)


def _read_markdown(path: Path, forge: Forge, last: str, hint: str) -> str:
    """The text of a Markdown file that imagesync has written, if the forge takes a text of its length."""
    display, longest = make_printable(str(path)), forge.max_chars - len(last) - _MARGIN
    text = read_content(path, "a comment", hint, MAX_FILE_BYTES).decode("utf-8", "replace")
    if read_marker(text) is None:
        raise UsageError(f"{display} does not begin with the marker <!-- imagesync CATALOG TARGET -->", hint)
    if len(text) > longest:
        hint = f"write it with --max-bytes {max(MIN_BYTES, min(longest, 60_000))}"
        raise UsageError(f"{display} has more than {longest:,} characters, the limit of {forge.name}", hint)
    return text


def _split(text: str, last: str) -> Text:
    marker, _, body = text.partition("\n")
    return Text(marker.rstrip("\r"), body, last)
