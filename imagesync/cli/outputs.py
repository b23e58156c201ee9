"""The result of a command -> standard output, in the requested format, and the files of further formats. Does I/O.

A command that fails before it has a result writes its error instead, in each format: a pipeline must not post the comment
of an earlier run.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import typer

from imagesync.cli import streams
from imagesync.cli.files import check_results, write_private
from imagesync.cli.interrupts import Interrupted
from imagesync.cli.options import Options
from imagesync.cli.origins import Origin, make_origin, read_head
from imagesync.cli.result_options import MAX_BYTES, Copies, ResultForm, ReviewForm
from imagesync.cli.results import Failure, Look, Measured, Result, format_result
from imagesync.cli.terminal import choose_paint, find_width
from imagesync.errors import ImagesyncError
from imagesync.render.style import Detail
from imagesync.text import make_printable

MAX_EARLIER_BYTES: Final = 2**20
"""The size of an earlier file of metrics whose values are kept."""
PUBLIC: Final = 0o644
"""The permissions of a file of metrics: another user collects them, and it has no secret."""


def read_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Outputs:
    """A context manager for the result of one command: ``publish`` it, or the error that ends the block is published.

    UsageError for options that contradict each other. A run starts, in its metrics, when this object is made.
    """

    def __init__(
        self,
        command: str,
        form: ResultForm | ReviewForm,
        copies: Copies,
        origin: Origin,
        *,
        color: bool | None = None,
        detail: Detail = Detail.USUAL,
        clock: Callable[[], datetime] = read_clock,
    ) -> None:
        copies.check_limit(form)
        self.form = ResultForm(form)
        self.command, self._copies, self._origin = command, copies, origin
        self._files = copies.parse(type(form))
        self._color, self.detail = color, detail
        self._clock, self._started = clock, clock()
        self._is_checked = self._is_written = False

    @property
    def has_files(self) -> bool:
        """Whether the result is also written to a file."""
        return bool(self._files or self._copies.metrics)

    def check(self, *others: Path | None) -> None:
        """Check all files, and those of ``others``, before the run; see ``check_results``. No file is written without it."""
        check_results(*others, *(path for _, path in self._files), self._copies.metrics, source=self._origin.path)
        self._is_checked = True

    def know(self, catalog: str, target: str | None) -> None:
        """Take the names for an error that comes later; None: the target has no name. See ``Origin``."""
        self._origin = replace(self._origin, catalog=catalog, target=target or "")

    def know_several(self, catalog: str) -> None:
        """Take the name of the catalog of a command for several targets."""
        self._origin = replace(self._origin, catalog=catalog, is_several=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is not None and not self._is_written:
            self.fail(convert_error(error))

    def fail(self, error: ImagesyncError) -> None:
        """Write an error to all files, and print it if the output is not text, because there is no result."""
        if self._is_checked and self.has_files:
            catalog, target = self._origin.guess()
            for problem in self.write(Failure(self.command, error, catalog, target, self._origin.is_several)):
                streams.say(f"imagesync: {make_printable(str(problem))}")
        print_failure(self.command, self.form, self._origin, error)

    def publish(self, result: Result) -> None:
        """Write a result to all files, and print it; for errors see ``raise_last``.

        The files come first: a reader such as ``head`` may close the output.
        """
        problems = self.write(result)
        self.print(result)
        raise_last(problems)

    def save(self, result: Result) -> None:
        """Write a result to all files, and print nothing; for errors see ``raise_last``."""
        raise_last(self.write(result))

    def print(self, result: Result) -> None:
        """Print a result to standard output, in the requested format."""
        typer.echo(format_result(result, self.form, self.make_look(sys.stdout)), color=True)

    def make_look(self, stream: TextIO) -> Look:
        """How a result is printed to a stream."""
        return Look(
            self._clock(),
            choose_paint(stream, self._color),
            find_width(stream),
            self.detail,
            self._copies.max_bytes or MAX_BYTES,
        )

    def write(self, result: Result) -> list[ImagesyncError]:
        """Write a result to all files. Returns the errors, because one bad file must not prevent the others."""
        self._is_written = True
        problems: list[ImagesyncError] = []
        look = Look(self._clock(), detail=self.detail, max_bytes=self._copies.max_bytes or MAX_BYTES, is_file=True)
        for form, path in self._files:
            try:
                write_private(path, format_result(result, form, look) + "\n")
            except ImagesyncError as error:
                problems.append(error)
        if self._copies.metrics and isinstance(result, Measured):
            try:
                self._write_metrics(self._copies.metrics, result)
            except ImagesyncError as error:
                problems.append(error)
        return problems

    def _write_metrics(self, path: Path, result: Measured) -> None:
        from imagesync.render.metrics import format_metrics

        earlier = ""
        with suppress(OSError):
            earlier = read_head(path, MAX_EARLIER_BYTES)
        measures = result.measure(self._started, self._clock())
        for one in measures if isinstance(measures, tuple) else (measures,):
            earlier = format_metrics(one, earlier)
        write_private(path, earlier, mode=PUBLIC)


def open_outputs(
    command: str,
    form: ResultForm | ReviewForm,
    copies: Copies,
    path: Path | None,
    options: Options,
    *,
    color: bool | None = None,
    detail: Detail = Detail.USUAL,
    is_several: bool = False,
) -> Outputs:
    """The outputs of a command for the manifests or the saved plan at ``path``; see ``Outputs``, and ``Origin``."""
    origin = make_origin(path, options.target, options.cloud, options.store, is_several=is_several)
    return Outputs(command, form, copies, origin, color=color, detail=detail)


def raise_last(problems: Sequence[ImagesyncError]) -> None:
    """Raise the last problem; print one line for each other one."""
    for error in problems[:-1]:
        streams.say(f"imagesync: {make_printable(str(error))}")
    for error in problems[-1:]:
        raise error


def convert_error(error: BaseException) -> ImagesyncError:
    """Any error that ends a command as one that has a message for users."""
    if isinstance(error, ImagesyncError):
        return error
    if isinstance(error, Interrupted):
        return ImagesyncError(error.text, "run it again")
    if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or streams.is_full(error)):
        return ImagesyncError(f"cannot write the output: {error.strerror}", "free some space, or name another output")
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return ImagesyncError("interrupted; nothing was changed", "run it again")
    return ImagesyncError("imagesync met an unexpected error", "its log is named on standard error; please report it")


def print_failure(command: str, form: ResultForm, origin: Origin, error: BaseException) -> None:
    """Print the error of a command in the format of its output, if it has printed nothing yet."""
    if form is ResultForm.TEXT or streams.has_output():
        return
    catalog, target = ("", "") if form is ResultForm.JSON else origin.guess()
    failure = Failure(command, convert_error(error), catalog, target, origin.is_several)
    typer.echo(format_result(failure, form, Look(read_clock())))
