//! How Tributary is, for people, supervisors and load balancers. Needs no token
//! and tells no address.

pub(super) mod healthz;
pub(super) mod livez;
pub(super) mod readyz;

use std::time::Duration;

/// How long the database may take before it counts as down: whoever asks has a
/// patience of their own.
const PATIENCE: Duration = Duration::from_secs(3);
