"""Functions that the engine cannot open: named when their component is loaded."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import holm
import pytest
from conftest import guest
from holm.__main__ import main

NAME = "holm:streams/flows@1.0.0.pairs"
WHY = (
    "its result holds a stream of `tuple<u32, u32>`, which the engine cannot open: "
    "only numbers, bool, char and string can move through one"
)


def test_each_is_named_when_it_is_loaded() -> None:
    with pytest.warns(holm.NotCallable) as warned:
        lib = holm.load(guest("streams-lab"))
    (warning,) = warned
    assert str(warning.message) == f"`{NAME}` of {guest('streams-lab')} cannot be called from Python: {WHY}"
    assert warning.filename == __file__
    assert lib.__not_callable__ == {NAME: WHY}
    # All others can be called.
    assert asyncio.run(lib.flows.add(1, 2)) == 3


def test_it_is_there_and_says_why() -> None:
    with pytest.warns(holm.NotCallable):
        lib = holm.load(guest("streams-lab"))
    assert "pairs" in dir(lib.flows)
    assert WHY in (inspect.getdoc(lib.flows.pairs) or "")
    with lib.instance() as instance:
        for function in (lib.flows.pairs, instance.flows.pairs):
            with pytest.raises(holm.WrongType, match="cannot be called from Python") as raised:
                function()
            assert isinstance(raised.value, TypeError)
            assert WHY in str(raised.value)


def test_strict_refuses_it_by_name() -> None:
    with pytest.raises(holm.LoadError) as raised:
        holm.load(guest("streams-lab"), strict=True)
    assert f"`{NAME}`: {WHY}" in raised.value.message
    assert raised.value.help
    assert holm.load(guest("greet"), strict=True).__not_callable__ == {}


def test_stubs_tell_of_it(tmp_path: Path) -> None:
    assert main(["stubs", str(guest("streams-lab")), "-o", str(tmp_path)]) == 0
    text = (tmp_path / "streams_lab" / "flows.pyi").read_text()
    assert "def pairs" not in text
    assert f"# pairs: async func() -> stream<tuple<u32, u32>>: cannot be called from Python: {WHY}\n" in text
