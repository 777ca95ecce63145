"""Random components, random values, and what may be done with them; whatever it is, Python lives.

`python fuzzing.py KIND FIRST COUNT` tries so many seeds in this process and says each before it begins it, so
that a crash names its own. One that hangs is ended, with the stacks of all threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import holm
import random_flows
import random_things
import random_threads
from random_components import Component
from random_objects import Broken
from random_types import PLAIN, Flow, Types

#: So long nothing takes, in seconds, on however busy a machine.
HANGS = 300

#: What anything may raise that is not as it should be. A panic is none of these, nor is a wrong value.
REFUSED = (holm.Error, ValueError, TypeError, ZeroDivisionError, OverflowError, Broken, AttributeError, RecursionError, KeyError)


def same(want: Any, got: Any, later: list[tuple[Any, Any]]) -> bool:
    """Whether what came is what was sent. Streams and resources are looked at `later`."""
    if isinstance(want, Flow):
        later.append((want, got.reader))
        return isinstance(got, Flow) and (want.kind, want.element) == (got.kind, got.element)
    if isinstance(got, holm.Resource):
        later.append((want, got))
        return True
    if isinstance(want, (list, tuple)):
        return isinstance(got, (list, tuple)) and len(want) == len(got) and all(same(a, b, later) for a, b in zip(want, got, strict=True))
    if isinstance(want, float):
        return isinstance(got, float) and (math.isnan(want) and math.isnan(got) or (want == got and math.copysign(1, want) == math.copysign(1, got)))
    return type(want) is type(got) and bool(want == got)


@contextlib.contextmanager
def reentered() -> Iterator[None]:
    """Demands that what is done is told as re-entry."""
    try:
        yield
    except holm.ReentryError:
        return
    raise AssertionError("it was called within its call")


class Case:
    """A component of a seed, and what its functions take."""

    def __init__(self, seed: int, **has: bool) -> None:
        self.types = types = Types(seed, **has)
        self.random = rnd = types.random
        params = [types.type(rnd.choice([0, 1, 2, 3])) for _ in range(rnd.randint(1, 3))]
        if rnd.random() < 0.1:
            params = [types.deep(rnd.choice([5, 20, 60]))]
        self.component = Component(types, params, rnd.randbytes(4096))
        self.whole = self.component.whole
        self.params = params
        self.component.echoes()

    def load(self, *, interface: bool | None = None, **more: Any) -> Any:
        """Loads it; its functions are at `types.home` then."""
        if interface is None:
            interface = self.random.random() < 0.5
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "random.wat")
            file.write_text(self.component.text(interface))
            lib = holm.load(file, reuse=self.random.choice([None, 1, 3]), strict=True, **more)
        self.types.home = lib.api if interface else lib
        self.types.thing = getattr(self.types.home, "Thing", None)
        return lib

    def values(self) -> list[Any]:
        """Arguments of a call, as values."""
        self.types.room = 500
        return [self.types.value(of) for of in self.params]

    def given(self, values: list[Any]) -> list[Any]:
        """As objects."""
        return [self.types.given(of, value) for of, value in zip(self.params, values, strict=True)]

    def rotten(self, touch: Callable[[], Any] = lambda: None) -> list[Any]:
        """Arguments with something in them that does not belong there."""
        self.types.rot, self.types.touch = self.random.choice([0.05, 0.5, 1.0]), touch
        try:
            return self.given(self.values())
        finally:
            self.types.rot = 0.0

    def sent(self, values: list[Any]) -> Any:
        """What a function gives that gives back what it takes."""
        return values[0] if len(values) == 1 else values

    def got(self, found: Any) -> Any:
        """What a function gave."""
        if self.whole[0] == "result":
            return 0, self.types.carried(self.whole[1], found)
        return self.types.got(self.whole, found)

    def raised(self, error: holm.Err) -> Any:
        """What it raised."""
        if self.whole[0] != "result":
            raise error
        return 1, self.types.carried(self.whole[2], error.value)

    def call(self, function: Callable[..., Any], *given: Any) -> Any:
        """What a call gives, as a value."""
        try:
            return self.got(function(*given))
        except holm.Err as error:
            return self.raised(error)

    async def wait(self, function: Callable[..., Any], *given: Any) -> Any:
        """The same of an async one."""
        try:
            return self.got(await function(*given))
        except holm.Err as error:
            return self.raised(error)

    def is_(self, values: list[Any], got: Any) -> list[tuple[Any, Any]]:
        """Demands that it is what was sent; gives what is to be looked at later."""
        later: list[tuple[Any, Any]] = []
        assert same(self.sent(values), got, later), (self.types.text(self.whole), values, got)
        return later


def values(seed: int) -> None:
    """Data in memory and in registers, through functions of each kind."""
    case = Case(seed)
    lib = case.load()
    home, rnd = case.types.home, case.random
    for _ in range(12):
        sent = case.values()
        case.is_(sent, case.call(home.echo, *case.given(sent)))

    async def main() -> None:
        for function in (home.later, home.lifted):
            several = [case.values() for _ in range(rnd.choice([1, 4]))]
            for sent, got in zip(several, await asyncio.gather(*(case.wait(function, *case.given(sent)) for sent in several)), strict=True):
                case.is_(sent, got)
            try:
                await case.wait(function, *case.rotten())
            except REFUSED:
                pass

    asyncio.run(main())
    with lib.instance() as instance:
        own = instance.api if hasattr(instance, "api") else instance
        for _ in range(12):
            touch = rnd.choice([lambda: None, instance.close, gc.collect, lambda: home.echo(*case.given(case.values()))])
            try:
                (own if rnd.random() < 0.2 else home).echo(*case.rotten(touch))
            except REFUSED:
                pass
    # Whatever stands in its memory: a value, or a trap.
    for _ in range(25):
        try:
            home.garbage(rnd.randrange(8192))
        except holm.Error:
            pass


def hosts(seed: int) -> None:
    """The component asks functions of Python."""
    case = Case(seed)
    case.component.hosts()
    rnd, types = case.random, case.types
    #: What the host does, and what it was given.
    does, asked = "", []
    lib: Any = None
    instance: Any = None

    def host(*objects: Any) -> Any:
        nonlocal does
        asked.append(got := [types.got(of, found) for of, found in zip(case.params, objects, strict=True)])
        if does == "raises":
            raise Broken("of its own")
        if does == "calls":
            does = "same"
            case.is_(got, case.call(types.home.asked, *case.given(got)))
        if does == "reenters":
            does = "same"
            with reentered():
                instance.asked(*case.given(got))
        if does == "forgets":
            lib._pool.drop_idle()
            gc.collect()
        if does == "closes":
            instance.close()
        # Objects as they came, or others for the same value.
        answer = list(objects) if does == "same" else case.rotten() if does == "wrong" else case.given(got)
        if len(answer) > 1:
            return tuple(answer)
        if case.whole[0] != "result" or not isinstance(answer[0], (holm.Ok, holm.Err)):
            return answer[0]
        if isinstance(answer[0], holm.Err):
            raise answer[0]
        return answer[0].value

    async def late(*objects: Any) -> Any:
        nonlocal does
        await asyncio.sleep(rnd.choice([0, 0.001]))
        if does == "reenters" and rnd.random() < 0.7:
            does = "same"
            inner = rnd.choice([instance.waited, lambda *them: asyncio.to_thread(instance.asked, *them)])
            again = case.given([types.got(of, found) for of, found in zip(case.params, objects, strict=True)])
            with reentered():
                await inner(*again)
        return host(*objects)

    given = {"host": rnd.choice([host, late]), "late-host": rnd.choice([host, late])}
    lib = case.load(interface=False, imports=given)

    def expect(sent: list[Any], outcome: Callable[[], Any]) -> None:
        try:
            got = outcome()
        except Broken:
            assert does == "raises"
        except REFUSED:
            assert does == "wrong", does
        else:
            assert does != "raises"
            if does != "wrong":
                case.is_(sent, got)
        later: list[tuple[Any, Any]] = []
        assert all(same(sent, got, later) for got in asked), (asked, sent)

    for _ in range(16):
        asked.clear()
        sent = case.values()
        does = rnd.choice(["same", "other", "raises", "wrong", "forgets", "closes", "calls", "reenters"])
        # One that is closed in a call ends with the call.
        instance = lib.instance()
        home = instance if does == "reenters" else lib if does == "calls" else rnd.choice([lib, instance])
        if rnd.random() < 0.5:
            expect(sent, lambda: case.call(home.asked, *case.given(sent)))
        else:
            expect(sent, lambda: asyncio.run(case.wait(home.waited, *case.given(sent))))
        assert does != "closes" or instance._native.closed


def things(seed: int) -> None:
    """Resources, with data beside them, in several instances."""
    case = Case(seed, resources=True)
    case.component.things(case.types.data(2))
    random_things.play(case, case.load(interface=True), REFUSED)


def flows(seed: int) -> None:
    """Streams and futures, with data beside them, and now and then resources."""
    flowing(seed, breaks=False)


def breaks(seed: int) -> None:
    """The same with sources that raise."""
    flowing(seed, breaks=True)


def flowing(seed: int, *, breaks: bool) -> None:
    """What both do."""
    resources = seed % 3 == 0
    case = Case(seed, flows=True, resources=resources)
    if resources:
        case.component.things(case.types.data(1))
    elements = case.random.sample(PLAIN, 2)
    case.component.flows(elements)
    random_flows.play(case, case.load(interface=resources or None), elements, REFUSED, breaks)


def threads(seed: int) -> None:
    """One module in many threads, closed and forgotten at any moment."""
    case = Case(seed, resources=True)
    case.component.things(case.types.data(1))
    # The functions that pump have streams, and the values none.
    case.types.flows = True
    case.component.flows(["u32"])
    random_threads.play(case, case.load(interface=True), REFUSED)


def ends(seed: int) -> None:
    """An interpreter that ends in the middle of it: it must not crash, and not stay."""
    done = subprocess.run([sys.executable, __file__, "end", str(seed)], capture_output=True, text=True, timeout=HANGS)
    # Of an interrupt it dies by the signal, or says so.
    expected = done.returncode == 0 or "KeyboardInterrupt" in done.stderr and done.returncode in (-2, 1, 130)
    assert expected and done.stdout == "ends\n" and "panicked" not in done.stderr, (done.returncode, done.stdout, done.stderr[-3000:])


def end(seed: int) -> None:
    """What `ends` starts."""
    case = Case(seed, resources=True)
    case.component.things(case.types.data(1))
    case.types.flows = True
    case.component.flows(["u32"])
    random_threads.end(case, case.load(interface=True), REFUSED)


KINDS: dict[str, Callable[[int], None]] = {"values": values, "hosts": hosts, "things": things, "flows": flows, "breaks": breaks, "threads": threads, "ends": ends}


def left_over() -> list[str]:
    """Threads of calls that have not ended, when they have had the time to."""
    end = time.monotonic() + 20
    while True:
        gc.collect()
        left = [thread.name for thread in threading.enumerate() if thread.name == "holm-call"]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.001)


def tried(kind: str, seed: int) -> None:
    """Tries one, and looks that nothing of it is left."""
    KINDS[kind](seed)
    assert left_over() == [], (kind, seed)


def reserved() -> tuple[int, int]:
    """The address space of this process in GiB, of which each instance has some, and its open files."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGESIZE") >> 30, len(os.listdir("/proc/self/fd"))


def main(kind: str, first: int, count: int) -> None:
    """Tries them one after the other."""
    faulthandler.enable()
    before = None
    for seed in range(first, first + count):
        print(seed, flush=True)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        tried(kind, seed)
        before = before or reserved()
    faulthandler.cancel_dump_traceback_later()
    now = reserved()
    print(f"{kind}: address space {before[0] if before else 0} to {now[0]} GiB, files {before[1] if before else 0} to {now[1]}")
    # An instance has 4 GiB and more of address space.
    assert before is None or (now[0] <= before[0] + 16 and now[1] <= before[1] + 8), (before, now)
    print("alive", flush=True)


if __name__ == "__main__" and sys.argv[1] == "end":
    faulthandler.enable()
    end(int(sys.argv[2]))
elif __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
