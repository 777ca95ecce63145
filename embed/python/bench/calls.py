"""What a call costs: Holm, PyPI's `wasmtime`, and a native extension, on the same functions.

    python embed/python/bench/calls.py [--json]

Each figure is the best of some rounds. The component is the one of `guests/build types-lab`.
"""

from __future__ import annotations

import argparse
import array
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import holm

GUESTS = Path(os.environ.get("HOLM_GUESTS_OUT") or Path.home() / ".cache" / "holm" / "guests")
LAB = GUESTS / "types-lab.wasm"
ECHO = "holm:types/echo@0.1.0"
WORK = "holm:types/work@0.1.0"
ROUNDS = 7
ROUND_S = 0.05

Call = Callable[[], object]


def best(call: Call) -> float:
    """Seconds of one call: the best of some rounds of many calls."""
    call()
    times = 1
    while (took := timed(call, times)) < ROUND_S / 4:
        times *= 4
    times = max(1, int(times * ROUND_S / took))
    return min(timed(call, times) for _ in range(ROUNDS)) / times


def timed(call: Call, times: int) -> float:
    """Seconds of so many calls."""
    each = range(times)
    began = time.perf_counter()
    for _ in each:
        call()
    return time.perf_counter() - began


def lab() -> Any:
    """The component in Holm."""
    host = {"say": lambda who, what: 0, "add": lambda a, b: a + b, "log": lambda line: None}
    return holm.load(LAB, imports={"holm:types/host": host, "home-town": lambda: ""})


def wasmtime() -> Callable[[str, str], Callable[..., object]] | None:
    """The same component in the package `wasmtime`: a function by interface and name."""
    try:
        from wasmtime import Engine, Store, WasiConfig
        from wasmtime.component import Component, Linker
    except ImportError:
        return None
    engine = Engine()
    store = Store(engine)
    store.set_wasi(WasiConfig())
    component = Component.from_file(engine, str(LAB))
    linker = Linker(engine)
    linker.allow_shadowing = True
    linker.define_unknown_imports_as_traps(component)
    linker.add_wasip2()
    instance = linker.instantiate(store, component)

    def function(interface: str, name: str) -> Callable[..., object]:
        outer = instance.get_export_index(store, interface)
        index = instance.get_export_index(store, name, outer)
        assert index is not None
        found = instance.get_func(store, index)
        assert found is not None

        def call(*args: object) -> object:
            result = found(store, *args)
            found.post_return(store)
            return result

        return call

    return function


def native() -> Any:
    """The same functions in C."""
    folder = tempfile.mkdtemp()
    out = Path(folder, "native" + (sysconfig.get_config_var("EXT_SUFFIX") or ".so"))
    source = Path(__file__).with_name("native.c")
    include = sysconfig.get_path("include")
    command = ["cc", "-O2", "-shared", "-fPIC", "-w", f"-I{include}", str(source), "-o", str(out)]
    if subprocess.run(command, check=False).returncode != 0:
        return None
    spec = importlib.util.spec_from_file_location("native", out)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Record:
    """What the package `wasmtime` takes for a record: any object with its fields."""

    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


FIELDS: dict[str, Any] = dict(
    truth=True, small=-1, byte=2, short=-3, word=4, int=-5, count=6, long=-7, size=8, single=0.5, double=0.25,
    letter="z", text="text", raw=b"raw", numbers=[1, -2], maybe="some",
)  # fmt: skip


def cases() -> list[tuple[str, dict[str, Call | None]]]:
    """Each case, with a call for each way."""
    ours, theirs, c = lab(), wasmtime(), native()
    one = ours.instance()
    text = "x" * (1 << 20)
    floats = array.array("d", range(1_000_000))
    listed = floats.tolist()
    echo = ours.echo

    def their(interface: str, name: str, *args: object) -> Call | None:
        if theirs is None:
            return None
        function = theirs(interface, name)
        return lambda: function(*args)

    def of(name: str, *args: Any, theirs_take: tuple[Any, ...] | None = None) -> dict[str, Call | None]:
        kept, pooled = getattr(one.work, name), getattr(ours.work, name)
        in_c = getattr(c, name, None)
        return {
            "holm": lambda: pooled(*args),
            "holm, an instance": lambda: kept(*args),
            "wasmtime": their(WORK, name, *(theirs_take or args)),
            "native": (lambda: in_c(*args)) if in_c is not None else None,
        }

    record = echo.Everything(
        **FIELDS, where=echo.Point(1, 2), color=echo.Color.GREEN, may=echo.Permissions.READ, shape=echo.Shape.Circle(1.0)
    )
    theirs_record = None
    if theirs is not None:
        where = Record(x=1.0, y=2.0)
        theirs_record = Record(**FIELDS, where=where, color="green", may={"read"}, shape=1.0)
    return [
        ("nothing", of("nothing")),
        ("two integers", of("add", 1, 2)),
        ("a string of 16 B", of("length", "x" * 16)),
        ("a string of 1 MB", of("length", text)),
        ("a million floats, a buffer", of("sum", floats, theirs_take=(listed,))),
        (
            "a record of 20 fields, and back",
            {
                "holm": lambda: ours.echo.all(record),
                "holm, an instance": lambda: one.echo.all(record),
                "wasmtime": their(ECHO, "all", theirs_record),
                "native": None,
            },
        ),
    ]


def words(seconds: float) -> str:
    """A time for people."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="seconds, for programs")
    given = parser.parse_args()
    rows: list[tuple[str, dict[str, float | None]]] = []
    for name, ways in cases():
        figures: dict[str, float | None] = {}
        for way, call in ways.items():
            try:
                figures[way] = best(call) if call is not None else None
            except Exception as error:  # noqa: BLE001: what a peer cannot do is part of the result
                print(f"{way}: {name}: {error!r}", file=sys.stderr)
                figures[way] = None
        rows.append((name, figures))
    if given.json:
        print(json.dumps(dict(rows)))
        return
    ways_shown = list(rows[0][1])
    print("| a call with | " + " | ".join(ways_shown) + " | wasmtime / holm |")
    print("|---|" + "---:|" * (len(ways_shown) + 1))
    for name, figures in rows:
        shown = [words(figure) if figure is not None else "" for figure in figures.values()]
        ours, theirs = figures["holm"], figures["wasmtime"]
        ratio = f"{theirs / ours:.1f}" if ours and theirs else ""
        print(f"| {name} | " + " | ".join(shown) + f" | {ratio} |")


if __name__ == "__main__":
    main()
