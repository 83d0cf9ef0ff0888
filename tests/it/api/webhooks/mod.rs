//! Under `/webhooks`.

mod clerk;
