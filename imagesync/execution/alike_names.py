"""An update that failed with HTTP 500 because of alike names -> an update that works, or a clear error. Pure.

``imagesync.model.alike`` documents which names are alike and what a service on MariaDB or MySQL does with them.
"""

from http import HTTPStatus

from imagesync.backends.base import UpdateFields
from imagesync.errors import BackendError, Unavailable
from imagesync.model.alike import drop_alike_tags, explain_alike_properties, explain_alike_tags
from imagesync.model.image import LiveImage
from imagesync.model.record import PREFIX


def make_way_for_tags(image: LiveImage, lacking: UpdateFields, unanswered: Unavailable | None) -> UpdateFields:
    """Return the next update to send. After HTTP 500 it adds no tag that is alike to one that is removed first."""
    if "tags" not in lacking or unanswered is None or unanswered.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return lacking
    return {**lacking, "tags": drop_alike_tags(image.tags, lacking["tags"])}


def explain_failure(image: LiveImage, lacking: UpdateFields, error: Unavailable) -> BackendError:
    """Return the error of an update that was not saved; if alike names explain HTTP 500, it names them."""
    if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        return error
    written = [name for name, value in lacking.get("properties", {}).items() if value is not None]
    reasons = list(explain_alike_properties(image.properties, written))
    reasons += explain_alike_tags(image.tags) if "tags" in lacking else []
    if reasons:
        what, ways = reasons[0]
        return BackendError(f"image {image.id}: {what}", ways)
    added = [name for name in sorted(written) if name not in image.properties and not name.startswith(PREFIX)]
    if not added:
        return error
    names = " or ".join(map(repr, added))
    hint = f"try again later; if it repeats, the image may once have had {names} with other case, accents or trailing"
    return Unavailable(
        error.message,
        f"{hint} spaces, and MariaDB and MySQL keep removed names: choose another name, or make a new build",
        status=error.status,
    )
