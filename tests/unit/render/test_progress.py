"""How far a run is, in numbers and words."""

from dataclasses import replace
from typing import Any

import pytest

from imagesync.model.catalog import Content, Method, Transfer, UrlSource
from imagesync.model.plan import Action, Create, Deactivate, Delete, Plan, Reactivate, Reason, Step, Update
from imagesync.model.report import Event, Finished, Outcome, Progress, Started, StepResult, Transferred
from imagesync.planning.steps import make_step
from imagesync.render.progress import (
    LARGE,
    Moved,
    Rate,
    RunProgress,
    describe_others,
    describe_state,
    describe_step,
    draw_bar,
    format_age,
    format_amount,
    format_end,
    format_progress,
    format_rate,
    format_start,
    format_time_left,
    is_transfer,
    label_event,
    label_plan,
    label_step,
)
from tests.unit.factories import TARGET, catalog, inventory, plan, spec

GIB = 2**30
MIB = 2**20


def plan_uploads(**sizes: int | None) -> Plan:
    """A plan that creates one image of each size."""
    images = [spec(key, fingerprint=replace(spec(key).fingerprint, size=size)) for key, size in sizes.items()]
    return plan(catalog(*images), inventory())


def test_a_rate_is_known_after_a_while_and_sinks_while_nothing_comes() -> None:
    """The mean of the last seconds: earlier values no longer count."""
    rate = Rate()
    assert rate.read(0) is None
    rate.note(0, 0)
    rate.note(2, 20)
    assert rate.read(2) is None
    rate.note(10, 100)
    assert rate.read(10) == 10
    assert rate.read(20) == pytest.approx(80 / 18)
    for second in range(21, 60):
        rate.note(second, 100 + second)
    assert rate.read(59) == 1
    assert rate.read(200) == 0


def test_a_rate_does_not_jump_with_each_chunk() -> None:
    """Chunks that come together count as one; the first mark stays."""
    rate = Rate()
    rate.note(0, 0)
    for number in range(1, 1001):
        rate.note(4 + number / 10_000, number)
    assert rate.read(5) == 200


def test_an_upload_that_begins_again_has_no_rate_of_less_than_nothing() -> None:
    """Its rate is that of the new try."""
    rate = Rate()
    rate.note(0, 0)
    rate.note(10, 1000)
    rate.note(11, 10)
    assert rate.read(12) is None
    rate.note(15, 50)
    assert rate.read(15) == 10


def test_bytes_total_rate_and_time_of_each_transfer_and_of_all() -> None:
    """A step that has not begun counts with its size; one that failed with nothing."""
    made = plan_uploads(a=100, b=300, c=600)
    a, b, _ = made.steps
    progress = RunProgress(made)
    progress.note(Started(a), 0)
    progress.note(Started(b), 0)
    progress.note(Progress(a, Transferred(50, 100, 60, 100)), 10)
    progress.note(Progress(b, Transferred(50, 300, 60, 300)), 10)
    assert progress.list_transfers() == [a, b]
    assert progress.measure(a, 10) == Moved(50, 100, 5.0, 10.0)
    assert progress.measure(a, 14).silence == 4
    assert progress.measure_all(10) == Moved(100, 1000, 10.0, 90.0)
    progress.note(Finished(StepResult(a, Outcome.FAILED)), 10)
    assert progress.measure_all(10) == Moved(50, 900, 10.0, 85.0)
    progress.note(Progress(b, Transferred(300, 300, 300, 300)), 20)
    progress.note(Finished(StepResult(b, Outcome.DONE)), 20)
    assert progress.list_transfers() == []
    assert (progress.ended, progress.done, progress.failed) == (2, 1, 1)
    whole = progress.measure_all(20)
    assert whole is not None
    assert (whole.done, whole.total) == (300, 900)


def test_all_of_it_does_not_end_before_a_part() -> None:
    """One fast and one slow transfer: the whole takes as long as the slow one."""
    made = plan_uploads(fast=100, slow=100)
    fast, slow = made.steps
    progress = RunProgress(made)
    for step, sent in ((fast, 90), (slow, 10)):
        progress.note(Started(step), 0)
        progress.note(Progress(step, Transferred(sent, 100)), 10)
    assert progress.measure(slow, 10).left == 90
    whole = progress.measure_all(10)
    assert whole is not None
    assert (whole.rate, whole.left) == (10, 90)


def test_a_packed_source_is_measured_by_what_is_read() -> None:
    """Its unpacked size is unknown before its end."""
    made = plan_uploads(a=100)
    (step,) = made.steps
    progress = RunProgress(made)
    progress.note(Started(step), 0)
    assert not progress.has_begun(step)
    progress.note(Progress(step, Transferred(900, None, 30, 100)), 10)
    assert progress.has_begun(step)
    assert progress.measure(step, 10) == Moved(30, 100, 3.0, 70 / 3)


def test_a_source_of_unknown_size_has_no_time_and_the_whole_no_total() -> None:
    """Only the sent bytes and the rate are known."""
    made = plan_uploads(a=None, b=100)
    step = next(step for step in made.steps if step.action.key == "a")
    progress = RunProgress(made)
    progress.note(Started(step), 0)
    progress.note(Progress(step, Transferred(100, None, 100, None)), 10)
    assert progress.measure(step, 10) == Moved(100, None, 10.0)
    assert progress.measure_all(10) == Moved(100, None, 10.0)


def test_a_plan_without_transfers_has_no_bytes() -> None:
    """Data that the service fetches itself does not count."""
    fetched = UrlSource(("https://example.org/a.raw",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    made = plan(catalog(spec("a", source=fetched)), inventory())
    progress = RunProgress(made)
    progress.note(Started(made.steps[0]), 0)
    assert progress.measure_all(5) is None
    assert (progress.list_transfers(), progress.list_others()) == ([], list(made.steps))
    assert describe_others(progress, 5) == "let the service fetch a"
    assert describe_others(progress, 95) == "let the service fetch a (1 min 35 s)"
    assert format_age(made.steps[0], progress.age(made.steps[0], 95)) == "running     create:a: for 1 min 35 s"


def test_many_steps_are_one_line() -> None:
    """Deletions are a count: they all run at once."""
    deletes = [make_step(Delete(f"d{number}", f"id-{number}"), Reason.REMOVED) for number in range(4)]
    updates = [make_step(Update(f"u{number}", f"id-{number}", (), None), Reason.DRIFT) for number in range(5)]
    progress = RunProgress(Plan("base", TARGET, (*updates, *deletes)))
    for step in (*updates, *deletes):
        progress.note(Started(step), 0)
    assert describe_others(progress, 0) == "update u0, update u1, update u2, 2 more, delete 4 images"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (make_step(Delete("a", "i"), Reason.REMOVED), "delete a"),
        (make_step(Update("a", "i", (), None), Reason.SUPERSEDED), "retire the old build of a"),
        (make_step(Update("a", "i", (), None), Reason.STAGED), "publish a"),
        (make_step(Update("a", "i", (), None), Reason.ADOPT), "adopt a"),
        (make_step(Delete("a\x1b[2J", "i"), Reason.REMOVED), "delete a\\x1b[2J"),
    ],
)
def test_a_step_in_words(step: Step, words: str) -> None:
    """A verb and the key, which cannot move the cursor."""
    assert describe_step(step) == words


def create_of(size: int | None) -> Step:
    """A create of an image of this size."""
    return plan_uploads(a=size).steps[0]


def test_a_log_has_the_start_of_large_transfers_only() -> None:
    """One whose size is unknown may be large."""
    assert format_start(create_of(LARGE)) == "started     create:a: 64.0 MiB"
    assert format_start(create_of(None)) == "started     create:a: size unknown"
    assert format_start(create_of(LARGE - 1)) is None
    assert format_start(make_step(Delete("a", "i"), Reason.REMOVED)) is None


@pytest.mark.parametrize(
    ("moved", "has_begun", "text"),
    [
        (Moved(0, 2 * GIB), False, "0.00 of 2.00 GiB (0 %), opening the source"),
        (Moved(GIB // 2, 2 * GIB, 20.0 * MIB, 77.0), True, "0.50 of 2.00 GiB (25 %), 20.0 MiB/s, 77 s left"),
        (Moved(GIB // 2, 2 * GIB), True, "0.50 of 2.00 GiB (25 %)"),
        (Moved(GIB // 2, None, 0.0, None, 9), True, "512.0 MiB, 0 B/s"),
        (Moved(GIB // 2, None, 0.0, None, 25), True, "512.0 MiB, no data for 25 s"),
        (Moved(GIB, GIB, 1.0, 0.0), True, "1.00 of 1.00 GiB (100 %), verifying and publishing"),
    ],
)
def test_a_log_says_how_far_a_transfer_is(moved: Moved, has_begun: bool, text: str) -> None:
    """Unknown values are left out."""
    assert format_progress(create_of(None), moved, has_begun=has_begun) == f"running     create:a: {text}"


def test_the_line_of_a_large_transfer_has_bytes_time_and_rate() -> None:
    """A small one is as short as any other step."""
    step = create_of(2 * GIB)
    result = StepResult(step, Outcome.DONE, "i", seconds=102.4, bytes_sent=2 * GIB)
    assert format_end(result) == "done        create:a: 2.0 GiB in 1 min 42 s, 20.0 MiB/s"
    assert format_end(replace(result, bytes_sent=5)) == "done        create:a"
    failed = replace(result, outcome=Outcome.FAILED, error="no")
    assert format_end(failed) == "failed      create:a"
    assert format_end(failed, with_reason=True) == "failed      create:a: no"


def test_amounts_have_one_unit_and_an_unknown_one_is_empty() -> None:
    """Two numbers side by side can be compared."""
    assert format_amount(Moved(5 * MIB, 2 * GIB)) == "0.00 of 2.00 GiB"
    assert format_amount(Moved(5, 20)) == "5 of 20 B"
    assert (format_rate(Moved(1, 2)), format_time_left(Moved(1, 2))) == ("", "")


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "----"), (0.5, "##--"), (0.99, "###-"), (1.0, "####"), (None, "    ")]
)
def test_a_bar_is_full_only_at_the_end(share: float | None, bar: str) -> None:
    """Without a total there is none."""
    assert "".join(draw_bar(share, 4, is_ascii=True)) == bar


def test_an_image_that_was_filled_already_counts_as_moved() -> None:
    """Nothing was sent, and nothing is left to send."""
    made = plan_uploads(a=100, b=100)
    progress = RunProgress(made)
    progress.note(Started(made.steps[0]), 0)
    progress.note(Finished(StepResult(made.steps[0], Outcome.DONE)), 1)
    whole = progress.measure_all(1)
    assert whole is not None
    assert (whole.done, whole.total) == (100, 200)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({}, Reason.NEW, "create a"),
        ({"stage": True}, Reason.CONTENT_CHANGED, "stage a"),
        ({"replaces": ("old",)}, Reason.CONTENT_CHANGED, "create a"),
    ],
)
def test_a_create_in_words(changes: dict[str, Any], reason: Reason, words: str) -> None:
    """A candidate is staged. If the service fetches the data, that is what lasts."""
    first = create_of(1).action
    assert isinstance(first, Create)
    action = replace(first, **changes)
    assert describe_step(make_step(action, reason)) == words
    fetched = UrlSource(("https://example.org/a",), transfer=Transfer(method=Method.WEB_DOWNLOAD))
    assert describe_step(make_step(replace(action, source=fetched), reason)) == "let the service fetch a"
    empty = replace(action, source=Content.NO_DATA)
    assert (describe_step(make_step(empty, reason)), is_transfer(make_step(empty, reason))) == (words, False)


@pytest.mark.parametrize(
    ("action", "reason", "words"),
    [
        (Update("a", "i", (), None), Reason.ROLLBACK, "publish a"),
        (Update("a", "i", (), None), Reason.MOVED, "move a"),
        (Update("a", "i", (), None), Reason.DRIFT, "update a"),
        (Deactivate("a", "i"), Reason.SUPERSEDED, "deactivate a"),
        (Reactivate("a", "i"), Reason.DRIFT, "reactivate a"),
    ],
)
def test_a_change_in_words(action: Action, reason: Reason, words: str) -> None:
    """By what users see of it."""
    assert describe_step(make_step(action, reason)) == words


def test_the_events_of_a_target_name_it() -> None:
    """In the id and in the key of their steps, because two targets may have equal steps."""
    step = make_step(Delete("a", "i"), Reason.REMOVED)
    events: list[Event] = [
        Started(step),
        Progress(step, Transferred(1, 2)),
        Finished(StepResult(step, Outcome.DONE, "i")),
    ]
    named = label_step(step, "eu")
    assert (named.id, named.action.key, named.reason) == ("eu: delete:a:i", "eu: a", Reason.REMOVED)
    assert [label_event(event, "eu") for event in events] == [
        Started(named),
        Progress(named, Transferred(1, 2)),
        Finished(StepResult(named, Outcome.DONE, "i")),
    ]
    assert label_plan(Plan("base", TARGET, (step,)), "eu").steps == (named,)


def test_the_plan_of_a_target_can_be_replaced() -> None:
    """Its transfers are those of the new plan; other targets keep their plans."""
    progress = RunProgress()
    progress.put("eu", label_plan(plan_uploads(a=100, b=50), "eu"))
    progress.put("us", label_plan(plan_uploads(a=7), "us"))
    assert (progress.steps, list(progress.keys)) == (3, ["eu: a", "eu: b", "us: a"])
    progress.put("eu", label_plan(plan_uploads(a=10), "eu"))
    whole = progress.measure_all(0)
    assert whole is not None
    assert (progress.steps, whole.total) == (2, 17)


@pytest.mark.parametrize(
    ("third", "start"),
    [(1.1875, (1.0, 10)), (1.25, (1.125, 20))],
    ids=["marks that are close", "marks that are not"],
)
def test_marks_that_are_close_are_one(third: float, start: tuple[float, int]) -> None:
    """The last one of them stays. A rate is measured from the last mark before its window."""
    rate = Rate()
    for at, count in ((0, 0), (1.0, 10), (1.125, 20), (third, 30), (16.15, 500)):
        rate.note(at, count)
    assert rate.read(16.15) == pytest.approx((500 - start[1]) / (16.15 - start[0]))


def test_a_rate_begins_with_its_first_second_and_with_the_edge_of_its_window() -> None:
    """Both limits belong to it."""
    rate = Rate()
    rate.note(0, 0)
    rate.note(5, 50)
    rate.note(10, 60)
    assert (rate.read(2.9), rate.read(3)) == (None, 20)
    assert rate.read(20) == pytest.approx(10 / 15)


def test_the_size_that_a_source_reports_counts() -> None:
    """More than that of the plan; each event adds only what is new, and a new attempt begins from its own count."""
    made = plan_uploads(a=None, b=100)
    a, b = made.steps
    progress = RunProgress(made)
    progress.note(Started(a), 0)
    progress.note(Progress(a, Transferred(50, 200)), 5)
    progress.note(Progress(a, Transferred(80, 200)), 10)
    assert progress.measure(a, 10) == Moved(80, 200, 8.0, 15.0)
    assert progress.measure_all(10) == Moved(80, 300, 8.0, 27.5)
    progress.note(Progress(a, Transferred(20, 200)), 12)
    progress.note(Started(b), 12)
    whole = progress.measure_all(12)
    assert whole is not None
    assert (whole.done, whole.rate) == (20, 80 / 12)
    progress.note(Finished(StepResult(a, Outcome.INTERRUPTED)), 13)
    assert (progress.measure(a, 13).done, progress.measure(a, 13).total) == (0, 0)


def test_steps_are_counted_by_how_they_ended() -> None:
    """All that ended, those that were done, and those that failed; those that run are in the order of their start."""
    deletes = [make_step(Delete(f"d{number}", f"id-{number}"), Reason.REMOVED) for number in range(6)]
    create = create_of(100)
    progress = RunProgress(Plan("base", TARGET, (*deletes, create)))
    for at, step in enumerate([deletes[5], create, *deletes[:5]]):
        progress.note(Started(step), at)
    for step, outcome in zip(deletes, (*[Outcome.DONE] * 3, Outcome.FAILED, Outcome.SKIPPED), strict=False):
        progress.note(Finished(StepResult(step, outcome)), 9)
    assert (progress.ended, progress.done, progress.failed, progress.steps) == (5, 3, 1, 7)
    assert list(progress.running.values()) == [deletes[5], create]
    assert (progress.list_others(), progress.list_transfers()) == ([deletes[5]], [create])
    assert (progress.age(deletes[5], 10), progress.age(create, 10)) == (10, 9)
    assert describe_others(progress, 9.9) == "delete d5"


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "update u0"), (3, "update u0, update u1, update u2"), (4, "update u0, update u1, update u2, 1 more")],
)
def test_a_line_names_few_steps(number: int, words: str) -> None:
    """The age of each counts from its own start, and is shown from ten seconds on."""
    updates = [make_step(Update(f"u{at}", f"id-{at}", (), None), Reason.DRIFT) for at in range(number)]
    progress = RunProgress(Plan("base", TARGET, tuple(updates)))
    for step in updates:
        progress.note(Started(step), 100)
    assert describe_others(progress, 109.9) == words
    assert describe_others(progress, 110) == words.replace("u0", "u0 (10 s)").replace("u1", "u1 (10 s)").replace(
        "u2", "u2 (10 s)"
    )


def test_a_bar_has_two_parts() -> None:
    """Lines where the terminal has them; without a share only spaces."""
    assert draw_bar(0.5, 6, is_ascii=False) == ("━━━", "───")
    assert draw_bar(0.5, 6, is_ascii=True) == ("###", "---")
    assert draw_bar(None, 3, is_ascii=False) == ("", "   ")


@pytest.mark.parametrize(
    ("moved", "has_begun", "state"),
    [
        (Moved(100, 100, silence=50), False, "opening the source"),
        (Moved(100, 100, silence=50), True, "verifying and publishing"),
        (Moved(101, 100), True, "verifying and publishing"),
        (Moved(99, 100, silence=9.9), True, ""),
        (Moved(99, 100, silence=10), True, "no data for 10 s"),
        (Moved(100, None, silence=150), True, "no data for 2 min"),
    ],
)
def test_what_a_transfer_does_while_no_bytes_move(moved: Moved, has_begun: bool, state: str) -> None:
    """The first reason that fits."""
    assert describe_state(moved, has_begun=has_begun) == state


@pytest.mark.parametrize(
    ("seconds", "sent", "end"),
    [
        (0.9, LARGE, ": 64.0 MiB in 1 s"),
        (1.0, LARGE, ": 64.0 MiB in 1 s, 64.0 MiB/s"),
        (1.0, LARGE - 1, ""),
        (4000.0, 2 * LARGE, ": 128.0 MiB in 1 h 07 min, 32.8 KiB/s"),
    ],
)
def test_a_rate_at_the_end_needs_a_second_and_many_bytes(seconds: float, sent: int, end: str) -> None:
    """A small transfer has no rate that means anything."""
    result = StepResult(create_of(LARGE), Outcome.DONE, "i", seconds=seconds, bytes_sent=sent)
    assert format_end(result) == f"done        create:a{end}"
