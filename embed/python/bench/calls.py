"""What a call from Python costs, in CPU time: Holm, PyPI's `wasmtime`, and a native extension, on the same functions.

    python embed/python/bench/calls.py [--json] [--rounds N]

The component is `guests/wat/calls.wat`; the native extension is `native.c` beside this file. A table shows
the best of some rounds. `cargo xtask bench calls` prints these beside calls from elsewhere.
"""

from __future__ import annotations

import argparse
import array
import importlib.util
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import holm

CALLS = Path(__file__).parents[3] / "guests" / "wat" / "calls.wat"
ROUND_S = 0.05

Call = Callable[[], object]


def rounds(call: Call, count: int) -> list[float]:
    """Seconds of one call: a figure for each round of many calls."""
    call()
    times = 1
    while (took := timed(call, times)) < ROUND_S / 4:
        times *= 4
    times = max(1, int(times * ROUND_S / took))
    return [timed(call, times) / times for _ in range(count)]


def timed(call: Call, times: int) -> float:
    """Seconds of CPU time of so many calls; all is done by the thread that calls, on a busy machine too."""
    each = range(times)
    began = time.thread_time()
    for _ in each:
        call()
    return time.thread_time() - began


def wasmtime() -> Callable[[str], Callable[..., object]]:
    """The same component in the package `wasmtime`: a function by its name."""
    from wasmtime import Engine, Store, wat2wasm
    from wasmtime.component import Component, Linker

    engine = Engine()
    store = Store(engine)
    component = Component(engine, wat2wasm(CALLS.read_text()))
    instance = Linker(engine).instantiate(store, component)

    def function(name: str) -> Callable[..., object]:
        found = instance.get_func(store, name)
        assert found is not None
        # What its documentation wants after each call, where it has that yet.
        post_return = getattr(found, "post_return", None)
        if post_return is None:
            return lambda *args: found(store, *args)

        def call(*args: object) -> object:
            result = found(store, *args)
            post_return(store)
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
    subprocess.run(command, check=True)
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
    letter="z", text="text", name="name", raw=b"raw", numbers=[1, -2], maybe=9, last=10,
)  # fmt: skip


def cases() -> list[tuple[str, dict[str, Call]]]:
    """Each case, with a call for each way."""
    lib = holm.load(CALLS)
    one = lib.instance()
    makers: dict[str, Callable[[str], Callable[..., object]]] = {
        "holm": lambda name: getattr(lib, name),
        "holm, an instance": lambda name: getattr(one, name),
    }
    for way, make in (("wasmtime", wasmtime), ("native", lambda: native().__getattribute__)):
        try:
            makers[way] = make()
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            print(f"{way}: {error!r}", file=sys.stderr)

    def of(name: str, *args: Any, **instead: tuple[Any, ...]) -> dict[str, Call]:
        calls: dict[str, Call] = {}
        for way, make in makers.items():
            function, given = make(name), instead.get(way, args)
            calls[way] = lambda function=function, given=given: function(*given)  # type: ignore[misc]
        return calls

    floats = array.array("d", range(1_000_000))
    form = lib.Form(**FIELDS, color=lib.Color.GREEN, may=lib.May.READ)
    theirs = Record(**FIELDS, color="green", may={"read"})
    return [
        ("nothing", of("nothing")),
        ("two integers", of("add", 1, 2)),
        ("a string of 16 B", of("length", "x" * 16)),
        ("a string of 1 MB", of("length", "x" * (1 << 20))),
        ("a million floats", of("sum", floats, wasmtime=(floats.tolist(),))),
        ("a record of 20 fields, and back", of("same", form, wasmtime=(theirs,))),
    ]


def words(seconds: float) -> str:
    """A time for people."""
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="seconds of each round, for programs")
    parser.add_argument("--rounds", type=int, default=7, help="figures for each (7)")
    given = parser.parse_args()
    rows: list[tuple[str, dict[str, list[float]]]] = []
    for name, ways in cases():
        figures: dict[str, list[float]] = {}
        for way, call in ways.items():
            try:
                figures[way] = rounds(call, given.rounds)
            except Exception as error:  # noqa: BLE001: what a peer cannot do is part of the result
                print(f"{way}: {name}: {error!r}", file=sys.stderr)
        rows.append((name, figures))
    if given.json:
        print(json.dumps(dict(rows)))
        return
    ways_shown = list(rows[0][1])
    print("| a call with | " + " | ".join(ways_shown) + " | wasmtime / holm |")
    print("|---|" + "---:|" * (len(ways_shown) + 1))
    for name, figures in rows:
        best = {way: min(all) for way, all in figures.items()}
        shown = [words(best[way]) if way in best else "" for way in ways_shown]
        ratio = f"{best['wasmtime'] / best['holm']:.1f}" if {"holm", "wasmtime"} <= set(best) else ""
        print(f"| {name} | " + " | ".join(shown) + f" | {ratio} |")


if __name__ == "__main__":
    main()
