"""The options for the results of a command: their format, the files they are written to, their amount. No I/O."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from imagesync.cli.options import Color, Ids
from imagesync.errors import UsageError
from imagesync.render.style import Detail
from imagesync.text import make_printable

MIN_BYTES: Final = 2_000
"""The smallest limit of a comment: room for its heading, its counts, and a sentence about what is left out."""
MAX_BYTES: Final = 60_000
"""The default limit of a comment: GitHub takes 65,536 characters."""


class ReviewForm(StrEnum):
    """The formats of a result that people read."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class ResultForm(StrEnum):
    """The formats of the result of a plan or a run."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"


ReviewFormat = Annotated[ReviewForm, typer.Option("--format", help="The format of the output.")]
ResultFormat = Annotated[ResultForm, typer.Option("--format", help="The format of the output.")]


@dataclass(frozen=True, slots=True)
class Results:
    """The format of the output of a run, and the files for its results."""

    form: ResultFormat = ResultForm.TEXT
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the report as JSON to this file.", metavar="FILE.json")
    ] = None
    ids: Ids = None
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", help="Write the events of the run to this file, one JSON object a line.", metavar="FILE"
        ),
    ] = None
    color: Color = None


@dataclass(frozen=True, slots=True)
class Copies:
    """Files that get the result of a command, in further formats, and the limit of a Markdown result."""

    also: Annotated[
        list[str],
        typer.Option(
            "--also", help="Write the result in this format to a file, too (repeatable).", metavar="FORMAT=FILE"
        ),
    ] = field(default_factory=list)
    max_bytes: Annotated[
        int | None,
        typer.Option(
            "--max-bytes",
            help=f"Cut a Markdown result, between entries, to this size (default: {MAX_BYTES}).",
            metavar="N",
            min=MIN_BYTES,
        ),
    ] = None
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics", help="Write the numbers of the run to this file, for Prometheus (name.prom).", metavar="FILE"
        ),
    ] = None

    def parse(self, forms: type[StrEnum] = ResultForm) -> tuple[tuple[ResultForm, Path], ...]:
        """``--also`` as formats and files; UsageError for a value that is not FORMAT=FILE with one of these formats."""
        return tuple(_parse_copy(text, forms) for text in self.also)

    def check_limit(self, form: StrEnum) -> None:
        """UsageError for ``--max-bytes`` if no result is Markdown."""
        has_markdown = any(
            one is ResultForm.MARKDOWN for one in (ResultForm(form), *(kind for kind, _ in self.parse()))
        )
        if self.max_bytes is not None and not has_markdown:
            raise UsageError(
                "--max-bytes has no effect, because no result is Markdown", "add --format markdown, or remove it"
            )


def _parse_copy(text: str, forms: type[StrEnum]) -> tuple[ResultForm, Path]:
    form, equals, file = text.partition("=")
    display = make_printable(text)
    if not (form and equals and file):
        raise UsageError(f"--also {display}: not FORMAT=FILE", "write, for example, --also markdown=plan.md")
    if form not in list(forms):
        raise UsageError(f"--also {display}: no such format", f"choose one of {', '.join(forms)}")
    return ResultForm(form), Path(file)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a plan is printed."""

    detail: Annotated[
        bool, typer.Option("--detail", help="Show every field, id, digest and retired build of the plan.")
    ] = False
    summary: Annotated[bool, typer.Option("--summary", help="Show only the counts of the plan.")] = False

    def choose(self, form: str = ResultForm.TEXT) -> Detail:
        """The amount; UsageError for both options, or for one of them with a format that always has every step."""
        if self.detail and self.summary:
            raise UsageError("--detail and --summary exclude each other", "pass one of them")
        if form in (ResultForm.JSON, ResultForm.JUNIT) and (self.detail or self.summary):
            word = "--detail" if self.detail else "--summary"
            what = "every field" if form == ResultForm.JSON else "every step"
            raise UsageError(f"{word} has no effect on --format {form}, which has {what}", f"remove {word}")
        return Detail.WHOLE if self.detail else Detail.SUMMARY if self.summary else Detail.USUAL

    def check_not_shown(self) -> None:
        """UsageError for an option about the text of a plan that is not printed."""
        if self.detail or self.summary:
            word = "--detail" if self.detail else "--summary"
            raise UsageError(f"{word} has no effect, because --quiet with --yes prints no plan", f"remove {word}")
