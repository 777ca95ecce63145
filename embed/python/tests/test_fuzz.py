"""Random components and random values: whatever they are, Python lives."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import holm
import pytest
from random_types import PADDING, Types

COMPONENTS = 60
VALUES = 25


def same(a: Any, b: Any) -> bool:
    """Equal, with what is a list of numbers equal to a list."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def tried(seed: int, folder: Path) -> None:
    """A random component, with what fits it and what does not."""
    types = Types(seed)
    of = types.type()
    file = folder / f"{seed}.wat"
    file.write_text(types.component(of, types.random.randbytes(4096)))
    lib: Any = holm.load(file, reuse=1)
    padding = tuple(range(PADDING))
    for _ in range(VALUES):
        value = types.value(of, lib)
        back = lib.f((*padding, value))
        assert back[:PADDING] == padding
        assert same(back[PADDING], value), types.text(of)
    # Anything at all in its place: it fits, or is an error.
    for _ in range(VALUES):
        try:
            lib.f((*padding, types.rubbish()))
        except (holm.Error, ValueError, ZeroDivisionError, OverflowError, TypeError):
            pass
    # Whatever stands in its memory: a value, or a trap.
    for _ in range(VALUES):
        try:
            lib.g(types.random.randrange(8192))
        except holm.Error:
            pass


@pytest.mark.parametrize("seed", range(COMPONENTS))
def test_what_goes_in_comes_out(seed: int, tmp_path: Path) -> None:
    tried(seed, tmp_path)


def test_many_components_in_a_process_of_their_own(tmp_path: Path) -> None:
    """It must end well, whatever they are; `HOLM_FUZZ_SEED` and `HOLM_FUZZ_COUNT` try others."""
    seed = int(os.environ.get("HOLM_FUZZ_SEED", "1000"))
    count = int(os.environ.get("HOLM_FUZZ_COUNT", "150"))
    program = f"""
import faulthandler, pathlib, test_fuzz
faulthandler.enable()
for seed in range({seed}, {seed + count}):
    print(seed, flush=True)
    test_fuzz.tried(seed, pathlib.Path({str(tmp_path)!r}))
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=600)
    assert done.returncode == 0 and done.stdout.endswith("alive\n"), done.stdout[-20:] + done.stderr[-3000:]


def test_damaged_components(tmp_path: Path) -> None:
    from conftest import guest

    good = guest("greet").read_bytes()
    rnd = random.Random(1)
    for n in range(60):
        bad = bytearray(good)
        for _ in range(rnd.randint(1, 8)):
            bad[rnd.randrange(len(bad))] = rnd.randrange(256)
        file = tmp_path / f"{n}.wasm"
        file.write_bytes(bad[: rnd.choice([len(bad), rnd.randrange(len(bad))])])
        try:
            lib = holm.load(file, limits={"cpu": "1 s", "memory": "32 MiB"})
            lib.greet("Ada")
            lib.sum([1.0, 2.0])
        except (holm.Error, AttributeError, TypeError):
            pass


def test_threads_of_rubbish(tmp_path: Path) -> None:
    """The same in many threads at once, in a process of its own: it must end well."""
    program = """
import sys, threading, random
import conftest, holm
from random_types import Types
lab = conftest.lab_with(conftest.Host(), limits={"cpu": "200 ms", "memory": "32 MiB"})
functions = [v for part in (lab.echo, lab.work, lab.things, lab.calling) for v in vars(part).values() if type(v).__name__ == "Function"]
functions += [lab.greet, lab.town, lab.things.Counter]
def work(seed):
    types = Types(seed)
    kept = []
    for _ in range(300):
        function = types.random.choice(functions)
        args = [types.random.choice([types.rubbish(), types.random.choice(kept or [None])]) for _ in range(types.random.randint(0, 2))]
        try:
            kept.append(function(*args))
        except Exception:
            pass
        if len(kept) > 20:
            del kept[types.random.randrange(20)]
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=300)
    assert done.returncode == 0 and done.stdout.endswith("alive\n"), done.stderr[-2000:]
