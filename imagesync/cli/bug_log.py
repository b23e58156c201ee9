"""A traceback -> the log of a bug: private, without secrets, with versions and platform. Does I/O."""

import os
import platform
import re
import tempfile
from importlib.metadata import PackageNotFoundError, version

from imagesync.cli.streams import say
from imagesync.text import escape_commands, make_printable, redact
from imagesync.version import __version__

SECRET_NAMES = re.compile("PASSWORD|PASSCODE|SECRET|TOKEN|_KEY$")
"""Environment variables whose values are in no log."""
LIBRARIES = (
    "typer",
    "rich",
    "pyyaml",
    "jsonschema",
    "jsonschema-rs",
    "requests",
    "urllib3",
    "keystoneauth1",
    "openstacksdk",
)
"""Libraries whose versions help to explain a bug."""


def write_bug_log(text: str) -> None:
    """Write a private log with the traceback ``text``, without secrets; its path to standard error.

    If no log can be written, the last line of the traceback is written to standard error.
    """
    known = [value for name, value in os.environ.items() if SECRET_NAMES.search(name)]
    text = redact(text, known)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="imagesync-", suffix=".log", delete=False) as log:
            log.write(escape_commands(f"{describe_environment()}\n\n{text}"))
    except OSError as error:
        last = make_printable(text.strip().rpartition("\n")[2])
        say(f"imagesync has a bug ({last}), and no log could be written: {error.strerror}")
    else:
        say(f"imagesync has a bug; what happened is in {log.name}")


def describe_environment() -> str:
    """Versions, Python and platform, one a line: what a report of a bug needs."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [f"imagesync {__version__}", f"python {python}", f"platform {platform.platform()}"]
    return "\n".join([*lines, *(f"{name} {_find_version(name)}" for name in LIBRARIES)])


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
