"""A catalog, its live images and the facts of a target -> what the catalog needs, and whether the target has it. Pure.

No API shows a service's policy. So what a user may do is judged by the default policy of the image service (Glance
2023.1 and later) and the roles of the token; roles with other names may have any permission.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from imagesync.model.catalog import Catalog, FileSource, ImageSpec, Method, Visibility
from imagesync.model.diagnosis import Check, Grade, Needs
from imagesync.model.image import Capabilities, LiveImage, Usage
from imagesync.planning.moves import group_by_new_key
from imagesync.planning.ownership import name_some

ADMIN: Final = "admin"
MEMBER: Final = "member"
STANDARD_ROLES: Final = frozenset({ADMIN, MEMBER, "reader", "manager", "service"})
"""The roles that Keystone creates; other names are those of an operator."""
MEBIBYTE: Final = 2**20
QUOTAS: Final = {
    "image_count_total": "quota: images",
    "image_count_uploading": "quota: uploads",
    "image_size_total": "quota: size",
    "image_stage_total": "quota: staging",
}
"""The limits that Glance registers in Keystone, and how a check is called."""
_MAY_DIFFER: Final = "the service may have another policy, which no API shows: an apply will show it"
_ASK: Final = "ask an administrator of the cloud for the role, or use another user"


def find_needs(
    catalog: Catalog, project: str, owned: Sequence[LiveImage] | None, measure: Callable[[str], int | None]
) -> Needs:
    """What the catalog needs.

    ``owned``: its live images, None if they are unknown. ``measure`` returns the bytes of a local file, None if it cannot
    be read. A project whose name is not resolved counts as another one: the name of ``project`` itself always is.
    """
    methods: defaultdict[str, list[str]] = defaultdict(list)
    stores: defaultdict[str, list[str]] = defaultdict(list)
    for spec in catalog.images:
        if (transfer := spec.source.transfer) is not None:
            if transfer.method is not Method.UPLOAD:
                methods[transfer.method.value].append(spec.key)
            for store in transfer.stores:
                stores[store].append(spec.key)
    lacking = None if owned is None else _find_lacking(catalog, owned)
    return Needs(
        public=_list_keys(catalog, lambda spec: spec.visibility is Visibility.PUBLIC),
        shared=_list_keys(catalog, lambda spec: spec.visibility is Visibility.SHARED),
        elsewhere=_list_keys(catalog, lambda spec: (spec.owner or project) != project),
        methods={name: tuple(keys) for name, keys in sorted(methods.items())},
        stores={name: tuple(keys) for name, keys in sorted(stores.items())},
        lacking=None if lacking is None else tuple(spec.key for spec in lacking),
        known_bytes=sum(_measure(spec, measure) for spec in lacking or ()),
    )


def _list_keys(catalog: Catalog, is_one: Callable[[ImageSpec], bool]) -> tuple[str, ...]:
    return tuple(spec.key for spec in catalog.images if is_one(spec))


def _find_lacking(catalog: Catalog, owned: Sequence[LiveImage]) -> list[ImageSpec]:
    groups, _ = group_by_new_key(catalog.moved, owned)
    return [spec for spec in catalog.images if not groups[spec.key].current and not spec.adopt]


def _measure(spec: ImageSpec, measure: Callable[[str], int | None]) -> int:
    return measure(spec.source.path) or 0 if isinstance(spec.source, FileSource) else 0


def judge_rights(roles: Collection[str] | None, needs: Needs) -> Iterator[Check]:
    """One check for each kind of request that an apply sends; ``roles`` None: there is no token that names them."""
    yield _judge("write images", roles, MEMBER, _EVERY)
    yield _judge("publish", roles, ADMIN, needs.public, lacks="the catalog has no public image")
    yield _judge("share", roles, MEMBER, needs.shared, lacks="the catalog has no shared image")
    yield _judge("other projects", roles, ADMIN, needs.elsewhere, lacks="all images are in the user's own project")


_EVERY: Final = ("",)
"""All keys: every apply sends such requests."""


def _judge(name: str, roles: Collection[str] | None, wanted: str, keys: Sequence[str], *, lacks: str = "") -> Check:
    if not keys:
        return Check(name, Grade.OK, f"not needed: {lacks}")
    need = "" if keys == _EVERY else f" (needed for {name_some(keys)})"
    rule = f"the default policy requires the role {wanted}{need}"
    if roles is None:
        return Check(name, Grade.WARNING, f"unknown without a token: {rule}; an apply will show it")
    if wanted in roles or ADMIN in roles:
        which = wanted if wanted in roles else ADMIN
        return Check(name, Grade.OK, f"the default policy allows it to the role {which}{need}")
    found = f"{rule}, and this user has {' and '.join(sorted(roles)) or 'none'}"
    if set(roles) <= STANDARD_ROLES and wanted == MEMBER:
        return Check(name, Grade.PROBLEM, found, _ASK)
    return Check(name, Grade.WARNING, f"{found}; {_MAY_DIFFER}", _ASK)


def judge_offer(able: Capabilities, needs: Needs) -> Iterator[Check]:
    """The import methods and the stores of the service."""
    offered = (("import methods", able.import_methods, needs.methods), ("stores", able.stores, needs.stores))
    for name, found, wanted in offered:
        missing = {item: keys for item, keys in wanted.items() if item not in found}
        text = ", ".join(sorted(found)) or "the service reports none"
        if missing:
            item, keys = next(iter(missing.items()))
            field = "source.method" if name == "import methods" else "source.stores"
            fix = f"change {field} of these keys, or ask the cloud's operator for {item}"
            yield Check(name, Grade.PROBLEM, f"{text}; {item} is missing (needed for {name_some(keys)})", fix)
        else:
            yield Check(name, Grade.OK, text)


def judge_quotas(usage: Mapping[str, Usage], needs: Needs, *, has_lease: bool) -> Iterator[Check]:
    """Each quota that the service reports, against the images that the next apply creates."""
    if not usage:
        yield Check("quotas", Grade.OK, "the service reports none")
        return
    lease = 0 if has_lease else 1
    images = len(needs.lacking or ()) + (lease if needs.lacking else 0)
    mebibytes = -(-needs.known_bytes // MEBIBYTE)
    is_staged = Method.GLANCE_DIRECT.value in needs.methods
    wanted = {
        "image_count_total": (images, "image", True),
        "image_count_uploading": (min(images, 1), "image", True),
        "image_size_total": (mebibytes, "MiB", bool(needs.lacking)),
        "image_stage_total": (mebibytes if is_staged else 0, "MiB", is_staged),
    }
    for name, quota in sorted(usage.items()):
        number, unit, is_used = wanted.get(name, (0, "", False))
        yield _judge_quota(QUOTAS.get(name, name), quota, number, unit, is_used=is_used)


def _judge_quota(name: str, quota: Usage, wanted: int, unit: str, *, is_used: bool) -> Check:
    words = f"{unit}s" if unit == "image" else unit
    if quota.limit < 0:
        return Check(name, Grade.OK, f"{quota.usage} {words} used, no limit".replace("  ", " "))
    text = f"{quota.usage} of {quota.limit} {words} used".replace("  ", " ").rstrip()
    fix = "delete images that are not needed, or ask the cloud's operator for a larger quota"
    if is_used and quota.usage + wanted > quota.limit:
        return Check(name, Grade.PROBLEM, f"{text}; the next apply needs at least {wanted} more", fix)
    if is_used and quota.usage >= quota.limit:
        return Check(name, Grade.WARNING, f"{text}; there is no room for a new build", fix)
    return Check(name, Grade.OK, f"{text}; the next apply needs at least {wanted} more" if wanted else text)
