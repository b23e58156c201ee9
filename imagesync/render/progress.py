"""Events of a run -> its progress, as values and text: bytes, rate and time left, of each transfer and of all. Pure.

Times are seconds of a monotonic clock that the caller reads. Bytes are the bytes sent to the service; for a packed source
they are the bytes read, because its unpacked size is unknown before its end.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from imagesync.model.plan import Create, Deactivate, Delete, Plan, Reactivate, Reason, Step, Update, is_promotion
from imagesync.model.report import Event, Finished, Outcome, Progress, Started, StepResult
from imagesync.render.report import format_outcome, format_result
from imagesync.render.style import format_count, format_duration, format_elapsed, format_part
from imagesync.text import format_size, make_printable

WINDOW: Final = 15.0
"""A rate is the mean of this many seconds: it follows changes, but does not jump with each chunk."""
MIN_SECONDS: Final = 3.0
"""A transfer has no rate before this many seconds, because its first chunks only fill buffers."""
SPACING: Final = 0.25
"""The least number of seconds between two marks of a rate."""
LARGE: Final = 64 * 2**20
"""A log has a line for the start of each transfer with at least this many bytes, or of unknown size."""
LONG: Final = 10.0
"""Seconds after which the age of a step without data, or the silence of a transfer, is printed."""
_VERBS: Final = {Reason.ADOPT: "adopt", Reason.MOVED: "move"}
MAX_NAMED: Final = 3
"""A line names at most this many steps that are not transfers."""


class Rate:
    """Bytes per second over the last ``WINDOW`` seconds; it falls while no bytes move."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, at: float, count: int) -> None:
        """Add a mark: ``count`` bytes were moved by the time ``at``. A smaller count than before means a new attempt."""
        marks = self._marks
        if marks and count < marks[-1][1]:
            marks.clear()
        if len(marks) > 1 and at - marks[-2][0] < SPACING:
            marks.pop()
        marks.append((at, count))
        self._forget(at)

    def read(self, at: float) -> float | None:
        """The rate; None until it is known."""
        self._forget(at)
        if not self._marks:
            return None
        (since, before), (_, now) = self._marks[0], self._marks[-1]
        return (now - before) / (at - since) if at - since >= MIN_SECONDS else None

    def _forget(self, at: float) -> None:
        """Keep one mark from before the window, because the rate is measured from there."""
        while len(self._marks) > 1 and self._marks[1][0] <= at - WINDOW:
            self._marks.popleft()


@dataclass(frozen=True, slots=True)
class Moved:
    """The progress of a transfer, or of all: bytes moved and in total, bytes per second, seconds left; None: unknown.

    ``silence``: seconds since the last byte.
    """

    done: int
    total: int | None
    rate: float | None = None
    left: float | None = None
    silence: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all bytes were moved."""
        return self.total is not None and self.done >= self.total


class _Transfer:
    """The progress of the transfer of one create."""

    def __init__(self, create: Create) -> None:
        self.done, self.total = 0, create.fingerprint.size
        self.has_begun = False
        self._rate, self._last = Rate(), 0.0

    def start(self, at: float) -> None:
        self._last = at
        self._rate.note(at, 0)

    def note(self, event: Progress, at: float) -> int:
        """Take the counts of an event; returns how many bytes were added."""
        amount, before = event.amount, self.done
        is_plain = amount.total is not None
        self.done = amount.sent if is_plain or amount.source_total is None else amount.read
        self.total = amount.total if is_plain else amount.source_total
        self.has_begun, self._last = True, at
        self._rate.note(at, self.done)
        return max(self.done - before, 0)

    def finish(self, outcome: Outcome) -> None:
        """Count all bytes as moved; none, and none in total, if the transfer was not done."""
        self.done = self.total = (self.total or self.done) if outcome is Outcome.DONE else 0

    def measure(self, at: float) -> Moved:
        rate = self._rate.read(at)
        return Moved(self.done, self.total, rate, _estimate_seconds(self.done, self.total, rate), at - self._last)


def _estimate_seconds(done: int, total: int | None, rate: float | None) -> float | None:
    return (total - done) / rate if total is not None and rate else None


class RunProgress:
    """The progress of a run, computed from its events. Not thread-safe."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plans: dict[str, Plan] = {}
        self.ended = self.done = self.failed = 0
        self.running: dict[str, Step] = {}
        """The running steps by id, in the order in which they began."""
        self._begun: dict[str, float] = {}
        self._transfers: dict[str, _Transfer] = {}
        self._moved, self._rate = 0, Rate()
        if plan is not None:
            self.put("", plan)

    def put(self, target: str, plan: Plan) -> None:
        """Add the plan of a target, or replace the one that it had; none of its steps may have started."""
        for step in self._plans[target].steps if target in self._plans else ():
            self._transfers.pop(step.id, None)
        self._plans[target] = plan
        self._transfers |= {step.id: _Transfer(step.action) for step in plan.steps if is_transfer(step)}  # type: ignore[arg-type]

    @property
    def steps(self) -> int:
        """The number of steps of all plans."""
        return sum(len(plan.steps) for plan in self._plans.values())

    @property
    def keys(self) -> Iterator[str]:
        """The key of each step."""
        return (step.action.key for plan in self._plans.values() for step in plan.steps)

    def note(self, event: Event, at: float) -> None:
        """Take one event; ``at`` is its time."""
        match event:
            case Started(step=step):
                self.running[step.id], self._begun[step.id] = step, at
                if transfer := self._transfers.get(step.id):
                    transfer.start(at)
                    self._rate.note(at, self._moved)
            case Progress(step=step):
                if transfer := self._transfers.get(step.id):
                    self._moved += transfer.note(event, at)
                    self._rate.note(at, self._moved)
            case Finished(result=result):
                self.running.pop(result.step.id, None)
                self.ended += 1
                self.done += result.outcome is Outcome.DONE
                self.failed += result.outcome is Outcome.FAILED
                if transfer := self._transfers.get(result.step.id):
                    transfer.finish(result.outcome)

    def list_transfers(self) -> list[Step]:
        """The running steps that send data."""
        return [step for step in self.running.values() if step.id in self._transfers]

    def list_others(self) -> list[Step]:
        """The running steps that send no data."""
        return [step for step in self.running.values() if step.id not in self._transfers]

    def age(self, step: Step, at: float) -> float:
        """Seconds since a step began."""
        return at - self._begun[step.id]

    def has_begun(self, step: Step) -> bool:
        """Whether the first bytes of a transfer are with the service."""
        return self._transfers[step.id].has_begun

    def measure(self, step: Step, at: float) -> Moved:
        """The progress of one transfer."""
        return self._transfers[step.id].measure(at)

    def measure_all(self, at: float) -> Moved | None:
        """The progress of all transfers together; None if the plan has none."""
        if not self._transfers:
            return None
        every = [transfer.measure(at) for transfer in self._transfers.values()]
        totals = [moved.total for moved in every]
        done, rate = sum(moved.done for moved in every), self._rate.read(at)
        total = None if None in totals else sum(total or 0 for total in totals)
        left = _estimate_seconds(done, total, rate)
        if left is not None:  # the whole cannot end before one of its parts
            left = max([left, *(self.measure(step, at).left or 0 for step in self.list_transfers())])
        return Moved(done, total, rate, left)


def label_step(step: Step, target: str) -> Step:
    """A step whose id and key name its target, for the progress of several targets."""
    action = replace(step.action, key=f"{target}: {step.action.key}")
    return replace(step, id=f"{target}: {step.id}", action=action)


def label_plan(plan: Plan, target: str) -> Plan:
    """A plan whose steps name its target."""
    return replace(plan, steps=tuple(label_step(step, target) for step in plan.steps))


def label_event(event: Event, target: str) -> Event:
    """An event whose step names its target."""
    match event:
        case Finished(result=result):
            return Finished(replace(result, step=label_step(result.step, target)))
        case Started() | Progress():
            return replace(event, step=label_step(event.step, target))


def is_transfer(step: Step) -> bool:
    """Whether a step sends data from this host."""
    action = step.action
    return isinstance(action, Create) and (way := action.source.transfer) is not None and way.is_sent


def describe_step(step: Step) -> str:
    """What a step does, as text: ``update debian-13``."""
    action = step.action
    match action:
        case Create(source=source, stage=stage):
            is_fetched = source.transfer is not None and not source.transfer.is_sent
            verb = "let the service fetch" if is_fetched else "stage" if stage else "create"
        case Update() if step.reason is Reason.SUPERSEDED:
            verb = "retire the old build of"
        case Update():
            verb = "publish" if is_promotion(step) else _VERBS.get(step.reason, "update")
        case Deactivate() | Reactivate() | Delete():
            verb = type(action).__name__.lower()
    return f"{verb} {make_printable(action.key)}"


def describe_others(progress: RunProgress, at: float) -> str:
    """The running steps that send no data, on one line: a few by name, long ones with their age; deletions as a count."""
    steps = progress.list_others()
    deletes = [step for step in steps if isinstance(step.action, Delete)]
    words = [f"{describe_step(step)}{_note_age(progress.age(step, at))}" for step in steps if step not in deletes]
    if len(words) > MAX_NAMED:
        words = [*words[:MAX_NAMED], f"{len(words) - MAX_NAMED} more"]
    if len(deletes) == 1:
        words.append(describe_step(deletes[0]))
    elif deletes:
        words.append(f"delete {format_count(len(deletes), 'image')}")
    return ", ".join(words)


def _note_age(seconds: float) -> str:
    return f" ({format_elapsed(seconds)})" if seconds >= LONG else ""


def describe_state(moved: Moved, *, has_begun: bool) -> str:
    """What a transfer does while no bytes move; empty while they move."""
    if not has_begun:
        return "opening the source"
    if moved.is_complete:
        return "verifying and publishing"
    return f"no data for {format_duration(moved.silence)}" if moved.silence >= LONG else ""


def format_amount(moved: Moved) -> str:
    """``0.64 of 2.00 GiB``; without a total ``652.0 MiB``."""
    return format_size(moved.done) if moved.total is None else format_part(moved.done, moved.total)


def format_rate(moved: Moved) -> str:
    """``20.4 MiB/s``; empty if it is unknown."""
    return "" if moved.rate is None else f"{format_size(int(moved.rate))}/s"


def format_time_left(moved: Moved) -> str:
    """``4 min left``; empty if it is unknown."""
    return "" if moved.left is None else f"{format_duration(moved.left)} left"


def draw_bar(share: float | None, width: int, *, is_ascii: bool) -> tuple[str, str]:
    """The done and the remaining part of a bar of ``width`` columns; ``share`` is from 0 to 1, None gives spaces."""
    if share is None:
        return "", " " * width
    full = int(share * width)
    done, rest = ("#", "-") if is_ascii else ("━", "─")
    return done * full, rest * (width - full)


def format_start(step: Step) -> str | None:
    """The log line for the start of a transfer; None for a small one."""
    action = step.action
    if not isinstance(action, Create) or not is_transfer(step):
        return None
    size = action.fingerprint.size
    if size is not None and size < LARGE:
        return None
    return f"{'started':11} {make_printable(step.id)}: {'size unknown' if size is None else format_size(size)}"


def format_progress(step: Step, moved: Moved, *, has_begun: bool) -> str:
    """The log line for a running transfer."""
    share = f" ({100 * moved.done // moved.total} %)" if moved.total else ""
    state = describe_state(moved, has_begun=has_begun)
    parts = [f"{format_amount(moved)}{share}", *([state] if state else [format_rate(moved), format_time_left(moved)])]
    return f"{'running':11} {make_printable(step.id)}: {', '.join(filter(None, parts))}"


def format_age(step: Step, seconds: float) -> str:
    """The log line for a running step that sends no data."""
    return f"{'running':11} {make_printable(step.id)}: for {format_elapsed(seconds)}"


def format_end(result: StepResult, *, with_reason: bool = False) -> str:
    """The line for a step that ended; for a large transfer with its bytes, time and rate.

    ``with_reason``: add the reason of a failure, which otherwise only the closing lines have.
    """
    line = format_result(result, {}) if with_reason else format_outcome(result)
    if result.outcome is not Outcome.DONE or result.bytes_sent < LARGE:
        return line
    rate = f", {format_size(int(result.bytes_sent / result.seconds))}/s" if result.seconds >= 1 else ""
    return f"{line}: {format_size(result.bytes_sent)} in {format_elapsed(result.seconds)}{rate}"
