//! Whole nodes over real mTLS: what the tests and the benchmark share.

pub mod bench;
pub mod change;
pub mod backup;
pub mod cluster;
pub mod desk;
pub mod forge;
pub mod raw;
pub mod reader;
