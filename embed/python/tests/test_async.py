"""Async functions, streams and futures."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import holm
import numpy
import pytest
from conftest import guest
from random_components import Component
from random_types import Types


class Slow:
    """A host that takes its time."""

    asked = 0

    async def ask(self, question: str) -> str:
        self.asked += 1
        await asyncio.sleep(0.05)
        return question.upper()


@pytest.fixture(scope="module")
def flows() -> Any:
    return holm.load(guest("flows-lab"), imports={"holm:flows/host": Slow()}).flows


async def numbers(to: int) -> AsyncIterator[int]:
    for n in range(to):
        await asyncio.sleep(0)
        yield n


def test_an_async_function_is_awaited(flows: Any) -> None:
    async def main() -> list[str]:
        return await asyncio.gather(*(flows.ask(f"q{n}") for n in range(5)))

    assert asyncio.run(main()) == [f"Q{n}" for n in range(5)]


def test_streams_are_async_iterators(flows: Any) -> None:
    async def main() -> None:
        assert [n async for n in await flows.count(5)] == [0, 1, 2, 3, 4]
        data = (await flows.bytes(1_000_000)).read()
        assert data == b"\x07" * 1_000_000
        stream, beside = await flows.both(3)
        assert beside == 3 and list(stream) == [0, 1, 2]

    asyncio.run(main())


def test_streams_of_a_plain_function(flows: Any) -> None:
    assert list(flows.passed([1, 2, 3])) == [1, 2, 3]
    assert [list(piece) for piece in flows.passed([]).pieces()] == []
    with pytest.raises(holm.WrongType, match="async functions alone"):
        flows.passed(numbers(3))


def test_what_is_there_at_once_can_be_sent(flows: Any) -> None:
    async def main() -> None:
        assert await flows.total(b"12345") == 5
        assert await flows.total(bytearray(300_000)) == 300_000
        assert await flows.words(["a", "b"]) == ["a", "b"]
        assert list(await flows.double([1, 2, 3])) == [2, 4, 6]
        assert await flows.brought("text") == "text"

    asyncio.run(main())


def test_what_comes_by_and_by_can_be_sent(flows: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for n in range(10):
            await asyncio.sleep(0)
            yield bytes(n)

    async def words() -> AsyncIterator[str]:
        yield "one"
        yield "two"

    async def text() -> str:
        await asyncio.sleep(0.01)
        return "late"

    async def main() -> None:
        assert await flows.total(pieces()) == 45
        assert await flows.words(words()) == ["one", "two"]
        assert [n async for n in await flows.double(numbers(10))] == [2 * n for n in range(10)]
        assert await flows.brought(text()) == "late"

    asyncio.run(main())


def test_futures(flows: Any) -> None:
    async def main() -> None:
        assert await (await flows.later("text")) == "text"
        assert (await flows.later("text")).result() == "text"

    asyncio.run(main())


def test_a_stream_can_be_left(flows: Any) -> None:
    async def main() -> None:
        with await flows.count(1_000_000) as stream:
            assert next(stream) == 0
        assert [n async for n in await flows.count(2)] == [0, 1]

    asyncio.run(main())


def test_a_read_that_is_given_up_loses_nothing(flows: Any) -> None:
    async def main() -> None:
        more = asyncio.Event()

        async def late() -> AsyncIterator[int]:
            yield 1
            await more.wait()
            yield 2
            yield 3

        stream = await flows.double(late())
        assert await anext(stream) == 2
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.01)
        more.set()
        assert [n async for n in stream] == [4, 6]

    asyncio.run(main())


def test_a_stream_is_closed_while_it_is_read(flows: Any) -> None:
    async def main() -> None:
        never = asyncio.Event()

        async def late() -> AsyncIterator[int]:
            yield 1
            await never.wait()

        stream = await flows.double(late())
        assert await anext(stream) == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        stream.close()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    asyncio.run(main())


def test_a_guest_that_breaks_in_the_middle(flows: Any) -> None:
    async def main() -> None:
        stream = await flows.breaks(3)
        got = []
        with pytest.raises(holm.Trap):
            async for n in stream:
                got.append(n)
        assert got == [0, 1, 2]

    asyncio.run(main())


def test_a_task_that_is_cancelled() -> None:
    begun = threading.Event()

    class Never:
        async def ask(self, question: str) -> str:
            begun.set()
            await asyncio.sleep(3600)
            return ""

    flows = holm.load(guest("flows-lab"), imports={"holm:flows/host": Never()}).flows

    async def main() -> None:
        task = asyncio.create_task(flows.ask("?"))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_wrong_items(flows: Any) -> None:
    async def wrong() -> AsyncIterator[Any]:
        yield 1
        yield "text"

    async def words() -> AsyncIterator[Any]:
        yield "a"
        yield 5

    async def main() -> None:
        with pytest.raises(holm.WrongType, match=r"values\[1\]: expected u32"):
            await flows.double([1, "two"])
        with pytest.raises(holm.WrongType, match="bytes: expected stream<u8>"):
            await flows.total(3)
        with pytest.raises(holm.WrongType, match="expected u32, got 'text'") as told:
            _ = [n async for n in await flows.double(wrong())]
        assert told.value.__notes__ == ["it is item 1 of a stream that is sent"]
        with pytest.raises(holm.WrongType, match="expected string, got 5"):
            await flows.words(words())

    asyncio.run(main())


class Broken(Exception):
    """What a source raises."""


def test_a_source_that_raises_is_no_end(flows: Any) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"abc"
        raise Broken("half way")

    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise Broken("half way")

    async def value() -> str:
        raise Broken("never")

    async def main() -> None:
        with pytest.raises(Broken, match="half way"):
            await flows.total(half())
        with pytest.raises(Broken, match="half way"):
            doubled = await flows.double(numbers())
            # As much of it as came, and then why there is no more.
            async for item in doubled:
                assert item in (2, 4)
        with pytest.raises(Broken, match="never"):
            await flows.brought(value())
        # A call of its own is not touched by those.
        assert await flows.total(b"abc") == 3

    asyncio.run(main())


def left_over() -> bool:
    """Whether a call has not ended, when it has had the time to."""
    end = time.monotonic() + 20
    while any(thread.name == "holm-call" for thread in threading.enumerate()):
        gc.collect()
        if time.monotonic() > end:
            return True
        time.sleep(0.001)
    return False


def test_more_streams_than_threads_of_the_loop(flows: Any) -> None:
    async def main() -> None:
        streams = await asyncio.gather(*(flows.double(numbers(50)) for _ in range(40)))
        for stream in streams:
            assert [n async for n in stream] == [2 * n for n in range(50)]

    asyncio.run(main())


def test_a_stream_that_is_forgotten_ends_its_call(flows: Any) -> None:
    async def main() -> None:
        await flows.count(1_000_000)
        stream = await flows.count(1_000_000)
        assert await anext(stream) == 0
        del stream
        never = asyncio.Event()

        async def late() -> AsyncIterator[int]:
            yield 1
            await never.wait()

        # Also where a thread waits for more of it.
        stream = await flows.double(late())
        assert await anext(stream) == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)

    asyncio.run(main())
    flows.passed([1, 2, 3])
    assert not left_over()


def test_a_stream_outlives_the_loop_that_read_it(flows: Any) -> None:
    more = threading.Event()

    async def late() -> AsyncIterator[int]:
        yield 1
        await asyncio.to_thread(more.wait)
        yield 2

    async def main() -> holm.Stream[int]:
        stream: holm.Stream[int] = await flows.double(late())
        assert await anext(stream) == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        more.set()
        while not stream._pieces.fetched:
            await asyncio.sleep(0)
        return stream

    assert next(asyncio.run(main())) == 4


def test_the_error_case_of_a_result_may_hold_streams(tmp_path: Path) -> None:
    types = Types(0, flows=True)
    component = Component(types, [("result", None, ("stream", "u32"))])
    component.echoes()
    file = tmp_path / "fails.wat"
    file.write_text(component.text(interface=False))
    fails = holm.load(file)

    async def main() -> None:
        with pytest.raises(holm.Err) as caught:
            await fails.later(holm.Err(numbers(500)))
        assert [n async for n in caught.value.value] == list(range(500))
        with pytest.raises(holm.Err) as caught:
            fails.echo(holm.Err(range(500)))
        assert list(caught.value.value) == list(range(500))

    asyncio.run(main())


def test_numbers_in_an_order_that_is_said(flows: Any) -> None:
    async def main() -> None:
        for order in "<>=":
            view = memoryview(numpy.array([1, 2, 3], numpy.dtype("u4").newbyteorder(order)))
            assert (await flows.double(view)).read() == [2, 4, 6]

    asyncio.run(main())


class Rude(Slow):
    """A host that raises."""

    async def ask(self, question: str) -> str:
        await asyncio.sleep(0)
        raise Broken(question)


def test_what_was_raised_is_let_go() -> None:
    """What a call has raised leads back to the call by its traceback, and what is read of it to both."""
    errors: list[weakref.ref[BaseException]] = []

    def used() -> weakref.ref[Any]:
        lab = holm.load(guest("flows-lab"), imports={"holm:flows/host": Rude()})

        async def source(held: list[Any]) -> AsyncIterator[int]:
            yield 1
            while not held:
                await asyncio.sleep(0)
            raise Broken("half way", held)

        async def main() -> None:
            with pytest.raises(Broken) as asked:
                await lab.flows.ask("why")
            errors.append(weakref.ref(asked.value))
            held: list[Any] = []
            doubled = await lab.flows.double(source(held))
            held.append(doubled)
            with pytest.raises(Broken) as sent:
                _ = [n async for n in doubled]
            errors.append(weakref.ref(sent.value))

        asyncio.run(main())
        return weakref.ref(lab)

    lab = used()
    assert not left_over()
    # The threads that brought its streams are on their way out.
    end = time.monotonic() + 20
    while [each for each in (lab, *errors) if each() is not None] and time.monotonic() < end:
        gc.collect()
        time.sleep(0.001)
    assert [each() for each in (lab, *errors)] == [None] * 3
