;; A memory with 64-bit addresses. WASI still takes 32-bit ones, which is enough for the text.
;; Prints "memory64 ok"; exit code 1: it cannot grow, 2: a value is lost, 3: wrong size.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") i64 1 16)
  (data (i64.const 16) "\20\00\00\00\0c\00\00\00")
  (data (i64.const 32) "memory64 ok\n")

  (func (export "_start") (local $at i64)
    (if (i64.ne (memory.grow (i64.const 3)) (i64.const 1))
      (then (call $proc_exit (i32.const 1))))
    (local.set $at (i64.const 0x30000))
    (i64.store offset=8 (local.get $at) (i64.const 0x1122334455667788))
    (if (i64.ne (i64.load (i64.add (local.get $at) (i64.const 8))) (i64.const 0x1122334455667788))
      (then (call $proc_exit (i32.const 2))))
    (if (i64.ne (memory.size) (i64.const 4))
      (then (call $proc_exit (i32.const 3))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
