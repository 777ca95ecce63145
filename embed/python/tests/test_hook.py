"""`import mylib` finds `mylib.wasm`."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import holm
import pytest
from conftest import Host, guest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    holm.uninstall()
    for name in [n for n in sys.modules if n.partition(".")[0] in ("mylib", "my_lab")]:
        del sys.modules[name]


def test_components_are_modules(folder: Path) -> None:
    shutil.copy(guest("greet"), folder / "mylib.wasm")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mylib")
    holm.install(limits={"mylib": {"memory": "32 MiB"}})
    import mylib  # type: ignore[import-not-found]

    assert mylib.greet("Ada") == "Hello, Ada!"
    assert mylib is sys.modules["mylib"] and isinstance(mylib, holm.Library)
    assert mylib.__spec__.origin == str(folder / "mylib.wasm")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mylib.nothing")


def test_interfaces_are_modules_too(folder: Path) -> None:
    shutil.copy(guest("types-lab"), folder / "my-lab.wasm")
    holm.install()
    holm.imports["holm:types/host"] = Host()
    holm.imports["home-town"] = lambda: "Oslo"
    try:
        from my_lab import town  # type: ignore[import-not-found]
        from my_lab.echo import Color, color_of  # type: ignore[import-not-found]
    finally:
        del holm.imports["holm:types/host"], holm.imports["home-town"]
    assert town() == "Oslo" and color_of(Color.RED) is Color.RED


def test_what_cannot_be_loaded_says_why(folder: Path) -> None:
    (folder / "mylib.wasm").write_bytes(b"rubbish")
    holm.install()
    with pytest.raises(holm.LoadError):
        importlib.import_module("mylib")
    assert "mylib" not in sys.modules


def test_grants_are_checked(folder: Path) -> None:
    shutil.copy(guest("greet"), folder / "mylib.wasm")
    holm.install(grants={"mylib": {"nonsense": []}})
    with pytest.raises(holm.LoadError, match="nonsense"):
        importlib.import_module("mylib")
