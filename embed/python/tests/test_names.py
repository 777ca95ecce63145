"""Names of WIT that Python, the stubs or a component's module have for something else."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import holm
import pytest
from conftest import mypy, wrong_lines
from holm.__main__ import main

#: Types of an interface, by the words that stubs need themselves.
TYPES = {
    "buffer": '(record (field "any" u8) (field "int" u32))',
    "holm": '(record (field "str" string) (field "holm" $buffer))',
    "any": '(variant (case "any" $buffer) (case "buffer" $buffer) (case "none"))',
    "mapping": '(enum "iterable" "enum")',
    "dataclass": '(flags "any" "enum")',
    "protocol": '(record (field "list" (list u32)) (field "dict" (option $any)))',
}
#: What its functions take and give a list of.
LISTS = {"list": "$buffer", "enum": "$mapping", "str": "$holm", "int": "u32", "bytes": "$dataclass", "builtins": "$any", "instance": "bool", "close": "$protocol"}


def defined(prefix: str, made: str, types: dict[str, str]) -> str:
    """Types in a row, each made known by `made`."""
    named = ((of, text.replace("$", f"${prefix}")) for of, text in types.items())
    return "\n".join(f"(type $d-{prefix}{of} {text}) {made.format(of=of, name=prefix + of, type=f'$d-{prefix}{of}')}" for of, text in named)


def echo(of: str, prefix: str) -> str:
    """The type of a function that gives back a list."""
    of = of.replace("$", f"${prefix}")
    return f'(param "v" (list {of})) (result (list {of}))'


def interface(name: str) -> str:
    """An interface with all of the types and functions."""
    lifted = "".join(f'(func $f-{f} {echo(of, "o-")} (canon lift (core func $echo) (memory $memory) (realloc $realloc)))\n' for f, of in LISTS.items())
    taken = "".join(f'(import "f-{f}" (func $f-{f} {echo(of, "i-")}))\n' for f, of in LISTS.items())
    given = "".join(f'(export "{f}" (func $f-{f}) (func {echo(of, "x-")}))\n' for f, of in LISTS.items())
    types = " ".join(f'(with "i-{of}" (type $o-{of}))' for of in TYPES)
    functions = " ".join(f'(with "f-{f}" (func $f-{f}))' for f in LISTS)
    return f"""
  {re.sub(r"d-o-", "o-", defined("o-", "", TYPES))}
  {lifted}
  (component $shim
    {defined("i-", '(import "i-{of}" (type ${name} (eq {type})))', TYPES)}
    {taken}
    {defined("x-", '(export ${name} "{of}" (type {type}))', TYPES)}
    {given})
  (instance $odd (instantiate $shim {types} {functions}))
  (export "{name}" (instance $odd))"""


#: Interfaces of names that Python has, one that uses what another has, and the component's own functions.
COMPONENT = f"""(component
  (import "holm:odd/types" (instance $types
    (type $b (record (field "int" u32))) (export "any" (type (eq $b)))))
  (alias export $types "any" (type $any))
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "same") (param i32) (result i32) (local.get 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (alias core export $i "echo" (core func $echo))
  (alias core export $i "same" (core func $same))
  {interface("holm:odd/enum")}

  (type $sequence (resource (rep i32)))
  (core func $new (canon resource.new $sequence))
  (func $make (param "of" u32) (result (own $sequence)) (canon lift (core func $new)))
  (func $closed (param "self" (borrow $sequence)) (result u32) (canon lift (core func $same)))
  (func $uses (param "v" $any) (result $any) (canon lift (core func $same)))
  (component $shim-2
    (import "i-sequence" (type $i (sub resource)))
    (type $b (record (field "int" u32))) (import "i-any" (type $any (eq $b)))
    (import "f-make" (func $make (param "of" u32) (result (own $i))))
    (import "f-closed" (func $closed (param "self" (borrow $i)) (result u32)))
    (import "f-uses" (func $uses (param "v" $any) (result $any)))
    (export $x "sequence" (type $i))
    (export "[constructor]sequence" (func $make) (func (param "of" u32) (result (own $x))))
    (export "[method]sequence.closed" (func $closed) (func (param "self" (borrow $x)) (result u32)))
    (export "[method]sequence.close" (func $closed) (func (param "self" (borrow $x)) (result u32)))
    (export "enum" (func $uses)))
  (instance $second (instantiate $shim-2 (with "i-sequence" (type $sequence)) (with "i-any" (type $any))
    (with "f-make" (func $make)) (with "f-closed" (func $closed)) (with "f-uses" (func $uses))))
  (export "holm:odd/holm" (instance $second))

  (func $seven (param "v" u32) (result u32) (canon lift (core func $same)))
  (instance $third (export "instance" (func $seven)))
  (export "holm:odd/int" (instance $third))
  (export "instance" (func $seven))
  (export "close" (func $seven))
  (func (export "list") {echo("u32", "")} (canon lift (core func $echo) (memory $memory) (realloc $realloc)))
)"""

USE = """
import holm
import odd
from odd import enum, holm as second

it = enum.Buffer(any=1, int=2)
lists: list[enum.Buffer] = enum.list([it])
words: list[enum.Mapping] = enum.enum([enum.Mapping.ITERABLE])
flags: list[enum.Dataclass] = enum.bytes([enum.Dataclass.ANY | enum.Dataclass.ENUM])
texts: str = enum.str([enum.Holm("text", it)])[0].str
numbers: holm.Array[int] = enum.int([1, 2])
records = enum.close([enum.Protocol([1], enum.Any.Any(it)), enum.Protocol([], None)])
truths: list[bool] = enum.instance([True])


def name(any: enum.Any) -> str:
    match any:
        case enum.Any.Any(value):
            return f"any {value.int}"
        case enum.Any.Buffer(value):
            return f"buffer {value.any}"
    return "none"


names = [name(any) for any in enum.builtins([enum.Any.Any(it), enum.Any.Buffer(it), enum.Any.None_()])]
seen: odd.Any = second.enum(odd.Any(5))
with second.Sequence(7) as sequence:
    state: tuple[int, int, bool] = (sequence.close_(), sequence.closed_(), sequence.closed)
sums: int = odd.instance_(1) + odd.close_(2) + odd.int.instance(3)
more: holm.Array[int] = odd.list([1])
with odd.instance() as one:
    same = one.instance_(1), one.close_(2), one.enum.int([3])
"""

WRONG = {
    "enum.list([1])": "incompatible type",
    "enum.int(['text'])": "incompatible type",
    "x: str = enum.int([1])": "Incompatible types in assignment",
    "second.enum(enum.Any.None_())": "incompatible type",
    "odd.instance(1)": "Too many arguments",
    "enum.builtins([it])": "incompatible type",
    "one.close(2)": "Too many arguments",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd.wat").write_text(COMPONENT)
    assert main(["stubs", str(folder / "odd.wat")]) == 0
    return folder


def test_mypy_accepts_them(folder: Path) -> None:
    code, said = mypy(folder, USE, "odd")
    assert code == 0, said


def test_mypy_finds_what_is_wrong(folder: Path) -> None:
    errors = wrong_lines(folder, USE, list(WRONG))
    for line, words in WRONG.items():
        assert words in errors[line], (line, errors[line])


def test_they_are_what_the_stubs_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd: Any = holm.load(folder / "odd.wat")
    monkeypatch.setitem(sys.modules, "odd", odd)
    found: dict[str, Any] = {}
    exec(USE, found)
    it = odd.enum.Buffer(1, 2)
    assert found["lists"] == [it] and found["words"] == [odd.enum.Mapping.ITERABLE] and found["texts"] == "text"
    assert found["names"] == ["any 2", "buffer 1", "none"]
    assert found["records"] == [odd.enum.Protocol([1], odd.enum.Any.Any(it)), odd.enum.Protocol([], None)]
    assert (found["sums"], found["state"], found["same"]) == (6, (7, 7, False), (1, 2, [3]))
    # They have not taken the place of Python's own.
    assert found["sequence"].closed and isinstance(odd.instance(), holm.Instance)
    one = odd.instance()
    one.close()
    with pytest.raises(holm.Closed):
        one.close_(1)
