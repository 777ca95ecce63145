;; Two memories: the text lies in the second and is copied to the first, which WASI sees.
;; Prints "multi-memory ok"; exit code 1: the memories are not apart.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory $seen (export "memory") 1)
  (memory $hidden 1)
  (data (memory $seen) (i32.const 16) "\20\00\00\00\10\00\00\00")
  (data (memory $hidden) (i32.const 32) "multi-memory ok\n")

  (func (export "_start")
    (if (i32.load $seen (i32.const 32)) (then (call $proc_exit (i32.const 1))))
    (memory.copy $seen $hidden (i32.const 32) (i32.const 32) (i32.const 16))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
