"""A plan, and the limits and capabilities that apply to it -> sentences that refuse the plan. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from imagesync.model.catalog import ImageSpec, KnownContent, Method, Transfer
from imagesync.model.image import COPY, Capabilities
from imagesync.model.plan import Create, Plan, Step, Update
from imagesync.model.policy import Limit, Policy

MIN_KEYS_FOR_PERCENT: Final = 4
"""With fewer owned keys a limit in percent is meaningless and does not apply."""


def check(plan: Plan, policy: Policy) -> tuple[str, ...]:
    """One sentence for each limit that the plan exceeds: the number, the limit, and what to do."""
    is_emptied = bool(plan.removed) and len(plan.removed) == plan.owned
    if is_emptied and not policy.allow_destroy:
        return (
            f"the plan would remove every live image of catalog {plan.catalog} ({plan.owned}); "
            "check the path, the target and the dates in expires, or pass --destroy to allow it",
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
    return (
        f"the plan would {verb} {number} of {owned} live images{share}; the limit is {limit}; "
        f"pass --max-{option} {number} to allow it"
    )


def find_missing_capabilities(
    steps: Sequence[Step], able: Capabilities | None, wanted: Sequence[ImageSpec]
) -> list[str]:
    """One sentence for each format, import method, store or quota that the steps need and the target lacks.

    ``able`` None: its capabilities are unknown, and nothing is checked.
    """
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
        f"images.{create.key}.{name}: this service does not accept {value}; use one of {', '.join(sorted(known))}"
        for name, known in pairs
        if known and (value := create.state.fields.get(name)) is not None and value not in known
    ]


def _check_method(create: Create, transfer: Transfer, able: Capabilities) -> Iterator[str]:
    """An import method that the service does not offer, or an upload into several stores that it cannot do."""
    method, offered = transfer.method.value, {Method.UPLOAD.value, *able.import_methods} & set(Method)
    if method not in offered:
        yield (
            f"images.{create.key}.source.method: this service does not offer {method}; use {' or '.join(sorted(offered))}"
        )
    several = len(transfer.select_stores(able.stores)) > 1
    if transfer.method is Method.UPLOAD and several and not able.import_methods & {COPY, Method.GLANCE_DIRECT.value}:
        yield (
            f"images.{create.key}.source.stores: this service writes an upload to one store only, because it offers neither "
            f"{Method.GLANCE_DIRECT.value} nor {COPY}; declare one store"
        )


def _check_stores(key: str, transfer: Transfer, able: Capabilities) -> Iterator[str]:
    if unknown := sorted(set(transfer.stores) - able.stores):
        there = f"use {', '.join(sorted(able.stores))}" if able.stores else "it has only one, so remove stores"
        yield f"images.{key}.source.stores: this service has no store {', '.join(unknown)}; {there}"


def _check_copying(update: Update, able: Capabilities) -> Iterator[str]:
    if COPY not in able.import_methods:
        offered = ", ".join(sorted(able.import_methods)) or "none"
        yield (
            f"images.{update.key}.source.stores: image {update.image_id} is not in all declared stores, and this service "
            f"does not offer {COPY} to copy it (import methods: {offered}); remove the additional stores"
        )


def _check_quota(creates: Sequence[Create], able: Capabilities) -> list[str]:
    sentences = []
    count, size = able.usage.get("image_count_total"), able.usage.get("image_size_total")
    filled = [create for create in creates if not isinstance(create.source, KnownContent)]
    if count and count.limit >= 0 and count.usage + len(filled) > count.limit:
        sentences.append(
            f"the plan would create {len(filled)} images, but the project already uses {count.usage} of its quota of "
            f"{count.limit} (image_count_total); raise the quota or delete images first"
        )
    mebibytes = sum(create.fingerprint.size or 0 for create in filled) // 2**20
    if size and size.limit >= 0 and size.usage + mebibytes > size.limit:
        sentences.append(
            f"the plan would store {mebibytes} MiB, but the project already uses {size.usage} MiB of its quota of "
            f"{size.limit} MiB (image_size_total); raise the quota or delete images first"
        )
    return sentences
