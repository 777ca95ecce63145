;; Vector instructions, relaxed ones among them.
;; Prints "simd ok"; exit code 1: dot product, 2: shuffle, 3: relaxed multiply-add.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\20\00\00\00\08\00\00\00")
  (data (i32.const 32) "simd ok\n")
  (data (i32.const 64) "\01\00\02\00\03\00\04\00\05\00\06\00\07\00\08\00")

  (func $dot (result i32) (local $products v128)
    (local.set $products (i32x4.dot_i16x8_s (v128.load (i32.const 64)) (v128.load (i32.const 64))))
    (i32.add
      (i32.add (i32x4.extract_lane 0 (local.get $products)) (i32x4.extract_lane 1 (local.get $products)))
      (i32.add (i32x4.extract_lane 2 (local.get $products)) (i32x4.extract_lane 3 (local.get $products)))))

  (func (export "_start")
    (if (i32.ne (call $dot) (i32.const 204))
      (then (call $proc_exit (i32.const 1))))
    (if (i32.ne (i32.const 0x0d0e0f10)
          (i32x4.extract_lane 0
            (i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0
              (v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
              (v128.const i64x2 0 0))))
      (then (call $proc_exit (i32.const 2))))
    (if (f32.ne (f32.const 7)
          (f32x4.extract_lane 3
            (f32x4.relaxed_madd
              (f32x4.splat (f32.const 2)) (f32x4.splat (f32.const 3)) (f32x4.splat (f32.const 1)))))
      (then (call $proc_exit (i32.const 3))))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
