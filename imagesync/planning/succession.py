"""A live image and the build that replaces it -> the changes that users of the image see. Pure."""

from collections.abc import Mapping, Sequence

from imagesync.model.fields import read_live_field
from imagesync.model.image import LiveImage, MemberState
from imagesync.model.plan import FieldChange, ImageState, Reason, Value
from imagesync.model.record import PREFIX
from imagesync.model.references import escape_references
from imagesync.planning.diff import compare


def find_differences(
    old: LiveImage, new: ImageState, members: Mapping[str, Sequence[MemberState]]
) -> tuple[FieldChange, ...]:
    """The differences between the published state of a new build and the image that it supersedes, by path.

    All properties are compared, because a new image has none of those that other users set on the old one. Content and
    stores are not compared. ``members``: by image id, of the images whose members are known.
    """
    fields: dict[str, Value] = {name: read_live_field(old, name) for name in new.fields if name != "status"}
    before = ImageState(
        fields=fields,
        properties={
            name: escape_references(value)
            for name, value in sorted(old.properties.items())
            if not name.startswith(PREFIX)
        },
        tags=tuple(sorted(old.tags)),
        members=tuple(sorted(member.project for member in members.get(old.id, ())))
        if old.id in members
        else new.members,
    )
    after = ImageState({name: new.fields[name] for name in fields}, new.properties, new.tags, new.members)
    return compare(before, after, lambda _path: Reason.MANIFEST_CHANGED)
