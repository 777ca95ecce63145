"""``python -m holm stubs FILE…``: writes stubs beside components."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import Error, _holm, _names, _stubs
from ._world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m holm", description="Holm in Python.")
    commands = parser.add_subparsers(dest="command", required=True)
    stubs = commands.add_parser("stubs", help="write stubs (.pyi) for components, for editors and mypy")
    stubs.add_argument("file", nargs="+", type=Path, help="a component (.wasm)")
    stubs.add_argument("-o", "--output", type=Path, help="the folder to write to; else beside the file")
    stubs.add_argument("--wit", type=Path, help="a folder or file with its WIT, for docs that the file does not have")
    given = parser.parse_args(arguments)
    for file in given.file:
        try:
            print(write(file, given.output or file.parent, given.wit))
        except (Error, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    return 0


def write(file: Path, output: Path, wit: Path | None = None) -> Path:
    """Writes the stubs of a component; gives their folder."""
    name = _names.snake(file.stem)
    component = _holm.Component(file, name, {}, {}, Path(), None, wit, None)
    texts = _stubs.files(World.of(component.describe()))
    folder = output / name
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        (folder / path).write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    sys.exit(main())
