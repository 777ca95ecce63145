;; Functions whose names differ in nothing but the marks between their words, and two interfaces of one
;; name: what is called by its last words alone is called like another.
(component
  (core module $m
    (func (export "one") (result i32) (i32.const 1))
    (func (export "two") (result i32) (i32.const 2))
    (func (export "three") (result i32) (i32.const 3)))
  (core instance $i (instantiate $m))
  (func $one (result u32) (canon lift (core func $i "one")))
  (func $two (result u32) (canon lift (core func $i "two")))
  (func $three (result u32) (canon lift (core func $i "three")))
  (instance $t (export "b" (func $one)))
  (instance $u (export "b" (func $two)))
  (export "t:t/a" (instance $t))
  (export "u:u/a" (instance $u))
  (export "t-t-a-b" (func $three)))
