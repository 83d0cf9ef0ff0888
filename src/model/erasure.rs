//! Erasures.

/// Why something is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The user let a connection go, with what it saw.
    Connection,
    /// The user wants everything gone.
    Account,
    /// The user is gone at Clerk.
    UserDeleted,
}

impl Cause {
    /// Its name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Account => "account",
            Self::UserDeleted => "user_deleted",
        }
    }
}
