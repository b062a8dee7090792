//! Whole nodes over real mTLS. One binary, since each links everything.

mod desk;
mod flow;
