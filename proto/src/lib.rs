//! Everything that two parties of an Almenara federation must agree on, and nothing else.
//!
//! This crate knows no clock, no socket, no SQL and no randomness of its own.

pub mod checkpoint;
pub mod indicator;
pub mod merkle;
pub mod note;
pub mod tile;
