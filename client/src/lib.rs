//! Library.

pub mod tls;
