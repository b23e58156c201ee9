"""The limit of steps at the same time, shared by the targets of one run."""

import threading

from imagesync.execution.slots import Slots


def test_one_target_gets_every_slot_and_no_more() -> None:
    """And a released slot again."""
    with Slots(3).join() as seat:
        assert [seat.take() for _ in range(4)] == [True, True, True, False]
        seat.release()
        assert (seat.take(), seat.used, seat.most) == (True, 3, 3)


def test_one_slot_is_left_for_each_target_that_has_not_begun() -> None:
    """Also for targets that have no seat yet; a target that has begun needs no reserve."""
    slots = Slots(4)
    slots.expect("abc")
    with slots.join("a") as first:
        assert [first.take() for _ in range(3)] == [True, True, False]
        with slots.join("b") as second:
            assert [second.take(), first.take(), second.take()] == [True, False, False]
            with slots.join("c") as third:
                assert [third.take(), first.take()] == [True, False]
                second.release()
                assert first.take() is False  # the second may begin another step
        assert first.take()


def test_with_more_targets_than_slots_each_gets_at_most_one_slot_at_first() -> None:
    """No target waits for one that has two."""
    slots = Slots(2)
    slots.expect("abcde")
    with slots.join("a") as first, slots.join("b") as second, slots.join("c") as third:
        assert [first.take(), first.take(), second.take(), third.take()] == [True, False, True, False]


def test_a_target_that_ends_leaves_its_reserve_to_the_others() -> None:
    """Whether or not it used a slot."""
    slots = Slots(2)
    slots.expect("ab")
    with slots.join("a") as first:
        with slots.join("b"):
            assert [first.take(), first.take()] == [True, False]
        assert first.take()


def test_a_target_without_steps_leaves_its_reserve_to_the_others() -> None:
    """Before it was expected, or after that."""
    slots = Slots(3)
    slots.drop("b")
    slots.expect("abc")
    with slots.join("a") as first:
        assert [first.take() for _ in range(3)] == [True, True, False]
        slots.drop("c")
        assert first.take()


def test_no_slot_is_kept_for_targets_that_cannot_work_at_the_same_time() -> None:
    """One at a time gets all slots; of two at a time, each leaves one to the other."""
    for parallel, most in ((1, 4), (2, 3), (3, 2)):
        slots = Slots(4, parallel)
        slots.expect("abcdefgh")
        with slots.join("a") as first:
            assert [first.take() for _ in range(4)].count(True) == most


def test_a_target_that_waits_is_woken_by_a_slot() -> None:
    """Not only by the end of its patience."""
    slots = Slots(1)
    with slots.join() as first, slots.join() as second:
        assert first.take()
        taken = threading.Event()

        def wait_and_take() -> None:
            second.wait(60)
            if second.take():
                taken.set()

        thread = threading.Thread(target=wait_and_take, daemon=True)
        thread.start()
        assert not taken.wait(0.05)
        first.release()
        assert taken.wait(30)
