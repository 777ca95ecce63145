//! What an agent is told of a call: the result, cut where it is long, or what went wrong, in words
//! that it can act on.

use super::schema::{NOTICE, RESULT};
use crate::event::Failure;
use crate::functions::{Refused, Returned};
use holm_manifest::ByteSize;
use holm_runtime::{Error, Kind, PoolFull};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What a call came to.
pub(super) fn answer(result: Result<Returned, Refused>, most: ByteSize) -> CallToolResult {
    match result {
        Ok(returned) => returned_as(returned, most),
        Err(refused) => CallToolResult::error(vec![text(&why(refused), most)]),
    }
}

/// An error of the server's own tools.
pub(super) fn error(error: &Error, most: ByteSize) -> CallToolResult {
    CallToolResult::error(vec![text(&words(error), most)])
}

/// Why there is no result, where the call's own account does not have it: the call never began.
pub(super) fn unmade(refused: &Refused) -> Option<Error> {
    match refused {
        Refused::Failure(Failure::Busy(error) | Failure::Error(error)) => Some((**error).clone()),
        Refused::Failure(Failure::Full(full)) => Some(Error::yours(full_words(full))),
        _ => None,
    }
}

fn full_words(PoolFull { instances }: &PoolFull) -> String {
    format!("all {instances} instances of the server are at work")
}

fn returned_as(returned: Returned, most: ByteSize) -> CallToolResult {
    let Some(json) = returned.json else {
        let said = match returned.is_err {
            true => "the function answered with an error, which says nothing more",
            false => "done; the function gives nothing",
        };
        let content = vec![ContentBlock::text(said)];
        return match returned.is_err {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
    };
    if returned.is_err {
        let said = format!("the function answered with an error: {json}");
        return CallToolResult::error(vec![text(&said, most)]);
    }
    let cut = json.len() as u64 > most.0;
    let structured = match cut {
        true => json!({NOTICE: notice(json.len(), most)}),
        false => {
            let value: Value = serde_json::from_str(&json).unwrap_or(Value::Null);
            json!({RESULT: value})
        }
    };
    let mut result = CallToolResult::success(vec![text(&json, most)]);
    result.structured_content = Some(structured);
    result
}

/// A text of at most so many bytes, and a word about what is missing.
fn text(whole: &str, most: ByteSize) -> ContentBlock {
    let most_bytes = usize::try_from(most.0).unwrap_or(usize::MAX);
    if whole.len() <= most_bytes {
        return ContentBlock::text(whole);
    }
    let kept = &whole[..whole.floor_char_boundary(most_bytes)];
    ContentBlock::text(format!("{kept}\n\n[{}]", notice(whole.len(), most)))
}

fn notice(bytes: usize, most: ByteSize) -> String {
    format!(
        "cut: this is {} long, and {most} are shown; ask for less",
        ByteSize(bytes as u64)
    )
}

/// What went wrong, and whose turn it is.
fn why(refused: Refused) -> String {
    match refused {
        Refused::Arguments(mismatch) => {
            let help = mismatch.help.as_ref();
            let help = help.map_or(String::new(), |help| format!("\nhelp: {help}"));
            format!("the arguments do not fit: {mismatch}{help}")
        }
        Refused::Failure(Failure::Full(full)) => {
            format!("busy: {}; try again later", full_words(&full))
        }
        Refused::Failure(Failure::Busy(error)) => format!("busy: {error}; try again later"),
        Refused::Failure(Failure::NoAnswer(error) | Failure::Error(error)) => words(&error),
    }
}

/// An error with its limit, backtrace, help and denials.
fn words(error: &Error) -> String {
    let kind = match error.kind {
        Kind::Yours => "error",
        Kind::Guest => "guest failed",
        Kind::Denied => "denied",
        Kind::Ours => "internal error",
    };
    let mut out = format!("{kind}: {error}");
    if let Some(limit) = error.limit {
        let _ = write!(out, "\nlimit: {}", limit.name());
    }
    for frame in &error.backtrace {
        let _ = write!(out, "\n    at {}", frame.function);
        if let Some(place) = &frame.place {
            let _ = write!(out, " ({place})");
        }
    }
    for help in &error.help {
        let _ = write!(out, "\nhelp: {help}");
    }
    for denial in &error.denials {
        let _ = write!(
            out,
            "\ndenied: {}; its grant: {}",
            denial.asked, denial.line
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let most = ByteSize(5);
        let cut = text("äöüß", most);
        let ContentBlock::Text(cut) = cut else {
            panic!("{cut:?}");
        };
        assert_eq!(
            cut.text,
            "äö\n\n[cut: this is 8 B long, and 5 B are shown; ask for less]"
        );
        assert_eq!(text("ä", most), ContentBlock::text("ä"));
    }
}
