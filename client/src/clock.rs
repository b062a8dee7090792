//! The only place of the client that reads the clock.

use std::sync::Arc;

/// Tells the time in Unix seconds. A parameter everywhere, so that tests and simulations have their own.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's clock; a clock that stands before 1970 tells 0.
#[must_use]
pub fn system() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Arc::new(move || now().map_or(0, |since| since.as_secs()))
}

/// A clock that stands still at `seconds`, for tests.
#[must_use]
pub fn fixed(seconds: u64) -> Clock {
    Arc::new(move || seconds)
}
