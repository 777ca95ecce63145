;; A command made for a WASI that is not there yet: the interface is known, its version is not.
(component
  (import "wasi:cli/environment@0.9.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (core module $memory
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (core func $get_arguments (canon lower (func $environment "get-arguments")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $main
    (import "environment" "get-arguments" (func $get_arguments (param i32)))
    (func (export "run") (result i32)
      (call $get_arguments (i32.const 16))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "environment" (instance (export "get-arguments" (func $get_arguments))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
