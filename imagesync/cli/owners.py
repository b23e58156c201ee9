"""The projects that ``--owner`` names -> an error for a word that cannot be one. No I/O."""

from collections.abc import Collection, Iterable

from imagesync.errors import UsageError
from imagesync.model.catalog import is_project_id
from imagesync.model.image import LiveImage
from imagesync.text import quote_word


def check_owners(owners: Collection[str], images: Iterable[LiveImage]) -> None:
    """UsageError for an owner that has no image and is not an id: the service accepts any word, and returns no image."""
    found = {image.owner for image in images}
    if names := [owner for owner in owners if not is_project_id(owner) and owner not in found]:
        word = quote_word(names[0])
        hint = f"pass the id of the project: openstack project show {word} -f value -c id"
        raise UsageError(f"--owner {word}: not a project id (32 hexadecimal digits, or a UUID)", hint)
