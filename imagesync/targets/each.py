"""A function and the targets of one run -> its answer for each of them. Threads, which the function may use for I/O."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from imagesync.errors import ImagesyncError
from imagesync.targets.messages import make_bug_error
from imagesync.targets.threads import Threads

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


def _run(name: str, call: Callable[[], Value], ended: SimpleQueue[tuple[str, Value | ImagesyncError, str]]) -> None:
    try:
        ended.put((name, call(), ""))
    except ImagesyncError as error:
        ended.put((name, error, ""))
    except BaseException:  # the run waits for the answer of each target
        bug = traceback.format_exc()
        ended.put((name, make_bug_error(bug), bug))
