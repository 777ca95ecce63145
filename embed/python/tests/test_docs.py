"""The examples in `docs/python.md` run as they stand."""

from __future__ import annotations

import doctest
import shutil
import sys
from pathlib import Path

import pytest
from conftest import guest

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def test_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("greet", "greet"), ("lab", "types-lab"), ("flows", "flows-lab")):
        shutil.copy(guest(file), tmp_path / f"{name}.wasm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    # A closing fence is no output.
    text = "\n".join(line for line in PAGE.read_text().splitlines() if not line.startswith("```"))
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) >= 40
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    doctest.DocTestRunner(verbose=False, optionflags=flags).run(test, out=said.append)
    sys.modules.pop("greet", None)
    assert not said, "".join(said)
