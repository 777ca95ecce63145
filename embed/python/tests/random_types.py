"""Random WIT types: their text, random values of them, and components that give back what they take.

A value that flattens to more than 16 core values is passed as a pointer, and so is every result of
more than one: beside 17 bytes of padding the core function that gives back its pointer is the echo of
any type at all.
"""

from __future__ import annotations

import random
import string
import struct
from typing import Any, NamedTuple

import holm

INTEGERS = {"s8": 8, "u8": 8, "s16": 16, "u16": 16, "s32": 32, "u32": 32, "s64": 64, "u64": 64}
PADDING = 17


class Named(NamedTuple):
    """A type with a name: its definition, and what is needed to make values of it."""

    name: str
    text: str
    kind: str
    parts: list[Any]


class Types:
    """Makes types and values; all from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.named: list[Named] = []

    def type(self, depth: int = 3) -> Any:
        """A type: a name of a plain one, or a tuple."""
        plain = ["bool", *INTEGERS, "f32", "f64", "char", "string"]
        kinds = ["plain"] if depth == 0 else ["plain", "list", "tuple", "option", "result", "record", "variant", "enum", "flags"]
        kind = self.random.choice(kinds)
        few = range(self.random.randint(1, 4))
        if kind == "plain":
            return self.random.choice(plain)
        if kind in ("list", "option"):
            return (kind, self.type(depth - 1))
        if kind == "tuple":
            return (kind, tuple(self.type(depth - 1) for _ in few))
        if kind == "result":
            return (kind, *(self.random.choice([None, self.type(depth - 1)]) for _ in range(2)))
        if kind == "record":
            parts = [(f"part-{n}", self.type(depth - 1)) for n in few]
            text = " ".join(f'(field "{name}" {self.text(of)})' for name, of in parts)
        elif kind == "variant":
            parts = [(f"case-{n}", self.random.choice([None, self.type(depth - 1)])) for n in few]
            text = " ".join(f'(case "{name}"{"" if of is None else " " + self.text(of)})' for name, of in parts)
        else:
            many = self.random.randint(1, 32 if kind == "flags" else 300)
            parts = [(f"label-{n}", None) for n in range(many)]
            text = " ".join(f'"{name}"' for name, _ in parts)
        self.named.append(Named(f"named-{len(self.named)}", f"({kind} {text})", kind, parts))
        return ("named", len(self.named) - 1)

    def text(self, of: Any) -> str:
        """As WebAssembly text has it."""
        if isinstance(of, str):
            return of
        if of[0] == "named":
            return f"$named-{of[1]}"
        if of[0] == "tuple":
            return f"(tuple {' '.join(self.text(item) for item in of[1])})"
        if of[0] == "result":
            ok, err = of[1:]
            return f"(result{'' if ok is None else ' ' + self.text(ok)}{'' if err is None else f' (error {self.text(err)})'})"
        return f"({of[0]} {self.text(of[1])})"

    def component(self, of: Any, garbage: bytes) -> str:
        """A component whose `f` gives back what it takes, and whose `g` gives what stands in memory."""
        named = "\n".join(
            f'  (type $def-{at} {one.text}) (import "{one.name}" (type $named-{at} (eq $def-{at})))'
            for at, one in enumerate(self.named)
        )
        data = "".join(f"\\{byte:02x}" for byte in garbage)
        padded = f"(tuple {' '.join(['u8'] * PADDING)} {self.text(of)})"
        return f"""(component
  (core module $m
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 65536))
    (data (i32.const 0) "{data}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and
        (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      global.get $next
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "f") (param i32) (result i32) local.get 0)
    (func (export "g") (param i32) (result i32) (i32.and (local.get 0) (i32.const 65528))))
  (core instance $i (instantiate $m))
{named}
  (type $padded {padded})
  (func (export "f") (param "v" $padded) (result $padded)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "g") (param "at" u32) (result $padded)
    (canon lift (core func $i "g") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
)"""

    def value(self, of: Any, lib: Any) -> Any:
        """A random value of a type."""
        rnd = self.random
        if of in INTEGERS:
            bits = INTEGERS[of]
            number = rnd.choice([0, 1, rnd.getrandbits(bits), 2 ** (bits - 1), 2**bits - 1])
            return number - (2**bits if of[0] == "s" and number >= 2 ** (bits - 1) else 0)
        if of == "bool":
            return rnd.random() < 0.5
        if of in ("f32", "f64"):
            # Such as both have.
            return rnd.choice([0.0, -0.0, float("inf"), struct.unpack("f", struct.pack("f", rnd.uniform(-1e9, 1e9)))[0]])
        if of == "char":
            return self.letter()
        if of == "string":
            return "".join(self.letter() for _ in range(rnd.choice([0, 1, 5, 200])))
        kind = of[0]
        if kind == "list":
            items = [self.value(of[1], lib) for _ in range(rnd.choice([0, 1, 3, 20]))]
            return bytes(items) if of[1] == "u8" else items
        if kind == "tuple":
            return tuple(self.value(item, lib) for item in of[1])
        if kind == "option":
            if rnd.random() < 0.4:
                return None
            value = self.value(of[1], lib)
            return holm.Some(value) if of[1][0] == "option" else value
        if kind == "result":
            which = rnd.randrange(2)
            case = of[1 + which]
            return (holm.Ok, holm.Err)[which](None if case is None else self.value(case, lib))
        return self.of_named(self.named[of[1]], lib)

    def of_named(self, of: Named, lib: Any) -> Any:
        """A random value of a type with a name."""
        cls = getattr(lib, "Named" + of.name.rpartition("-")[2])
        if of.kind == "record":
            return cls(*(self.value(part, lib) for _, part in of.parts))
        if of.kind == "variant":
            name, part = self.random.choice(of.parts)
            case = getattr(cls, "Case" + name.rpartition("-")[2])
            return case() if part is None else case(self.value(part, lib))
        if of.kind == "enum":
            return self.random.choice(list(cls))
        return cls(self.random.getrandbits(len(of.parts)))

    def letter(self) -> str:
        """A character from all over Unicode."""
        while True:
            code = self.random.choice([ord(self.random.choice(string.printable)), self.random.randrange(0x110000)])
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    def rubbish(self, depth: int = 2) -> Any:
        """Any object at all."""
        rnd = self.random

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

        choices = [
            None, True, -1, 2**200, 1.5, float("nan"), "", "text", "\udc80", b"bytes", bytearray(b"x"), memoryview(b"abcd").cast("H"),
            (), [], {}, {1}, object(), object, Odd(), iter([1, 2]), range(5), 3j, lambda: 1, holm.Ok(), holm.Err(1), holm.Some(2),
            *([[self.rubbish(depth - 1)], (self.rubbish(depth - 1),), {"part_0": self.rubbish(depth - 1)}] if depth else []),
        ]  # fmt: skip
        return rnd.choice(choices)
