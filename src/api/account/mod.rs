//! Under `/api/account`.

pub(super) mod delete;
