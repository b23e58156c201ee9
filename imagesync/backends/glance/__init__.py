"""The image service of a cloud ("Glance", API v2, and every service that speaks it)."""

from imagesync.backends.base import Backend


def open_glance(cloud: str | None) -> Backend:
    """The image service of a cloud of clouds.yaml, or of the ``OS_*`` environment when ``cloud`` is None."""
    from imagesync.backends.glance.backend import Glance
    from imagesync.backends.glance.connect import connect

    return Glance(connect(cloud))
