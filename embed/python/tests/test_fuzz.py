"""Random components and random values: whatever they are, Python lives.

`HOLM_FUZZ_SEED` and `HOLM_FUZZ_COUNT` try others, and so many of each kind.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import fuzzing
import holm
import pytest
from random_components import Component
from random_types import Flow

#: How many of each kind.
SEEDS = {"values": 120, "hosts": 60, "things": 40, "flows": 30, "breaks": 20, "threads": 30, "ends": 10}
#: So many follow each other in one process.
BATCH = 100


@pytest.mark.parametrize("kind", SEEDS)
def test_random_components(kind: str) -> None:
    first = int(os.environ.get("HOLM_FUZZ_SEED", "0"))
    count = int(os.environ.get("HOLM_FUZZ_COUNT", SEEDS[kind]))
    assert set(SEEDS) == set(fuzzing.KINDS)
    for at in range(first, first + count, BATCH):
        command = [sys.executable, "-W", "ignore", fuzzing.__file__, kind, str(at), str(min(BATCH, first + count - at))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0 and done.stdout.endswith("alive\n"), done.stdout[-20:] + done.stderr[-5000:]


def test_what_is_not_the_same_is_told() -> None:
    """What the tests above would find."""
    nan, later = float("nan"), []
    for a, b in [(1, 2), (1, True), (0.0, -0.0), ([1], [1, 2]), ("a", "b"), (None, [None]), ((0, 1), (1, 1)), (nan, 1.0)]:
        assert not fuzzing.same(a, b, later)
    assert fuzzing.same([nan, (0, [1.5])], (nan, [0, [1.5]]), later)
    assert not fuzzing.same(Flow("stream", "u8", []), Flow("stream", "s8", []), later)


def test_a_component_that_gives_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Component.text

    def wrong(self: Component, interface: bool) -> str:
        return text(self, interface).replace("(i64.store ", "(i64.store16 ")

    monkeypatch.setattr(Component, "text", wrong)
    with pytest.raises(AssertionError):
        for seed in range(40):
            fuzzing.values(seed)


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
from random_objects import rubbish
lab = conftest.lab_with(conftest.Host(), limits={"cpu": "200 ms", "memory": "32 MiB"})
functions = [v for part in (lab.echo, lab.work, lab.things, lab.calling) for v in vars(part).values() if type(v).__name__ == "Function"]
functions += [lab.greet, lab.town, lab.things.Counter]
def work(seed):
    rnd = random.Random(seed)
    kept = []
    for _ in range(300):
        function = rnd.choice(functions)
        args = [rnd.choice([rubbish(rnd), rnd.choice(kept or [None])]) for _ in range(rnd.randint(0, 2))]
        try:
            kept.append(function(*args))
        except Exception:
            pass
        if len(kept) > 20:
            del kept[rnd.randrange(20)]
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=300)
    assert done.returncode == 0 and done.stdout.endswith("alive\n"), done.stderr[-2000:]
