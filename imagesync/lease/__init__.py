"""The lease that lets only one run at a time write to a catalog: its record, its protocol, its heartbeats."""

from typing import Final

LOCK_TIMEOUT: Final = 120.0
"""Default seconds that a run waits for the lease: longer than the lease of a dead run lasts."""
UNLOCK: Final = "imagesync unlock PATH"
"""The command that breaks a lease, for messages; the command line replaces it by one with path and target."""
