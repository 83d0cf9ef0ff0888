//! Of many figures one.

use std::time::Duration;

/// The one in the middle; 0 of none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// So many percent took at most this, in milliseconds.
pub(crate) fn percentile(mut took: Vec<Duration>, percent: usize) -> f64 {
    took.sort_unstable();
    let index = (took.len() * percent / 100).min(took.len().saturating_sub(1));
    let at = took.get(index).copied().unwrap_or_default();
    at.as_secs_f64() * 1e3
}

/// So many in a time, per second.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
pub(crate) fn rate(count: usize, during: Duration) -> f64 {
    count as f64 / during.as_secs_f64()
}
