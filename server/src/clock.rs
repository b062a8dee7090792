//! The clock: a parameter everywhere; the client's is the one place that reads it.

pub use almenara_client::clock::{Clock, system};
