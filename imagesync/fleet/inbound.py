"""What a topic of a run carries -> a message of the target, after checks: its host may be taken over. Pure.

A worker may say anything about the targets that it offers, and that ends in reports, on terminals and in the logs of CI
systems. So the plan is read as that of a file from outside, every other message must match its shape, and all texts are
made printable.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagesync.errors import ImagesyncError
from imagesync.fleet.assignment import BEGUN
from imagesync.model.plan import Plan, Step
from imagesync.planfile.reader import decode_plan
from imagesync.targets.messages import (
    CHANGED,
    DRIFTED,
    ENDED,
    LOST_WHY,
    PLANNED,
    RUN,
    WARNING,
    Verb,
    decode_drift,
    decode_event,
    decode_report,
)
from imagesync.text import make_printable

STEP_EVENTS: Final = frozenset({"started", "progress", "finished"})


VALUES: Final = frozenset({"plan", "was", "now"})
"""Members with values of images: these may have any character, and are escaped when they are shown."""


class InvalidMessage(Exception):
    """A message that no worker with this version sends."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message whose document is not checked yet. ``attempt``: the id of the attempt that sent it."""

    verb: Verb
    attempt: str
    document: Any


def read_message(text: object, target: str) -> Received:
    """The message of a topic of ``target``; InvalidMessage if it is none, or that of another target."""
    try:
        whole = json.loads(text) if isinstance(text, str) else {}
        if whole["target"] != target or not isinstance(whole["document"]["event"], str):
            raise InvalidMessage
        return Received(Verb(whole["verb"]), _read_text(whole["attempt"]), whole["document"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage from error


@dataclass(slots=True)
class Account:
    """What is known of one target from its valid messages. ``plan``: the newest one; ``steps``: its steps by id."""

    target: str
    catalog: str
    plan: Plan | None = None
    steps: Mapping[str, Step] = field(default_factory=dict)

    def check(self, received: Any) -> dict[str, Any]:
        """The document of a message with printable texts. InvalidMessage if no worker sends it at this point."""
        try:
            document: dict[str, Any] = _clean(received)
            self._check(document, received)
        except (ImagesyncError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InvalidMessage from error
        return document

    def _check(self, document: dict[str, Any], received: Mapping[str, Any]) -> None:
        """Check a document whose texts are printable. ``received``: as it came; its plan is kept, which has a digest."""
        match document["event"]:
            case event if event in (PLANNED, CHANGED, RUN) and (event != RUN or "plan" in document):
                self._take_plan(document, received["plan"])
            case event if event == DRIFTED:
                _check_drift(document)
            case event if event == BEGUN:
                _read_text(document["worker"])
            case event if event == WARNING:
                _read_text(document["text"])
            case event if event == ENDED:
                self._check_end(document)
            case event if event in STEP_EVENTS:
                _check_step(document)
                decode_event(document, self.steps)
            case event if event != RUN:
                raise InvalidMessage

    def _take_plan(self, document: dict[str, Any], received: Any) -> None:
        plan = decode_plan(received, folder=_read_text(document["folder"]), display="its plan")
        if plan.target_name != self.target or plan.catalog != self.catalog:
            raise InvalidMessage
        _check_texts(document["refusals"])
        _check_pairs(document["places"])
        document["plan"] = received
        self.plan, self.steps = plan, {step.id: step for step in plan.steps}

    def _check_end(self, document: Mapping[str, Any]) -> None:
        if LOST_WHY in document:  # only this process says so
            raise InvalidMessage
        _check_pairs(document["ids"])
        _read_text(document["bug"])
        for problem in document["problems"]:
            _check_fields(problem, file=str | None, where=str | None, message=str, hint=str)
            _check_fields(problem, line=int | None, column=int | None)
        report = document["report"]
        if report is not None and self.plan is not None:
            _check_fields(report, interrupted=bool, stopped=str)
            _check_texts(report["leftover"])
            for result in report["results"]:
                _check_result(result)
            decode_report(report, self.plan, "")


def _check_drift(document: Mapping[str, Any]) -> None:
    _check_pairs(document["here"])
    _check_fields(document["report"], checked=int)
    _check_texts(document["report"]["unknown"])
    for one in document["report"]["found"]:
        _check_fields(one, key=str, image_id=str | None, is_was_known=bool, updated=str)
        _check_texts(one["path"])
        for value in (one["was"], one["now"]):
            if not isinstance(value, str | int | bool | None):
                _check_texts(value)
    decode_drift(document)


def _check_step(document: Mapping[str, Any]) -> None:
    _read_text(document["step"])
    if document["event"] == "progress":
        _check_fields(document, sent_bytes=int, total_bytes=int | None, read_bytes=int, source_bytes=int | None)
    if document["event"] == "finished":
        _check_result(document)


def _check_result(document: Mapping[str, Any]) -> None:
    _check_fields(document, step=str, outcome=str, image_id=str | None, error=str | None, cause=str | None)
    _check_fields(document, seconds=float | int, sent_bytes=int)


def _check_fields(document: Mapping[str, Any], **kinds: Any) -> None:
    for name, kind in kinds.items():
        if not isinstance(document[name], kind):
            raise InvalidMessage


def _check_texts(found: Any) -> None:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise InvalidMessage


def _check_pairs(found: Any) -> None:
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise InvalidMessage


def _read_text(found: Any) -> str:
    if not isinstance(found, str):
        raise InvalidMessage
    return found


def _clean(found: Any, name: str = "") -> Any:
    """A value with printable texts. Plans are left out, because ``decode_plan`` checks them; a traceback has lines."""
    if isinstance(found, str):
        lines = found.split("\n") if name == "bug" else [found]
        return "\n".join(map(make_printable, lines))
    if isinstance(found, dict):
        return {make_printable(one): value if one in VALUES else _clean(value, one) for one, value in found.items()}
    return [_clean(one) for one in found] if isinstance(found, list) else found
