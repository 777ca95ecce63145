;; A command that needs an interface which no host has: to be refused when it is loaded, with its name.
(component
  (import "wasi:frobnicate/x@0.1.0" (instance $x
    (export "frob" (func (param "n" u32) (result u32)))))
  (core func $frob (canon lower (func $x "frob")))
  (core module $main
    (import "x" "frob" (func $frob (param i32) (result i32)))
    (func (export "run") (result i32)
      (drop (call $frob (i32.const 1)))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "x" (instance (export "frob" (func $frob))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))
