"""Components that the tests call: text is made into a component by `wasmtime`'s own `wat2wasm`
where a test writes one; the others are built by `guests/build`."""

from __future__ import annotations

import os
import subprocess
import sys
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


def mypy(folder: Path, text: str, *more: str) -> tuple[int, str]:
    """What mypy says of a file in a folder: its exit code, and its words."""
    (folder / "use.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "use.py", *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def wrong_lines(folder: Path, before: str, lines: list[str]) -> dict[str, str]:
    """What mypy says of each of some lines after what is right."""
    code, said = mypy(folder, before + "".join(f"{line}\n" for line in lines))
    assert code == 1, said
    errors = [line.split(":", 2) for line in said.splitlines() if ": error:" in line]
    first = before.count("\n") + 1
    assert all(file == "use.py" and int(at) >= first for file, at, _ in errors), said
    return {line: " ".join(text for _, at, text in errors if int(at) == first + n) for n, line in enumerate(lines)}


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
