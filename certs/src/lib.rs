//! A member authority and its leaves.
