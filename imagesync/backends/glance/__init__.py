"""The backend for the image service of a cloud: Glance, and every other service with the Image API v2."""

from imagesync.backends.base import Backend


def open_glance(cloud: str | None, clouds_file: str | None = None) -> Backend:
    """The image service of a cloud of clouds.yaml, or of the ``OS_*`` variables if ``cloud`` is None.

    ``clouds_file`` replaces the user's and the system's clouds.yaml. Raises what ``connect`` raises.
    """
    from imagesync.backends.glance.backend import Glance
    from imagesync.backends.glance.connect import connect

    return Glance(connect(cloud, clouds_file=clouds_file))
