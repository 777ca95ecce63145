"""Streams and futures at random, and what may be done with them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import holm
from random_objects import Broken, future, stream
from random_types import ELEMENTS, Flow


def equal(want: list[Any], got: list[Any]) -> bool:
    """Whether they are the same items."""
    from fuzzing import same

    return same(want, got, [])


async def read(rnd: Any, reader: Any, want: Flow) -> None:
    """Reads what a component gave, in one of many ways."""
    if want.kind == "future":
        match rnd.choice(["await", "result", "impatient", "forget"]):
            case "await":
                assert equal(want.items, [await reader])
            case "result":
                assert equal(want.items, [await asyncio.to_thread(reader.result)])
            case "impatient":
                try:
                    got = await asyncio.wait_for(reader._value(), rnd.choice([0, 0.001]))
                except TimeoutError:
                    got = await reader
                assert equal(want.items, [got])
        return
    match rnd.choice(["all", "read", "pieces", "close", "forget", "some", "two", "impatient"]):
        case "all":
            assert equal(want.items, [item async for item in reader])
        case "read":
            assert equal(want.items, list(await asyncio.to_thread(reader.read)))
        case "pieces":
            got = await asyncio.to_thread(lambda: [item for piece in reader.pieces() for item in piece])
            assert equal(want.items, got)
        case "close":
            reader.close()
            reader.close()
            assert [item async for item in reader] == []
        case "some":
            got = []
            async for item in reader:
                got.append(item)
                if rnd.random() < 0.2:
                    break
            assert equal(want.items[: len(got)], got)
            if rnd.random() < 0.5:
                reader.close()
        case "two":
            # Each item goes to one of them, in order.
            got = []

            async def half() -> None:
                async for item in reader:
                    got.append(item)

            await asyncio.gather(half(), half())
            assert len(got) == len(want.items)
        case "impatient":
            got = []
            while True:
                try:
                    got.append(await asyncio.wait_for(anext(reader), rnd.choice([0, 0.0005, 1])))
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    break
            assert equal(want.items, got)


def broken(values: Any) -> bool:
    """Whether the source of one of its flows raises."""
    if isinstance(values, Flow):
        return values.raises
    return isinstance(values, (list, tuple)) and any(map(broken, values))


def break_one(rnd: Any, values: Any) -> None:
    """Lets some of its sources raise."""
    if isinstance(values, Flow):
        values.raises = rnd.random() < 0.5
    elif isinstance(values, (list, tuple)):
        for value in values:
            break_one(rnd, value)


def play(case: Any, lib: Any, elements: list[str], refused: tuple[type[Exception], ...], breaks: bool) -> None:
    """Sends and reads them."""
    rnd, types = case.random, case.types
    instance = None
    #: A call was given up: its instance may end at any moment.
    ending = False
    home = types.home
    beside = case.component.beside

    def fresh() -> None:
        """An instance for the resources, where there are some. A source that raises ends it."""
        nonlocal instance, home, ending
        gc.collect()
        if types.resources and (instance is None or instance._native.closed):
            instance, ending = lib.instance(), False
            home = types.home = instance.api
            types.make = lambda number: home.Thing(number, types.given(beside, types.value(beside)))

    async def look(later: list[tuple[Any, Any]]) -> None:
        rnd.shuffle(later)
        flows = [(want, reader) for want, reader in later if isinstance(want, Flow)]
        things = [(number, one) for number, one in later if not isinstance(number, Flow)]
        reading = [read(rnd, reader, want) for want, reader in flows]
        later.clear()
        flows.clear()
        if rnd.random() < 0.5:
            await asyncio.gather(*reading)
        else:
            while reading:
                await reading.pop()
        reading.clear()
        for number, one in things:
            assert await asyncio.to_thread(one.id) == number

    async def one(function: Any) -> None:
        sent = case.values()
        if breaks and types.slowly and rnd.random() < 0.2:
            break_one(rnd, sent)
        broke = broken(sent)
        try:
            # Making a resource waits for its instance, whose streams want the loop.
            given = await asyncio.to_thread(case.given, sent)
            if types.slowly:
                got = await case.wait(function, *given)
            else:
                got = case.call(function, *given)
            later = case.is_(sent, got)
            del got, given
            await look(later)
        except (Broken, holm.Closed) as error:
            assert broke or ending and isinstance(error, holm.Closed), error

    async def rotten(function: Any) -> None:
        nonlocal ending
        ending = True
        try:
            given = await asyncio.to_thread(case.rotten)
            got = await case.wait(function, *given) if types.slowly else case.call(function, *given)
            del got
        except refused:
            pass

    async def cancelled(function: Any) -> None:
        nonlocal ending
        ending = True
        try:
            task = asyncio.ensure_future(function(*await asyncio.to_thread(case.given, case.values())))
            await asyncio.sleep(rnd.choice([0, 0, 0.0005]))
            task.cancel()
            await task
        except (asyncio.CancelledError, holm.Err, holm.Closed):
            pass

    async def pumped(element: str) -> None:
        kind = rnd.choice([kind for kind in ELEMENTS if element in ELEMENTS[kind]])
        flow = types.value((kind, element))
        flow.raises = breaks and rnd.random() < 0.1
        sent = (stream if kind == "stream" else future)(rnd, flow, True)
        try:
            got = await getattr(home, f"pump_{kind}_{element}")(sent)
            await read(rnd, got, flow)
        except (Broken, holm.Closed) as error:
            assert flow.raises or ending and isinstance(error, holm.Closed), error

    async def main() -> None:
        for _ in range(4):
            types.slowly = False
            fresh()
            await one(home.echo)
            fresh()
            await rotten(home.echo)
        for _ in range(6):
            types.slowly = True
            which = rnd.choice(["later", "lifted"])
            fresh()
            several = 1 if types.resources else rnd.choice([1, 1, 4])
            await asyncio.gather(*(one(getattr(home, which)) for _ in range(several)))
            fresh()
            await rotten(getattr(home, which))
            fresh()
            await cancelled(getattr(home, which))
        fresh()
        several = 1 if types.resources else rnd.choice([2, 12])
        await asyncio.gather(*(pumped(rnd.choice(elements)) for _ in range(several)))

    asyncio.run(main())
    if instance is not None:
        instance.close()
