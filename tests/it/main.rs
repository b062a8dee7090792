//! Whole nodes over real mTLS. One binary, since each links everything.

mod flow;
mod pull;
