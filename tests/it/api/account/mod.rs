//! Under `/api/account`.

mod delete;
