//! PURE: what an event changes. No tokio, no diesel, no axum.
