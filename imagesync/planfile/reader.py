"""The JSON document of a saved plan -> the plan. Pure, except for reading the schema.

A document that was changed after it was made, or that another version wrote, is refused. URLs are restored as far as
the document has them; ``find_withheld_urls`` names the keys whose complete URL must be read from the manifests again.
"""

import os
from typing import Any, Final

from imagesync.errors import Diagnostic, UsageError
from imagesync.model.catalog import (
    Checksum,
    Compression,
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Method,
    Role,
    Signature,
    Source,
    Transfer,
    UrlSource,
)
from imagesync.model.image import Identity
from imagesync.model.plan import (
    Action,
    Candidate,
    Create,
    Deactivate,
    Delete,
    Fate,
    FieldChange,
    ImageState,
    Kept,
    Kind,
    Plan,
    PlanError,
    Reactivate,
    Reason,
    Reliance,
    Step,
    Update,
    Value,
)
from imagesync.model.record import Managed, Record
from imagesync.planfile.writer import FORMAT_VERSION, Json, compute_digest, write_summary
from imagesync.secrets import quote_value, show_key

AGAIN: Final = "make a new plan: imagesync plan PATH -o plan.json"
"""What to do with a document that cannot be used."""


def decode_plan(document: object, *, folder: str, display: str) -> Plan:
    """The plan of a document in ``folder``; UsageError if it is not a valid plan. ``display`` names the file in errors.

    The document must match the schema, its own digest and its own summary.
    """
    if not isinstance(document, dict) or "format_version" not in document:
        raise UsageError(f"{display} is not a saved plan", "make one with: imagesync plan PATH -o plan.json")
    if document["format_version"] != FORMAT_VERSION:
        version = document["format_version"]
        raise UsageError(
            f"{display} has format_version {quote_value(version)}; this imagesync reads {FORMAT_VERSION}", AGAIN
        )
    check_shape(document, display)
    if compute_digest(document) != document["digest"]:
        raise UsageError(f"{display} was altered after it was made: its digest does not match its content", AGAIN)
    if (place := _find_unprintable(document)) is not None:
        raise UsageError(f"{display} is not a saved plan: {place} has control characters", AGAIN)
    plan = read_trusted_plan(document, folder=folder)
    if write_summary(plan) != document["summary"]:
        raise UsageError(f"{display} is not a saved plan: its summary does not match its steps", AGAIN)
    return plan


def read_trusted_plan(document: Json, *, folder: str) -> Plan:
    """The plan of a document that this process made, without the checks of ``decode_plan``."""
    return _read_plan(document, os.path.normpath(os.path.join(folder, document["manifest"]["base"])))


def _read_plan(document: Json, base: str) -> Plan:
    """The plan of a checked document; ``base``: the folder of its manifests."""
    return Plan(
        catalog=document["catalog"],
        target=Identity(**document["target"]),
        target_name=document["manifest"]["target"],
        steps=tuple(_read_step(step, base) for step in document["steps"]),
        relies=tuple(
            Reliance(item["image_id"], item["key"], {k: _read_value(v) for k, v in item["values"].items()})
            for item in document["relies"]
        ),
        absent=tuple(document["absent"]),
        ids=document["ids"],
        wanted=document["wanted"],
        owned=document["owned"],
        unchanged=document["unchanged"],
        removed=tuple(document["removed"]),
        changed=tuple(document["changed"]),
        notes=tuple(document["notes"]),
        manifest_digest=document["manifest"]["digest"],
        base=base,
        kind=Kind(document["kind"]),
        kept=tuple(_read_kept(item) for item in document["kept"]),
        candidates=tuple(
            Candidate(item["key"], item["image_id"], item["created"], Fate(item["fate"]))
            for item in document["candidates"]
        ),
        owners=document["owners"],
        copies=tuple(document["copies"]),
        expires=document["expires"],
        errors=tuple(map(_read_error, document.get("errors", ()))),
        moved=document.get("moved", {}),
        made=document["made"],
    )


_VALUES: Final = frozenset({"before", "after", "values", "fields", "properties", "tags", "notes", "errors"})
"""Members with values of images, or texts that quote them: these may have any character, and are escaped when shown."""


def _find_unprintable(found: object, place: str = "") -> str | None:
    """The first member with a character that could control a terminal or hide text from a reader; None if none has."""
    if isinstance(found, str):
        return None if found.isprintable() else place
    if isinstance(found, list):
        parts = [(place, item) for item in found]
    elif isinstance(found, dict):
        if any(not name.isprintable() for name in found):
            return place or "the document"
        parts = [(f"{place}.{show_key(name)}".lstrip("."), item) for name, item in found.items() if name not in _VALUES]
    else:
        return None
    return next((wrong for where, item in parts if (wrong := _find_unprintable(item, where)) is not None), None)


def _read_error(error: Json) -> PlanError:
    parts = (error[name] for name in ("file", "line", "column", "where", "message", "hint"))
    return PlanError(error["key"], Diagnostic(*parts))


def _read_kept(kept: Json) -> Kept:
    return Kept(
        kept["key"],
        kept["image_id"],
        kept["keep"],
        kept["days"],
        kept["until"],
        retires=kept["retires"],
        protected=kept["protected"],
    )


def check_shape(
    document: Json, display: str, *, schema: str = "plan", kind: str = "a saved plan", hint: str = AGAIN
) -> None:
    """UsageError if a document does not match its schema. ``kind``: what it should be; ``hint``: what to do."""
    import jsonschema_rs

    from imagesync.schemas import load_schema

    error = next(iter(jsonschema_rs.validator_for(load_schema(schema)).iter_errors(document)), None)
    if error is not None:
        place = ".".join(show_key(str(part)) for part in error.instance_path) or "the document"
        raise UsageError(f"{display} is not {kind}: {place} does not match the schema", hint)


def _read_step(step: Json, base: str) -> Step:
    return Step(step["id"], _read_action(step, base), Reason(step["reason"]), tuple(step["needs"]))


def _read_action(step: Json, base: str) -> Action:
    key, image_id = step["key"], step["image_id"]
    match step["action"]:
        case "create":
            state = step["document"]
            return Create(
                key,
                ImageState(
                    {name: _read_value(value) for name, value in state["fields"].items()},
                    state["properties"],
                    tuple(state["tags"]),
                    tuple(state["members"]),
                ),
                _read_source(step["source"], base),
                _read_fingerprint(step["fingerprint"]),
                _read_record(step["record"]),
                image_id,
                step["fill"],
                tuple(step["replaces"]),
                step["min_disk_auto"],
                step["stage"],
                tuple(step["may_hold"]),
                _read_changes(step["changes"]),
            )
        case "update":
            changes = _read_changes(step["changes"])
            record = _read_record(step["record"]) if step["record"] else None
            return Update(key, image_id, changes, record, tuple(map(Checksum.parse, step["verify"])))
        case "deactivate":
            return Deactivate(key, image_id)
        case "reactivate":
            return Reactivate(key, image_id)
        case _:
            return Delete(key, image_id, step["size"], step["unprotect"])


def _read_changes(changes: Any) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(tuple(c["path"]), _read_value(c["before"]), _read_value(c["after"]), Reason(c["reason"]))
        for c in changes
    )


def _read_value(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value


def _read_fingerprint(fingerprint: Json) -> Fingerprint:
    return Fingerprint(tuple(map(Checksum.parse, fingerprint["digests"])), fingerprint["size"])


def _read_source(source: Json, base: str) -> Source:
    match source["kind"]:
        case "file":
            path = os.path.normpath(os.path.join(base, source["path"]))
            return FileSource(path, source["shown"], *_read_checks(source, base), _read_transfer(source["transfer"]))
        case "url":
            urls = tuple(item["url"] for item in source["urls"])
            return UrlSource(urls, *_read_checks(source, base), _read_transfer(source["transfer"]))
        case "known":
            return KnownContent(Checksum.parse(source["checksum"]))
        case kind:
            return Content[kind.upper().replace("-", "_")]


def _read_checks(source: Json, base: str) -> tuple[Checksum | None, str | None, str | None, Signature | None]:
    checksum, signed = source["checksum"], source["signature"]
    if signed:
        signed = Signature(signed["url"], os.path.normpath(os.path.join(base, signed["keyring"])), signed["shown"])
    listed = source["checksum_url"], source.get("checksum_entry")
    return Checksum.parse(checksum) if checksum else None, *listed, signed


def _read_transfer(transfer: Json) -> Transfer:
    return Transfer(
        Compression(transfer["compression"]),
        Method(transfer["method"]),
        tuple(transfer["stores"]),
        transfer["all_stores"],
        transfer["verify"],
        transfer["inspect"],
        transfer["max_size"],
        transfer["max_ratio"],
    )


def _read_record(record: Json) -> Record:
    managed = record["managed"]
    return Record(
        record["catalog"],
        record["key"],
        Role(record["role"]),
        tuple(map(Checksum.parse, record["digests"])),
        record["url"],
        record["spec"],
        Managed(
            managed["fields"],
            managed["properties"],
            tuple(managed["tags"]),
            tuple(managed["members"]),
            managed["generation"],
            managed["origin"],
            managed["retired"],
            managed["before"],
            managed["retirement"],
            managed.get("former"),
        ),
        converted=record["converted"],
        declared=tuple(map(Checksum.parse, record["declared"])),
    )


def find_withheld_urls(document: Json) -> frozenset[str]:
    """The keys of images whose URLs have parts that a document may not show."""
    creates = [step for step in document["steps"] if step["action"] == "create" and step["source"]["kind"] == "url"]
    return frozenset(step["key"] for step in creates if any(item["withheld"] for item in step["source"]["urls"]))
