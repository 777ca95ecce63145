"""What Python provides of what components import."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeVar

from . import _aio, _names
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


def find(world: World, given: Mapping[str, Any]) -> dict[int, Callable[..., Any]]:
    """The functions that Python provides for a component, by their position among its imports."""
    found: dict[int, Callable[..., Any]] = {}
    missing: list[str] = []
    for of in world.imports:
        for mapping in (given, imports):
            key = _key(of, mapping)
            if key is None:
                continue
            function = mapping[key] if of.interface is None else _of(mapping[key], of.name)
            if function is None:
                missing.append(of.text)
            elif not callable(function):
                raise LoadError(f"what Python provides for `{key}` is no function: {function!r}")
            elif of.refused is not None or of.kind != "free":
                why = of.refused or "it belongs to a resource"
                raise LoadError(f"Python cannot provide `{of.text}` of {of.interface}: {why}")
            else:
                found[of.position] = _plain(function)
            break
    if missing:
        raise LoadError("Python provides an interface without all of its functions", help=tuple(f"missing: {text}" for text in missing))
    unused = [key for key in given if not any(_key(of, {key: None}) for of in world.imports)]
    if unused:
        wanted = sorted({of.interface or of.name for of in world.imports if not (of.interface or "").startswith("wasi:")})
        says = f"it imports: {', '.join(wanted)}" if wanted else "it imports nothing but WASI"
        raise LoadError(f"the component imports no `{unused[0]}`", help=(says,))
    return found


def _key(of: Function, mapping: Mapping[str, Any]) -> str | None:
    if of.interface is None:
        names = [of.name, _names.snake(of.name)]
    else:
        names = [of.interface, _names.without_version(of.interface)]
    return next((name for name in names if name in mapping), None)


def _of(provider: Any, name: str) -> Any:
    for way in (name, _names.snake(name)):
        if isinstance(provider, Mapping):
            if way in provider:
                return provider[way]
        elif hasattr(provider, way):
            return getattr(provider, way)
    return None


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return _aio.finish(function(*args))

    return call
