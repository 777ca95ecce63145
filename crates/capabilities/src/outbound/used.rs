//! What statements leave behind on the session that they ran on.

/// What a session has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Used {
    /// Nothing.
    #[default]
    Fresh,
    /// Statements that read and write rows; functions in them may have changed settings.
    Plain,
    /// Others: it may be within a transaction, hold temporary tables, have chosen a database.
    Any,
}

impl Used {
    /// What a statement leaves behind, as its first word says.
    pub fn by(statement: &str) -> Used {
        const PLAIN: &[&str] = &[
            "select", "insert", "update", "delete", "replace", "with", "values", "table", "merge",
            "show",
        ];
        let word: String = statement
            .trim_start()
            .chars()
            .take_while(|c| c.is_ascii_alphabetic())
            .take(8)
            .collect();
        match PLAIN.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
            true => Used::Plain,
            false => Used::Any,
        }
    }
}

/// What a guest is told whose connection has gone with all that it had set up there.
pub const LOST: &str = "the connection was lost, and with it the transaction, or what else was set up on it; open another one";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_leaves_behind() {
        for plain in ["SELECT 1", "  insert into a", "With x AS (", "VALUES (1)"] {
            assert_eq!(Used::by(plain), Used::Plain, "{plain}");
        }
        for any in [
            "BEGIN",
            "/* */ BEGIN",
            "SET x = 1",
            "",
            "selectx",
            "USE other",
            "CREATE TEMP TABLE t()",
        ] {
            assert_eq!(Used::by(any), Used::Any, "{any}");
        }
    }
}
