"""One run at a time for a catalog: the record of the lease, how it is held, whether its holder's process is alive."""

from typing import Final

LOCK_TIMEOUT: Final = 120.0
"""Default seconds that a run waits for the lease: longer than a dead holder's lease lasts."""
UNLOCK: Final = "imagesync unlock PATH"
"""The command that breaks a lease, for messages; the command line knows the whole of it."""
