"""The embedded local store: an image service in one folder, for trials, tests and hosts without a network."""

from imagesync.backends.local.backend import Local, open_local

__all__ = ["Local", "open_local"]
