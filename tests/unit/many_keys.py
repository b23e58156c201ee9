"""Random keys for tests of planning: each with a declared image or none, and its live images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from imagesync.model.catalog import (
    Catalog,
    FileSource,
    ImageSpec,
    KnownContent,
    Method,
    OnExpire,
    Role,
    Status,
    Transfer,
    UrlSource,
    Visibility,
)
from imagesync.model.image import Inventory, LiveImage, MemberState
from imagesync.model.policy import OnRemove, OnReplace, Policy
from tests.unit.factories import PROJECT, catalog, digest, live, retired, rewrite, spec

OTHER = "f" * 32
CONTENTS = "ab"


@dataclass(frozen=True, slots=True)
class KeyCase:
    """The declared image of one key (None: it was removed from the manifest), and its live images."""

    key: str
    wanted: ImageSpec | None
    owned: tuple[LiveImage, ...]
    foreign: tuple[LiveImage, ...]
    members: dict[str, tuple[MemberState, ...]]
    owner: str | None
    misplaced: tuple[LiveImage, ...] = ()


def draw_key(random: Random, key: str) -> KeyCase:
    """One key in one of very many states, independent of all other keys."""
    wanted = _draw_spec(random, key)
    owned = tuple(_draw_live(random, wanted, number) for number in range(random.choice([0, 0, 1, 1, 1, 2, 3])))
    foreign = tuple(_draw_foreign(random, wanted, number) for number in range(random.choice([0, 0, 0, 1, 2])))
    chance = random.random()
    if chance < 0.3:
        adopt: bool | str = f"foreign-{key}-0" if random.random() < 0.5 else True
        wanted = replace(wanted, adopt=adopt)
    if chance < 0.15:
        fit = replace(
            _draw_foreign(random, wanted, 0), name=wanted.name, owner=wanted.owner_id or PROJECT, properties={}
        )
        owned, foreign = (), (replace(fit, hidden=False),)
    owner = wanted.owner_id
    shared = [image.id for image in (*owned, *foreign) if image.visibility is Visibility.SHARED]
    members = {one: tuple(map(MemberState, random.choice([(), ("p1",), ("p1", "p2")]))) for one in shared}
    misplaced = (replace(live(wanted), id=f"misplaced-{key}", owner=OTHER),) if random.random() < 0.1 else ()
    return KeyCase(key, wanted if random.random() < 0.85 else None, owned, foreign, members, owner, misplaced)


def join_cases(cases: Sequence[KeyCase], random: Random | None = None) -> tuple[Catalog, Inventory]:
    """The catalog and the inventory of several keys, with the images in a random order."""
    found: dict[str, list[LiveImage]] = {
        name: [image for case in cases for image in getattr(case, name)] for name in ("owned", "foreign", "misplaced")
    }
    if random is not None:
        for images in found.values():
            random.shuffle(images)
    wanted = [case.wanted for case in cases if case.wanted is not None]
    owners = {case.key: case.owner for case in cases if case.owner is not None}
    members = {image: them for case in cases for image, them in case.members.items()}
    return catalog(*wanted, owners=owners), Inventory(
        PROJECT,
        owned=tuple(found["owned"]),
        foreign=tuple(found["foreign"]),
        misplaced=tuple(found["misplaced"]),
        members=members,
    )


def draw_policy(random: Random, *, is_whole: bool = True) -> Policy:
    """A policy.

    It mostly permits the removal of protected images, otherwise most plans would be refused. ``is_whole``: not for
    staging.
    """
    return Policy(
        on_remove=random.choice(list(OnRemove)),
        allow_protected=random.random() < 0.8,
        reactivate=random.random() < 0.3,
        drift_only=is_whole and random.random() < 0.1,
    )


def _draw_spec(random: Random, key: str) -> ImageSpec:
    visibility = random.choice([None, *Visibility])
    declared = visibility is Visibility.SHARED and random.random() < 0.7
    transfer = Transfer(method=random.choice([Method.UPLOAD, Method.UPLOAD, Method.WEB_DOWNLOAD]))
    url = f"https://x.example/{key}.raw"
    content = random.choice(CONTENTS)
    source = random.choice(
        [
            FileSource(f"/images/{key}.raw", f"{key}.raw"),
            UrlSource((url,), transfer=transfer),
            KnownContent(digest(content)),
        ]
    )
    expires = random.choice([None, None, None, "2026-11-01", "2027-11-01"])
    return spec(
        key,
        content,
        name=f"name of {key}",
        source=source,
        owner=random.choice([None, None, None, OTHER]),
        visibility=visibility,
        id=random.choice([*[None] * 8, f"id-{key}-0", f"pinned-{key}"]),
        hidden=random.choice([None, False, True]),
        protected=random.choice([None, False, True]),
        status=random.choice([None, None, Status.ACTIVE, Status.DEACTIVATED]),
        min_ram=random.choice([None, 0, 5]),
        tags=frozenset(random.sample(["t", "u", "T"], random.randint(0, 2))),
        properties=dict(random.sample([("p", "x"), ("q", "y"), ("P", "z")], random.randint(0, 2))),
        members_declared=declared,
        members=frozenset(random.sample(["p1", "p2"], random.randint(0, 2))) if declared else frozenset(),
        expires=expires,
        on_expire=random.choice(list(OnExpire)) if expires else None,
        on_replace=OnReplace(
            keep=random.randint(0, 2),
            hide=random.random() < 0.8,
            deactivate=random.random() < 0.3,
            delete_after=random.choice([None, None, 7]),
            rename=random.choice([None, "{name} {generation}"]),
            set_tags=random.choice([(), ("old",)]),
            set_properties=random.choice([(), (("state", "old"),)]),
            unset=random.choice([(), ("properties.p",)]),
        ),
    )


def _draw_live(random: Random, wanted: ImageSpec, number: int) -> LiveImage:
    was = replace(
        wanted,
        fingerprint=replace(wanted.fingerprint, digests=(digest(random.choice(CONTENTS)),)),
        min_ram=random.choice([wanted.min_ram, 9]),
        tags=random.choice([wanted.tags, frozenset({"v"})]),
        properties=random.choice([dict(wanted.properties), {"q": "other"}]),
        members=frozenset(random.sample(["p1", "p2"], random.randint(0, 2)))
        if wanted.members_declared
        else frozenset(),
    )
    role = random.choice([Role.CURRENT, Role.CURRENT, Role.STAGING, Role.RETIRED, Role.DELETING])
    image_id = f"id-{wanted.key}-{number}"
    changed: dict[str, object] = {
        "owner": wanted.owner or PROJECT,
        "created_at": f"2026-11-0{random.randint(1, 9)}T00:00:00Z",
        "status": random.choice([Status.ACTIVE, Status.ACTIVE, Status.ACTIVE, Status.DEACTIVATED, Status.QUEUED]),
        "hidden": random.choice([bool(wanted.hidden), role in (Role.STAGING, Role.RETIRED)]),
        "visibility": random.choice([wanted.visibility or Visibility.PRIVATE, Visibility.PRIVATE]),
        "protected": random.random() < 0.2,
    }
    if role is Role.RETIRED:
        image = replace(retired(was, image_id, number + 1, random.randint(0, 20)), **changed)  # type: ignore[arg-type]
    else:
        image = live(was, image_id, role, number + 1, **changed)
    return rewrite(image, unverified=True) if random.random() < 0.1 else image


def _draw_foreign(random: Random, wanted: ImageSpec, number: int) -> LiveImage:
    image_id = f"foreign-{wanted.key}-{number}"
    return live(
        wanted,
        image_id,
        name=random.choice([wanted.name, "another"]),
        owner=random.choice([PROJECT, OTHER]),
        hidden=random.random() < 0.3,
        properties=random.choice([{}, {"imagesync_catalog": "other", "imagesync_id": image_id}]),
        visibility=random.choice([Visibility.SHARED, Visibility.PRIVATE]),
        size=random.choice([4096, 5000]),
    )
