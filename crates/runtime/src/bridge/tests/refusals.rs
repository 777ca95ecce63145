//! What cannot be linked.

use super::{Room, exporting, web};

#[test]
fn what_does_not_fit_is_refused_when_it_is_loaded() {
    let room = Room::new();
    let good = exporting("test:x/b", "i32.const 1");
    let mut said = String::new();
    let imports =
        |functions: &str| format!(r#"(component (import "test:x/b" (instance {functions})))"#);
    let exports = |ty: &str| {
        format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "get") (param i32) (result i32) unreachable)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
                (core instance $i (instantiate $m))
                (func $get {ty} (canon lift (core func $i "get") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
                (instance $api (export "get" (func $get)))
                (export "test:x/b" (instance $api)))"#
        )
    };
    for (web, other) in [
        (web("test:x/b"), exporting("test:x/other", "i32.const 1")),
        (web("test:x/q"), good.clone()),
        (imports(r#"(export "more" (func))"#), good.clone()),
        (
            imports(r#"(export "get" (func (param "a" u32) (result s8)))"#),
            exports(r#"(param "a" u32) (result u32)"#),
        ),
        (
            imports(r#"(export "get" (func (param "a" u32) (result u32)))"#),
            exports(r#"(param "b" u32) (result u32)"#),
        ),
        (
            imports(r#"(export "get" (func (param "a" (tuple u8)) (result u32)))"#),
            exports(r#"(param "a" (tuple u16)) (result u32)"#),
        ),
        (
            imports(r#"(export "get" (func (param "a" u32)))"#),
            exports(r#"(param "a" u32) (result u32)"#),
        ),
        (
            imports(r#"(export "get" (func (param "a" (stream (tuple u8 u8))) (result u32)))"#),
            exports(r#"(param "a" (stream (tuple u8 u8))) (result u32)"#),
        ),
    ] {
        said += &room.refused(&web, &other);
        said.push_str("\n\n");
    }
    insta::assert_snapshot!(said);
}
