"""The exit codes of the ``imagesync`` command. No I/O."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; 64 is ``EX_USAGE`` of sysexits.h, 130 is 128 + SIGINT, 143 is 128 + SIGTERM."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    BUG = 3
    USAGE = 64
    INTERRUPTED = 130
    TERMINATED = 143
