//! What a connection to a file may do: what its part may do on a server, by the same matrix (FCT-26). SQLite asks here
//! about every table, column, function and setting that a statement names, once, while it prepares the statement
//! (sqlite.org/c3ref/set_authorizer.html).
//!
//! Binds what this program runs, whatever text reaches it; does not bind another program that opens the file: that is
//! left to the guards in the file. The one place with `unsafe` code, since SQLite asks by calling a C function.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::LazyLock;

use libsqlite3_sys as c;
use sqlx::sqlite::SqliteConnection;

use super::Login;
use crate::privileges::Role;

/// What a part may do: for each table the words of the matrix.
type Rights = BTreeMap<&'static str, Vec<&'static str>>;

/// The matrix, read once: a connection keeps a pointer into it for as long as it is open.
static MATRIX: LazyLock<BTreeMap<Role, Rights>> =
    LazyLock::new(|| Role::ALL.into_iter().map(|(_, role)| (role, role.tables())).collect());

/// Settings that may be read, those of a table by its name, and never set.
const PRAGMAS: [&str; 8] = [
    "application_id",
    "data_version",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "journal_mode",
    "table_info",
];
/// Settings among them whose value would change the file.
const UNNAMED_PRAGMAS: [&str; 3] = ["application_id", "data_version", "journal_mode"];
/// Tables of SQLite itself that anybody reads, as they do the catalog of a server; and how those begin that show a setting.
const BUILT_IN: [&str; 2] = ["sqlite_master", "json_each"];
const PRAGMA_TABLES: &str = "pragma_";

impl Login {
    /// Returns the part whose rights bind it on a file; nobody binds the owner.
    pub(super) const fn part(self) -> Option<Role> {
        match self {
            Self::Everyday => Some(Role::App),
            Self::Verifier => Some(Role::Verify),
            Self::Owner | Self::Repairer => None,
        }
    }
}

/// Keeps a connection to a file to the rights of a part, for as long as it is open.
///
/// # Errors
/// When the connection is broken.
#[expect(unsafe_code, reason = "the one call that tells SQLite whom to ask; nothing safe does it")]
pub async fn bind(connection: &mut SqliteConnection, part: Role) -> Result<(), sqlx::Error> {
    let none = || sqlx::Error::Configuration("a part without rights".into());
    let rights: &'static Rights = MATRIX.get(&part).ok_or_else(none)?;
    let mut handle = connection.lock_handle().await?;
    let asked_with = ptr::from_ref(rights).cast_mut().cast::<c_void>();
    // SAFETY: the handle is of an open connection, and locked: no other thread uses it meanwhile. `rights` lives as long as
    // the program, so longer than the connection, and nobody changes it.
    let code =
        unsafe { c::sqlite3_set_authorizer(handle.as_raw_handle().as_ptr(), Some(authorize), asked_with) };
    if code == c::SQLITE_OK {
        return Ok(());
    }
    Err(sqlx::Error::Configuration(format!("no rights can be set: result code {code}").into()))
}

/// Answers SQLite whether a statement may do something. It cannot panic, and touches nothing but its arguments.
#[expect(unsafe_code, reason = "SQLite hands over pointers")]
unsafe extern "C" fn authorize(
    rights: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    _database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: this is what `bind` gave, a `Rights` that outlives every connection and is never written again.
    let rights = unsafe { &*rights.cast_const().cast::<Rights>() };
    // SAFETY: by its documentation each is null or a text that ends with a zero byte and is there until this returns.
    let (Some(first), Some(second)) = (unsafe { text(first) }, unsafe { text(second) }) else {
        return c::SQLITE_DENY;
    };
    if may(rights, action, first, second) { c::SQLITE_OK } else { c::SQLITE_DENY }
}

/// A name that SQLite may leave out.
type Name<'t> = Option<&'t str>;

/// Reads a name; nothing where it is no UTF-8.
///
/// # Safety
/// It is null, or ends with a zero byte and outlives `'t`.
#[expect(unsafe_code, reason = "SQLite hands over pointers")]
unsafe fn text<'t>(of: *const c_char) -> Option<Name<'t>> {
    if of.is_null() {
        return Some(None);
    }
    // SAFETY: by the condition above.
    unsafe { CStr::from_ptr(of) }.to_str().ok().map(Some)
}

/// Decides about one thing that a statement does (sqlite.org/c3ref/c_alter_table.html lists them with their two names).
/// Whatever is not named here is refused: making, changing and removing tables, other files, settings.
fn may(rights: &Rights, action: c_int, first: Name<'_>, second: Name<'_>) -> bool {
    let name = first.unwrap_or_default();
    match action {
        c::SQLITE_READ => may_read(rights, name, second.unwrap_or_default()),
        c::SQLITE_INSERT => has(rights, name, |right| right == "INSERT"),
        c::SQLITE_DELETE => has(rights, name, |right| right == "DELETE"),
        c::SQLITE_UPDATE => has(rights, name, |right| {
            let column = right.strip_prefix("UPDATE").map(|rest| rest.trim_matches(['(', ')']));
            column.is_some_and(|column| column.is_empty() || Some(column) == second)
        }),
        c::SQLITE_PRAGMA => PRAGMAS.contains(&name) && (second.is_none() || !UNNAMED_PRAGMAS.contains(&name)),
        c::SQLITE_FUNCTION => second != Some("load_extension"),
        c::SQLITE_SELECT | c::SQLITE_RECURSIVE | c::SQLITE_TRANSACTION | c::SQLITE_SAVEPOINT => true,
        _ => false,
    }
}

fn has(rights: &Rights, table: &str, wanted: impl Fn(&str) -> bool) -> bool {
    rights.get(table).is_some_and(|all| all.iter().any(|right| wanted(right)))
}

/// A name without a column is that of a table from which nothing is read but that rows are there, or of a part of the
/// statement itself, which no part has rights on.
fn may_read(rights: &Rights, name: &str, column: &str) -> bool {
    let is_ours = || MATRIX.values().any(|tables| tables.contains_key(name));
    has(rights, name, |right| right == "SELECT")
        || BUILT_IN.contains(&name)
        || name.starts_with(PRAGMA_TABLES)
        || column.is_empty() && !is_ours()
}

#[cfg(test)]
mod tests;
