"""Names of WIT as names of Python."""

from __future__ import annotations

import keyword
from collections.abc import Iterable


def snake(name: str) -> str:
    """A function, a parameter, a field: ``list-keys`` is ``list_keys``."""
    return _free(name.lower().replace("-", "_").replace(".", "_"))


def member(name: str) -> str:
    """A method, or a static function: of ``cart.add`` it is ``add``. `close`, which drops the resource, and
    `closed` are Python's own.
    """
    return _beside(snake(name.rpartition(".")[2]), "close", "closed")


def top(name: str) -> str:
    """A function or an interface of the component itself: `instance` of the module and `close` of an instance are
    Python's own.
    """
    return _beside(snake(name), "instance", "close")


def pascal(name: str) -> str:
    """A type or a case: ``http-error`` is ``HttpError``."""
    words = name.replace("_", "-").split("-")
    return _free("".join(word[:1].upper() + word[1:] for word in words))


def upper(name: str) -> str:
    """A member of an enum or of flags: ``read-only`` is ``READ_ONLY``."""
    return name.upper().replace("-", "_")


def _free(name: str) -> str:
    return name + "_" if keyword.iskeyword(name) else name


def _beside(name: str, *own: str) -> str:
    return name + "_" if name in own else name


def interfaces(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """The attribute for each interface: the shortest that is its alone.

    ``holm:greet/api@0.1.0`` is ``api``; if there are two of that name ``greet_api``, and so on.
    """
    chosen: dict[str, str] = {}
    # In the same order whatever the set was made of.
    names = list(dict.fromkeys(names))
    used = set(taken)
    ways = {name: _ways(name) for name in names}
    for name in names:
        others = [way for other in names if other != name for way in ways[other]]
        for way in ways[name]:
            if way not in used and (way not in others or way == ways[name][-1]):
                chosen[name] = way
                used.add(way)
                break
        else:
            chosen[name] = ways[name][-1] + "_"
    return chosen


def _ways(name: str) -> list[str]:
    path, _, version = name.partition("@")
    package, _, interface = path.rpartition("/")
    namespace, _, package = package.rpartition(":")
    ways = [interface or path]
    if package:
        ways.append(f"{package}-{interface}")
    if namespace:
        ways.append(f"{namespace}-{package}-{interface}")
    if version:
        ways.append(f"{ways[-1]}-{version}")
    clean = [way.replace(".", "_").replace("+", "_").replace(":", "_").replace("/", "_") for way in ways]
    return [top(way) for way in clean]


def without_version(interface: str) -> str:
    """``holm:greet/api`` of ``holm:greet/api@0.1.0``."""
    return interface.partition("@")[0]
