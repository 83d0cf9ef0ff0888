//! Statements that a connection prepares once and keeps.
//!
//! diesel never keeps a `sql_query`, since its text could be different each time:
//! it parses, describes and closes it at every use. The texts of this room are
//! constants, so those of the hot paths are worth keeping.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::Untyped,
};

/// A statement that is kept by each connection which has run it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<Q>(Q);

/// Marks a statement as one with a constant text.
pub(super) trait Keep: Sized {
    /// Prepares it once per connection.
    fn kept(self) -> Kept<Self> {
        Kept(self)
    }
}

impl<Q: QueryFragment<Pg>> Keep for Q {}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Kept<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

/// Without an id of its own: the key is the text.
impl<Q> QueryId for Kept<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q> Query for Kept<Q> {
    type SqlType = Untyped;
}
