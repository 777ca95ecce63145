"""Calling: names, arity, instances, threads."""

from __future__ import annotations

import inspect
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import holm
import pytest
from conftest import guest


def test_functions_are_attributes(lab: Any) -> None:
    assert lab.greet("Ada") == "Hello, Ada!"
    assert lab.greet(name="Ada") == "Hello, Ada!"
    assert lab.work.add(1, 2) == 3
    assert lab["holm:types/work@0.1.0"] is lab.work and lab["holm:types/work"] is lab.work
    with pytest.raises(KeyError):
        lab["holm:types/nothing"]
    assert lab.work.nothing() is None
    assert lab.greet.__name__ == "greet"
    assert str(inspect.signature(lab.work.add)) == "(a: 'int', b: 'int') -> 'int'"
    assert "components" in repr(lab) or "component" in repr(lab)


def test_wrong_arity(lab: Any) -> None:
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("takes 2 arguments, got 1", (1,), {}),
        ("takes 2 arguments, got 3", (1, 2, 3), {}),
        ("`a` is given twice", (1, 2), {"a": 1}),
        ("there is no parameter `c`", (1, 2), {"c": 1}),
    ]
    for words, args, kwargs in cases:
        with pytest.raises(holm.WrongType, match=words) as caught:
            lab.work.add(*args, **kwargs)
        assert isinstance(caught.value, TypeError)
        assert caught.value.help == ("its signature: add: func(a: u32, b: u32) -> u32",)
    with pytest.raises(holm.WrongType, match="greet: takes 1 argument, got 0"):
        lab.greet()


def test_an_instance_remembers(lab: Any) -> None:
    with lab.instance() as one, lab.instance() as two:
        assert [one.work.calls() for _ in range(3)] == [1, 2, 3]
        assert two.work.calls() == 1
        assert one.greet("Ada") == "Hello, Ada!"
    with pytest.raises(holm.Closed, match="it was closed"):
        one.work.calls()
    one.close()


def test_a_fresh_instance_for_each_call() -> None:
    from conftest import Host, lab_with

    lab = lab_with(Host(), reuse=1)
    assert [lab.work.calls() for _ in range(3)] == [1, 1, 1]


def test_threads_share_a_module(lab: Any) -> None:
    def work(n: int) -> int:
        assert lab.echo.text(str(n)) == str(n)
        return lab.work.burn(200_000)  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(work, range(64)))
    assert len(results) == 1


def test_the_lock_is_free_while_a_guest_computes(lab: Any) -> None:
    # Another thread counts: it could not, were the interpreter's lock held for all of the call.
    counted = 0
    done = threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    thread.start()
    before = counted
    lab.work.burn(50_000_000)
    during = counted - before
    done.set()
    thread.join()
    assert during > 10


def test_calls_of_one_instance_follow_each_other(instance: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: instance.work.calls(), range(100)))
    assert sorted(numbers) == list(range(1, 101))


def test_a_component_of_another_world() -> None:
    greet = holm.load(guest("greet"))
    assert greet.add(1, 2) == 3
    assert greet.midpoint(greet.Point(0, 0), greet.Point(2, 4)) == greet.Point(1, 2)
    with pytest.raises(holm.Err, match="cannot be divided"):
        greet.divide(1, 0)
