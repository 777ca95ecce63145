"""The canonical ABI of random types: how large they are, which registers they take, and code that moves them
between registers and memory. Written from the specification, and not from what the engine does."""

from __future__ import annotations

from typing import Any

SIZES = {"bool": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "s32": 4, "u32": 4, "s64": 8, "u64": 8, "f32": 4, "f64": 8, "char": 4}
LOADS = {"bool": "load8_u", "s8": "load8_s", "u8": "load8_u", "s16": "load16_s", "u16": "load16_u"}
STORES = {1: "store8", 2: "store16", 4: "store"}
HANDLES = ("own", "borrow", "stream", "future")
#: More are passed in memory.
REGISTERS = 16


class Abi:
    """The ABI of the types of a component; `named` are those with a name."""

    def __init__(self, named: list[Any]) -> None:
        self.named = named

    def shape(self, of: Any) -> tuple[Any, ...]:
        """What it is made of: `("leaf", its size, its register)`, `("row", types)`, `("cases", types or None)`,
        or `("pair",)`, a place and a length."""
        if isinstance(of, str):
            if of == "string":
                return ("pair",)
            wide = "i64" if of in ("s64", "u64") else of if of in ("f32", "f64") else "i32"
            return ("leaf", SIZES[of], wide)
        kind = of[0]
        if kind in HANDLES:
            return ("leaf", 4, "i32")
        if kind in ("list", "map"):
            return ("pair",)
        if kind == "fixed":
            return ("row", [of[1]] * of[2])
        if kind == "tuple":
            return ("row", list(of[1]))
        if kind == "option":
            return ("cases", [None, of[1]])
        if kind == "result":
            return ("cases", list(of[1:]))
        one = self.named[of[1]]
        parts = [part for _, part in one.parts]
        if one.kind == "record":
            return ("row", parts)
        if one.kind == "flags":
            return ("leaf", 1 if len(parts) <= 8 else 2 if len(parts) <= 16 else 4, "i32")
        return ("cases", parts)

    def layout(self, of: Any) -> tuple[int, int]:
        """Its size and its alignment."""
        match self.shape(of):
            case ("leaf", size, _):
                return size, size
            case ("row", parts):
                return self.fields(parts)[1:]
            case ("cases", cases):
                payload, size, align = self.payload(cases)
                return up(payload + size, align), align
        return 8, 4

    def fields(self, parts: list[Any]) -> tuple[list[int], int, int]:
        """Where each begins, and the size and the alignment of the whole."""
        offsets, at, most = [], 0, 1
        for part in parts:
            size, align = self.layout(part)
            at = up(at, align)
            offsets.append(at)
            at, most = at + size, max(most, align)
        return offsets, up(at, most), most

    def payload(self, cases: list[Any]) -> tuple[int, int, int]:
        """Where the payload of a case begins, the size of the largest, and the alignment of the whole."""
        layouts = [self.layout(case) for case in cases if case is not None]
        align = max([1, *(align for _, align in layouts)])
        number = case_size(cases)
        return up(number, align), max([0, *(size for size, _ in layouts)]), max(align, number)

    def registers(self, of: Any) -> list[str]:
        """The registers that it takes."""
        match self.shape(of):
            case ("leaf", _, wide):
                return [wide]
            case ("row", parts):
                return [register for part in parts for register in self.registers(part)]
            case ("cases", cases):
                joined: list[str] = []
                for case in cases:
                    for at, wide in enumerate([] if case is None else self.registers(case)):
                        if at == len(joined):
                            joined.append(wide)
                        elif joined[at] != wide:
                            joined[at] = "i32" if {joined[at], wide} == {"i32", "f32"} else "i64"
                return ["i32", *joined]
        return ["i32", "i32"]

    def store(self, of: Any, slots: list[tuple[int, str]], base: str, offset: int = 0) -> list[str]:
        """Code that puts what lies in some locals into memory."""
        match self.shape(of):
            case ("leaf", size, wide):
                how = "store" if wide != "i32" else STORES[size]
                return [f"({wide}.{how} offset={offset} {base} {taken(slots[0], wide)})"]
            case ("row", parts):
                code = []
                for part, at in zip(parts, self.fields(parts)[0], strict=True):
                    count = len(self.registers(part))
                    code += self.store(part, slots[:count], base, offset + at)
                    slots = slots[count:]
                return code
            case ("cases", cases):
                which = taken(slots[0], "i32")
                code = [f"(i32.{STORES[case_size(cases)]} offset={offset} {base} {which})"]
                at = offset + self.payload(cases)[0]
                for number, case in enumerate(cases):
                    if case is not None:
                        inner = " ".join(self.store(case, slots[1:], base, at))
                        code.append(f"(if (i32.eq {which} (i32.const {number})) (then {inner}))")
                return code
        return [f"(i32.store offset={offset + 4 * n} {base} {taken(slots[n], 'i32')})" for n in range(2)]

    def load(self, of: Any, slots: list[tuple[int, str]], base: str, offset: int = 0) -> list[str]:
        """Code that takes it out of memory into some locals, which are zero."""
        match self.shape(of):
            case ("leaf", size, wide):
                how = LOADS.get(of) if isinstance(of, str) else {1: "load8_u", 2: "load16_u"}.get(size)
                return [put(slots[0], wide, f"({wide}.{how or 'load'} offset={offset} {base})")]
            case ("row", parts):
                code = []
                for part, at in zip(parts, self.fields(parts)[0], strict=True):
                    count = len(self.registers(part))
                    code += self.load(part, slots[:count], base, offset + at)
                    slots = slots[count:]
                return code
            case ("cases", cases):
                how = {1: "load8_u", 2: "load16_u", 4: "load"}[case_size(cases)]
                which = f"(i32.{how} offset={offset} {base})"
                code = [put(slots[0], "i32", which)]
                at = offset + self.payload(cases)[0]
                for number, case in enumerate(cases):
                    if case is not None:
                        inner = " ".join(self.load(case, slots[1:], base, at))
                        code.append(f"(if (i32.eq {which} (i32.const {number})) (then {inner}))")
                return code
        return [put(slots[n], "i32", f"(i32.load offset={offset + 4 * n} {base})") for n in range(2)]


def up(at: int, align: int) -> int:
    """The next multiple of an alignment."""
    return (at + align - 1) // align * align


def case_size(cases: list[Any]) -> int:
    """How large the number of a case is."""
    return 1 if len(cases) <= 1 << 8 else 2 if len(cases) <= 1 << 16 else 4


def taken(slot: tuple[int, str], wanted: str) -> str:
    """A value out of a local that holds it in a register for several types."""
    local, has = slot
    value = f"(local.get {local})"
    if has == "i64" and wanted in ("i32", "f32"):
        value, has = f"(i32.wrap_i64 {value})", "i32"
    if (has, wanted) == ("i32", "f32"):
        return f"(f32.reinterpret_i32 {value})"
    if (has, wanted) == ("i64", "f64"):
        return f"(f64.reinterpret_i64 {value})"
    return value


def put(slot: tuple[int, str], has: str, value: str) -> str:
    """The other way."""
    local, wanted = slot
    if has == "f32" and wanted in ("i32", "i64"):
        value, has = f"(i32.reinterpret_f32 {value})", "i32"
    if (has, wanted) == ("i32", "i64"):
        value = f"(i64.extend_i32_u {value})"
    elif (has, wanted) == ("f64", "i64"):
        value = f"(i64.reinterpret_f64 {value})"
    return f"(local.set {local} {value})"
