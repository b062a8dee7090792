//! Whole nodes over real mTLS: what the tests and the benchmark share.

pub mod bench;
pub mod cluster;
