"""Steps that add a property or tag with almost the same name as another one -> notes for the reader. Pure.

Services on PostgreSQL or SQLite accept both names, services on MariaDB or MySQL do not. No API reports the database, so
the plan is not refused.
"""

from collections.abc import Iterable, Iterator

from imagesync.model.alike import explain_alike_properties, explain_alike_tags
from imagesync.model.image import Inventory, LiveImage
from imagesync.model.plan import Step, Update


def note_alike_names(steps: Iterable[Step], inventory: Inventory) -> Iterator[str]:
    """One sentence for each property that an update adds next to an alike one, and for each pair of alike tags."""
    images = {image.id: image for image in (*inventory.owned, *inventory.foreign)}
    for step in steps:
        if isinstance(step.action, Update) and step.action.image_id in images:
            yield from _note_update(step.action, images[step.action.image_id])


def _note_update(update: Update, image: LiveImage) -> Iterator[str]:
    written = [change.path[1] for change in update.changes if change.path[0] == "properties"]
    found = set(explain_alike_properties(image.properties, written))
    for change in update.changes:
        if change.path == ("tags",) and isinstance(change.after, tuple):
            found |= {*explain_alike_tags(image.tags), *explain_alike_tags(map(str, change.after))}
    yield from (f"{update.key}: image {image.id}: {what}; {ways}" for what, ways in sorted(found))
