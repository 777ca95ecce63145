"""Components for random types, as text: each gives back what it takes, in every way that there is.

`echo` is an ordinary function; `later` an async one, and `lifted` one that is async in its type alone; `garbage`
gives what stands in memory. With a host, `asked` and `waited` get theirs from functions that they import. With
resources there is `thing`, with streams there are functions that read and write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canonical import REGISTERS, Abi
from random_types import ELEMENTS, Types

#: Items that the component reads of a stream at once.
PIECE = 7

MEMORY = """
  (core module $memory
    (memory (export "memory") 64)
    (global $next (mut i32) (i32.const 65536))
    (global $alive (export "alive") (mut i32) (i32.const 0))
    (data (i32.const 0) "{data}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $start i32)
      ;; What was given out long ago is given out again.
      (if (i32.gt_u (i32.add (global.get $next) (local.get 3)) (i32.const 4000000))
        (then (global.set $next (i32.const 65536))))
      (local.set $start (i32.and
        (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get 2))))
      (global.set $next (i32.add (local.get $start) (local.get 3)))
      (local.get $start))
    (func (export "dropped") (param i32) (global.set $alive (i32.sub (global.get $alive) (i32.const 1)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
"""


@dataclass
class Function:
    """A function that the component exports."""

    name: str
    params: list[tuple[str, Any]]
    result: Any
    core: str
    is_async: bool = False
    #: It gives its result by a call, and may go on then.
    callback: bool = False


class Component:
    """Makes one; `whole` is what its functions take and give."""

    def __init__(self, types: Types, params: list[Any], data: bytes = b"") -> None:
        self.types = types
        self.abi = Abi(types.named)
        self.params = [(f"v{n}", of) for n, of in enumerate(params)]
        self.whole: Any = params[0] if len(params) == 1 else ("tuple", tuple(params))
        self.data = data
        self.functions: list[Function] = []
        #: What the core code imports: its name, its core type, and what makes it.
        self.imports: list[tuple[str, str, str]] = []
        self.world: list[str] = []
        #: What a resource's functions take beside it.
        self.beside: Any = None

    def echoes(self) -> None:
        """Functions that give back what they take."""
        self.function("echo", self.params, self.whole, self.give(self.params))
        self.function("lifted", self.params, self.whole, self.give(self.params), is_async=True)
        self.function("later", self.params, self.whole, self.pass_on("whole", self.whole), callback=True)
        garbage = self.value("(i32.and (local.get 0) (i32.const 65528))", "(i32.sub (local.get 0) (i32.const 4))")
        self.functions.append(Function("garbage", [("at", "u32")], self.whole, f"(param i32) (result {self.gives(self.whole)}) {garbage}"))

    def hosts(self) -> None:
        """Functions that ask the host."""
        regs = self.abi.registers(self.whole)
        size, align = self.abi.layout(self.whole)
        takes = in_registers(regs)
        room = f"(local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size})))"
        for name, host, is_async in (("asked", "host", False), ("waited", "late-host", True)):
            self.world.append(f'(import "{host}" (func ${host}{" async" if is_async else ""} {self.signature(self.params, self.whole)}))')
            given = takes if len(regs) == 1 else [*takes, "i32"]
            core = f"(func ${host} (param {' '.join(given)}){f' (result {regs[0]})' if len(regs) == 1 else ''})"
            self.imports.append((host, core, f"(canon lower (func ${host}) {OPTIONS})"))
            arguments = " ".join(f"(local.get {n})" for n in range(len(takes)))
            if len(regs) == 1:
                asked, after = f"(call ${host} {arguments})", ""
            else:
                asked, after = "(local.get $at)", f"{room} (call ${host} {arguments} (local.get $at))"
            if not is_async:
                self.function(name, self.params, self.whole, f"(local $at i32) {after} {asked}")
                continue
            first = len(takes) + 1
            slots = [(first + n, wide) for n, wide in enumerate(regs)]
            if len(regs) > REGISTERS:
                locals_, given_on, loads = "", "(local.get $at)", ""
            elif len(regs) == 1:
                locals_, given_on, loads = "", asked, ""
            else:
                locals_ = f"(local {' '.join(regs)})"
                given_on = " ".join(f"(local.get {n})" for n, _ in slots)
                loads = " ".join(self.abi.load(self.whole, slots, "(local.get $at)"))
            body = f"(local $at i32) {locals_} {after} {loads} (call ${self.returning('whole', self.whole)} {given_on}) (i32.const 0)"
            self.function(name, self.params, self.whole, body, callback=True)

    def things(self, beside: Any) -> None:
        """A resource, whose objects have a number; its functions take data beside."""
        thing, own, borrow = "thing", ("own",), ("borrow",)
        self.imports.append(("new", "(func $new (param i32) (result i32))", "(canon resource.new $thing)"))
        self.imports.append(("drop", "(func $drop (param i32))", "(canon resource.drop $thing)"))
        self.imports.append(("rep", "(func $rep (param i32) (result i32))", "(canon resource.rep $thing)"))
        self.beside = beside
        data, whole = ("v", beside), ("v", self.whole)
        made = "(global.set $alive (i32.add (global.get $alive) (i32.const 1)))"
        first = self.parameter([("id", "u32"), data], 0)
        self.function(f"[constructor]{thing}", [("id", "u32"), data], own, f"{made} (call $new {first})")
        self.function(f"[method]{thing}.id", [("self", borrow)], "u32", "(local.get 0)")
        both = [("self", borrow), whole]
        self.function(f"[method]{thing}.echo", both, self.whole, self.give(both, 1))
        self.function(f"[method]{thing}.later", [("self", borrow), ("v", "u32")], "u32",
                      f"(call ${self.returning('number', 'u32')} (i32.add (local.get 0) (local.get 1))) (i32.const 0)", callback=True)  # fmt: skip
        self.function(f"[method]{thing}.fail", [("self", borrow)], None, "unreachable")
        three = [("a", borrow), ("b", borrow), data]
        self.function(f"[static]{thing}.sum", three, "u32", f"(i32.add {self.parameter(three, 0)} {self.parameter(three, 1)})")
        self.function("finish", [("of", own)], "u32", "(local $id i32) (local.set $id (call $rep (local.get 0))) (call $drop (local.get 0)) (local.get $id)")
        self.function("alive", [], "u32", "(global.get $alive)")

    def flows(self, elements: list[str]) -> None:
        """Functions that read a stream or a future and write what they read into another."""
        for element in elements:
            size, align = self.abi.layout(element)
            for kind, body in (("stream", PUMP), ("future", CARRY)):
                of = (kind, element)
                if element not in ELEMENTS[kind]:
                    continue
                name = f"{kind}-{element}"
                for what, core, options in (
                    ("new", "(result i64)", ""),
                    ("read", f"(param i32 i32{' i32' if kind == 'stream' else ''}) (result i32)", OPTIONS),
                    ("write", f"(param i32 i32{' i32' if kind == 'stream' else ''}) (result i32)", OPTIONS),
                    ("drop-readable", "(param i32)", ""),
                    ("drop-writable", "(param i32)", ""),
                ):
                    self.imports.append((f"{name}-{what}", f"(func ${name}-{what} {core})", f"(canon {kind}.{what} ${name} {options})"))
                code = body.format(name=name, returning=self.returning(name, of), size=PIECE * size, width=size, align=align, piece=PIECE)
                self.function(f"pump-{name}", [("v", of)], of, code, callback=True)

    def text(self, interface: bool) -> str:
        """The component: its functions are its own, or those of an interface."""
        types, lines = self.types, [MEMORY.format(data="".join(f"\\{byte:02x}" for byte in self.data)), self.types.prelude()]
        if types.resources:
            lines.append('(type $thing (resource (rep i32) (dtor (core func $memory "dropped"))))')
        for at, one in enumerate(types.named):
            if interface:
                lines.append(f"(type $named-{at} {types.definition(one)})")
            else:
                lines.append(f'(type $def-{at} {types.definition(one)}) (import "{one.name}" (type $named-{at} (eq $def-{at})))')
        lines += self.world
        for at, (_, _, making) in enumerate(self.imports):
            lines.append(f"(core func $imported-{at} {making})")
        imports = "".join(f'(import "" "{name}" {core})\n' for name, core, _ in self.imports)
        functions = "".join(f'(func (export "{of.name}") {of.core})\n' for of in self.functions)
        lines.append(f"""(core module $code
            (import "" "memory" (memory 64))
            (import "" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
            (import "" "alive" (global $alive (mut i32)))
            {imports}
            (func (export "callback") (param i32 i32 i32) (result i32) unreachable)
            {functions})""")
        given = "".join(f'(export "{name}" (func $imported-{at}))' for at, (name, _, _) in enumerate(self.imports))
        lines.append(f"""(core instance $code (instantiate $code (with "" (instance (export "memory" (memory $m))
            (export "realloc" (func $realloc)) (export "alive" (global $memory "alive")) {given}))))""")
        lines.append('(alias core export $code "callback" (core func $callback))')
        for at, of in enumerate(self.functions):
            options = f"async (callback $callback) {OPTIONS}" if of.callback else OPTIONS
            lifted = f'(canon lift (core func $code "{of.name}") {options})'
            lines.append(f"(func $lifted-{at} {self.function_type(of)} {lifted})")
            if not interface:
                lines.append(f'(export "{of.name}" (func $lifted-{at}))')
        if interface:
            lines.append(self.shim())
        return "(component\n" + "\n".join(lines) + "\n)"

    def shim(self) -> str:
        """An interface's types have names of its own: what toolchains do."""
        types, inner, given = self.types, [self.types.prelude()], []
        if types.resources:
            inner.append('(import "import-thing" (type $thing (sub resource)))')
            given.append('(with "import-thing" (type $thing))')
        for at, one in enumerate(types.named):
            inner.append(f'(type $def-{at} {types.definition(one)}) (import "import-{one.name}" (type $named-{at} (eq $def-{at})))')
            given.append(f'(with "import-{one.name}" (type $named-{at}))')
        for at, of in enumerate(self.functions):
            inner.append(f'(import "import-f{at}" (func $f{at} {self.function_type(of)}))')
            given.append(f'(with "import-f{at}" (func $lifted-{at}))')
        if types.resources:
            inner.append('(export $thing-x "thing" (type $thing))')
        for at, one in enumerate(types.named):
            inner.append(f'(type $def-{at}-x {types.definition(one, "-x")}) (export $named-{at}-x "{one.name}" (type $def-{at}-x))')
        for at, of in enumerate(self.functions):
            inner.append(f'(export "{of.name}" (func $f{at}) (func {self.function_type(of, "-x")}))')
        return f"""(component $shim {" ".join(inner)})
            (instance $api (instantiate $shim {" ".join(given)}))
            (export "holm:fuzz/api@1.0.0" (instance $api))"""

    def function(self, name: str, params: list[tuple[str, Any]], result: Any, body: str, *, is_async: bool = False, callback: bool = False) -> None:
        """One more; the body is core code."""
        regs = in_registers([register for _, of in params for register in self.abi.registers(of)])
        takes = f"(param {' '.join(regs)})" if regs else ""
        gives = "i32" if callback else "" if result is None else self.gives(result)
        core = f"{takes} {f'(result {gives})' if gives else ''} {body}"
        self.functions.append(Function(name, params, result, core, is_async or callback, callback))

    def function_type(self, of: Function, suffix: str = "") -> str:
        """Its type in text."""
        return f"{'async ' if of.is_async else ''}{self.signature(of.params, of.result, suffix)}"

    def signature(self, params: list[tuple[str, Any]], result: Any, suffix: str = "") -> str:
        """Parameters and result in text."""
        text = " ".join(f'(param "{name}" {self.types.text(of, suffix)})' for name, of in params)
        return text if result is None else f"{text} (result {self.types.text(result, suffix)})"

    def gives(self, result: Any) -> str:
        """What its core function gives."""
        regs = self.abi.registers(result)
        return regs[0] if len(regs) == 1 else "i32"

    def value(self, pointer: str, number: str) -> str:
        """A core result of the whole, from an address or from any number."""
        regs = self.abi.registers(self.whole)
        if len(regs) > 1:
            return pointer
        made = {"i32": "{}", "i64": "(i64.extend_i32_s {})", "f32": "(f32.reinterpret_i32 {})", "f64": "(f64.convert_i32_s {})"}
        return made[regs[0]].format(number)

    def give(self, params: list[tuple[str, Any]], first: int = 0) -> str:
        """Gives back the parameters from one on, which are the whole."""
        types = [of for _, of in params]
        regs = [self.abi.registers(of) for of in types]
        total = sum(map(len, regs))
        wide = self.abi.registers(self.whole)
        if total > REGISTERS:
            return f"(i32.add (local.get 0) (i32.const {self.abi.fields(types)[0][first]}))"
        start = sum(map(len, regs[:first]))
        if len(wide) == 1:
            return f"(local.get {start})"
        size, align = self.abi.layout(self.whole)
        code = " ".join(self.abi.store(self.whole, [(start + n, w) for n, w in enumerate(wide)], "(local.get $at)"))
        room = f"(call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size}))"
        return f"(local $at i32) (local.set $at {room}) {code} (local.get $at)"

    def parameter(self, params: list[tuple[str, Any]], which: int) -> str:
        """One parameter, which is a number of 32 bits."""
        types = [of for _, of in params]
        regs = [self.abi.registers(of) for of in types]
        if sum(map(len, regs)) > REGISTERS:
            return f"(i32.load offset={self.abi.fields(types)[0][which]} (local.get 0))"
        return f"(local.get {sum(map(len, regs[:which]))})"

    def pass_on(self, name: str, of: Any) -> str:
        """Returns its parameters as they came."""
        count = len(in_registers(self.abi.registers(of)))
        return f"(call ${self.returning(name, of)} {' '.join(f'(local.get {n})' for n in range(count))}) (i32.const 0)"

    def returning(self, name: str, of: Any) -> str:
        """The function that an async one gives its result by."""
        name = f"return-{name}"
        if all(known != name for known, _, _ in self.imports):
            core = f"(func ${name} (param {' '.join(in_registers(self.abi.registers(of)))}))"
            options = "(memory $m) string-encoding=utf8"
            self.imports.append((name, core, f"(canon task.return (result {self.types.text(of)}) {options})"))
        return name


def in_registers(regs: list[str]) -> list[str]:
    """What is passed for some registers: themselves, or the address of what they would hold."""
    return regs if len(regs) <= REGISTERS else ["i32"]


OPTIONS = "(memory $m) (realloc $realloc) string-encoding=utf8"

#: Gives a new stream and then copies into it what it reads.
PUMP = """(local $pair i64) (local $out i32) (local $got i32) (local $sent i32) (local $at i32) (local $left i32)
  (local.set $pair (call ${name}-new))
  (local.set $out (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
  (call ${returning} (i32.wrap_i64 (local.get $pair)))
  (block $end (loop $more
    (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size})))
    (local.set $got (call ${name}-read (local.get 0) (local.get $at) (i32.const {piece})))
    (local.set $left (i32.shr_u (local.get $got) (i32.const 4)))
    (block $written (loop $rest
      (br_if $written (i32.eqz (local.get $left)))
      (local.set $sent (call ${name}-write (local.get $out) (local.get $at) (local.get $left)))
      (br_if $end (i32.and (local.get $sent) (i32.const 15)))
      (local.set $sent (i32.shr_u (local.get $sent) (i32.const 4)))
      (local.set $left (i32.sub (local.get $left) (local.get $sent)))
      (local.set $at (i32.add (local.get $at) (i32.mul (local.get $sent) (i32.const {width}))))
      (br $rest)))
    (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15))))))
  (call ${name}-drop-readable (local.get 0))
  (call ${name}-drop-writable (local.get $out))
  (i32.const 0)"""

#: The same for a future, which brings one value.
CARRY = """(local $pair i64) (local $out i32) (local $at i32)
  (local.set $pair (call ${name}-new))
  (local.set $out (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
  (call ${returning} (i32.wrap_i64 (local.get $pair)))
  (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size})))
  (if (call ${name}-read (local.get 0) (local.get $at)) (then unreachable))
  (drop (call ${name}-write (local.get $out) (local.get $at)))
  (call ${name}-drop-readable (local.get 0))
  (call ${name}-drop-writable (local.get $out))
  (i32.const 0)"""
