"""What ``-v``, ``-vv`` and ``--log-file`` write: notices, retries and their reasons, requests; never a secret. Does I/O."""

import contextlib
import logging
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from imagesync.cli.files import check_no_input, open_private
from imagesync.errors import UsageError
from imagesync.secrets import hide_secrets
from imagesync.text import make_printable, remove_secrets
from imagesync.version import __version__

LOGGER: Final = "imagesync"
SHOWN: Final = "is_shown"
"""Marks a record that a person has seen already: it is for the file only."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How much is reported, and where it is logged."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only problems: no progress, and with --yes no plan.")
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Report retries and their reasons on standard error; -vv: each request, too.",
            metavar="",
        ),
    ] = 0
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file", help="Write all of that, and what is shown, with times; no secrets.", metavar="FILE"
        ),
    ] = None


class _OneLine(logging.Formatter):
    """A record as one printable line, also with quoted texts."""

    def format(self, record: logging.LogRecord) -> str:
        return make_printable(super().format(record))


class _FileLine(logging.Formatter):
    """A record as one line without secrets; its time is UTC, as ISO 8601 writes it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = make_printable(hide_secrets(remove_secrets(record.getMessage())))
        return f"{at} {record.levelname:7} {message}"


class _FileHandler(logging.StreamHandler[TextIO]):
    """A log file. An error of writing it does not stop the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - as logging has it
        """Write no more."""
        logging.getLogger(LOGGER).removeHandler(self)
        self.close()

    def close(self) -> None:
        """Close the file, too."""
        with contextlib.suppress(OSError):
            self.stream.close()
        super().close()


def set_up_logs(options: LogOptions = LogOptions()) -> None:
    """Write warnings to standard error, with ``-v`` retries, with ``-vv`` each request; everything to a log file.

    ImagesyncError if the file cannot be written.
    """
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose contradict each other", "leave one out")
    logging.getLogger("oslo_utils").addHandler(logging.NullHandler())  # imagesync words what it finds in an image
    log = logging.getLogger(LOGGER)
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    display = logging.StreamHandler(sys.stderr)
    display.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(options.verbose, 2)])
    display.setFormatter(_OneLine("%(asctime)s %(message)s" if options.verbose else "imagesync: %(message)s"))
    display.addFilter(lambda record: not getattr(record, SHOWN, False))
    log.addHandler(display)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    if options.log_file is not None:
        check_no_input(options.log_file)
        kept = _FileHandler(open_private(options.log_file))
        kept.setFormatter(_FileLine())
        log.addHandler(kept)
        note(f"imagesync {__version__}, Python {platform.python_version()}, {' '.join(_name_command())}")


def _name_command() -> list[str]:
    """The command, without its options: they may hold a value that is a secret."""
    return [word for word in sys.argv[1:2] if not word.startswith("-")]


def has_log_file() -> bool:
    """Whether what is shown is kept in a file."""
    return any(isinstance(handler, _FileHandler) for handler in logging.getLogger(LOGGER).handlers)


def note(text: str, level: int = logging.INFO) -> None:
    """Keep in the log file what a person has seen, line by line."""
    for line in text.splitlines():
        logging.getLogger(LOGGER).log(level, "%s", line, extra={SHOWN: True})
