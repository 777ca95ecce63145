"""Components that the tests call: text is made into a component by `wasmtime`'s own `wat2wasm`
where a test writes one; the others are built by `guests/build`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import holm
import pytest

GUESTS = Path(
    os.environ.get("HOLM_GUESTS_OUT")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "holm", "guests")
)

#: Docs: what made the component has dropped them.
WIT = Path(__file__).parents[3] / "guests" / "rust" / "types-lab" / "wit"


def guest(name: str) -> Path:
    """A guest, or why it is not there."""
    path = GUESTS / f"{name}.wasm"
    assert path.exists(), f"{path} is missing: run guests/build {name}"
    return path


class Host:
    """What the lab imports, provided."""

    said: list[Any]

    def __init__(self) -> None:
        self.said = []

    def say(self, who: str, what: list[str]) -> int:
        self.said.append((who, what))
        return len(what)

    def add(self, a: int, b: int) -> int:
        return a + b

    def log(self, line: str) -> None:
        self.said.append(line)


def lab_with(host: object, town: Callable[[], Any] = lambda: "Bergen", **more: Any) -> holm.Library:
    """The lab with other functions of the host."""
    imports = {"holm:types/host": host, "home-town": town}
    return holm.load(guest("types-lab"), imports=imports, wit=WIT, **more)


@pytest.fixture(scope="session")
def lab() -> holm.Library:
    """The component with every type."""
    return lab_with(Host())


@pytest.fixture
def instance(lab: holm.Library) -> Iterator[holm.Instance]:
    """One instance of it."""
    with lab.instance() as instance:
        yield instance
