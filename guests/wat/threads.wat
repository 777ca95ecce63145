;; Four threads, by wasi-threads: each adds its number to a sum, main waits for all of them.
;; Prints "threads ok"; exit code 1: wrong sum, 2: a thread could not be started, 3: waited too long.
(module
  (import "env" "memory" (memory 1 2 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (export "memory" (memory 0)) ;; WASI looks for it under this name

  ;; 0: the sum, 4: how many are done, 16: an iovec, 32: the text
  (data (i32.const 16) "\20\00\00\00\0b\00\00\00")
  (data (i32.const 32) "threads ok\n")

  (func (export "wasi_thread_start") (param $id i32) (param $number i32)
    (drop (i32.atomic.rmw.add (i32.const 0) (local.get $number)))
    (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 4) (i32.const 1))))

  (func (export "_start") (local $i i32) (local $done i32)
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (if (i32.lt_s (call $spawn (local.get $i)) (i32.const 1))
        (then (call $proc_exit (i32.const 2))))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 4))))
    (loop $wait
      (local.set $done (i32.atomic.load (i32.const 4)))
      (if (i32.ne (local.get $done) (i32.const 4))
        (then
          ;; 2 is "timed out", after ten seconds
          (if (i32.eq (i32.const 2)
                (memory.atomic.wait32 (i32.const 4) (local.get $done) (i64.const 10_000_000_000)))
            (then (call $proc_exit (i32.const 3))))
          (br $wait))))
    (if (i32.ne (i32.atomic.load (i32.const 0)) (i32.const 10))
      (then (call $proc_exit (i32.const 1))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
