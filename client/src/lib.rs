//! Library.

pub mod follow;
pub mod rpc;
pub mod tls;
