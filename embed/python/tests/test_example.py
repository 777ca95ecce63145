"""`examples/from-python`: two crates, imported by a script."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from conftest import guest
from holm.__main__ import main

FOLDER = Path(__file__).parents[3] / "examples" / "from-python"

PRINTED = """\
<h1>Tea</h1>
<table><thead><tr><th>sort</th><th style="text-align: right">minutes</th></tr></thead><tbody>
<tr><td>green</td><td style="text-align: right">2</td></tr>
</tbody></table>
<h2>How</h2>
<ul>
<li><input disabled="" type="checkbox" checked=""/>
boil <del>milk</del> water</li>
</ul>

Tea
  How
About(format=<Format.PNG: 'png'>, width=320, height=200)
About(format=<Format.JPEG: 'jpeg'>, width=80, height=50)
refused: this is neither a PNG nor a JPEG
"""


def copied(folder: Path) -> None:
    for name in ("use.py", "picture.png"):
        shutil.copy(FOLDER / name, folder)
    for name in ("markup", "images"):
        shutil.copy(guest(name), folder / f"{name}.wasm")


def test_the_script(tmp_path: Path) -> None:
    copied(tmp_path)
    done = subprocess.run([sys.executable, str(tmp_path / "use.py")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, PRINTED), done.stdout + done.stderr


def test_mypy_accepts_it_by_the_stubs(tmp_path: Path) -> None:
    copied(tmp_path)
    assert main(["stubs", str(tmp_path / "markup.wasm"), str(tmp_path / "images.wasm")]) == 0
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "use.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
