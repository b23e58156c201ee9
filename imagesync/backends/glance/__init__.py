"""The image service of a cloud ("Glance", API v2, and every service that speaks it)."""

from imagesync.backends.base import Backend


def open_glance(cloud: str | None, clouds_file: str | None = None) -> Backend:
    """The image service of a cloud of clouds.yaml, or of the ``OS_*`` environment when ``cloud`` is None.

    ``clouds_file``: the file to read instead of the user's and the system's clouds.yaml.
    """
    from imagesync.backends.glance.backend import Glance
    from imagesync.backends.glance.connect import connect

    return Glance(connect(cloud, clouds_file=clouds_file))
