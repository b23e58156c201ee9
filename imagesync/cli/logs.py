"""``-v``, ``-vv`` and ``--log-file`` -> handlers that write warnings, retries and requests, without secrets. Does I/O."""

import contextlib
import logging
import platform
import re
import sys
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from imagesync.cli.files import check_no_input, open_private
from imagesync.cli.streams import wrap_for_terminal
from imagesync.errors import UsageError
from imagesync.labels import format_label
from imagesync.secrets import hide_secrets
from imagesync.text import make_printable, remove_secrets
from imagesync.version import __version__

LOGGER: Final = "imagesync"
SHOWN: Final = "is_shown"
"""Marks a record that was printed already and is for the log file only."""
PYTHON_WARNINGS: Final = "py.warnings"
"""The logger of ``warnings.warn``, see ``logging.captureWarnings``."""
_PYTHON_WARNING: Final = re.compile(r".*?:[0-9]+: [A-Za-z]+: (?P<text>.*)")
"""Such a record: file, line, category and text; the line of code follows."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How much a command prints, and its log file."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only problems: no progress, and with --yes no plan.")
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Print retries and their reasons to standard error; -vv also prints each request.",
            metavar="",
            show_default=False,
        ),
    ] = 0
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file",
            help="Write requests, retries and the printed output to this file, with times and without secrets.",
            metavar="FILE",
        ),
    ] = None


def _add_label(record: logging.LogRecord) -> bool:
    """Give a record the label of the thread that logs it; a filter of handlers, which run in that thread."""
    record.label = format_label()
    return True


class _OneLine(logging.Formatter):
    """Formats a record with its label as one printable line, which a terminal shows as several."""

    def format(self, record: logging.LogRecord) -> str:
        return wrap_for_terminal(make_printable(super().format(record)))


class _FileLine(logging.Formatter):
    """Formats a record as one line without secrets, with its time in UTC (ISO 8601) and its label."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        label = make_printable(getattr(record, "label", ""))
        message = make_printable(hide_secrets(remove_secrets(record.getMessage())))
        return f"{at} {record.levelname:7} {label}{message}"


class _FileHandler(logging.StreamHandler[TextIO]):
    """Writes a log file. An error of the file does not stop the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name in logging
        """Stop writing to the file."""
        logging.getLogger(LOGGER).removeHandler(self)
        self.close()

    def close(self) -> None:
        """Close the handler and the file."""
        with contextlib.suppress(OSError):
            self.stream.close()
        super().close()


def set_up_logs(options: LogOptions = LogOptions()) -> None:
    """Set the handlers: warnings to standard error, with ``-v`` retries, with ``-vv`` requests; all to the log file.

    ImagesyncError if the file cannot be written.
    """
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose exclude each other", "pass one of them")
    logging.getLogger("oslo_utils").addHandler(logging.NullHandler())  # imagesync reports problems of images itself
    log = logging.getLogger(LOGGER)
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    display = logging.StreamHandler(sys.stderr)
    display.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)])
    start = "%(asctime)s " if options.verbose else "imagesync: "
    display.setFormatter(_OneLine(f"{start}%(label)s%(message)s"))
    display.addFilter(lambda record: not getattr(record, SHOWN, False))
    display.addFilter(_add_label)
    log.addHandler(display)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    _forward_library_warnings()
    if options.log_file is not None:
        check_no_input(options.log_file)
        kept = _FileHandler(open_private(options.log_file))
        kept.setFormatter(_FileLine())
        kept.addFilter(_add_label)
        log.addHandler(kept)
        note(f"imagesync {__version__}, Python {platform.python_version()}, {' '.join(_name_command())}")


class _Forwarder(logging.Handler):
    """Gives the warnings of libraries to the handlers of imagesync, which know the target and hide secrets.

    A library that has a ``NullHandler`` is silent, as without this handler.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a record, as one line of text, if Python would print it without any handler."""
        if record.name != PYTHON_WARNINGS and _is_silent(logging.getLogger(record.name)):
            return
        copied = copy(record)
        text = record.getMessage()
        if record.name == PYTHON_WARNINGS and (found := _PYTHON_WARNING.match(text)):
            text = found["text"]
        copied.msg, copied.args = hide_secrets(remove_secrets(text)), None
        copied.exc_info = copied.exc_text = copied.stack_info = None
        logging.getLogger(LOGGER).handle(copied)


def _is_silent(logger: logging.Logger) -> bool:
    while logger.parent is not None:
        if any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent
    return False


def _forward_library_warnings() -> None:
    """Let the handlers of imagesync print what libraries log or warn about; Python would print it without the target."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Forwarder)]:
        root.removeHandler(handler)
    root.addHandler(_Forwarder(logging.WARNING))
    logging.captureWarnings(True)


def _name_command() -> list[str]:
    """The command without its options, because their values may be secrets."""
    return [word for word in sys.argv[1:2] if not word.startswith("-")]


def has_log_file() -> bool:
    """Whether there is a log file."""
    return any(isinstance(handler, _FileHandler) for handler in logging.getLogger(LOGGER).handlers)


def note(text: str, level: int = logging.INFO) -> None:
    """Write printed text to the log file, line by line."""
    for line in text.splitlines():
        logging.getLogger(LOGGER).log(level, "%s", line, extra={SHOWN: True})
