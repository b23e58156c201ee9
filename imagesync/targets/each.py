"""The targets of one run -> an answer for each: of a function in threads, which may do I/O, or of a carrier's workers."""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from imagesync.errors import ImagesyncError, ManifestError
from imagesync.targets.carrier import Carrier
from imagesync.targets.messages import ENDED, WARNING, Task, Verb, decode_problems, make_bug_error
from imagesync.targets.threads import Threads

TICK: Final = 0.2
"""Seconds between two looks at the messages of a carrier, within which a signal is noticed."""
Subject = TypeVar("Subject")
Value = TypeVar("Value")
Answer = TypeVar("Answer", covariant=True)


@dataclass(frozen=True, slots=True)
class Answers(Generic[Answer]):
    """What a function returned for each target, or why it did not, in the order of the targets.

    ``bugs``: the tracebacks of errors in imagesync; the answer of such a target is an error, too.
    """

    by_target: Mapping[str, Answer | ImagesyncError]
    bugs: tuple[str, ...] = ()


def run_each(
    subjects: Mapping[str, Subject | ImagesyncError], work: Callable[[Subject], Value], parallel: int
) -> Answers[Value]:
    """Call ``work`` for the subject of each target in a thread, ``parallel`` at a time, and wait for all.

    ``subjects`` by target; an error is the answer of its target. KeyboardInterrupt comes at once: a call that still runs
    then is abandoned.
    """
    threads, ended = Threads(parallel), SimpleQueue[tuple[str, Value | ImagesyncError, str]]()
    found: dict[str, Value | ImagesyncError] = {}
    bugs: list[str] = []
    for name, subject in subjects.items():
        if isinstance(subject, ImagesyncError):
            found[name] = subject
        else:
            threads.submit(name, partial(_run, name, partial(work, subject), ended))
    while len(found) < len(subjects):
        name, answer, bug = ended.get()
        found[name] = answer
        bugs += [bug] if bug else []
    return Answers({name: found[name] for name in subjects}, tuple(bugs))


def ask_each(
    names: Collection[str], carrier: Carrier, verb: Verb, decode: Callable[[Mapping[str, Any]], Answer]
) -> Answers[Answer]:
    """Let a carrier work for each target, and wait for all. ``decode``: the message before the last one -> the answer."""
    found: dict[str, Answer | ImagesyncError] = {}
    documents: dict[str, Mapping[str, Any]] = {}
    bugs: list[str] = []
    for name in names:
        carrier.submit(Task(name, verb))
    while len(found) < len(names):
        for message in carrier.events(TICK):
            if message.event not in (ENDED, WARNING):
                documents[message.target] = message.document
            if message.event != ENDED:
                continue
            bugs += [message.document["bug"]] if message.document["bug"] else []
            error = _find_error(message.document)
            found[message.target] = error if error is not None else decode(documents[message.target])
    return Answers({name: found[name] for name in names}, tuple(bugs))


def _find_error(ended: Mapping[str, Any]) -> ImagesyncError | None:
    if ended["bug"]:
        return make_bug_error(ended["bug"])
    match decode_problems(ended["problems"]):
        case ():
            return None
        case (one,) if not one.file:
            return ImagesyncError(one.message, one.hint)
        case problems:
            return ManifestError(problems)


def _run(name: str, call: Callable[[], Value], ended: SimpleQueue[tuple[str, Value | ImagesyncError, str]]) -> None:
    try:
        ended.put((name, call(), ""))
    except ImagesyncError as error:
        ended.put((name, error, ""))
    except BaseException:  # the run waits for the answer of each target
        bug = traceback.format_exc()
        ended.put((name, make_bug_error(bug), bug))
