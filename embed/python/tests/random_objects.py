"""Random objects of Python: the forms that a value can have, and objects that are nothing at all."""

from __future__ import annotations

import array
import asyncio
import ctypes
import gc
import random
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import holm
import numpy

#: Of each type of numbers: its letter in `array`, and in numpy.
LETTERS = {"s8": "b", "u8": "B", "s16": "h", "u16": "H", "s32": "i", "u32": "I", "s64": "q", "u64": "Q", "f32": "f", "f64": "d"}


class Broken(Exception):
    """What a source raises."""


class Fields:
    """Anything that has some fields."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)


class Index:
    """Something that can be used as a number."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Text(str):
    """Text of a class of its own."""


def plain(rnd: random.Random, of: str, value: Any) -> Any:
    """A plain value."""
    if of in ("f32", "f64"):
        forms = [value, numpy.float64(value)]
        if value == value and abs(value) < 2**53 and value == int(value) and str(value) != "-0.0":
            forms.append(int(value))
        return rnd.choice(forms)
    if of in LETTERS:
        return rnd.choice([value, numpy.dtype(LETTERS[of]).type(value), Index(value)])
    return rnd.choice([value, Text(value)]) if of == "string" else value


def numbers(rnd: random.Random, of: str, values: list[Any]) -> Any:
    """A list of numbers: a list, or one of the many buffers."""
    letter = LETTERS[of]
    dtype = numpy.dtype(letter)
    whole = array.array(letter, values)
    packed = numpy.array(values, dtype)

    def strided() -> Any:
        wide = numpy.zeros(3 * len(values), dtype)
        wide[::3] = packed
        return wide[::3]

    def reversed_() -> Any:
        return packed[::-1].copy()[::-1]

    def crooked() -> Any:
        raw = bytearray(b"x" + whole.tobytes())
        return numpy.frombuffer(raw, dtype, len(values), 1) if values else packed

    def fixed() -> Any:
        packed.flags.writeable = False
        return packed

    forms: list[Any] = [
        lambda: values, lambda: tuple(values), lambda: iter(values), lambda: deque(values), lambda: whole,
        lambda: memoryview(whole), lambda: memoryview(whole).toreadonly(), lambda: memoryview(whole)[::-1][::-1], lambda: packed,
        strided, reversed_, crooked, fixed, lambda: packed.astype(dtype.newbyteorder()), lambda: memoryview(packed.astype(dtype.newbyteorder("<"))),
        lambda: holm_array(letter, values), lambda: (ctypes_type(letter) * len(values))(*values),
    ]  # fmt: skip
    if of == "u8":
        forms += [lambda: bytes(values), lambda: bytearray(values), lambda: memoryview(bytes(values)), lambda: memoryview(bytes(values) * 2)[: len(values)]]
    return rnd.choice(forms)()


def holm_array(letter: str, values: list[Any]) -> Any:
    """As components give it."""
    return holm.Array(letter, values)


def ctypes_type(letter: str) -> Any:
    """The type of C for a letter of `array`."""
    return {
        "b": ctypes.c_int8, "B": ctypes.c_uint8, "h": ctypes.c_int16, "H": ctypes.c_uint16, "i": ctypes.c_int32, "I": ctypes.c_uint32,
        "q": ctypes.c_int64, "Q": ctypes.c_uint64, "f": ctypes.c_float, "d": ctypes.c_double,
    }[letter]  # fmt: skip


def stream(rnd: random.Random, flow: Any, slowly: bool) -> Any:
    """What is sent as a stream."""
    at_once = numbers(rnd, flow.element, flow.items) if flow.element in LETTERS else list(flow.items)
    if not slowly or rnd.random() < 0.3:
        return at_once

    async def items() -> AsyncIterator[Any]:
        at = 0
        while at < len(flow.items):
            if rnd.random() < 0.3:
                await asyncio.sleep(rnd.choice([0, 0, 0.001]))
            if flow.element in LETTERS and rnd.random() < 0.3:
                yield numbers(rnd, flow.element, flow.items[at : at + 5])
                at += 5
            else:
                yield plain(rnd, flow.element, flow.items[at])
                at += 1
        if flow.raises:
            raise Broken("half way")

    return items()


def future(rnd: random.Random, flow: Any, slowly: bool) -> Any:
    """What is sent as a future."""
    (item,) = flow.items
    if not slowly or rnd.random() < 0.3:
        return plain(rnd, flow.element, item)

    async def value() -> Any:
        await asyncio.sleep(rnd.choice([0, 0, 0.001]))
        if flow.raises:
            raise Broken("never")
        return plain(rnd, flow.element, item)

    return value()


def rubbish(rnd: random.Random, depth: int = 2, touch: Any = lambda: None) -> Any:
    """Any object at all. Some call `touch` when they are looked at."""

    class Odd:
        """Raises from wherever it is asked."""

        def __getattr__(self, name: str) -> Any:
            raise ValueError(name)

        def __len__(self) -> int:
            return rnd.choice([-1, 10**30, 3])

        def __iter__(self) -> Any:
            raise ZeroDivisionError

        def __index__(self) -> int:
            raise OverflowError

    class Nasty:
        """Does something else when it is looked at."""

        def __index__(self) -> int:
            touch()
            return 1

        def __float__(self) -> float:
            touch()
            return 1.0

        def __len__(self) -> int:
            touch()
            return 1 << 40

        def __iter__(self) -> Any:
            touch()
            gc.collect()
            yield Nasty()
            shrinking.clear()
            yield 1

        def __getattr__(self, name: str) -> Any:
            touch()
            if name == "__class__":
                return object
            return Nasty()

        def __eq__(self, other: object) -> bool:
            touch()
            raise ZeroDivisionError

        def __hash__(self) -> int:
            return 1

        def __repr__(self) -> str:
            raise ZeroDivisionError

    class Longer(list[Any]):
        """Is not as long as it says."""

        def __len__(self) -> int:
            return rnd.choice([0, 1, 100])

    shrinking: list[Any] = [Nasty(), Nasty(), 1, 2, 3]
    looped: list[Any] = []
    looped.append(looped)
    released = memoryview(b"gone")
    released.release()
    choices = [
        None, True, -1, 2**200, 1.5, float("nan"), "", "text", "\udc80", "a\ud800", b"bytes", bytearray(b"x"), memoryview(b"abcd").cast("H"),
        (), [], {}, {1}, object(), object, Odd(), iter([1, 2]), range(5), 3j, lambda: 1, holm.Ok(), holm.Err(1), holm.Some(2),
        Nasty(), shrinking, looped, Longer([1, 2, 3]), released, memoryview(b"abcd").cast("B", (2, 2)), memoryview(b"abcd").cast("c"),
        memoryview(b"ab").cast("?"), numpy.zeros((2, 2)), numpy.array(1), numpy.array([1j]), numpy.array(["a"]), numpy.array([None]),
        numpy.array([1.5], "e"), numpy.array([True]), numpy.zeros(2, [("a", "i4"), ("b", "f8")]), numpy.datetime64("2026-01-01"),
        numpy.zeros(0, "M8[s]"), (ctypes.c_char * 3)(), (ctypes.c_void_p * 2)(), ctypes.c_int(1), array.array("l", [1]),
        ctypes.POINTER(ctypes.c_int)(), type, NotImplemented, ..., rnd, gc, Broken, Broken("x"), Text("t"), Index(2**70),
        *([[rubbish(rnd, depth - 1, touch)], (rubbish(rnd, depth - 1, touch),), {"part_0": rubbish(rnd, depth - 1, touch)},
           {rnd.random(): rubbish(rnd, depth - 1, touch)}] if depth else []),
    ]  # fmt: skip
    return rnd.choice(choices)
