"""A plan and its limits -> the sentences that refuse it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from imagesync.model.catalog import ImageSpec, KnownContent, Method, Transfer
from imagesync.model.image import COPY, Capabilities
from imagesync.model.plan import Create, Plan, Step, Update
from imagesync.model.policy import Limit, Policy

MIN_KEYS_FOR_PERCENT: Final = 4
"""Below so many owned keys a limit in per cent means nothing and is not applied."""


def check(plan: Plan, policy: Policy) -> tuple[str, ...]:
    """One sentence for each limit that the plan exceeds: the number, the limit and the way out."""
    is_emptied = bool(plan.removed) and len(plan.removed) == plan.owned
    if is_emptied and not policy.allow_destroy:
        return (
            f"every live image of catalog {plan.catalog} ({plan.owned}) would be removed; "
            "check the path, the target and the days in expires, or pass --destroy to allow",
        )
    removed, changed = len(plan.removed), len(plan.changed)
    over = [] if is_emptied else [_check_limit("remove", "delete", removed, plan.owned, policy.max_delete)]
    over.append(_check_limit("update", "update", changed, plan.owned, policy.max_update))
    return tuple(sentence for sentence in over if sentence)


def _check_limit(verb: str, option: str, number: int, owned: int, limit: Limit) -> str:
    if limit.percent and owned < MIN_KEYS_FOR_PERCENT:
        return ""
    allowed = owned * limit.value // 100 if limit.percent else limit.value
    if number <= allowed:
        return ""
    share = f" ({number * 100 // owned} %)" if owned else ""
    return f"would {verb} {number} of {owned} live images{share}, the limit is {limit}; pass --max-{option} {number} to allow"


def find_missing_capabilities(
    steps: Sequence[Step], able: Capabilities | None, wanted: Sequence[ImageSpec]
) -> list[str]:
    """What the steps ask of the target that it cannot do: formats, import methods, stores, quota; None: not known."""
    if able is None:
        return []
    specs = {spec.key: spec for spec in wanted}
    sentences: list[str] = []
    creates = [item.action for item in steps if isinstance(item.action, Create)]
    for create in creates:
        sentences += _check_formats(create, able)
        if (transfer := create.source.transfer) is not None:
            sentences += [*_check_method(create, transfer, able), *_check_stores(create.key, transfer, able)]
    for item in steps:
        if isinstance(item.action, Update) and any(change.path == ("stores",) for change in item.action.changes):
            transfer = specs[item.action.key].source.transfer
            sentences += (
                [*_check_stores(item.action.key, transfer, able), *_check_copying(item.action, able)]
                if transfer
                else []
            )
    return sentences + _check_quota(creates, able)


def _check_formats(create: Create, able: Capabilities) -> list[str]:
    pairs = (("disk_format", able.disk_formats), ("container_format", able.container_formats))
    return [
        f"images.{create.key}.{name}: this service does not take {value}; it takes {', '.join(sorted(known))}"
        for name, known in pairs
        if known and (value := create.state.fields.get(name)) is not None and value not in known
    ]


def _check_method(create: Create, transfer: Transfer, able: Capabilities) -> Iterator[str]:
    """A way in that the service does not offer, or an upload into several stores that it has no means for."""
    method, offered = transfer.method.value, {Method.UPLOAD.value, *able.import_methods} & set(Method)
    if method not in offered:
        yield (
            f"images.{create.key}.source.method: this service does not offer {method}; use {' or '.join(sorted(offered))}"
        )
    several = len(transfer.wanted_stores(able.stores)) > 1
    if transfer.method is Method.UPLOAD and several and not able.import_methods & {COPY, Method.GLANCE_DIRECT.value}:
        yield (
            f"images.{create.key}.source.stores: this service puts data into one store only, as it offers neither "
            f"{Method.GLANCE_DIRECT.value} nor {COPY}; name one store"
        )


def _check_stores(key: str, transfer: Transfer, able: Capabilities) -> Iterator[str]:
    if unknown := sorted(set(transfer.stores) - able.stores):
        there = (
            f"it has {', '.join(sorted(able.stores))}" if able.stores else "it has none to choose from: leave it out"
        )
        yield f"images.{key}.source.stores: this service has no store {', '.join(unknown)}; {there}"


def _check_copying(update: Update, able: Capabilities) -> Iterator[str]:
    if COPY not in able.import_methods:
        there = ", ".join(sorted(able.import_methods)) or "none"
        yield (
            f"images.{update.key}.source.stores: image {update.image_id} is not in all of them, and this service does not "
            f"offer {COPY} (its import methods: {there}); take the further stores out"
        )


def _check_quota(creates: Sequence[Create], able: Capabilities) -> list[str]:
    sentences = []
    count, size = able.usage.get("image_count_total"), able.usage.get("image_size_total")
    filled = [create for create in creates if not isinstance(create.source, KnownContent)]
    if count and count.limit >= 0 and count.usage + len(filled) > count.limit:
        sentences.append(
            f"would make {len(filled)} images where {count.usage} of {count.limit} that the project may have are used "
            "(image_count_total); raise the quota or remove images first"
        )
    mebibytes = sum(create.fingerprint.size or 0 for create in filled) // 2**20
    if size and size.limit >= 0 and size.usage + mebibytes > size.limit:
        sentences.append(
            f"would store {mebibytes} MiB where {size.usage} of {size.limit} MiB are used (image_size_total); "
            "raise the quota or remove images first"
        )
    return sentences
