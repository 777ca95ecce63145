;; Tail calls, direct and through a table: a million deep, without filling the stack.
;; Prints "tail calls ok"; exit code 1: direct ones are wrong, 2: those through a table.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\20\00\00\00\0e\00\00\00")
  (data (i32.const 32) "tail calls ok\n")

  (type $test (func (param i32) (result i32)))
  (table funcref (elem $even_by_table $odd_by_table))

  (func $even (type $test)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
  (func $odd (type $test)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (return_call $even (i32.sub (local.get 0) (i32.const 1))))

  (func $even_by_table (type $test)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (return_call_indirect (type $test) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
  (func $odd_by_table (type $test)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (return_call_indirect (type $test) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))

  (func (export "_start")
    (if (i32.ne (call $even (i32.const 1_000_000)) (i32.const 1))
      (then (call $proc_exit (i32.const 1))))
    (if (i32.ne (call $odd_by_table (i32.const 1_000_000)) (i32.const 0))
      (then (call $proc_exit (i32.const 2))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
