"""Stubs: mypy accepts them, and knows by them what is right and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import WIT, guest, mypy, wrong_lines
from holm.__main__ import main

USE = """
import holm
import types_lab
from types_lab import echo, things, work
from types_lab.echo import Shape

name: str = types_lab.greet("Ada")
total: int = work.add(1, b=2)
raw: bytes = echo.raw([1, 2])
raw = echo.raw(bytearray(b"x"))
numbers: holm.Array[float] = echo.doubles([1.0])
point = echo.Point(1.0, y=2.0)
same: echo.Point = echo.point_of(point)
maybe: int | None = echo.maybe()
text: int = echo.outcome(holm.Ok(1))
color: echo.Color = echo.color_of(echo.Color.SKY_BLUE)
may = echo.Permissions.READ | echo.Permissions.WRITE


def area(shape: Shape) -> float:
    match shape:
        case Shape.Circle(radius):
            return radius * radius
        case Shape.Rectangle((a, b)):
            return (a.x - b.x) * (a.y - b.y)
    return 0.0


with things.Counter(1) as counter:
    count: int = counter.add(2)
    count = things.Counter.larger(counter, counter)
"""

WRONG = {
    "work.add(1)": "Missing positional argument",
    "work.add(1, 'two')": "incompatible type",
    "echo.Point(1.0)": "Missing positional argument",
    "echo.nothing": "has no attribute",
    "echo.Color.PINK": "has no attribute",
    "echo.texts([1])": "incompatible type",
    "things.Counter('one')": "incompatible type",
    "x: str = work.add(1, 2)": "Incompatible types in assignment",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    assert main(["stubs", str(guest("greet")), "-o", str(folder)]) == 0
    assert main(["stubs", str(guest("types-lab")), "-o", str(folder), "--wit", str(WIT)]) == 0
    return folder


def test_mypy_accepts_them(folder: Path) -> None:
    code, said = mypy(folder, USE)
    assert code == 0, said


def test_mypy_finds_what_is_wrong(folder: Path) -> None:
    errors = wrong_lines(folder, USE, list(WRONG))
    for line, words in WRONG.items():
        assert words in errors[line], (line, errors[line])


PROVIDES = """
from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import holm

if TYPE_CHECKING:
    import desk_lab
    from desk_lab import _imports as desk
    from pipes_lab import _imports as pipes


class Cursor:
    pass


class Rows:
    def __init__(self, name: str) -> None: ...
    async def put(self, key: str, number: int) -> int | None: raise NotImplementedError
    def get(self, key: str) -> int | None: raise NotImplementedError
    def close_(self) -> str: raise NotImplementedError
    @staticmethod
    def merged(a: Rows, b: Rows) -> Rows: raise NotImplementedError


class Store:
    Table = Rows

    def open(self, name: str) -> Rows: raise NotImplementedError
    def total(self, them: list[Rows]) -> int: raise NotImplementedError
    async def keep(self, it: Rows | None) -> None: ...
    def kept(self) -> Sequence[Rows]: raise NotImplementedError
    def split(self, it: Rows) -> desk_lab.Pair: raise NotImplementedError
    def rows(self, it: Rows) -> Cursor: raise NotImplementedError
    def next(self, it: Cursor) -> str | None: raise NotImplementedError


class Work:
    def __init__(self, n: int) -> None: ...
    async def run(self, input: holm.Stream[int]) -> int: raise NotImplementedError


class Host:
    Job = Work

    async def count(self, bytes: holm.Stream[int]) -> int: raise NotImplementedError
    async def upper(self, words: holm.Stream[str]) -> AsyncIterator[str]: raise NotImplementedError
    async def numbers(self, to: int) -> AsyncIterator[bytes] | AsyncIterator[int]: raise NotImplementedError
    def bits(self, them: list[bool]) -> list[bool]: raise NotImplementedError
    async def brought(self, text: holm.Future[str]) -> str: raise NotImplementedError
    async def later(self, n: int) -> int: raise NotImplementedError
    def log(self, lines: holm.Stream[str]) -> None: ...
    async def pair(self, n: int) -> tuple[int, list[int] | None]: raise NotImplementedError
    async def slow(self, n: int) -> int: raise NotImplementedError


store: desk.Store = Store()
host: pipes.Host = Host()
"""


@pytest.fixture(scope="module")
def importing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    for name in ("desk-lab", "pipes-lab"):
        assert main(["stubs", str(guest(name)), "-o", str(folder)]) == 0
    return folder


def test_mypy_knows_what_is_imported(importing: Path) -> None:
    code, said = mypy(importing, PROVIDES)
    assert code == 0, said
    for line, other in (
        ("    def get(self, key: str) -> int | None: raise NotImplementedError\n", ""),
        ("def get(self, key: str)", "def get(self, key: int)"),
        ("def __init__(self, name: str)", "def __init__(self)"),
        ("    @staticmethod\n    def merged(a: Rows, b: Rows)", "    def merged(self, a: Rows, b: Rows, c: int)"),
        ("    Table = Rows\n", ""),
        ("def open(self, name: str) -> Rows", "def open(self, name: str) -> Cursor | str"),
        ("-> AsyncIterator[str]", "-> AsyncIterator[int]"),
        ("input: holm.Stream[int]", "input: list[int]"),
        ("async def later(self, n: int) -> int", "async def later(self, n: int) -> str"),
    ):
        assert line in PROVIDES, line
        code, said = mypy(importing, PROVIDES.replace(line, other, 1))
        assert code == 1 and "Incompatible types in assignment" in said, f"{line}: {said}"


def test_a_component_without_imports_has_no_protocols(folder: Path) -> None:
    assert not (folder / "greet" / "_imports.pyi").exists()
    assert "class Host(_Protocol):" in (folder / "types_lab" / "_imports.pyi").read_text()


def test_docs_are_in_them(folder: Path) -> None:
    text = (folder / "types_lab" / "echo.pyi").read_text()
    assert '"""Each function gives back what it takes."""' in text
    assert '"""Not quite blue."""' in text
    assert "def class_(from_: str, lambda_: str | None = None) -> str:" in text


def test_of_what_is_no_component(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stubs", str(tmp_path / "nothing.wasm")]) == 2
    assert "does not exist" in capsys.readouterr().err
