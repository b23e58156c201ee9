"""An assignment -> the plan or the run of one target on this worker, and its messages. Does I/O.

The function returns None and never raises: what happened is in the messages, which go to the scheduler, and from there to
the user, on connections that worker and user opened.
"""

import json
import logging
import os
import secrets
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagesync.errors import ImagesyncError, ManifestError, PlanRefused, StalePlan, UsageError
from imagesync.fleet.assignment import BEGUN, Assignment, decode, make_topic
from imagesync.fleet.running import RUNNING
from imagesync.labels import label, make_thread
from imagesync.model.drift import PlaceDrift
from imagesync.planfile.reader import read_trusted_plan
from imagesync.planfile.reviewed import find_unreviewed
from imagesync.planfile.writer import compute_digest
from imagesync.render.problems import list_problems
from imagesync.targets.messages import (
    CHANGED,
    ENDED,
    PLANNED,
    Task,
    Verb,
    decode_planned,
    encode_drift,
    encode_ended,
    encode_problems,
)
from imagesync.version import __version__

if TYPE_CHECKING:  # what only a run needs is imported when it runs
    from imagesync.model.catalog import Catalog
    from imagesync.sources import SourceAccess

PROGRESS_SECONDS: Final = 0.5
"""Messages about the bytes of one step are at least this far apart."""
WATCH_SECONDS: Final = 0.5
"""How often a task looks whether it was canceled: ``distributed`` cannot interrupt a thread."""
SAME_CLOUD: Final = "give all workers of this target the same cloud under its name (auth URL, region, project)"

_LOG: Final = logging.getLogger("imagesync.fleet")

Send = Callable[[Mapping[str, Any]], None]


def work(text: str) -> None:
    """Carry out the assignment in ``text``. Called by ``distributed`` in a thread of a worker."""
    from distributed import get_worker
    from distributed.worker import thread_state

    worker, key = get_worker(), thread_state.key
    outlet = Outlet(worker, text)
    with RUNNING.enter(), label(outlet.target):
        _LOG.info("%s begins", outlet.verb)
        try:
            outlet.send({"event": BEGUN, "worker": str(worker.name)})
            check_version(outlet.version, outlet.name)
            ended, cancelled = threading.Event(), threading.Event()
            make_thread(lambda: _watch(worker, key, ended, cancelled), "fleet-watch").start()
            try:
                carry_out(decode(text), outlet.send, cancelled)
            finally:
                ended.set()
        except ImagesyncError as error:
            outlet.send(encode_ended(problems=list_problems(error)))
        except BaseException:
            outlet.send(encode_ended(bug=traceback.format_exc()))
        _LOG.info("%s ended", outlet.verb)


def check_version(version: str, name: str) -> None:
    """UsageError if the command has another version than worker ``name``: the meaning of what travels may differ."""
    if version != __version__:
        message = f"worker {name} has imagesync {__version__}, and this command has {version}"
        raise UsageError(message, "install the same version on both")


def _watch(worker: Any, key: str, ended: threading.Event, cancelled: threading.Event) -> None:
    """Set ``cancelled`` when the task was released, because the user canceled it or the command ended, or the worker stops."""
    while not ended.wait(WATCH_SECONDS):
        if RUNNING.is_stopping or is_released(worker.state.tasks.get(key)):
            cancelled.set()
            return


def is_released(task: Any) -> bool:
    """Whether a task, as ``distributed`` knows it on a worker, is no longer wanted. None: it is forgotten."""
    return task is None or task.state in ("cancelled", "released", "forgotten")


def explain_stop(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The last message of a task that ends because its worker ``name`` stops, with the reason; any other unchanged."""
    report = document.get("report")
    if document["event"] != ENDED or document["problems"] or (report is not None and not report["interrupted"]):
        return document
    message = f"worker {name} was stopped while it worked for this target"
    problems = list_problems(ImagesyncError(message, "run the command again; it continues from the current state"))
    return {**document, "problems": encode_problems(problems)}


class Outlet:
    """Publishes the messages of one attempt, with the number of each."""

    def __init__(self, worker: Any, text: str) -> None:
        document = json.loads(text)
        self.version, self._worker, self.name = str(document["order"]["version"]), worker, str(worker.name)
        self.target, self.verb = str(document["task"]["target"]), str(document["task"]["verb"])
        self._topic = make_topic(document["order"]["run"], self.target)
        self._attempt = secrets.token_hex(8)
        self._lock, self._number = threading.Lock(), 0
        self._last: dict[str, float] = {}

    def send(self, document: Mapping[str, Any]) -> None:
        """Publish a message; one about progress only if the last one of its step is old enough."""
        with self._lock:
            if document["event"] == "progress":
                step, now = document["step"], time.monotonic()
                if now - self._last.get(step, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
                    return
                self._last[step] = now
            self._number += 1
            content = explain_stop(document, self.name) if RUNNING.is_stopping else document
            head = {"target": self.target, "verb": self.verb, "attempt": self._attempt, "number": self._number}
            whole = {**head, "document": content}
            self._worker.log_event(self._topic, json.dumps(whole))


def carry_out(assignment: Assignment, send: Send, cancelled: threading.Event) -> None:
    """Plan, apply or check the target, and send the messages of ``targets.messages``."""
    with tempfile.TemporaryDirectory(prefix="imagesync-fleet-") as folder:
        root = Path(folder).resolve()
        _write_files(assignment.order.texts.files, root)

        def send_as_user(document: Mapping[str, Any]) -> None:
            send(_rename_paths(document, str(root), assignment))

        _work_in(root, assignment, send_as_user, cancelled)


def _write_files(files: Mapping[str, str], root: Path) -> None:
    for name, text in files.items():
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise UsageError(f"{name!r} is not below the catalog's folder", "send only files of the catalog")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def _work_in(root: Path, assignment: Assignment, send: Send, cancelled: threading.Event) -> None:
    from imagesync.backends import open_target
    from imagesync.backends.base import MissingStore
    from imagesync.run import Settings
    from imagesync.sources import SourceAccess
    from imagesync.targets.worker import Order, Worker
    from imagesync.workflow import find_drift

    task, run, texts = assignment.task, assignment.order, assignment.order.texts
    access = SourceAccess(texts.hosts, texts.min_rate, asks_sources=texts.asks_sources)
    is_apply = task.verb is Verb.APPLY
    missing = MissingStore.CREATE if run.creates_stores else MissingStore.EMPTY
    order = Order(
        lambda subject: open_target(subject.target, missing_store=missing),  # type: ignore[arg-type]
        run.limits.apply,
        settings=Settings(jobs=run.jobs, lock_timeout=run.lock_timeout),
        access=access,
        accepts_changes=run.accepts_changes,
        folder=str(root),
        unlock=lambda _target: assignment.unlock,
    )
    reviewed = assignment.reviewed
    if reviewed is not None:
        order = replace(order, find_reviewed=lambda _target: read_trusted_plan(dict(reviewed), folder=str(root)))
    catalog = _read_catalog(root, assignment, access)
    if task.verb is Verb.DRIFT:
        with open_target(catalog.target, missing_store=MissingStore.REFUSE) as backend:
            send(encode_drift(PlaceDrift(find_drift(backend, catalog), backend.identity())))
        send(encode_ended())
        return
    worker = Worker(order, {task.target: catalog})
    try:
        if not is_apply:
            worker(task, send, cancelled)
        elif _is_approved(worker, assignment, send, cancelled):
            worker(Task(task.target, Verb.APPLY, (task.target,)), send, cancelled)
    finally:
        worker.close()


def _read_catalog(root: Path, assignment: Assignment, access: "SourceAccess") -> "Catalog":
    """The catalog of the target; ManifestError for a source or store that a worker must not use."""
    from imagesync.fleet.materials import find_what_stays_here
    from imagesync.manifest.loader import read_manifest
    from imagesync.workflow import read_catalog

    texts, target = assignment.order.texts, assignment.task.target
    catalog = read_catalog(
        root / texts.path,
        target=target,
        values=texts.values,
        only=texts.only,
        strict=texts.strict,
        jobs=assignment.order.jobs,
        access=access,
        allow_outside=texts.allow_outside,
    )
    manifest = read_manifest(root / texts.path, allow_outside=texts.allow_outside)
    if problems := find_what_stays_here(manifest, {target: catalog}):
        raise ManifestError(problems)
    return catalog


def _is_approved(worker: Callable[..., None], assignment: Assignment, send: Send, cancelled: threading.Event) -> bool:
    """Whether the target may be applied, by its plan on this worker; if not, the end of the task is sent."""
    found: list[Mapping[str, Any]] = []
    worker(replace(assignment.task, verb=Verb.PLAN), found.append, cancelled)
    planned = next((one for one in found if one["event"] == PLANNED), None)
    if planned is None:
        send(next(one for one in found if one["event"] == ENDED))
        return False
    if planned["refusals"]:
        raise PlanRefused(planned["refusals"])
    approved = assignment.approved
    if approved is not None and not is_same_plan(planned, approved, accepts_changes=assignment.order.accepts_changes):
        send({**planned, "event": CHANGED})
    return True


def is_same_plan(planned: Mapping[str, Any], approved: Mapping[str, Any], *, accepts_changes: bool) -> bool:
    """Whether the plan of this worker is the approved one; if not, it may be applied, and the user gets it.

    UsageError if it is for another place: this worker has another cloud under the name of the target. A second attempt after
    the death of a worker finds other images. StalePlan if a change of it was not approved, unless ``accepts_changes``.
    """
    from imagesync.workflow import check_target_of

    before, _ = decode_planned({**planned, "plan": approved})
    plan, _ = decode_planned(planned)
    try:
        check_target_of(before, plan.target)
    except UsageError as error:
        raise UsageError(error.message, SAME_CLOUD) from error
    if _list_effects(planned["plan"]) == _list_effects(approved):
        return True
    if not accepts_changes and (changes := find_unreviewed(plan, before)):
        raise StalePlan(changes)
    return False


def _list_effects(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a plan's document that does not depend on the clock, on snapshots of users, and on folders."""
    return {name: plan[name] for name in ("catalog", "steps", "relies", "kind")}


def _rename_paths(document: Mapping[str, Any], root: str, assignment: Assignment) -> dict[str, Any]:
    """A message with the paths of the user instead of those of the temporary folder."""

    texts = assignment.order.texts

    def rename(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(f"{root}/", texts.display).replace(root, texts.folder)
        if isinstance(value, Mapping):
            return {name: rename(one) for name, one in value.items()}
        return [rename(one) for one in value] if isinstance(value, list | tuple) else value

    renamed: dict[str, Any] = rename(document)
    if renamed.get("plan"):
        renamed["folder"] = texts.out
        renamed["plan"]["manifest"]["base"] = os.path.relpath(texts.folder, texts.out)
        renamed["plan"]["digest"] = compute_digest(renamed["plan"])
    return renamed
