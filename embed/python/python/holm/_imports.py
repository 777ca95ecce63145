"""What Python provides of what components import."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from . import _names
from ._errors import LoadError
from ._world import Function, World

F = TypeVar("F", bound=Callable[..., Any])


class Imports(MutableMapping[str, Any]):
    """What every component that is loaded from now on may import, by interface.

    An interface is a mapping of functions, or any object that has them as attributes::

        holm.imports["example:host/log"] = {"write": print}

        @holm.imports("example:host/log")
        def write(line: str) -> None: ...
    """

    def __init__(self) -> None:
        self._all: dict[str, Any] = {}

    def __call__(self, interface: str | None = None, name: str | None = None) -> Callable[[F], F]:
        """A decorator: the function (or, of a class, all of its functions) belongs to the interface.
        Without an interface it is the component's own import.
        """

        def provide(function: F) -> F:
            if inspect.isclass(function):
                if interface is None:
                    raise TypeError("a class provides an interface: name it")
                self._all[interface] = function
                return function
            own = name or function.__name__
            if interface is None:
                self._all[own] = function
                return function
            functions = self._all.setdefault(interface, {})
            if not isinstance(functions, dict):
                raise TypeError(f"{interface} is provided by {functions!r}")
            functions[own] = function
            return function

        return provide

    def __getitem__(self, interface: str) -> Any:
        return self._all[interface]

    def __setitem__(self, interface: str, provider: Any) -> None:
        self._all[interface] = provider

    def __delitem__(self, interface: str) -> None:
        del self._all[interface]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"<holm.imports {list(self._all)!r}>"


#: What all components may import.
imports = Imports()


@dataclasses.dataclass
class Provided:
    """What Python provides for a component."""

    #: By the position among its imports: a callable, or the name of a method.
    functions: dict[int, Callable[..., Any] | str]
    #: The class of each resource, by its position among the types.
    resources: dict[int, type]


def find(world: World, given: Mapping[str, Any]) -> Provided:
    """What Python provides for a component."""
    sources = _Sources(world, given)
    found = Provided({}, {})
    for at, of in enumerate(world.types):
        provider = sources.of(of.interface) if world.is_imported(at) else None
        if provider is not None:
            cls = _of(provider, of.name, _names.pascal(of.name))
            if cls is None:
                sources.missing.append(f"resource {of.name}, a class `{_names.pascal(of.name)}`")
            elif not inspect.isclass(cls):
                raise LoadError(f"what Python provides for the resource `{of.name}` of {of.interface} is no class: {cls!r}")
            else:
                found.resources[at] = cls
    for function in world.imports:
        what = _function(sources, found, function)
        if what is None:
            continue
        if function.refused is not None:
            place = f" of {function.interface}" if function.interface else ""
            raise LoadError(f"Python cannot provide `{function.text}`{place}: {function.refused}")
        found.functions[function.position] = what
    if sources.missing:
        raise LoadError("Python provides an interface without all of it", help=tuple(f"missing: {text}" for text in sources.missing))
    sources.all_used()
    return found


def _function(sources: _Sources, found: Provided, of: Function) -> Callable[..., Any] | str | None:
    """What is called for one import: nothing where Python does not provide it."""
    provider = sources.of(of.interface, of.name)
    if provider is None:
        return None
    if of.interface is None:
        what, shown = provider, of.name
    elif of.kind == "free":
        what, shown = _of(provider, of.name, _names.snake(of.name)), of.interface
    else:
        # A resource without a class is missing as a whole.
        cls = found.resources.get(-1 if of.resource is None else of.resource)
        if cls is None or of.kind == "constructor":
            return cls
        name = _names.member(of.name)
        what, shown = getattr(cls, name, None), f"{cls.__qualname__}.{name}"
        if of.kind == "method" and callable(what):
            return name
    if what is None:
        sources.missing.append(of.text)
    elif not callable(what):
        raise LoadError(f"what Python provides for `{shown}` is no function: {what!r}")
    return what  # type: ignore[no-any-return]


class _Sources:
    """Who provides what: what was given with the component, then what all may import."""

    def __init__(self, world: World, given: Mapping[str, Any]) -> None:
        self.world = world
        self.given = given
        self.missing: list[str] = []

    def of(self, interface: str | None, name: str = "") -> Any:
        """The provider of an interface, or of a function of the component's own."""
        for mapping in (self.given, imports):
            key = _key(interface, name, mapping)
            if key is not None:
                return mapping[key]
        return None

    def all_used(self) -> None:
        """Whether the component imports all that was given with it."""
        wanted = {(of.interface, of.name) for of in self.world.imports}
        wanted |= {(of.interface, "") for at, of in enumerate(self.world.types) if self.world.is_imported(at)}
        unused = [key for key in self.given if not any(_key(*one, {key: None}) for one in wanted)]
        if not unused:
            return
        names = sorted({interface or name for interface, name in wanted if not (interface or "").startswith("wasi:")})
        says = f"it imports: {', '.join(names)}" if names else "it imports nothing but WASI"
        raise LoadError(f"the component imports no `{unused[0]}`", help=(says,))


def _key(interface: str | None, name: str, mapping: Mapping[str, Any]) -> str | None:
    if interface is None:
        names = [name, _names.snake(name)]
    else:
        names = [interface, _names.without_version(interface)]
    return next((name for name in names if name in mapping), None)


def _of(provider: Any, *names: str) -> Any:
    for way in names:
        if isinstance(provider, Mapping):
            if way in provider:
                return provider[way]
        elif hasattr(provider, way):
            return getattr(provider, way)
    return None
