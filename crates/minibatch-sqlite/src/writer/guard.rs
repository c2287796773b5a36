//! What a user's own statements may do on the connection that writes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};

use crate::schema;

/// Says no to whatever a user's statement may not do. SQLite asks it while it prepares a statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    /// Whether the statement is a user's.
    watching: Arc<AtomicBool>,
}

impl Guard {
    /// Has a connection's statements watched.
    pub(super) fn watch(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let watching = Arc::clone(&self.watching);
        conn.authorizer(Some(move |asked: AuthContext<'_>| {
            if !watching.load(Ordering::Relaxed) || is_allowed(&asked) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }))
    }

    /// Runs a user's statements.
    pub(super) fn watched<T>(&self, run: impl FnOnce() -> T) -> T {
        self.watching.store(true, Ordering::Relaxed);
        let ran = run();
        self.watching.store(false, Ordering::Relaxed);
        ran
    }
}

/// Reading and writing tables that are not minibatch's, and making such tables and their indexes.
fn is_allowed(asked: &AuthContext<'_>) -> bool {
    if asked.database_name.is_some_and(|name| name != "main") {
        return false;
    }
    match asked.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Function { .. } | AuthAction::Reindex { .. } => true,
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::CreateIndex { table_name, .. } => !schema::is_ours(table_name),
        _ => false,
    }
}
