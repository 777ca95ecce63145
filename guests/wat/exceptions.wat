;; Exceptions: throw, try_table, catch, catch_all_ref and throw_ref.
;; Prints "exceptions ok"; exit code 1: caught wrongly, 2: not thrown on, 3: not caught by its tag.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\20\00\00\00\0e\00\00\00")
  (data (i32.const 32) "exceptions ok\n")

  (tag $number (param i32))
  (tag $other)

  (func $thrower (param $depth i32)
    (if (i32.eqz (local.get $depth)) (then (throw $number (i32.const 42))))
    (call $thrower (i32.sub (local.get $depth) (i32.const 1))))

  ;; what was thrown ten calls down
  (func $catch (result i32)
    (block $caught (result i32)
      (try_table (catch $number $caught)
        (call $thrower (i32.const 10)))
      (i32.const 0)))

  ;; catches anything and throws it on
  (func $pass_on
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught)
        (call $thrower (i32.const 3)))
      (return))
    (throw_ref))

  (func $catch_passed_on (result i32)
    (block $caught (result i32)
      (try_table (catch $number $caught) (call $pass_on))
      (i32.const 0)))

  ;; a tag that is not asked for goes by
  (func $by_tag (result i32)
    (block $other
      (block $number (result i32)
        (try_table (catch $number $number) (catch $other $other) (throw $other))
        (i32.const 0))
      (return))
    (i32.const 1))

  (func (export "_start")
    (if (i32.ne (call $catch) (i32.const 42)) (then (call $proc_exit (i32.const 1))))
    (if (i32.ne (call $catch_passed_on) (i32.const 42)) (then (call $proc_exit (i32.const 2))))
    (if (i32.ne (call $by_tag) (i32.const 1)) (then (call $proc_exit (i32.const 3))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
