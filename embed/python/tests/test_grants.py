"""Grants that Python gives: what they allow works, and nothing else does."""

from __future__ import annotations

import importlib
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import holm
import pytest
from conftest import guest


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file.txt").write_text("in the folder")
    (tmp_path / "other.txt").write_text("beside it")
    return tmp_path


def reaches(**more: Any) -> Any:
    """A component that looks at its surroundings."""
    return holm.load(guest("link-callee"), **more).api


def test_nothing_is_there_without(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "the host")
    api = reaches(base=base)
    assert api.variable("WHO") is None
    for path in ("data/file.txt", "/data/file.txt", str(base / "data" / "file.txt")):
        with pytest.raises(holm.Err, match="entity not found"):
            api.file(path)


def test_variables_and_folders(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "the host")
    grants = {"env": {"WHO": "Python"}, "dirs": {"/data": {"path": "data", "access": "read"}}}
    api = reaches(base=base, grants=grants)
    assert (api.variable("WHO"), api.variable("HOME")) == ("Python", None)
    assert api.file("/data/file.txt") == "in the folder"
    for path, why in (("/data/nothing", "entity not found"), ("/data/../other.txt", "permission denied"), ("/etc/passwd", "entity not found")):
        with pytest.raises(holm.Err, match=why):
            api.file(path)
    # Without `base` a path begins in the current folder.
    monkeypatch.chdir(base / "data")
    here = reaches(grants={"dirs": {"/here": {"path": ".", "access": "read"}}})
    assert here.file("/here/file.txt") == "in the folder"
    with pytest.raises(holm.Err):
        here.file("/data/file.txt")
    with pytest.raises(holm.LoadError, match="nowhere"):
        reaches(base=base, grants={"dirs": {"/data": {"path": "nowhere", "access": "read"}}})


class Answers(BaseHTTPRequestHandler):
    """Answers that all is well."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_origin(server: int) -> None:
    api = reaches(grants={"http": [f"http://127.0.0.1:{server}"]})
    assert api.fetch(f"127.0.0.1:{server}") == 204
    for other in (f"localhost:{server}", f"127.0.0.1:{server + 1}"):
        with pytest.raises(holm.Err, match="HttpRequestDenied|denied"):
            api.fetch(other)


def test_of_what_is_imported_by_name(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(guest("link-callee"), base / "surroundings.wasm")
    monkeypatch.syspath_prepend(base)
    monkeypatch.chdir(base)
    grants = {"env": {"WHO": "imported"}, "dirs": {"/data": {"path": "data", "access": "read"}}}
    holm.install(grants={"surroundings": grants, "another": {"env": {"WHO": "another"}}})
    try:
        api = importlib.import_module("surroundings").api
    finally:
        holm.uninstall()
        for name in [n for n in sys.modules if n.partition(".")[0] == "surroundings"]:
            del sys.modules[name]
    assert (api.variable("WHO"), api.file("/data/file.txt")) == ("imported", "in the folder")


#: Puts into a key-value store and gets out of it.
STORES = """(component
  (import "wasi:keyvalue/store@0.2.0-draft" (instance $store
    (export "bucket" (type $bucket (sub resource)))
    (type $e (variant (case "no-such-store") (case "access-denied") (case "other" string)))
    (export "error" (type $error (eq $e)))
    (export "open" (func (param "identifier" string) (result (result (own $bucket) (error $error)))))
    (export "[method]bucket.get" (func (param "self" (borrow $bucket)) (param "key" string)
      (result (result (option (list u8)) (error $error)))))
    (export "[method]bucket.set" (func (param "self" (borrow $bucket)) (param "key" string) (param "value" (list u8))
      (result (result (error $error)))))))
  (alias export $store "bucket" (type $bucket))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "default")
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $open (canon lower (func $store "open") (memory $m) (realloc $realloc)))
  (core func $get (canon lower (func $store "[method]bucket.get") (memory $m) (realloc $realloc)))
  (core func $set (canon lower (func $store "[method]bucket.set") (memory $m) (realloc $realloc)))
  (core func $drop (canon resource.drop $bucket))
  (core module $code
    (import "" "memory" (memory 1))
    (import "" "open" (func $open (param i32 i32 i32)))
    (import "" "get" (func $get (param i32 i32 i32 i32)))
    (import "" "set" (func $set (param i32 i32 i32 i32 i32 i32)))
    (import "" "drop" (func $drop (param i32)))
    (func $bucket (result i32)
      (call $open (i32.const 0) (i32.const 7) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then unreachable))
      (i32.load (i32.const 20)))
    (func (export "put") (param i32 i32 i32 i32) (local $in i32)
      (local.set $in (call $bucket))
      (call $set (local.get $in) (local.get 0) (local.get 1) (local.get 2) (local.get 3) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then unreachable))
      (call $drop (local.get $in)))
    (func (export "take") (param i32 i32) (result i32) (local $in i32)
      (local.set $in (call $bucket))
      (call $get (local.get $in) (local.get 0) (local.get 1) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then unreachable))
      (call $drop (local.get $in))
      (i32.const 36)))
  (core instance $code (instantiate $code (with "" (instance (export "memory" (memory $m)) (export "open" (func $open))
    (export "get" (func $get)) (export "set" (func $set)) (export "drop" (func $drop))))))
  (func (export "put") (param "key" string) (param "value" (list u8))
    (canon lift (core func $code "put") (memory $m) (realloc $realloc)))
  (func (export "take") (param "key" string) (result (option (list u8)))
    (canon lift (core func $code "take") (memory $m) (realloc $realloc)))
)"""


def test_a_store_and_where_it_lies(base: Path) -> None:
    file = base / "stores.wat"
    file.write_text(STORES)

    def stores(**more: Any) -> Any:
        return holm.load(file, grants={"keyvalue": ["default"]}, base=base, **more)

    with pytest.raises(holm.Denied, match="wasi:keyvalue"):
        holm.load(file, base=base)
    with pytest.raises(holm.Trap):
        holm.load(file, base=base, grants={"keyvalue": ["another"]}).take("key")
    one = stores(state=base / "state")
    assert one.take("key") is None
    one.put("key", b"kept \xff")
    assert one.take("key") == b"kept \xff"
    # Another place has nothing of it; nor has `.holm`, which is where they lie unless it is said.
    assert stores(state=base / "elsewhere").take("key") is None
    beside = stores()
    assert beside.take("key") is None
    beside.put("key", b"beside")
    assert (base / ".holm").is_dir() and (base / "state").is_dir()
    # It outlives whoever wrote it.
    del one, beside
    assert stores(state=base / "state").take("key") == b"kept \xff"
    assert stores().take("key") == b"beside"
