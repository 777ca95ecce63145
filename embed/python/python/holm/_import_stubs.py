"""Stubs for what a component imports: protocols that mypy holds against whatever provides it."""

from __future__ import annotations

from collections.abc import Iterator

from . import _names, _stubs
from ._world import Function, World

_ABOUT = '''"""What the component imports, for type checkers alone: there is no such module when a program runs.

Whatever provides an interface fits its protocol, a class that provides a resource the one for that.
"""
'''


class _Words(_stubs.Words):
    def __init__(self, world: World, attributes: dict[str, str], names: dict[str, str]) -> None:
        # In a file of their own, beside those of the exported interfaces.
        super().__init__(world, attributes, here="")
        self.names = names
        self.shadowed = {_names.member(of.name) for of in world.imports}

    def imported(self, at: int, taken: bool) -> str:
        # What comes out of the component was made by the class that provides it, whatever that is.
        return self.resource(at) if taken else "_Any"

    def resource(self, at: int) -> str:
        """The protocol of a resource's objects."""
        of = self.world.types[at]
        return self.names[of.interface or ""] + _names.pascal(of.name)


def module(world: World, attributes: dict[str, str]) -> str | None:
    """The stub; none where the component imports no interface that may be provided."""
    imported = [at for at, _ in enumerate(world.types) if world.is_imported(at)]
    interfaces = [of.interface for of in world.imports if of.interface]
    interfaces += [world.types[at].interface or "" for at in imported]
    if not interfaces:
        return None
    names = {name: _names.pascal(short) for name, short in _names.interfaces(interfaces).items()}
    words = _Words(world, attributes, names)
    body: list[str] = []
    for interface, name in names.items():
        resources = [at for at in imported if world.types[at].interface == interface]
        functions = [of for of in world.imports if of.interface == interface]
        for at in resources:
            body += _resource(words, at, [of for of in functions if of.resource == at and of.kind != "free"])
        body += ["", f"class {name}(_Protocol):", f'    """Provides `{interface}`."""']
        for at in resources:
            body += ["    @property", f"    def {_names.pascal(world.types[at].name)}(self) -> {words.resource(at)}Class: ..."]
        for of in functions:
            if of.kind == "free":
                body += _function(words, of, _names.snake(of.name))
    return "\n".join([_ABOUT, _stubs.HEAD.rstrip(), *words.imports(), *body, ""])


def _resource(words: _Words, at: int, functions: list[Function]) -> Iterator[str]:
    of, name = words.world.types[at], words.resource(at)
    yield from ["", f"class {name}(_Protocol):"]
    yield from _stubs.doc(of.docs) or [f'    """An object that is a `{of.name}`."""']
    for function in functions:
        if function.kind == "method":
            yield from _function(words, function, _names.member(function.name))
    yield from ["", f"class {name}Class(_Protocol):", f'    """The class of what is a `{of.name}`."""']
    for function in functions:
        if function.kind == "constructor":
            yield from _function(words, function, "__call__")
        elif function.kind == "static":
            yield from _function(words, function, _names.member(function.name))


def _function(words: _Words, of: Function, name: str) -> Iterator[str]:
    params = of.params[1:] if of.kind == "method" else of.params
    taken = [f"{_names.snake(param)}: {words.given(type)}" for param, type in params]
    result = of.result[1] if isinstance(of.result, tuple) and of.result[0] == "result" else of.result
    gives = "None" if result is None else words.taken(result)
    if of.kind != "constructor":
        gives = f"{gives} | _Awaitable[{gives}]"
    head = f"    def {name}({', '.join(['self', *taken, '/'] if taken else ['self'])}) -> {gives}:"
    docs = _stubs.doc(of.docs)
    if not docs:
        yield f"{head} ..."
        return
    yield head
    yield from (f"    {line}" for line in docs)
    yield "        ..."
