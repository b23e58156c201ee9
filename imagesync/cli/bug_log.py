"""A traceback -> the log file of a bug: private, without secrets, with versions and platform. Does I/O."""

import os
import platform
import re
import tempfile
from importlib.metadata import PackageNotFoundError, version

from imagesync.cli.streams import say
from imagesync.text import escape_commands, make_printable, redact
from imagesync.version import __version__

SECRET_NAMES = re.compile("PASSWORD|PASSCODE|SECRET|TOKEN|_KEY$")
"""Environment variables whose values are removed from the log."""
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
"""Libraries whose versions are in the log."""


def write_bug_log(text: str) -> None:
    """Write the traceback ``text``, without secrets, to a private log file, and its path to standard error.

    If the file cannot be written, write the last line of the traceback to standard error.
    """
    known = [value for name, value in os.environ.items() if SECRET_NAMES.search(name)]
    text = redact(text, known)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="imagesync-", suffix=".log", delete=False) as log:
            log.write(escape_commands(f"{describe_environment()}\n\n{text}"))
    except OSError as error:
        last = make_printable(text.strip().rpartition("\n")[2])
        say(f"imagesync has a bug ({last}); its log could not be written: {error.strerror}")
    else:
        say(f"imagesync has a bug; please report it with the file {log.name}")


def describe_environment() -> str:
    """The versions of imagesync, Python, the platform and libraries, one on each line."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [f"imagesync {__version__}", f"python {python}", f"platform {platform.platform()}"]
    return "\n".join([*lines, *(f"{name} {_find_version(name)}" for name in LIBRARIES)])


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
