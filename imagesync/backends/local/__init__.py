"""The embedded image service: one folder, for trying, tests and places without a network."""

from imagesync.backends.local.backend import Local, open_local

__all__ = ["Local", "open_local"]
