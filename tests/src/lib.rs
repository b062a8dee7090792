//! Whole nodes over real mTLS.
