"""A component as a module: its functions, interfaces and types as attributes."""

from __future__ import annotations

import functools
import inspect
import os
import types
import warnings
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _aio, _classes, _holm, _imports, _names
from ._errors import LoadError, NotCallable
from ._world import Function, World

if TYPE_CHECKING:
    from types import TracebackType

StrPath = str | os.PathLike[str]


class Interface(types.ModuleType):
    """An interface of a component: its functions and types as attributes."""

    #: Its name in WIT: ``holm:greet/api@0.1.0``.
    __wit__: str

    if TYPE_CHECKING:
        # What it has depends on the component: stubs tell.
        def __getattr__(self, name: str) -> Any: ...

    def __repr__(self) -> str:
        return f"<interface {self.__wit__!r} as {self.__name__}>"


class Library(types.ModuleType):
    """A component as a module. Each call takes an instance from a pool, so any number of threads
    may call at once; what a component keeps from one call to the next is for :meth:`instance`.
    """

    #: Functions that Python cannot call, by their names in WIT, each with the reason. They are
    #: there as attributes, and raise :class:`WrongType` when they are called.
    __not_callable__: Mapping[str, str]

    if TYPE_CHECKING:
        # What it has depends on the component: stubs tell.
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, name: str, path: Path, pool: _holm.Pool, world: World, provided: set[int]) -> None:
        super().__init__(name, world.docs)
        self.__file__ = str(path)
        self._pool = pool
        self._world = world
        self.__not_callable__ = types.MappingProxyType(world.not_callable())
        attributes = _names.interfaces(_exported(world), world.top())
        self._interfaces = attributes

        def module(interface: str | None) -> str:
            return f"{name}.{attributes[interface]}" if interface in attributes else name

        # Those that Python provides have classes already.
        wanted = world.reachable(world.exports + world.imports) - provided
        self._classes = _classes.make(world, wanted, module)
        self._kept = Kept(self._classes)

    def _fill(self) -> None:
        scope = _Scope(self, self._world, self._pool, self._kept)
        scope.fill(self._classes)

    def instance(self) -> Instance:
        """An instance of one's own: it keeps what the component remembers, and takes one call at a
        time. Close it, or use it in a ``with`` block.
        """
        return Instance(self)

    def __getitem__(self, interface: str) -> Interface:
        """An interface by its name in WIT, with or without the version."""
        return _item(self, self._interfaces, interface)

    def __repr__(self) -> str:
        return f"<component {self.__name__!r} from {self.__file__!r}>"


class Instance:
    """One instance of a component, with the same attributes as the :class:`Library`.

    Calls of several threads follow each other.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, library: Library) -> None:
        self.__name__ = library.__name__
        self._interfaces = library._interfaces
        self._native = library._pool.instance()
        classes = {}
        for at, cls in library._classes.items():
            if library._world.types[at].kind == "resource":
                # Made by this instance, and still of the library's class.
                cls = type(cls.__name__, (cls,), {"__slots__": (), "__module__": cls.__module__, "__doc__": cls.__doc__})
            classes[at] = cls
        scope = _Scope(self, library._world, self._native, library._kept)
        scope.fill(classes)

    def close(self) -> None:
        """Drops the instance and all that lives in it. Closing twice does nothing."""
        self._native.close()

    def __getitem__(self, interface: str) -> Interface:
        """An interface by its name in WIT, with or without the version."""
        return _item(self, self._interfaces, interface)

    def __enter__(self) -> Instance:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._native.close()

    def __repr__(self) -> str:
        return f"<instance of component {self.__name__!r}>"


class Kept:
    """What the native part holds weakly, because Python's collector does not see what it holds: a class leads to
    its methods and back, and a function that Python provides perhaps to the component. Each function of a
    component keeps this alive.
    """

    def __init__(self, classes: dict[int, Any]) -> None:
        self.classes = classes
        self.provided: list[Any] = []

    def provide(self, function: Callable[..., Any]) -> Any:
        """Keeps a function that Python provides; gives what stands for it."""
        try:
            weakref.ref(function)
        except TypeError:
            function = functools.partial(function)
        self.provided.append(function)
        return weakref.proxy(function)

    def refer(self, cls: type) -> weakref.ref[type]:
        """Keeps a class that Python provides; gives a reference to it."""
        self.provided.append(cls)
        return weakref.ref(cls)


class _Scope:
    """Puts functions and types where they belong: on the component, or on one of its interfaces."""

    def __init__(self, root: Library | Instance, world: World, calls: _holm.Pool | _holm.Instance, kept: Kept) -> None:
        self.root = root
        self.kept = kept
        self.world = world
        self.calls = calls
        self.interfaces: dict[str, Interface] = {}
        docs = dict(world.interfaces)
        for name, attribute in root._interfaces.items():
            interface = Interface(f"{root.__name__}.{attribute}", docs.get(name))
            interface.__wit__ = name
            self.interfaces[name] = interface
            setattr(root, attribute, interface)

    def fill(self, classes: dict[int, Any]) -> None:
        for at, cls in classes.items():
            place = self.place(self.world.types[at].interface)
            # Types of interfaces that are only imported stand where nothing else has their name.
            if not hasattr(place, cls.__name__):
                setattr(place, cls.__name__, cls)
            if self.world.types[at].kind == "resource":
                cls._kept = self.kept
        for of in self.world.exports:
            if of.resource is None or of.kind == "free":
                place = self.place(of.interface)
                setattr(place, of.attribute, self.function(of, place.__name__))
            else:
                self.member(of, classes[of.resource])

    def place(self, interface: str | None) -> Any:
        return self.interfaces.get(interface, self.root) if interface else self.root

    def member(self, of: Function, cls: Any) -> None:
        if of.kind == "constructor":
            make = self.function(of, cls.__qualname__)

            def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
                self._handle = make(*args, **kwargs)._handle

            __init__.__doc__ = of.docs
            cls.__init__ = __init__
            cls.__signature__ = signature(of, self.world)
            return
        function = self.function(of, cls.__qualname__)
        setattr(cls, of.attribute, staticmethod(function) if of.kind == "static" else function)

    def function(self, of: Function, owner: str) -> Any:
        name = of.attribute
        if of.refused is not None:
            return _refused(of, name)
        native = self.calls.function(of.position)
        native._kept = self.kept
        flows = self.world.flows(of.result)
        function: Any = native
        if of.is_async:
            function = _aio.awaited(native, flows)
        elif flows:
            native.__name__ = name
            function = _aio.opened(native)
        function.__name__ = name
        function.__qualname__ = name if of.kind == "free" else f"{owner}.{name}"
        function.__module__ = owner if of.kind == "free" else self.root.__name__
        function.__doc__ = of.docs or of.text
        function.__signature__ = signature(of, self.world)
        return function


def signature(of: Function, world: World) -> inspect.Signature:
    """What ``inspect.signature`` and ``help`` show."""
    from . import _stubs

    words = _stubs.Words(world, prefix="")
    optional = optional_from(of)
    parameters = []
    for at, (name, type) in enumerate(of.params):
        default = None if at >= optional else inspect.Parameter.empty
        parameter = inspect.Parameter(
            _names.snake(name), inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=words.taken(type)
        )
        parameters.append(parameter)
    return inspect.Signature(parameters, return_annotation=words.returned(of.result))


def optional_from(of: Function) -> int:
    """From this parameter on all are options, which may be left out."""
    at = len(of.params)
    while at > 0 and isinstance(of.params[at - 1][1], tuple) and of.params[at - 1][1][0] == "option":
        at -= 1
    return at


def _refused(of: Function, name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise _holm.refusal(f"`{of.text}` cannot be called from Python: {of.refused}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Cannot be called from Python: {of.refused}"
    return function


def _exported(world: World) -> list[str]:
    return [name for name, _ in world.interfaces]


def _item(of: Library | Instance, interfaces: Mapping[str, str], wanted: str) -> Interface:
    for name, attribute in interfaces.items():
        if wanted in (name, _names.without_version(name)):
            return getattr(of, attribute)  # type: ignore[no-any-return]
    raise KeyError(wanted)


def load(
    path: StrPath,
    *,
    component: str | None = None,
    grants: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    imports: Mapping[str, Any] | None = None,
    name: str | None = None,
    base: StrPath | None = None,
    state: StrPath | None = None,
    wit: StrPath | None = None,
    reuse: int | None = None,
    strict: bool = False,
) -> Library:
    """Loads a component as a module.

    :param path: the ``.wasm`` file. It is compiled once; the code is kept in the user's cache. Or an
        app: its folder, or its ``holm.toml``. Grants and limits are those of its manifest then, and
        other components that it is linked to run behind it, each under its own.
    :param component: which component of an app; need not be said where there is one alone.
    :param grants: what it may reach, as under ``[component.NAME.grants]`` in ``holm.toml``:
        ``{"http": ["https://api.example.com"], "dirs": {"/data": {"path": "data"}}}``.
        Nothing is reachable without.
    :param limits: what a call may use: ``{"memory": "64 MiB", "timeout": "2 s"}``. Each has a default.
    :param imports: what Python provides of what it imports, by interface:
        ``{"example:host/log": {"write": print}}``; before what :data:`holm.imports` has.
    :param name: its name in errors; else the file's.
    :param base: where relative paths in grants begin; else the current folder.
    :param state: where key-value stores lie; else ``.holm`` there.
    :param wit: a folder or file with its WIT, for docs that the file does not have.
    :param reuse: how many calls an instance of the pool serves before a fresh one takes its place;
        1 for a fresh one each time, without an end unless said.
    :param strict: refuse a component that has functions that Python cannot call, such as those
        with a stream of records. Else each is named by a :class:`NotCallable` warning, and raises
        :class:`WrongType` when it is called.
    :raises LoadError: it cannot be loaded.
    :raises Denied: it imports what it was not granted.
    """
    file = Path(path)
    state_at = Path(state) if state is not None else None
    wit_at = Path(wit) if wit is not None else None
    if file.suffix == ".toml" or file.is_dir():
        given = [word for word, it in (("grants", grants), ("limits", limits), ("base", base)) if it is not None]
        if given:
            raise LoadError(f"{file} is an app: {' and '.join(given)} of its components are in its manifest")
        native = _holm.Component.of_app(file, component, state_at, wit_at, reuse)
        name = name or _names.snake(native.name)
    elif component is not None:
        raise LoadError(f"{file} is a component alone: component= names one of an app")
    else:
        name = name or _names.snake(file.stem)
        place = Path(base) if base is not None else Path()
        native = _holm.Component(file, name, dict(grants or {}), dict(limits or {}), place, state_at, wit_at, reuse)
    world = World.of(native.describe())
    not_callable = world.not_callable()
    if strict and not_callable:
        each = "; ".join(f"`{function}`: {why}" for function, why in not_callable.items())
        raise LoadError(
            f"{file} has functions that cannot be called from Python: {each}",
            help=("without strict=True it is loaded, and its other functions can be called",),
        )
    provided = _imports.find(world, imports or {})
    # The pool needs the classes, which need the names that the library gives its interfaces.
    library = Library.__new__(Library)
    # A resource of an interface that is exported too has a class of its own there.
    shared = {at for at in provided.resources if world.is_exported(world.types[at].interface)}
    Library.__init__(library, name, file, None, world, provided.resources.keys() - shared)  # type: ignore[arg-type]
    bindings = [(of.interface, of.name, _classes.binding(of, library._classes[at])) for at, of in enumerate(world.types) if at in library._classes]
    functions = {at: what if isinstance(what, str) else library._kept.provide(what) for at, what in provided.functions.items()}
    resources = [(world.types[at].interface or "", world.types[at].name, library._kept.refer(cls), at in shared) for at, cls in provided.resources.items()]
    library._pool = native.link(bindings, functions, resources)
    library._fill()
    for function, why in not_callable.items():
        warnings.warn(f"`{function}` of {file} cannot be called from Python: {why}", NotCallable, stacklevel=2)
    return library
