;; The leanest HTTP service there can be: no allocator, no adapter, seven calls of the host. What it
;; answers, how long it sleeps first, and a constant that makes its code its own, are filled in.
(module
  (type $i_i (func (param i32) (result i32)))
  (type $ii (func (param i32 i32)))
  (import "{types}" "[constructor]fields" (func $fields (result i32)))
  (import "{types}" "[constructor]outgoing-response" (func $response (type $i_i)))
  (import "{types}" "[method]outgoing-response.body" (func $body (type $ii)))
  (import "{types}" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "{types}" "[method]outgoing-body.write" (func $write (type $ii)))
  (import "{types}" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "{types}" "[resource-drop]incoming-request" (func $drop-request (param i32)))
  (import "{streams}" "[method]output-stream.blocking-write-and-flush"
    (func $say (param i32 i32 i32 i32)))
  (import "{streams}" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  {imports}
  (memory (export "memory") 1)
  (data (i32.const 1024) "{answer}")
  (func (export "{handler}#handle") (param $request i32) (param $out i32)
    (local $r i32) (local $b i32) (local $s i32)
    {before}
    (call $drop-request (local.get $request))
    (local.set $r (call $response (call $fields)))
    (call $body (local.get $r) (i32.const 16))
    (local.set $b (i32.load (i32.const 20)))
    (call $set (local.get $out) (i32.const 0) (local.get $r) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (local.get $b) (i32.const 16))
    (local.set $s (i32.load (i32.const 20)))
    (call $say (local.get $s) (i32.const 1024) (i32.const {length}) (i32.const 16))
    (call $drop-stream (local.get $s))
    (call $finish (local.get $b) (i32.const 0) (i32.const 0) (i32.const 16)))
  (func (export "own") (result i32) (i32.const {own}))
  ;; Only names in errors are ever put here.
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (global.get $next) (i32.const 65536)) (then unreachable))
    (local.get $at)))
