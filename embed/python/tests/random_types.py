"""Random WIT types: their text, random values of them, and what Python gives and gets for those.

A value is written down without Python's classes: a record is a list, a variant or a result its case and what it
carries, an option nothing or a list of one, an enum its position, flags their bits, a resource its number, and
a stream or a future what it brings. So what came back is compared with what was sent, whatever form it had.
"""

from __future__ import annotations

import math
import random
import string
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import holm
import random_objects

INTEGERS = {"s8": 8, "u8": 8, "s16": 16, "u16": 16, "s32": 32, "u32": 32, "s64": 64, "u64": 64}
NUMBERS = [*INTEGERS, "f32", "f64"]
PLAIN = ["bool", *NUMBERS, "char", "string"]
#: What streams and futures can have: of characters alone the specification has no stream yet.
ELEMENTS = {"stream": [of for of in PLAIN if of != "char"], "future": PLAIN}
KEYS = ["string", "u32", "char", "s64", "bool", "u8"]


class Named(NamedTuple):
    """A type with a name: what is needed to make values of it."""

    name: str
    kind: str
    parts: list[Any]


@dataclass
class Flow:
    """A stream or a future: what it brings, or the object that it can be read from."""

    kind: str
    element: str
    items: list[Any]
    reader: Any = None
    #: Its source raises after these.
    raises: bool = False


class Types:
    """Makes types and values; all from one seed."""

    def __init__(self, seed: int, *, resources: bool = False, flows: bool = False) -> None:
        self.random = random.Random(seed)
        self.named: list[Named] = []
        self.resources = resources
        self.flows = flows
        #: The module or interface that has the classes.
        self.home: Any = None
        self.thing: Any = None
        #: So many items lists may still have, because those of lists of lists are many.
        self.room = 0
        #: Makes a resource with a number.
        self.make: Callable[[int], Any] = lambda number: None
        #: Async functions take what comes by and by, others what is there.
        self.slowly = False
        #: How often anything at all stands where a value should, and what is done when that is looked at.
        self.rot = 0.0
        self.touch: Callable[[], Any] = lambda: None

    def type(self, depth: int = 3) -> Any:
        """A type: a name of a plain one, or a tuple."""
        inner = ["list", "tuple", "option", "result", "record", "variant", "enum", "flags", "fixed", "map"]
        kinds = ["plain"] if depth == 0 else ["plain", *inner]
        kinds += ["own"] * self.resources + ["stream", "future"] * self.flows
        kind = self.random.choice(kinds)
        few = range(self.random.randint(1, 4))
        if kind == "plain":
            return self.random.choice(PLAIN)
        if kind == "own":
            return ("own",)
        if kind in ("stream", "future"):
            return (kind, self.random.choice(ELEMENTS[kind]))
        if kind in ("list", "option"):
            return (kind, self.type(depth - 1))
        if kind == "fixed":
            return (kind, self.type(depth - 1), self.random.randint(1, 4))
        if kind == "map":
            return (kind, self.random.choice(KEYS), self.type(depth - 1))
        if kind == "tuple":
            return (kind, tuple(self.type(depth - 1) for _ in few))
        if kind == "result":
            return (kind, *(self.random.choice([None, self.type(depth - 1)]) for _ in range(2)))
        if kind == "record":
            parts = [(f"part-{n}", self.type(depth - 1)) for n in few]
        elif kind == "variant":
            parts = [(f"case-{n}", self.random.choice([None, self.type(depth - 1)])) for n in few]
        else:
            most = self.random.choice([3, 8, 9, 16, 17, 32, 32 if kind == "flags" else 300])
            parts = [(f"label-{n}", None) for n in range(self.random.randint(1, most))]
        self.named.append(Named(f"named-{len(self.named)}", kind, parts))
        return ("named", len(self.named) - 1)

    def data(self, depth: int = 3) -> Any:
        """A type without resources and streams."""
        was, (self.resources, self.flows) = (self.resources, self.flows), (False, False)
        of = self.type(depth)
        self.resources, self.flows = was
        return of

    def deep(self, depth: int) -> Any:
        """One within the other, so often."""
        of = self.type(1)
        for _ in range(depth):
            wrap = self.random.choice(["list", "option", "tuple", "result"])
            of = (wrap, of, None) if wrap == "result" else (wrap, (of,)) if wrap == "tuple" else (wrap, of)
        return of

    def definition(self, one: Named, suffix: str = "") -> str:
        """A type with a name as WebAssembly text has it."""
        if one.kind == "record":
            inner = [f'(field "{name}" {self.text(of, suffix)})' for name, of in one.parts]
        elif one.kind == "variant":
            inner = [f'(case "{name}"{"" if of is None else " " + self.text(of, suffix)})' for name, of in one.parts]
        else:
            inner = [f'"{name}"' for name, _ in one.parts]
        return f"({one.kind} {' '.join(inner)})"

    def text(self, of: Any, suffix: str = "") -> str:
        """A type where it is used; the suffix tells the names of an interface from those of its code."""
        if isinstance(of, str):
            return of
        if of[0] == "named":
            return f"$named-{of[1]}{suffix}"
        if of[0] in ("own", "borrow"):
            return f"({of[0]} $thing{suffix})"
        if of[0] in ("stream", "future"):
            return f"${of[0]}-{of[1]}"
        if of[0] == "tuple":
            return f"(tuple {' '.join(self.text(item, suffix) for item in of[1])})"
        if of[0] == "fixed":
            return f"(list {self.text(of[1], suffix)} {of[2]})"
        if of[0] == "result":
            ok, err = (None if case is None else self.text(case, suffix) for case in of[1:])
            return f"(result{'' if ok is None else ' ' + ok}{'' if err is None else f' (error {err})'})"
        return f"({of[0]} {' '.join(self.text(item, suffix) for item in of[1:])})"

    def prelude(self) -> str:
        """What the text of types goes back to."""
        flows = [(kind, element) for kind, elements in ELEMENTS.items() for element in elements]
        return " ".join(f"(type ${kind}-{element} ({kind} {element}))" for kind, element in flows) if self.flows else ""

    def holds(self, of: Any, kinds: tuple[str, ...]) -> bool:
        """Whether such a type is in it."""
        if of is None or isinstance(of, str):
            return False
        if of[0] == "named":
            return any(self.holds(part, kinds) for _, part in self.named[of[1]].parts)
        inner = of[1] if of[0] == "tuple" else [part for part in of[1:] if not isinstance(part, int)]
        return of[0] in kinds or any(self.holds(part, kinds) for part in inner)

    def value(self, of: Any) -> Any:
        """A random value of a type."""
        rnd = self.random
        if of in INTEGERS:
            bits = INTEGERS[of]
            number = rnd.choice([0, 1, rnd.getrandbits(bits), 2 ** (bits - 1), 2**bits - 1])
            return number - (2**bits if of[0] == "s" and number >= 2 ** (bits - 1) else 0)
        if of == "bool":
            return rnd.random() < 0.5
        if of in ("f32", "f64"):
            code = "fI" if of == "f32" else "dQ"
            any_bits = struct.unpack(code[0], struct.pack(code[1], rnd.getrandbits(32 if of == "f32" else 64)))[0]
            return rnd.choice([0.0, -0.0, math.inf, -math.inf, math.nan, 1.5, float(rnd.randint(-(2**24), 2**24)), any_bits])
        if of == "char":
            return self.letter()
        if of == "string":
            return "".join(self.letter() for _ in range(rnd.choice([0, 1, 5, 200])))
        kind = of[0]
        if kind == "own":
            return rnd.getrandbits(32)
        if kind in ("stream", "future"):
            count = rnd.choice([0, 1, 3, 20, 150]) if kind == "stream" else 1
            return Flow(kind, of[1], [self.value(of[1]) for _ in range(count)])
        if kind in ("list", "fixed"):
            few = 0.3 if self.holds(of, ("own", "stream", "future")) else 1
            count = of[2] if kind == "fixed" else min(self.room, int(few * rnd.choice([0, 1, 3, 20])))
            self.room -= count
            return [self.value(of[1]) for _ in range(count)]
        if kind == "map":
            entries = [(self.value(of[1]), self.value(of[2])) for _ in range(rnd.choice([0, 1, 4]))]
            return list(dict(entries).items())
        if kind == "tuple":
            return [self.value(item) for item in of[1]]
        if kind == "option":
            return None if rnd.random() < 0.4 else [self.value(of[1])]
        if kind == "result":
            return self.case(list(of[1:]))
        one = self.named[of[1]]
        if one.kind == "record":
            return [self.value(part) for _, part in one.parts]
        if one.kind == "variant":
            return self.case([part for _, part in one.parts])
        if one.kind == "enum":
            return rnd.randrange(len(one.parts))
        return rnd.getrandbits(len(one.parts))

    def case(self, cases: list[Any]) -> tuple[int, Any]:
        """One of them, and what it carries."""
        which = self.random.randrange(len(cases))
        return which, None if cases[which] is None else self.value(cases[which])

    def letter(self) -> str:
        """A character from all over Unicode."""
        while True:
            code = self.random.choice([ord(self.random.choice(string.printable)), self.random.randrange(0x110000), 0, 0xFEFF, 0x301, 0x10FFFF])
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    def given(self, of: Any, value: Any) -> Any:
        """A value as an object of Python, in one of the forms that it can have."""
        rnd = self.random
        if self.rot and rnd.random() < self.rot:
            return random_objects.rubbish(rnd, 2, self.touch)
        if isinstance(of, str):
            return random_objects.plain(rnd, of, value)
        kind = of[0]
        if kind == "own":
            return self.make(value)
        if kind == "stream":
            return random_objects.stream(rnd, value, self.slowly)
        if kind == "future":
            return random_objects.future(rnd, value, self.slowly)
        if kind in ("list", "fixed"):
            if of[1] in NUMBERS:
                return random_objects.numbers(rnd, of[1], value)
            items = [self.given(of[1], item) for item in value]
            return rnd.choice([list, tuple, iter])(items)
        if kind == "map":
            return {self.given(of[1], key): self.given(of[2], item) for key, item in value}
        if kind == "tuple":
            items = [self.given(part, item) for part, item in zip(of[1], value, strict=True)]
            return rnd.choice([list, tuple])(items)
        if kind == "option":
            if value is None:
                return None
            inner = self.given(of[1], value[0])
            return holm.Some(inner) if of[1][0] == "option" else inner
        if kind == "result":
            which, inner = value
            return (holm.Ok, holm.Err)[which](None if of[1 + which] is None else self.given(of[1 + which], inner))
        one = self.named[of[1]]
        cls = self.cls(one)
        if one.kind == "record":
            fields = {name.replace("-", "_"): self.given(part, item) for (name, part), item in zip(one.parts, value, strict=True)}
            return rnd.choice([lambda: cls(**fields), lambda: fields, lambda: random_objects.Fields(fields)])()
        if one.kind == "variant":
            which, inner = value
            name, part = one.parts[which]
            case = getattr(cls, "Case" + name.rpartition("-")[2])
            return case() if part is None else case(self.given(part, inner))
        return list(cls)[value] if one.kind == "enum" else cls(value)

    def got(self, of: Any, found: Any) -> Any:
        """An object that came from the component as a value; its class is what it should be."""
        if isinstance(of, str):
            wanted = {"bool": bool, "char": str, "string": str, "f32": float, "f64": float}.get(of, int)
            assert type(found) is wanted, (of, found)
            return found
        kind = of[0]
        if kind == "own":
            assert isinstance(found, self.thing)
            return found
        if kind in ("stream", "future"):
            assert isinstance(found, holm.Stream if kind == "stream" else holm.Future)
            return Flow(kind, of[1], [], found)
        if kind in ("list", "fixed"):
            if of[1] in NUMBERS:
                assert type(found) is (bytes if of[1] == "u8" else holm.Array), (of, found)
                return list(found)
            assert type(found) is list
            return [self.got(of[1], item) for item in found]
        if kind == "map":
            assert type(found) is dict
            return [(self.got(of[1], key), self.got(of[2], item)) for key, item in found.items()]
        if kind == "tuple":
            assert type(found) is tuple
            return [self.got(part, item) for part, item in zip(of[1], found, strict=True)]
        if kind == "option":
            if found is None:
                return None
            if of[1][0] == "option":
                assert type(found) is holm.Some
                found = found.value
            return [self.got(of[1], found)]
        if kind == "result":
            which = isinstance(found, holm.Err)
            assert which or type(found) is holm.Ok
            return int(which), self.carried(of[1 + which], found.value)
        one = self.named[of[1]]
        cls = self.cls(one)
        assert isinstance(found, cls), (found, cls)
        if one.kind == "record":
            return [self.got(part, getattr(found, name.replace("-", "_"))) for name, part in one.parts]
        if one.kind == "variant":
            which = [name for name, _ in one.parts].index(found.__wit__)
            part = one.parts[which][1]
            return which, None if part is None else self.got(part, found.value)
        return list(cls).index(found) if one.kind == "enum" else found.value

    def carried(self, of: Any, found: Any) -> Any:
        """What a case carries."""
        if of is None:
            assert found is None
            return None
        return self.got(of, found)

    def cls(self, one: Named) -> Any:
        """Python's class for it."""
        return getattr(self.home, "Named" + one.name.rpartition("-")[2])
