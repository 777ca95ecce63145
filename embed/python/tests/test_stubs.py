"""Stubs: mypy accepts them, and knows by them what is right and what is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import holm
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


FLOWS = """
import asyncio
from array import array
from collections.abc import AsyncIterator

import flows_lab
import holm
from flows_lab import flows


async def pieces() -> AsyncIterator[bytes]:
    yield b"abc"


async def numbers() -> AsyncIterator[int]:
    yield 1


async def words() -> AsyncIterator[str]:
    yield "one"


async def text() -> str:
    return "late"


async def use() -> list[int]:
    answer: str = await flows.ask("why?")
    stream: holm.Stream[int] = await flows.double([1, 2, 3])
    rest: list[int] = [n async for n in stream]
    for form in (array("I", [1]), range(3), numbers(), b"1234", stream):
        stream = await flows.double(form)
    with await flows.count(5) as counted:
        first: int = next(counted)
    whole = (await flows.bytes(3)).read()
    for piece in (await flows.bytes(3)).pieces():
        rest += piece
    total: int = await flows.total(pieces())
    said: list[str] = await flows.words(words()) + await flows.words(["two"])
    future: holm.Future[str] = await flows.later("text")
    brought: str = await future + (await flows.later("text")).result()
    brought = await flows.brought(text()) + await flows.brought("at once") + await flows.brought(await flows.later("x"))
    both, beside = await flows.both(3)
    plain: holm.Stream[int] = flows.passed([1])
    rest += list(plain)
    both_rest: list[int] = [n async for n in both]
    return [*rest, *both_rest, *whole, first, total, beside, len(answer + brought), len(said)]


found: list[int] = asyncio.run(use())
with flows_lab.instance() as one:
    asyncio.run(one.flows.ask("why?"))
    one.close()


"""

WRONG_FLOWS = {
    "x: str = flows.ask('why?')": "Incompatible types in assignment",
    "await flows.ask(5)": "incompatible type",
    "n: int = await flows.ask('why?')": "Incompatible types in assignment",
    "[n for n in await flows.later('text')]": "__iter__",
    "async for n in flows.count(5): pass": "__aiter__",
    "s: holm.Stream[str] = await flows.count(5)": "Incompatible types in assignment",
    "async for t in await flows.count(5): t.upper()": "no attribute",
    "await flows.double(words())": "incompatible type",
    "await flows.double(['one'])": "incompatible type",
    "await flows.double(5)": "incompatible type",
    "await flows.total(text())": "incompatible type",
    "await flows.words(numbers())": "incompatible type",
    "await flows.brought(words())": "incompatible type",
    "await flows.brought(5)": "incompatible type",
    "f: int = await (await flows.later('text'))": "Incompatible types in assignment",
    "await flows.passed([1])": "await",
    "(await flows.both(3))[1].read()": "no attribute",
    "flows_lab.instance().close(1)": "Too many arguments",
}


@pytest.fixture(scope="module")
def flowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flows")
    assert main(["stubs", str(guest("flows-lab")), "-o", str(folder)]) == 0
    return folder


def test_mypy_knows_what_is_awaited(flowing: Path) -> None:
    code, said = mypy(flowing, FLOWS)
    assert code == 0, said


def test_mypy_finds_what_is_wrongly_awaited(flowing: Path) -> None:
    lines = {f"    {wrong}": words for wrong, words in WRONG_FLOWS.items()}
    errors = wrong_lines(flowing, f"{FLOWS}async def wrong() -> None:\n", list(lines))
    for line, words in lines.items():
        assert words in errors[line], (line, errors[line])


def test_what_mypy_accepts_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Upper:
        async def ask(self, question: str) -> str:
            return question.upper()

    lib: Any = holm.load(guest("flows-lab"), imports={"holm:flows/host": Upper()})
    monkeypatch.setitem(sys.modules, "flows_lab", lib)
    found: dict[str, Any] = {}
    exec(FLOWS, found)
    assert found["found"] == [2, 4, 6, 7, 7, 7, 1, 0, 1, 2, 7, 7, 7, 0, 3, 3, 16, 2]


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
