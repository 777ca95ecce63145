"""``import mylib`` finds ``mylib.wasm``."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ._library import Interface, Library, load


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self) -> None:
        self.grants: dict[str, Mapping[str, Any]] = {}
        self.limits: dict[str, Mapping[str, Any]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            for file in (name, name.replace("_", "-")):
                found = Path(folder or os.curdir, f"{file}.wasm")
                if found.is_file():
                    loader = _Loader(found, self.grants.get(fullname), self.limits.get(fullname))
                    return importlib.util.spec_from_file_location(
                        fullname, found, loader=loader, submodule_search_locations=[]
                    )
        return None


class _Loader(importlib.abc.Loader):
    def __init__(self, path: Path, grants: Mapping[str, Any] | None, limits: Mapping[str, Any] | None) -> None:
        self.path = path
        self.grants = grants
        self.limits = limits

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Library:
        return load(self.path, grants=self.grants, limits=self.limits, name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        # So that `from mylib.api import greet` works.
        for value in list(vars(module).values()):
            if isinstance(value, Interface):
                sys.modules[value.__name__] = value


_finder = _Finder()


def install(
    *,
    grants: Mapping[str, Mapping[str, Any]] | None = None,
    limits: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """From now on ``import mylib`` finds ``mylib.wasm`` (or ``my-lib.wasm`` for ``my_lib``) beside
    Python's own modules, which come first.

    :param grants: what modules may reach, by the module's name.
    :param limits: what their calls may use, by the module's name.
    """
    _finder.grants.update(grants or {})
    _finder.limits.update(limits or {})
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)


def uninstall() -> None:
    """Ends what :func:`install` began. Modules that were imported stay."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    _finder.grants.clear()
    _finder.limits.clear()
