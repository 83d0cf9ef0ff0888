//! `/api/analytics`.

mod get;
mod history;
mod reference;
