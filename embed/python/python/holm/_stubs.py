"""Stubs (``.pyi``) for a component, so that editors and mypy know what it has."""

from __future__ import annotations

from . import _classes, _names
from ._world import Function, Named, Type, World

_PLAIN = {
    "bool": "bool",
    "char": "str",
    "string": "str",
    "f32": "float",
    "f64": "float",
    **{f"{sign}{bits}": "int" for sign in "su" for bits in (8, 16, 32, 64)},
}


class Words:
    """Types in Python's words. `here` is the interface whose module the words stand in; `prefix` is what a file of
    stubs has before what it imports, so that nothing of the component has the same name.
    """

    def __init__(self, world: World, attributes: dict[str, str] | None = None, here: str | None = None, prefix: str = "_") -> None:
        self.world = world
        self.attributes = attributes or {}
        self.here = here
        self.prefix = prefix
        #: Python's own words that mean something else where these stand.
        self.shadowed: set[str] = set()
        #: Interfaces whose modules the words name.
        self.named: set[str] = set()
        #: Classes of the component itself that the words name.
        self.of_root: set[str] = set()

    def taken(self, type: Type) -> str:
        """What a function takes for a type."""
        return self.of(type, True)

    def returned(self, type: Type | None) -> str:
        """What a function gives: the error case of a result is an exception."""
        if isinstance(type, tuple) and type[0] == "result":
            return self.given(type[1])
        return self.given(type)

    def given(self, type: Type | None) -> str:
        """What stands for a type in what a function gives."""
        return "None" if type is None else self.of(type, False)

    def of(self, type: Type, taken: bool) -> str:
        """What stands for a type; of what is taken more is allowed than is ever given."""
        own, holm = self.prefix, f"{self.prefix}holm"
        if isinstance(type, str):
            return self.own(_PLAIN[type]) if type in _PLAIN else f"{own}Any"
        kind = type[0]
        if kind in ("list", "fixed"):
            return self._list(type[1], taken)
        if kind == "map":
            word = f"{own}Mapping" if taken else self.own("dict")
            return f"{word}[{self.of(type[1], taken)}, {self.of(type[2], taken)}]"
        if kind == "tuple":
            return f"{self.own('tuple')}[{', '.join(self.of(item, taken) for item in type[1]) or '()'}]"
        if kind == "option":
            inner = self.of(type[1], taken)
            nested = isinstance(type[1], tuple) and type[1][0] == "option"
            return f"{holm}.Some[{inner}] | None" if nested else f"{inner} | None"
        if kind == "result":
            ok, err = (("None" if part is None else self.of(part, taken)) for part in type[1:])
            return f"{holm}.Ok[{ok}] | {holm}.Err[{err}]"
        if kind == "stream":
            return self._stream(type[1], taken)
        if kind == "future":
            inner = "None" if type[1] is None else self.of(type[1], taken)
            return f"{inner} | {own}Awaitable[{inner}]" if taken else f"{holm}.Future[{inner}]"
        if kind in ("own", "borrow") and self.world.is_imported(type[1]):
            return self.imported(type[1], taken)
        return self.name(type[1])

    def imported(self, at: int, taken: bool) -> str:
        """What stands for a resource that the component imports: whoever provides it has its class."""
        return self.name(at) if self.world.is_exported(self.world.types[at].interface) else f"{self.prefix}Any"

    def own(self, word: str) -> str:
        """A word of Python's own, said so that nothing here is mistaken for it."""
        return f"{self.prefix}builtins.{word}" if word in self.shadowed else word

    def name(self, at: int) -> str:
        """The class of a type with a name."""
        of = self.world.types[at]
        name = _names.pascal(of.name)
        place = self.attributes.get(of.interface or "")
        if place is None:
            # The world's own, or of an interface that is only imported.
            if self.here is None:
                return name
            self.of_root.add(name)
            return f"{name}_"
        if of.interface == self.here:
            return name
        self.named.add(of.interface or "")
        return f"{place}_.{name}"

    def imports(self) -> list[str]:
        """The lines that a file with these words begins with: no other name of Python's ends like theirs."""
        names = sorted(self.attributes[name] for name in self.named) + sorted(self.of_root)
        return [f"from . import {name} as {name}_" for name in names]

    def _list(self, item: Type, taken: bool) -> str:
        own = self.prefix
        if item == "u8":
            return f"{own}Buffer | {own}Sequence[{self.own('int')}]" if taken else self.own("bytes")
        if item in _PLAIN and _PLAIN[item] in ("int", "float"):
            number = self.own(_PLAIN[item])
            return f"{own}Buffer | {own}Sequence[{number}]" if taken else f"{own}holm.Array[{number}]"
        return f"{f'{own}Sequence' if taken else self.own('list')}[{self.of(item, taken)}]"

    def _stream(self, item: Type | None, taken: bool) -> str:
        own = self.prefix
        inner = "None" if item is None else self.of(item, taken)
        if not taken:
            return f"{own}holm.Stream[{inner}]"
        if item in _PLAIN and _PLAIN[item] in ("int", "float"):
            return f"{own}Buffer | {own}Iterable[{inner}] | {own}AsyncIterable[{inner} | {own}Sequence[{inner}] | {own}Buffer]"
        return f"{own}Iterable[{inner}] | {own}AsyncIterable[{inner}]"


HEAD = """\
from __future__ import annotations

import builtins as _builtins
import enum as _enum
from collections.abc import AsyncIterable as _AsyncIterable
from collections.abc import Awaitable as _Awaitable
from collections.abc import Iterable as _Iterable
from collections.abc import Mapping as _Mapping
from collections.abc import Sequence as _Sequence
from dataclasses import dataclass as _dataclass
from typing import Any as _Any
from typing import Protocol as _Protocol

from typing_extensions import Buffer as _Buffer

import holm as _holm
"""


def files(world: World) -> dict[str, str]:
    """The stubs of a component's module: ``__init__.pyi``, a file for each interface, and one for what
    it imports.
    """
    from . import _import_stubs

    attributes = _names.interfaces([name for name, _ in world.interfaces], world.top())
    texts = {"__init__.pyi": _module(world, None, attributes, world.docs)}
    for name, docs in world.interfaces:
        texts[f"{attributes[name]}.pyi"] = _module(world, name, attributes, docs)
    wanted = _import_stubs.module(world, attributes)
    if wanted is not None:
        texts["_imports.pyi"] = wanted
    return texts


def _module(world: World, here: str | None, attributes: dict[str, str], docs: str | None) -> str:
    words = Words(world, attributes, here)
    from_elsewhere = set(attributes)

    def belongs(interface: str | None) -> bool:
        return interface == here or (here is None and interface not in from_elsewhere)

    wanted = world.reachable(world.exports + world.imports)
    wanted -= {at for at in wanted if world.is_imported(at) and not world.is_exported(world.types[at].interface)}
    words.shadowed = {f.attribute for f in world.exports if belongs(f.interface)}
    if here is None:
        words.shadowed.update(attributes.values())
    for at, of in enumerate(world.types):
        if at in wanted and of.kind == "record" and belongs(of.interface):
            words.shadowed.update(_classes.field_names(of))
    body: list[str] = []
    for at, of in enumerate(world.types):
        if at in wanted and belongs(of.interface):
            body += ["", *_class(words, world, at, of)]
    for function in world.exports:
        if belongs(function.interface) and function.kind == "free" and function.refused is None:
            body += ["", *_function(words, function)]
    for function in world.exports:
        if belongs(function.interface) and function.refused is not None:
            text = _clean(f"{function.text}: cannot be called from Python: {function.refused}")
            body += ["", f"# {' '.join(text.split())}"]
    lines = [HEAD.rstrip()]
    if here is None:
        lines += [f"from . import {attribute} as {attribute}" for attribute in attributes.values()]
        body += ["", "def instance() -> _holm.Instance: ..."]
    lines += words.imports()
    head = [f'"""{_clean(docs)}"""', ""] if docs else []
    return "\n".join([*head, *lines, *body, ""])


def _class(words: Words, world: World, at: int, of: Named) -> list[str]:
    name = _names.pascal(of.name)
    lines: list[str] = []
    if of.kind == "record":
        lines = ["@_dataclass", f"class {name}:", *doc(of.docs)]
        for part, field in zip(of.parts, _classes.field_names(of)):
            lines += [f"    {field}: {words.of(part.type, True)}", *doc(part.docs)]
    elif of.kind == "variant":
        lines = [f"class {name}:", *doc(of.docs)]
        cases = _classes.case_names(of)
        # Within the class its name is that of a case.
        base = f"{name}__" if name in cases else name
        for part, case in zip(of.parts, cases):
            lines += ["    @_dataclass", f"    class {case}({base}):"]
            lines += [f"    {line}" for line in doc(part.docs)]
            lines.append("        ..." if part.type is None else f"        value: {words.of(part.type, True)}")
        if base != name:
            lines.append(f"{base} = {name}")
    elif of.kind in ("enum", "flags"):
        lines = [f"class {name}(_enum.{'Enum' if of.kind == 'enum' else 'Flag'}):", *doc(of.docs)]
        for bit, (part, case) in enumerate(zip(of.parts, _classes.case_names(of))):
            lines += [f"    {case} = {repr(part.name) if of.kind == 'enum' else 1 << bit}", *doc(part.docs)]
    else:
        lines = [f"class {name}(_holm.Resource):", *doc(of.docs)]
        members = [f for f in world.exports if f.resource == at and f.kind != "free" and f.refused is None]
        for function in members:
            lines += [f"    {line}" for line in _function(words, function)]
        if len(lines) == 1:
            lines.append("    ...")
    return lines


def _function(words: Words, of: Function) -> list[str]:
    from ._library import optional_from

    name = of.attribute
    optional = optional_from(of)
    parameters = []
    for at, (param, type) in enumerate(of.params):
        default = " = None" if at >= optional else ""
        parameters.append(f"{_names.snake(param)}: {words.taken(type)}{default}")
    before: list[str] = []
    result = words.returned(of.result)
    if of.kind == "constructor":
        name, result = "__init__", "None"
        parameters.insert(0, "self")
    elif of.kind == "method":
        parameters[0] = "self"
    elif of.kind == "static":
        before = ["@staticmethod"]
    start = "async def" if of.is_async else "def"
    head = f"{start} {name}({', '.join(parameters)}) -> {result}:"
    docs = doc(of.docs)
    return [*before, f"{head} ..."] if not docs else [*before, head, *docs, "    ..."]


def doc(docs: str | None) -> list[str]:
    """The lines of a docstring, within what they are of."""
    if not docs:
        return []
    lines = _clean(docs).split("\n")
    return [f'    """{lines[0]}', *(f"    {line}" if line else "" for line in lines[1:-1]), f'    {lines[-1]}"""'] if len(lines) > 1 else [f'    """{lines[0]}"""']


def _clean(docs: str) -> str:
    text = docs.replace("\\", "\\\\").replace('"""', "'''").strip()
    return text + " " if text.endswith('"') else text
