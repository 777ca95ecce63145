;; What `cargo xtask bench calls` calls: functions that do as little as can be, so that what is measured
;; is the way to them. Its allocator counts up, and begins anew after each call.
(component
  (core module $m
    (memory (export "memory") 512)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and
        (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $at) (local.get $new)))
      (local.get $at))
    (func $again (global.set $next (i32.const 1024)))
    (func (export "nothing"))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "length") (param $at i32) (param $length i32) (result i32)
      call $again
      (local.get $length))
    (func (export "sum") (param $at i32) (param $count i32) (result f64)
      (local $sum f64) (local $end i32)
      call $again
      (local.set $end (i32.add (local.get $at) (i32.shl (local.get $count) (i32.const 3))))
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (local.set $sum (f64.add (local.get $sum) (f64.load (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next)))
      (local.get $sum))
    ;; A record of that size is passed in memory, and so it is given back: by its address.
    (func (export "same") (param $at i32) (result i32) (local.get $at))
    (func (export "same-done") (param i32) call $again))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))

  (type $color' (enum "red" "green" "sky-blue"))
  (import "color" (type $color (eq $color')))
  (type $may' (flags "read" "write" "run"))
  (import "may" (type $may (eq $may')))
  (type $form' (record
    (field "truth" bool) (field "small" s8) (field "byte" u8) (field "short" s16) (field "word" u16)
    (field "int" s32) (field "count" u32) (field "long" s64) (field "size" u64) (field "single" f32)
    (field "double" f64) (field "letter" char) (field "text" string) (field "name" string)
    (field "raw" (list u8)) (field "numbers" (list s32)) (field "color" $color) (field "may" $may)
    (field "maybe" (option u32)) (field "last" u32)))
  (import "form" (type $form (eq $form')))

  (func (export "nothing") (canon lift (core func $i "nothing")))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (func (export "length") (param "text" string) (result u32)
    (canon lift (core func $i "length") (memory $memory) (realloc $realloc)))
  (func (export "sum") (param "values" (list f64)) (result f64)
    (canon lift (core func $i "sum") (memory $memory) (realloc $realloc)))
  (func (export "same") (param "form" $form) (result $form)
    (canon lift (core func $i "same") (memory $memory) (realloc $realloc)
      (post-return (core func $i "same-done")))))
