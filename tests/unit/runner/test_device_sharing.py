"""Which slot takes the next command."""

import math

from runner.launch.device_sharing import Devices
from runner.launch.gpus import Slot


def slots(*devices, each=1):
    return [Slot(name, {}, name) for _ in range(each) for name in devices]


def needs(value):
    return lambda: value


def devices(shared, *values):
    """Where commands with these needs go, one after another; None for one that finds no place."""
    taken = [shared.take(needs(value)) for value in values]
    return [each.slot.device if each else None for each in taken]


def test_a_fixed_number_counts_no_memory_and_the_emptiest_device_comes_first():
    shared = Devices(slots("a", "b", each=2))
    assert devices(shared, 10**9, None, 1, 1, 1) == ["a", "b", "a", "b", None]


def test_with_a_room_as_many_run_as_fit():
    shared = Devices(slots("a", "b", each=8), {"a": 100.0, "b": 60.0})
    assert devices(shared, 40, 40, 40, 20, 30) == ["a", "b", "a", "b", None]


def test_without_a_record_one_runs_on_each_until_the_first_has_ended():
    known = []
    shared = Devices(slots("a", "b", each=8), {"a": 100.0, "b": 100.0})

    def need():
        return 30.0 if known else math.inf

    first = [shared.take(need) for _ in range(3)]
    assert [bool(each) for each in first] == [True, True, False]
    known.append("first")
    shared.give_back(first[0])
    assert sum(bool(shared.take(need)) for _ in range(9)) == 5  # three on each, one is there


def test_a_device_whose_memory_is_not_known_takes_one_at_a_time():
    shared = Devices(slots("a", each=8), {"a": 0.0})
    assert devices(shared, 1, 1) == ["a", None]


def test_what_fits_nowhere_is_tried_alone_where_there_is_most_room():
    shared = Devices(slots("a", "b", each=8), {"a": 10.0, "b": 20.0})
    assert devices(shared, 50, 5, 5) == ["b", "a", "a"]


def test_a_device_that_ran_out_of_memory_takes_one_fewer_down_to_one():
    shared = Devices(slots("a", each=4))
    taken = [shared.take(needs(math.inf)) for _ in range(4)]
    assert [each.most for each in taken] == [4, 4, 4, 4]
    # All four ran out at once: that is one lesson, not four.
    assert {shared.narrow(each) for each in taken} == {"a takes 3 at a time from now on"}
    for each in taken:
        shared.give_back(each)
    taken = [shared.take(needs(math.inf)) for _ in range(4)]
    assert taken.pop() is None
    assert shared.narrow(taken[0]) == "a takes 2 at a time from now on"
    for each in taken[1:]:
        shared.give_back(each)
    assert shared.take(needs(math.inf)) and not shared.take(needs(math.inf))
    assert shared.narrow(taken[0]) == "a takes 2 at a time from now on"


def test_the_last_place_of_a_device_stays():
    shared = Devices(slots("a"))
    taken = shared.take(needs(math.inf))
    assert shared.narrow(taken) == "a takes 1 at a time from now on"
