//! The `id` of a message that cannot be read: whoever sent it waits for an answer by that name.

use serde_json::Value;

/// Longest `id` that is found, in bytes.
const ID_MAX: usize = 256;

/// Finds the `id` of a message in its bytes, as they come, whatever else is wrong with it: the value of
/// that key of the outermost object.
#[derive(Debug, Default)]
pub(super) struct IdScan {
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// Of the outermost object: a key, or a value.
    in_value: bool,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    found: Option<Value>,
}

impl IdScan {
    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.found.is_some() {
                return;
            }
            self.byte(*byte);
        }
    }

    /// What was found, now that the message has ended.
    pub fn finish(mut self) -> Option<Value> {
        self.end_of_value();
        self.found
    }

    fn byte(&mut self, byte: u8) {
        let outermost = self.depth == 1;
        if !self.in_text && outermost && matches!(byte, b',' | b'}') {
            self.end_of_value();
            self.in_value = false;
        }
        if let Some(value) = &mut self.value {
            value.push(byte);
            if value.len() > ID_MAX {
                self.value = None;
            }
        }
        if self.in_text {
            if outermost && !self.in_value && byte != b'"' && self.key.len() <= b"id".len() {
                self.key.push(byte);
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                if outermost && !self.in_value {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                // What is no object has no keys.
                self.in_value |= self.depth == 1 && byte == b'[';
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if outermost && !self.in_value => {
                self.in_value = true;
                self.value = (self.key == b"id").then(Vec::new);
            }
            _ => {}
        }
    }

    fn end_of_value(&mut self) {
        let value = self.value.take();
        let value = value.and_then(|value| serde_json::from_slice(&value).ok());
        self.found =
            self.found
                .take()
                .or(value
                    .filter(|value: &Value| value.is_string() || value.is_i64() || value.is_u64()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(text: &str) -> Option<Value> {
        let mut scan = IdScan::default();
        scan.feed(text.as_bytes());
        scan.finish()
    }

    #[test]
    fn the_id_of_a_message() {
        for (text, id) in [
            (r#"{"id": 7, "method": "x"}"#, Some(json!(7))),
            (r#"{"method":"x","id":"a,}b"}"#, Some(json!("a,}b"))),
            (r#"{"params": {"id": 1}, "id": 2}"#, Some(json!(2))),
            (
                r#"{"params": ["\"id\": 1, {", "}"], "id": 3"#,
                Some(json!(3)),
            ),
            (r#"{"a": "id", "b": 1, "idx": 4}"#, None),
            (r#"{"id": null}"#, None),
            (r#"{"id": {"id": 1}}"#, None),
            (r#"{"id": 1.5}"#, None),
            (r#"[{"id": 1}]"#, None),
            (r#"["id", 1]"#, None),
            ("", None),
            ("no json", None),
        ] {
            assert_eq!(found(text), id, "{text}");
        }
    }

    #[test]
    fn it_finds_what_a_reader_finds_and_never_panics() {
        let words = ["\"id\":", "{", "}", "[", "]", ",", "\\\"", ":", "1"];
        crate::fuzz::bytes("request-id", &words, |bytes| {
            let mut scan = IdScan::default();
            bytes.chunks(3).for_each(|part| scan.feed(part));
            let found = scan.finish();
            // Of a key that is there twice a reader keeps the last, and we the first.
            let twice = bytes.windows(4).filter(|w| w == b"\"id\"").count() > 1;
            let escaped = bytes.contains(&b'\\');
            if let Ok(Value::Object(map)) = serde_json::from_slice(bytes)
                && !twice
                && !escaped
            {
                let id = map
                    .get("id")
                    .filter(|v| v.is_string() || v.is_i64() || v.is_u64());
                if id.is_none_or(|id| id.to_string().len() < ID_MAX) {
                    assert_eq!(found.as_ref(), id);
                }
            }
        });
    }
}
