;; A component that has its docs with it, in the section that most toolchains drop.
(component
  (core module $m
    (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "answer")))
  (@custom "package-docs" "\01{\"worlds\":{\"root\":{\"docs\":\"Answers to questions.\",\"funcs\":{\"answer\":{\"docs\":\"The answer to all of them.\"}}}}}"))
