;; Garbage collection: structs, arrays, i31, casts, and enough garbage to be collected.
;; Prints "gc ok"; exit code 1: a list is wrong, 2: an array is wrong, 3: a cast is wrong.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\20\00\00\00\06\00\00\00")
  (data (i32.const 32) "gc ok\n")

  (type $node (struct (field $value i32) (field $next (ref null $node))))
  (type $numbers (array (mut i64)))

  ;; a list n, n-1, .., 1
  (func $list (param $n i32) (result (ref null $node)) (local $i i32) (local $head (ref null $node))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (local.set $head (struct.new $node (local.get $i) (local.get $head)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $head))

  (func $sum (param $at (ref null $node)) (result i32) (local $sum i32)
    (block $end
      (loop $next
        (br_if $end (ref.is_null (local.get $at)))
        (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $at))))
        (local.set $at (struct.get $node $next (local.get $at)))
        (br $next)))
    (local.get $sum))

  (func $array_sum (result i64) (local $numbers (ref $numbers)) (local $i i32) (local $sum i64)
    (local.set $numbers (array.new $numbers (i64.const 7) (i32.const 100)))
    (array.set $numbers (local.get $numbers) (i32.const 99) (i64.const 1000))
    (loop $next
      (local.set $sum
        (i64.add (local.get $sum) (array.get $numbers (local.get $numbers) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (array.len (local.get $numbers)))))
    (local.get $sum))

  ;; 1 for an i31, 2 for a node, 0 for anything else
  (func $kind (param $thing anyref) (result i32)
    (if (ref.test (ref i31) (local.get $thing)) (then (return (i32.const 1))))
    (if (ref.test (ref $node) (local.get $thing)) (then (return (i32.const 2))))
    (i32.const 0))

  (func (export "_start") (local $round i32)
    ;; 200 lists of 1000 nodes, each forgotten at once
    (loop $again
      (if (i32.ne (call $sum (call $list (i32.const 1000))) (i32.const 500500))
        (then (call $proc_exit (i32.const 1))))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $round) (i32.const 200))))
    (if (i64.ne (call $array_sum) (i64.const 1693))
      (then (call $proc_exit (i32.const 2))))
    (if (i32.ne (call $kind (ref.i31 (i32.const 5))) (i32.const 1))
      (then (call $proc_exit (i32.const 3))))
    (if (i32.ne (call $kind (call $list (i32.const 1))) (i32.const 2))
      (then (call $proc_exit (i32.const 3))))
    (if (i32.ne (call $kind (array.new_default $numbers (i32.const 1))) (i32.const 0))
      (then (call $proc_exit (i32.const 3))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
