"""Streams and futures of functions that Python provides."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import holm
import pytest
from conftest import guest


class Broken(Exception):
    """What a source raises."""


class Job:
    dropped = 0

    def __init__(self, n: int) -> None:
        self.n = n

    async def run(self, input: holm.Stream[int]) -> int:
        return self.n + sum([n async for n in input])

    def close(self) -> None:
        Job.dropped += 1


class Pipes:
    """The interface, with what happened to it."""

    Job = Job

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.left = 0
        self.cancelled = threading.Event()
        self.reading: list[Any] = []
        self.at_once = 0
        self.most = 0

    async def count(self, bytes: holm.Stream[int]) -> int:
        return sum([1 async for _ in bytes])

    async def upper(self, words: holm.Stream[str]) -> AsyncIterator[str]:
        async def each() -> AsyncIterator[str]:
            try:
                async for word in words:
                    if word == "bad":
                        raise Broken("a bad word")
                    yield word.upper()
            finally:
                self.left += 1

        return each()

    async def numbers(self, to: int) -> AsyncIterator[int]:
        async def each() -> AsyncIterator[int]:
            try:
                for n in range(to):
                    yield n
                    if n == 1000:
                        raise Broken("too many")
            finally:
                self.left += 1

        return each()

    def bits(self, them: list[bool]) -> Iterator[bool]:
        return (not bit for bit in them)

    async def brought(self, text: holm.Future[str]) -> Any:
        got = await text

        async def later() -> str:
            await asyncio.sleep(0.001)
            if got == "bad":
                raise Broken("a bad text")
            return got.upper()

        # A coroutine that is returned by one is the future.
        return later()

    async def later(self, n: int) -> int:
        await asyncio.sleep(0.001)
        if n == 0:
            raise Broken("no zero")
        return n * 2

    def log(self, lines: holm.Stream[str]) -> None:
        async def read() -> None:
            async for line in lines:
                self.lines.append(line)

        thread = threading.Thread(target=lambda: asyncio.run(read()))
        thread.start()
        self.reading.append(thread)

    async def pair(self, n: int) -> tuple[int, Any]:
        return n, ([n + 1, n + 2] if n else None)

    async def slow(self, n: int) -> int:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.05 if n else 3600)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.at_once -= 1
        return n


def pipes_with(host: Any) -> Any:
    return holm.load(guest("pipes-lab"), imports={"holm:pipes/host": host}).pipes


@pytest.fixture
def host() -> Pipes:
    return Pipes()


@pytest.fixture
def pipes(host: Pipes) -> Any:
    return pipes_with(host)


def run(call: Any) -> Any:
    """Awaits one call; none of these takes half a minute."""

    async def main() -> Any:
        return await asyncio.wait_for(call, 30)

    return asyncio.run(main())


def test_a_stream_is_an_async_iterator(pipes: Any) -> None:
    assert run(pipes.count(0)) == 0
    assert run(pipes.count(3)) == 3
    assert run(pipes.count(300_000)) == 300_000


def test_a_stream_is_given_by_an_async_iterator(pipes: Any, host: Pipes) -> None:
    assert run(pipes.numbers(0)) == []
    assert run(pipes.numbers(5)) == [0, 1, 2, 3, 4]
    assert host.left == 2


def test_both_at_once(pipes: Any) -> None:
    assert run(pipes.upper(["a", "b", "c"])) == ["A", "B", "C"]
    words = [f"word {n}" for n in range(500)]
    assert run(pipes.upper(words)) == [word.upper() for word in words]


def test_what_is_there_at_once_can_be_given(pipes: Any) -> None:
    assert run(pipes.bits([True, False, True])) == [False, True, False]
    assert run(pipes.pair(1)) == [1, 2, 3]
    assert run(pipes.pair(0)) == [0]


def test_bytes_go_in_pieces() -> None:
    class Whole(Pipes):
        async def count(self, bytes: holm.Stream[int]) -> int:
            # In bulk, on a thread that may wait.
            return len(await asyncio.to_thread(bytes.read))

    assert run(pipes_with(Whole()).count(200_000)) == 200_000


def test_futures(pipes: Any) -> None:
    assert run(pipes.brought("text")) == "TEXT"
    assert run(pipes.later(4)) == 8


def test_a_resource_with_an_async_method(pipes: Any) -> None:
    before = Job.dropped
    assert run(pipes.job(10, [1, 2, 3])) == 16
    assert Job.dropped == before + 1


def test_they_are_answered_beside_each_other(pipes: Any, host: Pipes) -> None:
    assert run(pipes.together(1)) == 1 + 2 + 0
    assert host.most == 2

    async def many() -> list[int]:
        return await asyncio.gather(*(pipes.numbers(50) for _ in range(20)))

    assert run(many()) == [list(range(50))] * 20


def test_a_stream_that_is_read_when_the_function_has_returned(pipes: Any, host: Pipes) -> None:
    # The component writes on after its own function has answered, too.
    run(pipes.log(["one", "two", "three"]))
    for thread in host.reading:
        thread.join(30)
    assert host.lines == ["one", "two", "three"]


def test_a_stream_that_the_component_leaves(pipes: Any, host: Pipes) -> None:
    assert run(pipes.some(900, 3)) == [0, 1, 2]
    assert run(pipes.numbers(2)) == [0, 1]


def test_a_stream_that_python_leaves() -> None:
    class Leaves(Pipes):
        async def upper(self, words: holm.Stream[str]) -> Any:
            got = await anext(words)
            words.close()
            return [got]

        async def count(self, bytes: holm.Stream[int]) -> int:
            return 7  # and forgets it

    pipes = pipes_with(Leaves())
    assert run(pipes.flood(1_000_000)) < 1_000_000
    assert run(pipes.count(1_000_000)) == 7


def test_what_raises_half_way_fails_the_call(pipes: Any) -> None:
    with pytest.raises(Broken, match="too many"):
        run(pipes.numbers(5000))
    with pytest.raises(Broken, match="a bad word"):
        run(pipes.upper(["good", "bad", "good"]))
    with pytest.raises(Broken, match="a bad text"):
        run(pipes.brought("bad"))
    with pytest.raises(Broken, match="no zero"):
        run(pipes.later(0))
    # Another call is not touched by those.
    assert run(pipes.later(1)) == 2


def test_what_raises_before_it_gives_fails_the_call() -> None:
    class Raises(Pipes):
        async def numbers(self, to: int) -> Any:
            raise Broken("at once")

        async def count(self, bytes: holm.Stream[int]) -> int:
            await anext(bytes)
            raise Broken("after the first")

        async def slow(self, n: int) -> Any:
            return "text"

    pipes = pipes_with(Raises())
    with pytest.raises(Broken, match="at once"):
        run(pipes.numbers(1))
    with pytest.raises(Broken, match="after the first"):
        run(pipes.count(1_000_000))
    with pytest.raises(holm.WrongType, match="its result: expected u32, got 'text'"):
        run(pipes.together(1))


def test_items_must_fit() -> None:
    class Wrong(Pipes):
        async def numbers(self, to: int) -> Any:
            async def each() -> AsyncIterator[Any]:
                yield 1
                yield "two"

            return each() if to else [1, "two"]

        def bits(self, them: list[bool]) -> Any:
            return 5

    pipes = pipes_with(Wrong())
    with pytest.raises(holm.WrongType, match="expected u32, got 'two'") as told:
        run(pipes.numbers(1))
    assert told.value.__notes__[0] == "it is item 1 of a stream that is sent"
    with pytest.raises(holm.WrongType, match=r"its result.*\[1\]: expected u32, got 'two'"):
        run(pipes.numbers(0))
    with pytest.raises(holm.WrongType, match="its result: expected stream<bool>, got 5"):
        run(pipes.bits([True]))


def test_half_of_a_stream_is_no_whole_one() -> None:
    heard: list[BaseException] = []

    class Hears(Pipes):
        async def count(self, bytes: holm.Stream[int]) -> int:
            try:
                return len(await asyncio.to_thread(bytes.read))
            except BaseException as error:
                heard.append(error)
                raise

    with pytest.raises(holm.Trap):
        run(pipes_with(Hears()).breaks(100_000))
    assert len(heard) <= 1 and all(isinstance(error, (holm.Trap, asyncio.CancelledError)) for error in heard)


def test_a_plain_function_does_not_wait_for_itself() -> None:
    class Plain(Pipes):
        def count(self, bytes: holm.Stream[int]) -> int:  # type: ignore[override]
            return len(bytes.read())

    with pytest.raises(holm.ReentryError, match="waits for the function that reads it"):
        run(pipes_with(Plain()).count(100_000))


def test_a_coroutine_that_waits_for_itself_is_ended_by_a_limit() -> None:
    class Holds(Pipes):
        async def log(self, lines: holm.Stream[str]) -> None:  # type: ignore[override]
            self.lines = [line async for line in lines]

    # It is not async in WIT: the component writes when it has returned.
    imports = {"holm:pipes/host": Holds()}
    lib = holm.load(guest("pipes-lab"), imports=imports, limits={"timeout": "300 ms"})
    with pytest.raises(holm.LimitReached) as reached:
        run(lib.pipes.log(["one"]))
    assert reached.value.limit == "timeout"


def test_a_call_that_the_component_gives_up(host: Pipes) -> None:
    class Never(Pipes):
        async def slow(self, n: int) -> int:
            return await super().slow(0)

    host = Never()
    pipes = pipes_with(host)

    async def main() -> int:
        answered: int = await pipes.give_up()
        await asyncio.to_thread(host.cancelled.wait, 30)
        return answered

    assert run(main()) == 1
    assert host.cancelled.is_set()


def test_a_call_that_is_cancelled() -> None:
    class Never(Pipes):
        async def slow(self, n: int) -> int:
            return await super().slow(0)

    host = Never()
    pipes = pipes_with(host)

    async def main() -> None:
        call = asyncio.create_task(pipes.together(1))
        while host.at_once < 2:
            await asyncio.sleep(0.001)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await asyncio.to_thread(host.cancelled.wait, 30)

    run(main())
    assert host.cancelled.is_set()


def test_through_two_components() -> None:
    inner = pipes_with(Pipes())

    class Passes(Pipes):
        async def upper(self, words: holm.Stream[str]) -> Any:
            return await inner.through(words)

    assert run(pipes_with(Passes()).upper(["a", "b"])) == ["A", "B"]


def test_an_instance_of_ones_own(host: Pipes) -> None:
    lib = holm.load(guest("pipes-lab"), imports={"holm:pipes/host": host})

    async def main() -> None:
        with lib.instance() as one:
            for n in range(5):
                assert await one.pipes.numbers(n) == list(range(n))
                assert await one.pipes.count(n) == n

    run(main())
