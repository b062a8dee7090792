//! Library of those who publish to, pull from and check an Almenara federation; the command line is thin over it.

pub mod draft;
pub mod exit;
pub mod follow;
pub mod formats;
pub mod publish;
pub mod rpc;
pub mod tls;
