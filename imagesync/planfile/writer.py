"""A plan -> its JSON document, the saved form (``schemas/plan.schema.json``). Pure.

The document has everything that apply needs and no secret. A URL with a log-in or a query is stored without them and
marked as withheld: apply reads the complete URL from the manifests again. Paths are relative to the manifest's folder,
and that folder is relative to the document's, so every checkout gives the same bytes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final, assert_never

from imagesync.model.catalog import (
    Content,
    FileSource,
    Fingerprint,
    KnownContent,
    Source,
    Transfer,
    UrlSource,
)
from imagesync.model.plan import (
    Action,
    Candidate,
    Create,
    Deactivate,
    Delete,
    FieldChange,
    ImageState,
    Kept,
    Plan,
    PlanError,
    Reactivate,
    Step,
    Update,
    Value,
    summarize,
)
from imagesync.model.record import Record
from imagesync.model.urls import has_secret, redact_url
from imagesync.secrets import clean_diagnostic
from imagesync.text import format_json

FORMAT_VERSION: Final = 1

Json = dict[str, Any]


def encode_plan(plan: Plan, *, tool: str, folder: str) -> Json:
    """The document of a plan, for a file in ``folder`` (absolute); ``tool`` is the program and version that made it."""
    document: Json = {
        "format_version": FORMAT_VERSION,
        "tool": tool,
        "catalog": plan.catalog,
        "target": {
            "kind": plan.target.kind,
            "location": plan.target.location,
            "region": plan.target.region,
            "project_id": plan.target.project_id,
            "project_name": plan.target.project_name,
            "label": plan.target.label,
        },
        "manifest": {
            "base": os.path.relpath(plan.base, folder),
            "digest": plan.manifest_digest,
            "target": plan.target_name,
        },
        "summary": write_summary(plan),
        "steps": [write_step(step, plan.base) for step in plan.steps],
        "relies": [
            {"image_id": item.image_id, "key": item.key, "values": _write_values(item.values)} for item in plan.relies
        ],
        "absent": list(plan.absent),
        "ids": dict(plan.ids),
        "wanted": plan.wanted,
        "owned": plan.owned,
        "unchanged": plan.unchanged,
        "removed": list(plan.removed),
        "changed": list(plan.changed),
        "notes": list(plan.notes),
        "kind": plan.kind.value,
        "kept": [_write_kept(one) for one in plan.kept],
        "candidates": [_write_candidate(one) for one in plan.candidates],
        "owners": dict(plan.owners),
        "copies": list(plan.copies),
        "expires": dict(plan.expires),
        "made": plan.made,
        **({"moved": dict(plan.moved)} if plan.moved else {}),
        **({"errors": [_write_error(one) for one in plan.errors]} if plan.errors else {}),
    }
    return {**document, "digest": compute_digest(document)}


def format_document(document: Json) -> str:
    """The text of a document; the same plan always gives the same text."""
    return format_json(document) + "\n"


def compute_digest(document: Json) -> str:
    """``sha256:…`` of the canonical JSON of a document without its ``digest``."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def write_summary(plan: Plan) -> Json:
    """The counts of a plan, in the form of its document."""
    counts = summarize(plan)
    verbs = ("create", "update", "replace", "deactivate", "reactivate", "delete", "stage", "unchanged")
    moves = {"move": counts.move} if counts.move else {}
    return {**moves, **{verb: getattr(counts, verb) for verb in verbs}, "upload_bytes": counts.upload}


def _write_kept(kept: Kept) -> Json:
    return {
        "key": kept.key,
        "image_id": kept.image_id,
        "keep": kept.keep,
        "days": kept.days,
        "until": kept.until,
        "retires": kept.retires,
        "protected": kept.protected,
    }


def _write_candidate(candidate: Candidate) -> Json:
    return {
        "key": candidate.key,
        "image_id": candidate.image_id,
        "created": candidate.created,
        "fate": candidate.fate.value,
    }


def _write_error(error: PlanError) -> Json:
    problem = clean_diagnostic(error.problem)
    return {
        "key": error.key,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "where": problem.where,
        "message": problem.message,
        "hint": problem.hint,
    }


def write_step(step: Step, base: str) -> Json:
    """A step in the form of the document; ``base``: the manifest's folder, to which its paths are relative."""
    return {
        "id": step.id,
        "reason": step.reason.value,
        "needs": list(step.needs),
        "action": type(step.action).__name__.lower(),
        **_write_action(step.action, base),
    }


def _write_action(action: Action, base: str) -> Json:
    match action:
        case Create():
            return {
                "key": action.key,
                "document": _write_state(action.state),
                "source": _write_source(action.source, base),
                "fingerprint": _write_fingerprint(action.fingerprint),
                "record": _write_record(action.record),
                "image_id": action.image_id,
                "fill": action.fill,
                "replaces": list(action.replaces),
                "min_disk_auto": action.min_disk_auto,
                "stage": action.stage,
                "may_hold": list(action.may_hold),
                "changes": [_write_change(change) for change in action.changes],
            }
        case Update():
            changes = [_write_change(change) for change in action.changes]
            record = _write_record(action.record) if action.record else None
            verify = list(map(str, action.verify))
            return {
                "key": action.key,
                "image_id": action.image_id,
                "changes": changes,
                "record": record,
                "verify": verify,
            }
        case Deactivate() | Reactivate():
            return {"key": action.key, "image_id": action.image_id}
        case Delete():
            more = {"size": action.size, "unprotect": action.unprotect}
            return {"key": action.key, "image_id": action.image_id, **more}
        case _:
            assert_never(action)


def _write_change(change: FieldChange) -> Json:
    return {
        "path": list(change.path),
        "before": _write_value(change.before),
        "after": _write_value(change.after),
        "reason": change.reason.value,
    }


def _write_value(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def _write_values(values: Mapping[str, Value]) -> Json:
    return {name: _write_value(value) for name, value in values.items()}


def _write_state(state: ImageState) -> Json:
    return {
        "fields": _write_values(state.fields),
        "properties": dict(state.properties),
        "tags": list(state.tags),
        "members": list(state.members),
    }


def _write_fingerprint(fingerprint: Fingerprint) -> Json:
    return {"digests": list(map(str, fingerprint.digests)), "size": fingerprint.size}


def _write_source(source: Source, base: str) -> Json:
    match source:
        case FileSource():
            where: Json = {"kind": "file", "path": os.path.relpath(source.path, base), "shown": source.display}
            return {**where, **_write_checks(source, base), "transfer": _write_transfer(source.transfer)}
        case UrlSource():
            urls = [{"url": redact_url(url), "withheld": has_secret(url)} for url in source.urls]
            where = {"kind": "url", "urls": urls}
            return {**where, **_write_checks(source, base), "transfer": _write_transfer(source.transfer)}
        case KnownContent():
            return {"kind": "known", "checksum": str(source.checksum)}
        case Content():
            return {"kind": source.name.lower().replace("_", "-")}
        case _:
            assert_never(source)


def _write_checks(source: FileSource | UrlSource, base: str) -> Json:
    url, signature, signed = source.checksum_url, source.signature, None
    if signature:
        keyring = os.path.relpath(signature.keyring, base)
        signed = {"url": redact_url(signature.url), "keyring": keyring, "shown": signature.display}
    return {
        "signature": signed,
        "checksum": str(source.checksum) if source.checksum else None,
        "checksum_url": redact_url(url) if url else None,
        **({"checksum_entry": source.checksum_entry} if source.checksum_entry else {}),
    }


def _write_transfer(transfer: Transfer) -> Json:
    return {
        "compression": transfer.compression.value,
        "method": transfer.method.value,
        "stores": list(transfer.stores),
        "all_stores": transfer.all_stores,
        "verify": transfer.verify,
        "inspect": transfer.inspect,
        "max_size": transfer.max_size,
        "max_ratio": transfer.max_ratio,
    }


def _write_record(record: Record) -> Json:
    managed = record.managed
    return {
        "catalog": record.catalog,
        "key": record.key,
        "role": record.role.value,
        "digests": list(map(str, record.digests)),
        "declared": list(map(str, record.declared)),
        "url": record.url,
        "spec": record.spec,
        "converted": record.converted,
        "managed": {
            "fields": dict(managed.fields),
            "properties": dict(managed.properties),
            "tags": list(managed.tags),
            "members": list(managed.members),
            "generation": managed.generation,
            "origin": managed.origin,
            "retired": managed.retired,
            "before": dict(managed.before),
            "retirement": managed.retirement,
            **({"former": managed.former} if managed.former else {}),
        },
    }
