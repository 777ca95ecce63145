"""A component of an app: grants, limits and links are those of its manifest."""

from __future__ import annotations

import threading
from pathlib import Path

import holm
import pytest
from conftest import guest

#: Passes on what it is asked for to the component that it is linked to.
FRONT = """
(component
  (import "holm:linked/api@0.1.0" (instance $api
    (export "variable" (func (param "name" string) (result (option string))))
    (export "nothing" (func))
    (export "spin" (func))))
  (core module $Memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $Memory))
  (core func $variable (canon lower (func $api "variable")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $nothing (canon lower (func $api "nothing")))
  (core func $spin (canon lower (func $api "spin")))
  (core module $Front
    (import "api" "variable" (func $variable (param i32 i32 i32)))
    (import "api" "nothing" (func $nothing))
    (import "api" "spin" (func $spin))
    (export "nothing" (func $nothing))
    (export "spin" (func $spin))
    (func (export "variable") (param i32 i32) (result i32)
      (call $variable (local.get 0) (local.get 1) (i32.const 16))
      (i32.const 16)))
  (core instance $front (instantiate $Front (with "api" (instance
    (export "variable" (func $variable))
    (export "nothing" (func $nothing))
    (export "spin" (func $spin))))))
  (func (export "nothing") (canon lift (core func $front "nothing")))
  (func (export "spin") (canon lift (core func $front "spin")))
  (func (export "variable") (param "name" string) (result (option string))
    (canon lift (core func $front "variable")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
"""

MANIFEST = """
name = "linked"

[component.front]
source = "front.wat"
imports = { "holm:linked/api" = "shop" }
grants = { env = { WHO = "front" } }

[component.shop]
source = "shop.wasm"
grants = { env = { WHO = "shop" } }
limits = { cpu = "100 ms" }
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "front.wat").write_text(FRONT)
    (tmp_path / "shop.wasm").symlink_to(guest("link-callee"))
    (tmp_path / "holm.toml").write_text(MANIFEST)
    return tmp_path


def test_each_side_has_its_own_grants_and_limits(app: Path) -> None:
    for path in (app, app / "holm.toml"):
        front = holm.load(path, component="front")
        assert front.__name__ == "front"
        assert front.variable("WHO") == "shop"
        assert front.variable("HOME") is None
    with pytest.raises(holm.LimitReached, match="shop used up its CPU time") as raised:
        front.spin()
    assert raised.value.limit == "cpu"
    # That instance is gone, and another one takes the next call.
    assert front.variable("WHO") == "shop"
    # Alone it has its own.
    shop = holm.load(app, component="shop")
    assert shop.api.variable("WHO") == "shop"


def test_threads_call_it_at_once(app: Path) -> None:
    front = holm.load(app, component="front")
    said: list[str] = []

    def calls() -> None:
        for _ in range(50):
            front.nothing()
        said.append(front.variable("WHO"))

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["shop"] * 8


def test_one_instance_of_it_keeps_on(app: Path) -> None:
    with holm.load(app, component="front").instance() as front:
        assert [front.variable("WHO") for _ in range(3)] == ["shop"] * 3


def test_what_is_wrong_is_said(app: Path) -> None:
    def refused(**more: object) -> holm.LoadError:
        with pytest.raises(holm.LoadError) as raised:
            holm.load(app, **more)  # type: ignore[arg-type]
        return raised.value

    assert "say which one" in str(refused())
    assert "did you mean `front`?" in str(refused(component="frnt"))
    assert "limits of its components are in its manifest" in str(refused(component="front", limits={}))
    with pytest.raises(holm.LoadError, match="component alone"):
        holm.load(app / "shop.wasm", component="shop")
    text = MANIFEST.replace("grants = { env = { WHO = \"shop\" } }", "grants = { envy = [] }")
    (app / "holm.toml").write_text(text)
    assert "envy" in str(refused(component="front"))
    (app / "holm.toml").write_text(MANIFEST)
    (app / "shop.wasm").unlink()
    assert "shop" in str(refused(component="front"))
