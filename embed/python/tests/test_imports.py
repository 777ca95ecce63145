"""Functions of Python that components import."""

from __future__ import annotations

import threading
from typing import Any

import holm
import pytest
from conftest import Host, guest, lab_with


def test_they_are_called() -> None:
    host = Host()
    lab = lab_with(host)
    assert lab.calling.say("Ada", ["a", "b"]) == 2
    assert lab.calling.add(-(2**63), 1) == -(2**63) + 1
    assert lab.calling.log("line") is None
    assert lab.town() == "Bergen"
    assert host.said == [("Ada", ["a", "b"]), "line"]


def test_the_error_case_of_a_result_is_raised() -> None:
    class Busy(Host):
        def say(self, who: str, what: list[str]) -> int:
            Trouble = lab.calling.Trouble if hasattr(lab.calling, "Trouble") else lab.Trouble
            raise holm.Err(Trouble.Busy(7) if what else Trouble.NobodyThere())

    lab = lab_with(Busy())
    with pytest.raises(holm.Err) as busy:
        lab.calling.say("Ada", ["x"])
    assert busy.value.value.value == 7
    with pytest.raises(holm.Err) as nobody:
        lab.calling.say("Ada", [])
    assert type(nobody.value.value).__name__ == "NobodyThere"


def test_what_it_raises_comes_out_of_the_call() -> None:
    class Broken(Host):
        def add(self, a: int, b: int) -> int:
            raise ZeroDivisionError("of its own")

    lab = lab_with(Broken())
    with pytest.raises(ZeroDivisionError, match="of its own") as caught:
        lab.calling.add(1, 2)
    assert any("called by the component" in note for note in caught.value.__notes__)
    assert lab.greet("Ada") == "Hello, Ada!"


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda a, b: "three", holm.WrongType, "its result: expected s64, got 'three'"),
        (lambda a, b: 2**63, holm.WrongValue, "its result: expected s64"),
        (lambda a, b: None, holm.WrongType, "its result: expected s64, got None"),
        (lambda a: a, TypeError, "positional argument"),
    ],
)
def test_what_it_gives_must_fit(given: Any, error: type[Exception], words: str) -> None:
    host = Host()
    host.add = given  # type: ignore[method-assign]
    with pytest.raises(error, match=words):
        lab_with(host).calling.add(1, 2)


def test_system_exit_and_interrupts_pass() -> None:
    host = Host()

    def leave(line: str) -> None:
        raise SystemExit(3)

    host.log = leave  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        lab_with(host).calling.log("x")


def test_an_import_that_python_did_not_provide() -> None:
    with pytest.raises(holm.LoadError, match="holm:types/host@0.1.0"):
        holm.load(guest("types-lab"))
    with pytest.raises(holm.LoadError, match="without all of it") as caught:
        holm.load(guest("types-lab"), imports={"holm:types/host": {"log": print}, "home-town": str})
    assert len(caught.value.help) == 2
    with pytest.raises(holm.LoadError, match="imports no `holm:types/hots`"):
        holm.load(guest("types-lab"), imports={"holm:types/hots": {}})
    with pytest.raises(holm.LoadError, match="is no function"):
        holm.load(guest("types-lab"), imports={"holm:types/host": Host(), "home-town": "Bergen"})


def test_what_all_components_may_import() -> None:
    @holm.imports("holm:types/host")
    class Everyone(Host):
        pass

    holm.imports["holm:types/host"] = Host()

    @holm.imports()
    def home_town() -> str:
        return "Oslo"

    try:
        assert holm.load(guest("types-lab")).town() == "Oslo"
    finally:
        del holm.imports["holm:types/host"], holm.imports["home_town"]
    assert len(holm.imports) == 0


def test_reentry() -> None:
    host = Host()
    lab = lab_with(host)
    # Of the module it is no re-entry: the pool has another instance.
    host.add = lambda a, b: lab.work.add(a, b)  # type: ignore[method-assign]
    assert lab.calling.add(1, 2) == 3
    with lab.instance() as instance:
        host.add = lambda a, b: instance.work.add(a, b)  # type: ignore[method-assign]
        lab = lab_with(host)
        with lab.instance() as instance:
            with pytest.raises(holm.ReentryError, match="is in a call that waits for this one"):
                instance.calling.add(1, 2)


def test_many_threads_in_and_out() -> None:
    host = Host()
    lab = lab_with(host)
    wrong: list[object] = []

    def work() -> None:
        for n in range(200):
            if lab.calling.add(n, 1) != n + 1:
                wrong.append(n)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_deep_python_under_a_guest(lab: Any) -> None:
    # Host functions run on Python's own stack: recursion ends as it always does.
    host = Host()

    def deep(a: int, b: int) -> int:
        def down(n: int) -> int:
            return down(n + 1) + 1

        return down(0)

    host.add = deep  # type: ignore[method-assign]
    with pytest.raises(RecursionError):
        lab_with(host).calling.add(1, 2)


def test_a_component_calls_another_through_python() -> None:
    host = Host()
    inner = lab_with(host)
    outer_host = Host()
    outer_host.add = inner.calling.add  # type: ignore[method-assign]
    assert lab_with(outer_host).calling.add(20, 22) == 42
