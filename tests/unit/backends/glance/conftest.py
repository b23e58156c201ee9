"""A Glance backend on a loopback server that plays a script."""

from tests.fault.scripted_backend import open_scripted

__all__ = ["open_scripted"]
