"""Resources: objects that live in an instance."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path
from typing import Any

import holm
import pytest
from conftest import Host, lab_with


def test_made_used_and_closed(lab: Any) -> None:
    Counter = lab.things.Counter
    with Counter(5) as counter:
        assert isinstance(counter, holm.Resource)
        assert counter.add(2) == 7
        assert counter.add(n=1) == 8
        assert not counter.closed
    assert counter.closed and "closed" in repr(counter)
    with pytest.raises(holm.Closed, match="this `counter` is closed"):
        counter.add(1)
    counter.close()


def test_their_instance_is_theirs(instance: Any) -> None:
    a, b = instance.things.Counter(1), instance.things.Counter(9)
    assert instance.things.alive() == 2
    assert type(a).larger(a, b) == 9
    assert instance.things.finish(b) == 9
    assert b.closed and instance.things.alive() == 1
    with pytest.raises(holm.Closed):
        b.add(1)
    a.close()
    assert instance.things.alive() == 0


def test_forgotten_ones_are_dropped_with_the_next_call(instance: Any) -> None:
    counters = instance.things.several(range(10))
    assert [c.add(0) for c in counters] == list(range(10))
    assert instance.things.alive() == 10
    del counters
    gc.collect()
    assert instance.things.alive() == 0


def test_of_the_pool_they_hold_an_instance_each(lab: Any) -> None:
    a, b = lab.things.Counter(1), lab.things.Counter(2)
    assert a.add(1) == 2 and b.add(1) == 3
    with pytest.raises(holm.WrongValue, match="b: this `counter` lives in another instance"):
        lab.things.Counter.larger(a, b)
    assert isinstance(a, lab.things.Counter)
    a.close()
    b.close()


def test_what_is_no_resource(lab: Any, instance: Any) -> None:
    with pytest.raises(holm.WrongType, match="counter: expected `counter`, got 5"):
        lab.things.finish(5)
    with pytest.raises(holm.Closed):
        lab.things.finish(object.__new__(lab.things.Counter))
    with lab.things.Counter(1) as other, pytest.raises(holm.WrongValue, match="another instance"):
        instance.things.finish(other)


def test_a_trap_ends_all_that_lives_with_it(lab: Any) -> None:
    with lab.instance() as instance:
        counter, other = instance.things.Counter(1), instance.things.Counter(2)
        with pytest.raises(holm.Trap):
            counter.check(0)
        assert other.closed
        with pytest.raises(holm.Closed):
            other.add(1)
        with pytest.raises(holm.Closed, match="a trap or a limit has ended it"):
            instance.greet("Ada")
    counter.close()


def test_an_instance_that_is_closed_under_a_resource(lab: Any) -> None:
    instance = lab.instance()
    counter = instance.things.Counter(1)
    instance.close()
    assert counter.closed
    with pytest.raises(holm.Closed):
        counter.add(1)
    del counter


def reserved() -> int:
    """The address space of this process in GiB: each instance has some for its memory."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE") >> 30


def test_nothing_is_left_of_what_is_gone(lab: Any) -> None:
    def round() -> None:
        with pytest.raises(holm.Trap):
            lab.work.fail("on purpose")
        with lab.instance() as instance, instance.things.Counter(1) as counter:
            counter.add(1)
        lab.things.Counter(1).add(1)
        lab.instance().greet("Ada")
        gc.collect()

    with lab.instance() as one:
        before = reserved()
        one.greet("Ada")
        each = reserved() - before
    assert each > 0
    round()
    before = reserved()
    for _ in range(30):
        round()
    assert reserved() - before < 5 * each


def test_a_component_is_let_go_with_all_that_leads_back_to_it() -> None:
    """Its classes have methods that know the classes, and what Python provides knows the component."""

    def used() -> list[weakref.ref[Any]]:
        host = Host()
        lab = lab_with(host)
        host.add = lambda a, b: lab.work.add(a, b)  # type: ignore[method-assign]
        assert lab.calling.add(1, 2) == 3
        counter = lab.things.Counter(1)
        instance = lab.instance()
        instance.things.Counter(2)
        return [weakref.ref(each) for each in (lab, lab.things.Counter, instance, instance.things.Counter, counter, host)]

    was = used()
    gc.collect()
    assert [each() for each in was] == [None] * len(was)


def test_what_is_held_of_a_component_holds_what_it_needs() -> None:
    host = Host()
    lab = lab_with(host)
    several, say, counter = lab.things.several, lab.calling.say, lab.things.Counter(1)
    add = vars(lab.things.Counter)["add"]
    del lab
    gc.collect()
    assert [one.add(1) for one in several([1, 2])] == [2, 3]
    assert say("Ada", ["a"]) == 1 and host.said == [("Ada", ["a"])]
    assert counter.add(1) == 2 and add(counter, 1) == 3 and type(counter)(4).add(1) == 5
