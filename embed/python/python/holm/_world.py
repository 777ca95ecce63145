"""What a component takes and gives, as the native part tells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import _names

#: A WIT type: its name if it is a plain one, else a tuple that begins with what it is:
#: ``("list", T)``, ``("type", 3)``. Numbers are positions in :attr:`World.types`.
Type = Any


@dataclass(frozen=True)
class Part:
    """A field, a case, or a flag."""

    name: str
    type: Type | None
    docs: str | None


@dataclass(frozen=True)
class Named:
    """A type with a name."""

    #: ``record``, ``variant``, ``enum``, ``flags`` or ``resource``.
    kind: str
    #: The interface that it is from; ``None`` where it is the world's own.
    interface: str | None
    name: str
    docs: str | None
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Function:
    """A function that a component exports or imports."""

    position: int
    interface: str | None
    #: As the component has it: ``[method]cart.add``.
    function: str
    #: ``free``, ``constructor``, ``method`` or ``static``.
    kind: str
    #: The resource that it belongs to.
    resource: int | None
    #: ``add`` of ``[method]cart.add``.
    name: str
    params: tuple[tuple[str, Type], ...]
    result: Type | None
    is_async: bool
    docs: str | None
    #: Why Python cannot call it.
    refused: str | None
    #: As in WIT.
    text: str

    @property
    def full_name(self) -> str:
        """What tells it from all others of its component: ``holm:greet/api@0.1.0.greet``."""
        return f"{self.interface}.{self.name}" if self.interface else self.name

    @property
    def attribute(self) -> str:
        """Its name in Python, within its class, its interface or the component."""
        if self.kind != "free":
            return _names.member(self.name)
        return _names.snake(self.name) if self.interface else _names.top(self.name)


@dataclass(frozen=True)
class World:
    """All of it."""

    docs: str | None
    interfaces: tuple[tuple[str, str | None], ...]
    types: tuple[Named, ...]
    exports: tuple[Function, ...]
    imports: tuple[Function, ...]

    @staticmethod
    def of(told: dict[str, Any]) -> World:
        """From what the native part tells."""

        def named(of: dict[str, Any]) -> Named:
            return Named(**{**of, "parts": tuple(Part(*part) for part in of["parts"])})

        return World(
            docs=told["docs"],
            interfaces=tuple(told["interfaces"]),
            types=tuple(named(of) for of in told["types"]),
            exports=tuple(Function(**of) for of in told["exports"]),
            imports=tuple(Function(**of) for of in told["imports"]),
        )

    def not_callable(self) -> dict[str, str]:
        """The functions that Python cannot call, each with the reason."""
        return {of.full_name: of.refused for of in self.exports if of.refused is not None}

    def top(self) -> list[str]:
        """The attributes of the component itself that are functions."""
        return [of.attribute for of in self.exports if of.interface is None and of.kind == "free"]

    def is_imported(self, at: int) -> bool:
        """Whether a type is a resource that the component imports by an interface that is not WASI's.
        One of an interface that it exports too is two resources.
        """
        of = self.types[at]
        if of.kind != "resource" or of.interface is None or of.interface.startswith("wasi:"):
            return False
        return not self.is_exported(of.interface) or any(f.interface == of.interface for f in self.imports)

    def is_exported(self, interface: str | None) -> bool:
        """Whether the component exports an interface."""
        return any(name == interface for name, _ in self.interfaces)

    def reachable(self, functions: tuple[Function, ...]) -> set[int]:
        """The types that some functions take and give, and what those are made of."""
        found: set[int] = set()
        waiting: list[Type] = []
        for function in functions:
            waiting += [type for _, type in function.params]
            waiting.append(function.result)
            if function.resource is not None:
                found.add(function.resource)
        while waiting:
            for at in _named(waiting.pop()):
                if at not in found:
                    found.add(at)
                    waiting += [part.type for part in self.types[at].parts]
        return found

    def flows(self, type: Type | None) -> bool:
        """Whether a stream or a future is in it."""
        if not isinstance(type, tuple):
            return False
        if type[0] in ("stream", "future"):
            return True
        if any(self.flows(part.type) for at in _named(type) for part in self.types[at].parts):
            return True
        inner = type[1] if type[0] == "tuple" else type[1:]
        return any(self.flows(item) for item in inner)


def _named(type: Type | None) -> Iterator[int]:
    if not isinstance(type, tuple):
        return
    if type[0] in ("type", "own", "borrow"):
        yield type[1]
    elif type[0] == "tuple":
        for item in type[1]:
            yield from _named(item)
    else:
        for item in type[1:]:
            yield from _named(item)
