"""One module in many threads, and a process that ends meanwhile."""

from __future__ import annotations

import asyncio
import copy
import gc
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

#: What several threads hold: instances of the module, and resources that live in those or in the pool's.
THREADS = 4


class Shared:
    """What the threads share, and what each does with it."""

    def __init__(self, case: Any, lib: Any, refused: tuple[type[Exception], ...]) -> None:
        self.case = case
        self.lib = lib
        self.refused = refused
        self.instances = [lib.instance() for _ in range(2)]
        self.things: list[tuple[Any, int]] = []
        self.failed: list[BaseException] = []

    def work(self, seed: int, goes_on: Callable[[int], bool]) -> None:
        """What one thread does. Whatever the others do meanwhile, a call gives what it should or is refused."""
        case = copy.copy(self.case)
        types = case.types = copy.copy(case.types)
        rnd = case.random = types.random = random.Random(seed)
        done = 0
        while goes_on(done):
            done += 1
            try:
                self.once(case, rnd, types)
            except self.refused:
                pass
            except BaseException as error:  # noqa: BLE001: raised by the main thread
                self.failed.append(error)
                return

    def once(self, case: Any, rnd: random.Random, types: Any) -> None:
        """One thing."""
        beside = case.component.beside

        def data() -> Any:
            return types.given(beside, types.value(beside))

        def some() -> tuple[Any, int]:
            while not self.things:
                new()
            try:
                return rnd.choice(self.things)
            except IndexError:
                return some()

        def new() -> None:
            number = rnd.getrandbits(32)
            home = rnd.choice([self.lib, *self.instances])
            self.things.append((home.api.Thing(number, data()), number))

        match rnd.choice(["new", "id", "close", "finish", "sum", "echo", "later", "end", "collect", "forget", "fail", "alive", "idle", "pump"]):
            case "new":
                new()
            case "id":
                one, number = some()
                assert one.id() == number
            case "close":
                some()[0].close()
            case "finish":
                one, number = some()
                assert self.lib.api.finish(one) == number
            case "sum":
                (one, a), (other, b) = some(), some()
                assert type(one).sum(one, other, data()) == (a + b) % 2**32
            case "echo":
                types.home = rnd.choice(self.instances).api
                types.make = lambda number: types.home.Thing(number, data())
                sent = case.values()
                for number, one in case.is_(sent, case.call(types.home.echo, *case.given(sent))):
                    assert one.id() == number
                    self.things.append((one, number))
            case "later":
                one, number = some()
                assert asyncio.run(one.later(1)) == (number + 1) % 2**32
            case "end" if rnd.random() < 0.3:
                at = rnd.randrange(len(self.instances))
                old, self.instances[at] = self.instances[at], self.lib.instance()
                if rnd.random() < 0.5:
                    old.close()
            case "collect":
                gc.collect(rnd.randrange(3))
            case "forget":
                del self.things[: rnd.choice([1, len(self.things)])]
            case "fail" if rnd.random() < 0.2:
                some()[0].fail()
            case "alive":
                assert rnd.choice(self.instances).api.alive() >= 0
            case "pump":
                count = rnd.choice([0, 5, 100])
                assert asyncio.run(pumped(self.lib.api, count)) == list(range(count))
            case "idle":
                self.lib._pool.drop_idle()


async def numbers(count: int) -> AsyncIterator[int]:
    """So many."""
    for n in range(count):
        yield n


async def pumped(api: Any, count: int) -> list[int]:
    """So many, through the component."""
    return [n async for n in await api.pump_stream_u32(numbers(count))]


def play(case: Any, lib: Any, refused: tuple[type[Exception], ...]) -> None:
    """Some threads at once."""
    shared = Shared(case, lib, refused)
    seeds = [case.random.getrandbits(32) for _ in range(THREADS)]
    threads = [threading.Thread(target=shared.work, args=(seed, lambda done: done < 40)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in shared.failed:
        raise error
    for instance in shared.instances:
        instance.close()


def end(case: Any, lib: Any, refused: tuple[type[Exception], ...]) -> None:
    """The interpreter ends while threads are at work, and with all that they hold."""
    rnd = case.random
    shared = Shared(case, lib, refused)
    ends = time.monotonic() + rnd.choice([0, 0.01, 0.1])
    for n in range(THREADS):
        daemon = rnd.random() < 0.7
        goes_on = (lambda done: True) if daemon else (lambda done: time.monotonic() < ends + 0.05)
        threading.Thread(target=shared.work, args=(n, goes_on), daemon=daemon).start()
    if rnd.random() < 0.5:
        threading.Thread(target=lambda: asyncio.run(pumped(lib.api, 10**9)), daemon=True).start()
    match rnd.choice(["kept", "cycle", "nothing"]):
        case "kept":
            import builtins

            builtins.kept = shared  # type: ignore[attr-defined]
        case "cycle":
            shared.things.append((shared, 0))
            sys.modules["kept"] = shared  # type: ignore[assignment]
    time.sleep(max(0, ends - time.monotonic()))
    print("ends", flush=True)
    match rnd.choice(["return", "exit", "raise"]):
        case "exit":
            sys.exit(0)
        case "raise":
            raise KeyboardInterrupt
