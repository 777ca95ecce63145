"""What is about the process as a whole: its end, a fork, a key press."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

HEAD = """
import os, signal, sys, threading, time
import conftest, holm
lab = conftest.lab_with(conftest.Host(), limits={"cpu": "none"})

def computes(thread):
    # Waits until a thread is at work: its guest has no other way to say so.
    clock = time.pthread_getcpuclockid(thread.ident)
    wanted = time.clock_gettime(clock) + 0.05
    while time.clock_gettime(clock) < wanted:
        time.sleep(0)
"""


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def run(program: str) -> subprocess.CompletedProcess[str]:
    child = start(program)
    out, err = child.communicate(timeout=120)
    return subprocess.CompletedProcess([], child.returncode, out, err)


def test_the_interpreter_ends_while_guests_run() -> None:
    done = run("""
spinning = [threading.Thread(target=lab.work.spin, daemon=True) for _ in range(4)]
for thread in spinning:
    thread.start()
def calls():
    while True:
        lab.calling.add(1, 2)
for _ in range(4):
    threading.Thread(target=calls, daemon=True).start()
for thread in spinning:
    computes(thread)
print("bye")
""")
    assert (done.returncode, done.stdout) == (0, "bye\n"), done.stderr


def test_a_key_press_ends_a_call() -> None:
    child = start("""
# A shell that starts this in the background has it ignored, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
def tell():
    computes(threading.main_thread())
    print("ready", flush=True)
threading.Thread(target=tell).start()
try:
    lab.work.spin()
except KeyboardInterrupt:
    print("interrupted", lab.greet("Ada"))
""")
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, "interrupted Hello, Ada!\n"), err


def test_a_fork_is_refused_in_words() -> None:
    done = run("""
counter = lab.things.Counter(1)
lab.greet("before")
pid = os.fork()
if pid == 0:
    try:
        lab.greet("Ada")
    except RuntimeError as error:
        print("refused:", "forked" in str(error), flush=True)
    try:
        counter.add(1)
    except RuntimeError:
        print("refused too", flush=True)
    del counter, lab
    sys.exit(0)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status), lab.greet("Ada"), counter.add(1))
""")
    wanted = "refused: True\nrefused too\n0 Hello, Ada! 2\n"
    assert (done.returncode, done.stdout) == (0, wanted), done.stderr


def test_a_fork_before_anything_is_loaded() -> None:
    program = """
import os, sys, conftest, holm
pid = os.fork()
if pid == 0:
    print(conftest.lab_with(conftest.Host()).greet("Ada"), flush=True)
    os._exit(0)
_, status = os.waitpid(pid, 0)
print(status)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent, timeout=120)
    assert done.stdout == "Hello, Ada!\n0\n", done.stderr


def test_resources_at_the_end() -> None:
    done = run("""
kept = [lab.things.Counter(n) for n in range(20)]
import builtins
builtins.kept = kept
kept.append(kept)
print("bye")
""")
    assert (done.returncode, done.stdout) == (0, "bye\n"), done.stderr
