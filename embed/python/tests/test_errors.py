"""What goes wrong, and how it is told."""

from __future__ import annotations

import asyncio
import pickle
import time
from pathlib import Path
from typing import Any

import holm
import pytest
from conftest import Host, guest, lab_with

#: More than there are registers.
PADDING = 17


def test_a_trap_has_a_backtrace(lab: Any) -> None:
    with pytest.raises(holm.Trap, match="unreachable") as caught:
        lab.work.fail("on purpose")
    assert len(caught.value.backtrace) > 3
    assert all(isinstance(frame, holm.Frame) for frame in caught.value.backtrace)
    # The module goes on: another instance takes its place.
    assert lab.greet("Ada") == "Hello, Ada!"
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.backtrace == caught.value.backtrace


#: Each of its functions breaks down at the same place, and has its name from the text.
BREAKS = """(component
  (type $bytes (stream u8))
  (core func $new (canon stream.new $bytes))
  (core func $return (canon task.return (result $bytes)))
  (core module $code
    (import "" "new" (func $new (result i64)))
    (import "" "return" (func $return (param i32)))
    (func $innermost unreachable)
    (func $middle (call $innermost))
    (func $plain (export "plain") (call $middle))
    (func $later (export "later") (result i32) (call $middle) (i32.const 0))
    (func $flowing (export "flowing") (result i32)
      (call $return (i32.wrap_i64 (call $new)))
      ;; It is polled again, and has nothing to wait for.
      (i32.const 1))
    (func $resumed (export "callback") (param i32 i32 i32) (result i32) (call $middle) (i32.const 0)))
  (core instance $code (instantiate $code (with "" (instance
    (export "new" (func $new)) (export "return" (func $return))))))
  (alias core export $code "callback" (core func $callback))
  (func (export "plain") (canon lift (core func $code "plain")))
  (func (export "later") async (canon lift (core func $code "later") async (callback $callback)))
  (func (export "flowing") async (result $bytes)
    (canon lift (core func $code "flowing") async (callback $callback)))
)"""


def test_a_backtrace_names_its_functions(tmp_path: Path) -> None:
    file = tmp_path / "breaks.wat"
    file.write_text(BREAKS)
    breaks: Any = holm.load(file)

    def names(caught: pytest.ExceptionInfo[holm.Trap]) -> list[str]:
        return [frame.function for frame in caught.value.backtrace]

    with pytest.raises(holm.Trap, match="at innermost") as caught:
        breaks.plain()
    assert names(caught) == ["innermost", "middle", "plain"]

    async def main() -> None:
        with pytest.raises(holm.Trap) as caught:
            await breaks.later()
        assert names(caught) == ["innermost", "middle", "later"]
        # After its result was handed on: told by the stream.
        with pytest.raises(holm.Trap) as caught:
            _ = [byte async for byte in await breaks.flowing()]
        assert names(caught) == ["innermost", "middle", "resumed"]

    asyncio.run(main())


def test_a_component_that_ends_itself() -> None:
    # WASI 0.2 tells well from badly, and no more.
    api = holm.load(guest("link-callee")).api
    for given, code in ((0, 0), (3, 1)):
        with pytest.raises(holm.Exited, match=f"ended the program with exit code {code}") as caught:
            api.exit(given)
        assert caught.value.code == code
        again = pickle.loads(pickle.dumps(caught.value))
        assert isinstance(again, holm.Exited) and again.code == code
        # The module goes on: another instance takes its place.
        assert api.alive() == 0


def test_limits(lab: Any) -> None:
    short = lab_with(Host(), limits={"cpu": "100 ms"})
    with pytest.raises(holm.LimitReached, match="CPU") as cpu:
        short.work.spin()
    assert cpu.value.limit == "cpu"
    short = lab_with(Host(), limits={"timeout": "200 ms", "cpu": "none"})
    began = time.monotonic()
    with pytest.raises(holm.LimitReached) as timeout:
        short.work.spin()
    assert timeout.value.limit == "timeout" and time.monotonic() - began < 30
    small = lab_with(Host(), limits={"memory": "8 MiB"})
    with pytest.raises(holm.LimitReached) as memory:
        small.work.grow()
    assert memory.value.limit == "memory"
    assert small.greet("Ada") == "Hello, Ada!"


@pytest.mark.parametrize(
    ("grants", "limits", "words"),
    [
        ({"htpp": ["https://example.com"]}, {}, "unknown grant `htpp`"),
        ({"http": 3}, {}, "http"),
        ({"http": [3]}, {}, "http"),
        ({"http": {1, 2}}, {}, r"grants\.http: expected text"),
        ({"dirs": {"/data": {"path": object()}}}, {}, r"grants\.dirs\./data\.path: expected text"),
        ({}, {"memory": "lots"}, "memory"),
        ({}, {"memroy": "1 MiB"}, "memroy"),
        ({}, {"memory": 2**70}, r"limits\.memory: it does not fit into 64 bits"),
        ({}, {"timeout": "0 s"}, "timeout"),
    ],
)
def test_grants_and_limits_are_checked(grants: Any, limits: Any, words: str) -> None:
    with pytest.raises(holm.LoadError, match=words):
        holm.load(guest("greet"), grants=grants, limits=limits)


def test_a_dict_that_holds_itself() -> None:
    grants: dict[str, Any] = {}
    grants["env"] = grants
    with pytest.raises(holm.LoadError, match="it nests too deep"):
        holm.load(guest("greet"), grants=grants)


def test_files_that_are_no_components(tmp_path: Path) -> None:
    with pytest.raises(holm.LoadError, match="does not exist"):
        holm.load(tmp_path / "nothing.wasm")
    with pytest.raises(holm.LoadError, match="is a folder"):
        holm.load(tmp_path)
    rubbish = tmp_path / "rubbish.wasm"
    rubbish.write_bytes(b"\0asm\r\0\1\0 rubbish")
    with pytest.raises(holm.LoadError):
        holm.load(rubbish)
    with pytest.raises(holm.LoadError, match="core module"):
        holm.load(guest("hello-p1"))
    with pytest.raises(TypeError):
        holm.load(3)  # type: ignore[arg-type]


def test_a_grant_that_is_missing() -> None:
    with pytest.raises(holm.Denied, match="wasi:keyvalue") as caught:
        holm.load(guest("guestbook"))
    assert [denial.grant for denial in caught.value.denials] == ["keyvalue"]
    assert "keyvalue = " in str(caught.value)


def test_every_error_is_an_error() -> None:
    kinds = [holm.Closed, holm.Denied, holm.Err, holm.Exited, holm.InternalError, holm.LimitReached]
    kinds += [holm.LoadError, holm.ReentryError, holm.Trap, holm.WrongType, holm.WrongValue]
    assert all(issubclass(kind, holm.Error) for kind in kinds)
    assert issubclass(holm.WrongType, TypeError) and issubclass(holm.WrongValue, ValueError)
    assert holm.Err("a") == holm.Err("a") != holm.Err("b")
    assert repr(holm.Err()) == "Err()" and repr(holm.Err(3)) == "Err(3)"
    again = pickle.loads(pickle.dumps(holm.Err(3)))
    assert again == holm.Err(3)


def test_a_hundred_megabytes(lab: Any) -> None:
    data = bytes(100 << 20)
    with pytest.raises(holm.Error):
        lab_with(Host(), limits={"memory": "64 MiB"}).echo.raw(data)
    roomy = lab_with(Host(), limits={"memory": "1 GiB", "call_data": "512 MiB"})
    assert len(roomy.echo.raw(data)) == len(data)
    assert len(roomy.work.zeros(100 << 20)) == 100 << 20
    with pytest.raises(holm.LimitReached) as caught:
        lab_with(Host(), limits={"call_data": "1 MiB"}).work.zeros(100 << 20)
    assert caught.value.limit == "call_data"
    with pytest.raises(holm.WrongType, match=r"v\[99\]"):
        lab.echo.raw([0] * 99 + ["x"] + [0] * (10 << 20))


def nested(depth: int) -> str:
    """A component that gives back what it takes, in memory: a tuple in a tuple, and so on."""
    types = ["(type $t0 (tuple u8))", *(f"(type $t{n} (tuple $t{n - 1} u8))" for n in range(1, depth))]
    return f"""(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "f") (param i32) (result i32) (local.get 0)))
  (core instance $i (instantiate $m))
  {" ".join(types)}
  (type $padded (tuple {"u8 " * PADDING} $t{depth - 1}))
  (func (export "f") (param "v" $padded) (result $padded)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"""


def test_deep_nesting(tmp_path: Path) -> None:
    file = tmp_path / "deep.wat"
    file.write_text(nested(90))
    value: Any = (7,)
    for _ in range(89):
        value = (value, 1)
    padding = tuple(range(PADDING))
    deep: Any = holm.load(file)
    assert deep.f((*padding, value)) == (*padding, value)
    with pytest.raises(holm.WrongType, match=r"v\[17\](\[0\]){90}: expected u8, got 'x'"):
        text: Any = ("x",)
        for _ in range(89):
            text = (text, 1)
        deep.f((*padding, text))
    for depth in (200, 20_000):
        file.write_text(nested(depth))
        with pytest.raises(holm.LoadError, match="nesting is too deep"):
            holm.load(file)


def test_a_list_that_holds_itself(lab: Any) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(holm.WrongType, match=r"v\[0\]\[0\]: expected u16"):
        lab.echo.table(endless)
