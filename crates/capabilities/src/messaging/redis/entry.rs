//! A message as an entry of a stream: a field for its data, and one for each thing that is known of it.

use super::super::message::Message;
use redis::Value;

const DATA: &str = "data";
const CONTENT_TYPE: &str = "content-type";
const REPLY_TO: &str = "reply-to";
/// What the names of its metadata begin with.
const METADATA: &str = "meta:";

/// An entry of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number, as the server writes it.
    pub(super) id: String,
    /// What it says.
    pub(super) message: Message,
}

/// The fields of a message.
pub(super) fn fields(message: &Message) -> Vec<(String, &[u8])> {
    let mut fields = vec![(DATA.to_owned(), message.data.as_slice())];
    let more = [
        (CONTENT_TYPE, &message.content_type),
        (REPLY_TO, &message.reply_to),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            fields.push((name.to_owned(), value.as_bytes()));
        }
    }
    for (name, value) in &message.metadata {
        fields.push((format!("{METADATA}{name}"), value.as_bytes()));
    }
    fields
}

/// The entries in the answer to a question about one stream.
pub(super) fn of_streams(answer: Value) -> Vec<Entry> {
    // By name of the stream: pairs in the protocol's second version, a map in its third.
    let entries = match answer {
        Value::Array(streams) => match streams.into_iter().next() {
            Some(Value::Array(pair)) => pair.into_iter().nth(1),
            _ => None,
        },
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        _ => None,
    };
    entries.map(of_list).unwrap_or_default()
}

/// The entry in the answer to a claim, and how far the server has looked.
pub(super) fn of_claim(answer: Value) -> (Option<String>, Option<Entry>) {
    let Value::Array(parts) = answer else {
        return (None, None);
    };
    let mut parts = parts.into_iter();
    let cursor = parts.next().and_then(bytes);
    let cursor = cursor.and_then(|cursor| String::from_utf8(cursor).ok());
    let found = parts.next().map(of_list).unwrap_or_default();
    (cursor, found.into_iter().next())
}

/// The entries of a list; what is not one is left out.
pub(super) fn of_list(list: Value) -> Vec<Entry> {
    match list {
        Value::Array(entries) => entries.into_iter().filter_map(of_entry).collect(),
        _ => Vec::new(),
    }
}

fn of_entry(entry: Value) -> Option<Entry> {
    let Value::Array(parts) = entry else {
        return None;
    };
    let mut parts = parts.into_iter();
    let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
    // An entry that was removed while it was held has no fields.
    let fields = match parts.next()? {
        Value::Array(fields) => fields,
        _ => return None,
    };
    let mut message = Message::default();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (Some(name), Some(value)) = (bytes(name), bytes(value)) else {
            continue;
        };
        let name = String::from_utf8_lossy(&name);
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        match &*name {
            DATA => message.data = value,
            CONTENT_TYPE => message.content_type = Some(text(value)),
            REPLY_TO => message.reply_to = Some(text(value)),
            other => {
                let other = other.strip_prefix(METADATA).unwrap_or(other).to_owned();
                message.set(&other, &text(value));
            }
        }
    }
    Some(Entry { id, message })
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn answer(message: &Message) -> Value {
        let fields = fields(message)
            .into_iter()
            .flat_map(|(name, value)| [text(&name), Value::BulkString(value.to_vec())]);
        let entry = Value::Array(vec![text("1-0"), Value::Array(fields.collect())]);
        let stream = Value::Array(vec![text("topic"), Value::Array(vec![entry])]);
        Value::Array(vec![stream])
    }

    proptest! {
        #[test]
        fn a_message_comes_out_as_it_went_in(
            data in any::<Vec<u8>>(),
            content_type in any::<Option<String>>(),
            reply_to in any::<Option<String>>(),
            metadata in any::<std::collections::BTreeMap<String, String>>(),
        ) {
            let metadata = metadata.into_iter().collect();
            let message = Message { topic: None, content_type, data, metadata, reply_to };
            let entries = of_streams(answer(&message));
            prop_assert_eq!(entries, vec![Entry { id: "1-0".into(), message }]);
        }
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for answer in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![Value::Array(vec![text("topic")])]),
            Value::Array(vec![Value::Array(vec![text("topic"), Value::Nil])]),
        ] {
            assert_eq!(of_streams(answer), []);
        }
        let gone = Value::Array(vec![text("1-0"), Value::Nil]);
        assert_eq!(of_list(Value::Array(vec![Value::Nil, gone])), []);
    }

    #[test]
    fn a_claim_says_how_far_it_looked() {
        let entry = Value::Array(vec![text("1-0"), Value::Array(vec![])]);
        let answer = Value::Array(vec![text("2-0"), Value::Array(vec![entry])]);
        let (cursor, found) = of_claim(answer);
        assert_eq!(cursor.as_deref(), Some("2-0"));
        assert_eq!(found.unwrap().id, "1-0");
        let nothing = Value::Array(vec![text("0-0"), Value::Array(vec![]), Value::Nil]);
        assert_eq!(of_claim(nothing), (Some("0-0".into()), None));
        assert_eq!(of_claim(Value::Nil), (None, None));
    }

    #[test]
    fn what_others_have_written_is_metadata() {
        let entry = Value::Array(vec![text("1-0"), Value::Array(vec![text("n"), text("3")])]);
        let entries = of_list(Value::Array(vec![entry]));
        assert_eq!(
            entries[0].message.metadata,
            [("n".to_owned(), "3".to_owned())]
        );
    }
}
