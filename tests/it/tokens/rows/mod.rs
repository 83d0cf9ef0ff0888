//! The table.

mod algorithms;
mod clerk;
mod custom;
mod headers;
mod identity;
mod permission;
mod recorded;
mod shapes;
mod times;

use super::row::Row;

/// All of it.
pub(super) fn all() -> Vec<Row> {
    [
        clerk::rows(),
        custom::rows(),
        headers::rows(),
        algorithms::rows(),
        identity::rows(),
        times::rows(),
        permission::rows(),
        shapes::rows(),
        recorded::rows(),
    ]
    .concat()
}
