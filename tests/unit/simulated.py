"""A plan carried out on values: the live images afterwards, if every step succeeds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imagesync.model.catalog import Role, Status, Visibility
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.plan import Create, Deactivate, Delete, FieldChange, Plan, Reactivate, Step, Update
from imagesync.model.record import PREFIX, Record
from imagesync.model.references import fill_known_references
from tests.unit.factories import NOW, PROJECT, REVISION, mark


def carry_out(made: Plan, found: Inventory) -> Inventory:
    """The live images after a plan: its steps in order, without any planning."""
    after = _After(made, found)
    for step in made.steps:
        after.do(step)
    images = after.images
    ours = {image.id for image in found.owned} - after.disowned | after.taken
    return replace(
        found,
        owned=tuple(image for image in images.values() if image.id in ours),
        foreign=tuple(image for image in images.values() if image.id not in ours),
        members=after.members,
    )


class _After:
    def __init__(self, made: Plan, found: Inventory) -> None:
        self.owners = made.owners
        self.images: dict[str, LiveImage] = {image.id: image for image in (*found.owned, *found.foreign)}
        self.members: dict[str, tuple[MemberState, ...]] = dict(found.members)
        self.ids = dict(made.ids)
        self.taken: set[str] = set()
        self.disowned: set[str] = set()

    def do(self, step: Step) -> None:
        match step.action:
            case Create() as create:
                self.create(create)
            case Update() as update:
                self.update(update)
            case Delete(image_id=image_id):
                del self.images[image_id]
                self.members.pop(image_id, None)
            case Deactivate(image_id=image_id):
                self.images[image_id] = replace(self.images[image_id], status=Status.DEACTIVATED)
            case Reactivate(image_id=image_id):
                self.images[image_id] = replace(self.images[image_id], status=Status.ACTIVE)

    def create(self, create: Create) -> None:
        image_id = create.fill or create.image_id or f"made-{create.key}"
        fields: dict[str, Any] = {"name": None, **create.state.fields}
        status = Status(fields.pop("status", "active"))
        visibility = Visibility(fields.pop("visibility", "shared"))
        owner = fields.pop("owner", PROJECT)
        has_data = create.source.transfer is not None
        image = LiveImage(
            id=image_id,
            status=(Status.ACTIVE if create.stage else status) if has_data else Status.QUEUED,
            visibility=visibility,
            owner=owner,
            tags=frozenset(create.state.tags),
            properties={**self.fill(create.state.properties), **REVISION},
            size=4096 if has_data else None,
            created_at="2026-11-23T12:00:00Z",
            **fields,
        )
        if create.stage:
            image = replace(image, hidden=True, visibility=Visibility.PRIVATE, protected=False)
        record = replace(create.record, digests=create.record.digests or create.record.declared, declared=())
        record = replace(record, role=Role.STAGING) if create.stage else record
        self.images[image_id] = mark(image, record)
        self.members[image_id] = tuple(map(MemberState, create.state.members))
        self.taken.add(image_id)
        if not create.stage:
            self.ids[create.key] = image_id

    def update(self, update: Update) -> None:
        image = self.images[update.image_id]
        for change in update.changes:
            image = self.change(image, change)
        properties = {name: value for name, value in image.properties.items() if not name.startswith(PREFIX)}
        image = replace(image, properties={**properties, **REVISION})
        if update.record is None:
            self.disowned.add(image.id)
            self.images[image.id] = replace(image, properties=properties)
            return
        self.images[image.id] = mark(image, self.date(update.record))
        self.taken.add(image.id)

    def date(self, record: Record) -> Record:
        """A record with the time of its retirement."""
        if record.role.value != "retired" or record.managed.retired is not None:
            return record
        return replace(record, managed=replace(record.managed, retired=NOW.isoformat()))

    def change(self, image: LiveImage, change: FieldChange) -> LiveImage:
        name, after = change.path[0], change.after
        if name == "members":
            assert isinstance(after, tuple)
            self.members[image.id] = tuple(map(MemberState, after))
            return image
        if name == "properties":
            kept = {key: value for key, value in image.properties.items() if key != change.path[1]}
            if after is not None:
                kept |= self.fill({change.path[1]: str(after)})
            return replace(image, properties=kept)
        if name == "tags":
            assert isinstance(after, tuple)
            return replace(image, tags=frozenset(after))
        if name == "visibility":
            return replace(image, visibility=Visibility(str(after)))
        return replace(image, **{name: after})  # type: ignore[arg-type]

    def fill(self, properties: Mapping[str, str]) -> dict[str, str]:
        """Properties with the ids of the images that they refer to."""
        return {name: fill_known_references(text, self.ids) for name, text in properties.items()}
