//! What a guest's SQL may do: nothing that leaves its file, and only what is safe within it. SQLite
//! asks at each step of preparing a statement, views and triggers included.

use super::grant::Access;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The longest statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// The largest text, blob or row, in bytes: a function works on whole ones, and nothing stops it on the
/// way.
pub const VALUE_BYTES_MAX: usize = 4 << 20;
/// The longest pattern of LIKE and GLOB, in bytes: they compare it with each place of a text.
const PATTERN_BYTES_MAX: i32 = 256;

const _: () = assert!(VALUE_BYTES_MAX <= i32::MAX as usize);
const _: () = assert!(STATEMENT_BYTES_MAX <= i32::MAX as usize);

/// Pragmas that tell something.
const READ: &[&str] = &[
    "application_id",
    "auto_vacuum",
    "collation_list",
    "compile_options",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_key_check",
    "foreign_key_list",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "journal_mode",
    "max_page_count",
    "page_count",
    "page_size",
    "quick_check",
    "recursive_triggers",
    "schema_version",
    "synchronous",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// Those of them that take what they tell about as an argument, which changes nothing.
const ASK: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Those that a guest may set: they change its own connection.
const SET: &[&str] = &["defer_foreign_keys", "foreign_keys", "recursive_triggers"];

/// Those that change the file.
const SET_WRITE: &[&str] = &["application_id", "optimize", "user_version"];

/// Functions that are refused. The two that patch JSON look for each key among all others, and nothing
/// stops them on the way.
const FUNCTIONS: &[&str] = &[
    "fts3_tokenizer",
    "json_patch",
    "jsonb_patch",
    "load_extension",
];

/// Why the statement that was prepared last was refused.
#[derive(Clone, Debug, Default)]
pub(super) struct Why(Arc<AtomicU8>);

impl Why {
    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    /// It would have written, and the grant is to read.
    pub(super) fn is_write(&self) -> bool {
        self.0.load(Relaxed) == 1
    }

    /// What the guest is told.
    pub(super) fn told(&self) -> &'static str {
        match self.0.load(Relaxed) {
            1 => "this store may only be read",
            2 => "a statement cannot reach other files: ATTACH and VACUUM are refused",
            3 => "this pragma is refused, or may only be read",
            _ => "the statement uses what is refused here",
        }
    }

    fn deny(&self, why: u8) -> Authorization {
        self.0.store(why, Relaxed);
        Authorization::Deny
    }
}

/// Decides for a connection.
pub(super) fn authorizer(
    access: Access,
    why: Why,
) -> impl for<'r> FnMut(AuthContext<'r>) -> Authorization + Send + 'static {
    move |context| match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => why.deny(2),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => pragma(access, &why, pragma_name, pragma_value),
        AuthAction::Function { function_name } => {
            match FUNCTIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(function_name))
            {
                true => why.deny(4),
                false => Authorization::Allow,
            }
        }
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. } => Authorization::Allow,
        AuthAction::Unknown { .. } => why.deny(4),
        _ => match access {
            Access::Write => Authorization::Allow,
            Access::Read => why.deny(1),
        },
    }
}

fn pragma(access: Access, why: &Why, name: &str, value: Option<&str>) -> Authorization {
    let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    let allowed = match value {
        None => is(READ),
        Some(_) => is(ASK) || is(SET),
    };
    match (allowed, is(SET_WRITE), access) {
        (true, ..) | (_, true, Access::Write) => Authorization::Allow,
        (_, true, Access::Read) => why.deny(1),
        _ => why.deny(3),
    }
}

/// The most columns of a table, an index or a result.
const COLUMNS_MAX: i32 = 200;

/// Sets a connection up for SQL that nobody trusts, before the authorizer is there.
pub(super) fn harden(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        // A row's values are all in memory at once, each as large as one may be.
        (Limit::SQLITE_LIMIT_COLUMN, COLUMNS_MAX),
        (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX as i32),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, STATEMENT_BYTES_MAX as i32),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, PATTERN_BYTES_MAX),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    ] {
        connection.set_limit(limit, most)?;
    }
    super::functions::define(connection)
}
