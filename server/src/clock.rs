//! The clock: a parameter everywhere, read only here.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

pub use almenara_client::tls::Clock;

/// The system's clock.
#[must_use]
pub fn system() -> Clock {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    })
}
