"""An instance that is called while a call of it waits for the caller: told at once, whichever way it comes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import holm
import pytest
from conftest import Host, guest, lab_with

#: So long none of these waits.
SOON: Any = {"timeout": "20 s"}
WAITS = "is in a call that waits for this one"


class Asks:
    """A host of the flows, which does something before it answers."""

    def __init__(self) -> None:
        self.before: Callable[[], Awaitable[Any]] = lambda: asyncio.sleep(0)
        self.came: Any = None

    async def ask(self, question: str) -> str:
        if question == "inner":
            return "in"
        self.came = await self.before()
        return question.upper()


@pytest.fixture
def host() -> Asks:
    return Asks()


@pytest.fixture
def lib(host: Asks) -> Any:
    return holm.load(guest("flows-lab"), imports={"holm:flows/host": host}, limits=SOON)


@pytest.fixture
def one(lib: Any) -> Iterator[Any]:
    with lib.instance() as one:
        yield one


async def reenters(call: Awaitable[Any]) -> str:
    """What is said of a call that would wait for itself."""
    with pytest.raises(holm.ReentryError, match=WAITS):
        await call
    return "told"


def test_a_coroutine_awaits_the_instance_that_awaits_it(one: Any, host: Asks) -> None:
    host.before = lambda: reenters(one.flows.ask("inner"))
    assert asyncio.run(one.flows.ask("outer")) == "OUTER"
    assert host.came == "told"
    host.before = lambda: one.flows.ask("inner")
    with pytest.raises(holm.ReentryError, match=WAITS):
        asyncio.run(one.flows.ask("outer"))


def test_in_a_task_and_in_threads_of_a_coroutine(one: Any, host: Asks) -> None:
    ways: list[Callable[[], Awaitable[Any]]] = [
        lambda: asyncio.create_task(one.flows.ask("inner")),
        lambda: asyncio.gather(one.flows.ask("inner"), one.flows.total(b"abc")),
        lambda: asyncio.to_thread(one.flows.passed, [1, 2]),
        lambda: asyncio.to_thread(lambda: asyncio.run(one.flows.ask("inner"))),
    ]
    for way in ways:
        host.before = lambda way=way: reenters(way())  # type: ignore[misc]
        assert asyncio.run(one.flows.ask("outer")) == "OUTER"
        assert host.came == "told"


def test_a_coroutine_calls_it_and_holds_its_loop_up() -> None:
    class Calls(Host):
        one: Any

        async def add(self, a: int, b: int) -> int:  # type: ignore[override]
            await asyncio.sleep(0)
            return self.one.work.add(a, b)  # type: ignore[no-any-return]

    host = Calls()
    lab: Any = lab_with(host, limits=SOON)
    # Of the module it is none: the pool has another instance.
    host.one = lab
    assert lab.calling.add(20, 22) == 42
    with lab.instance() as host.one:
        with pytest.raises(holm.ReentryError, match=WAITS):
            host.one.calling.add(1, 2)


def test_a_source_that_asks_who_reads_it(one: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        await one.flows.ask("inner")
        yield b"def"

    async def main() -> None:
        with pytest.raises(holm.ReentryError, match=WAITS):
            await one.flows.total(pieces())

    asyncio.run(main())


def test_a_future_that_asks_who_awaits_it(one: Any) -> None:
    async def value() -> str:
        return await one.flows.ask("inner")  # type: ignore[no-any-return]

    async def main() -> None:
        with pytest.raises(holm.ReentryError, match=WAITS):
            await one.flows.brought(value())

    asyncio.run(main())


class Pipes:
    """A host of the pipes, of which these functions alone are called."""

    Job = type("Job", (), {"__init__": lambda self, n: None, "run": print})
    count = upper = brought = log = pair = slow = staticmethod(print)

    def __init__(self) -> None:
        self.one: Any = None

    async def numbers(self, to: int) -> AsyncIterator[int]:
        async def each() -> AsyncIterator[int]:
            yield 1
            yield await self.one.pipes.later(1)

        return each()

    def bits(self, them: list[bool]) -> AsyncIterator[bool]:
        async def each() -> AsyncIterator[bool]:
            yield bool(await self.one.pipes.later(1))

        return each()

    def later(self, n: int) -> int:
        # On a loop of its own, while the component waits for it.
        if n == 0:
            asyncio.run(self.one.pipes.later(1))
        return n


@pytest.mark.parametrize("call", [lambda pipes: pipes.numbers(5), lambda pipes: pipes.bits([True]), lambda pipes: pipes.later(0)])
def test_what_a_function_has_answered_asks_who_reads_it(call: Callable[[Any], Any]) -> None:
    host = Pipes()
    lib = holm.load(guest("pipes-lab"), imports={"holm:pipes/host": host}, limits=SOON)
    with lib.instance() as host.one, pytest.raises(holm.ReentryError, match=WAITS):
        asyncio.run(call(host.one.pipes))


def test_by_way_of_another_component(one: Any, host: Asks) -> None:
    between = Asks()
    other = holm.load(guest("flows-lab"), imports={"holm:flows/host": between}, limits=SOON).flows
    host.before = lambda: other.ask("between")
    assert asyncio.run(one.flows.ask("outer")) == "OUTER"
    between.before = lambda: reenters(one.flows.ask("inner"))
    assert asyncio.run(one.flows.ask("outer")) == "OUTER"
    assert between.came == "told"


def test_what_is_no_reentry(lib: Any, one: Any, host: Asks) -> None:
    # Another instance, of the pool or not.
    host.before = lambda: lib.flows.ask("inner")
    assert asyncio.run(one.flows.ask("outer")) == "OUTER"
    with lib.instance() as two:
        host.before = lambda: two.flows.ask("inner")
        assert asyncio.run(one.flows.ask("outer")) == "OUTER"

    # A task that a function leaves behind waits its turn.
    async def main() -> None:
        left: list[asyncio.Task[str]] = []
        answered = asyncio.Event()

        async def afterwards() -> str:
            await answered.wait()
            return await one.flows.ask("inner")  # type: ignore[no-any-return]

        async def leaves() -> None:
            left.append(asyncio.create_task(afterwards()))

        host.before = leaves
        assert await one.flows.ask("outer") == "OUTER"
        answered.set()
        assert await left[0] == "in"

    asyncio.run(main())


def test_a_resource_that_is_closed_in_a_call_of_its_instance() -> None:
    class Closes(Host):
        counter: Any

        async def add(self, a: int, b: int) -> int:  # type: ignore[override]
            self.counter.close()
            return a + b

    host = Closes()
    lab: Any = lab_with(host, limits=SOON)
    with lab.instance() as one:
        host.counter = one.things.Counter(5)
        assert one.calling.add(1, 2) == 3
        assert host.counter.closed
        # It is dropped with the next call.
        assert one.things.alive() == 0


def test_host_functions_have_the_context_of_who_calls(lib: Any, host: Asks) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user")

    async def who() -> str:
        return user.get()

    async def main(name: str) -> str:
        user.set(name)
        await lib.flows.ask("outer")
        return host.came  # type: ignore[no-any-return]

    host.before = who
    assert [asyncio.run(main(name)) for name in ("Ada", "Grace")] == ["Ada", "Grace"]
