//! A message, whoever carries it.

/// What is sent, and what arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where it arrived; none while a guest still writes it.
    pub topic: Option<String>,
    /// What its data is, as a media type.
    pub content_type: Option<String>,
    /// Its data.
    pub data: Vec<u8>,
    /// Headers, in their order; no two have the same name.
    pub metadata: Vec<(String, String)>,
    /// Where an answer goes to, if one is expected.
    pub reply_to: Option<String>,
}

impl Message {
    /// A message of these bytes.
    pub fn new(data: Vec<u8>) -> Self {
        Message {
            data,
            ..Message::default()
        }
    }

    /// All that is sent of it, in bytes.
    pub fn size(&self) -> usize {
        let pairs = self.metadata.iter();
        let pairs: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
        let content_type = self.content_type.as_ref().map_or(0, String::len);
        self.data.len() + pairs + content_type
    }

    /// Adds a header, in the place of the one of its name.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.metadata.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.metadata.push((name.to_owned(), value.to_owned())),
        }
    }
}
