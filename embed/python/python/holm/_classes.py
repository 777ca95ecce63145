"""Python classes for the types of a component."""

from __future__ import annotations

import dataclasses
import enum
import weakref
from collections.abc import Callable
from typing import Any

from . import _names
from ._resource import Resource
from ._world import Named, World


class WitEnum(enum.Enum):
    """What all enums of components are."""

    @property
    def __wit__(self) -> str:
        return str(self.value)


def make(world: World, wanted: set[int], module: Callable[[str | None], str]) -> dict[int, Any]:
    """A class for each type. `module` names the module that an interface's types are in."""
    return {at: _MAKERS[of.kind](of, module(of.interface)) for at, of in enumerate(world.types) if at in wanted}


def binding(of: Named, cls: Any) -> tuple[Any, tuple[Any, ...]]:
    """What the native part needs of a class."""
    if of.kind == "record":
        return cls, tuple(field_names(of))
    if of.kind == "variant":
        return cls, tuple(getattr(cls, name) for name in case_names(of))
    if of.kind == "enum":
        return cls, tuple(cls)
    if of.kind == "resource":
        # Its methods hold what is made of this.
        return weakref.ref(cls), ()
    return cls, ()


def field_names(of: Named) -> list[str]:
    """The attributes of a record."""
    return [_names.snake(part.name) for part in of.parts]


def case_names(of: Named) -> list[str]:
    """The classes of a variant's cases, and the members of an enum or of flags."""
    if of.kind == "variant":
        return [_names.pascal(part.name) for part in of.parts]
    return [_names.upper(part.name) for part in of.parts]


def _record(of: Named, module: str) -> type:
    fields = [(name, Any) for name in field_names(of)]
    cls = dataclasses.make_dataclass(_names.pascal(of.name), fields, slots=True)
    return _described(cls, of.docs, module)


def _variant(of: Named, module: str) -> type:
    name = _names.pascal(of.name)
    base = type(name, (), {"__slots__": (), "__doc__": of.docs, "__module__": module})
    for part, case in zip(of.parts, case_names(of)):
        fields = [("value", Any)] if part.type is not None else []
        cls = dataclasses.make_dataclass(case, fields, bases=(base,), slots=True)
        cls.__wit__ = part.name  # type: ignore[attr-defined]
        _described(cls, part.docs, module)
        cls.__qualname__ = f"{name}.{case}"
        setattr(base, case, cls)
    return base


def _enum(of: Named, module: str) -> type:
    members = {case: part.name for part, case in zip(of.parts, case_names(of))}
    make: Any = WitEnum
    cls = make(_names.pascal(of.name), members, module=module)
    return _described(cls, of.docs, module)


def _flags(of: Named, module: str) -> type:
    members = {case: 1 << bit for bit, case in enumerate(case_names(of))}
    make: Any = enum.Flag
    cls = make(_names.pascal(of.name), members, module=module)
    return _described(cls, of.docs, module)


def _resource(of: Named, module: str) -> type:
    return type(_names.pascal(of.name), (Resource,), {"__slots__": (), "__doc__": of.docs, "__module__": module})


def _described(cls: Any, docs: str | None, module: str) -> type:
    cls.__module__ = module
    if docs is not None:
        cls.__doc__ = docs
    return cls  # type: ignore[no-any-return]


_MAKERS: dict[str, Callable[[Named, str], Any]] = {
    "record": _record,
    "variant": _variant,
    "enum": _enum,
    "flags": _flags,
    "resource": _resource,
}
