//! What the desktop companion calls.

pub(super) mod bridge_login_complete;
