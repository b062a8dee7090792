//! Everything that two parties of an Almenara federation must agree on, and nothing else.
//!
//! Bytes come in as messages of [`wire`]. [`strict`] says which of them are void whatever they mean; the
//! module of each noun turns the rest into domain types once:
//!
//! ```text
//! indicator → statement → batch → log entry → prefix of a log → checkpoint
//!                 └ release (who may see it)      └ keys, roster (who may speak)
//!                 └ verdict (what it adds up to)
//! ```
//!
//! Types carry progress: a [`batch::SignedBatch`] becomes a [`batch::VerifiedBatch`], which a log
//! [`prefix::Prefix`] judges; what leaves a node is [`release::Released`]. This crate knows no clock, no socket,
//! no SQL and no randomness of its own: time and random bytes are parameters, and an auditor who has only this
//! crate can check everything that a node says.

pub mod batch;
pub mod blame;
pub mod checkpoint;
pub mod indicator;
pub mod keys;
pub mod limits;
pub mod log;
pub mod merkle;
pub mod name;
pub mod note;
pub mod tile;
